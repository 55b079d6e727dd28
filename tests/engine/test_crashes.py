"""kill -9 at bad moments: the run goes on, and what was done is not done again."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from dbos import DBOS

from bot.engine.database import lock_data, lock_name, refuse_newer
from bot.engine.takeover import requeue_runs
from bot.errors import UsageError
from tests.databases import database_urls
from tests.engine.conftest import KilledProgram, Repository, journal, stored_delivery

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}


@pytest.fixture
def upstream(tmp_path: Path) -> tuple[str, str]:
    """A head and its base in a repository, and a delivery of the head."""
    repository = Repository(tmp_path / "upstream")
    head = repository.commit("topic", SPEC)
    stored_delivery(tmp_path, "pull_request", {"wish": "check", "head": head})
    return head, repository.base


def start(folder: Path, upstream: tuple[str, str], how: str) -> KilledProgram:
    head, base = upstream
    return KilledProgram("crashing_bot.py", folder, head, how, base)


def test_a_run_goes_on_after_kill_9_and_repeats_no_finished_step(
    tmp_path: Path, upstream: tuple[str, str]
) -> None:
    first = start(tmp_path, upstream, "hang")
    first.wait_for("predict")
    first.wait_until_settled()
    first.kill()
    start(tmp_path, upstream, "go").ended()
    # The first status was written before the kill; only the step in flight ran again. The second,
    # and the predicted comment, may be replaced by the last before they are written.
    done = journal(tmp_path)
    assert sorted(done[:2]) == ["predict", "status pending"]
    steps = [line for line in done if line not in ("status pending", "comment")]
    assert steps == ["predict", "predict", "finish", "status success", "over"]
    assert done.count("comment") in (1, 2)


def test_a_run_that_waits_for_a_build_goes_on_waiting_after_kill_9(
    tmp_path: Path, upstream: tuple[str, str]
) -> None:
    first = start(tmp_path, upstream, "wait")
    first.wait_for("look", times=3)
    first.wait_until_settled()
    first.kill()
    before = journal(tmp_path)
    start(tmp_path, upstream, "built").ended()
    # Predicted once; it says that it waits, and the status is the last word. One that the next
    # replaces before it is written, as that it builds, is not.
    assert "status pending" in before
    steps = [line for line in journal(tmp_path) if line not in ("look", "status pending")]
    assert steps == ["predict", "comment", "finish", "comment", "status success", "over"]


async def test_two_processes_cannot_have_one_name(bot) -> None:
    with pytest.raises(UsageError, match="tester runs already"):
        lock_name(bot.settings.data, "tester")


async def test_two_servers_cannot_have_one_data_directory(bot) -> None:
    with pytest.raises(UsageError, match="A server works on the data directory"):
        lock_data(bot.settings.data)
    await bot.engine.stop()
    lock_data(bot.settings.data).close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_tables_of_a_newer_engine_are_refused(tmp_path, kind: str) -> None:
    with database_urls(kind, tmp_path) as url:
        refuse_newer(url)
        DBOS.migrate(url)
        refuse_newer(url)
        table = "dbos.dbos_migrations" if kind == "postgresql" else "dbos_migrations"
        database = sa.create_engine(url)
        with database.begin() as connection:
            connection.execute(sa.text(f"update {table} set version = version + 1"))
        database.dispose()
        with pytest.raises(UsageError, match="written by a newer release"):
            refuse_newer(url)


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
    assert await bot.engine.recovery.requeue("nobody") == 0
    # From outside (`minimize requeue`), beside the running bot.
    assert await asyncio.to_thread(requeue_runs, bot.settings, "lost") == 1
    await bot.settled()
    # All its steps were recorded, so nothing was done twice.
    assert bot.checker.calls.count(("finish", head)) == 1
    assert await bot.engine.recovery.requeue("lost") == 0
    with pytest.raises(UsageError, match="this process itself"):
        await bot.engine.recovery.requeue("tester")
