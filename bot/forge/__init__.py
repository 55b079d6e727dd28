"""Forges: webhooks in, comments and statuses out. One small interface, one module for each forge.

`FORGE_TYPES` of the settings is the table of them: a new forge is one module and its row there.
"""

from __future__ import annotations

from importlib import import_module

from bot.forge.events import (
    MERGE_GROUP_CHECK,
    ChecksEvent,
    CommentEvent,
    Event,
    MergeGroupEvent,
    PushEvent,
    RerunEvent,
)
from bot.forge.github.forge import GitHub
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
from bot.settings import FORGE_TYPES, ForgeSettings, Settings


def open_forges(settings: Settings) -> dict[str, Forge]:
    """The forges of the settings, by their names there; UsageError if a secret is missing."""
    return {name: _open(name, forge) for name, forge in settings.forges.items()}


def _open(name: str, settings: ForgeSettings) -> Forge:
    # Only for who has such a forge: python-gitlab and requests, say.
    module = import_module(FORGE_TYPES[settings.type].module)
    forge: Forge = module.open_forge(name, settings)
    return forge


__all__ = [
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
