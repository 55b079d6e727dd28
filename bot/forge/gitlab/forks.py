"""The answer to a fork's merge request whose commit takes no status from us.

GitLab keeps statuses in pipelines, and the pipeline of a fork's commit is the fork's: only its
members write there. Two places are left, and neither notifies anybody:

- A merge request pipeline that a member of the target project ran there takes a status by its
  `pipeline_id` (https://docs.gitlab.com/api/commits/#set-commit-status), and the merge request
  shows it. Without one, a status in the target project would make a pipeline that belongs to no
  merge request, which nobody sees (gitlab-org/gitlab#374133): none is made.
- An emoji on the merge request itself (https://docs.gitlab.com/api/emoji_reactions/): looked at, or
  looked at and well. What somebody must read, a failure or why nothing was evaluated, is words: the
  comment has them, and no emoji says otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import gitlab
from gitlab.exceptions import GitlabError

from bot.forge.gitlab.status import next_status
from bot.forge.values import STATUS_NAME, StatusState

LOG = logging.getLogger(__name__)
MARKS: Mapping[StatusState, str] = {"pending": "eyes", "success": "white_check_mark"}
# Not there for us, not for us to write, or (404 as well) there already.
_REFUSED = (400, 401, 403, 404)
_OPEN = ("pending", "running")


def put_status(commit: Any, fields: Mapping[str, Any], *, only_open: bool = False) -> None:
    """Makes the newest status of ours on a commit say `fields`; nothing if it does already.

    `only_open`: nothing either where it is concluded.
    """
    listed = commit.statuses.list(
        iterator=True, query_parameters={"name": STATUS_NAME, "all": "true"}
    )
    newest = max(listed, key=lambda status: int(status.id), default=None)
    if only_open and newest is not None and newest.status not in _OPEN:
        return
    wanted = next_status(None if newest is None else dict(newest.attributes), fields)
    if wanted is not None:
        commit.statuses.create(wanted)


def put_in_pipeline(
    client: gitlab.Gitlab, merge: Any, sha: str, fields: Mapping[str, Any], *, only_open: bool
) -> bool:
    """The status in the merge request's own pipeline; False where the target project ran none."""
    target = int(merge.target_project_id)
    found = next(
        (
            pipeline.id
            for pipeline in merge.pipelines.list(iterator=True)
            if pipeline.sha == sha
            and int(getattr(pipeline, "project_id", None) or 0) == target
            and str(pipeline.ref).startswith("refs/merge-requests/")
        ),
        None,
    )
    if found is None:
        return False
    rest = {name: value for name, value in fields.items() if name != "ref"}
    commit = client.projects.get(target, lazy=True).commits.get(sha, lazy=True)
    try:
        put_status(commit, {**rest, "pipeline_id": found}, only_open=only_open)
    except GitlabError as error:
        if error.response_code not in _REFUSED:
            raise
        LOG.info("the merge request's pipeline takes no status: %s", error)
        return False
    return True


def mark(merge: Any, login: str, state: StatusState | None) -> None:
    """Makes our emoji on the merge request say `state`; null takes them away.

    Where emoji are switched off, that is logged, and nothing else is to be done.
    """
    wanted = MARKS.get(state) if state is not None else None
    try:
        ours = [
            award
            for award in merge.awardemojis.list(iterator=True)
            if award.name in MARKS.values()
            and str(award.user["username"]).casefold() == login.casefold()
        ]
        for award in ours:
            if award.name != wanted:
                award.delete()
        if wanted is not None and all(award.name != wanted for award in ours):
            merge.awardemojis.create({"name": wanted})
    except GitlabError as error:
        if error.response_code not in _REFUSED:
            raise
        LOG.info("the merge request takes no emoji: %s", error)
