"""Pagure's REST API, https://pagure.io/api/0/, and its answers as the values that all forges share:
users, pull requests, flags of commits.

Tokens have ACLs, pages are numbered. Times are seconds since 1970, as text; programs' accounts are
not marked. Flags are Pagure's statuses; a pull request shows those of its head. A flag is set for a
commit, not for a pull request, so an older head's never shows on a newer one; set again under its
id it is replaced.

Weighed in November 2026: ogr (Packit's, MIT) supports it too, synchronously, but requires three
other forges' clients, and has neither webhooks nor rate limits; forge/rest.py has those.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from bot.forge.rest import RepositoryApi, RestClient, quoted
from bot.forge.values import (
    COMMIT_STATES,
    STATUS_NAME,
    CheckState,
    CommitCheck,
    OpenPull,
    PullRequest,
    PullRequestKey,
    Role,
    StatusReport,
    commit_title,
)

_PER_PAGE = 100  # Pagure's limit
HINT = (
    "See that the token is valid and has the ACLs commit_flag and pull_request_comment (and"
    " issue_create, issue_comment and issue_change_status if the bot manages issues)."
)


class PagureClient(RestClient):
    """Pagure's API; its errors have a text in `error`, and details in `errors`."""

    forge = "Pagure"

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        status, response_headers, content = await super()._once(method, url, headers, body)
        if status >= HTTPStatus.BAD_REQUEST:
            content = _with_message(content)
        return status, response_headers, content


def _with_message(content: bytes) -> bytes:
    """An error's body with its text as `message`, for gidgethub; unchanged if it is no JSON."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if not isinstance(data, dict) or "error" not in data:
        return content
    details = data.get("errors")
    words = str(data["error"]) if not details else f"{data['error']}: {details}"
    return json.dumps({**data, "message": words}).encode()


@dataclass(frozen=True, slots=True)
class PagureApi(RepositoryApi):
    """The API below a project's path, with a token for it.

    A project is `name` or `namespace/name`; a fork has the prefix `forks/user/`.
    """

    def path(self, rest: str) -> str:
        """The API path: a fork's begins with `fork`."""
        parts = self.repository.split("/")
        if len(parts) > 2 and parts[0] == "forks":
            parts[0] = "fork"
        return "/" + "/".join(map(quoted, parts)) + rest

    async def pages(self, rest: str, key: str = "items") -> AsyncIterator[Any]:
        """The items of a list, which is the field `key`, over all pages."""
        page, last = 1, 1
        while page <= last:
            separator = "&" if "?" in rest else "?"
            answer = await self.get(f"{rest}{separator}per_page={_PER_PAGE}&page={page}")
            for item in answer[key]:
                yield item
            last = int(answer["pagination"]["pages"])
            page += 1


# The account in whose name the forge itself acts.
_PROGRAM = "pagure"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_program(user: str) -> bool:
    """Return whether an account is a program's, by its name."""
    return user == _PROGRAM


def utc(seconds: str | None) -> str:
    """A time of Pagure, with or without a fraction, as RFC 3339 in UTC; empty if there is none."""
    if not seconds:
        return ""
    moment = _EPOCH + timedelta(seconds=int(float(seconds)))
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def name_of(user: Mapping[str, Any] | None) -> str:
    """The name of an account; empty if there is none."""
    return str((user or {}).get("name") or "")


def head_of(pull: Mapping[str, Any]) -> str:
    """The head commit; LookupError while Pagure has not read the branch yet."""
    head = pull["commit_stop"]
    if not head:
        raise LookupError(f"pull request {pull['id']} has no commits yet")
    return str(head)


def pull_request_of(
    pull: Mapping[str, Any], branches: Mapping[str, Any], key: PullRequestKey
) -> PullRequest:
    """The pull request `key`, from the API's answers on it and on its project's branches.

    It is never private or a draft: the API only shows pull requests of public projects, and Pagure
    has no drafts. The commit of the merge is unknown.
    """
    base, author = str(pull["branch"]), name_of(pull["user"])
    merged = pull["status"] == "Merged"
    return PullRequest(
        key=key,
        title=str(pull["title"]),
        text=str(pull.get("initial_comment") or ""),
        author=author,
        author_is_bot=is_program(author),
        open=pull["status"] == "Open",
        draft=False,
        private=False,
        base_ref=base,
        base_sha=str(branches["branches"][base]),
        head_sha=head_of(pull),
        head_repository=head_repository(pull),
        url=str(pull["full_url"]),
        merged=utc(pull["closed_at"]) if merged else "",
        default_branch=next(iter(branches["default"]), ""),
    )


