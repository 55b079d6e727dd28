"""The files of a package that rpm installs without documentation and unwanted languages."""

from __future__ import annotations

import stat
from collections import Counter
from dataclasses import dataclass

from bot.distro.cache import Cache
from bot.distro.documents import EnvironmentDocument, WorkloadDocument
from bot.errors import MinimizeError
from bot.image.listing import DOCUMENTATION, GHOST, FileEntry, Listing, listing
from bot.model.package import Package

_DOCS = "include-docs"


@dataclass(frozen=True, slots=True)
class Selection:
    """The files to leave out of packages, as by rpm's `--excludedocs` and `_install_langs`.

    `languages` are those whose files (%lang) are installed, as in `_install_langs`: by default only
    the C locale, as such images have no users who read messages.
    """

    documentation: bool = False
    languages: tuple[str, ...] = ("C.utf8", "C.UTF-8")


def selection_of(
    environment: EnvironmentDocument, workload: WorkloadDocument | EnvironmentDocument
) -> Selection:
    """Return the selection of an image's documents (`include-docs`)."""
    return Selection(documentation=_DOCS in environment.options or _DOCS in workload.options)


def selected(files: tuple[FileEntry, ...], selection: Selection) -> tuple[int, ...]:
    """Return the indexes of the files that are installed, as in rpm's lib/transaction.c.

    A directory goes with its files: if all that a package has in it is left out, and something was
    left out, the package's own entry for the directory is left out too, and so on upwards.
    """
    skipped: set[int] = set()
    ghosts: set[int] = set()
    remaining: Counter[str] = Counter()
    emptied: list[str] = []
    directories: dict[str, int] = {}
    for index, entry in enumerate(files):
        parent = entry.path.rpartition("/")[0]
        if entry.is_directory:
            directories[entry.path] = index
        if entry.flags & GHOST:
            ghosts.add(index)
        remaining[parent] += 1
        if _is_left_out(entry, selection):
            skipped.add(index)
            emptied.append(parent)
    while emptied:
        directory = emptied.pop()
        remaining[directory] -= 1
        own = directories.get(directory)
        if remaining[directory] == 0 and own is not None and own not in skipped:
            skipped.add(own)
            emptied.append(directory.rpartition("/")[0])
    return tuple(i for i in range(len(files)) if i not in skipped and i not in ghosts)


def _is_left_out(entry: FileEntry, selection: Selection) -> bool:
    if entry.flags & DOCUMENTATION and not selection.documentation:
        return True
    if not entry.lang:
        return False
    # rpm installs a file of `en` if `en_US` is wanted.
    return not any(
        language.startswith(lang)
        for lang in entry.lang.split("|")
        if lang
        for language in selection.languages
    )


def size_without_documentation(listing: Listing) -> int:
    """Return a package's bytes without %doc files; hard links once, symbolic links too.

    Without %doc files this is rpm-md's installed size (RPMTAG_SIZE counts the same).
    """
    total = 0
    link_groups: set[int] = set()
    for entry in listing.files:
        if entry.flags & (DOCUMENTATION | GHOST):
            continue
        if not (stat.S_ISREG(entry.mode) or stat.S_ISLNK(entry.mode)):
            continue
        if entry.links:
            if entry.links in link_groups:
                continue
            link_groups.add(entry.links)
        total += entry.size
    return total


def installed_size_nodocs(package: Package, cache: Cache) -> int | None:
    """Return `size_without_documentation` of a package, from its header; None if unavailable."""
    if package.location is None:
        return None
    try:
        return size_without_documentation(listing(package, cache))
    except MinimizeError:
        return None
