"""`minimize track` and `minimize objectives`: images and their objectives over time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import Places, formats, on_own_documents
from bot.cli.output import console, echo, note, print_json, progress_bar
from bot.errors import MinimizeError, UsageError
from bot.store.history.history import History

if TYPE_CHECKING:
    from bot.advice.maintainers import Maintainers
    from bot.distro.documents import Configuration
    from bot.objectives.issue_writer import IssueReport
    from bot.objectives.tracking import TrackResult
    from bot.settings.values import Settings


@contextmanager
def _history(places: Places) -> Iterator[History]:
    from bot.store.history.history import open_history
    from bot.store.store import open_store

    with closing(open_store(places.data)) as store, closing(open_history(store)) as history:
        yield history


@click.command()
@click.option(
    "--layers",
    is_flag=True,
    help="Compose every image's layer, not only those whose layer an objective limits. Fetches"
    " their packages, each once in the cache's life.",
)
@click.option(
    "--headers",
    is_flag=True,
    help="Fetch packages' headers for sizes without documentation. Without it only files on this"
    " machine and the cache are read.",
)
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The server's settings: its folders are taken, and issues are written where they say.",
)
@click.option(
    "--edits",
    type=click.IntRange(0, 3),
    default=1,
    show_default=True,
    help="Find opportunities: the best so many edits of each image; 0: none. At most 3.",
)
@formats("text", "json")
@on_own_documents
def track(
    layers: bool, headers: bool, settings: Path | None, edits: int, form: str, places: Places
) -> int:
    """Evaluates every image and objective now, keeps the result, says what moved and who did it.

    Made for a timer: what did not change is not solved again. With the server's settings an
    objective that drift breaks gets an issue, where they name a place; else a line here.
    """
    from bot.distro.cache import Cache
    from bot.objectives.evaluation import Measures
    from bot.objectives.jsonform import track_to_json
    from bot.objectives.tracking import track as track_images
    from bot.requests.file_images import BaseImage
    from bot.sandbox.cgroup import run_without_control_groups

    run_without_control_groups()  # without files: only packages of the repositories
    served = None
    if settings is not None:
        from bot.outbound.authorities import trust_also

        if places.on is not None:
            raise UsageError("--settings names the documents, and --on others.", "Leave one out.")
        served = places.settings(settings)
        trust_also(served.ca_file)
        places = replace(places, config=served.config, data=served.data, cache=served.cache)
    table = [BaseImage(**dict(row)) for row in served.base_images] if served is not None else []
    configuration = places.configuration(recorded=True)
    with _history(places) as history:
        failed: list[str] = []

        def show(tracked: TrackResult) -> None:
            """Print the results before the run ends: the next run shows the others."""
            bar.close()
            value = track_to_json(tracked)
            if form == "json":
                print_json(value)
            else:
                from bot.report.text import print_track

                print_track(value, console())
            sentences = _opportunities(configuration, history, places, edits, served)
            issued = _issues(history, served, tracked.run)
            for sentence in (*tracked.notes, *sentences, *issued.unplaced, *issued.written):
                note(sentence)
            failed.extend((*tracked.failed, *issued.failed))
            for sentence in failed:
                echo(f"error: {sentence}", err=True)

        text = "Evaluating images"
        with ExitStack() as bar:
            advance = bar.enter_context(progress_bar(text))
            tracked = track_images(
                configuration,
                history,
                Cache(places.cache),
                measures=Measures(layers=layers, headers=headers),
                progress=advance and (lambda done, total: advance(done, total, text)),
                report=show,
                base_images=table,
            )
    if failed:
        return 1
    return 3 if any(i.after.facts.status != "ok" for i in tracked.images) else 0


def _opportunities(
    configuration: Configuration,
    history: History,
    places: Places,
    edits: int,
    served: Settings | None,
) -> tuple[str, ...]:
    """Find and settle the opportunities of all images; return sentences about them."""
    if not edits or find_spec("pysat") is None:
        return ()
    from bot.advice.advise import Wish
    from bot.objectives.opportunities import settle_opportunities
    from bot.store.opportunities import Opportunities

    try:
        settled = settle_opportunities(
            configuration,
            Opportunities(history.store),
            places.pools(),
            Wish(edits),
            _maintainers(served),
        )
    except MinimizeError as error:
        return (f"The search for opportunities did not finish: {error}",)
    return (*(f"An edit landed: {edit}." for edit in settled.landed), *settled.problems)


def _maintainers(settings: Settings | None) -> Sequence[Maintainers]:
    """Return the maintainers of sources that the settings list, or the file that they name."""
    from bot.advice.maintainers import maintainers_of, read_maintainers

    source = settings.maintainers if settings is not None else None
    if source is None:
        return ()
    if isinstance(source, Path):
        return (read_maintainers(source),)
    owners = {n: (names,) if isinstance(names, str) else names for n, names in source.items()}
    return (maintainers_of(owners),)


def _issues(history: History, settings: Settings | None, run: int) -> IssueReport:
    """Write the issues about drift and the weekly ones, where the settings name a place."""
    from bot.objectives.issue_writer import IssueReport, publish_issues, unplaced_drift
    from bot.settings.values import IssueSettings

    if settings is None:
        return IssueReport(unplaced=unplaced_drift(history, IssueSettings(), run))
    from bot.forge.protocol import open_forges

    async def publish() -> IssueReport:
        forges = open_forges(settings)
        try:
            return await publish_issues(
                history,
                forges,
                settings.issues,
                run,
                public_url=settings.public_url,
                is_silent=settings.is_silent,
            )
        finally:
            for forge in forges.values():
                await forge.close()

    return asyncio.run(publish())


@click.command()
@formats("text", "json")
@on_own_documents
def objectives(form: str, places: Places) -> int:
    """Each objective: value, limit, target, trend."""
    from bot.distro.cache import Cache
    from bot.objectives.jsonform import objectives_to_json
    from bot.objectives.requested import with_requested
    from bot.objectives.status import objectives_now
    from bot.objectives.tracking import own_objectives, with_own

    configuration = places.configuration(recorded=True)
    with _history(places) as history:
        files = history.repository_files()
        # Images of files with a place in `.minimize.yaml`; the server's table is not known here.
        configuration = with_requested(configuration, files, ()).configuration
        own = own_objectives(files, configuration)
        configuration = with_own(configuration, own)
        now = objectives_now(configuration, history, Cache(places.cache))
    names = {o.id: o.name for o in configuration.objectives.values()}
    value = objectives_to_json(now.statuses, names)
    if form == "json":
        print_json(value)
    else:
        from bot.report.text import print_objectives

        print_objectives(value, console())
    for sentence in now.notes:
        note(sentence)
    for sentence in now.failed:
        echo(f"error: {sentence}", err=True)
    return 1 if now.failed else 0
