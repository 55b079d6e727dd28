"""The checks of a commit on GitLab, and the bot's own: a commit status.

Statuses are listed with a pipeline's jobs, pipelines by merge request:
https://docs.gitlab.com/api/commits/#list-the-statuses-of-a-commit,
https://docs.gitlab.com/api/merge_requests/#list-merge-request-pipelines

GitLab keeps statuses in pipelines. A merge request shows its own pipeline, which takes a status by
its `pipeline_id` (https://docs.gitlab.com/api/commits/#set-commit-status). If there is none, the
status goes to a pipeline of the source branch, or creates one. A commit's later statuses stay in
its first pipeline.

The pipeline of a fork's commit is the fork's: only its members write there. Where it takes none
from us, two places are left, and neither notifies anybody:

- A merge request pipeline that a member of the target project ran there. Without one, a status in
  the target project would make a pipeline that belongs to no merge request, which nobody sees
  (gitlab-org/gitlab#374133): none is made.
- An emoji on the merge request itself (https://docs.gitlab.com/api/emoji_reactions/): looked at, or
  looked at and well. What somebody must read, a failure or why nothing was evaluated, is words: the
  comment has them, and no emoji says otherwise.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

import gitlab
from gitlab.exceptions import GitlabError, GitlabGetError, GitlabHttpError, GitlabListError
from gitlab.v4.objects import ProjectCommitStatus

from bot.forge.gitlab.events import ENDED
from bot.forge.values import (
    STATUS_NAME,
    CheckState,
    CommitCheck,
    StatusState,
)

LOG = logging.getLogger(__name__)
DESCRIPTION = 255  # GitLab's limit in characters

# The name of a whole pipeline as a check; one with a name of its own is `pipeline: NAME`.
PIPELINE = "pipeline"
_NOT_FOR_US = (401, 403, 404)
MARKS: Mapping[StatusState, str] = {
    "pending": "eyes",
    "success": "white_check_mark",
    "action_required": "eyes",
}
# Not visible, not writable, or (404 as well) existing already.
_REFUSED = (400, 401, 403, 404)
_OPEN = ("pending", "running")
_SAME_STATE = re.compile(r"cannot transition status", re.IGNORECASE)


def next_status(
    newest: Mapping[str, Any] | None, fields: Mapping[str, object]
) -> Mapping[str, object] | None:
    """The fields of the request that sets the status to `fields`; None if `newest` has them.

    GitLab takes a new text only with a new state: a pending status with a new text becomes
    `running`.
    """
    if newest is None:
        return fields
    same_text = all(newest.get(n) == fields.get(n) for n in ("description", "target_url"))
    if fields["state"] == "pending" and newest["status"] in ("pending", "running"):
        return None if same_text else {**fields, "state": "running"}
    return None if same_text and newest["status"] == fields["state"] else fields


def put_status(commit: Any, fields: Mapping[str, Any]) -> None:
    """Set the bot's newest status on a commit (in the pipeline of `fields`) to `fields`; does
    nothing if it is the same."""
    statuses = _own_statuses(commit, fields.get("pipeline_id"))
    newest = max(statuses, key=lambda status: int(status.id), default=None)
    request = next_status(None if newest is None else dict(newest.attributes), fields)
    if request is not None:
        commit.statuses.create(request)


def _own_statuses(commit: Any, pipeline: int | None = None) -> Iterator[Any]:
    """The bot's statuses of a commit, in all pipelines or in one."""
    query = {"name": STATUS_NAME, "all": "true"}
    if pipeline is not None:
        query["pipeline_id"] = str(pipeline)
    statuses: Iterator[Any] = commit.statuses.list(iterator=True, query_parameters=query)
    return statuses


def own_pipeline(merge: Any, sha: str) -> int | None:
    """The merge request's own pipeline for a commit, in the target project; None without one."""
    target = int(merge.target_project_id)
    return next(
        (
            int(pipeline.id)
            for pipeline in merge.pipelines.list(iterator=True)
            if pipeline.sha == sha
            and int(getattr(pipeline, "project_id", None) or 0) == target
            and str(pipeline.ref).startswith("refs/merge-requests/")
        ),
        None,
    )


