"""Pagure's REST API: https://pagure.io/api/0/, tokens with ACLs, pages by number.

Weighed in November 2026: ogr (Packit's, MIT) speaks it too, synchronously, through requests and
three other forges' clients, and has nothing for webhooks or waiting; forge/rest.py has the rest.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from bot.forge.rest import RepositoryApi, RestClient, quoted

_PER_PAGE = 100  # the most that it gives
HINT = (
    "See that the token is valid and has the ACLs commit_flag and pull_request_comment (and"
    " issue_create, issue_comment and issue_change_status where the bot keeps issues)."
)


class PagureClient(RestClient):
    """Pagure's API; its errors have their text as `error`, with `errors` beside it."""

    forge = "Pagure"

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        status, given, content = await super()._once(method, url, headers, body)
        if status >= HTTPStatus.BAD_REQUEST:
            content = _with_message(content)
        return status, given, content


def _with_message(content: bytes) -> bytes:
    """An error's body with its text where gidgethub reads it; unchanged where it is no JSON."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if not isinstance(data, dict) or "error" not in data:
        return content
    more = data.get("errors")
    words = str(data["error"]) if not more else f"{data['error']}: {more}"
    return json.dumps({**data, "message": words}).encode()


@dataclass(frozen=True, slots=True)
class PagureApi(RepositoryApi):
    """The API below a project's path, with a token for it.

    A project is `name` or `namespace/name`; a fork, `forks/user/` before that.
    """

    def path(self, rest: str) -> str:
        """The whole path: a fork's begins with `fork`."""
        parts = self.repository.split("/")
        if len(parts) > 2 and parts[0] == "forks":
            parts[0] = "fork"
        return "/" + "/".join(map(quoted, parts)) + rest

    async def pages(self, rest: str, key: str = "items") -> AsyncIterator[Any]:
        """The items of a list, which is the field `key`, over all pages."""
        page, last = 1, 1
        while page <= last:
            mark = "&" if "?" in rest else "?"
            found = await self.get(f"{rest}{mark}per_page={_PER_PAGE}&page={page}")
            for item in found[key]:
                yield item
            last = int(found["pagination"]["pages"])
            page += 1
