"""GitLab's webhooks: identities of their objects, and their events as values.

Project, group and system hooks: https://docs.gitlab.com/user/project/integrations/webhook_events/,
https://docs.gitlab.com/administration/system_hooks/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from bot import limits
from bot.forge.events import (
    MISSHAPEN,
    ChecksEvent,
    CommentEvent,
    Event,
    Parsers,
    PushEvent,
    RepositoriesEvent,
    is_unedited,
    json_object,
    parse_by,
    parse_push,
    parsed_delivery,
)
from bot.forge.values import (
    IgnoredEvent,
    PullRequestEvent,
    PullRequestKey,
    WebhookRefusedError,
)
from bot.store.records import NewDelivery

# https://docs.gitlab.com/api/projects/#project-visibility-level
_PUBLIC_LEVEL = 20
# The names of users of project and group tokens.
_BOT_NAME = re.compile(r"^(project|group)_\d+_bot([_-].+)?$|^service_account_|^(ghost|alert-bot)$")
# Headers' events, and the kinds that their bodies must have.
_KINDS: Mapping[str, tuple[str, ...]] = {
    "Merge Request Hook": ("merge_request",),
    "Note Hook": ("note",),
    "Confidential Note Hook": ("note",),
    "Push Hook": ("push",),
    "Tag Push Hook": ("tag_push",),
    "Pipeline Hook": ("pipeline",),
}
# Ended pipelines and jobs: https://docs.gitlab.com/api/pipelines/, status.
ENDED = ("success", "failed", "canceled", "skipped")
_STARTED = {"open": "opened", "reopen": "reopened"}


def read_delivery(forge: str, web_url: str, headers: Mapping[str, str], body: bytes) -> NewDelivery:
    """The delivery of a verified body; WebhookRefusedError 400 if it does not fit its headers."""
    _check_instance(web_url, headers)
    header = headers.get("x-gitlab-event", "")
    if not 0 < len(header) <= limits.WEBHOOK_NAME:
        raise WebhookRefusedError(400, "The header X-Gitlab-Event is missing or too long.")
    data = json_object(body)
    kind = data.get("object_kind") or data.get("event_name") or data.get("event_type")
    if not isinstance(kind, str) or not 0 < len(kind) <= limits.WEBHOOK_NAME:
        raise WebhookRefusedError(400, "The body does not name its event.")
    if kind not in _KINDS.get(header, (kind,)):
        raise WebhookRefusedError(
            400, f"The body is of the event {kind}, but the header of {header}."
        )
    identity = delivery_id(headers, body)
    return parsed_delivery(forge, kind, identity, body, data, _PARSERS, carried_object)


def _check_instance(web_url: str, headers: Mapping[str, str]) -> None:
    """Refuse deliveries of another instance, which may share the secret by mistake."""
    instance = headers.get("x-gitlab-instance")
    if instance is None:
        return
    host = urlsplit(instance if "://" in instance else f"//{instance}").hostname
    expected = urlsplit(web_url).hostname
    if host != expected:
        raise WebhookRefusedError(
            400,
            f"It comes from the instance {instance[:100]}, but web_url in the settings is"
            f" {expected}.",
        )


def delivery_id(headers: Mapping[str, str], body: bytes) -> str:
    """The id of a delivery, the same when GitLab sends it again; old versions send none."""
    for name in ("webhook-id", "idempotency-key"):
        if 0 < len(headers.get(name, "")) <= limits.WEBHOOK_NAME:
            return headers[name]
    # The event's UUID is shared by all hooks that it triggers, so the body's hash is added.
    event = headers.get("x-gitlab-event-uuid", "")[: limits.WEBHOOK_NAME]
    return f"{event}:{hashlib.sha256(body).hexdigest()[:32]}"


def carried_object(kind: str, data: Mapping[str, Any]) -> str | None:
    """The identity of a delivery's object, so that deliveries of a project's, a group's and a
    system hook are taken once.

    None for events that repeat only by their delivery id.
    """
    if kind == "merge_request":
        attributes = data["object_attributes"]
        commit = (attributes.get("last_commit") or {}).get("id", "")
        parts = (
            attributes.get("action", ""),
            attributes["iid"],
            attributes.get("oldrev", ""),
            commit,
        )
        return _name(kind, data["project"], *parts, attributes.get("updated_at", ""))
    if kind == "note":
        note = data["object_attributes"]
        # A note edited within the second of its creation has the same time.
        text = hashlib.sha256(str(note.get("note")).encode(errors="replace")).hexdigest()[:16]
        return _name(kind, data["project"], note["id"], note.get("updated_at", ""), text)
    return None


def _name(kind: str, project: Mapping[str, Any], *parts: object) -> str:
    # By the project's path: system hooks of some versions lack its id.
    return " ".join([kind, str(project["path_with_namespace"]), *map(str, parts)])


def project_of(data: Mapping[str, Any]) -> tuple[str, int] | None:
    """The path and id of the project that a delivery names, or None."""
    try:
        project = data["project"]
        return str(project["path_with_namespace"]), int(project["id"])
    except MISSHAPEN:
        return None


def is_bot_name(username: str) -> bool:
    """Return whether a user name has the form of those for tokens and service accounts."""
    return _BOT_NAME.match(username) is not None


def parse_event(forge: str, kind: str, data: Mapping[str, Any]) -> Event:
    """The event of a delivery. Raises one of MISSHAPEN if the body is not that event."""
    return parse_by(_PARSERS, forge, kind, data)


def _merge_request(forge: str, data: Mapping[str, Any]) -> Event:
    attributes = data["object_attributes"]
    key = PullRequestKey(forge, str(data["project"]["path_with_namespace"]), int(attributes["iid"]))
    # A merge request without commits, or with a deleted branch, has none.
    head = str((attributes.get("last_commit") or {}).get("id") or "")
    action = str(attributes.get("action") or "")
    if action in ("close", "merge"):
        merged = rfc3339(str(attributes.get("updated_at") or "")) if action == "merge" else ""
        return PullRequestEvent(key, "stop", head, "closed", merged)
    if not head:
        return IgnoredEvent("The merge request has no commits.")
    change = _update_action(data) if action == "update" else _STARTED.get(action)
    if change is None:
        return IgnoredEvent(f"The action {action or 'none'} of a merge request changes no package.")
    base = str(attributes.get("target_branch") or "")
    # In other actions the user is the actor, who need not have pushed.
    pusher = (data.get("user") or {}).get("username") if change == "synchronize" else None
    return PullRequestEvent(key, "check", head, change, base_ref=base, pusher=str(pusher or ""))


def rfc3339(text: str) -> str:
    """A time of GitLab, `2026-01-02 03:04:05 UTC` or RFC 3339, as RFC 3339 in UTC."""
    if not text:
        return ""
    time = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _update_action(data: Mapping[str, Any]) -> str | None:
    """The action of an update that concerns a check, by GitHub's name; None for others."""
    changes = data.get("changes") or {}
    if data["object_attributes"].get("oldrev"):
        return "synchronize"
    if "target_branch" in changes:
        return "edited (base)"
    draft = changes.get("draft") or changes.get("work_in_progress") or {}
    if draft.get("previous") is True and draft.get("current") is False:
        return "ready_for_review"
    return None


