"""Commits on a branch, as the forge knows them."""

from __future__ import annotations

from typing import Protocol

from bot.forge.values import Source


class Commits(Protocol):
    """A forge's branches and commits; the errors are those of every forge."""

    async def source(self, repository: str, branch: str) -> Source:
        """Where git gets a branch, with a credential that is good for a while."""
        ...

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        """The pull request into `branch` that a commit came with, merged or about to be."""
        ...
