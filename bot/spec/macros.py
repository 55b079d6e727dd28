"""The distribution's macros, from its own packages, found by the files they own.

A distribution evaluates its spec files in a build root: the packages of every build root, and those
that the spec's BuildRequires bring (macros of languages, of kernel modules, of SELinux policies).
Those that own a file below /usr/lib/rpm or /etc/rpm are fetched, verified and unpacked.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bot.errors import SurroundingsError
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.spec.macrofiles import (
    ABSENT,
    DIRECTORIES,
    MacroPool,
    put,
    required_by,
    solve_what_can_be,
    unpacked,
)
from bot.spec.macrotree import CONFIG, HOST, build_trees

if TYPE_CHECKING:
    from bot.distro.cache import Cache

_FORMAT = 2
# The ids of a build root's comps group: for mock, and in Koji's own.
BUILD_GROUPS = ("buildsys-build", "build", "srpm-build")
# For build roots without one: the package that every build root has, and the release package.
_BUILD_PACKAGES = ("rpm-build", "system-release")
_BELOW = tuple(f"/{directory}" for directory in DIRECTORIES)
_MOST_GAPS = 5
_JOBS = 8


@dataclass(frozen=True, slots=True)
class MacroSource:
    """Macro files for evaluating spec files.

    `root` is a directory with `usr/lib/rpm` (and maybe `etc/rpm`) as the distribution's packages
    fill them; null is for the macros of the host's rpm. `others` are the directories of
    architectures that need one of their own. `packages` are the NEVRAs of the packages, `notes`
    sentences for the report, and `gaps` what is missing and why, by package or request.
    """

    root: Path | None
    packages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    others: Mapping[str, Path] = field(default_factory=dict, hash=False)
    gaps: Mapping[str, str] = field(default_factory=dict, hash=False)

    def root_of(self, arch: str) -> Path | None:
        """The directory for an architecture; null for the macros of the host's rpm."""
        return self.others.get(arch, self.root)


BUILT_IN = MacroSource(None)


class PackageFiles(Protocol):
    """The source of package files (`bot.spec.macrofiles.VerifiedFiles`)."""

    def trust(self, package: Package) -> tuple[str, ...]:
        """The URLs of the keys of which one must have signed a package; empty if none is
        required."""
        ...

    def fetch(self, package: Package) -> Path:
        """The verified file of a package; SurroundingsError if it cannot be fetched or verified."""
        ...


@dataclass(frozen=True, slots=True)
class _MacroPackages:
    """Macro packages of one architecture, and the requests that were left out, with the reason."""

    packages: tuple[Package, ...]
    gaps: Mapping[str, str]


