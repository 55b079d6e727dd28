"""The demo after the comments: the merge, the published packages, the step and its cause."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

import aiohttp
from rich.console import Console

from bot.demo.forge.values import Pull
from bot.demo.run.setup import (
    DOCUMENT,
    FULL_NAME,
    MAINTAINER,
    BotPlaces,
    DemoSetup,
    Updates,
    minimize_command,
)
from bot.demo.run.watch import Json, Observations, objectives_table, timeline_line
from bot.errors import SurroundingsError
from bot.model.image import ImageKey
from bot.report.text import print_track
from bot.store.history.image_queries import ImageQueries
from bot.store.records import Row
from bot.web.addresses import image_url

IMAGE = ImageKey("nginx", "minimal", DOCUMENT, "x86_64")
MERGED_SECONDS = 60.0
TRACK_SECONDS = 5 * 60.0


async def play_on(
    stage: DemoSetup,
    pull: Pull,
    places: BotPlaces,
    updates: Updates,
    observations: Observations,
    result: Json,
    console: Console,
) -> list[str]:
    """Show the objectives, merge, publish the built packages, and show the step that they make;
    return the errors, a sentence each."""

    def line(text: str) -> None:
        second = (datetime.now(observations.start.tzinfo) - observations.start).total_seconds()
        timeline_line(console, second, text)

    table = objectives_table(result, IMAGE.arch, IMAGE.workload)
    if table is None or observations.check is None:
        return [f"The check's result has no objectives of {IMAGE.workload} on {IMAGE.arch}."]
    console.print("\nThe maintainers' objectives before and after the pull request:\n")
    console.print(table)
    await stage.merge(pull)
    await merge_recorded(places, stage.kind, pull.number)
    line(f"{MAINTAINER} merged the pull request, and the bot recorded it")
    packages = await asyncio.to_thread(built_packages, places, observations.check)
    updates.publish(packages, IMAGE.arch)
    names = ", ".join(path.name for path in packages)
    line(f"the distribution publishes what was built ({IMAGE.arch}): {names}")
    track_result = await run_track(places)
    line("minimize track, as run by a timer, shows what moved and by which change:")
    console.print()
    print_track({**track_result, "objectives": ()}, console)
    page = page_of(places, IMAGE)
    console.print(
        f"\nThe image's page: {page} (--keep keeps the bot running to show it, with its history,"
        " the packages' graph and every objective)",
        soft_wrap=True,
    )
    return problems_of_step(track_result, pull.number) + await problems_of_page(page)


async def run_track(places: BotPlaces) -> Json:
    """Run `minimize track --format json` beside the bot, as by a timer; return its output."""
    process = await asyncio.create_subprocess_exec(
        *minimize_command(), "track", "--format", "json", "--config", str(places.config),
        "--data", str(places.data), "--cache", str(places.cache),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(TRACK_SECONDS):
            output, problems = await process.communicate()
    except TimeoutError as error:
        raise SurroundingsError(
            f"minimize track did not end within {TRACK_SECONDS:.0f} s."
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise SurroundingsError(
            f"minimize track ended with code {process.returncode}.", problems.decode().strip()
        )
    value: Json = json.loads(output)
    return value


async def merge_recorded(places: BotPlaces, forge: str, number: int) -> None:
    """Wait until the bot's history has the merged pull request."""
    end = time.monotonic() + MERGED_SECONDS
    while not await asyncio.to_thread(
        _rows,
        places,
        "select id from merged_changes where forge = ? and repository = ? and number = ?",
        [forge, FULL_NAME, number],
    ):
        if time.monotonic() > end:
            raise SurroundingsError(
                f"The bot did not record the merge within {MERGED_SECONDS:.0f} s."
            )
        await asyncio.sleep(0.05)


_RESULT = "select body from results where id = (select result_id from checks where id = ?)"


def built_packages(places: BotPlaces, check: str) -> list[Path]:
    """The RPM files that the bot built for a check's head: they are beside the build's log."""
    (row,) = _rows(places, _RESULT, [check])
    logs = [build["log"] for build in json.loads(row["body"])["builds"] if build["side"] == "head"]
    return sorted(path for log in logs if log for path in Path(log).parent.glob("*.rpm"))


def _rows(places: BotPlaces, sql: str, values: list[object]) -> list[Row]:
    reader = ImageQueries(places.store)
    try:
        return reader.rows(sql, values)
    finally:
        reader.close()


def page_of(places: BotPlaces, key: ImageKey = IMAGE) -> str:
    """The address of an image's page."""
    return f"{places.url}{image_url(key)}"


async def problems_of_page(url: str) -> list[str]:
    """The errors of a page: none, or a sentence."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        if answer.status == HTTPStatus.OK:
            return []
    return [f"The page {url} answers {answer.status}."]


def problems_of_step(track_result: Json, number: int, key: ImageKey = IMAGE) -> list[str]:
    """The errors in the run after the merge, a sentence each."""
    steps = [
        step
        for image in track_result["images"]
        if (image["workload"], image["arch"]) == (key.workload, key.arch)
        for step in image["steps"]
    ]
    if not steps:
        return [f"{key.workload} on {key.arch} did not move after the merge."]
    pulls = [step["cause"]["pull_request"] for step in steps]
    if any(pull is None or pull["number"] != number for pull in pulls):
        return [f"A part of the step is not attributed to the pull request #{number}."]
    return []
