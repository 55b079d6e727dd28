"""The periodic job: each kind leaves by the passed-in clock, and nothing that is shown."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from bot.engine.retention import EVERY, Retention, ServerRetention
from bot.settings.operation import RetentionSettings
from bot.store.transactions import StoreError
from tests.engine.conftest import Bot

SPEC = {"nginx.spec": "Name: nginx\nRequires: perl\n"}
DAY = 86_400.0


class Clock:
    """The time, and what the test adds to it."""

    def __init__(self) -> None:
        self.days = 0.0

    def __call__(self) -> float:
        return time.time() + self.days * DAY


def retention(bot: Bot, clock: Clock, **kinds: Any) -> Retention:
    wanted = RetentionSettings.model_validate(kinds)
    settings = bot.settings.model_copy(update={"retention": wanted})
    server = ServerRetention(bot.store, bot.engine, bot.outbox)
    return Retention(settings, server, clock)


async def checked(bot: Bot, text: str = "") -> str:
    bot.push({"nginx.spec": SPEC["nginx.spec"] + text})
    await bot.deliver()
    await bot.settled()
    return bot.checks()[-1].id


async def test_ended_runs_leave_the_engine_after_their_days(bot: Bot) -> None:
    check = await checked(bot)
    clock = Clock()
    job = retention(bot, clock)
    assert (await job.sweep())["runs"].removed == 0
    clock.days = 15
    assert (await job.sweep())["runs"].removed == 2
    assert (await bot.engine.figures()).states["done"] == 0
    assert bot.store.steps(check) != []  # the page has them still
    assert bot.checks()[0].stage == "final"


async def test_ended_runs_leave_until_the_size_is_enough(bot: Bot) -> None:
    for text in ("# 1\n", "# 2\n"):
        await checked(bot, text)
    job = retention(bot, Clock(), runs={"days": 14, "bytes": 1_000_000})
    assert (await job.sweep())["runs"].removed == 0
    # As if each had a megabyte.
    database = bot.engine.database
    with database.begin() as connection:
        connection.exec_driver_sql(
            "update operation_outputs set output = output || printf('%.600000c', ' ')"
            " where function_id = 1"
        )
    assert (await job.sweep())["runs"].removed > 0


async def test_the_older_name_of_the_runs_days_counts(bot_of: Any) -> None:
    bot = bot_of(keep_days=3)
    await bot.engine.launch()
    await checked(bot)
    clock = Clock()
    clock.days = 4
    assert (await retention(bot, clock).sweep())["runs"].removed == 2


async def test_deliveries_and_checks_leave_once_the_pull_request_is_over(bot: Bot) -> None:
    check = await checked(bot)
    clock = Clock()
    clock.days = 400
    job = retention(bot, clock)
    swept = await job.sweep()
    assert swept["deliveries"].removed == 1
    assert bot.store.check(check) is not None
    await bot.deliver("stop")
    assert (await job.sweep())["checks"].removed == 1
    assert bot.store.check(check) is None


async def test_logs_and_builds_leave_but_those_of_open_pull_requests(
    bot: Bot, tmp_path: Path
) -> None:
    check = await checked(bot)
    cache = bot.settings.cache
    logs = cache / "build-logs"
    logs.mkdir(parents=True)
    for name in ("shown", "other"):
        (logs / f"{name}.log").write_text("x")
    record = bot.store.check(check)
    assert record is not None
    assert record.result is not None
    builds = [{**record.result["builds"][0], "log": str(logs / "shown.log")}]
    bot.store.update_check(check, result={**record.result, "builds": builds})
    clock = Clock()
    clock.days = 91
    job = retention(bot, clock)
    assert (await job.sweep())["logs"].removed == 1
    assert [path.name for path in logs.iterdir()] == ["shown.log"]
    bot.show(bot.forge.pull.head_sha, open=False)
    await bot.deliver("stop")
    assert (await job.sweep())["logs"].removed == 1


async def test_a_kind_that_fails_does_not_stop_the_others(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise OSError("read-only")

    monkeypatch.setattr("bot.engine.retention.sweep_mirrors", fails)
    swept = await retention(bot, Clock()).sweep()
    assert set(swept) == {"deliveries", "checks", "runs", "logs", "builds", "remains"} | {
        "metadata",
        "roots",
    }


async def test_it_sweeps_once_an_hour(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, swept = Clock(), []
    job = retention(bot, clock)

    async def sweep() -> Any:
        swept.append(clock.days)

    monkeypatch.setattr(job, "sweep", sweep)
    for days in (0.0, 0.5 * EVERY / DAY, 1.01 * EVERY / DAY):
        clock.days = days
        await job.sweep_if_due()
    assert len(swept) == 2
    clock.days = -300.0  # set back
    for _ in range(2):
        await job.sweep_if_due()
    assert len(swept) == 3


async def test_a_full_disk_that_cannot_pack_the_store_loses_its_old_files(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Any) -> None:
        raise StoreError("The store cannot be packed: database or disk is full.")

    monkeypatch.setattr("bot.engine.retention.reclaim", full)
    assert "logs" in await retention(bot, Clock()).sweep()


async def test_a_run_that_goes_on_leaves_with_none_of_its_parts(bot: Bot) -> None:
    check = await checked(bot)
    other = await checked(bot, "# 1\n")
    bot.store.update_check(check, open=True)
    clock = Clock()
    clock.days = 15
    assert (await retention(bot, clock).sweep())["runs"].removed == 2
    running = await bot.engine.running([check, other])
    assert (running[check].status, running[other].status) == ("SUCCESS", None)


async def test_a_worker_sweeps_a_cache_of_its_own_alone(bot: Bot, tmp_path: Path) -> None:
    cache = tmp_path / "elsewhere"
    old = cache / "build-logs" / "a.log"
    old.parent.mkdir(parents=True)
    old.write_text("x")
    os.utime(old, (1000, 1000))
    beside = bot.settings.model_copy(update={"cache": cache})
    assert await Retention(beside).sweep() == {}
    away = beside.model_copy(update={"data": tmp_path / "no-store"})
    assert (await Retention(away).sweep())["logs"].removed == 1
