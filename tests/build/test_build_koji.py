"""Packages of Koji's tasks and builds: found through the hub, taken, and read."""

import json
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.build import koji_hub
from bot.build.external import ExternalBuilds
from bot.build.headers import HeaderError
from bot.build.koji_hub import read_answer
from bot.build.service_builds import (
    BuildFailedElsewhereError,
    BuildLinks,
    ServiceBuild,
    commit_in,
    links_in,
)
from bot.distro.cache import Cache
from bot.distro.failover import AbsentError, RefusedFileError
from bot.errors import SurroundingsError
from bot.limited.forker import UnreadableError
from bot.settings.operation import BuildService
from tests.build.services import Koji, koji_at
from tests.build.test_build_external import build

HEAD = "c" * 40
GIT = f"git+https://git.example.org/rpms/tool.git#{HEAD}"
SRPM = "tool-1-1.src.rpm"


@pytest.fixture(scope="module")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture
def koji(tmp_path: Path) -> Iterator[Koji]:
    with koji_at(tmp_path / "koji") as found:
        yield found


def build_of(koji: Koji, *tasks: int, comments: tuple[str, ...] = ()) -> ServiceBuild:
    return ServiceBuild("k", HEAD, BuildLinks(tuple(map(koji.link, tasks)), comments))


@pytest.fixture
def builds(koji: Koji, tmp_path: Path) -> ExternalBuilds:
    return ExternalBuilds(Cache(tmp_path / "cache"), [], {"k": koji.service})


def names(
    builds: ExternalBuilds, koji: Koji, build: ServiceBuild, arch: str = "x86_64"
) -> list[str]:
    packages = builds.look(koji.service.web_url, arch, ["tool"], build)
    return [str(package.nevra) for package in packages.listed]


def test_koji_scratch_build_becomes_packages_of_the_architecture(
    koji: Koji, builds: ExternalBuilds, rpms: list[Path]
) -> None:
    koji.scratch(100, GIT, SRPM, {"s390x": [], "x86_64": rpms})
    built = builds.take(koji.service.web_url, "x86_64", ["tool"], HEAD, build_of(koji, 100))
    by_name = {package.nevra.name: package for package in built.packages}
    assert sorted(by_name) == ["tool", "tool-data", "tool-libs"]
    assert "needs-1" in {d.capability for d in by_name["tool-libs"].of_kind("requires")}
    assert built.notes == (f"x86_64: the packages are those of {koji.link(100)}.",)
    assert koji.link(100) in built.log.read_text()
    calls = len(koji.calls)
    again = builds.cached(koji.service.web_url, "x86_64", ["tool"], HEAD)
    assert again is not None
    assert again.packages == built.packages
    assert len(koji.calls) == calls
    assert builds.take(
        koji.service.web_url, "x86_64", ["tool"], HEAD, build_of(koji, 100)
    ).from_cache


def test_koji_packages_of_another_architecture_are_not_there(
    koji: Koji, builds: ExternalBuilds, rpms: list[Path]
) -> None:
    koji.scratch(100, GIT, SRPM, {"x86_64": rpms})
    with pytest.raises(AbsentError, match="no packages of tool for aarch64"):
        names(builds, koji, build_of(koji, 100), "aarch64")
    koji.scratch(200, GIT, SRPM, {"noarch": [p for p in rpms if ".noarch." in p.name]})
    assert names(builds, koji, build_of(koji, 200), "aarch64") == ["tool-data-0:1-1.noarch"]


@pytest.mark.parametrize("state", ["free", "open", "assigned"])
def test_koji_task_that_is_on_its_way_is_waited_for(
    koji: Koji, builds: ExternalBuilds, state: str
) -> None:
    koji.scratch(100, GIT, SRPM, {}, state=state)
    with pytest.raises(AbsentError, match=rf"Task 100 of http\S+/koji is {state}\."):
        names(builds, koji, build_of(koji, 100))


def test_koji_task_that_failed_says_why(koji: Koji, builds: ExternalBuilds) -> None:
    koji.scratch(100, GIT, SRPM, {}, state="failed")
    koji.results[100] = "BuildError: error building package (arch x86_64),\n mock exited with 1"
    said = r"failed: BuildError: error building package \(arch x86_64\), mock exited with 1$"
    with pytest.raises(BuildFailedElsewhereError, match=said):
        names(builds, koji, build_of(koji, 100))
    koji.scratch(200, GIT, SRPM, {}, state="canceled")
    with pytest.raises(BuildFailedElsewhereError, match=r"was canceled\.$"):
        names(builds, koji, build_of(koji, 200))


