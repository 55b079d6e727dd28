"""The bot's comments on pull requests and its issues on Pagure, whose API cannot edit them.

Another comment is written only if its essential text has changed: that without folded parts, the
last line of ids and times, and the addresses of links. The newest comment counts; the commit's flag
is always current.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.forge.comments import Errors
from bot.forge.events import Issue, Issues, IssueText
from bot.forge.pagure.client import PagureApi, name_of
from bot.forge.rest import quoted
from bot.forge.values import Comment, PullRequestKey

Api = Callable[[str], Awaitable[PagureApi]]
Login = Callable[[], Awaitable[str]]
# Pagure does not render these tags; folded parts are on the check's page, which is linked.
_FOLDED = re.compile(r"<details>.*?</details>\n*", re.DOTALL)
_SMALL = re.compile(r"^<sub>(.*)</sub>$", re.MULTILINE)
# Hidden in the page; the text before it in its line is of this check alone.
_OWN_LINE = "<!-- minimize:this-check -->"
_OWN_LINES = re.compile(f"^.*{_OWN_LINE}$", re.MULTILINE)
_ADDRESS = re.compile(r"\]\([^()\s]*\)")


def as_written(body: str) -> str:
    """The text of a comment in the Markdown that Pagure shows."""
    return _SMALL.sub(rf"\1 {_OWN_LINE}", _FOLDED.sub("", body))


def essence(written: str) -> str:
    """The essential text of a comment, whose change makes another comment necessary."""
    return _ADDRESS.sub("]", _OWN_LINES.sub("", written)).strip()


class PagureComments:
    """The bot's comments. `api` gives the API of a project, `login` the bot's account name."""

    def __init__(self, api: Api, login: Login, errors: Errors) -> None:
        self._api = api
        self._login = login
        self._errors = errors

    async def find(self, key: PullRequestKey, marker: str) -> Comment | None:
        """The bot's newest comment with `marker`; those of other accounts are ignored."""
        async with self._errors(f"looking for the comment on {key}"):
            return await self._newest(await self._api(key.repository), key, marker)

    async def put(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Write another comment unless the newest has the same essence; return the newest."""
        if marker not in body:
            raise ValueError("the comment does not contain its own marker")
        async with self._errors(f"commenting on {key}"):
            api = await self._api(key.repository)
            newest = await self._newest(api, key, marker)
            text = as_written(body)
            if newest is not None and essence(newest.body) == essence(text):
                return newest
            await api.post(f"/pull-request/{key.number}/comment", {"comment": text})
            written = await self._newest(api, key, marker)
            if written is None:
                raise LookupError("the comment is not in the list of comments")
            return written

    async def _newest(self, api: PagureApi, key: PullRequestKey, marker: str) -> Comment | None:
        login, pull = await self._login(), await api.get(f"/pull-request/{key.number}")
        own = [
            Comment(str(item["id"]), f"{pull['full_url']}#comment-{item['id']}", item["comment"])
            for item in pull["comments"]
            if name_of(item["user"]) == login and marker in item["comment"]
        ]
        return max(own, key=lambda comment: int(comment.id), default=None)


class PagureIssues(Issues):
    """The bot's issues, which a user's token may create, comment on, close and reopen. Texts and
    titles cannot be edited (except with a project's own token), so the newest text of the bot, the
    issue's or a comment's, counts."""

    def __init__(self, api: Api, login: Login, errors: Errors) -> None:
        self._api = api
        self._login = login
        self._errors = errors

    async def own(self, repository: str, marker: str) -> list[Issue]:
        async with self._errors(f"looking for the issue in {repository}"):
            login, api = await self._login(), await self._api(repository)
            items = api.pages(f"/issues?status=all&author={quoted(login)}", "issues")
            issues = [_issue(item, login) async for item in items]
            own = (issue for issue in issues if marker in issue.body)
            return sorted(own, key=lambda issue: int(issue.id))

    async def create(self, repository: str, text: IssueText) -> Issue:
        async with self._errors(f"writing the issue in {repository}"):
            api, login = await self._api(repository), await self._login()
            fields = {"title": text.title, "issue_content": text.body}
            answer = await api.post("/new_issue", fields)
            return _issue(answer["issue"], login)

    async def edit(
        self, repository: str, issue: Issue, text: IssueText, *, surplus: bool = False
    ) -> Issue:
        del surplus
        async with self._errors(f"writing the issue in {repository}"):
            api = await self._api(repository)
            path = f"/issue/{int(issue.id)}"
            if issue.body.strip() != text.body.strip():
                await api.post(f"{path}/comment", {"comment": text.body})
            state = text.state or issue.state
            if state != issue.state:
                await api.post(f"{path}/status", {"status": state.capitalize()})
            return Issue(issue.id, issue.url, issue.title, text.body, state)


def _issue(item: Mapping[str, Any], login: str) -> Issue:
    texts = [str(item["content"])]
    texts += [
        str(comment["comment"])
        for comment in item["comments"]
        if name_of(comment["user"]) == login and not comment["notification"]
    ]
    return Issue(
        id=str(int(item["id"])),
        url=str(item["full_url"]),
        title=str(item["title"]),
        body=texts[-1],
        state="open" if item["status"] == "Open" else "closed",
    )
