"""Users of Pagure: their roles in a project, by themselves and by groups, and who pushed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import gidgethub

from bot.forge.pagure.client import PagureApi
from bot.forge.pagure.pulls import name_of
from bot.forge.rest import quoted
from bot.forge.values import Role

# The highest first. A collaborator may push to some branches, which the API does not name.
_ACCESS: Sequence[tuple[str, Role]] = (
    ("owner", "admin"),
    ("admin", "admin"),
    ("commit", "write"),
    ("collaborator", "triage"),
    ("ticket", "triage"),
)


async def role(api: PagureApi, user: str) -> Role:
    """The role of a user, that of the project's groups included.

    Whoever else has an account may read, as all may. Pagure's settings may let a group commit to
    all projects (EXTERNAL_COMMITTER); its API does not say so.
    """
    project = await api.get("")
    users, groups = project["access_users"], project["access_groups"]
    for access, named in _ACCESS:
        if user in users.get(access, ()):
            return named
        for group in groups.get(access, ()):
            if await is_member(api, group, user):
                return named
    return "none" if await found(api, f"/user/{quoted(user)}?per_page=1") is None else "read"


async def is_member(api: PagureApi, group: str, user: str) -> bool:
    """Return whether a user is in a group; one that is not there has no members."""
    answer = await found(api, f"/group/{quoted(group)}")
    return answer is not None and user in answer["members"]


def pusher(pull: Mapping[str, Any], repository: str) -> str | None:
    """The owner of the fork that a head came from, as Pagure records no pusher.

    None for a branch of the project itself; `ghost` where the fork is gone or on another server.
    """
    source = pull.get("repo_from")
    if source is None:
        return "ghost"
    own = str(source["fullname"]) == repository
    return None if own else name_of(source["user"])


async def found(api: PagureApi, path: str) -> Any:
    """The answer of a path; null where the forge says 404."""
    try:
        return await api.client.getitem(path, oauth_token=api.token)
    except gidgethub.HTTPException as error:
        if error.status_code != HTTPStatus.NOT_FOUND:
            raise
        return None
