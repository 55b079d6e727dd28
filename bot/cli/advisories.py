"""`minimize advisories`: the fixes that the images of a lock file lack."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import Places, common, formats
from bot.cli.output import print_json, print_text
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.image.lock import ImageDescription
    from bot.surface.pinned import PinnedFixes


@click.command()
@click.argument(
    "lock_file", metavar="LOCK", type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@formats("text", "json")
@common
def advisories(lock_file: Path, form: str, places: Places) -> int:
    """List the security fixes that today's repositories have and the images of LOCK have not.

    And the CVEs without a fix, where the repository document names its vendor's VEX documents.
    """
    from bot.distro.cache import Cache
    from bot.image.lock import read_lock
    from bot.report.surface import pinned_text
    from bot.surface.pinned import pinned_fixes

    cache = Cache(places.cache)
    lock = read_lock(lock_file)
    repositories = places.configuration(named=True).repositories

    def found(image: ImageDescription) -> PinnedFixes:
        document = repositories.get(image.key.repository)
        if document is None:
            raise UsageError(
                f"{lock_file} is of the repository document `{image.key.repository}`,"
                " which is not there.",
                f"There are {', '.join(sorted(repositories))}; --config names other ones.",
            )
        return pinned_fixes(image.key, image.packages, document, cache)

    images = [found(image) for image in lock.images]
    if form == "json":
        print_json({"images": [{**asdict(i.key), **i.figures} for i in images]})
    else:
        print_text(pinned_text((i.key, i.unapplied, i.unfixed) for i in images))
    return 0
