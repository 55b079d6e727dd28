"""Forgejo's and Gitea's REST API, and its answers as the values that all forges share: users, pull
requests, statuses of commits.

https://codeberg.org/api/swagger, https://docs.gitea.com/development/api-usage. Paths, pages,
comments and tokens are like GitHub's. Neither limits requests itself; a proxy before a large
instance may answer 429 with Retry-After. Neither has check runs; jobs of Forgejo Actions are
statuses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from yarl import URL

from bot.forge.comments import RestComments, RestIssues
from bot.forge.events import MISSHAPEN, utc
from bot.forge.rest import RepositoryApi, RestClient, quoted
from bot.forge.values import (
    STATUS_NAME,
    CheckState,
    CommitCheck,
    OpenPull,
    PullRequest,
    PullRequestKey,
    Role,
    StatusReport,
    status_fields,
)

API_PATH = "/api/v1"
# The default maximum of items in a page.
PAGE = "limit=50"
HINT = (
    "See that the token is valid and has the scopes write:issue, write:repository, read:user and"
    " read:organization, and that its user may administer the repository."
)


class ForgejoClient(RestClient):
    """Forgejo's API."""

    forge = "Forgejo"

    def address(self, url: str) -> str:
        """The page `url` at the address of the settings.

        Links to further pages begin with the instance's ROOT_URL, which the bot may not be able to
        reach; and the credential is sent only to the host in the settings.
        """
        page, own = URL(url), URL(self.base_url)
        if page.origin() == own.origin():
            return url
        _, _, path = page.raw_path.partition(API_PATH)
        return f"{self.base_url}{path}?{page.raw_query_string}"


class ForgejoComments(RestComments):
    """The comments of an issue come in one list, without pages."""

    async def _after_edit(self, api: RepositoryApi, edited: Any) -> None:
        """Do nothing: Forgejo does not hide comments as outdated."""


class ForgejoIssues(RestIssues):
    """An issue is closed without a reason."""

    def _author_query(self, login: str) -> str:
        return f"state=all&type=issues&created_by={quoted(login)}&sort=oldest&{PAGE}"


# Forgejo has no triage role: access to issues alone counts as read.
_ROLES: Mapping[str, Role] = {"read": "read", "write": "write", "admin": "admin", "owner": "admin"}


async def role(api: RepositoryApi, user: str) -> Role:
    """The role of a user, by teams too; only the repository's administrators may query it."""
    answer = await api.look_up(api.path(f"/collaborators/{quoted(user)}/permission"))
    return _ROLES.get(str((answer or {}).get("permission")), "none")


async def is_member(api: RepositoryApi, group: str, user: str) -> bool:
    """Return whether a user is in the team `organisation/team`."""
    organisation, _, team = group.partition("/")
    search = f"/orgs/{quoted(organisation)}/teams/search?q={quoted(team)}&{PAGE}"
    teams = api.client.getiter(search, oauth_token=api.token, iterable_key="data")
    async for entry in teams:
        if str(entry["name"]).casefold() == team.casefold():
            member = f"/teams/{int(entry['id'])}/members/{quoted(user)}"
            return await api.look_up(member) is not None
    return False


async def pusher(api: RepositoryApi, repository: str, branch: str, sha: str) -> str:
    """The user who pushed a commit to a branch; empty if not among the newest activities."""
    source_api = RepositoryApi(api.client, api.token, repository)
    # A fork may not be visible to the bot.
    activities = await source_api.look_up(
        source_api.path(f"/activities/feeds?{PAGE}"), HTTPStatus.FORBIDDEN
    )
    for activity in activities or ():  # newest first
        is_push = activity.get("op_type") == "commit_repo" and activity.get("ref_name") in (
            branch,
            f"refs/heads/{branch}",
        )
        if is_push and _head_of(str(activity.get("content") or "")) == sha:
            return str((activity.get("act_user") or {}).get("login") or "")
    return ""


def _head_of(content: str) -> str:
    """The head commit of a push, by the JSON text in its activity; empty if there is none."""
    try:
        data = json.loads(content)
        return str((data.get("HeadCommit") or data["Commits"][0])["Sha1"])
    except MISSHAPEN:
        return ""


# Accounts of the forge itself; the API does not mark programs' accounts.
_PROGRAMS = ("forgejo-actions", "gitea-actions")
# https://forgejo.org/docs/latest/user/agit-support/: made by a push to refs/for, which all readers
# may do; its head is in the base repository, and only its author may push to it again.
_AGIT = 1


