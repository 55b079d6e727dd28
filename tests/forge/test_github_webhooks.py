"""GitHub's deliveries: signatures, what they say they are, and what they ask."""

import hashlib
import hmac
import json
import urllib.parse

import pytest

from bot.forge.events import PushEvent, RepositoriesEvent
from bot.forge.github.events import parse_event
from bot.forge.values import IgnoredEvent, PullRequestEvent, PullRequestKey, WebhookRefusedError
from tests.forge.accepting import accept_github

PULL = {
    "action": "opened",
    "number": 7,
    "pull_request": {
        "number": 7,
        "head": {"sha": "a" * 40},
        "base": {"ref": "main"},
        "updated_at": "t1",
    },
    "repository": {"id": 1, "full_name": "o/r"},
}


def signed(body: bytes, secret: str = "new", **headers: str) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "x-github-event": "pull_request",
        "x-github-delivery": "guid",
        "x-hub-signature-256": f"sha256={digest}",
        **headers,
    }


def body(**changes) -> bytes:
    return json.dumps({**PULL, **changes}).encode()


def take(content: bytes, headers: dict[str, str]):
    return accept_github("gh", ("old", "new"), headers, content)


@pytest.mark.parametrize("secret", ["old", "new"])
def test_each_of_several_secrets_is_good(secret: str) -> None:
    taken = take(body(), signed(body(), secret))
    assert (taken.forge, taken.event, taken.delivery) == ("gh", "pull_request", "guid")
    assert taken.body == body()


@pytest.mark.parametrize(
    "signature",
    [None, "", "sha256=", "sha256=00", "sha1=00", "sha256=" + "é" * 64, "deadbeef"],
)
def test_a_bad_or_missing_signature_is_401(signature: str | None) -> None:
    headers = signed(body())
    del headers["x-hub-signature-256"]
    if signature is not None:
        headers["x-hub-signature-256"] = signature
    with pytest.raises(WebhookRefusedError) as caught:
        take(body(), headers)
    assert caught.value.status == 401