class MacroFinder:
    """Finds, fetches and unpacks the macro packages of a distribution, for its architectures.

    `pools` are its snapshots by architecture, `buildroot` the build packages that its document
    names, `name` is its name in notes. Results are remembered for the finder's lifetime.
    """

    def __init__(
        self,
        pools: Mapping[str, MacroPool],
        cache: Cache,
        files: PackageFiles,
        *,
        buildroot: Sequence[str] = (),
        name: str = "the distribution",
    ) -> None:
        self._pools = pools
        self._cache = cache
        self._buildroot = tuple(buildroot)
        self._name = name
        self._files = files
        self._owners: dict[str, frozenset[Nevra]] = {}
        self._results: dict[tuple[str, tuple[str, ...]], _MacroPackages] = {}
        self._walked: dict[tuple[str, str], tuple[Package, ...]] = {}
        self._sources: dict[tuple[tuple[str, tuple[Package, ...]], ...], MacroSource] = {}

    def build_root(self) -> MacroSource:
        """The macros of a build root without the BuildRequires of a spec file.

        If no package with macros can be fetched, the macros of this host's rpm, with a note.
        """
        by_arch = {arch: self._find(arch, ()) for arch in self._pools}
        if not any(part.packages for part in by_arch.values()):
            gaps = _first_gaps(_all_gaps(by_arch))
            return self._built_in(f"no macro packages were found in {self._name}{gaps}")
        source = self._source(by_arch)
        if source.root is None or not source.gaps:
            return source
        note = f"Not all macros of {self._name} are there{_first_gaps(source.gaps)}."
        return replace(source, notes=(note,))

    def with_requirements(self, requirements: Mapping[str, Sequence[str]]) -> MacroSource:
        """The macros of a build root with a spec file's BuildRequires, by architecture."""
        by_arch = {
            arch: self._find(arch, tuple(dict.fromkeys(requirements.get(arch, ()))))
            for arch in self._pools
        }
        return self._source(by_arch)

    # -- finding --------------------------------------------------------------------------------

    def _find(self, arch: str, requirements: tuple[str, ...]) -> _MacroPackages:
        macro_packages = self._results.get((arch, requirements))
        if macro_packages is None:
            pool = self._pools[arch]
            closure, gaps = solve_what_can_be(pool, (*self._requests(pool), *requirements))
            owners = self._owners.get(arch)
            if owners is None:
                try:
                    owners = pool.owning_below(_BELOW)
                except SurroundingsError as error:
                    owners, gaps = frozenset(), {**gaps, "filelists.xml": str(error).rstrip(".")}
                self._owners[arch] = owners
            packages = {p.nevra: p for p in closure if p.nevra in owners}
            names = {nevra.name for nevra in packages}
            for request in (gap for gap, why in gaps.items() if why != ABSENT):
                for package in self._packages_behind(arch, request):
                    if package.nevra in owners and package.nevra.name not in names:
                        packages[package.nevra] = package
            ordered = tuple(packages[nevra] for nevra in sorted(packages))
            macro_packages = self._results[arch, requirements] = _MacroPackages(ordered, gaps)
        return macro_packages

    def _packages_behind(self, arch: str, request: str) -> tuple[Package, ...]:
        """The packages of a request that cannot be installed: their macros are read without
        installing."""
        packages = self._walked.get((arch, request))
        if packages is None:
            packages = self._walked[arch, request] = required_by(self._pools[arch], request)
        return packages

    def _requests(self, pool: MacroPool) -> tuple[str, ...]:
        """The packages of every build root of the distribution."""
        if self._buildroot:
            return self._buildroot
        for group in BUILD_GROUPS:
            # Like dnf, skip members of the group that no package has.
            if names := tuple(name for name in pool.group(group) if pool.selects(name)):
                return names
        return tuple(name for name in _BUILD_PACKAGES if pool.selects(name))

    # -- fetching and unpacking -----------------------------------------------------------------

    def _source(self, by_arch: Mapping[str, _MacroPackages]) -> MacroSource:
        key = tuple((arch, part.packages) for arch, part in by_arch.items())
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = self._unpacked(dict(key))
        return replace(source, gaps={**_all_gaps(by_arch), **source.gaps})

    def _unpacked(self, packages: Mapping[str, tuple[Package, ...]]) -> MacroSource:
        root = self._place(packages)
        refused: dict[str, str] = {}
        if not root.is_dir():
            try:
                files, refused = self._unpacked_files(
                    {p for of_arch in packages.values() for p in of_arch}
                )
                packages = {
                    arch: tuple(p for p in of_arch if p in files)
                    for arch, of_arch in packages.items()
                }
                root = self._place(packages)
                if not root.is_dir():
                    self._make(root, packages, files)
            except OSError as error:
                return self._built_in(f"its macros cannot be unpacked ({error})")
        names = sorted({str(p.nevra) for of_arch in packages.values() for p in of_arch})
        if not names:
            return self._built_in(
                f"the macro packages of {self._name} could not be fetched{_first_gaps(refused)}"
            )
        roots = {
            arch: root / tree for arch, tree in json.loads((root / "trees").read_text()).items()
        }
        first = next(iter(roots.values()))
        if not any(_carries_macros(tree) for tree in set(roots.values())):
            return self._built_in(f"the packages of {self._name} carry no macros")
        others = {arch: tree for arch, tree in roots.items() if tree != first}
        return MacroSource(first, tuple(names), others=others, gaps=refused)

    def _unpacked_files(
        self, packages: Collection[Package]
    ) -> tuple[dict[Package, Path], dict[str, str]]:
        """The unpacked files of each package; and packages that cannot be fetched or are refused,
        with the reason."""
        # A noarch package is in the repository of each architecture and is unpacked once.
        same: dict[tuple[str, ...], list[Package]] = {}
        for package in sorted(packages, key=lambda p: p.nevra):
            same.setdefault((_checksum(package), *self._files.trust(package)), []).append(package)

        def files(group: Sequence[Package]) -> Path | SurroundingsError:
            try:
                return unpacked(self._files.fetch(group[0]), _checksum(group[0]), self._cache)
            except SurroundingsError as error:
                return error

        files_of: dict[Package, Path] = {}
        refused: dict[str, str] = {}
        with ThreadPoolExecutor(_JOBS) as threads:
            for group, directory in zip(
                same.values(), threads.map(files, same.values()), strict=True
            ):
                if isinstance(directory, SurroundingsError):
                    refused[str(group[0].nevra)] = str(directory).rstrip(".")
                else:
                    files_of.update(dict.fromkeys(group, directory))
        return files_of, refused

    def _place(self, packages: Mapping[str, Sequence[Package]]) -> Path:
        parts = [
            [arch, str(p.nevra), _checksum(p), *self._files.trust(p)]
            for arch, of_arch in packages.items()
            for p in of_arch
        ]
        key = json.dumps([_FORMAT, _host_state(), parts])
        return self._cache.addressed("macros", hashlib.sha256(key.encode()).hexdigest())

    def _make(
        self, root: Path, packages: Mapping[str, Sequence[Package]], files: Mapping[Package, Path]
    ) -> None:
        root.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".macros-", dir=root.parent))
        try:
            trees = build_trees(
                temporary, {arch: [files[p] for p in of_arch] for arch, of_arch in packages.items()}
            )
            (temporary / "trees").write_text(json.dumps(trees))
            put(temporary, root)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _built_in(self, reason: str) -> MacroSource:
        return replace(
            BUILT_IN,
            notes=(
                f"Spec files were evaluated with this host's rpm macros, not the distribution's "
                f"own: {reason}.",
            ),
        )


