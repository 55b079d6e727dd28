"""Commits on GitHub.

https://docs.github.com/en/rest/commits/commits#list-pull-requests-associated-with-a-commit
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote

import gidgethub

from bot.forge.github.client import GitHubClient, errors_as_ours
from bot.forge.values import ForgeError, Source
from bot.git.mirror import GitCredential


class GitHubCommits:
    """`client` gives a client with a token for a repository, `clone_url` is where git is."""

    def __init__(
        self, client: Callable[[str], Awaitable[tuple[GitHubClient, str]]], clone_url: str
    ) -> None:
        self._client = client
        self._clone_url = clone_url

    async def source(self, repository: str, branch: str) -> Source:
        """The repository itself."""
        async with errors_as_ours(f"getting a token for {repository}"):
            _, token = await self._client(repository)
        credential = GitCredential("x-access-token", token)
        url = f"{self._clone_url}/{repository}.git"
        return Source(url, credential, (f"refs/heads/{branch}",))

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        """The pull request of a commit, an open one too: it is `merged` only after the push."""
        owner, _, name = repository.partition("/")
        path = f"/repos/{quote(owner, safe='')}/{quote(name, safe='')}/commits/{sha}/pulls"
        async with errors_as_ours(f"asking whose commit {sha[:12]} of {repository} is"):
            client, token = await self._client(repository)
            try:
                async for pull in client.getiter(f"{path}?per_page=100", oauth_token=token):
                    came = pull.get("merged_at") or pull["state"] == "open"
                    if came and pull["base"]["ref"] == branch:
                        return int(pull["number"])
            except gidgethub.HTTPException as error:
                if error.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
                    raise
                # "No commit found": git has it from there already, the API lags.
                raise ForgeError(f"GitHub does not know {sha[:12]} yet: {error}.") from error
        return None
