"""Forgejo's and Gitea's REST API, which is GitHub's in its paths, pages, comments and tokens.

https://codeberg.org/api/swagger, https://docs.gitea.com/development/api-usage. Neither limits
requests itself; what stands before a large instance answers 429 with Retry-After.
"""

from __future__ import annotations

from typing import Any

from yarl import URL

from bot.forge.comments import RestComments, RestIssues
from bot.forge.rest import RepositoryApi, RestClient, quoted

API_PATH = "/api/v1"
# The most that an instance lists in a page, unless its settings say otherwise.
PAGE = "limit=50"
HINT = (
    "See that the token is valid and has the scopes write:issue, write:repository, read:user and"
    " read:organization, and that its user may administer the repository."
)


class ForgejoClient(RestClient):
    """Forgejo's API."""

    forge = "Forgejo"

    def address(self, url: str) -> str:
        """The same page at the address of the settings.

        An instance names the next page by its own ROOT_URL, which an instance behind an inner
        address is not reached by; the credential goes to no other host than the settings name.
        """
        named, own = URL(url), URL(self.base_url)
        if named.origin() == own.origin():
            return url
        _, _, path = named.raw_path.partition(API_PATH)
        return f"{self.base_url}{path}?{named.raw_query_string}"


class ForgejoComments(RestComments):
    """The comments of an issue come in one list, without pages."""

    async def _edited(self, api: RepositoryApi, edited: Any) -> None:
        """Do nothing: no comment is hidden as outdated."""


class ForgejoIssues(RestIssues):
    """An issue is closed without a reason."""

    def _by(self, login: str) -> str:
        return f"state=all&type=issues&created_by={quoted(login)}&sort=oldest&{PAGE}"
