"""`minimize track` reads the attack surface that an objective limits, and history keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.demo.distribution.reference import write_repository
from bot.distro.cache import Cache
from bot.model.image import ImageKey
from bot.objectives.jsonform import status_json
from bot.objectives.tracking import TrackResult, track
from bot.store.history.history import History
from tests.check.tiny import BASE, Bench, documented, objective, workload
from tests.specs import build

KEY = ImageKey("web", "minimal", "repo", "x86_64")
PACKAGE = "%package -n {0}\nSummary: s\n%description -n {0}\n%files -n {0}\n"
PROGRAM = "%attr(0755,root,root) /usr/bin/{0}\n"
BASH = (PACKAGE + PROGRAM).format("bash") + "%attr(4755,root,root) /usr/bin/su\n"
PERL = (PACKAGE + PROGRAM).format("perl")
INSTALL = """\
%install
mkdir -p %{buildroot}/usr/bin
cd %{buildroot}/usr/bin; touch bash su perl
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    root = tmp_path / "repositories"
    build(BASE + BASH + PERL + INSTALL, "x86_64", tmp_path / "work", root / "x86_64")
    published(root, 1)
    limits = {"interpreters": ["bash"], "setuid": 0}
    texts = {"web": workload("bash"), "o": objective("web", limits=limits)}
    configuration = documented(tmp_path, root, **texts)
    configuration.document(
        "repo", (configuration.config / "repo.yaml").read_text().replace(", aarch64", "")
    )
    return configuration


def published(root: Path, revision: int) -> None:
    write_repository(root / "x86_64", sorted(root.rglob("*.rpm")), revision=revision)


def run(bench: Bench, history: History) -> TrackResult:
    return track(bench.configuration(), history, Cache(bench.root / "cache"), processes=1)


def test_each_kind_is_held_against_its_list_and_the_past_stays(
    bench: Bench, history: History
) -> None:
    found = {status.state.metric: status for status in run(bench, history).statuses}
    interpreters, setuid = found["interpreters"], found["setuid"]
    written = status_json(interpreters)
    assert (written["value"], written["limit"], written["met"]) == (("bash",), ("bash",), True)
    assert (interpreters.outlook, setuid.outlook) == ("met", "broken")
    assert (setuid.state.value, setuid.state.limit) == (("/usr/bin/su",), ())
    bench.document("web", workload("bash", "perl"))
    run(bench, history)
    states = history.objective_history("o", KEY, "interpreters")
    assert [(state.value, state.met) for state in states] == [
        (("bash",), True),
        (("bash", "perl"), False),
    ]
    first, second = history.surface_history(KEY)
    assert (first.surface.interpreters, second.surface.interpreters) == (
        ("bash",),
        ("bash", "perl"),
    )
    assert (first.until, second.until) == (second.since, None)
    assert history.surfaces(1)[KEY] == first.surface
    assert history.surfaces() == {KEY: second.surface}


def test_where_a_package_cannot_be_had_nothing_is_known_and_it_is_tried_again(
    bench: Bench, history: History
) -> None:
    (package,) = bench.repositories.rglob("bash-*.rpm")
    content = package.read_bytes()
    package.unlink()
    tracked = run(bench, history)
    assert [(s.state.value, s.state.met) for s in tracked.statuses] == [(None, None)] * 2
    assert history.surfaces() == {}
    assert "the attack surface is not known" in tracked.notes[0]
    package.write_bytes(content)
    again = {s.state.metric: s.state.met for s in run(bench, history).statuses}
    assert again == {"interpreters": True, "setuid": False}


def test_an_image_that_did_not_move_keeps_its_surface_without_reading_it(
    bench: Bench, history: History
) -> None:
    run(bench, history)
    assert run(bench, history).solved == 0
    assert [state.until for state in history.surface_history(KEY)] == [None]
