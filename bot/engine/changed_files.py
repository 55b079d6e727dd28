"""The files that a pull request changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from bot.engine.merged import mirror_of
from bot.forge.protocol import Forge
from bot.forge.values import ForgeFile, ForgeTooLargeError, PullRequest
from bot.settings.values import Settings

LOG = logging.getLogger(__name__)


async def changed_files(
    forge: Forge, pull: PullRequest, settings: Settings
) -> tuple[ForgeFile, ...]:
    """The files of `pull` from where it left its base branch to its head.

    Where the forge lists none, the commits are fetched; raises the errors of both.
    """
    try:
        return await forge.changed_files(pull.key)
    except ForgeTooLargeError as error:
        LOG.info("%s Git lists them.", error)
    source = await forge.source(pull.key, pull.base_ref)
    mirror = mirror_of(source, settings)

    def look() -> Iterable[ForgeFile]:
        base = mirror.fetch(pull.head_sha, pull.base_sha, refs=source.refs)
        for file in mirror.changed_files(base, pull.head_sha):
            yield ForgeFile(file.path, file.old_path)

    return await asyncio.to_thread(lambda: tuple(look()))
