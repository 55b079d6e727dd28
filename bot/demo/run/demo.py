"""`minimize demo`: from a signed webhook to the edited comment, on this machine alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from bot.demo.distribution.build import build_reference_distribution, progress
from bot.demo.distribution.reference import (
    ReferenceDistribution,
    default_cache,
    nginx_repository_files,
)
from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull
from bot.demo.run.after import IMAGE, page_of, play_on, run_track
from bot.demo.run.setup import (
    BOT,
    BOT_LOG,
    FULL_NAME,
    BotPlaces,
    BotProcess,
    DemoSetup,
    ForgeSettings,
    begin_updates,
    free_port,
    github_settings,
    serve_command,
    set_stage,
    token_settings,
    write_settings,
)
from bot.demo.run.watch import (
    Json,
    Observations,
    Watch,
    builds_sentence,
    comment_panel,
    difference,
    expected_suggestions,
    failures_panel,
    only_built,
    problems_of,
    suggestion_comments,
    suggestion_panel,
    timeline_line,
)
from bot.demo.time_limit import TimeLimit
from bot.distro.cache import Cache, in_use
from bot.errors import MinimizeError, SurroundingsError, UsageError
from bot.settings.forges import FORGE_TYPES

RESULT_SECONDS = 60.0
LOG_CHARACTERS = 20_000
# Enough for a slow network and a cold cache.
WHOLE_SECONDS = 30 * 60.0
_FORGES = ("github", "gitlab", "forgejo", "pagure")  # types of forges for the demo
INTERRUPTED = 130  # exit code after Ctrl-C (or SIGTERM)


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of the demo. `cache` is the directory of the distribution and the builds; None: the
    default.

    `workers`: the demo of two workers, which build for two architectures. `seconds` limits the
    whole run, without the time that --keep adds.
    """

    forge: str = "github"
    workers: bool = False
    keep: bool = False
    rebuild: bool = False
    cache: Path | None = None
    seconds: float = WHOLE_SECONDS


def run_demo(options: DemoOptions, console: Console | None = None) -> int:
    """Run the demo once and show it; return the exit code.

    That is 0 if all was as expected, 1 otherwise (errors and the end of the bot's log are shown),
    130 after Ctrl-C. All processes that it starts are ended in any case. After the time limit it
    shows stacks of itself and the bot, and ends the process with code 1.
    """
    if options.forge not in _FORGES:
        raise UsageError(
            f"The demo has no {options.forge} forge.", f"Forges are {', '.join(_FORGES)}."
        )
    output = console or _console()
    cache = (options.cache or default_cache()).absolute()
    with in_use(Cache(cache)):
        if options.workers:
            from bot.demo.run.workers import play_workers

            return play_workers(options.seconds, cache, output)
        with TimeLimit(options.seconds, "the demo") as limit:
            with progress() as bars:
                distribution = build_reference_distribution(cache, bars)
            home = Path(tempfile.mkdtemp(prefix="minimize-demo-"))
            limit.on_end = lambda: show_log(home)
            playing = _play(options, distribution, _cache(options, cache), home, output, limit)
            return run_and_clear(playing, home, output)


def show_log(home: Path) -> None:
    """Write the end of the bot's log, including its stacks, to standard error."""
    log = home / BOT_LOG
    if log.exists():
        text = log.read_text(errors="replace")[-LOG_CHARACTERS:]
        print(f"The end of the bot's log, {log}:\n{text}", file=sys.stderr, flush=True)


def run_and_clear(work: Coroutine[Any, Any, int], home: Path, console: Console) -> int:
    """Run a demo, and remove its files unless something went wrong; return the exit code."""
    # The sandbox's users must pass through it; secrets in it are not readable to them.
    home.chmod(0o755)
    code = 1
    try:
        code = asyncio.run(work)
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = INTERRUPTED
    finally:
        if code in (0, INTERRUPTED):
            shutil.rmtree(home, ignore_errors=True)
        else:
            console.print(f"The bot's log and data stay in {home}.", soft_wrap=True)
    return code


def _console() -> Console:
    """The console of the terminal; without one (a log, a pipe), as wide as the comments' tables."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=110)


def _cache(options: DemoOptions, cache: Path) -> Path:
    """The bot's cache. With --rebuild a separate one, whose builds are removed first."""
    if not options.rebuild:
        return cache
    own = cache / "demo-rebuild"
    for name in ("builds", "build-logs"):
        shutil.rmtree(own / name, ignore_errors=True)
    return own


