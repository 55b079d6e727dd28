"""GitLab's webhooks: tokens and signatures, the documented events, repeats, other instances."""

import base64
import json

import pytest

from bot.errors import UsageError
from bot.forge.events import CommentEvent, PushEvent, RepositoriesEvent
from bot.forge.gitlab.events import carried_object, parse_event
from bot.forge.gitlab.webhooks import HookSecrets, signed_headers
from bot.forge.values import IgnoredEvent, PullRequestEvent, WebhookRefusedError
from tests.forge.accepting import accept_gitlab

WEB = "https://git.example.org/gitlab"
NOW = 1_800_000_000.0
OLD_KEY = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW_KEY = "whsec_" + base64.b64encode(b"n" * 32).decode()
SECRETS = HookSecrets.of(("plain one", "plain two", OLD_KEY, NEW_KEY))
PROJECT = {"id": 15, "path_with_namespace": "acme/tools/nginx", "web_url": WEB}
USER = {"id": 4, "username": "jsmith", "name": "J"}


def merge_request(action: str | None = "open", **more) -> dict:
    about = {
        "iid": 7,
        "action": action,
        "target_branch": "main",
        "updated_at": "2026-01-02 03:04:05 UTC",
        "last_commit": {"id": "a" * 40},
        **more.pop("about", {}),
    }
    body = {"object_kind": "merge_request", "event_type": "merge_request", "user": USER}
    return {**body, "project": PROJECT, "object_attributes": about, **more}


def note(on: str = "MergeRequest", **more) -> dict:
    about = {
        "id": 1241,
        "note": "/minimize help",
        "noteable_type": on,
        "author_id": 4,
        "action": "create",
        "system": False,
        "updated_at": "2026-01-02 03:04:05 UTC",
        "url": f"{WEB}/acme/tools/nginx/-/merge_requests/7#note_1241",
        **more,
    }
    body = {"object_kind": "note", "event_type": "note", "user": USER, "project": PROJECT}
    return {**body, "object_attributes": about, "merge_request": {"iid": 7}}


def push(**more) -> dict:
    body = {"object_kind": "push", "event_name": "push", "ref": "refs/heads/main"}
    return {**body, "before": "a" * 40, "after": "b" * 40, "project": PROJECT, **more}


PIPELINE = {
    "object_kind": "pipeline",
    "object_attributes": {"id": 31, "status": "running", "sha": "a" * 40},
    "project": PROJECT,
}


def headers_of(payload: dict, secret: str, event: str = "merge_request", **more) -> tuple:
    body = json.dumps(payload).encode()
    made = signed_headers(event, body, secret, delivery="d1", at=NOW)
    return {name.lower(): value for name, value in {**made, **more}.items()}, body


def take(headers: dict, body: bytes, now: float = NOW):
    return accept_gitlab("gl", SECRETS, WEB, headers, body, now)


@pytest.mark.parametrize("secret", ["plain one", "plain two", OLD_KEY, NEW_KEY])
def test_each_of_several_secrets_of_both_kinds_is_taken(secret: str) -> None:
    taken = take(*headers_of(merge_request(), secret))
    assert (taken.forge, taken.event, taken.delivery) == ("gl", "merge_request", "d1")


def test_a_wrong_or_missing_secret_is_refused() -> None:
    headers, body = headers_of(merge_request(), "plain three")
    with pytest.raises(WebhookRefusedError, match="fits none") as caught:
        take(headers, body)
    assert caught.value.status == 401
    del headers["x-gitlab-token"]
    with pytest.raises(WebhookRefusedError, match="missing"):
        take(headers, body)


def test_a_signature_holds_for_its_body_its_id_and_five_minutes() -> None:
    headers, body = headers_of(merge_request(), NEW_KEY)
    take(headers, body, NOW + 299)
    take(headers, body, NOW - 299)
    for other in (NOW + 301, NOW - 301):
        with pytest.raises(WebhookRefusedError, match="time is more than five minutes from now"):
            take(headers, body, other)
    with pytest.raises(WebhookRefusedError, match="signature"):
        take(headers, body + b" ")
    with pytest.raises(WebhookRefusedError, match="signature"):
        take({**headers, "webhook-id": "d2"}, body)
    with pytest.raises(WebhookRefusedError, match="missing"):
        take({**headers, "webhook-timestamp": "soon"}, body)


def test_a_signature_that_does_not_fit_is_not_helped_by_a_token_that_does() -> None:
    headers, body = headers_of(merge_request(), NEW_KEY)
    with pytest.raises(WebhookRefusedError, match="signature"):
        take({**headers, "webhook-signature": "v1,AAAA", "x-gitlab-token": "plain one"}, body)


