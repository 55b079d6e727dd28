"""Taking over a content-resolver-input tree: checked first, copied only if all of it is right."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from bot.distro import (
    ConfigurationReport,
    check_configuration,
    image_keys,
    load_configuration,
)
from bot.errors import UsageError


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: `copied` file names, `images` that can be tracked now."""

    report: ConfigurationReport
    copied: tuple[str, ...] = ()
    images: int = 0


def import_content_resolver(tree: Path, config: Path) -> Imported:
    """Copies the documents of `tree` (or of its `configs` folder) into `config`.

    Nothing is copied if a document is refused: the report says file, line and what to do. A file
    that is there with other contents is never overwritten: UsageError names it.
    """
    source = tree / "configs" if (tree / "configs").is_dir() else tree
    report = check_configuration(source)
    if not report.documents:
        raise UsageError(
            f"There are no documents in {source}.",
            "Name a content-resolver-input checkout, or the folder of its YAML documents.",
        )
    if report.errors:
        return Imported(report)
    files = sorted(p for p in source.glob("*.yaml") if p.is_file() and not p.name.startswith("."))
    taken = [p.name for p in files if _differs(p, config / p.name)]
    if taken:
        raise UsageError(
            f"{config} has other documents of the same name: {', '.join(taken[:10])}.",
            "Move them away first, or name another folder with --config.",
        )
    config.mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copyfile(path, config / path.name)
    return Imported(
        report, tuple(p.name for p in files), len(image_keys(load_configuration(config)))
    )


def _differs(new: Path, there: Path) -> bool:
    return there.exists() and there.read_bytes() != new.read_bytes()
