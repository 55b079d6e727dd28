"""Logs: what each line is about, as text and as JSON."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from bot.telemetry.logs import LogFormat, WorkContext, current_context, log_to_stderr, working_on

LOG = logging.getLogger("a.room")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged while the test runs; the handlers of before come back."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = []
    stream = io.StringIO()
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def started(stream: io.StringIO, form: LogFormat) -> None:
    log_to_stderr(form, stream)


def test_a_line_of_text_ends_with_what_it_is_about(lines: io.StringIO) -> None:
    started(lines, "text")
    with working_on(delivery="guid-1", run="gh-o-r-7", step="predict"):
        LOG.info("try %d", 2)
    LOG.warning("idle")
    first, second = lines.getvalue().splitlines()
    assert first.endswith("INFO a.room: try 2 [delivery=guid-1 run=gh-o-r-7 step=predict]")
    assert second.endswith("WARNING a.room: idle")


def test_a_line_of_json_has_its_fields_and_the_traceback(lines: io.StringIO) -> None:
    started(lines, "json")
    with working_on(delivery="guid-1"), working_on(run="r"):
        try:
            int("ä\nb")
        except ValueError:
            LOG.exception("failed: %s", "x")
    (line,) = lines.getvalue().splitlines()
    document = json.loads(line)
    assert document["level"] == "ERROR"
    assert (document["delivery"], document["run"], "step" in document) == ("guid-1", "r", False)
    assert document["message"] == "failed: x"
    assert "ValueError: invalid literal" in document["exception"]
    assert document["time"].endswith("+00:00")


async def test_a_context_follows_tasks_and_threads_and_ends(lines: io.StringIO) -> None:
    with working_on(run="r") as entered:
        task = asyncio.create_task(asyncio.sleep(0, current_context()))
        assert await asyncio.to_thread(current_context) == entered
    assert current_context() == WorkContext()
    assert await task == WorkContext(run="r")
    with working_on(WorkContext(run="given"), step="s") as other:
        assert other == WorkContext(run="given", step="s")
