"""GitHub's REST API: its version, its errors, and its pull requests as values.

Facts: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api and
best-practices-for-using-the-rest-api (Retry-After, x-ratelimit-reset, secondary limits).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from bot.forge.rest import RestClient, errors_of
from bot.forge.values import OpenPull, PullRequest, PullRequestKey

# https://docs.github.com/en/rest/about-the-rest-api/api-versions
API_VERSION = "2022-11-28"


class GitHubClient(RestClient):
    """GitHub's API."""

    forge = "GitHub"
    headers: ClassVar[Mapping[str, str]] = {"x-github-api-version": API_VERSION}


github_errors = partial(
    errors_of,
    "GitHub",
    "See that the App or token may read the repository and write comments and statuses.",
)


def pull_request_of(pull: Mapping[str, Any], key: PullRequestKey) -> PullRequest:
    """The pull request `key`, from the API's answer."""
    head_repository = (pull["head"].get("repo") or {}).get("full_name")
    base_repository = pull["base"].get("repo") or {}
    user = pull.get("user") or {}
    return PullRequest(
        key=key,
        title=str(pull.get("title") or ""),
        text=str(pull.get("body") or ""),
        author=str(user.get("login") or "ghost"),
        author_is_bot=user.get("type") == "Bot",
        open=pull.get("state", "open") == "open",
        draft=bool(pull.get("draft")),
        private=bool(base_repository.get("private")),
        base_ref=str(pull["base"]["ref"]),
        base_sha=str(pull["base"]["sha"]),
        head_sha=str(pull["head"]["sha"]),
        head_repository=head_repository,
        url=str(pull.get("html_url") or ""),
        default_branch=str(base_repository.get("default_branch") or ""),
        internal=base_repository.get("visibility") == "internal",
        merged=str(pull.get("merged_at") or ""),
        # For an open one it is the commit of a test merge.
        merge_sha=str((pull.get("merged_at") and pull.get("merge_commit_sha")) or ""),
    )


def open_pull_of(pull: Mapping[str, Any]) -> OpenPull:
    """An open pull request, from an item of a list."""
    return OpenPull(
        int(pull["number"]),
        str(pull["head"]["sha"]),
        str(pull["base"]["ref"]),
        str(pull["updated_at"]),
    )