def put_in_pipeline(
    client: gitlab.Gitlab, merge: Any, sha: str, fields: Mapping[str, Any], pipeline: int
) -> bool:
    """Set the status in the merge request's own pipeline; return False if it takes none.

    Open statuses of the bot in other pipelines, from before that one existed, are concluded too.
    """
    rest = {name: value for name, value in fields.items() if name != "ref"}
    target = client.projects.get(int(merge.target_project_id), lazy=True)
    commit = target.commits.get(sha, lazy=True)
    try:
        put_status(commit, {**rest, "pipeline_id": pipeline})
        if fields["state"] != "pending":
            inside = {int(status.id) for status in _own_statuses(commit, pipeline)}
            for status in list(_own_statuses(commit)):
                if status.status in _OPEN and int(status.id) not in inside:
                    ref = {"ref": status.ref} if getattr(status, "ref", None) else {}
                    commit.statuses.create({**rest, **ref})
    except GitlabError as error:
        if changes_nothing(error):
            return True
        if error.response_code not in _REFUSED:
            raise
        LOG.info("the merge request's pipeline takes no status: %s", error)
        return False
    return True


def changes_nothing(error: GitlabError) -> bool:
    """Return whether a status was refused because the commit has it already."""
    return _SAME_STATE.search(str(error)) is not None


def mark(merge: Any, login: str, state: StatusState | None) -> None:
    """Set the bot's emoji on the merge request to that of `state`; None removes them.

    If emoji are switched off, that is only logged.
    """
    emoji = MARKS.get(state) if state is not None else None
    try:
        awards = [
            award
            for award in merge.awardemojis.list(iterator=True)
            if award.name in MARKS.values()
            and str(award.user["username"]).casefold() == login.casefold()
        ]
        for award in awards:
            if award.name != emoji:
                award.delete()
        if emoji is not None and all(award.name != emoji for award in awards):
            merge.awardemojis.create({"name": emoji})
    except GitlabError as error:
        if error.response_code not in _REFUSED:
            raise
        LOG.info("the merge request takes no emoji: %s", error)


def checks_of_commit(
    client: gitlab.Gitlab, project: int, number: int, sha: str
) -> list[CommitCheck]:
    """The newest status of each name on the commit, then the merge request's pipelines for it.

    For a fork's commit those in the fork too, if they are visible to the bot.
    """
    own = client.projects.get(project, lazy=True)
    merge = own.mergerequests.get(number)
    checks = list(_statuses(client, project, sha))
    source = merge.source_project_id
    if source is not None and int(source) != project:
        try:
            checks += _statuses(client, int(source), sha)
        except (GitlabGetError, GitlabListError, GitlabHttpError) as error:
            if error.response_code not in _NOT_FOR_US:
                raise
    for pipeline in merge.pipelines.list(iterator=True):
        if pipeline.sha == sha:
            own_name = getattr(pipeline, "name", None)
            name = f"{PIPELINE}: {own_name}" if own_name else PIPELINE
            checks.append(_check(name, pipeline.status, pipeline.web_url))
    return checks


def _statuses(client: gitlab.Gitlab, project: int, sha: str) -> Iterator[CommitCheck]:
    commit = client.projects.get(project, lazy=True).commits.get(sha, lazy=True)
    newest: dict[str, ProjectCommitStatus] = {}
    for status in commit.statuses.list(iterator=True):
        older = newest.get(str(status.name))
        if older is None or int(status.id) > int(older.id):
            newest[str(status.name)] = status
    for name, status in newest.items():
        yield _check(name, status.status, status.target_url)


def _check(name: str, word: Any, url: Any) -> CommitCheck:
    state: CheckState = "pending"
    if word in ENDED:
        state = "success" if word == "success" else "failure"
    return CommitCheck(name, state, str(word), str(url or ""))
