"""Forgejo's and Gitea's webhooks: signed, read, and the event of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.demo.forge.server import LocalForge
from bot.forge.events import ChecksEvent, CommentEvent, PushEvent, RepositoriesEvent
from bot.forge.forgejo.forge import Forgejo
from bot.forge.forgejo.webhooks import signed_headers
from bot.forge.values import IgnoredEvent, PullRequestEvent, PullRequestKey, WebhookRefusedError
from bot.settings.forges import ForgeSettings
from tests.forges import NOWHERE

SECRETS = ("old", "new")
KEY = PullRequestKey("fj", "rpms/nginx", 7)
REPOSITORY: dict[str, Any] = {
    "id": 3,
    "full_name": "rpms/nginx",
    "html_url": "https://f.example/rpms/nginx",
    "default_branch": "main",
    "private": False,
    "owner": {"login": "rpms", "visibility": "public"},
}
PULL: dict[str, Any] = {
    "number": 7,
    "title": "Bump",
    "updated_at": "2026-11-01T10:00:00+01:00",
    "head": {"sha": "a" * 40, "ref": "topic"},
    "base": {"sha": "b" * 40, "ref": "main"},
}


def forge(kind: str = "forgejo") -> Forgejo:
    fields = {"type": kind, "token": {"env": "X"}, "webhook_secrets": [{"env": "X"}]}
    return Forgejo("fj", ForgeSettings.model_validate(fields), token="t", secrets=SECRETS)


def signed(event: str, body: bytes, secret: str = "new") -> dict[str, str]:
    made = signed_headers(event, body, secret, delivery="d1")
    return {name.lower(): text for name, text in made.items()}


def event(name: str, data: dict[str, Any]) -> Any:
    body = json.dumps({"repository": REPOSITORY, "sender": {"login": "ann"}, **data}).encode()
    delivery = forge().accept(signed(name, body), body)
    return forge().event(delivery.event, delivery.body)


def pull_event(action: str, **more: Any) -> Any:
    data = {"action": action, "pull_request": {**PULL, **more.pop("pull", {})}, **more}
    return event("pull_request", data)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("lacks", ["x-gitea-", "x-forgejo-", "nothing"])
def test_either_forges_headers_and_either_secret_are_taken(secret: str, lacks: str) -> None:
    body = json.dumps({"action": "created", "repository": REPOSITORY}).encode()
    headers = {n: t for n, t in signed("repository", body, secret).items() if lacks not in n}
    delivery = forge().accept(headers, body)
    assert (delivery.forge, delivery.event, delivery.delivery) == ("fj", "repository", "d1")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"x-forgejo-signature": "", "x-gitea-signature": ""}, 401),
        ({"x-forgejo-signature": "0" * 64}, 401),
        ({"x-forgejo-signature": "ä" * 32}, 401),
        ({"content-type": "application/x-www-form-urlencoded"}, 400),
        ({"x-forgejo-event": "", "x-gitea-event": ""}, 400),
        ({"x-forgejo-delivery": "x" * 201}, 400),
    ],
)
def test_what_is_not_signed_or_not_named_is_refused(change: dict[str, str], status: int) -> None:
    body = json.dumps({"action": "created", "repository": REPOSITORY}).encode()
    with pytest.raises(WebhookRefusedError) as caught:
        forge().accept({**signed("repository", body), **change}, body)
    assert caught.value.status == status


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b"{}", b'{"action": "opened"}'])
def test_a_body_that_is_not_the_events_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookRefusedError) as caught:
        forge().accept(signed("pull_request", body), body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("action", "more", "named", "pusher"),
    [
        ("opened", {}, "opened", ""),
        ("reopened", {}, "reopened", ""),
        ("synchronized", {}, "synchronize", "ann"),
        ("edited", {"changes": {"ref": {"from": "rawhide"}}}, "edited (base)", ""),
        ("edited", {"changes": {"title": {"from": "WIP: Bump"}}}, "ready_for_review", ""),
        ("edited", {"changes": {"title": {"from": "[wip] Bump"}}}, "ready_for_review", ""),
    ],
)
def test_what_changes_packages_is_checked(
    action: str, more: dict[str, Any], named: str, pusher: str
) -> None:
    wanted = PullRequestEvent(KEY, "check", "a" * 40, named, base_ref="main", pusher=pusher)
    assert pull_event(action, **more) == wanted


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("label_updated", {}),
        ("edited", {"changes": {"body": {"from": "x"}}}),
        ("edited", {"changes": {"title": {"from": "Bumps"}}}),
        ("edited", {"changes": {"title": {"from": "WIP: a"}}, "pull": {"title": "wip: b"}}),
        ("review_requested", {}),
    ],
)
def test_what_changes_no_package_is_not(action: str, more: dict[str, Any]) -> None:
    assert isinstance(pull_event(action, **more), IgnoredEvent)


def test_a_closed_one_stops_and_says_when_it_was_merged_in_utc() -> None:
    assert pull_event("closed") == PullRequestEvent(KEY, "stop", "a" * 40, "closed")
    merged = {"merged": True, "merged_at": "2026-11-02T00:30:00+01:00"}
    assert pull_event("closed", pull=merged).merged == "2026-11-01T23:30:00Z"


def comment_event(**more: Any) -> Any:
    comment = {
        "id": 5, "body": "/minimize check", "user": {"login": "zoe"},
        "updated_at": "2026-11-01T10:00:00+01:00", "html_url": "u",
    }  # fmt: skip
    data = {"action": "created", "is_pull": True, "issue": {"number": 7}, "comment": comment}
    return event("issue_comment", {**data, **more})


def test_a_comment_has_its_author_and_who_made_this_version() -> None:
    wanted = CommentEvent(
        KEY, "5", "zoe", "ann", False, "/minimize check", "created", "2026-11-01T09:00:00Z", "u"
    )
    assert comment_event() == wanted
    assert comment_event(action="edited").action == "edited"
    assert isinstance(comment_event(action="deleted"), IgnoredEvent)
    assert isinstance(comment_event(is_pull=False), IgnoredEvent)


@pytest.mark.parametrize(
    ("owner", "private", "hidden"),
    [("public", False, False), ("public", True, True), ("limited", False, True)],
)
def test_a_push_names_its_branch_and_whether_it_is_for_all(
    owner: str, private: bool, hidden: bool
) -> None:
    about = {**REPOSITORY, "private": private, "owner": {"login": "rpms", "visibility": owner}}
    data = {"ref": "refs/heads/f45", "before": "1", "after": "2", "repository": about}
    assert event("push", data) == PushEvent(
        "fj", "rpms/nginx", "f45", "1", "2", "main", hidden, "https://f.example/rpms/nginx/commit"
    )
    assert isinstance(event("push", {**data, "ref": "refs/tags/v1"}), IgnoredEvent)


def test_checks_that_are_over_are_told_and_our_own_is_not() -> None:
    status = {"sha": "c", "context": "rpm-build", "state": "success"}
    assert event("status", status) == ChecksEvent("fj", "rpms/nginx", "c", ("rpm-build",))
    assert isinstance(event("status", {**status, "state": "pending"}), IgnoredEvent)
    assert isinstance(event("status", {**status, "context": "minimize"}), IgnoredEvent)
    run = {"run": {"commit_sha": "c", "repository": REPOSITORY}}
    assert event("action_run_success", run) == ChecksEvent("fj", "rpms/nginx", "c")


def test_a_repository_that_was_deleted_is_no_more_ours() -> None:
    assert event("repository", {"action": "deleted"}) == RepositoriesEvent(
        "fj", removed=("rpms/nginx",)
    )
    assert isinstance(event("release", {}), IgnoredEvent)


async def test_a_delivery_that_is_sent_again_from_its_page_carries_the_same(
    tmp_path: Path,
) -> None:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        repository.git.commit("topic", {"nginx.spec": "Name: n\n"}, "Go", start="main")
        local.forgejo.add_hook(NOWHERE, "new", place="rpms/nginx")
        local.forgejo.add_hook(NOWHERE, "old", place="rpms")
        pull = await local.open_pull(repository, "topic", user="ann", title="t")
        await local.comment(pull, "hello", user="ann")
        made = [
            forge().accept({n.lower(): t for n, t in one.headers.items()}, one.body)
            for one in local.deliveries
        ]
    assert [one.event for one in made] == ["pull_request"] * 2 + ["issue_comment"] * 2
    assert len({one.delivery for one in made}) == 4
    assert len({one.object for one in made}) == 2
