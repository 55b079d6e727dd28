"""Pagure as a forge: comments, flags of commits, roles, sources of commits.

https://pagure.io/api/0/, https://docs.pagure.org/pagure/. The bot acts as a token's owner. The API
cannot edit comments, does not list deliveries, and only shows pull requests of public projects.
"""

from __future__ import annotations

from itertools import islice

from bot.forge.base import TokenForge, TokenKind
from bot.forge.events import CommentEvent, PushEvent
from bot.forge.pagure.client import (
    HINT,
    PagureApi,
    PagureClient,
    checks_of_commit,
    is_member,
    is_program,
    open_pull_of,
    pull_request_of,
    pusher,
    put_flag,
    role,
)
from bot.forge.pagure.comments import PagureComments, PagureIssues
from bot.forge.pagure.events import parse_event, push_of, read_delivery, unedited
from bot.forge.pagure.webhooks import begin
from bot.forge.rest import RepositoryApi
from bot.forge.values import (
    ForgeFile,
    OpenPull,
    PullRequest,
    PullRequestKey,
    Reaction,
    StatusReport,
)

# The number of recently changed pull requests that are searched for a commit.
_NEWEST = 20
_COMMENTS = 100


class Pagure(TokenForge):
    """A Pagure, used with a token. Of the bot's comments with a marker the newest counts."""

    kind = TokenKind(
        HINT,
        PagureClient,
        PagureApi,
        begin,
        read_delivery,
        parse_event,
        PagureIssues,
        PagureComments,
        checks_of_commit,
        role,
        is_member,
        is_program,
    )

    async def _pull(self, api: PagureApi, key: PullRequestKey) -> PullRequest:
        """The pull request, with the tip of its base branch."""
        pull = await api.get(f"/pull-request/{key.number}?comments=false")
        return pull_request_of(pull, await _branches(api), key)

    async def changed_files(self, key: PullRequestKey) -> tuple[ForgeFile, ...]:
        """The files that it changes."""
        async with self._errors(f"listing the files of {key}"):
            api = await self._api(key.repository)
            files = await api.get(f"/pull-request/{key.number}/diffstats")
            return tuple(_file(path, entry["old_path"]) for path, entry in files.items())

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        """Set a flag of the commit in the base project, also for a fork's commit."""
        page = f"{self._settings.clone_url}/{key.repository}/pull-request/{key.number}"
        async with self._errors(f"flagging {sha[:12]} on {key}"):
            await put_flag(await self._api(key.repository), sha, report, page)

    async def pusher_of(self, key: PullRequestKey, sha: str) -> str | None:
        """The owner of the fork, as Pagure does not record who pushed."""
        async with self._errors(f"asking who pushed {sha[:12]} of {key}"):
            api = await self._api(key.repository)
            pull = await api.get(f"/pull-request/{key.number}?comments=false")
            return pusher(pull, key.repository)

    async def react(self, key: PullRequestKey, comment: str, reaction: Reaction) -> None:
        """Do nothing: the API has no reactions."""
        del key, comment, reaction

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        """The pull request whose head was the commit, among recent merged or open ones."""
        async with self._errors(f"asking for the pull request of {sha[:12]} of {repository}"):
            api = await self._api(repository)
            for status in ("Merged", "Open"):
                pulls = await api.get(f"/pull-requests?status={status}&per_page={_NEWEST}")
                for pull in pulls["requests"]:
                    if (pull["branch"], pull["commit_stop"]) == (branch, sha):
                        return int(pull["id"])
        return None

    async def open_pulls(self, repository: str) -> tuple[OpenPull, ...]:
        """The open pull requests, over all pages, except those without commits."""
        async with self._errors(f"listing the pull requests of {repository}"):
            api = await self._api(repository)
            pulls = api.pages("/pull-requests?status=Open", "requests")
            return tuple([open_pull_of(pull) async for pull in pulls if pull["commit_stop"]])

    async def comments_since(self, key: PullRequestKey, since: str) -> tuple[CommentEvent, ...]:
        """The first hundred since then, except edited ones and the forge's own."""
        async with self._errors(f"listing the comments on {key}"):
            api = await self._api(key.repository)
            pull = await api.get(f"/pull-request/{key.number}")
            return tuple(islice(unedited(key, pull, since), _COMMENTS))

    async def _push(self, api: PagureApi, branch: str, before: str) -> PushEvent | None:
        """The move of a branch, by its current tip."""
        branches = await _branches(api)
        after = branches["branches"].get(branch, before)
        if after == before:
            return None
        default, project = next(iter(branches["default"]), ""), await api.get("")
        return push_of(self.name, project, branch, before, str(after), default)

    async def _clone(self, repository: str) -> tuple[str, None]:
        # The projects are public, so cloning needs no token.
        return repository, None

    async def _ask_login(self, api: RepositoryApi) -> str:
        user = await api.client.post("/-/whoami", data=b"", oauth_token=api.token)
        return str(user["username"])


async def _branches(api: RepositoryApi) -> dict[str, dict[str, str]]:
    """A project's branches: `branches` maps names to tips, `default` is the default branch."""
    branches: dict[str, dict[str, str]] = await api.get("/git/branches?with_commits=true")
    return branches


def _file(path: str, old_path: str) -> ForgeFile:
    return ForgeFile(path, old_path if old_path != path else None)


open_forge = Pagure.from_settings
