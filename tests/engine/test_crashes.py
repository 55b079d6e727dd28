"""kill -9 at bad moments: the run goes on, and what was done is not done again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.engine.database import Heartbeat
from bot.engine.engine import requeue_runs
from bot.errors import UsageError
from bot.store.records import NewDelivery
from bot.store.store import open_store

SCRIPT = Path(__file__).parent / "crashing_bot.py"
SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}


@pytest.fixture
def upstream(tmp_path: Path):
    """A repository, its base and a head, without an engine in this process."""
    where = tmp_path / "upstream"
    where.mkdir()

    def git(*arguments: str) -> str:
        names = {f"GIT_{w}_{f}": "a" for w in ("AUTHOR", "COMMITTER") for f in ("NAME", "EMAIL")}
        environment = {"PATH": os.environ["PATH"], "HOME": str(where), **names}
        done = subprocess.run(
            ["git", *arguments], cwd=where, env=environment, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    git("init", "-q", "-b", "main")
    git("config", "uploadpack.allowFilter", "true")
    (where / "nginx").mkdir()
    commits = []
    for text in ("Name: nginx\n", SPEC["nginx/nginx.spec"]):
        (where / "nginx/nginx.spec").write_text(text)
        git("add", "-A")
        git("commit", "-q", "-m", "x")
        commits.append(git("rev-parse", "HEAD"))
    return commits


def start(folder: Path, commits: list[str], how: str) -> subprocess.Popen:
    base, head = commits
    with (folder / "stderr").open("ab") as stderr:
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), head, how, base],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )


def journal(folder: Path) -> list[str]:
    file = folder / "journal"
    return file.read_text().splitlines() if file.exists() else []


def wait_for(folder: Path, line: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 90
    while line not in journal(folder):
        assert process.poll() is None or line in journal(folder), (folder / "stderr").read_text()
        assert time.monotonic() < deadline, journal(folder)
        time.sleep(0.02)


def test_a_run_goes_on_after_kill_9_and_repeats_no_finished_step(
    tmp_path: Path, upstream: list[str]
) -> None:
    store = open_store(tmp_path)
    body = json.dumps({"wish": "check", "head": upstream[1]}).encode()
    store.add_deliveries([NewDelivery("gh", "pull_request", "guid", body)])
    store.close()
    first = start(tmp_path, upstream, "hang")
    wait_for(tmp_path, "predict", first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = start(tmp_path, upstream, "go")
    wait_for(tmp_path, "over", second)
    assert second.wait(90) == 0
    # The first status was recorded before the kill; only the step in flight ran again.
    assert journal(tmp_path) == [
        "status pending",
        "predict",
        "predict",
        "comment",
        "status pending",
        "finish",
        "comment",
        "status success",
        "over",
    ]


def test_a_run_that_waits_for_a_build_goes_on_waiting_after_kill_9(
    tmp_path: Path, upstream: list[str]
) -> None:
    store = open_store(tmp_path)
    body = json.dumps({"wish": "check", "head": upstream[1]}).encode()
    store.add_deliveries([NewDelivery("gh", "pull_request", "guid", body)])
    store.close()
    first = start(tmp_path, upstream, "wait")
    wait_for(tmp_path, "look", first)
    deadline = time.monotonic() + 90
    while journal(tmp_path).count("look") < 3:
        assert time.monotonic() < deadline, journal(tmp_path)
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = start(tmp_path, upstream, "built")
    wait_for(tmp_path, "over", second)
    assert second.wait(90) == 0
    told = [line for line in journal(tmp_path) if line != "look"]
    # Predicted once; it says that it waits, then that it builds, and the status is the last word.
    assert told == [
        "status pending",
        "predict",
        "comment",
        "status pending",
        "status pending",
        "finish",
        "comment",
        "status success",
        "over",
    ]


async def test_two_processes_cannot_have_one_name(bot) -> None:
    from bot.engine.database import lock_name

    with pytest.raises(UsageError, match="Another process runs as tester"):
        lock_name(bot.settings.data, "tester")


async def test_the_runs_of_a_worker_that_never_came_back_are_queued_again(bot) -> None:
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    database = sa.create_engine(f"sqlite:///{bot.settings.data / 'engine.sqlite'}")
    with database.begin() as connection:  # as a worker that was killed leaves it
        connection.execute(
            sa.text(
                "update workflow_status set status = 'PENDING', executor_id = 'lost',"
                " output = null where name = 'finish'"
            )
        )
    database.dispose()
    bot.store.update_check(bot.checks()[0].id, open=True)
    assert await bot.engine.requeue("nobody") == 0
    # From outside (`minimize requeue`), beside the running bot.
    assert await asyncio.to_thread(requeue_runs, bot.settings, "lost") == 1
    await bot.settled()
    # All its steps were recorded, so nothing was done twice.
    assert bot.checker.calls.count(("finish", head)) == 1
    assert await bot.engine.requeue("lost") == 0
    with pytest.raises(UsageError, match="this process itself"):
        await bot.engine.requeue("tester")


async def test_a_silent_worker_is_found_by_itself(bot) -> None:
    lost = Heartbeat(f"sqlite:///{bot.settings.data / 'engine.sqlite'}", "lost")
    lost._beat_once()
    assert await bot.engine.requeue_silent() == []
    bot.engine._heartbeat._silence = -1
    assert await bot.engine.requeue_silent() == ["lost"]
    assert await bot.engine.requeue_silent() == []
    lost._engine.dispose()


async def test_finished_runs_are_forgotten_after_their_days(bot) -> None:
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert await bot.engine.forget_finished() == 0
    assert await bot.engine.forget_finished(lambda: datetime.now(UTC) + timedelta(days=15)) == 2
    assert bot.checks()[0].stage == "final"
