"""Fixtures for every test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from bot.errors import MinimizeError
from bot.stacks import task_stacks, write_stacks_on_sigusr1

# A shell without a terminal has what it starts in the background ignore SIGINT: the programs that
# tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if TYPE_CHECKING:
    from bot.demo.distribution.reference import ReferenceDistribution
    from tests.forge.github_traffic import Exchange, Heard

STANDARD_ERROR = pytest.StashKey[int]()
AGAIN_SECONDS = 60.0

# How long an example takes, or its drawing, is the machine's load, and no property of what is
# tested. The suite draws the same examples every time; `./deploy/test --explore` draws new ones.
_UNTIMED = hypothesis.settings(
    deadline=None, database=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("suite", _UNTIMED, derandomize=True)
hypothesis.settings.register_profile("explore", _UNTIMED, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("MINIMIZE_EXAMPLES", "suite"))


def pytest_configure(config: pytest.Config) -> None:
    """Keeps standard error as it is while nothing is captured: for stacks (see bot/stacks.py).

    The tests' specs are their own: they run where no control group can be made, too.
    """
    from bot.sandbox.cgroup import run_without_control_groups

    run_without_control_groups()
    config.stash[STANDARD_ERROR] = os.dup(2)
    write_stacks_on_sigusr1(config.stash[STANDARD_ERROR])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests begin first: of two workers, one would wait in the end for a long one's end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item) -> Iterator[None]:
    """A test's time limit shows where its asyncio tasks stand too, and comes again.

    It raises in whatever runs just then, which may be a task that the test does not wait for.
    """
    done = yield
    fails = signal.getsignal(signal.SIGALRM)

    def exceeded(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        shown = f"{item.nodeid} took too long. Its tasks:\n{task_stacks()}"
        os.write(item.config.stash[STANDARD_ERROR], shown.encode())
        assert callable(fails)
        fails(number, frame)

    if callable(fails):
        signal.signal(signal.SIGALRM, exceeded)
    return done


@pytest.fixture(scope="session")
def _github_traffic() -> Iterator[list[Heard]]:
    """What GitHub clients and local forges of this process say to each other, all the time."""
    from tests.forge.github_traffic import listening

    heard: list[Heard] = []
    with listening(heard):
        yield heard


@pytest.fixture(autouse=True)
def github_traffic(_github_traffic: list[Heard]) -> Iterator[Callable[[], list[Exchange]]]:
    """Gives what the GitHub clients of this test asked and got so far.

    Every request and every answer is checked against GitHub's own description, where that is there.
    """
    from tests.forge.github_description import github_description

    heard = _github_traffic
    heard.clear()
    yield lambda: [one.exchange for one in heard if one.by == "client"]
    description = github_description() if heard else None
    if description is not None:
        wrong = dict.fromkeys(said for one in heard for said in one.problems(description))
        assert list(wrong) == []


@pytest.fixture(scope="session")
def reference() -> ReferenceDistribution:
    """The reference distribution, made into the shared cache if it is not there yet.

    The making locks out other processes, so workers of pytest-xdist wait for the first. Where it
    can neither be found nor made the test fails, with the reason: a skipped test shows nothing.
    """
    from bot.demo.distribution.build import build_reference_distribution, progress
    from bot.demo.distribution.reference import default_cache

    try:
        with progress() as shown:
            return build_reference_distribution(default_cache(), shown)
    except MinimizeError as error:
        pytest.fail(f"the reference distribution is not there: {error}", pytrace=False)


def run_python(code: str, *, text: bool = True) -> subprocess.CompletedProcess[Any]:
    """Run code in a Python of its own, which has imported nothing yet."""
    home = Path(__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=text, check=True, cwd=home
    )
