"""The checks of a commit on GitLab: commit statuses, a pipeline's jobs, and pipelines.

https://docs.gitlab.com/api/commits/#list-the-statuses-of-a-commit (it has jobs too),
https://docs.gitlab.com/api/merge_requests/#list-merge-request-pipelines
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gitlab
from gitlab.exceptions import GitlabGetError, GitlabHttpError, GitlabListError

from bot.forge.gitlab.events import OVER
from bot.forge.values import CheckState, CommitCheck

# The name that a pipeline as a whole goes by; one with a name of its own is `pipeline: NAME`.
PIPELINE = "pipeline"
_NOT_FOR_US = (401, 403, 404)


def checks_of_commit(
    client: gitlab.Gitlab, project: int, number: int, sha: str
) -> list[CommitCheck]:
    """The newest status of each name on the commit, then the merge request's pipelines for it.

    Of a fork's commit those in the fork too, where they are for us to see.
    """
    own = client.projects.get(project, lazy=True)
    merge = own.mergerequests.get(number)
    found = list(_statuses(client, project, sha))
    source = merge.source_project_id
    if source is not None and int(source) != project:
        try:
            found += _statuses(client, int(source), sha)
        except (GitlabGetError, GitlabListError, GitlabHttpError) as error:
            if error.response_code not in _NOT_FOR_US:
                raise
    for pipeline in merge.pipelines.list(iterator=True):
        if pipeline.sha == sha:
            named = getattr(pipeline, "name", None)
            name = f"{PIPELINE}: {named}" if named else PIPELINE
            found.append(_check(name, pipeline.status, pipeline.web_url))
    return found


def _statuses(client: gitlab.Gitlab, project: int, sha: str) -> Iterator[CommitCheck]:
    commit = client.projects.get(project, lazy=True).commits.get(sha, lazy=True)
    newest: dict[str, Any] = {}
    for status in commit.statuses.list(iterator=True):
        known = newest.get(str(status.name))
        if known is None or int(status.id) > int(known.id):
            newest[str(status.name)] = status
    for name, status in newest.items():
        yield _check(name, status.status, status.target_url)


def _check(name: str, word: Any, url: Any) -> CommitCheck:
    state: CheckState = "pending"
    if word in OVER:
        state = "success" if word == "success" else "failure"
    return CommitCheck(name, state, str(word), str(url or ""))
