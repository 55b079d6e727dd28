"""The paths of an image's files: links followed, shared paths found, conflicts reported.

rpm resolves the directory of each file through the symbolic links that packages bring (/lib64 is
usr/lib64 where that link is installed), so no entry of the layer goes through a link.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.errors import ChangeError
from bot.image.listing import FileEntry
from bot.image.rpmheader import RefusedPackageError, printable

_MAX_LINKS = 40
# In an OCI layer such names delete a file of a lower layer.
_WHITEOUT = ".wh."


@dataclass(frozen=True, slots=True)
class Member:
    """A package of an image: its name for errors, its files, and the indexes of installed ones."""

    name: str
    files: tuple[FileEntry, ...]
    installed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The paths of all files.

    Paths have no leading slash; the root directory is empty. `redirects` has, for each member, the
    directories that links replace, with their targets. `directories` maps every directory to the
    file entry with its mode and owner, None where no package owns it. `excluded` has, for each
    member, the indexes that are not in its fragment, because another package has the path too (or
    a hard link of it); `shared` has, for each of those paths, the member and index that provide it,
    in path order. `additional` are the real paths of the additional directories.
    """

    redirects: tuple[Mapping[str, str], ...]
    directories: Mapping[str, FileEntry | None]
    excluded: tuple[frozenset[int], ...]
    shared: tuple[tuple[int, int], ...]
    additional: tuple[str, ...] = ()


class FileConflictError(ChangeError):
    """Two packages have different files at one path: rpm would refuse the transaction."""

    def __init__(self, what: str) -> None:
        super().__init__(printable(what))


def arrange(members: Sequence[Member], additional: Sequence[str] = ()) -> Arrangement:
    """Return the paths of the files of `members` and of `additional` directories (absolute).

    Raises FileConflictError where two packages cannot be installed together, RefusedPackageError,
    naming it, for a package with a device, a socket, a file behind its own symbolic link, or a name
    that an OCI layer cannot have.
    """
    links = _links(members)
    resolver = _Resolver(links)
    redirects: list[dict[str, str]] = []
    owners: dict[str, list[tuple[int, int]]] = {}
    directories: dict[str, FileEntry | None] = {}
    first_in: dict[str, int] = {}
    for number, member in enumerate(members):
        own_moves: dict[str, str] = {}
        real_paths: dict[str, str] = {}
        for index in member.installed:
            entry = member.files[index]
            directory, _, base = entry.path.rpartition("/")
            real = real_paths.get(directory)
            if real is None:
                real = real_paths[directory] = resolver.directory(directory)
                if real != directory[1:]:
                    own_moves[directory] = real
                    _refuse_own_link(member, entry, directory, resolver)
            path = f"{real}/{base}" if real else base
            if entry.is_directory:
                earlier = directories.get(path)
                if earlier is not None and _directory(earlier) != _directory(entry):
                    raise FileConflictError(
                        f"The directory /{path} has another mode or owner in"
                        f" {members[first_in[path]].name} than in {member.name}: rpm installs only"
                        " one of them."
                    )
                directories[path] = entry
                first_in[path] = number
            else:
                _refuse_kind(member, entry, base)
                owners.setdefault(path, []).append((number, index))
        redirects.append(own_moves)
    extra = tuple(resolver.directory(path) for path in additional)
    for path in extra:
        directories.setdefault(path, None)
    _add_parents(directories, owners)
    _refuse_mixed(members, directories, owners)
    excluded, shared = _shared(members, owners)
    ordered = {path: directories[path] for path in sorted(directories)}
    return Arrangement(tuple(redirects), ordered, excluded, shared, extra)


def landing(entry: FileEntry, redirects: Mapping[str, str]) -> str:
    """Return the path in the layer of a file of a member, by that member's `redirects`."""
    directory, _, base = entry.path.rpartition("/")
    real = redirects.get(directory)
    if real is None:
        return entry.path[1:]
    return f"{real}/{base}" if real else base


def _links(members: Sequence[Member]) -> dict[str, str]:
    return {
        entry.path: entry.link
        for member in members
        for entry in map(member.files.__getitem__, member.installed)
        if stat.S_ISLNK(entry.mode)
    }


