"""The runs in the engine's database: states, steps with tries, queues; from inside and outside."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.engine.inspection import (
    QueueState,
    build_logs,
    open_runs,
    run_of,
)
from bot.errors import SurroundingsError, UsageError
from tests.engine.conftest import Bot

SPEC = {"nginx.spec": "Name: nginx\nRequires: perl\n"}


async def checked(bot: Bot) -> str:
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    return bot.checks()[-1].id


async def test_a_checks_steps_are_stored_with_their_tries(bot: Bot) -> None:
    bot.checker.predicting = [SurroundingsError("The mirror is away."), SurroundingsError("Again.")]
    check = await checked(bot)
    steps = bot.store.steps(check)
    assert [(s.part, s.name) for s in steps] == [
        ("check", "status"), ("check", "fetch"), ("check", "predict"), ("check", "may build"),
        ("check", "comment"), ("check", "status"), ("check", "places"),
        ("finish", "build"), ("finish", "comment"), ("finish", "status"),
    ]  # fmt: skip
    assert [s.number for s in steps] == list(range(1, 11))
    assert [s.tries for s in steps] == [1, 1, 3, 1, 1, 1, 1, 1, 1, 1]
    assert all(s.outcome == "ok" and s.problem == "" and s.seconds >= 0 for s in steps)


async def test_a_step_that_was_given_up_says_why(bot: Bot) -> None:
    bot.checker.predicting = [UsageError("No such document.", "Name another.")]
    check = await checked(bot)
    (step,) = [s for s in bot.store.steps(check) if s.name == "predict"]
    assert (step.outcome, step.problem) == ("stop", "No such document. Name another.")


async def test_runs_are_read_while_the_server_works_and_when_it_is_down(bot: Bot) -> None:
    check = await checked(bot)
    data = ["--data", str(bot.settings.data)]
    for running in (True, False):
        if not running:
            await bot.engine.stop()
        done = CliRunner().invoke(cli, ["runs", *data, "--format", "json"], standalone_mode=False)
        assert done.exception is None
        (run,) = json.loads(done.stdout)["runs"]
        assert (run["id"], run["state"], run["repository"]) == (check, "done", "o/r")
        assert run["delivery"] == "guid-1"
        assert [part["kind"] for part in run["parts"]] == ["check", "finish"]
        invocation = CliRunner().invoke(
            cli, ["runs", check, *data, "--format", "json"], standalone_mode=False
        )
        found = json.loads(invocation.stdout)["run"]
        assert [step["name"] for step in found["steps"]][:3] == ["status", "fetch", "predict"]
        assert [build["outcome"] for build in found["builds"]] == ["built"]
        text = CliRunner().invoke(cli, ["runs", check, *data], standalone_mode=False).stdout
        assert "predict" in text
        assert "head of nginx/nginx.spec on x86_64: built" in text


def test_no_database_and_no_run_are_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no engine's database"), open_runs(tmp_path / "none"):
        pass


def test_a_store_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert build_logs(tmp_path, "run") == ()
    (tmp_path / "minimize.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(SurroundingsError, match=r"minimize\.sqlite cannot be read"):
        build_logs(tmp_path, "run")


async def test_a_run_that_is_not_there(bot: Bot) -> None:
    await checked(bot)
    done = CliRunner().invoke(
        cli, ["runs", "gh-nothing", "--data", str(bot.settings.data)], standalone_mode=False
    )
    assert isinstance(done.exception, UsageError)


async def test_figures_of_queues_states_and_processes(bot: Bot) -> None:
    await checked(bot)
    figures = await bot.engine.figures()
    assert figures.queues["checks"] == QueueState(0, 0.0)
    assert figures.states["done"] == 2
    assert figures.states["running"] == 0
    assert figures.processes == ("tester",)


@pytest.mark.parametrize("end", ["", "-wait", "-final", "-withdraw"])
def test_the_workflows_of_a_run_have_its_id(end: str) -> None:
    assert run_of(f"gh-o-r-7-abc{end}") == "gh-o-r-7-abc"
