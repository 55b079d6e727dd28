"""The local forge as a GitLab: the same repositories and people, behind GitLab's REST API v4."""

from bot.demo.forge.gitlab.hooks import WebHook
from bot.demo.forge.gitlab.side import GitLabSide

__all__ = ["GitLabSide", "WebHook"]
