"""Our comment on a pull request, and our issues, on Forgejo and Gitea."""

from __future__ import annotations

from typing import Any

from bot.forge.comments import RestComments, RestIssues
from bot.forge.forgejo.client import PAGE
from bot.forge.rest import RepositoryApi, quoted


class ForgejoComments(RestComments):
    """The comments of an issue come in one list, without pages."""

    async def _edited(self, api: RepositoryApi, edited: Any) -> None:
        """Do nothing: no comment is hidden as outdated."""


class ForgejoIssues(RestIssues):
    """An issue is closed without a reason."""

    def _by(self, login: str) -> str:
        return f"state=all&type=issues&created_by={quoted(login)}&sort=oldest&{PAGE}"