def test_koji_task_of_another_commit_is_not_the_heads(
    koji: Koji, builds: ExternalBuilds, rpms: list[Path]
) -> None:
    koji.scratch(100, GIT.replace(HEAD, "d" * 40), SRPM, {"x86_64": rpms})
    with pytest.raises(AbsentError, match=f"builds the commit {'d' * 40}, not {HEAD}"):
        names(builds, koji, build_of(koji, 100))
    # A .src.rpm that was uploaded says no commit: the check is the head's.
    koji.scratch(200, "cli-build/1.2.x/" + SRPM, SRPM, {"x86_64": rpms})
    assert len(names(builds, koji, build_of(koji, 200))) == 3


def test_koji_task_in_a_comment_counts_only_for_the_head_commit(
    koji: Koji, builds: ExternalBuilds, rpms: list[Path]
) -> None:
    koji.scratch(100, GIT, SRPM, {"x86_64": rpms})
    koji.scratch(200, "cli-build/1.2.x/" + SRPM, SRPM, {"x86_64": []})
    koji.scratch(300, GIT.replace(HEAD, "d" * 40), SRPM, {"x86_64": []})
    texts = tuple(map(koji.link, (300, 200, 100)))
    assert len(names(builds, koji, build_of(koji, comments=texts))) == 3
    with pytest.raises(AbsentError, match=r"No check links to a build of http\S+/koji\."):
        names(builds, koji, build_of(koji, comments=texts[:2]))


def test_koji_link_elsewhere_is_not_followed(koji: Koji, builds: ExternalBuilds) -> None:
    strange = ServiceBuild("k", HEAD, BuildLinks(("https://koji.evil.org/koji/taskinfo?taskID=1",)))
    with pytest.raises(AbsentError, match="No check links to a build"):
        names(builds, koji, strange)
    assert koji.calls == []
    koji.add(7, "newRepo", "noarch", None, [], "closed")
    with pytest.raises(AbsentError, match=r"Task 7 .* builds no package"):
        names(builds, koji, build_of(koji, 7))
    with pytest.raises(AbsentError, match="has no task 8"):
        names(builds, koji, build_of(koji, 8))


def test_koji_scratch_build_that_was_removed_says_so(koji: Koji, builds: ExternalBuilds) -> None:
    koji.scratch(100, GIT, SRPM, {"x86_64": []})
    with pytest.raises(AbsentError, match="removed after some days"):
        names(builds, koji, build_of(koji, 100))


def test_koji_build_that_is_no_scratch_build_has_its_packages_elsewhere(
    koji: Koji, builds: ExternalBuilds, rpms: list[Path]
) -> None:
    koji.scratch(100, GIT, SRPM, {"x86_64": []}, scratch=False)
    koji.builds[5] = {
        "id": 5, "state": 1, "name": "tool", "version": "1", "release": "1", "epoch": None,
        "volume_name": "big", "task_id": 100, "source": GIT,
    }  # fmt: skip
    koji.rpms[5] = []
    for file in [*rpms, Path("tool-1-1.src.rpm")]:
        name, version, release = file.name.removesuffix(".rpm").rsplit("-", 2)
        release, _, arch = release.partition(".")
        size = file.stat().st_size if file.is_file() else 1
        about = {"name": name, "version": version, "release": release, "arch": arch}
        koji.rpms[5].append({**about, "size": size, "epoch": None, "buildtime": 9})
        target = koji.root / f"vol/big/packages/tool/1/1/{arch}/{file.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes() if file.is_file() else b"")
    for request in (
        build_of(koji, 100),
        ServiceBuild("k", HEAD, BuildLinks((f"{koji.url}/koji/buildinfo?buildID=5",))),
    ):
        built = builds.take(koji.service.web_url, "x86_64", ["tool"], HEAD, request)
        assert [p.nevra.name for p in built.packages] == ["tool", "tool-data", "tool-libs"]
    koji.builds[5]["state"] = 3
    with pytest.raises(BuildFailedElsewhereError, match=r"Build 5 of http\S+/koji failed\."):
        names(builds, koji, build_of(koji, 100))


