"""Pagure's notifications: identities of their objects, and their events as values.

https://docs.pagure.org/pagure/usage/using_webhooks.html. A webhook's body and a message of
fedora-messaging (topic `org.fedoraproject.prod.pagure.pull-request.new`) have the same topic and
the same content.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bot import limits
from bot.forge.bodies import Message
from bot.forge.events import (
    MISSHAPEN,
    ChecksEvent,
    CommentEvent,
    Event,
    PushEvent,
    RepositoriesEvent,
    new_delivery,
)
from bot.forge.pagure.client import head_of, is_program, name_of, utc
from bot.forge.values import (
    STATUS_NAME,
    IgnoredEvent,
    PullRequestEvent,
    PullRequestKey,
    WebhookRefusedError,
)
from bot.store.records import NewDelivery

_NOBODY = "0" * 40
# Topics that concern a check, and GitHub's names of their actions.
_STARTED = {
    "pull-request.new": "opened",
    "pull-request.rebased": "synchronize",
    "pull-request.reopened": "reopened",
    "pull-request.updated": "synchronize",
}


def read_delivery(forge: str, headers: Mapping[str, str], body: bytes) -> NewDelivery:
    """The delivery of a verified webhook; WebhookRefusedError 400 if it is malformed."""
    topic = headers.get("x-pagure-topic", "")
    try:
        data = json.loads(body)
        identity, content = str(data["msg_id"]), data["msg"]
        if data["topic"] != topic:
            raise ValueError("the topic differs from the header's")
    except (*MISSHAPEN, RecursionError) as error:
        raise WebhookRefusedError(400, "The body is not a notification of Pagure.") from error
    return delivery_of(forge, topic, identity, content)


def delivery_of(forge: str, topic: str, identity: str, content: Any) -> NewDelivery:
    """The delivery of a notification under a topic; WebhookRefusedError 400 if it does not fit
    that. `identity` is the id of the notification."""
    for name, text in (("topic", topic), ("id", identity)):
        if not 0 < len(text) <= limits.WEBHOOK_NAME:
            raise WebhookRefusedError(
                400, f"The {name} of the notification is missing or too long."
            )
    try:
        object_identity = carried_object(topic, content)
        parse_event(forge, topic, content)
    except MISSHAPEN as error:
        raise WebhookRefusedError(400, f"The body is not that of the topic {topic}.") from error
    return new_delivery(forge, topic, identity, json.dumps(content).encode(), object_identity)


def carried_object(topic: str, data: Mapping[str, Any]) -> str | None:
    """The identity of the object, so that a webhook and a message about it are taken once.

    None for events that repeat only by their id.
    """
    parts: tuple[object, ...]
    if topic.startswith("pull-request.comment."):
        pull, comment = data["pullrequest"], _comment_of(topic, data)
        parts = (pull["project"]["id"], comment["id"], comment["edited_on"] or "")
    elif topic in _STARTED or topic == "pull-request.closed":
        pull = data["pullrequest"]
        parts = (pull["project"]["id"], pull["id"], pull["commit_stop"], pull["last_updated"])
    elif topic == "git.receive":
        parts = (data["repo"]["id"], data["branch"], data["old_commit"], data["end_commit"])
    else:
        return None
    return " ".join([topic, *map(str, parts)])


def parse_event(forge: str, topic: str, data: Mapping[str, Any]) -> Event:
    """The event of a notification. Raises one of MISSHAPEN if the body is not that event."""
    if topic in _STARTED:
        return _pull_request(forge, topic, data)
    parser = _PARSERS.get(topic)
    if parser is None:
        return IgnoredEvent(f"The topic {topic} asks nothing of the bot.")
    return parser(forge, data)


def _pull_request(forge: str, topic: str, data: Mapping[str, Any]) -> Event:
    pull = data["pullrequest"]
    base = str(pull["branch"])
    # The pusher is unknown: the agent of this notification is Pagure itself.
    return PullRequestEvent(_key(forge, pull), "check", head_of(pull), _STARTED[topic], "", base)


def _closed(forge: str, data: Mapping[str, Any]) -> Event:
    pull = data["pullrequest"]
    merged = utc(pull["closed_at"]) if pull["status"] == "Merged" else ""
    return PullRequestEvent(_key(forge, pull), "stop", head_of(pull), "closed", merged)


def _key(forge: str, pull: Mapping[str, Any]) -> PullRequestKey:
    return PullRequestKey(forge, str(pull["project"]["fullname"]), int(pull["id"]))


def _comment_added(forge: str, data: Mapping[str, Any]) -> Event:
    pull = data["pullrequest"]
    comment = _comment_of("pull-request.comment.added", data)
    if comment["notification"]:
        return IgnoredEvent("The comment is a notification of Pagure, in the name of a user.")
    return _comment(_key(forge, pull), comment, str(pull["full_url"]))


def _comment_edited(forge: str, data: Mapping[str, Any]) -> Event:
    pull = data["pullrequest"]
    return _comment(_key(forge, pull), data["comment"], str(pull["full_url"]))


def _comment_of(topic: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The comment of the notification: an added one is the newest of the pull request."""
    if topic == "pull-request.comment.edited":
        comment: Mapping[str, Any] = data["comment"]
    else:
        comment = max(data["pullrequest"]["comments"], key=lambda item: int(item["id"]))
    return comment