def _all_gaps(by_arch: Mapping[str, _MacroPackages]) -> dict[str, str]:
    """The gaps on any architecture; an unpublished package counts only if it is on none."""
    absent = set.intersection(
        *({gap for gap, why in part.gaps.items() if why == ABSENT} for part in by_arch.values())
    )
    return {
        gap: why
        for part in by_arch.values()
        for gap, why in part.gaps.items()
        if why != ABSENT or gap in absent
    }


def _first_gaps(gaps: Mapping[str, str]) -> str:
    """The first gaps, in brackets."""
    if not gaps:
        return ""
    texts = [f"{gap}: {why}" for gap, why in list(gaps.items())[:_MOST_GAPS]]
    rest = len(gaps) - len(texts)
    return f" ({'; '.join(texts)}{f'; and {rest} more' if rest > 0 else ''})"


def _host_state() -> list[object]:
    """The files of this host's rpm that go into an unpacked tree, as digests."""
    digests: list[object] = []
    for name in ("rpmrc", "macros"):
        path = HOST / name
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None)
    return digests


def _carries_macros(root: Path) -> bool:
    """Return whether a tree has a macro file that is not the host's own."""
    config = root / CONFIG
    files = [
        *config.glob("macros.d/macros.*"),
        *config.glob("*/macros"),
        *(root / "etc/rpm").glob("macros*"),
    ]
    own, host = config / "macros", config / "macros.minimize"
    return bool(files) or not host.is_file() or own.read_bytes() != host.read_bytes()


def _checksum(package: Package) -> str:
    return "" if package.location is None else package.location.checksum
