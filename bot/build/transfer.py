"""The difference between two builds on one architecture, applied to the packages of another.

The spec's own lines are evaluated on every architecture (the predicted overlays). Automatic
dependencies and sizes are known only after a build. Their difference between the base build and the
head build is taken from the native architecture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from bot.model.capability import split_capability
from bot.model.nevra import Nevra
from bot.model.package import Dependency, DependencyKind, Overlay, Package

# Replaces a package's own [epoch:]version-release while two versions are compared.
_OWN = "\x00"


@dataclass(frozen=True, slots=True)
class Transfer:
    """Both sides' overlays for the other architecture, evidence `transferred`.

    `base` and `head` are None if the difference cannot be transferred: then the predicted overlays
    stay, and `notes` say why.
    """

    base: Overlay | None
    head: Overlay | None
    notes: tuple[str, ...] = ()


_Key = tuple[DependencyKind, str]


def transfer(
    base_native: Iterable[Package],
    head_native: Iterable[Package],
    base_other: Overlay,
    head_other: Overlay,
    provides: Callable[[str], bool],
    *,
    native: str,
) -> Transfer:
    """Apply the changes between two native builds to another architecture's predicted overlays.

    `base_native` and `head_native` are the built packages on `native` (`base_native` empty if there
    was no spec before); `base_other` and `head_other` the predicted overlays of the other
    architecture; `provides` returns whether its pool has a capability.

    A package of that architecture gets the automatic dependencies that were added and loses those
    that were removed, written for that architecture, and its sizes change by as much; a new one
    gets the sizes of the native build. A noarch package is taken as built, on both sides, with the
    version-release of the predicted overlays. A new capability that nothing provides there ends the
    transfer.
    """
    foreign = base_other.arch
    if not can_map(native, foreign):
        what = f"what the build on {native} found cannot be transferred, so it is predicted"
        note = f"{foreign}: {what}."
        return Transfer(None, None, (note,))
    before = {package.nevra.name: package for package in base_native}
    after = {package.nevra.name: package for package in head_native}
    published = {package.nevra.name: package for package in base_other.packages}
    head: list[Package] = []
    requirements: list[tuple[str, str]] = []
    notes: list[str] = []
    for predicted in head_other.packages:
        name = predicted.nevra.name
        built = after.get(name)
        if built is None:
            head.append(predicted)
            notes.append(f"{foreign}: {name} is not built on {native}, so it is as predicted.")
        elif predicted.nevra.arch == "noarch" and built.nevra.arch == "noarch":
            head.append(_as_built(built, predicted.nevra))
        else:
            package_there, added = _with_difference(
                predicted, before.get(name), built, published.get(name), native, foreign
            )
            head.append(package_there)
            requirements.extend((name, capability) for capability in added)
    unprovided = _unprovided(requirements, head, provides)
    if unprovided:
        texts = "; ".join(f"{capability} ({name})" for name, capability in unprovided)
        note = (
            f"{foreign}: the build on {native} found requirements that nothing provides there, "
            f"so the image is predicted: {texts}."
        )
        return Transfer(None, None, (note,))
    base = [
        _as_built(built, package.nevra)
        if package.nevra.arch == "noarch"
        and (built := before.get(package.nevra.name)) is not None
        and built.nevra.arch == "noarch"
        else package
        for package in base_other.packages
    ]
    return Transfer(
        replace(base_other, packages=tuple(base), evidence="transferred"),
        replace(
            head_other,
            packages=tuple(head),
            evidence="transferred",
            notes=head_other.notes + tuple(notes),
        ),
        tuple(notes),
    )


def _with_difference(
    predicted: Package,
    before: Package | None,
    after: Package,
    published: Package | None,
    native: str,
    foreign: str,
) -> tuple[Package, tuple[str, ...]]:
    """Return `predicted` with the native difference, and the added requirements, as there."""
    base_generated = _generated(before)
    added = [key for key in _generated(after) if key not in base_generated]
    head_all = {_key(dependency, after.nevra) for dependency in after.dependencies}
    gone = [key for key in base_generated if key not in head_all]
    own = predicted.nevra
    lost = {(kind, _mapped(text, own, native, foreign)) for kind, text in gone}
    dependencies = [
        dependency
        for dependency in predicted.dependencies
        if (dependency.kind, dependency.capability) not in lost
    ]
    files = {
        (dependency.kind, _mapped(_key(dependency, after.nevra)[1], own, native, foreign)): tuple(
            map_path(path, native, foreign) for path in dependency.files
        )
        for dependency in after.dependencies
        if dependency.files
    }
    dependencies = [
        replace(d, files=files.get((d.kind, d.capability), d.files)) for d in dependencies
    ]
    present = {(dependency.kind, dependency.capability) for dependency in dependencies}
    required = []
    for kind, text in added:
        capability = _mapped(text, own, native, foreign)
        if kind == "requires":
            required.append(capability)
        if (kind, capability) not in present:
            present.add((kind, capability))
            own_files = files.get((kind, capability), ())
            dependencies.append(Dependency(kind, capability, generated=True, files=own_files))
    package_there = replace(
        predicted,
        dependencies=tuple(dependencies),
        files=_files(predicted, before, after, native, foreign),
        installed_size=_size("installed_size", before, after, published),
        installed_size_nodocs=_size("installed_size_nodocs", before, after, published),
        download_size=_size("download_size", before, after, published),
        location=None,
    )
    return package_there, tuple(required)


def _size(
    field: str, before: Package | None, after: Package, published: Package | None
) -> int | None:
    """Return the published size plus the native change; the native size for a new package."""
    head_size: int | None = getattr(after, field)
    if before is None or published is None:
        return head_size
    base_size: int | None = getattr(before, field)
    published_size: int | None = getattr(published, field)
    if head_size is None or base_size is None or published_size is None:
        return None
    return max(published_size + head_size - base_size, 0)


def _files(
    predicted: Package, before: Package | None, after: Package, native: str, foreign: str
) -> tuple[str, ...]:
    base_files = set(before.files) if before is not None else set()
    head_files = set(after.files)
    gone = {map_path(path, native, foreign) for path in base_files - head_files}
    added = {map_path(path, native, foreign) for path in head_files - base_files}
    if not gone and not added - set(predicted.files):
        return predicted.files
    return tuple(sorted((set(predicted.files) - gone) | added))


def _as_built(built: Package, own: Nevra) -> Package:
    """Return a built noarch package with the version-release of the overlay that it goes into."""
    dependencies = tuple(
        replace(d, capability=_with_own(_without_own(d.capability, built.nevra), own))
        for d in built.dependencies
    )
    return replace(built, nevra=own, dependencies=dependencies)


def _generated(package: Package | None) -> Mapping[_Key, None]:
    """Return the automatic dependencies in order, the package's own version as `_OWN`."""
    if package is None:
        return {}
    return {_key(d, package.nevra): None for d in package.dependencies if d.generated}


