"""The comment of `minimize check --ci`: one, kept up to date, and none beside the bot's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest

from bot.ci.reports import put_ci_comment
from bot.ci.systems import ChangeRequest
from bot.forge.values import ForgeRefusedError
from bot.report.render import CI_MARKER, COMMENT_MARKER
from tests.ci.change_request_server import ChangeRequestServer, serving
from tests.report.conftest import predicted, rebuilt, result

Forge = Literal["github", "forgejo", "gitlab"]
FORGES: tuple[Forge, ...] = ("github", "forgejo", "gitlab")


@pytest.fixture
def server() -> Iterator[ChangeRequestServer]:
    with serving(ChangeRequestServer()) as forge:
        yield forge


def change(server: ChangeRequestServer, forge: Forge) -> ChangeRequest:
    api = f"{server.url}/api/v4" if forge == "gitlab" else server.url
    return ChangeRequest(forge, api, server.url, "web/nginx", 7, "token")


@pytest.mark.parametrize("forge", FORGES)
async def test_the_second_run_edits_the_comment_of_the_first(
    server: ChangeRequestServer, forge: Forge
) -> None:
    server.add("ann", f"I quote: {CI_MARKER}")
    await put_ci_comment(change(server, forge), predicted())
    await put_ci_comment(change(server, forge), rebuilt())
    assert [c["user"]["login"] for c in server.comments] == ["ann", "ci-bot"]
    assert CI_MARKER in server.comments[1]["body"]
    assert "Predicted" not in server.comments[1]["body"].split("\n")[1]


@pytest.mark.parametrize("forge", FORGES)
async def test_there_is_none_where_the_bot_comments(
    server: ChangeRequestServer, forge: Forge
) -> None:
    server.add("minimize[bot]", f"{COMMENT_MARKER}\nnginx grows")
    assert await put_ci_comment(change(server, forge), rebuilt()) is None
    assert len(server.comments) == 1


@pytest.mark.parametrize("forge", FORGES)
async def test_there_is_none_where_nothing_changes_unless_one_stands_there(
    server: ChangeRequestServer, forge: Forge
) -> None:
    assert await put_ci_comment(change(server, forge), result()) is None
    assert server.comments == []
    await put_ci_comment(change(server, forge), rebuilt())
    await put_ci_comment(change(server, forge), result())
    (comment,) = server.comments
    assert "no longer" in comment["body"] or "any more" in comment["body"]


async def test_the_jobs_token_of_github_may_not_ask_who_it_is(server: ChangeRequestServer) -> None:
    server.me = None
    for _ in range(2):
        await put_ci_comment(change(server, "github"), rebuilt())
    assert [c["user"]["login"] for c in server.comments] == ["github-actions[bot]"]


@pytest.mark.parametrize("forge", FORGES)
async def test_a_token_that_may_only_read_is_an_error_that_says_so(
    server: ChangeRequestServer, forge: Forge
) -> None:
    server.may_write = False
    with pytest.raises(ForgeRefusedError, match="403"):
        await put_ci_comment(change(server, forge), rebuilt())