def head_repository(pull: Mapping[str, Any]) -> str | None:
    """The project of the head's branch; None if it was deleted, or is on another server."""
    source = pull.get("repo_from")
    return None if source is None else str(source["fullname"])


def open_pull_of(pull: Mapping[str, Any]) -> OpenPull:
    """An open pull request, from an item of a list."""
    return OpenPull(int(pull["id"]), head_of(pull), str(pull["branch"]), utc(pull["updated_on"]))


# The highest first. A collaborator may push to some branches, which the API does not list.
_ACCESS: Sequence[tuple[str, Role]] = (
    ("owner", "admin"),
    ("admin", "admin"),
    ("commit", "write"),
    ("collaborator", "triage"),
    ("ticket", "triage"),
)


async def role(api: PagureApi, user: str) -> Role:
    """The role of a user, by the project's groups too.

    Everybody else with an account may read. Pagure's settings may let a group commit to all
    projects (EXTERNAL_COMMITTER), which its API does not show.
    """
    project = await api.get("")
    users, groups = project["access_users"], project["access_groups"]
    for access, level in _ACCESS:
        if user in users.get(access, ()):
            return level
        for group in groups.get(access, ()):
            if await is_member(api, group, user):
                return level
    return "none" if await api.look_up(f"/user/{quoted(user)}?per_page=1") is None else "read"


async def is_member(api: PagureApi, group: str, user: str) -> bool:
    """Return whether a user is in a group; false if there is no such group."""
    answer = await api.look_up(f"/group/{quoted(group)}")
    return answer is not None and user in answer["members"]


def pusher(pull: Mapping[str, Any], repository: str) -> str | None:
    """The owner of the fork that a head came from, as Pagure records no pusher.

    None for a branch of the project itself; `ghost` if the fork was deleted or is elsewhere.
    """
    source = pull.get("repo_from")
    if source is None:
        return "ghost"
    own = str(source["fullname"]) == repository
    return None if own else name_of(source["user"])


async def put_flag(api: RepositoryApi, sha: str, report: StatusReport, page: str) -> None:
    """Set the bot's flag of a commit; nothing is written if it is the same.

    A flag must have an address: `page` is used if the report has none. Its states are those of the
    default FLAG_STATUSES_LABELS.
    """
    fields = {
        "username": STATUS_NAME,
        "status": COMMIT_STATES.get(report.state, report.state),
        "comment": commit_title(report),
        "url": report.url or page,
    }
    newest = (await newest_flags(api, sha)).get(STATUS_NAME)
    if newest is None or any(newest[name] != text for name, text in fields.items()):
        await api.post(f"/c/{quoted(sha)}/flag", {**fields, "uid": _uid(api.repository)})


def _uid(repository: str) -> str:
    """The flag's id, 32 characters at most. It differs by project, as a fork has the same commits,
    and Pagure would find the other project's flag."""
    return hashlib.sha256(f"{STATUS_NAME} {repository}".encode()).hexdigest()[:32]


async def newest_flags(api: RepositoryApi, sha: str) -> dict[str, Mapping[str, Any]]:
    """The newest flag of each name, of a commit."""
    answer = await api.get(f"/c/{quoted(sha)}/flag")
    return {str(flag["username"]): flag for flag in answer["flags"]}  # the newest is last


async def checks_of_commit(api: PagureApi, sha: str) -> list[CommitCheck]:
    """The newest flag of each name as a check."""
    flags = await newest_flags(api, sha)
    return [_check(name, flag["status"], flag["url"]) for name, flag in flags.items()]


def _check(name: str, word: str, url: str) -> CommitCheck:
    states: Mapping[str, CheckState] = {"pending": "pending", "success": "success"}
    return CommitCheck(name, states.get(word, "failure"), word, url)
