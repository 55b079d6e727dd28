"""Pull requests, users and repositories of Forgejo's API as the values that all forges share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.forge.events import utc
from bot.forge.values import OpenPull, PullRequest, PullRequestKey

# Accounts of the forge itself; no field of an account says that a program has it.
_PROGRAMS = ("forgejo-actions", "gitea-actions")
# https://forgejo.org/docs/latest/user/agit-support/: made by a push to refs/for, which whoever may
# read may do; its head is in the base repository, and only its author may push to it again.
_AGIT = 1


def is_program(login: str) -> bool:
    """Return whether an account is a program's, by its name."""
    return login.casefold() in _PROGRAMS or login.endswith("[bot]")


def is_private(repository: Mapping[str, Any]) -> bool:
    """Return whether a repository is not for everybody: by itself, or by its owner's visibility."""
    return bool(repository.get("private")) or _visibility(repository) not in ("", "public")


def _visibility(repository: Mapping[str, Any]) -> str:
    """Of the owner: `public`, `limited` (to all who are signed in) or `private`."""
    return str((repository.get("owner") or {}).get("visibility") or "")


def pull_request_of(pull: Mapping[str, Any], key: PullRequestKey) -> PullRequest:
    """The pull request `key`, as the API has it now."""
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

    Gitea's API has no `flow`: such a head is no branch, and yet in the base repository
    (services/convert/pull.go); so is one whose branch is gone, of which the same is known.
    """
    if "flow" in pull:
        return bool(pull["flow"] == _AGIT)
    head, base = pull["head"], pull["base"]
    is_own = bool((head.get("repo") or {}).get("id") == (base.get("repo") or {}).get("id"))
    return is_own and str(head["ref"]).startswith("refs/pull/")


def head_repository(pull: Mapping[str, Any]) -> str | None:
    """Where the head's branch is; null where that repository is gone or not for us to see."""
    name = (pull["head"].get("repo") or {}).get("full_name")
    return None if name is None else str(name)


def open_pull_of(listed: Mapping[str, Any]) -> OpenPull:
    """A pull request that is open, as a list has it."""
    head, base = listed["head"], listed["base"]
    return OpenPull(int(listed["number"]), head["sha"], base["ref"], utc(listed["updated_at"]))