class _Resolver:
    """Follows the image's own symbolic links, within the image: `..` ends at its root."""

    def __init__(self, links: Mapping[str, str]) -> None:
        self._links = links
        self._real_paths: dict[str, str] = {"": ""}

    def directory(self, path: str) -> str:
        """Return the real path of the directory `/a/b`, as `c/d`; empty for the root."""
        real = self._real_paths.get(path)
        if real is None:
            real = self._real_paths[path] = self._follow(path)[1:]
        return real

    def through(self, path: str) -> Iterator[str]:
        """Yield the links, by their own paths, by which the directory `path` is reached."""
        place = ""
        for part in path.split("/")[1:]:
            place += "/" + part
            if place in self._links:
                yield place

    def _follow(self, path: str) -> str:
        parts = list(reversed([part for part in path.split("/") if part]))
        place, count = "", 0
        while parts:
            part = parts.pop()
            if part == ".":
                continue
            if part == "..":
                place = place.rpartition("/")[0]
                continue
            target = self._links.get(f"{place}/{part}")
            if target is None:
                place = f"{place}/{part}"
                continue
            count += 1
            if count > _MAX_LINKS:
                raise FileConflictError(
                    f"The symbolic links of the packages form a loop at {path}."
                )
            if target.startswith("/"):
                place = ""
            parts.extend(reversed([step for step in target.split("/") if step]))
        return place


def _refuse_own_link(member: Member, entry: FileEntry, directory: str, resolver: _Resolver) -> None:
    own = {
        member.files[index].path
        for index in member.installed
        if stat.S_ISLNK(member.files[index].mode)
    }
    for link in resolver.through(directory):
        if link in own:
            raise RefusedPackageError(
                member.name, f"it has {entry.path} behind its own symbolic link {link}"
            )


def _refuse_kind(member: Member, entry: FileEntry, base: str) -> None:
    kind = stat.S_IFMT(entry.mode)
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        raise RefusedPackageError(member.name, f"{entry.path} is a device node")
    if kind not in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFIFO):
        raise RefusedPackageError(
            member.name, f"{entry.path} is of a kind that a layer cannot have"
        )
    if base.startswith(_WHITEOUT):
        raise RefusedPackageError(
            member.name, f"{entry.path} would be read as a deletion in an OCI layer"
        )


def _add_parents(directories: dict[str, FileEntry | None], owners: Mapping[str, object]) -> None:
    for path in (*owners, *directories):
        parent = path.rpartition("/")[0]
        while parent not in directories:
            directories[parent] = None
            parent = parent.rpartition("/")[0]
    directories.setdefault("", None)


def _refuse_mixed(
    members: Sequence[Member],
    directories: Mapping[str, FileEntry | None],
    owners: Mapping[str, Sequence[tuple[int, int]]],
) -> None:
    """Raise where a path is a directory in one package and something else in another."""
    for path in directories.keys() & owners.keys():
        number, _ = owners[path][0]
        prefix = f"/{path}/"
        owner = next(
            (
                member.name
                for member in members
                if any(
                    (entry.path == f"/{path}" and entry.is_directory)
                    or entry.path.startswith(prefix)
                    for entry in map(member.files.__getitem__, member.installed)
                )
            ),
            "another package",
        )
        raise FileConflictError(
            f"/{path} is a file of {members[number].name} and a directory of {owner}."
        )


def _shared(
    members: Sequence[Member], owners: Mapping[str, list[tuple[int, int]]]
) -> tuple[tuple[frozenset[int], ...], tuple[tuple[int, int], ...]]:
    excluded: list[set[int]] = [set() for _ in members]
    providers: list[tuple[int, int]] = []
    for path in sorted(path for path, holders in owners.items() if len(holders) > 1):
        holders = owners[path]
        providers.append(_winner(members, path, holders))
        for number, index in holders:
            excluded[number].add(index)
    for number, indexes in enumerate(excluded):
        files = members[number].files
        groups = {files[index].links for index in indexes} - {0}
        if groups:
            # A hard link must come after its file: the whole group comes after the fragments.
            links = [
                index
                for index in members[number].installed
                if files[index].links in groups and index not in indexes
            ]
            indexes.update(links)
            providers.extend((number, index) for index in links)
    return tuple(map(frozenset, excluded)), tuple(sorted(providers))


def _winner(
    members: Sequence[Member], path: str, holders: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    """Return which of several equal files is taken: as in rpm the last, or the 64-bit one."""
    entries = [members[number].files[index] for number, index in holders]
    best = max(entry.color for entry in entries)
    preferred = [pair for pair, entry in zip(holders, entries, strict=True) if entry.color == best]
    first = members[preferred[0][0]].files[preferred[0][1]]
    for number, index in preferred[1:]:
        entry = members[number].files[index]
        if _content(entry) != _content(first):
            raise FileConflictError(
                f"/{path} differs in {members[preferred[0][0]].name} and {members[number].name}:"
                " rpm installs only one of them."
            )
    return preferred[-1]


def _directory(entry: FileEntry) -> tuple[object, ...]:
    return entry.mode, entry.user, entry.group


def _content(entry: FileEntry) -> tuple[object, ...]:
    link = stat.S_ISLNK(entry.mode)
    return (entry.mode, entry.link) if link else (entry.mode, entry.digest, entry.user, entry.group)