def _key(dependency: Dependency, own: Nevra) -> _Key:
    return dependency.kind, _without_own(dependency.capability, own)


def _mapped(text: str, own: Nevra, native: str, foreign: str) -> str:
    return _with_own(map_capability(text, native, foreign), own)


def _without_own(capability: str, own: Nevra) -> str:
    for text in (own.evr, own.version_release):
        capability = re.sub(rf"(?<=[=<>] ){re.escape(text)}(?![^\s)])", _OWN, capability)
    return capability


def _with_own(capability: str, own: Nevra) -> str:
    return capability.replace(_OWN, own.rpm_evr)


def _unprovided(
    requirements: Iterable[tuple[str, str]],
    packages: Iterable[Package],
    provides: Callable[[str], bool],
) -> list[tuple[str, str]]:
    """Return the (package, requirement) pairs that neither the overlay nor the pool provides."""
    provided = {path for package in packages for path in package.files}
    for package in packages:
        provided |= {
            split_capability(dependency.capability).name
            for dependency in package.of_kind("provides")
        }
    return sorted(
        {
            (name, capability)
            for name, capability in requirements
            if split_capability(capability).name not in provided and not provides(capability)
        }
    )


@dataclass(frozen=True, slots=True)
class _Traits:
    """Names of an architecture in rpm and in glibc.

    `isa` is rpm's %{_isa} without brackets (rpmrc/platform files); `loader` glibc's dynamic linker
    (shlib-versions); `glibc` the oldest symbol version there (GLIBC_x.y of the first port:
    sysdeps/*/shlib-versions); `triplet` the CPU part of the GNU triplet in paths.
    """

    isa: str
    loader: str
    glibc: tuple[int, ...]
    triplet: str


_ARCHITECTURES: Mapping[str, _Traits] = {
    "x86_64": _Traits("x86-64", "ld-linux-x86-64.so.2", (2, 2, 5), "x86_64"),
    "aarch64": _Traits("aarch-64", "ld-linux-aarch64.so.1", (2, 17), "aarch64"),
    "ppc64le": _Traits("ppc-64", "ld64.so.2", (2, 17), "powerpc64le"),
    "s390x": _Traits("s390-64", "ld64.so.1", (2, 2), "s390x"),
    "riscv64": _Traits("riscv-64", "ld-linux-riscv64-lp64d.so.1", (2, 27), "riscv64"),
}
_GLIBC = re.compile(r"\(GLIBC_(\d+(?:\.\d+)*)\)")


def can_map(native: str, foreign: str) -> bool:
    """Return whether capabilities of `native` can be mapped to `foreign`: both known and 64 bit."""
    return native in _ARCHITECTURES and foreign in _ARCHITECTURES


def map_capability(capability: str, native: str, foreign: str) -> str:
    """Return `capability` of architecture `native` as on `foreign`; rich dependencies too.

    It changes the `(x86-64)`-like tag, the loader's name and glibc's symbol versions: those up to
    the first glibc of either architecture become the first one of `foreign`. Everything else is the
    same on every 64 bit architecture, or does not exist on the other one. KeyError for an unknown
    architecture.
    """
    source, target = _ARCHITECTURES[native], _ARCHITECTURES[foreign]
    if source == target:
        return capability
    text = capability.replace(f"({source.isa})", f"({target.isa})")
    text = re.sub(rf"(?<![\w.-]){re.escape(source.loader)}(?=\()", target.loader, text)
    return _GLIBC.sub(lambda match: _glibc(match[1], source, target), text)


def map_path(path: str, native: str, foreign: str) -> str:
    """Return `path` with the CPU of the GNU triplet (`x86_64-redhat-linux`) mapped."""
    source, target = _ARCHITECTURES[native], _ARCHITECTURES[foreign]
    return re.sub(rf"(?<![\w]){re.escape(source.triplet)}(?=-(?:\w+-)?linux)", target.triplet, path)


def _glibc(version: str, source: _Traits, target: _Traits) -> str:
    number = tuple(int(part) for part in version.split("."))
    mapped = target.glibc if number <= max(source.glibc, target.glibc) else number
    return f"(GLIBC_{'.'.join(str(part) for part in mapped)})"
