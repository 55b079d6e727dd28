"""Objectives of repositories' `.minimize.yaml`: distinguished, private, not lost by a mistake."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.distro.cache import Cache
from bot.distro.load import load_configuration
from bot.objectives.drift import drift_states
from bot.objectives.issue_writer import publish_issues
from bot.objectives.status import objective_statuses
from bot.objectives.tracking import objective_id, own_objectives, track
from bot.settings.values import IssueSettings
from bot.store.history.history import open_history
from bot.store.history.values import BranchFile
from tests.check.tiny import Bench

FILE = "objectives:\n- {name: small, workload: web, limits: {packages: 1}}\n"
KEPT = BranchFile("gh", "rpms/tool", "main", "a" * 40, False, ("repo",), FILE, "2026-11-24")


def test_objectives_of_two_repositories_with_one_name_do_not_mix(
    bench: Bench, tmp_path: Path
) -> None:
    history = open_history(tmp_path / "data")
    private = replace(KEPT, repository="rpms/secret", private=True)
    wrong = replace(KEPT, repository="rpms/wrong", content="objectives: 7")
    elsewhere = replace(KEPT, repository="rpms/other", documents=("unknown",))
    for file in (KEPT, private, wrong, elsewhere):
        history.recorder.record_file(file)
    configuration = load_configuration(bench.config)
    tracked = track(configuration, history, Cache(bench.root / "cache"), processes=1)
    assert [note for note in tracked.notes if "gh:rpms/wrong (main)" in note]
    own = [s for s in tracked.statuses if s.state.metric == "packages"]
    assert {s.state.key.arch for s in own} == {"x86_64", "aarch64"}
    assert {s.state.limit for s in own} == {1}
    headings = {heading.place: heading for heading in history.objective_headings(private=True)}
    assert sorted(filter(None, headings)) == ["gh:rpms/other", "gh:rpms/secret", "gh:rpms/tool"]
    assert headings["gh:rpms/tool"].name == "small (gh:rpms/tool, main)"
    shown = {s.name for s in objective_statuses(history)}
    assert shown == {"small (gh:rpms/tool, main)"}
    # The file is gone: so is the objective, at the next run.
    history.recorder.record_file(replace(KEPT, content=None))
    track(configuration, history, Cache(bench.root / "cache"), processes=1)
    assert objective_statuses(history) == ()
    history.close()
    history.store.close()


def test_an_id_is_the_repositorys_the_branchs_and_the_names() -> None:
    ids = {
        objective_id(".minimize.yaml#1", "gh", repository, branch, "small")
        for repository in ("a/b", "a-b/c")
        for branch in ("main", "c9s")
    }
    assert len(ids) == 4
    assert all("/" not in id_ for id_ in ids)
    assert objective_id("nginx-small", "gh", "a/b", "main", "x") == "nginx-small"


def test_a_choice_of_its_own_goes_before_the_settings(bench: Bench) -> None:
    content = f"repository: {{main: other}}\n{FILE}"
    objectives_found = own_objectives(
        [replace(KEPT, content=content)], load_configuration(bench.config)
    )
    assert [one.document.repository for one in objectives_found.objectives] == ["other"]


async def test_an_issue_about_it_goes_to_that_repository_unless_switched_off(
    bench: Bench, tmp_path: Path
) -> None:
    history = open_history(tmp_path / "data")
    configuration, cache = load_configuration(bench.config), Cache(bench.root / "cache")
    history.recorder.record_file(replace(KEPT, content=FILE.replace("packages: 1", "packages: 9")))
    track(configuration, history, cache, processes=1)
    bench.document("web", (bench.config / "web.yaml").read_text().replace("[tool]", "[tool, perl]"))
    history.recorder.record_file(replace(KEPT, content=FILE.replace("packages: 1", "packages: 4")))
    run = track(load_configuration(bench.config), history, cache, processes=1).run
    (drift,) = drift_states(history)
    assert drift.drifted
    wanted: list[tuple[str, Any]] = []

    class Issues:
        async def put(self, repository: str, marker: str, text: Any) -> None:
            wanted.append((repository, text))

    class Forge:
        issues = Issues()

    forges: Any = {"gh": Forge()}
    await publish_issues(history, forges, IssueSettings(own=False), run)
    assert wanted == []
    await publish_issues(history, forges, IssueSettings(), run)
    ((repository, text),) = wanted
    assert (repository, text.state) == ("rpms/tool", "open")
    assert "the configuration" in text.body
    history.close()
    history.store.close()
