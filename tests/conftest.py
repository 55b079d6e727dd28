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

# A shell without a terminal starts background jobs with SIGINT ignored: programs that tests
# interrupt would inherit that.
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
    """Save standard error before pytest captures it, for stacks (see bot/stacks.py).

    Sandboxes run without control groups here: the spec files are the tests' own.
    """
    from bot.sandbox.cgroup import run_without_control_groups

    run_without_control_groups()
    config.stash[STANDARD_ERROR] = os.dup(2)
    write_stacks_on_sigusr1(config.stash[STANDARD_ERROR])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move long tests to the front: at the end one worker would wait for another's long test."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item) -> Iterator[None]:
    """Make a test's time limit print the stacks of asyncio tasks, too, and repeat.

    The limit raises in the code that runs then, which may be a task that the test does not await.
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
    """The requests of this process's GitHub clients with their answers, recorded all the time."""
    from tests.forge.github_traffic import listening

    heard: list[Heard] = []
    with listening(heard):
        yield heard


@pytest.fixture(autouse=True)
def github_traffic(_github_traffic: list[Heard]) -> Iterator[Callable[[], list[Exchange]]]:
    """A function that returns the requests of this test's GitHub clients, with the answers.

    Each request and answer is checked against GitHub's own description, if it is installed.
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
    """The reference distribution, built into the shared cache unless it is there.

    The build takes a lock: other workers of pytest-xdist wait for it. If it can neither be found
    nor built, the test fails with the reason: a skipped test shows nothing.
    """
    from bot.demo.distribution.build import build_reference_distribution, progress
    from bot.demo.distribution.reference import default_cache

    try:
        with progress() as shown:
            return build_reference_distribution(default_cache(), shown)
    except MinimizeError as error:
        pytest.fail(f"the reference distribution is not there: {error}", pytrace=False)


def run_python(code: str, *, text: bool = True) -> subprocess.CompletedProcess[Any]:
    """Run code in a new Python process, which has imported nothing yet."""
    home = Path(__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=text, check=True, cwd=home
    )