def test_one_of_several_signatures_is_enough_and_other_versions_are_passed_over() -> None:
    headers, body = headers_of(merge_request(), NEW_KEY)
    several = f"v2,zzz v1,AAAA {headers['webhook-signature']}"
    take({**headers, "webhook-signature": several}, body)


def test_a_signature_without_a_signing_token_of_ours_leaves_it_to_the_plain_token() -> None:
    headers, body = headers_of(merge_request(), NEW_KEY)
    plain = HookSecrets.of(("plain one",))
    accept_gitlab("gl", plain, WEB, {**headers, "x-gitlab-token": "plain one"}, body, NOW)
    with pytest.raises(WebhookRefusedError):
        accept_gitlab("gl", plain, WEB, headers, body, NOW)


def test_a_signing_token_that_is_none_is_told_at_the_start() -> None:
    with pytest.raises(UsageError, match="base64"):
        HookSecrets.of(("whsec_!!",))


def test_a_delivery_of_another_instance_is_refused_and_our_own_is_not() -> None:
    headers, body = headers_of(merge_request(), "plain one")
    take({**headers, "x-gitlab-instance": "https://git.example.org/gitlab"}, body)
    with pytest.raises(WebhookRefusedError, match=r"gitlab\.com") as caught:
        take({**headers, "x-gitlab-instance": "https://gitlab.com"}, body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("merge_request", {"object_kind": "merge_request"}),
        ("merge_request", push()),
        ("note", {"object_kind": "note", "object_attributes": []}),
        ("push", push(project=None)),
        ("Some Hook", {}),
        ("Some Hook", []),
    ],
)
def test_what_is_not_what_it_says_is_refused(event: str, payload) -> None:
    with pytest.raises(WebhookRefusedError) as caught:
        take(*headers_of(payload, "plain one", event))
    assert caught.value.status == 400


def test_a_body_that_is_no_json_is_refused() -> None:
    headers, _ = headers_of(push(), "plain one")
    for body in (b"{", b"[" * 100_000, b"\xff"):
        with pytest.raises(WebhookRefusedError) as caught:
            take(headers, body)
        assert caught.value.status == 400


def test_without_an_id_the_same_body_is_the_same_delivery() -> None:
    headers, body = headers_of(push(), "plain one", "push")
    del headers["idempotency-key"]
    assert take(headers, body).delivery == take(headers, body).delivery
    other = json.dumps(push(after="c" * 40)).encode()
    assert take(headers, body).delivery != take(headers, other).delivery


@pytest.mark.parametrize(
    ("payload", "wish", "action"),
    [
        (merge_request("open"), "check", "opened"),
        (merge_request("reopen"), "check", "reopened"),
        (merge_request("update", about={"oldrev": "b" * 40}), "check", "synchronize"),
        (
            merge_request("update", changes={"target_branch": {"previous": "a", "current": "b"}}),
            "check",
            "edited (base)",
        ),
        (
            merge_request("update", changes={"draft": {"previous": True, "current": False}}),
            "check",
            "ready_for_review",
        ),
        (merge_request("close"), "stop", "closed"),
        (merge_request("merge"), "stop", "closed"),
    ],
)
def test_merge_requests_of_nested_groups(payload: dict, wish: str, action: str) -> None:
    event = parse_event("gl", "merge_request", payload)
    assert isinstance(event, PullRequestEvent)
    assert (event.wish, event.action, event.head_sha) == (wish, action, "a" * 40)
    assert str(event.key) == "gl:acme/tools/nginx#7"
    assert event.base_ref == ("main" if wish == "check" else "")


@pytest.mark.parametrize(("about", "pusher"), [({"oldrev": "b" * 40}, "eve"), ({}, "")])
def test_the_user_of_a_push_alone_is_its_pusher(about: dict, pusher: str) -> None:
    action = "update" if about else "reopen"
    payload = {**merge_request(action, about=about), "user": {"username": "eve"}}
    event = parse_event("gl", "merge_request", payload)
    assert isinstance(event, PullRequestEvent)
    assert event.pusher == pusher


def test_a_merge_is_told_with_its_time_and_a_close_without_one() -> None:
    merged = parse_event("gl", "merge_request", merge_request("merge"))
    assert isinstance(merged, PullRequestEvent)
    assert merged.merged == "2026-01-02T03:04:05Z"
    later = {"updated_at": "2026-01-02T05:04:05.123+02:00"}
    merged = parse_event("gl", "merge_request", merge_request("merge", about=later))
    assert isinstance(merged, PullRequestEvent)
    assert merged.merged == "2026-01-02T03:04:05Z"
    closed = parse_event("gl", "merge_request", merge_request("close"))
    assert isinstance(closed, PullRequestEvent)
    assert closed.merged == ""


