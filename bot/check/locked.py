"""Locked images of a change: exact packages, compared without solving."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.check.compare import Thresholds, changed_package, compare
from bot.check.request_files import RequestFiles
from bot.check.target import Target
from bot.closure.pool import Pool
from bot.errors import ChangeError
from bot.model.closure import Closure, ClosurePair, SnapshotState
from bot.model.image import LOCKED, ImageKey
from bot.model.package import Package
from bot.model.result import CheckResult, ImageResult
from bot.requests.file_images import BaseImage, FileImage, place_of
from bot.requests.rpms_in import read_rpms_in, read_rpms_lock, request_of
from bot.requests.values import Entry


@dataclass(frozen=True, slots=True)
class LockedImage:
    """One architecture of a lock file: its packages at head, and at base, null if it has none.

    The key's `repository` is the repository document that its `rpms.in.yaml` stands on, or
    `locked`; `entries` are the entries of that file.
    """

    key: ImageKey
    base: tuple[Package, ...] | None
    head: tuple[Package, ...]
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Locked:
    """The locked images of a change, and sentences on files that could not be read."""

    images: tuple[LockedImage, ...] = ()
    problems: tuple[str, ...] = ()


def locked_images(
    files: RequestFiles, own: Sequence[FileImage], table: Sequence[BaseImage], solved: Iterable[str]
) -> Locked:
    """The images of the changed lock files, without those whose request is solved itself
    (`solved`)."""
    images: list[LockedImage] = []
    problems: list[str] = []
    for file in files.changed:
        if file.kind != "rpms.lock" or file.head_path is None or request_of(file.path) in solved:
            continue
        try:
            after = read_rpms_lock(file.path, files.head[file.path]).packages
            before: Mapping[str, tuple[Package, ...]] = {}
            if file.base_path is not None:
                before = read_rpms_lock(file.base_path, files.base[file.base_path]).packages
        except ChangeError as error:
            problems.append(f"{error.what}; it was not compared.")
            continue
        repository, entries = _request(file.path, files.head, own, table)
        images += [
            LockedImage(
                ImageKey(file.path, LOCKED, repository, arch),
                before.get(arch),
                after[arch],
                entries,
            )
            for arch in sorted(after)
        ]
    return Locked(tuple(images), tuple(problems))


def _request(
    path: str, files: Mapping[str, bytes], own: Sequence[FileImage], table: Sequence[BaseImage]
) -> tuple[str, tuple[Entry, ...]]:
    """The repository document and the entries of the `rpms.in.yaml` beside a lock file."""
    request = request_of(path)
    if request not in files:
        return LOCKED, ()
    (image,) = read_rpms_in(request, files)
    place = place_of(image, own, table)
    return (place.repository if place is not None else LOCKED), image.entries


def with_locked(
    result: CheckResult, locked: Locked, targets: Iterable[Target], thresholds: Thresholds
) -> CheckResult:
    """The result with the locked images added."""
    pools = {(t.document.id, arch): pool for t in targets for arch, pool in t.pools.items()}
    compared = [
        _compared(image, pools.get((image.key.repository, image.key.arch)), thresholds)
        for image in locked.images
    ]
    images = sorted((*result.images, *compared), key=lambda image: image.key)
    return replace(result, images=tuple(images))


def _compared(locked: LockedImage, pool: Pool | None, thresholds: Thresholds) -> ImageResult:
    """One locked image; installed sizes are from repository metadata, if there is any."""
    state = pool.state if pool is not None else SnapshotState("", ())
    head = _closure(locked, state, _sized(locked.head, pool))
    base = Closure(locked.key, state, "absent")
    if locked.base is not None:
        base = _closure(locked, state, _sized(locked.base, pool))
    image = compare(ClosurePair(base, head, "requested"), thresholds)
    lines = {
        e.text: e.line
        for e in locked.entries
        if e.kind == "package" and e.counts_on(locked.key.arch)
    }
    added = (replace(a, spec=lines.get(a.package.nevra.name)) for a in image.added)
    before = {p.nevra.name_arch: p for p in base.packages}
    # A new release counts as a change: the packages are exact.
    changed = [
        changed_package(old, p)
        for p in head.packages
        if (old := before.get(p.nevra.name_arch)) is not None and old.nevra != p.nevra
    ]
    moved = bool(image.changed or changed)
    return replace(image, added=tuple(added), changed=moved, changed_packages=tuple(changed))


def _closure(locked: LockedImage, state: SnapshotState, packages: Iterable[Package]) -> Closure:
    names = {entry.text for entry in locked.entries if entry.kind == "package"}
    own = tuple(packages)
    requested = frozenset(p.nevra for p in own if p.nevra.name in names)
    return Closure(locked.key, state, "ok", packages=own, requested=requested)


def _sized(packages: Iterable[Package], pool: Pool | None) -> Iterator[Package]:
    for package in packages:
        candidates = pool.candidates(str(package.nevra)) if pool is not None else ()
        published = next((p for p in candidates if p.nevra == package.nevra), None)
        yield package if published is None else replace(published, dependencies=())
