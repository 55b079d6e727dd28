"""A repository of more than 60,000 packages for each architecture: metadata only, for measuring.

It is Debian's whole index in rpm's words, with the reference distribution's packages, ELF
capabilities and all, in the place of those of the same name: so `nginx` on `minimal` resolves to
the same closure in both. Made once, cached beside the reference distribution.

    python -m tests.benchmarks.big_repository
"""

from __future__ import annotations

import fcntl
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.demo.distribution.build import Progress, Silent, build_reference_distribution, progress
from bot.demo.distribution.debian import (
    DEBIAN_ARCH,
    RPM_ARCH,
    Suite,
    package_evr,
    provides,
    requires,
    weak,
)
from bot.demo.distribution.fetch import PackageIndex, open_apt, update
from bot.demo.distribution.reference import (
    ReferenceDistribution,
    default_cache,
    write_metadata,
)
from bot.distro.repomd import createrepo

FORMAT = 1
LEAST = 60_000
# 2023-06-10, Debian 12: the metadata's own time.
REVISION = 1_686_355_200
_FLAGS = {"<": "LT", "<=": "LE", "=": "EQ", ">=": "GE", ">": "GT"}
Entry = tuple[str, str | None, str | None, str | None, str | None, bool]


@dataclass(frozen=True, slots=True)
class BigRepository:
    """`config_dir` has the documents (repository `big`, environment `minimal`, workloads)."""

    root: Path
    config_dir: Path
    repositories: Mapping[str, str]


def big_repository(
    reference: ReferenceDistribution, cache: Path, progress: Progress | None = None
) -> BigRepository:
    """The big repository below `cache`: found there, or made (about a minute)."""
    progress = progress or Silent()
    root = cache.absolute() / "benchmarks" / f"big-{FORMAT}-{reference.root.name}"
    found = BigRepository(
        root, root / "config", {arch: (root / arch).as_uri() for arch in DEBIAN_ARCH}
    )
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_name(root.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.exists():
            return found
        draft = root.with_name(root.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        done = progress.step("Big repository", len(DEBIAN_ARCH))
        for arch in DEBIAN_ARCH:
            _write_arch(reference, arch, _index(reference.suite, arch, cache), draft / arch)
            done()
        _write_documents(reference, draft / "config", root)
        draft.replace(root)
    return found


def _index(suite: Suite, arch: str, cache: Path) -> PackageIndex:
    """The index that the reference distribution was made of, fetched again if it is gone."""
    directory = cache / "debian" / suite.codename / arch
    found = sorted((directory / "lists").glob("*_Packages"))
    return PackageIndex.read(found[0] if found else update(open_apt(directory, arch, suite)))


def _write_arch(
    reference: ReferenceDistribution, arch: str, index: PackageIndex, root: Path
) -> None:
    published = list(_published(reference.repository_directory(arch)))
    taken = {package.name for package in published}
    names = sorted(name for name in index if name not in taken)
    total = len(published) + len(names)
    if total < LEAST:
        raise ValueError(f"{reference.suite.codename} for {arch} has only {total} packages")

    def packages() -> Iterator[Any]:
        yield from published
        for name in names:
            yield _package(name, index.fields(name), reference.dist)

    write_metadata(root, packages, total, REVISION)


def _published(repository: Path) -> Iterable[Any]:
    """The reference distribution's own packages as its metadata has them, files included."""
    reader = createrepo().RepositoryReader.from_path(str(repository))
    yield from reader.iter_packages()


def _package(name: str, fields: Mapping[str, str], dist: str) -> Any:
    """One package of Debian's index; named dependencies only, and a few paths."""
    evr = package_evr(fields["Version"], dist)
    package = createrepo().Package()
    package.name = name
    package.epoch, package.version, package.release = str(evr.epoch), evr.version, evr.release
    package.arch = RPM_ARCH[fields["Architecture"]]
    package.summary = package.description = fields.get("Description", name)
    package.url = fields.get("Homepage", "")
    package.rpm_license = "see /usr/share/doc"
    source, _, version = fields.get("Source", name).partition(" ")
    source_evr = package_evr(version.strip("()") or fields["Version"], dist)
    package.rpm_sourcerpm = f"{source}-{source_evr.version}-{source_evr.release}.src.rpm"
    package.pkgId, package.checksum_type = fields["SHA256"], "sha256"
    package.size_package = int(fields["Size"])
    package.size_installed = int(fields.get("Installed-Size", "0")) * 1024
    package.time_file = package.time_build = REVISION
    package.location_href = f"Packages/{name[0]}/{name}-{evr.version}-{evr.release}.rpm"
    # createrepo_c's list setters reverse.
    package.requires = _entries(requires(name, fields, dist))
    package.recommends = _entries(weak("Recommends", fields, dist))
    package.provides = _entries([f"{name} = {evr}", *provides(fields, dist)])
    package.files = _files(name)
    return package


def _entries(texts: Iterable[str]) -> list[Entry]:
    return [_entry(text) for text in reversed(list(texts))]


def _entry(text: str) -> Entry:
    """A dependency as rpm-md holds it: a rich one is a name alone."""
    if text.startswith("("):
        return (text, None, None, None, None, False)
    name, _, rest = text.partition(" ")
    if not rest:
        return (name, None, None, None, None, False)
    operator, _, evr = rest.partition(" ")
    epoch, colon, version = evr.partition(":")
    if not colon:
        epoch, version = "0", evr
    version, _, release = version.partition("-")
    return (name, _FLAGS[operator], epoch, version, release or None, False)


def _files(name: str) -> list[tuple[str, str, str]]:
    """A few paths: a command for what is no library, and the documentation."""
    doc = f"/usr/share/doc/{name}"
    paths = [("dir", "/usr/share/doc/", name), ("", f"{doc}/", "changelog.Debian.gz")]
    paths.append(("", f"{doc}/", "copyright"))
    if not name.startswith("lib") and not name.endswith(("-doc", "-data", "-common", "-dev")):
        paths.append(("", "/usr/bin/", name))
        paths.append(("", "/usr/share/man/man1/", f"{name}.1.gz"))
    return paths[::-1]


def _write_documents(reference: ReferenceDistribution, directory: Path, root: Path) -> None:
    shutil.copytree(reference.config_dir, directory)
    repository = yaml.safe_load((directory / "reference.yaml").read_text())
    repository["data"]["source"]["repos"] = {
        "big": {"name": "Big", "baseurl": f"{root.as_uri()}/$basearch"}
    }
    environment = yaml.safe_load((directory / "minimal.yaml").read_text())
    environment["data"]["repositories"] = ["big"]
    (directory / "reference.yaml").unlink()
    (directory / "big.yaml").write_text(yaml.safe_dump(repository, sort_keys=False))
    (directory / "minimal.yaml").write_text(yaml.safe_dump(environment, sort_keys=False))


def main() -> None:
    """Write the repository into the shared cache and print its path."""
    with progress() as shown:
        cache = default_cache()
        made = big_repository(build_reference_distribution(cache, shown), cache, shown)
    sys.stdout.write(f"{made.root}\n")


if __name__ == "__main__":
    main()
