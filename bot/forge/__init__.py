"""Forges: webhooks in, comments and statuses out. One small interface, one module for each forge.

`FORGES` is the table of them by type: a new forge is one module and its row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.forge.events import (
    MERGE_GROUP_CHECK,
    ChecksEvent,
    CommentEvent,
    Event,
    MergeGroupEvent,
    PushEvent,
    RerunEvent,
)
from bot.forge.github import GitHub
from bot.forge.issues import Issue, Issues, IssueText
from bot.forge.protocol import Forge
from bot.forge.values import (
    ROLES,
    STATUS_NAME,
    Annotation,
    CheckState,
    Comment,
    CommitCheck,
    ForgeError,
    ForgeFile,
    ForgeGoneError,
    ForgeRefusedError,
    ForgeTooLargeError,
    IgnoredEvent,
    PullRequest,
    PullRequestEvent,
    PullRequestKey,
    Role,
    Source,
    StatusReport,
    WebhookRefusedError,
)
from bot.settings import ForgeSettings, Settings


def _gitlab(name: str, settings: ForgeSettings) -> Forge:
    from bot.forge.gitlab import GitLab  # python-gitlab and requests: only for who has a GitLab

    return GitLab.from_settings(name, settings)


FORGES: Mapping[str, Callable[[str, ForgeSettings], Forge]] = {
    "github": GitHub.from_settings,
    "gitlab": _gitlab,
}


def open_forges(settings: Settings) -> dict[str, Forge]:
    """The forges of the settings, by their names there; UsageError if a secret is missing."""
    return {name: FORGES[forge.type](name, forge) for name, forge in settings.forges.items()}


__all__ = [
    "FORGES",
    "MERGE_GROUP_CHECK",
    "ROLES",
    "STATUS_NAME",
    "Annotation",
    "CheckState",
    "ChecksEvent",
    "Comment",
    "CommentEvent",
    "CommitCheck",
    "Event",
    "Forge",
    "ForgeError",
    "ForgeFile",
    "ForgeGoneError",
    "ForgeRefusedError",
    "ForgeTooLargeError",
    "GitHub",
    "IgnoredEvent",
    "Issue",
    "IssueText",
    "Issues",
    "MergeGroupEvent",
    "PullRequest",
    "PullRequestEvent",
    "PullRequestKey",
    "PushEvent",
    "RerunEvent",
    "Role",
    "Source",
    "StatusReport",
    "WebhookRefusedError",
    "open_forges",
]
