"""Where a spec file's sources come from: beside it, from the lookaside, or from their URL.

A dist-git repository keeps large files elsewhere and lists them beside the spec
(`bot.spec.lookaside`). The lookaside's address is a template such as

    https://src.fedoraproject.org/repo/pkgs/rpms/{name}/{file}/{hashtype}/{hash}/{file}

Names, lists and links come from the change's author: nothing here leaves the checkout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from bot.model.spec import SpecSource
from bot.spec.lookaside import (
    Listed,
    SourcesError,
    checked_name,
    read_lists,
    source_directory,
)

FEDORA_LOOKASIDE = (
    "https://src.fedoraproject.org/repo/pkgs/rpms/{name}/{file}/{hashtype}/{hash}/{file}"
)
CENTOS_LOOKASIDE = (
    "https://sources.stream.centos.org/sources/rpms/{name}/{file}/{hashtype}/{hash}/{file}"
)
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class WantedSource:
    """One `Source` or `Patch`: the file's `name` in the build, and where it can come from.

    `local` is a file of the checkout; else `listed` and `url` are where to fetch it: with both,
    the lookaside first, and the checksum holds for either.
    """

    tag: str
    name: str
    local: Path | None = None
    listed: Listed | None = None
    url: str | None = None


def wanted_sources(
    checkout: Path, spec_path: str, sources: Iterable[SpecSource]
) -> tuple[WantedSource, ...]:
    """Where each of a spec's sources comes from. SourcesError for one that is nowhere."""
    directory = source_directory(checkout, spec_path)
    lists: dict[str, Listed] = {}
    for place in {directory: None, (checkout / spec_path).parent: None, checkout: None}:
        lists = {**read_lists(place), **lists}
    found: dict[str, WantedSource] = {}
    for source in sources:
        name = checked_name(source.location.rsplit("/", 1)[-1])
        if name in found:
            continue
        listed = lists.get(name)
        url = source.location if "://" in source.location else None
        local = inside(checkout, directory / name)
        if local is None and listed is None and url is None:
            raise SourcesError(
                f"{source.tag} of {spec_path}: {name} is not beside the spec file, is in no"
                " list of sources there, and is no URL.",
                "Add the file, or upload it to the lookaside and commit `sources`.",
            )
        if local is not None:
            found[name] = WantedSource(source.tag, name, local=local)
        else:
            found[name] = WantedSource(source.tag, name, listed=listed, url=url)
    return tuple(found.values())


def inside(checkout: Path, path: Path) -> Path | None:
    """`path` if it is a regular file of the checkout, links followed; null if there is none.

    SourcesError for a link that leads out of the checkout: a change's author may not have the
    server's files read.
    """
    if not (path.is_symlink() or path.exists()):
        return None
    real = path.resolve()
    if not real.is_relative_to(checkout.resolve()):
        raise SourcesError(f"{path.name} is a link out of the repository; it is not followed.")
    return real if real.is_file() else None


def lookaside_url(template: str, package: str, listed: Listed) -> str:
    """The URL of a lookaside file; SourcesError if the template has other fields than ours."""
    values = {
        "name": quote(package, safe=""),
        "file": quote(listed.name, safe=""),
        "hashtype": listed.algorithm,
        "hash": listed.checksum,
    }
    rest = _FIELD.sub("", template)
    unknown = set(_FIELD.findall(template)) - values.keys()
    if unknown or "{" in rest or urlsplit(template).scheme not in {"http", "https"}:
        raise SourcesError(
            f"The lookaside {template!r} is no http(s) URL with {{name}}, {{file}}, {{hashtype}}"
            " and {hash}.",
            "Correct `lookaside` in .minimize.yaml.",
        )
    return _FIELD.sub(lambda match: values[match[1]], template)
