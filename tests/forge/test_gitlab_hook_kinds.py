"""Each kind of hook (project, group, system) with every field that GitLab documents for its events.

https://docs.gitlab.com/user/project/integrations/webhook_events/ and
https://docs.gitlab.com/administration/system_hooks/: their fields, our own values.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from bot.forge.events import CommentEvent, PushEvent
from bot.forge.gitlab.events import parse_event
from bot.forge.gitlab.webhooks import HookSecrets
from bot.forge.values import IgnoredEvent, PullRequestEvent
from bot.store.records import NewDelivery
from tests.forge.accepting import accept_gitlab

WEB = "https://git.example.org/gitlab"
PATH = "acme/tools/rpms/nginx"
SHA, OLD = "a" * 40, "b" * 40
AT = "2026-11-24 01:02:03 UTC"
USER = {
    "id": 4,
    "name": "Ann",
    "username": "ann",
    "avatar_url": None,
    "email": "[REDACTED]",
}
PROJECT = {
    "id": 15,
    "name": "nginx",
    "description": "@all",
    "web_url": f"{WEB}/{PATH}",
    "avatar_url": None,
    "git_ssh_url": f"git@git.example.org:{PATH}.git",
    "git_http_url": f"{WEB}/{PATH}.git",
    "namespace": "rpms",
    "visibility_level": 20,
    "path_with_namespace": PATH,
    "default_branch": "main",
    "ci_config_path": None,
    "homepage": f"{WEB}/{PATH}",
    "url": f"{WEB}/{PATH}.git",
    "ssh_url": f"git@git.example.org:{PATH}.git",
    "http_url": f"{WEB}/{PATH}.git",
}
REPOSITORY = {"name": "nginx", "url": "", "description": "", "homepage": f"{WEB}/{PATH}"}
COMMIT = {
    "id": SHA,
    "message": "/minimize allow",
    "title": "t",
    "timestamp": "2026-11-24T01:02:03+02:00",
    "url": "",
    "author": {"name": "Ann", "email": "a@example.org"},
    "added": [],
    "modified": ["nginx.spec"],
    "removed": [],
}
LABEL = {
    "id": 206,
    "title": "API",
    "color": "#ffffff",
    "project_id": 15,
    "created_at": AT,
    "updated_at": AT,
    "template": False,
    "description": "",
    "type": "ProjectLabel",
    "group_id": 41,
}
ABOUT = {
    "id": 99,
    "iid": 7,
    "target_branch": "main",
    "source_branch": "topic",
    "source_project_id": 15,
    "target_project_id": 15,
    "author_id": 4,
    "assignee_ids": [6],
    "assignee_id": 6,
    "reviewer_ids": [],
    "title": "Add perl",
    "created_at": AT,
    "updated_at": AT,
    "last_edited_at": None,
    "last_edited_by_id": None,
    "milestone_id": None,
    "state_id": 1,
    "state": "opened",
    "blocking_discussions_resolved": True,
    "work_in_progress": False,
    "draft": False,
    "first_contribution": True,
    "merge_status": "unchecked",
    "detailed_merge_status": "mergeable",
    "description": "",
    "prepared_at": AT,
    "total_time_spent": 0,
    "time_change": 0,
    "source": PROJECT,
    "target": PROJECT,
    "last_commit": COMMIT,
    "labels": [LABEL],
    "url": f"{WEB}/{PATH}/-/merge_requests/7",
    "action": "open",
    "assignee": {"name": "Z", "username": "zoe", "avatar_url": None},
}
MERGE_REQUEST = {
    "object_kind": "merge_request",
    "event_type": "merge_request",
    "user": USER,
    "project": PROJECT,
    "repository": REPOSITORY,
    "object_attributes": ABOUT,
    "labels": [LABEL],
    "changes": {"updated_at": {"previous": AT, "current": AT}},
    "assignees": [],
    "reviewers": [{**USER, "state": "unreviewed", "re_requested": False}],
}
NOTE = {
    "object_kind": "note",
    "event_type": "note",
    "user": USER,
    "project_id": 15,
    "project": PROJECT,
    "repository": REPOSITORY,
    "object_attributes": {
        "id": 1241,
        "internal": False,
        "note": "/minimize help",
        "noteable_type": "MergeRequest",
        "author_id": 4,
        "created_at": AT,
        "updated_at": AT,
        "project_id": 15,
        "attachment": None,
        "line_code": None,
        "commit_id": "",
        "noteable_id": 99,
        "system": False,
        "st_diff": None,
        "action": "create",
        "url": f"{WEB}/{PATH}/-/merge_requests/7#note_1241",
    },
    "merge_request": {name: value for name, value in ABOUT.items() if name != "action"},
}
PUSH = {
    "object_kind": "push",
    "event_name": "push",
    "before": OLD,
    "after": SHA,
    "ref": "refs/heads/main",
    "ref_protected": True,
    "checkout_sha": SHA,
    "message": None,
    "user_id": 4,
    "user_name": "Ann",
    "user_username": "ann",
    "user_email": "",
    "user_avatar": None,
    "project_id": 15,
    "project": PROJECT,
    "repository": REPOSITORY,
    "commits": [COMMIT],
    "total_commits_count": 1,
    "push_options": {},
}
PIPELINE = {
    "object_kind": "pipeline",
    "object_attributes": {
        "id": 31,
        "iid": 3,
        "name": "Pipeline for branch: topic",
        "ref": "topic",
        "tag": False,
        "sha": SHA,
        "before_sha": OLD,
        "source": "merge_request_event",
        "status": "success",
        "detailed_status": "passed",
        "stages": ["build"],
        "created_at": AT,
        "finished_at": AT,
        "duration": 63,
        "variables": [],
        "url": f"{WEB}/{PATH}/-/pipelines/31",
    },
    "merge_request": {"id": 99, "iid": 7, "title": "", "source_branch": "topic"},
    "user": USER,
    "project": PROJECT,
    "commit": COMMIT,
    "source_pipeline": {"project": {"id": 41}, "pipeline_id": 30, "job_id": 3401},
    "builds": [],
}
TAG = {**PUSH, "object_kind": "tag_push", "event_name": "tag_push", "ref": "refs/tags/v1"}
EVENTS = {
    "Merge Request Hook": (MERGE_REQUEST, PullRequestEvent),
    "Note Hook": (NOTE, CommentEvent),
    "Push Hook": (PUSH, PushEvent),
    "Tag Push Hook": (TAG, IgnoredEvent),
    # Heard of, whoever waits for one.
    "Pipeline Hook": (PIPELINE, object),
}


def deliver(payload: dict[str, Any], header: str, identity: str = "d1") -> NewDelivery:
    body = json.dumps(payload).encode()
    headers = {
        "x-gitlab-event": header,
        "x-gitlab-token": "s3cret",
        "x-gitlab-instance": "https://git.example.org",
        "x-gitlab-webhook-uuid": "2f9b",
        "x-gitlab-event-uuid": "13792a34",
        "idempotency-key": identity,
        "content-type": "application/json",
        "user-agent": "GitLab/19.0.0",
    }
    return accept_gitlab("gl", HookSecrets.of(("s3cret",)), WEB, headers, body, 1_800_000_000.0)


@pytest.mark.parametrize("system", [False, True], ids=["project or group", "system"])
@pytest.mark.parametrize("header", EVENTS)
def test_every_documented_field_is_taken(header: str, *, system: bool) -> None:
    payload, kind = EVENTS[header]
    taken = deliver(payload, "System Hook" if system else header)
    assert isinstance(parse_event("gl", taken.event, payload), kind)


@pytest.mark.parametrize("header", EVENTS)
def test_a_system_hook_may_leave_fields_out(header: str) -> None:
    payload = copy.deepcopy(EVENTS[header][0])
    for name in ("id", "web_url", "git_http_url", "url"):
        payload["project"].pop(name)
    if "event_name" in payload or "event_type" in payload:
        payload.pop("object_kind")
    taken = deliver(payload, "System Hook")
    assert isinstance(parse_event("gl", taken.event, payload), EVENTS[header][1])
    whole = deliver(EVENTS[header][0], header, "d2")
    # What a project's hook sent as well is the same.
    assert taken.object == whole.object


def test_a_group_hook_and_a_project_hook_with_one_note_are_one_object() -> None:
    one, other = deliver(NOTE, "Note Hook", "d1"), deliver(NOTE, "Note Hook", "d2")
    assert one.object is not None
    assert one.object == other.object
    edited = copy.deepcopy(NOTE)
    edited["object_attributes"] |= {"note": "/minimize check", "action": "update"}
    # Within the same second: GitLab's times are cut to seconds.
    assert deliver(edited, "Note Hook", "d3").object != one.object


@pytest.mark.parametrize(
    "more",
    [
        {"system": True},
        {"internal": True},
        {"noteable_type": "Issue"},
        {"noteable_type": "Commit"},
        {"noteable_type": "Snippet"},
        {"noteable_type": "Epic"},
    ],
)
def test_notes_that_are_none_of_ours(more: dict[str, Any]) -> None:
    payload = copy.deepcopy(NOTE)
    payload["object_attributes"] |= more
    payload.pop("merge_request")
    taken = deliver(payload, "Note Hook")
    assert isinstance(parse_event("gl", taken.event, payload), IgnoredEvent)