def _comment(key: PullRequestKey, comment: Mapping[str, Any], page: str) -> CommentEvent:
    author, edited = name_of(comment["user"]), comment["edited_on"]
    return CommentEvent(
        key=key,
        comment=str(int(comment["id"])),
        author=author,
        sender=name_of(comment["editor"]) if edited else author,
        author_is_bot=is_program(author),
        body=str(comment["comment"]),
        action="edited" if edited else "created",
        updated=utc(edited or comment["date_created"]),
        url=f"{page}#comment-{comment['id']}",
    )


def unedited(key: PullRequestKey, pull: Mapping[str, Any], since: str) -> Iterable[CommentEvent]:
    """A pull request's comments that people wrote at `since` or later and nobody has edited."""
    for comment in pull["comments"]:
        if (
            not comment["notification"]
            and not comment["edited_on"]
            and utc(comment["date_created"]) >= since
        ):
            yield _comment(key, comment, str(pull["full_url"]))


def _push(forge: str, data: Mapping[str, Any]) -> Event:
    # A new branch's is marked: `^000...`.
    before = str(data["old_commit"]).lstrip("^")
    return push_of(forge, data["repo"], str(data["branch"]), before, str(data["end_commit"]))


def _branch_gone(forge: str, data: Mapping[str, Any]) -> Event:
    return push_of(forge, data["repo"], str(data["branch"]), str(data["rev"]), _NOBODY)


def push_of(
    forge: str,
    project: Mapping[str, Any],
    branch: str,
    before: str,
    after: str,
    default_branch: str = "",
) -> PushEvent:
    """The move of a branch of a project, which is public, as private ones send no notifications."""
    name, commits = str(project["fullname"]), f"{project['full_url']}/c"
    return PushEvent(forge, name, branch, before, after, default_branch, commits_url=commits)


def _flagged(forge: str, data: Mapping[str, Any]) -> Event:
    flag = data["flag"]
    name = str(flag["username"])
    if name == STATUS_NAME or flag["status"] == "pending":
        return IgnoredEvent(f"The flag {name} is our own, or pending.")
    project = data["repo"] if "repo" in data else data["pullrequest"]["project"]
    return ChecksEvent(forge, str(project["fullname"]), str(flag["commit_hash"]), (name,))


def _project_gone(forge: str, data: Mapping[str, Any]) -> Event:
    return RepositoriesEvent(forge, removed=(str(data["project"]["fullname"]),))


_PARSERS: Mapping[str, Callable[[str, Mapping[str, Any]], Event]] = {
    "commit.flag.added": _flagged,
    "commit.flag.updated": _flagged,
    "git.branch.deletion": _branch_gone,
    "git.receive": _push,
    "project.deleted": _project_gone,
    "pull-request.closed": _closed,
    "pull-request.comment.added": _comment_added,
    "pull-request.comment.edited": _comment_edited,
}


def read_message(forge: str, message: Message) -> NewDelivery:
    """The delivery of a message; a webhook about the same object has the same identity."""
    return delivery_of(forge, message.topic_after("pagure"), message.id, message.body)
