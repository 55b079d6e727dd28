"""The entries of an image's layer, determined from its packages' headers alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bot.distro.cache import Cache
from bot.image.database import GROUP, PASSWD, DatabaseRequest, Owners, read_owners
from bot.image.fragment import FragmentPlan, file_content
from bot.image.layout import Arrangement, Member, arrange, landing
from bot.image.listing import FileEntry, Listing, listing
from bot.image.selection import Selection, selected
from bot.image.tarformat import TarEntry
from bot.model.package import Package

# The directory of rpm's database: Fedora's and SUSE's where a package has it, else the old one.
_NEW_DATABASE, _OLD_DATABASE = "/usr/lib/sysimage/rpm", "/var/lib/rpm"


@dataclass(frozen=True, slots=True)
class AccountFile:
    """A file of a package with added lines (passwd, group)."""

    entry: TarEntry
    content: bytes


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """Everything that determines a layer's bytes.

    `fragments` are the pieces of the packages (by name and architecture), `shared` the paths with
    several owners, `directories` the prologue. `time` (seconds since 1970) is the newest build time
    of a package, for entries that are of no package. `database` is null if the image has none.
    `accounts` is false if the package's passwd was not read: then `owners` has only the users of
    headers.
    """

    packages: tuple[Package, ...]
    fragments: tuple[FragmentPlan, ...]
    shared: tuple[FragmentPlan, ...]
    directories: tuple[TarEntry, ...]
    account_files: tuple[AccountFile, ...]
    owners: Owners
    time: int
    database: DatabaseRequest | None
    accounts: bool = True


def plan_layer(
    packages: Iterable[Package],
    cache: Cache,
    selection: Selection | None = None,
    *,
    database: bool = True,
    payload: bool = True,
) -> LayerPlan:
    """Return the plan of the layer of `packages`, from their headers and at most one payload.

    That payload is of the package with /etc/passwd, on which owners depend; without `payload` it is
    used only if it was read before. Raises RefusedPackageError and FileConflictError where the
    packages make no image, SurroundingsError where a header cannot be fetched.
    """
    selection = selection or Selection()
    ordered = tuple(sorted(packages, key=lambda package: (package.nevra.name, package.nevra.arch)))
    listings = _listings(ordered, cache)
    members = [
        Member(str(package.nevra), listing.files, selected(listing.files, selection))
        for package, listing in zip(ordered, listings, strict=True)
    ]
    place = _database_place(listings)
    arrangement = arrange(members, [place] if database else [])
    fragments = [
        FragmentPlan(package, listing, _indexes(member, excluded), redirects)
        for package, listing, member, excluded, redirects in zip(
            ordered, listings, members, arrangement.excluded, arrangement.redirects, strict=True
        )
    ]
    shared = _shared(fragments, arrangement)
    time = max((listing.built for listing in listings), default=0)
    files = _account_files(fragments, shared)
    contents = {path: _account_content(file, cache, payload) for path, file in files.items()}
    owners, account_files, replaced = _owners(files, contents, listings)
    return LayerPlan(
        packages=ordered,
        fragments=tuple(_without(fragment, replaced) for fragment in fragments),
        shared=tuple(_without(fragment, replaced) for fragment in shared),
        directories=tuple(
            _directory(path, entry, owners, time) for path, entry in arrangement.directories.items()
        ),
        account_files=account_files,
        owners=owners,
        time=time,
        database=DatabaseRequest(ordered, listings, selection, time, arrangement.additional[0])
        if database
        else None,
        accounts=None not in contents.values(),
    )


def _listings(packages: Sequence[Package], cache: Cache) -> tuple[Listing, ...]:
    """Return the listings, in order; headers are fetched in parallel."""
    remote = [p for p in packages if p.location and not p.location.url.startswith("file://")]
    if len(remote) > 1:
        with ThreadPoolExecutor(8) as executor:
            tuple(executor.map(lambda package: listing(package, cache), remote))
    return tuple(listing(package, cache) for package in packages)


def _database_place(listings: Sequence[Listing]) -> str:
    new = any(
        entry.path == _NEW_DATABASE and entry.is_directory
        for listing in listings
        for entry in listing.files
    )
    return _NEW_DATABASE if new else _OLD_DATABASE


def _indexes(member: Member, excluded: frozenset[int]) -> tuple[int, ...]:
    return tuple(
        index
        for index in member.installed
        if index not in excluded and not member.files[index].is_directory
    )


def _shared(fragments: Sequence[FragmentPlan], arrangement: Arrangement) -> list[FragmentPlan]:
    indexes_by_member: dict[int, list[int]] = {}
    for number, index in arrangement.shared:
        indexes_by_member.setdefault(number, []).append(index)
    return [
        FragmentPlan(
            fragments[number].package,
            fragments[number].listing,
            tuple(indexes),
            fragments[number].redirects,
        )
        for number, indexes in sorted(indexes_by_member.items())
    ]


def _account_files(
    fragments: Sequence[FragmentPlan], shared: Sequence[FragmentPlan]
) -> dict[str, FragmentPlan]:
    """Return the passwd and group of the image, each as a fragment of that file alone."""
    files: dict[str, FragmentPlan] = {}
    for fragment in (*fragments, *shared):
        for index in fragment.indexes:
            path = landing(fragment.listing.files[index], fragment.redirects)
            if f"/{path}" in (PASSWD, GROUP):
                files[f"/{path}"] = FragmentPlan(
                    fragment.package, fragment.listing, (index,), fragment.redirects
                )
    return files


def _owners(
    files: Mapping[str, FragmentPlan],
    contents: Mapping[str, bytes | None],
    listings: Sequence[Listing],
) -> tuple[Owners, tuple[AccountFile, ...], frozenset[tuple[str, int]]]:
    """Return the owners, the account files if they had to grow, and the indexes they replace."""
    sysusers = [user for listing_ in listings for user in listing_.sysusers]
    owners = read_owners(contents.get(PASSWD) or b"", contents.get(GROUP) or b"", sysusers)
    account_files: list[AccountFile] = []
    replaced: set[tuple[str, int]] = set()
    for path, content in ((PASSWD, owners.passwd), (GROUP, owners.group)):
        if content is not None and path in files:
            fragment = files[path]
            entry = fragment.listing.files[fragment.indexes[0]]
            uid, gid, _ = owners.of(entry.user, entry.group)
            account_files.append(
                AccountFile(
                    TarEntry(path[1:], entry.mode, uid, gid, len(content), entry.mtime), content
                )
            )
            replaced.add((fragment.listing.header, fragment.indexes[0]))
    return owners, tuple(account_files), frozenset(replaced)


def _account_content(fragment: FragmentPlan, cache: Cache, payload: bool) -> bytes | None:
    """Return the content of passwd or group, cached by the digest in its package's header.

    None where it is not cached and no `payload` may be read.
    """
    entry = fragment.listing.files[fragment.indexes[0]]
    if not entry.digest:
        return file_content(fragment, cache) if payload else None
    place = cache.addressed("accounts", entry.digest)
    try:
        return place.read_bytes()
    except OSError:
        if not payload:
            return None
        content = file_content(fragment, cache)
        cache.write(place, content)
        return content


def _without(fragment: FragmentPlan, replaced: frozenset[tuple[str, int]]) -> FragmentPlan:
    if not any(header == fragment.listing.header for header, _ in replaced):
        return fragment
    indexes = tuple(i for i in fragment.indexes if (fragment.listing.header, i) not in replaced)
    return FragmentPlan(fragment.package, fragment.listing, indexes, fragment.redirects)


def _directory(path: str, entry: FileEntry | None, owners: Owners, time: int) -> TarEntry:
    name = f"{path}/" if path else "./"
    if entry is None or not path:
        # buildah gives / the mode that is set here, and 0555 if none is set.
        return TarEntry(name, 0o040755, mtime=time if entry is None else entry.mtime)
    uid, gid, cleared = owners.of(entry.user, entry.group)
    return TarEntry(name, entry.mode & ~cleared, uid, gid, mtime=entry.mtime)
