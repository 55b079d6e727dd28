"""A comment of ours that somebody hid as outdated, shown again when it has something new to say.

Only GraphQL can: https://docs.github.com/en/graphql/reference/mutations#unminimizecomment
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import gidgethub

from bot.forge.github.client import GitHubClient

LOG = logging.getLogger(__name__)
_SHOW = (
    "mutation ($comment: ID!) {"
    " unminimizeComment(input: {subjectId: $comment}) { clientMutationId } }"
)


async def show_again(
    client: GitHubClient, token: str, api_url: str, edited: Mapping[str, Any]
) -> None:
    """Shows a comment that was just `edited` (GitHub's own answer) and is hidden as outdated.

    Hidden for another reason it stays hidden: somebody does not want it. Where showing it fails,
    the log says so; the edit stands.
    """
    reason = str((edited.get("minimized") or {}).get("reason") or "")
    if reason.casefold() != "outdated" or not edited.get("node_id"):
        return
    data = {"query": _SHOW, "variables": {"comment": edited["node_id"]}}
    try:
        answer = await client.post(_graphql(api_url), data=data, oauth_token=token)
        problems = answer.get("errors")
    except gidgethub.HTTPException as error:
        problems = error
    if problems:
        LOG.warning("comment %s is edited and stays hidden: %s", edited.get("html_url"), problems)


def _graphql(api_url: str) -> str:
    """Its address: beside `/v3` on a server of one's own, below the API on github.com."""
    return f"{api_url.rstrip('/').removesuffix('/v3')}/graphql"
