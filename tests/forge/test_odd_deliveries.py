"""Signed deliveries whose bodies are not what they should be: taken or 400, never an error."""

import base64
import copy
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot.forge.forgejo.events import read_delivery as read_forgejo
from bot.forge.gitlab.webhooks import HookSecrets
from bot.forge.values import WebhookRefusedError
from bot.store.records import NewDelivery
from tests.forge.accepting import accept_github, accept_gitlab

REPOSITORY = {"id": 1, "full_name": "o/r", "html_url": "https://x", "default_branch": "main"}
PROJECT = {"id": 1, "path_with_namespace": "o/r", "web_url": "https://x", "visibility_level": 20}
RUN = {"head_sha": "a", "name": "n", "external_id": "c", "check_suite": {"head_branch": "b"}}
PULL = {"number": 7, "head": {"sha": "a"}, "base": {"ref": "main"}, "updated_at": "t"}
NOTE = {"id": 1, "note": "x", "noteable_type": "MergeRequest", "author_id": 4, "updated_at": "t"}
GITHUB = {
    "pull_request": {"action": "edited", "changes": {"base": {}}, "pull_request": PULL},
    "issue_comment": {
        "action": "created",
        "issue": {"number": 7, "pull_request": {"url": "u"}},
        "comment": {"id": 1, "body": "x", "user": {"login": "l"}, "updated_at": "t"},
        "sender": {"login": "l"},
    },
    "check_run": {"action": "rerequested", "check_run": RUN, "sender": {"login": "l"}},
    "check_suite": {"action": "completed", "check_suite": {"head_sha": "a"}},
    "status": {"state": "success", "sha": "a", "context": "c"},
    "push": {"ref": "refs/heads/main", "before": "a", "after": "b"},
    "merge_group": {
        "action": "checks_requested",
        "merge_group": {"head_ref": "r", "head_sha": "a", "base_ref": "b"},
    },
    "installation": {"action": "created", "installation": {"id": 1, "account": {"login": "l"}}},
    "ping": {"zen": "z"},
}
GITLAB = {
    "merge_request": {
        "object_attributes": {
            "iid": 7,
            "action": "update",
            "target_branch": "main",
            "updated_at": "2026-01-02 03:04:05 UTC",
            "last_commit": {"id": "a"},
        },
        "changes": {"draft": {"previous": True, "current": False}},
    },
    "note": {"object_attributes": NOTE, "merge_request": {"iid": 7}, "user": {"username": "u"}},
    "push": {"ref": "refs/heads/main", "before": "a", "after": "b"},
    "pipeline": {"object_attributes": {"id": 1, "status": "success", "sha": "a"}},
    "project_rename": {"old_path_with_namespace": "o/q", "path_with_namespace": "o/r"},
}
TIME = "2026-01-02T03:04:05+01:00"
FORGEJO = {
    "pull_request": {
        "action": "edited",
        "changes": {"ref": {"from": "b"}, "title": {"from": "WIP: t"}},
        "pull_request": {**PULL, "title": "t", "merged": True, "merged_at": TIME},
        "sender": {"login": "l"},
    },
    "issue_comment": {
        "action": "created",
        "is_pull": True,
        "issue": {"number": 7},
        "comment": {"id": 1, "body": "x", "user": {"login": "l"}, "updated_at": TIME},
        "sender": {"login": "l"},
    },
    "push": {"ref": "refs/heads/main", "before": "a", "after": "b"},
    "status": {"state": "success", "sha": "a", "context": "c"},
    "action_run_success": {"run": {"commit_sha": "a", "repository": REPOSITORY}},
    "repository": {"action": "deleted"},
}
ODD = (
    None,
    7,
    -1,
    "x",
    "",
    [],
    [[]],
    {},
    True,
    float("inf"),
    float("nan"),
    "\ud800",
    "\0",
    "x" * 9,
)


