"""Users of GitLab: roles, groups, bots, and the bot's own account.

https://docs.gitlab.com/api/members/, https://docs.gitlab.com/api/users/
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import gitlab
from gitlab.exceptions import GitlabGetError, GitlabHttpError, GitlabListError

from bot.forge.gitlab.events import is_bot_name
from bot.forge.values import Role, remember

# https://docs.gitlab.com/api/access_requests/#valid-access-levels, highest first.
_ROLES: tuple[tuple[int, Role], ...] = (
    (50, "admin"),  # Owner
    (40, "maintain"),  # Maintainer
    (30, "write"),  # Developer
    (20, "triage"),  # Reporter
    (10, "read"),  # Guest, Planner
)
# Answers for an account that is not visible to the bot.
_NOT_FOR_US = (401, 403, 404)
_NOT_FOUND = 404


class GitLabPeople:
    """Queries on users; only the bot's own account and which users are bots are cached."""

    def __init__(self) -> None:
        self._login: str | None = None
        self._bots: OrderedDict[int, bool] = OrderedDict()

    def own_login(self, client: gitlab.Gitlab) -> str:
        """The user name that the token belongs to."""
        if self._login is None:
            client.auth()
            assert client.user is not None
            self._login = str(client.user.username)
        return self._login

    def role(self, client: gitlab.Gitlab, project: Any, user: str) -> Role:
        """The role by access level, including inherited memberships and invited groups."""
        # All users may read a public project, only members a private one.
        stranger: Role = "read" if project.visibility == "public" else "none"
        identity = _number_of(client, user)
        if identity is None:
            return "none"
        member = _member(project, identity)
        if member is None:
            return stranger
        level = int(member.access_level)
        return next((role for least, role in _ROLES if level >= least), stranger)

    def is_member(self, client: gitlab.Gitlab, group: str, user: str) -> bool:
        """Return whether `user` is in the group with this path, directly or by a parent group."""
        identity = _number_of(client, user)
        if identity is None:
            return False
        return _member(client.groups.get(group, lazy=True), identity) is not None

    def is_bot(self, client: gitlab.Gitlab, user: str) -> bool:
        """Return whether the user of this name is a program's account."""
        return self.is_bots(client, {"username": user, "id": _number_of(client, user)})

    def is_bots(self, client: gitlab.Gitlab, author: Mapping[str, Any] | None) -> bool:
        """Return whether an account of an answer (`username` and `id`) is a program's."""
        author = author or {}
        if is_bot_name(str(author.get("username") or "")):
            return True
        identity = author.get("id")
        if not isinstance(identity, int):
            return False
        if identity not in self._bots:
            try:
                user = client.users.get(identity)
            except GitlabGetError as error:
                if error.response_code not in _NOT_FOR_US:
                    raise
                return False
            remember(self._bots, identity, bool(getattr(user, "bot", False)))
        return self._bots[identity]


def pusher(client: gitlab.Gitlab, project: int, branch: str, sha: str) -> str:
    """The user who pushed a commit to a branch; empty if no visible event says so.

    https://docs.gitlab.com/api/events/#list-all-visible-events-for-a-project, newest first.
    """
    pushes = client.projects.get(project, lazy=True).events
    try:
        events = pushes.list(action="pushed", per_page=100, get_all=False)
    except (GitlabGetError, GitlabListError, GitlabHttpError) as error:
        if error.response_code not in _NOT_FOR_US:
            raise
        return ""
    for event in events:
        data = getattr(event, "push_data", None) or {}
        if (data.get("ref"), data.get("commit_to")) == (branch, sha):
            return str(getattr(event, "author_username", "") or "")
    return ""


def _member(container: Any, identity: int) -> Any:
    """A user's active membership in a project or group, or None."""
    try:
        member = container.members_all.get(identity)
    except GitlabGetError as error:
        if error.response_code != _NOT_FOUND:
            raise
        return None
    # The invitation was accepted, and the account is neither blocked nor banned.
    accepted = getattr(member, "membership_state", "active") == "active"
    return member if accepted and getattr(member, "state", "active") == "active" else None


def _number_of(client: gitlab.Gitlab, user: str) -> int | None:
    """The id of the user with this name, or None if there is none."""
    users = client.users.list(username=user, get_all=False)
    return next((int(u.id) for u in users if str(u.username).casefold() == user.casefold()), None)