def _note(forge: str, data: Mapping[str, Any]) -> Event:
    note = data["object_attributes"]
    if note["noteable_type"] != "MergeRequest":
        return IgnoredEvent("The note is on no merge request.")
    if note.get("system"):
        return IgnoredEvent("The note is a system note of GitLab.")
    if note.get("internal") or data.get("event_type") == "confidential_note":
        return IgnoredEvent("The note is internal, and an answer would be public.")
    request = data["merge_request"]
    user = str(data["user"]["username"])
    # `user` made this version; if that is not the note's author, only the author's id is given.
    own = note.get("author_id") in (None, data["user"].get("id"))
    edited = note.get("action") == "update"
    return CommentEvent(
        key=PullRequestKey(forge, str(data["project"]["path_with_namespace"]), int(request["iid"])),
        comment=str(int(note["id"])),
        author=user if own else "",
        sender=user,
        author_is_bot=is_bot_name(user),
        body=str(note.get("note") or ""),
        action="edited" if edited else "created",
        updated=str(note.get("updated_at") or ""),
        url=str(note.get("url") or ""),
    )


def unedited(
    key: PullRequestKey, notes: Iterable[Mapping[str, Any]], since: str
) -> tuple[CommentEvent, ...]:
    """The API's notes that people wrote at `since` or later and nobody has edited."""
    return tuple(
        CommentEvent(
            key=key,
            comment=str(int(note["id"])),
            author=str((note.get("author") or {}).get("username") or ""),
            sender=str((note.get("author") or {}).get("username") or ""),
            author_is_bot=is_bot_name(str((note.get("author") or {}).get("username") or "")),
            body=str(note.get("body") or ""),
            action="created",
            updated=str(note["updated_at"]),
        )
        for note in notes
        if not note.get("system") and not note.get("internal") and is_unedited(note, since)
    )


def _push(forge: str, data: Mapping[str, Any]) -> Event:
    return parse_push(forge, data, "project", push_of)


def push_of(
    forge: str, project: Mapping[str, Any], branch: str, before: str, after: str
) -> PushEvent:
    """The move of a branch of a project, as a webhook or the API describes it."""
    page = str(project.get("web_url") or "")
    public = (project.get("visibility_level"), project.get("visibility"))
    return PushEvent(
        forge,
        str(project["path_with_namespace"]),
        branch,
        before,
        after,
        default_branch=str(project.get("default_branch") or ""),
        private=public not in ((_PUBLIC_LEVEL, None), (None, "public")),
        commits_url=f"{page}/-/commit" if page else "",
    )


def _pipeline(forge: str, data: Mapping[str, Any]) -> Event:
    attributes = data["object_attributes"]
    status = str(attributes["status"])
    if status not in ENDED:
        return IgnoredEvent(f"A pipeline is {status}: there is nothing to look at yet.")
    # Without names: the pipeline and its jobs have ended, under several names.
    return ChecksEvent(forge, str(data["project"]["path_with_namespace"]), str(attributes["sha"]))


def _rename(forge: str, data: Mapping[str, Any]) -> Event:
    after, before = data["path_with_namespace"], data["old_path_with_namespace"]
    return RepositoriesEvent(forge, (str(after),), (str(before),))


def _deletion(forge: str, data: Mapping[str, Any]) -> Event:
    return RepositoriesEvent(forge, removed=(str(data["path_with_namespace"]),))


_PARSERS: Parsers = {
    "merge_request": _merge_request,
    "note": _note,
    "push": _push,
    "pipeline": _pipeline,
    "project_destroy": _deletion,
    "project_rename": _rename,
    "project_transfer": _rename,
}