def test_koji_file_that_is_damaged_or_another_is_refused(
    koji: Koji, builds: ExternalBuilds, rpms: list[Path]
) -> None:
    koji.scratch(100, GIT, SRPM, {"x86_64": rpms})
    (file,) = koji.folder(102).glob("tool-libs-*")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    take = (koji.service.web_url, "x86_64", ["tool"], HEAD, build_of(koji, 100))
    with pytest.raises(HeaderError, match="digests do not fit"):
        builds.take(*take)
    file.write_bytes(whole)
    file.rename(file.with_name("tool-other-1-1.x86_64.rpm"))
    with pytest.raises(HeaderError, match="not the packages"):
        builds.take(*take)
    (koji.folder(102) / "a b-1-1.x86_64.rpm").write_bytes(b"")
    with pytest.raises(RefusedFileError, match="no plain path"):
        builds.take(*take)


def test_koji_files_of_another_volume_are_found(
    koji: Koji, builds: ExternalBuilds, rpms: list[Path]
) -> None:
    koji.scratch(100, GIT, SRPM, {"x86_64": rpms}, volume="big")
    built = builds.take(koji.service.web_url, "x86_64", ["tool"], HEAD, build_of(koji, 100))
    assert len(built.packages) == 3


def test_koji_hub_that_refuses_or_answers_nonsense_is_named(
    koji: Koji, builds: ExternalBuilds, monkeypatch: pytest.MonkeyPatch
) -> None:
    koji.scratch(100, GIT, SRPM, {})
    koji.tasks[100]["state"] = "closed"
    with pytest.raises(RefusedFileError, match="its answer to getTaskInfo is not one: state"):
        names(builds, koji, build_of(koji, 100))
    koji.tasks[100] = {"faultCode": 1000, "faultString": "offline for an upgrade"}
    with pytest.raises(RefusedFileError, match="refuses getTaskInfo: offline for an upgrade"):
        names(builds, koji, build_of(koji, 100))
    monkeypatch.setattr(koji_hub, "HUB_ANSWER", 10)
    with pytest.raises(RefusedFileError, match="more than the 10 allowed"):
        names(builds, koji, build_of(koji, 100))
    gone = BuildService(type="koji", web_url="http://127.0.0.1:1/koji", files_url="http://h/")
    with pytest.raises(SurroundingsError, match="could not be read"):
        koji_hub.KojiHub(gone).task(1)


def test_koji_hub_is_beside_its_pages_unless_the_settings_say_where() -> None:
    service = BuildService(type="koji", web_url="https://k.org/koji/", files_url="https://f.org")
    assert service.hub_url == "https://k.org/kojihub"
    assert service.files_url == "https://f.org/"
    with pytest.raises(ValidationError, match="hub_url is not for copr"):
        BuildService(type="copr", web_url="https://c", files_url="https://f", hub_url="https://h")


def test_links_of_a_service_are_found_in_texts_the_last_first() -> None:
    text = "see https://k/koji/taskinfo?taskID=1, (https://k/koji/taskinfo?taskID=2) https://k/x"
    assert links_in([text, "<https://k/koji/taskinfo?taskID=1>"], "https://k/koji") == (
        "https://k/koji/taskinfo?taskID=1",
        "https://k/koji/taskinfo?taskID=2",
    )
    assert links_in(["https://k/kojix/taskinfo?taskID=1"], "https://k/koji") == ()
    assert commit_in("git+https://h/r.git?x#" + "A" * 40) == "a" * 40
    assert commit_in("git+https://h/r.git#main") is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.text("ab<&é", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_koji_answer_is_read_as_it_was_written(value: object) -> None:
    text = xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True)
    assert json.loads(read_answer(text.encode())) == value


WHOLE = xmlrpc.client.dumps(
    ({"id": 1, "x": ["a", 2.5, None]},), methodresponse=True, allow_none=True
)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=6), st.integers(0, 12))
def test_koji_answer_that_is_damaged_is_read_or_refused(at: int, put: bytes, cut: int) -> None:
    whole = WHOLE.encode()
    try:
        read_answer(whole[:at] + put + whole[at + cut :])
    except UnreadableError as error:
        assert "no answer of XML-RPC" in str(error)  # most examples are refused