def is_program(login: str) -> bool:
    """Return whether an account is a program's, by its name."""
    return login.casefold() in _PROGRAMS or login.endswith("[bot]")


def is_private(repository: Mapping[str, Any]) -> bool:
    """Return whether a repository is not public: by itself, or by its owner's visibility."""
    return bool(repository.get("private")) or _visibility(repository) not in ("", "public")


def _visibility(repository: Mapping[str, Any]) -> str:
    """The owner's visibility: `public`, `limited` (to signed-in users) or `private`."""
    return str((repository.get("owner") or {}).get("visibility") or "")


def pull_request_of(pull: Mapping[str, Any], key: PullRequestKey) -> PullRequest:
    """The pull request `key`, from the API's answer."""
    base = pull["base"].get("repo") or {}
    author = str((pull.get("user") or {}).get("login") or "ghost")
    merged = bool(pull.get("merged"))
    return PullRequest(
        key=key,
        title=str(pull.get("title") or ""),
        text=str(pull.get("body") or ""),
        author=author,
        author_is_bot=is_program(author),
        open=pull["state"] == "open",
        draft=bool(pull.get("draft")),
        private=is_private(base),
        base_ref=str(pull["base"]["ref"]),
        base_sha=str(pull["base"]["sha"]),
        head_sha=str(pull["head"]["sha"]),
        head_repository=None if is_agit(pull) else head_repository(pull),
        url=str(pull.get("html_url") or ""),
        default_branch=str(base.get("default_branch") or ""),
        internal=not base.get("private") and _visibility(base) == "limited",
        merged=utc(pull.get("merged_at")) if merged else "",
        merge_sha=str(pull.get("merge_commit_sha") or "") if merged else "",
    )


def is_agit(pull: Mapping[str, Any]) -> bool:
    """Return whether a pull request was made by a push to refs/for.

    Gitea's API has no `flow`; there it is one if the head is in the base repository but no branch
    (services/convert/pull.go). That includes deleted branches, whose pusher is unknown likewise.
    """
    if "flow" in pull:
        return bool(pull["flow"] == _AGIT)
    head, base = pull["head"], pull["base"]
    is_own = bool((head.get("repo") or {}).get("id") == (base.get("repo") or {}).get("id"))
    return is_own and str(head["ref"]).startswith("refs/pull/")


def head_repository(pull: Mapping[str, Any]) -> str | None:
    """The repository of the head's branch; null if it was deleted or is not visible to the bot."""
    name = (pull["head"].get("repo") or {}).get("full_name")
    return None if name is None else str(name)


def open_pull_of(pull: Mapping[str, Any]) -> OpenPull:
    """An open pull request, from an item of a list."""
    head, base = pull["head"], pull["base"]
    return OpenPull(int(pull["number"]), head["sha"], base["ref"], utc(pull["updated_at"]))


_DESCRIPTION = 255  # characters, to fit in a page

# `warning` is a success of a job that may fail; Gitea's `skipped` counts as a failure.
_CHECK_STATES: Mapping[str, CheckState] = {
    "pending": "pending",
    "success": "success",
    "warning": "success",
}


async def put_status(api: RepositoryApi, sha: str, report: StatusReport) -> None:
    """Set the bot's status of a commit; nothing is written if it is the same."""
    fields = {"target_url": "", **status_fields(report, "context", _DESCRIPTION)}
    newest = await _newest(api, sha)
    # The field `state` is `status` when read.
    if newest is None or any(
        (newest.get("status" if n == "state" else n) or "") != text for n, text in fields.items()
    ):
        await api.post(f"/statuses/{quoted(sha)}", fields)


async def _newest(api: RepositoryApi, sha: str) -> Mapping[str, Any] | None:
    """The newest status with the bot's name, or null."""
    path = f"/commits/{quoted(sha)}/statuses?sort=highestindex&{PAGE}"
    async for status in api.pages(path):
        if status["context"] == STATUS_NAME:
            return dict(status)
    return None


async def checks_of_commit(api: RepositoryApi, sha: str) -> list[CommitCheck]:
    """The newest status of each context."""
    statuses = api.pages(f"/commits/{quoted(sha)}/status?{PAGE}", "statuses")
    return [_check(status) async for status in statuses]


def _check(status: Mapping[str, Any]) -> CommitCheck:
    word = str(status["status"])
    state = _CHECK_STATES.get(word, "failure")
    return CommitCheck(str(status["context"]), state, word, str(status.get("target_url") or ""))