@pytest.mark.parametrize(
    "payload",
    [
        merge_request("update", changes={"title": {}}),
        merge_request("update", changes={"draft": {"previous": False, "current": True}}),
        merge_request("approved"),
        merge_request("unapproved"),
        merge_request("approval"),
        merge_request(None),
        merge_request("open", about={"last_commit": None}),
        note("Issue"),
        note("Commit"),
        note("Snippet"),
        note(system=True),
        note(internal=True),
        {**note(), "event_type": "confidential_note"},
        push(ref="refs/tags/v1"),
        PIPELINE,
        {"object_kind": "tag_push", "ref": "refs/tags/v1"},
        {"object_kind": "build", "build_status": "success"},
        {"object_kind": "issue"},
        {"object_kind": "wiki_page"},
        {"object_kind": "deployment"},
        {"object_kind": "feature_flag"},
        {"object_kind": "release"},
        {"object_kind": "emoji", "event_type": "award"},
        {"object_kind": "access_token"},
        {"object_kind": "milestone"},
        {"object_kind": "vulnerability"},
        {"event_name": "user_add_to_group"},
        {"event_name": "subgroup_create"},
        {"event_name": "project_create", "path_with_namespace": "a/b"},
        {"event_name": "repository_update"},
    ],
)
def test_what_asks_nothing_is_ignored_with_a_reason(payload: dict) -> None:
    taken = take(*headers_of(payload, "plain one", "System Hook"))
    event = parse_event("gl", taken.event, payload)
    assert isinstance(event, IgnoredEvent)
    assert event.reason.endswith(".")


def test_a_note_is_a_comment_of_its_writer() -> None:
    event = parse_event("gl", "note", note())
    assert isinstance(event, CommentEvent)
    assert (event.comment, event.author, event.sender) == ("1241", "jsmith", "jsmith")
    assert (event.body, event.action, event.author_is_bot) == ("/minimize help", "created", False)
    edited = parse_event("gl", "note", note(action="update", author_id=99))
    assert isinstance(edited, CommentEvent)
    assert (edited.author, edited.sender, edited.action) == ("", "jsmith", "edited")


@pytest.mark.parametrize("name", ["project_15_bot_abc1", "group_3_bot", "service_account_group_1"])
def test_tokens_of_projects_and_groups_are_bots(name: str) -> None:
    payload = {**note(), "user": {"id": 4, "username": name}}
    event = parse_event("gl", "note", payload)
    assert isinstance(event, CommentEvent)
    assert event.author_is_bot


def test_a_push_to_a_branch_with_slashes() -> None:
    event = parse_event("gl", "push", push(ref="refs/heads/rpm/c9s"))
    assert isinstance(event, PushEvent)
    assert (event.repository, event.branch) == ("acme/tools/nginx", "rpm/c9s")
    assert (event.before, event.after) == ("a" * 40, "b" * 40)
    # Where the hook does not say that everybody sees the project, nobody is shown it.
    assert event.private
    assert event.commits_url.endswith("/-/commit")


def test_a_project_hook_and_a_system_hook_carry_the_same_object_and_pushes_differ() -> None:
    one = carried_object("merge_request", merge_request())
    assert one == carried_object("merge_request", {**merge_request(), "user": None})
    later = {"updated_at": "2026-01-02 03:04:06 UTC"}
    assert one != carried_object("merge_request", merge_request(about=later))
    assert carried_object("note", note()) != carried_object("note", note(updated_at="later"))
    assert carried_object("push", push()) is None


@pytest.mark.parametrize(
    ("kind", "before", "added", "removed"),
    [
        ("project_rename", {"old_path_with_namespace": "a/old"}, ("a/new",), ("a/old",)),
        ("project_transfer", {"old_path_with_namespace": "b/new"}, ("a/new",), ("b/new",)),
        ("project_destroy", {}, (), ("a/new",)),
    ],
)
def test_projects_that_come_and_go(
    kind: str, before: dict, added: tuple[str, ...], removed: tuple[str, ...]
) -> None:
    payload = {"event_name": kind, "path_with_namespace": "a/new", **before}
    taken = take(*headers_of(payload, "plain one", "System Hook"))
    assert parse_event("gl", taken.event, payload) == RepositoriesEvent("gl", added, removed)
