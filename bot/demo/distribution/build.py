"""Building of the reference distribution, once, under a lock: index, fetch, convert, write.

Progress goes to standard error: a bar on a terminal, plain lines elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from bot.demo.distribution.convert import (
    ScannedPackage,
    elf_providers,
    linked_packages,
    open_rpm,
    recipe,
    scan,
    write_rpm,
)
from bot.demo.distribution.debian import DEBIAN_ARCH, SUITES, PackageSet, Suite
from bot.demo.distribution.fetch import (
    BUILT_ARCH,
    Apt,
    MirrorError,
    PackageIndex,
    download,
    download_source,
    open_apt,
    roots,
    select,
    update,
)
from bot.demo.distribution.recipes import (
    FILESYSTEM_DIRECTORIES,
    Recipe,
    filesystem_recipe,
    macros_recipe,
)
from bot.demo.distribution.reference import (
    ReferenceDistribution,
    find_reference_distribution,
    place,
    write_documents,
    write_record,
    write_repository,
)
from bot.errors import SurroundingsError
from bot.locks import locked


class Progress(Protocol):
    """Interface of progress messages while the distribution is built."""

    def message(self, text: str) -> None:
        """Show a sentence permanently."""

    def step(self, text: str, total: int) -> Callable[[], None]:
        """Begin a step of `total` parts; the returned function is to be called after each part."""


class Silent:
    """A Progress that shows nothing."""

    def message(self, text: str) -> None:
        del text

    def step(self, text: str, total: int) -> Callable[[], None]:
        del text, total
        return lambda: None


class Lines:
    """A Progress that writes a line for each step, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def message(self, text: str) -> None:
        seconds = time.monotonic() - self._start
        sys.stderr.write(f"[{seconds:5.1f} s] {text}\n")
        sys.stderr.flush()

    def step(self, text: str, total: int) -> Callable[[], None]:
        self.message(f"{text} ({total})")
        return lambda: None


@contextmanager
def progress() -> Iterator[Progress]:
    """The Progress for standard error: a bar on a terminal, else lines."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    with RichProgress(
        TextColumn("{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as bars:

        class Bars:
            def message(self, text: str) -> None:
                bars.console.print(text, highlight=False, markup=False)

            def step(self, text: str, total: int) -> Callable[[], None]:
                task = bars.add_task(text, total=total)
                return lambda: bars.advance(task)

        yield Bars()


_T = TypeVar("_T")
_R = TypeVar("_R")
TOOLS = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "rpmbuild": "rpm (Debian, Ubuntu) or rpm-build (Fedora, CentOS)",
}
SOURCES = ("nginx",)
# Seconds that another process may take to build it.
_LONGEST_MAKING = 3600.0


@dataclass(frozen=True, slots=True)
class Debian:
    """The downloads: for each architecture, the files of its packages by package name."""

    suite: Suite
    packages: Mapping[str, Mapping[str, Path]]
    versions: Mapping[str, str]


def build_reference_distribution(
    cache: Path, progress: Progress | None = None
) -> ReferenceDistribution:
    """The reference distribution below `cache`, which is built if missing (two minutes, 250 MB
    fetched). Waits for another process that builds it at the same time.

    Raises SurroundingsError if this machine lacks a program, or the mirror fails.
    """
    progress = progress or Silent()
    distribution = find_reference_distribution(cache)
    if distribution is not None:
        return distribution
    with build_lock(cache, progress):
        distribution = find_reference_distribution(cache)
        if distribution is not None:
            return distribution
        check_tools()
        root = place(cache)
        draft = root.with_name(root.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        debian = _fetch(cache / "debian", draft / "sources", progress)
        make_repositories(debian, draft, progress)
        write_documents(draft / "config", root / "repositories", debian.suite)
        write_record(draft, root, debian.suite, debian.versions)
        shutil.rmtree(root, ignore_errors=True)
        draft.replace(root)
    distribution = find_reference_distribution(cache)
    assert distribution is not None
    progress.message(f"The reference distribution is in {distribution.root}")
    return distribution


@contextmanager
def build_lock(cache: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock for building anything of the distribution below `cache`."""
    lock = place(cache).with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)

    def waiting(holder: str) -> None:
        progress.message(f"Waiting for {holder}, which builds the reference distribution")

    with locked(lock, seconds=_LONGEST_MAKING, waiting=waiting):
        yield