async def _play(
    options: DemoOptions,
    distribution: ReferenceDistribution,
    cache: Path,
    home: Path,
    console: Console,
    limit: TimeLimit,
) -> int:
    end_on_sigterm()
    started = time.monotonic()
    updates = begin_updates(distribution, home)
    places = BotPlaces(home, updates.config, cache, free_port())
    async with LocalForge(home / "forge") as forge:
        files = nginx_repository_files(distribution)
        stage = set_stage(forge, files, places.url, options.forge)
        write_settings(places, _forge_settings(stage, places), FULL_NAME)
        watch = Watch(forge, edits=FORGE_TYPES[options.forge].edits_comments)
        async with BotProcess(places, serve_command(places)) as bot:
            await bot.ready()
            await run_track(places)
            seconds = time.monotonic() - started
            console.print(
                f"The forge is at {forge.url}, the bot at {places.url} ({seconds:.1f} s)."
            )
            pull, delivery = await stage.open_pull()
            if delivery.status != HTTPStatus.ACCEPTED:
                answer = delivery.error or f"{delivery.status} {delivery.answer}"
                raise SurroundingsError(f"The bot did not take the webhook: {answer}", bot.tail())
            page = stage.page(pull)
            announcement = f'{pull.user.login} opens a pull request: "{pull.title}" {page}'
            console.print(announcement, soft_wrap=True, markup=False)

            def line(second: float, text: str) -> None:
                timeline_line(console, second, text)

            line(0.0, f"webhook sent: {delivery.event} {delivery.action}")
            line(delivery.seconds, f"webhook accepted ({delivery.status})")
            async with failures(bot, console) as errors:
                observations = await watch.until_done(pull, delivery.at, bot, line)
                await forge.settled()
                result = await check_result(places.url, observations)
                _show_all(console, observations, result)
                errors.extend(problems_of(observations, result))
                if stage.kind in (
                    "github",
                    "gitlab",
                ):  # types with suggestions that a click applies
                    errors.extend(await _show_suggestions(forge, pull, result, page, console))
                if not errors:
                    errors.extend(
                        await play_on(stage, pull, places, updates, observations, result, console)
                    )
            console.print(f"The whole took {time.monotonic() - started:.1f} s.")
            if options.keep:
                limit.lift()
                await _keep(console, page, places)
            return 1 if errors else 0


def _forge_settings(stage: DemoSetup, places: BotPlaces) -> ForgeSettings:
    if stage.hook is not None:
        token, url = stage.forge.token(BOT), stage.forge.url
        return token_settings(places, stage.kind, token, stage.hook, url)
    assert stage.app is not None
    return github_settings(places.home, stage.forge, stage.app)


def end_on_sigterm() -> None:
    """Let SIGTERM end the demo as Ctrl-C does, with all processes that it started."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


@asynccontextmanager
async def failures(bot: BotProcess, console: Console) -> AsyncIterator[list[str]]:
    """Collect errors, including an exception of the block, and show them at the end."""
    errors: list[str] = []
    log = ""
    try:
        yield errors
    except MinimizeError as error:
        errors.append(error.what)
        log = error.hint
    if errors:
        console.print(failures_panel(errors, log or bot.tail()))


async def check_result(url: str, observations: Observations) -> Json:
    """The check's final result from the bot's API, once it is there."""
    identity = observations.check
    end = time.monotonic() + RESULT_SECONDS
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/api/checks/{identity}") as answer:
                text = await answer.text()
            if answer.status != HTTPStatus.OK:
                raise SurroundingsError(
                    f"The bot answered {answer.status} for the check {identity}.", text
                )
            data = json.loads(text)
            result = data.get("result", data)
            if isinstance(result, dict) and "images" in result:
                if result.get("stage") == "final" or time.monotonic() > end:
                    return result
            elif time.monotonic() > end:
                raise SurroundingsError(f"The bot's check {identity} has no result: {text}")
            await asyncio.sleep(0.1)


def _show_all(console: Console, observations: Observations, result: Json) -> None:
    if not observations.texts:
        return
    (first_at, first), (last_at, last) = observations.texts[0], observations.texts[-1]
    console.print()
    kind = "predicted" if observations.edits else "rebuilt"
    console.print(comment_panel(f"The comment after {first_at:.1f} s, {kind}", first))
    if last != first:
        console.print(comment_panel(f"The comment after {last_at:.1f} s, rebuilt", last))
    sizes = only_built(result, IMAGE.arch, IMAGE.workload, first)
    if sizes:
        console.print(difference(sizes, IMAGE.arch))
    console.print(builds_sentence(result.get("builds", ())))


async def _show_suggestions(
    forge: LocalForge, pull: Pull, result: Json, page: str, console: Console
) -> list[str]:
    """Show the suggestions on lines with their evidence; return a sentence if some are missing."""
    suggestions = expected_suggestions(result)
    comments = await suggestion_comments(forge, pull, len(suggestions)) if suggestions else []
    for comment in comments:
        line = comment.line.number if comment.line is not None else 0
        suggestion = next((item for item in suggestions if item["spec"]["line"] == line), None)
        if suggestion is not None:
            console.print(suggestion_panel(comment, suggestion["evidence"], page))
    missing = len(suggestions) - len(comments)
    return [f"{missing} suggestions are missing on their lines."] if missing > 0 else []


async def _keep(console: Console, page: str, places: BotPlaces) -> None:
    """Keep everything running until Ctrl-C."""
    console.print(
        f"Pull request: {page}\nThe image:    {page_of(places)}\n"
        f"The bot:      {places.url}/\nCtrl-C ends both.",
        soft_wrap=True,
    )
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
