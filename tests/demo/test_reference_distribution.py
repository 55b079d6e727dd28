"""The reference distribution itself: real packages, whole on every architecture."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
import solv
import yaml
import zstandard

from bot.demo.distribution.convert import open_rpm, recipe, scan, write_rpm
from bot.demo.distribution.debian import DEBIAN_ARCH, PackageSet, package_evr
from bot.demo.distribution.recipes import FILESYSTEM_DIRECTORIES
from bot.demo.distribution.reference import (
    ReferenceDistribution,
    find_reference_distribution,
    nginx_repository_files,
)
from bot.distro.images import image_keys
from bot.distro.load import check_configuration, load_configuration

pytestmark = pytest.mark.reference
ARCHES = tuple(DEBIAN_ARCH)


@contextmanager
def _metadata(repository: Path, kind: str) -> Iterator[Path]:
    """A metadata file of a repository, decompressed for a while."""
    [compressed] = (repository / "repodata").glob(f"*-{kind}.xml.zst")
    with compressed.open("rb") as source, NamedTemporaryFile(suffix=f"-{kind}.xml") as target:
        zstandard.ZstdDecompressor().copy_stream(source, target)
        target.flush()
        yield Path(target.name)


def _pool(reference: ReferenceDistribution, arch: str) -> solv.Pool:
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    pool.setarch(arch)
    repository = pool.add_repo("reference")
    with _metadata(reference.repository_directory(arch), "primary") as primary:
        assert repository.add_rpmmd(solv.xfopen(str(primary)), None)
    pool.addfileprovides()
    pool.createwhatprovides()
    return pool


def _solve(pool: solv.Pool, names: list[str]) -> tuple[list[str], set[str]]:
    """Problems and package names of an installation without weak dependencies."""
    jobs = []
    for name in names:
        selection = pool.select(name, solv.Selection.SELECTION_NAME)
        assert not selection.isempty(), name
        jobs += selection.jobs(solv.Job.SOLVER_INSTALL)
    solver = pool.Solver()
    solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
    problems = [str(problem) for problem in solver.solve(jobs)]
    if problems:
        return problems, set()
    return [], {solvable.name for solvable in solver.transaction().newsolvables()}


def _documents(reference: ReferenceDistribution, kind: str) -> Iterator[dict]:
    for path in sorted(reference.config_dir.glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        if document["document"].endswith(kind):
            yield document["data"] | {"id": path.stem}


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("workload", ["nginx", "python", "curl"])
def test_every_workload_can_be_installed_on_every_architecture(
    reference: ReferenceDistribution, arch: str, workload: str
) -> None:
    [environment] = _documents(reference, "environment")
    [wanted] = (w for w in _documents(reference, "workload") if w["id"] == workload)
    problems, names = _solve(
        _pool(reference, arch), [*environment["packages"], *wanted["packages"]]
    )
    assert problems == []
    assert {*wanted["packages"], "libc6", "filesystem"} <= names
    # What only Debian's maintainer scripts call is not there.
    assert names.isdisjoint({"debconf", "dpkg", "adduser", "iproute2", "gawk", "perl-base"})


@pytest.mark.parametrize("arch", ARCHES)
def test_the_pull_request_s_additions_are_there_with_what_they_need(
    reference: ReferenceDistribution, arch: str
) -> None:
    pool = _pool(reference, arch)
    _, base = _solve(pool, ["dash", "coreutils", "mawk", "nginx"])
    problems, head = _solve(pool, ["dash", "coreutils", "mawk", "nginx", "perl", "libxslt1.1"])
    assert problems == []
    assert {"perl", "perl-base", "libxml2", "libstdc++6"} <= head - base
    assert any(name.startswith("libicu") for name in head - base)


@pytest.mark.parametrize("arch", ARCHES)
def test_no_package_requires_what_nobody_provides(
    reference: ReferenceDistribution, arch: str
) -> None:
    pool = _pool(reference, arch)
    unmet = [
        f"{solvable}: {dependency}"
        for solvable in pool.solvables_iter()
        for dependency in solvable.lookup_deparray(solv.SOLVABLE_REQUIRES)
        if not str(dependency).startswith(("rpmlib(", "(")) and not pool.whatprovides(dependency)
    ]
    assert unmet == []


def test_the_build_packages_and_both_specs_requirements_can_be_installed_together(
    reference: ReferenceDistribution,
) -> None:
    [repository] = _documents(reference, "repository")
    spec = nginx_repository_files(reference).head["nginx.spec"].decode()
    needed = re.findall(r"(?m)^BuildRequires:\s+(\S+)$", spec)
    assert "libxslt1-dev" in needed
    build_packages = repository["source"]["base_buildroot_override"]
    problems, names = _solve(_pool(reference, "x86_64"), [*build_packages, *needed])
    assert problems == []
    assert {"gcc", "libc6-dev", "rpm", "patch", "libxml2-dev", "reference-rpm-config"} <= names


def test_the_documents_are_without_errors_and_meet_in_twelve_images(
    reference: ReferenceDistribution,
) -> None:
    assert check_configuration(reference.config_dir).errors == ()
    configuration = load_configuration(reference.config_dir)
    assert len(image_keys(configuration)) == 12
    assert configuration.repositories["reference"].dist == reference.dist


def test_awk_has_a_large_and_a_small_provider(reference: ReferenceDistribution) -> None:
    pool = _pool(reference, "x86_64")
    assert {s.name for s in pool.whatprovides(pool.Dep("awk"))} == {"gawk", "mawk"}
    _, small = _solve(pool, ["base-files", "mawk"])
    _, large = _solve(pool, ["base-files", "gawk"])
    assert {"libmpfr6", "libreadline8", "libsigsegv2"} <= large - small


@pytest.mark.parametrize("arch", ARCHES)
def test_rpm_found_the_elf_dependencies(reference: ReferenceDistribution, arch: str) -> None:
    pool = _pool(reference, arch)
    [nginx] = pool.select("nginx", solv.Selection.SELECTION_NAME).solvables()
    requires = {str(d) for d in nginx.lookup_deparray(solv.SOLVABLE_REQUIRES)}
    assert {"libpcre2-8.so.0()(64bit)", "libssl.so.3()(64bit)", "rtld(GNU_HASH)"} <= requires
    assert not any(text.startswith(("libssl3", "libc6", "libpcre2-8-0")) for text in requires)
    for text in ("libxslt.so.1()(64bit)", "libexslt.so.0()(64bit)", "libxml2.so.2()(64bit)"):
        assert pool.whatprovides(pool.Dep(text)), text


def test_alternatives_are_rich_dependencies(reference: ReferenceDistribution) -> None:
    pool = _pool(reference, "s390x")
    requires = {
        str(dependency)
        for solvable in pool.solvables_iter()
        for dependency in solvable.lookup_deparray(solv.SOLVABLE_REQUIRES)
    }
    assert requires & {"(media-types or mime-support)", "media-types | mime-support"}


def test_nginx_is_published_as_the_demo_s_spec_file_names_it(
    reference: ReferenceDistribution,
) -> None:
    pool = _pool(reference, "x86_64")
    evr = package_evr(reference.versions["nginx"], reference.dist)
    epoch, version, release = evr.epoch, evr.version, evr.release
    published = {
        solvable.name: solvable.evr
        for solvable in pool.solvables_iter()
        if solvable.lookup_sourcepkg().startswith(f"nginx-{version}-")
    }
    assert epoch == 0
    assert published == dict.fromkeys(("nginx", "nginx-common"), f"{version}-{release}")
    spec = nginx_repository_files(reference).base["nginx.spec"].decode()
    assert f"Version:        {version}\n" in spec
    assert f"Release:        {release.removesuffix(reference.dist)}%{{?dist}}\n" in spec


def test_the_pull_request_names_perl_and_no_library(reference: ReferenceDistribution) -> None:
    repository = nginx_repository_files(reference)
    base = repository.base["nginx.spec"].decode().splitlines()
    head = repository.head["nginx.spec"].decode().splitlines()
    added = [line for line in head if line not in base]
    assert "Requires:       perl" in added
    assert "    --with-http_xslt_module \\" in added
    assert not any("libxml2" in line or "libxslt1.1" in line for line in added)
    changed = {p for p in repository.head if repository.head[p] != repository.base[p]}
    assert changed == {"nginx.spec"}


def test_documentation_configuration_and_languages_are_flagged(
    reference: ReferenceDistribution,
) -> None:
    packages = reference.repository_directory("x86_64") / "Packages"
    flags = {
        path: flag
        for name in ("nginx", "base-files", "gawk")
        for line in _query(packages, f"{name}-[0-9]*", "[%{FILENAMES} %{FILEFLAGS:fflags}|\n]")
        for path, _, flag in [line.partition(" ")]
    }
    assert flags["/usr/share/doc/nginx/copyright"] == "d|"
    assert flags["/usr/share/man/man8/nginx.8.gz"] == "d|"
    assert flags["/etc/profile"] == "cn|"
    assert flags["/usr/sbin/nginx"] == "|"
    langs = _query(packages, "gawk-[0-9]*", "[%{FILENAMES} %{FILELANGS}\n]")
    assert "/usr/share/locale/de/LC_MESSAGES/gawk.mo de" in langs


def _query(packages: Path, pattern: str, query: str) -> list[str]:
    paths = [str(path) for path in sorted(packages.glob(f"*/{pattern}.rpm"))]
    assert paths, pattern
    finished = subprocess.run(
        ["rpm", "-qp", "--nosignature", "--qf", query, *paths],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return finished.stdout.splitlines()


def test_the_filesystem_package_carries_the_merged_links_and_the_users(
    reference: ReferenceDistribution,
) -> None:
    packages = reference.repository_directory("aarch64") / "Packages"
    links = _query(packages, "filesystem-*", "[%{FILENAMES} %{FILELINKTOS}\n]")
    assert {"/bin usr/bin", "/sbin usr/sbin", "/lib usr/lib", "/lib64 usr/lib64"} <= set(links)
    provides = _query(packages, "filesystem-*", "[%{PROVIDES}\n]")
    assert {"user(www-data)", "group(mail)"} <= set(provides)


def test_no_package_but_filesystem_has_files_in_merged_places(
    reference: ReferenceDistribution,
) -> None:
    with _metadata(reference.repository_directory("x86_64"), "filelists") as filelists:
        text = filelists.read_text()
    wrong = [
        line
        for line in text.splitlines()
        if any(f">/{top}/" in line for top in ("bin", "sbin", "lib", "lib64"))
    ]
    assert wrong == []


def test_the_same_deb_gives_the_same_rpm_byte_for_byte(
    reference: ReferenceDistribution, tmp_path: Path
) -> None:
    cache = reference.root.parent.parent
    [deb] = (cache / "debian" / reference.suite.codename / "packages").glob("mawk_*_amd64.deb")
    digests = set()
    for attempt in ("one", "two"):
        home = tmp_path / attempt
        rpm = open_rpm(home / "rpm")
        scanned = scan(deb, home / "tree", rpm)
        among = PackageSet({"mawk": scanned.unpacked.fields}, reference.dist)
        made = recipe(scanned, reference.dist, frozenset({"libc6"}), among, FILESYSTEM_DIRECTORIES)
        written = write_rpm(made, "x86_64", rpm, home / "out")
        digests.add(hashlib.sha256(written.read_bytes()).hexdigest())
    [published] = (reference.repository_directory("x86_64") / "Packages").glob("m/mawk-*.rpm")
    assert len(digests) == 1
    query = "[%{REQUIRES} ]|[%{PROVIDES} ]|[%{FILEDIGESTS} ]"
    assert _query(tmp_path / "one", "mawk-*", query) == _query(
        published.parent.parent, "mawk-*", query
    )


def test_the_distribution_is_found_again_without_a_network(
    reference: ReferenceDistribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    cache = reference.root.parent.parent
    assert find_reference_distribution(cache) == reference