def check_tools() -> None:
    """Raise SurroundingsError if a program for building the distribution is missing."""
    missing = {tool: package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if missing:
        raise SurroundingsError(
            f"The reference distribution cannot be built without {', '.join(missing)}.",
            f"Install {', '.join(missing.values())}. Fedora has apt, dpkg and debian-keyring too.",
        )


# Fetching


def _fetch(directory: Path, sources: Path, progress: Progress) -> Debian:
    """Fetch and verify the packages of the first suite that the mirror has completely."""
    failures: list[MirrorError] = []
    for suite in SUITES:
        try:
            return _fetch_suite(suite, directory / suite.codename, sources, progress)
        except MirrorError as error:
            failures.append(error)
            progress.message(f"{suite.codename} is not available: {error.what}")
            shutil.rmtree(sources, ignore_errors=True)
    raise MirrorError(
        " ".join(failure.what for failure in failures),
        failures[0].hint,
    )


def _fetch_suite(suite: Suite, directory: Path, sources: Path, progress: Progress) -> Debian:
    apts = [open_apt(directory / arch, arch, suite) for arch in DEBIAN_ARCH]
    advance = progress.step(f"Index of Debian {suite.number}", len(apts))
    indexes = dict(zip(DEBIAN_ARCH, _map_in_threads(update, apts, advance, workers=4), strict=True))
    packages: dict[str, dict[str, Path]] = {}
    versions: dict[str, str] = {}
    advance = progress.step("Packages of the mirror", len(apts) + len(SOURCES))
    for apt in apts:
        index = PackageIndex.read(indexes[apt.arch])
        names = roots(buildroot=apt.arch == BUILT_ARCH)
        packages[apt.arch] = fetch_packages(apt, index, names, directory / "packages")
        for source in SOURCES:
            versions[source] = index.fields(source)["Version"]
        advance()
    for source in SOURCES:
        download_source(apts[0], source, sources)
        advance()
    return Debian(suite, packages, versions)


def fetch_packages(
    apt: Apt, index: PackageIndex, names: Iterable[str], directory: Path
) -> dict[str, Path]:
    """The files of packages and of all that they need, by name; missing ones are fetched."""
    selection = select(index, names)
    if selection.unmet:
        raise MirrorError(
            f"{apt.suite.codename} for {apt.debian_arch} lacks {', '.join(selection.unmet[:5])}."
        )
    files: dict[str, Path] = {}
    missing: list[tuple[str, str]] = []
    for name in selection.names:
        fields = index.fields(name)
        version = fields["Version"]
        file = f"{name}_{version.replace(':', '%3a')}_{fields['Architecture']}.deb"
        files[name] = directory / file
        if not _is_whole(files[name], fields["SHA256"]):
            files[name].unlink(missing_ok=True)
            missing.append((name, version))
    download(apt, missing, directory)
    absent = [path.name for path in files.values() if not path.exists()]
    if absent:
        raise MirrorError(f"apt-get download left out {', '.join(absent[:5])}.")
    return files


def _is_whole(path: Path, sha256: str) -> bool:
    """Return whether an earlier downloaded (and verified) file still has the index's SHA-256."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


# Making


def make_repositories(debian: Debian, root: Path, progress: Progress) -> None:
    """Write a repository for each architecture's packages below `root`."""
    work = root / "work"
    rpm = open_rpm(work / "rpm")
    debs = sorted({deb for files in debian.packages.values() for deb in files.values()})
    trees = {deb: work / "trees" / deb.stem for deb in debs}
    advance = progress.step("Unpacking", len(debs))
    scans = dict(
        zip(
            debs,
            _map_in_threads(lambda deb: scan(deb, trees[deb], rpm), debs, advance),
            strict=True,
        )
    )
    jobs = [*_own_recipes(debian, work / "trees"), *_recipes(debian, scans)]
    rpms = root / "packages"
    advance = progress.step("Repackaging", len(jobs))
    packages = _map_in_threads(lambda job: write_rpm(job[0], job[1], rpm, rpms), jobs, advance)
    revision = max(job[0].time for job in jobs)
    advance = progress.step("Writing repositories", len(debian.packages))
    for arch in debian.packages:
        own = [
            path
            for (package, target), path in zip(jobs, packages, strict=True)
            if _belongs(package, target, arch, debian)
        ]
        _publish(own, root / "repositories" / arch, revision)
        advance()
    shutil.rmtree(rpms)
    shutil.rmtree(work)


def _own_recipes(debian: Debian, trees: Path) -> Iterable[tuple[Recipe, str]]:
    yield filesystem_recipe(trees / "filesystem", debian.suite), next(iter(debian.packages))
    for arch in debian.packages:
        yield macros_recipe(trees / f"macros-{arch}", debian.suite, arch), arch


def _recipes(debian: Debian, scans: Mapping[Path, ScannedPackage]) -> Iterable[tuple[Recipe, str]]:
    """Every package once, with the architecture for rpmbuild; noarch ones with the first."""
    converted: set[Path] = set()
    for arch, files in debian.packages.items():
        providers = elf_providers({name: scans[deb].elf for name, deb in files.items()})
        package_set = PackageSet(
            {name: scans[deb].unpacked.fields for name, deb in files.items()}, debian.suite.dist
        )
        for name, deb in files.items():
            if deb in converted:
                continue
            converted.add(deb)
            package = scans[deb]
            linked = linked_packages(name, package.elf, providers)
            result = recipe(
                package,
                debian.suite.dist,
                linked,
                package_set,
                directories=FILESYSTEM_DIRECTORIES,
            )
            yield result, arch


def _belongs(package: Recipe, target: str, arch: str, debian: Debian) -> bool:
    if package.arch != "noarch":
        return target == arch
    return package.name in debian.packages[arch] or package.name == "filesystem"


def _publish(rpms: Sequence[Path], repository: Path, revision: int) -> None:
    """Put packages into a repository as hard links, as architectures share noarch packages."""
    packages = []
    for path in rpms:
        folder = repository / "Packages" / path.name[0].lower()
        folder.mkdir(parents=True, exist_ok=True)
        packages.append(folder / path.name)
        os.link(path, packages[-1])
    write_repository(repository, packages, revision)


def _map_in_threads(
    work: Callable[[_T], _R],
    items: Sequence[_T],
    advance: Callable[[], None],
    workers: int | None = None,
) -> list[_R]:
    """Call `work` on each item in threads, as other programs do the work; return the results in
    order."""
    with ThreadPoolExecutor(workers or os.cpu_count() or 2) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            results = []
            for future in futures:
                results.append(future.result())
                advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results
