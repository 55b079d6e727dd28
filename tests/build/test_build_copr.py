"""Packages of Copr's builds: found through the API, taken from the chroot's repository."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.build.external import ExternalBuilds
from bot.build.service_builds import BuildFailedElsewhereError, BuildLinks, ServiceBuild
from bot.demo.distribution.reference import write_repository
from bot.distro.cache import Cache
from bot.distro.failover import AbsentError, RefusedFileError
from bot.errors import UsageError
from tests.build.services import Copr, copr_at
from tests.build.test_build_external import build

HEAD = "c" * 40
CHROOT = "fedora-41-x86_64"


@pytest.fixture(scope="module")
def built_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("made")
    for release in ("1", "2"):
        build(where / release, release=release)
    return where


@pytest.fixture
def copr(tmp_path: Path) -> Iterator[Copr]:
    with copr_at(tmp_path / "results") as found:
        yield found


@pytest.fixture
def builds(copr: Copr, tmp_path: Path) -> ExternalBuilds:
    return ExternalBuilds(Cache(tmp_path / "cache"), [], {"c": copr.service})


def publish(copr: Copr, number: int, folder: Path, directory: str = "tool") -> None:
    """The packages of a build: its folder in the chroot's repository, and what the API says."""
    repository = copr.root / "ann" / directory / CHROOT
    target = repository / f"{number:08}-tool"
    rpms = sorted(folder.rglob("*.rpm"))
    target.mkdir(parents=True)
    for path in rpms:
        shutil.copy(path, target)
        name, version, release = path.name.removesuffix(".rpm").rsplit("-", 2)
        release, _, arch = release.partition(".")
        about = {"name": name, "epoch": 0, "version": version, "release": release, "arch": arch}
        copr.packages.setdefault((number, CHROOT), []).append(about)
    write_repository(repository, sorted(repository.rglob("*.rpm")), revision=number)
    copr.build(number, "tool", "succeeded", directory=directory)
    copr.chroots[number, CHROOT] = "succeeded"


def service_build(*links: str, project: str = "", chroot: str = CHROOT) -> ServiceBuild:
    return ServiceBuild("c", HEAD, BuildLinks(links), chroot, project)


def releases(builds: ExternalBuilds, copr: Copr, service_build: ServiceBuild) -> set[str]:
    packages = builds.look(copr.url, "x86_64", ["tool"], service_build)
    assert {package.nevra.name for package in packages.listed} == {"tool", "tool-data", "tool-libs"}
    return {package.nevra.release for package in packages.listed}


def test_copr_build_that_a_check_links_to_counts_not_the_newest(
    copr: Copr, builds: ExternalBuilds, built_packages: Path
) -> None:
    publish(copr, 11, built_packages / "1")
    publish(copr, 12, built_packages / "2")
    assert releases(builds, copr, service_build(copr.link(11))) == {"1"}
    assert releases(builds, copr, service_build(copr.link(12))) == {"2"}
    for path in ("/coprs/ann/tool/build/11/", "/coprs/g/ann/tool/build/11"):
        assert releases(builds, copr, service_build(copr.url + path)) == {"1"}
    taken = builds.take(copr.url, "x86_64", ["tool"], HEAD, service_build(copr.link(11)))
    assert {p.nevra.release for p in taken.packages} == {"1"}
    assert taken.notes == (f"x86_64: the packages are those of {copr.link(11)}.",)
    # Another build for the same commit is taken again.
    again = builds.take(copr.url, "x86_64", ["tool"], HEAD, service_build(copr.link(12)))
    assert {p.nevra.release for p in again.packages} == {"2"}


def test_copr_directory_of_a_pull_request_has_its_own_repository(
    copr: Copr, builds: ExternalBuilds, built_packages: Path
) -> None:
    publish(copr, 11, built_packages / "1", directory="tool:pr:7")
    assert releases(builds, copr, service_build(copr.link(11))) == {"1"}


def test_copr_project_stands_in_where_no_check_links_to_a_build(
    copr: Copr, builds: ExternalBuilds, built_packages: Path
) -> None:
    with pytest.raises(AbsentError, match="No check links to a build of tool"):
        releases(builds, copr, service_build(project="ann/tool"))
    publish(copr, 11, built_packages / "1")
    publish(copr, 12, built_packages / "2")
    copr.build(13, "other", "failed")
    copr.chroots[13, CHROOT] = "succeeded"
    assert releases(builds, copr, service_build(project="ann/tool")) == {"2"}
    with pytest.raises(AbsentError, match="No check links to a build of tool"):
        releases(builds, copr, service_build("https://elsewhere.org/coprs/build/11/"))


@pytest.mark.parametrize("state", ["pending", "running", "importing", "waiting", "starting"])
def test_copr_build_that_is_on_its_way_is_waited_for(
    copr: Copr, builds: ExternalBuilds, state: str
) -> None:
    copr.build(11, "tool", state)
    with pytest.raises(AbsentError, match=rf"in {CHROOT} is {state}\."):
        releases(builds, copr, service_build(copr.link(11)))
    copr.chroots[11, CHROOT] = state
    with pytest.raises(AbsentError, match=rf"in {CHROOT} is {state}\."):
        releases(builds, copr, service_build(copr.link(11)))


def test_copr_build_that_failed_in_the_chroot_says_so(copr: Copr, builds: ExternalBuilds) -> None:
    copr.build(11, "tool", "failed")
    for state in ("failed", "canceled", "skipped"):
        copr.chroots[11, CHROOT] = state
        with pytest.raises(BuildFailedElsewhereError, match=rf"/11/ in {CHROOT}: {state}\."):
            releases(builds, copr, service_build(copr.link(11)))


def test_copr_build_whose_repository_is_behind_is_waited_for(
    copr: Copr, builds: ExternalBuilds, built_packages: Path
) -> None:
    publish(copr, 11, built_packages / "1")
    copr.build(12, "tool", "succeeded")
    copr.chroots[12, CHROOT] = "succeeded"
    newer = [{**package, "release": "2"} for package in copr.packages[11, CHROOT]]
    copr.packages[12, CHROOT] = newer
    with pytest.raises(AbsentError, match="has no packages of tool for x86_64"):
        releases(builds, copr, service_build(copr.link(12)))


def test_copr_packages_outside_the_services_place_are_refused(
    copr: Copr, builds: ExternalBuilds, built_packages: Path
) -> None:
    publish(copr, 11, built_packages / "1")
    for url in ("https://evil.org/results/ann/tool", f"{copr.url}/results/../ann/tool"):
        copr.builds[11]["repo_url"] = url
        with pytest.raises(RefusedFileError, match="not below"):
            releases(builds, copr, service_build(copr.link(11)))
    copr.builds[11]["state"] = 5
    with pytest.raises(RefusedFileError, match="its answer is not one: state"):
        releases(builds, copr, service_build(copr.link(11)))


def test_copr_build_that_is_not_there_or_has_no_chroot_is_named(
    copr: Copr, builds: ExternalBuilds
) -> None:
    with pytest.raises(AbsentError, match="does not have build/11"):
        releases(builds, copr, service_build(copr.link(11)))
    with pytest.raises(UsageError, match="`chroots` has none"):
        releases(builds, copr, service_build(copr.link(11), chroot=""))
