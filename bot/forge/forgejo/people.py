"""Users of Forgejo and Gitea: roles, teams, and who pushed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import gidgethub

from bot.forge.events import MISSHAPEN
from bot.forge.forgejo.client import PAGE
from bot.forge.rest import RepositoryApi, quoted
from bot.forge.values import Role

# There is no triage: who may sort issues without writing code is a reader to us.
_ROLES: Mapping[str, Role] = {"read": "read", "write": "write", "admin": "admin", "owner": "admin"}


async def role(api: RepositoryApi, user: str) -> Role:
    """The role of a user, that of teams included; only the repository's administrators may ask."""
    answer = await found(api, api.path(f"/collaborators/{quoted(user)}/permission"))
    return _ROLES.get(str((answer or {}).get("permission")), "none")


async def is_member(api: RepositoryApi, group: str, user: str) -> bool:
    """Return whether a user is in the team `organisation/team`."""
    organisation, _, team = group.partition("/")
    search = f"/orgs/{quoted(organisation)}/teams/search?q={quoted(team)}&{PAGE}"
    listed = api.client.getiter(search, oauth_token=api.token, iterable_key="data")
    async for one in listed:
        if str(one["name"]).casefold() == team.casefold():
            member = f"/teams/{int(one['id'])}/members/{quoted(user)}"
            return await found(api, member) is not None
    return False


async def pusher(api: RepositoryApi, repository: str, branch: str, sha: str) -> str:
    """Who moved a branch to a commit; empty where the newest activities do not say so."""
    there = RepositoryApi(api.client, api.token, repository)
    # A fork may not be for us to see.
    listed = await found(there, there.path(f"/activities/feeds?{PAGE}"), HTTPStatus.FORBIDDEN)
    for one in listed or ():  # newest first
        is_push = one.get("op_type") == "commit_repo" and one.get("ref_name") in (
            branch,
            f"refs/heads/{branch}",
        )
        if is_push and _head_of(str(one.get("content") or "")) == sha:
            return str((one.get("act_user") or {}).get("login") or "")
    return ""


def _head_of(content: str) -> str:
    """The commit that a push moved its branch to, by the text that the forge has of it."""
    try:
        data = json.loads(content)
        return str((data.get("HeadCommit") or data["Commits"][0])["Sha1"])
    except MISSHAPEN:
        return ""


async def found(api: RepositoryApi, path: str, *nothing: HTTPStatus) -> Any:
    """The answer of a path; null where the forge says 404, or one of `nothing`."""
    try:
        return await api.client.getitem(path, oauth_token=api.token)
    except gidgethub.HTTPException as error:
        if error.status_code not in (HTTPStatus.NOT_FOUND, *nothing):
            raise
        return None
