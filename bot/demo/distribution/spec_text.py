"""The spec file of a repackaged package: nothing is built, the tree is moved into place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bot.demo.distribution.debian import Evr
from bot.demo.distribution.unpack import Entry

_DOCUMENTATION = re.compile(r"^/usr/share/(?:doc|man|info|doc-base)/")
_LANGUAGE = re.compile(r"^/usr/share/(?:locale|man)/(?P<code>[a-z]{2,3}(?:[_@.][A-Za-z@_.-]+)?)/")


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that goes into one repackaged package.

    `source` is the source package's name, `source_evr` its version; `tree` the directory with the
    files, `entries` those of them that the package carries.
    """

    name: str
    evr: Evr
    arch: str
    source: str
    source_evr: Evr
    summary: str
    description: str
    url: str
    tree: Path
    entries: tuple[Entry, ...]
    time: int
    config_files: frozenset[str] = frozenset()
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    suggests: tuple[str, ...] = ()
    enhances: tuple[str, ...] = ()
    directories_of_filesystem: frozenset[str] = frozenset()


def spec_text(recipe: Recipe) -> str:
    """The spec file. The binary package is a subpackage where its source has another name."""
    lines = [
        f"Name: {recipe.source}",
        *_version(recipe.evr if recipe.name == recipe.source else recipe.source_evr),
        f"Summary: {_text(recipe.summary)}",
        "License: see /usr/share/doc",
    ]
    if recipe.url:
        lines.append(f"URL: {_text(recipe.url)}")
    alone = recipe.name == recipe.source
    if not alone:
        lines += ["%description", "Source.", f"%package -n {recipe.name}"]
        lines += [*_version(recipe.evr), f"Summary: {_text(recipe.summary)}"]
    if recipe.arch == "noarch":
        lines.append("BuildArch: noarch")
    for tag, capabilities in (
        ("Requires", recipe.requires),
        ("Provides", recipe.provides),
        ("Conflicts", recipe.conflicts),
        ("Obsoletes", recipe.obsoletes),
        ("Recommends", recipe.recommends),
        ("Suggests", recipe.suggests),
        ("Enhances", recipe.enhances),
    ):
        lines += [f"{tag}: {_text(capability)}" for capability in capabilities]
    option = "" if alone else f" -n {recipe.name}"
    lines += [f"%description{option}", _text(recipe.description) or "None."]
    lines += [
        "%install",
        "mkdir -p %{buildroot}",
        "rmdir %{buildroot}",
        f"mv {recipe.tree} %{{buildroot}}",
        f"%files{option}",
        "%defattr(-,root,root,-)",
        *file_lines(recipe.entries, recipe.config_files, recipe.directories_of_filesystem),
    ]
    return "".join(line + "\n" for line in lines)


def file_lines(
    entries: Iterable[Entry],
    config_files: frozenset[str] = frozenset(),
    left_out: frozenset[str] = frozenset(),
) -> list[str]:
    """The lines of `%files`. Directories in `left_out` belong to the `filesystem` package.

    A quoted name is literal, except that rpm expands macros in it: `%` is doubled. rpm cannot
    carry a name with a quote or a line break in it: ValueError.
    """
    lines = []
    for entry in entries:
        if entry.kind == "directory" and entry.path in left_out:
            continue
        if '"' in entry.path or "\n" in entry.path:
            raise ValueError(f"rpm cannot package a file of this name: {entry.path!r}")
        words = []
        if entry.kind == "directory":
            words.append("%dir")
        elif _DOCUMENTATION.match(entry.path):
            words.append("%doc")
        if entry.path in config_files and entry.kind == "file":
            words.append("%config(noreplace)")
        language = _LANGUAGE.match(entry.path)
        if language is not None and entry.kind != "directory":
            words.append(f"%lang({language['code']})")
        if entry.kind != "link":
            words.append(f"%attr({entry.mode:04o},{entry.user},{entry.group})")
        lines.append(f'{" ".join(words)} "{entry.path.replace("%", "%%")}"'.lstrip())
    return lines


def _version(evr: Evr) -> list[str]:
    epoch = [f"Epoch: {evr.epoch}"] if evr.epoch else []
    return [*epoch, f"Version: {evr.version}", f"Release: {evr.release}"]


def _text(text: str) -> str:
    """Text that rpm takes as it is: macros kept from expanding, section names from starting one."""
    return text.replace("%", "%%").strip()
