"""Pull requests and projects of Pagure's API as the values that all forges share.

Its times are seconds since 1970, as text; an account does not say that a program has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.forge.values import OpenPull, PullRequest, PullRequestKey

# The account in whose name the forge itself acts.
_PROGRAM = "pagure"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_program(user: str) -> bool:
    """Return whether an account is a program's, by its name."""
    return user == _PROGRAM


def utc(seconds: str | None) -> str:
    """A time of Pagure's, with or without a fraction, as RFC 3339 in UTC; empty where none is."""
    if not seconds:
        return ""
    moment = _EPOCH + timedelta(seconds=int(float(seconds)))
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def name_of(user: Mapping[str, Any] | None) -> str:
    """The name of an account; empty where there is none."""
    return str((user or {}).get("name") or "")


def head_of(pull: Mapping[str, Any]) -> str:
    """The head commit; LookupError while the forge has not looked at the branch yet."""
    head = pull["commit_stop"]
    if not head:
        raise LookupError(f"pull request {pull['id']} has no commits yet")
    return str(head)


def pull_request_of(
    pull: Mapping[str, Any], branches: Mapping[str, Any], key: PullRequestKey
) -> PullRequest:
    """The pull request `key`, as the API has it and its project's branches now.

    It is never private: the API shows the pull requests of public projects alone, and there are no
    drafts. Nothing says which commit it became.
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
    """The project of the head's branch; null where it is gone, or on another server."""
    source = pull.get("repo_from")
    return None if source is None else str(source["fullname"])


def open_pull_of(pull: Mapping[str, Any]) -> OpenPull:
    """A pull request that is open, as a list has it."""
    return OpenPull(int(pull["id"]), head_of(pull), str(pull["branch"]), utc(pull["updated_on"]))
