"""Merge requests of GitLab's API as the values that all forges share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gitlab
from gitlab.exceptions import GitlabGetError

from bot.forge.gitlab.events import rfc3339
from bot.forge.values import ForgeError, OpenPull, PullRequest, PullRequestKey

# What a project that is not for us to see answers.
_NOT_FOR_US = (401, 403, 404)


def pull_request_of(
    client: gitlab.Gitlab, project: Any, merge: Any, key: PullRequestKey, author_is_bot: bool
) -> PullRequest:
    """The merge request `merge` of `project`; asks for its target branch and source project."""
    if not merge.sha:
        raise ForgeError(f"GitLab does not know the head of {key} yet.", "", 2.0)
    branch = project.branches.get(merge.target_branch)
    return PullRequest(
        key=key,
        title=str(merge.title or ""),
        text=str(getattr(merge, "description", None) or ""),
        author=str((merge.author or {}).get("username") or "ghost"),
        author_is_bot=author_is_bot,
        open=merge.state in ("opened", "locked"),
        draft=bool(getattr(merge, "draft", False)),
        private=project.visibility != "public",
        base_ref=str(merge.target_branch),
        base_sha=str(branch.commit["id"]),
        head_sha=str(merge.sha),
        head_repository=path_of(client, merge.source_project_id, project, key),
        url=str(merge.web_url or ""),
        default_branch=str(getattr(project, "default_branch", None) or ""),
        internal=project.visibility == "internal",
        merged=_merged(merge),
        merge_sha=_merge_commit(merge),
    )


def _merged(merge: Any) -> str:
    merged = merge.state == "merged"
    return rfc3339(str(getattr(merge, "merged_at", None) or "")) if merged else ""


def _merge_commit(merge: Any) -> str:
    """A squash is a commit of its own; where there is neither (fast forward) it is the head."""
    if merge.state != "merged":
        return ""
    names = ("merge_commit_sha", "squash_commit_sha", "sha")
    commits = (str(getattr(merge, name, None) or "") for name in names)
    return next((commit for commit in commits if commit), "")


def path_of(client: gitlab.Gitlab, source: Any, project: Any, key: PullRequestKey) -> str | None:
    """The path of the source project: null where it is gone, or private to its owner."""
    if source is None:
        return None
    if int(source) == int(project.id):
        return key.repository
    try:
        return str(client.projects.get(int(source)).path_with_namespace)
    except GitlabGetError as error:
        if error.response_code not in _NOT_FOR_US:
            raise
        return None


def open_pull_of(listed: Mapping[str, Any]) -> OpenPull:
    """A merge request that is open, as a list has it."""
    return OpenPull(
        int(listed["iid"]),
        str(listed["sha"]),
        str(listed["target_branch"]),
        rfc3339(str(listed["updated_at"])),
    )
