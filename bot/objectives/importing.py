"""Import of a content-resolver-input tree: checked first, copied only if all of it is valid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.distro.images import image_keys
from bot.distro.load import (
    ConfigurationReport,
    check_configuration,
    check_together,
    documents_in,
    load_configuration,
)
from bot.errors import UsageError


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import: `copied` file names, `images` that can be tracked now."""

    report: ConfigurationReport
    copied: tuple[str, ...] = ()
    images: int = 0


def import_content_resolver(tree: Path, config: Path) -> Imported:
    """Copy the documents of `tree` (or of its `configs` folder) into `config`.

    Nothing is copied if a document is refused, or one of `config` beside them: the report says
    file, line and what to do. A file that is there with other contents is never overwritten:
    UsageError names it.
    """
    source = tree / "configs" if (tree / "configs").is_dir() else tree
    documents = documents_in(source)
    if not documents:
        raise UsageError(
            f"There are no documents in {source}.",
            "Name a content-resolver-input checkout, or the folder of its YAML documents.",
        )
    there = documents_in(config) if config.exists() else {}
    report = check_together(source, config) if there else check_configuration(source)
    if report.errors:
        return Imported(report)
    taken = [name for name, content in documents.items() if there.get(name, content) != content]
    if taken:
        raise UsageError(
            f"{config} has other documents of the same name: {', '.join(taken[:10])}.",
            "Move them away first, or name another folder with --config.",
        )
    config.mkdir(parents=True, exist_ok=True)
    for name, content in documents.items():
        _write(config / name, content)
    return Imported(report, tuple(documents), len(image_keys(load_configuration(config))))


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically: half a document would break the next import."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)