def places(value: Any, here: tuple = ()) -> Iterator[tuple]:
    """Where something stands in a payload."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield (*here, name)
            yield from places(one, (*here, name))


def odd_ones(payload: dict) -> Iterator[tuple[str, dict]]:
    """The payload with each thing in turn missing, or replaced by what is no such thing."""
    for place in places(payload):
        for odd in ("missing", *ODD):
            made = copy.deepcopy(payload)
            *above, last = place
            where = made
            for step in above:
                where = where[step]
            if odd == "missing":
                del where[last]
            else:
                where[last] = odd
            yield f"{'.'.join(place)}: {odd!r}", made


def to_github(event: str, body: bytes, **more: str) -> NewDelivery:
    digest = hmac.new(b"s", body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": "guid",
        "x-hub-signature-256": f"sha256={digest}",
        **more,
    }
    return accept_github("gh", ("s",), headers, body)


def to_gitlab(event: str, body: bytes, **more: str) -> NewDelivery:
    secrets_ = HookSecrets.of(("s",))
    headers = {"x-gitlab-token": "s", "x-gitlab-event": "System Hook", **more}
    return accept_gitlab("gl", secrets_, "https://x", headers, body, 0.0)


def to_forgejo(event: str, body: bytes, **more: str) -> NewDelivery:
    headers = {"x-forgejo-event": event, "x-forgejo-delivery": "guid", **more}
    return read_forgejo("fj", headers, body)


Send = Callable[..., NewDelivery]
GITHUB_CASES = [(to_github, name, {**p, "repository": REPOSITORY}) for name, p in GITHUB.items()]
GITLAB_CASES = [
    (to_gitlab, name, {**p, "project": PROJECT, "object_kind": name}) for name, p in GITLAB.items()
]
OWNED = {**REPOSITORY, "private": False, "owner": {"visibility": "public"}}
FORGEJO_CASES = [(to_forgejo, name, {**p, "repository": OWNED}) for name, p in FORGEJO.items()]
CASES = GITHUB_CASES + GITLAB_CASES + FORGEJO_CASES


def outcome(send: Send, event: str, body: bytes, **more: str) -> int:
    """202 or the status that refuses; what is taken can be kept."""
    try:
        taken = send(event, body, **more)
    except WebhookRefusedError as error:
        return error.status
    for text in (taken.event, taken.delivery, taken.object or ""):
        text.encode()
    return 202


@pytest.mark.parametrize(("send", "event", "payload"), CASES)
def test_each_thing_may_be_missing_or_another(send: Send, event: str, payload: dict) -> None:
    assert outcome(send, event, json.dumps(payload).encode()) == 202
    for said, odd in odd_ones(payload):
        assert outcome(send, event, json.dumps(odd).encode()) in (202, 400), said


@pytest.mark.parametrize("send", [to_github, to_gitlab, to_forgejo])
@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"[]", b"7", b"null", b'"x"', b"[" * 90_000, b'{"a":' * 90_000, b"9" * 5000],
)
def test_what_is_no_object_is_400(send: Send, body: bytes) -> None:
    assert outcome(send, "push", body) == 400


@pytest.mark.parametrize(
    ("send", "name"),
    [
        (to_github, "x-github-delivery"),
        (to_github, "x-github-event"),
        (to_gitlab, "idempotency-key"),
        (to_forgejo, "x-forgejo-delivery"),
        (to_forgejo, "x-forgejo-event"),
        (to_gitlab, "x-gitlab-event-uuid"),
    ],
)
def test_a_header_that_is_no_text_is_400(send: Send, name: str) -> None:
    payload = {
        "object_kind": "push",
        **GITHUB["push"],
        "repository": REPOSITORY,
        "project": PROJECT,
    }
    # As the server hands on bytes that are not UTF-8.
    more = {name: b"\xff".decode("utf-8", "surrogateescape")}
    assert outcome(send, "push", json.dumps(payload).encode(), **more) == 400


@pytest.mark.parametrize("empty", ["whsec_", "whsec_ ", "whsec_===="])
def test_a_signing_token_without_a_key_is_refused_for_anybody_could_sign(empty: str) -> None:
    from bot.errors import UsageError

    with pytest.raises(UsageError, match="whsec_"):
        HookSecrets.of((empty,))


@pytest.mark.parametrize("padded", [True, False])
def test_a_signing_token_is_taken_with_and_without_its_padding(padded: bool) -> None:
    key = secrets.token_bytes(32)
    text = base64.b64encode(key).decode()
    made = HookSecrets.of((f"whsec_{text if padded else text.rstrip('=')}",))
    assert made.signing == (key,)
