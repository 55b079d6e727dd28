"""A compute process works in its owner's context, and its measures are its owner's metrics."""

import json
import logging
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.engine.compute_process import ComputeProcess, RunStoppedError
from bot.errors import UsageError
from bot.telemetry.logs import WorkContext, current_context, working_on
from bot.telemetry.measures import looked_up, timed
from tests.engine.conftest import FakeChecker
from tests.telemetry.test_measures import value


def context_of_work(_checker: Any) -> WorkContext:
    return current_context()


def measured_work(_checker: Any) -> None:
    looked_up("headers", hit=True)
    with timed("compose"):
        raise UsageError("It cannot be composed.")


def logged_work(_checker: Any, file: str) -> None:
    """Logs to a file in the place of standard error, which the test cannot read."""
    (handler,) = logging.getLogger().handlers
    with Path(file).open("w") as stream:
        handler.stream = stream  # type: ignore[attr-defined]
        logging.getLogger("bot.x").warning("in %d", os.getpid())


@pytest.fixture
def process():
    process = ComputeProcess(FakeChecker, "json")
    yield process
    process.end(RunStoppedError("over"))


def test_the_context_of_the_owner_is_that_of_the_work(process: ComputeProcess) -> None:
    with working_on(delivery="d", run="r", step="predict") as entered:
        assert process.call(context_of_work) == entered
    assert process.call(context_of_work) == WorkContext()


def test_measures_of_work_that_fails_are_counted_too(process: ComputeProcess) -> None:
    hits = value("minimize_cache_lookups_total", cache="headers", result="hit")
    times = value("minimize_work_total", work="compose")
    with pytest.raises(UsageError):
        process.call(measured_work)
    assert value("minimize_cache_lookups_total", cache="headers", result="hit") == hits + 1
    assert value("minimize_work_total", work="compose") == times + 1


def test_a_line_of_its_log_has_the_run_and_the_step(
    process: ComputeProcess, tmp_path: Path
) -> None:
    file = tmp_path / "log"
    with working_on(run="r", step="predict"):
        process.call(partial(logged_work, file=str(file)))
    line = json.loads(file.read_text())
    assert (line["run"], line["step"], line["level"]) == ("r", "predict", "WARNING")
    assert line["message"] == f"in {process.pid}"
