"""When a distribution's own rpm is wanted, and what is said where it cannot be had."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bot.build import rpm_root
from bot.build.rpm_root import distribution_rpm
from bot.distro.cache import Cache
from bot.model.closure import Closure, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.sandbox.run import sandbox_available
from bot.spec.rpm_version import RpmVersion, host_rpm

pytestmark = pytest.mark.skipif(
    sandbox_available() is not None or host_rpm() is None, reason="no sandbox or no rpm here"
)


@dataclass
class Document:
    id: str = "distribution-1"
    architectures: tuple[str, ...] = ("x86_64", "s390x")
    repos: tuple[()] = ()


class Published:
    """A pool whose rpm is `version`, and where nothing can be solved."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.asked: list[tuple[str, ...]] = []

    def selects(self, request):
        return (Nevra("rpm", 0, self.version, "1", "s390x"),) if self.version else ()

    def provides(self, capability):
        return capability in ("rpm", "python3dist(rpm)", "bash")

    def solve_names(self, names, *, weak=False):
        self.asked.append(tuple(names))
        key, state = ImageKey("", "", "", "x86_64"), SnapshotState("", ())
        return Closure(key, state, "unsolvable", problems=("nothing provides libc",))


def never(arch):
    raise AssertionError(f"{arch} is not needed")


@pytest.fixture(autouse=True)
def native(monkeypatch):
    monkeypatch.setattr(rpm_root, "native_architecture", lambda: "x86_64")


def test_the_same_version_or_none_needs_no_root(tmp_path):
    for version in (f"{host_rpm()}.7", ""):
        pool = Published(version)
        with distribution_rpm(Document(), {"s390x": pool}, never, Cache(tmp_path)) as found:
            assert (found.root, found.problem, found.notes) == (None, "", ())
        assert pool.asked == []


def test_another_version_is_solved_on_this_machines_architecture(tmp_path):
    pool = Published("99.0")
    with distribution_rpm(
        Document(), {"s390x": Published("99.0")}, lambda arch: pool, Cache(tmp_path)
    ) as found:
        assert found.version == RpmVersion(99, 0)
        assert found.root is None and "nothing provides libc" in found.problem
        (note,) = found.notes
        assert f"rpm {host_rpm()}" in note and "rpm 99.0" in note and "libc" in note
    # A tool may be what cannot be solved.
    assert pool.asked == [("rpm", "python3dist(rpm)", "bash"), ("rpm", "python3dist(rpm)")]


def test_a_distribution_for_other_machines_is_told_apart(tmp_path):
    document = Document(architectures=("s390x",))
    with distribution_rpm(document, {"s390x": Published("99.0")}, never, Cache(tmp_path)) as found:
        assert "x86_64" in found.problem and "distribution-1" in found.problem


def test_an_error_while_it_is_held_is_not_taken_for_a_missing_root(tmp_path):
    from bot.errors import SurroundingsError

    with (
        pytest.raises(SurroundingsError, match="of the caller"),
        distribution_rpm(Document(), {"x86_64": Published("99.0")}, never, Cache(tmp_path)),
    ):
        raise SurroundingsError("of the caller")