def test_another_body_or_another_secret_is_401_even_with_sha1_beside() -> None:
    for headers in (signed(b"{}"), signed(body(), "stranger")):
        headers["x-hub-signature"] = "sha1=whatever"
        with pytest.raises(WebhookRefusedError) as caught:
            take(body(), headers)
        assert caught.value.status == 401


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"not json", {}),
        (b"[]", {}),
        (b"", {}),
        (b"[" * 100_000, {}),
        (b"\xff\xfe", {}),
        (body(), {"content-type": "text/plain"}),
        (body(), {"content-type": "application/json; charset=nonsense"}),
        (body(), {"x-github-event": ""}),
        (body(), {"x-github-delivery": "x" * 300}),
        (b"{}", {}),
        (body(pull_request={"number": 7}), {}),
        (body(pull_request=None), {}),
    ],
)
def test_what_is_not_what_it_says_is_400(content: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(WebhookRefusedError) as caught:
        take(content, {**signed(content), **headers})
    assert caught.value.status == 400


def test_a_form_body_is_kept_as_json() -> None:
    form = urllib.parse.urlencode({"payload": body().decode()}).encode()
    headers = signed(form, **{"content-type": "application/x-www-form-urlencoded"})
    assert json.loads(take(form, headers).body) == PULL


def test_unknown_events_are_taken_and_ignored_with_a_reason() -> None:
    content = b'{"zen": "x"}'
    taken = take(content, signed(content, **{"x-github-event": "star"}))
    assert taken.object is None
    assert parse_event("gh", "star", {}) == IgnoredEvent("The event star asks nothing of the bot.")


@pytest.mark.parametrize(
    ("event", "data", "said"),
    [
        ("ping", {}, "reaches the bot"),
        (
            "installation",
            {"action": "new_permissions_accepted", "installation": {"account": {"login": "rpms"}}},
            "at rpms: new_permissions",
        ),
        ("repository", {"action": "archived", "repository": {"full_name": "o/r"}}, "was archived"),
        ("push", {"ref": "refs/tags/v1"}, "no branch"),
    ],
)
def test_what_only_the_log_wants_is_ignored_with_a_reason(event: str, data: dict, said) -> None:
    found = parse_event("gh", event, data)
    assert isinstance(found, IgnoredEvent)
    assert said in found.reason


def test_a_push_to_a_branch_is_told_with_both_commits() -> None:
    data = {"ref": "refs/heads/rpm/c9s", "before": "a" * 40, "after": "b" * 40}
    data["repository"] = {"full_name": "o/r"}
    assert parse_event("gh", "push", data) == PushEvent("gh", "o/r", "rpm/c9s", "a" * 40, "b" * 40)


def test_the_same_object_has_one_name_and_each_push_its_own() -> None:
    def carried(**changes) -> str | None:
        return take(body(**changes), signed(body(**changes))).object

    assert carried() == carried()
    assert carried() != carried(action="closed")
    there = carried(action="synchronize", before="b" * 40)
    later = dict(PULL["pull_request"], updated_at="t2")  # A, B, A, B: the same commits again
    assert there != carried(action="synchronize", before="b" * 40, pull_request=later)


@pytest.mark.parametrize(
    ("data", "wish"),
    [
        ({"action": "opened"}, "check"),
        ({"action": "synchronize"}, "check"),
        ({"action": "reopened"}, "check"),
        ({"action": "ready_for_review"}, "check"),
        ({"action": "edited", "changes": {"base": {}}}, "check"),
        ({"action": "closed"}, "stop"),
    ],
)
def test_pull_request_actions_ask_for_a_check_or_a_stop(data: dict, wish: str) -> None:
    event = parse_event("gh", "pull_request", {**PULL, **data})
    assert isinstance(event, PullRequestEvent)
    assert (event.key, event.wish) == (PullRequestKey("gh", "o/r", 7), wish)
    assert event.head_sha == "a" * 40
    assert event.base_ref == ("main" if wish == "check" else "")


@pytest.mark.parametrize(("action", "pusher"), [("synchronize", "eve"), ("reopened", "")])
def test_the_sender_of_a_push_alone_is_its_pusher(action: str, pusher: str) -> None:
    data = {**PULL, "action": action, "sender": {"login": "eve"}}
    event = parse_event("gh", "pull_request", data)
    assert isinstance(event, PullRequestEvent)
    assert event.pusher == pusher


def test_a_merge_is_told_with_its_time() -> None:
    pull = {**PULL["pull_request"], "merged_at": "2026-01-02T03:04:05Z"}
    event = parse_event("gh", "pull_request", {**PULL, "action": "closed", "pull_request": pull})
    assert isinstance(event, PullRequestEvent)
    assert event.merged == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize("data", [{"action": "labeled"}, {"action": "edited", "changes": {}}])
def test_other_actions_are_ignored_with_a_reason(data: dict) -> None:
    event = parse_event("gh", "pull_request", {**PULL, **data})
    assert isinstance(event, IgnoredEvent)
    assert data["action"] in event.reason


INSTALLED = {"repositories": [{"full_name": "o/r"}, {"full_name": "o/s"}]}
MOVED = {"repository": {"full_name": "new/name"}}


@pytest.mark.parametrize(
    ("event", "data", "added", "removed"),
    [
        ("installation", {"action": "created", **INSTALLED}, ("o/r", "o/s"), ()),
        ("installation", {"action": "unsuspend", **INSTALLED}, ("o/r", "o/s"), ()),
        ("installation", {"action": "suspend", **INSTALLED}, (), ("o/r", "o/s")),
        ("installation", {"action": "deleted", **INSTALLED}, (), ("o/r", "o/s")),
        (
            "installation_repositories",
            {
                "action": "removed",
                "repositories_added": [],
                "repositories_removed": [{"full_name": "o/r"}],
            },
            (),
            ("o/r",),
        ),
        ("repository", {"action": "deleted", **MOVED}, (), ("new/name",)),
        (
            "repository",
            {"action": "renamed", "changes": {"repository": {"name": {"from": "old"}}}, **MOVED},
            ("new/name",),
            ("new/old",),
        ),
        (
            "repository",
            {
                "action": "transferred",
                "changes": {"owner": {"from": {"organization": {"login": "old"}}}},
                **MOVED,
            },
            ("new/name",),
            ("old/name",),
        ),
    ],
)
def test_repositories_that_come_and_go(
    event: str, data: dict, added: tuple[str, ...], removed: tuple[str, ...]
) -> None:
    assert parse_event("gh", event, data) == RepositoriesEvent("gh", added, removed)
