"""Forgejo or Gitea as a forge: comments, commit statuses, roles, sources of commits.

https://forgejo.org/docs/latest/user/api-usage/. The bot acts as a token's owner; there are no Apps.
There is no list of deliveries either: missed ones are found by comparing open pull requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from bot.forge.base import TokenForge, TokenKind
from bot.forge.events import CommentEvent, PushEvent, utc
from bot.forge.forgejo.client import (
    HINT,
    PAGE,
    ForgejoClient,
    ForgejoComments,
    ForgejoIssues,
    checks_of_commit,
    head_repository,
    is_agit,
    is_member,
    is_program,
    open_pull_of,
    pull_request_of,
    pusher,
    put_status,
    role,
)
from bot.forge.forgejo.events import is_users_program, parse_event, push_of, read_delivery
from bot.forge.forgejo.webhooks import begin
from bot.forge.rest import RepositoryApi, quoted
from bot.forge.rest_events import unedited
from bot.forge.values import ForgeFile, OpenPull, PullRequest, PullRequestKey, StatusReport
from bot.git.mirror import GitCredential
from bot.settings.forges import secret_text

# The number of recently changed pull requests that are searched for a commit.
_NEWEST = 5


class Forgejo(TokenForge):
    """A Forgejo or Gitea, used with a token; neither has suggestions that a click applies."""

    kind = TokenKind(
        HINT,
        ForgejoClient,
        RepositoryApi,
        begin,
        read_delivery,
        parse_event,
        ForgejoIssues,
        ForgejoComments,
        checks_of_commit,
        role,
        is_member,
        is_program,
    )

    async def _pull(self, api: RepositoryApi, key: PullRequestKey) -> PullRequest:
        return pull_request_of(await api.get(f"/pulls/{key.number}"), key)

    async def changed_files(self, key: PullRequestKey) -> tuple[ForgeFile, ...]:
        """The files that it changes, over all pages."""
        async with self._errors(f"listing the files of {key}"):
            api = await self._api(key.repository)
            entries = api.pages(f"/pulls/{key.number}/files?{PAGE}")
            return tuple([_file(entry["filename"], entry) async for entry in entries])

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        """Set a commit status in the base repository, also for a fork's commit."""
        async with self._errors(f"setting the status of {sha[:12]} on {key}"):
            await put_status(await self._api(key.repository), sha, report)

    async def pusher_of(self, key: PullRequestKey, sha: str) -> str | None:
        """The actor of the push, by the head repository's activities, else the repository's owner.

        A pull request by a push to refs/for can only be pushed again by its author.
        """
        async with self._errors(f"asking who pushed {sha[:12]} of {key}"):
            api = await self._api(key.repository)
            pull = await api.get(f"/pulls/{key.number}")
            if is_agit(pull):
                return pull_request_of(pull, key).author
            repository = head_repository(pull)
            if repository is None:
                return "ghost"
            owner = await pusher(api, repository, str(pull["head"]["ref"]), sha)
            own = repository.casefold() == key.repository.casefold()
            return owner or (None if own else repository.partition("/")[0])

    async def _clone(self, repository: str) -> tuple[str, GitCredential]:
        # A token is the password for any user name.
        return repository, GitCredential("minimize", secret_text(self._token))

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        """The pull request that was merged as a commit, or one of the newest that contains it."""
        async with self._errors(f"asking for the pull request of {sha[:12]} of {repository}"):
            api = await self._api(repository)
            merged_pull = await api.look_up(api.path(f"/commits/{quoted(sha)}/pull"))
            if merged_pull is not None and merged_pull["base"]["ref"] == branch:
                return int(merged_pull["number"])
            newest = f"/pulls?state=all&sort=recentupdate&limit={_NEWEST}"
            for pull in await api.get(newest):
                counts = pull["state"] == "open" or pull.get("merged")
                if counts and pull["base"]["ref"] == branch and await _has(api, pull, sha):
                    return int(pull["number"])
        return None

    async def open_pulls(self, repository: str) -> tuple[OpenPull, ...]:
        """The open pull requests, the most recently changed first."""
        async with self._errors(f"listing the pull requests of {repository}"):
            api = await self._api(repository)
            pulls = api.pages(f"/pulls?state=open&sort=recentupdate&{PAGE}")
            return tuple([open_pull_of(pull) async for pull in pulls])

    async def comments_since(self, key: PullRequestKey, since: str) -> tuple[CommentEvent, ...]:
        """The first hundred changed since then, except edited ones."""
        query = urlencode({"since": f"{since[:19]}Z"})
        async with self._errors(f"listing the comments on {key}"):
            api = await self._api(key.repository)
            comments = await api.get(f"/issues/{key.number}/comments?{query}")
        return unedited(key, comments, since, is_users_program, utc)[:100]

    async def _push(self, api: RepositoryApi, branch: str, before: str) -> PushEvent | None:
        """The move of a branch, by its current tip."""
        after = str((await api.get(f"/branches/{quoted(branch)}"))["commit"]["id"])
        if after == before:
            return None
        return push_of(self.name, await api.get(""), branch, before, after)

    async def _ask_login(self, api: RepositoryApi) -> str:
        return str((await api.client.getitem("/user", oauth_token=api.token))["login"])


def _file(path: str, entry: Mapping[str, str]) -> ForgeFile:
    return ForgeFile(path, entry.get("previous_filename") or None)


async def _has(api: RepositoryApi, pull: Mapping[str, object], sha: str) -> bool:
    if sha == pull.get("merge_commit_sha"):
        return True
    commits = api.pages(f"/pulls/{pull['number']}/commits?{PAGE}&verification=false&files=false")
    return any([commit["sha"] == sha async for commit in commits])


open_forge = Forgejo.from_settings
