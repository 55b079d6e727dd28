"""GitHub away, busy, moved or refusing: waited for, asked again, or told in our words."""

import time

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.forge import rest
from bot.forge.values import (
    ForgeError,
    ForgeRefusedError,
    ForgeTooLargeError,
    PullRequestKey,
)
from tests.forge.conftest import REFUSALS
from tests.forge.test_github_api import comment

KEY = PullRequestKey("gh", "o/r", 7)
MARKER = "<!-- minimize -->"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have waited."""
    waited: list[float] = []

    async def note(self, seconds: float) -> None:
        waited.append(round(seconds, 1))
        self._limit._held_until = 0.0  # the time is over

    monkeypatch.setattr(rest.RestClient, "sleep", note)
    return waited


PATH = "/repos/o/r/pulls/7"
GOOD = {"base": {"ref": "m", "sha": "b"}, "head": {"sha": "a"}}


async def test_a_secondary_limit_is_waited_for_as_long_as_it_says(forge, tiny, waits) -> None:
    limited = (403, {"Retry-After": "7"}, {"message": "secondary rate limit"})
    tiny.answer("GET", PATH, limited, GOOD)
    assert (await forge.pull_request(KEY)).head_sha == "a"
    assert waits == [7.0]


async def test_a_broken_forge_is_asked_again_for_reading_but_not_for_writing(
    forge, tiny, waits
) -> None:
    tiny.answer("GET", PATH, (502, {}, {}), (503, {}, {}), GOOD)
    await forge.pull_request(KEY)
    assert len(waits) == 2
    tiny.lists["/repos/o/r/issues/7/comments"] = []
    tiny.answer("POST", "/repos/o/r/issues/7/comments", (502, {}, {}))
    with pytest.raises(ForgeError, match="GitHub failed"):
        await forge.put_comment(KEY, MARKER, MARKER)
    # It may have been written: whoever tries again looks first.
    assert len(tiny.seen("POST", "/repos/o/r/issues/7/comments")) == 1


async def test_an_edit_that_failed_is_left_to_who_looks_at_the_head_again(
    forge, tiny, waits
) -> None:
    tiny.lists["/repos/o/r/issues/7/comments"] = [comment(5, "minimize-bot", MARKER + "old")]
    for status, headers in ((502, {}), (403, {"Retry-After": "7"})):
        tiny.answer("PATCH", "/repos/o/r/issues/comments/5", (status, headers, {}))
        with pytest.raises(ForgeError):
            await forge.put_comment(KEY, MARKER, MARKER + "new")
    assert waits == []
    assert len(tiny.seen("PATCH", "/repos/o/r/issues/comments/5")) == 2


async def test_a_long_rate_limit_is_left_to_the_engine(forge, tiny, waits) -> None:
    reset = {"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0"}
    reset["X-RateLimit-Reset"] = str(int(time.time()) + 900)
    tiny.answer("GET", PATH, (403, reset, {"message": "API rate limit exceeded"}))
    with pytest.raises(ForgeError, match="limits further requests") as caught:
        await forge.pull_request(KEY)
    assert not isinstance(caught.value, ForgeRefusedError)
    assert 800 < caught.value.wait <= 900
    assert waits == []


@pytest.mark.parametrize(("status", "error"), REFUSALS)
async def test_what_is_gone_and_what_is_refused_are_told_apart(
    forge, tiny, status: int, error: type[Exception]
) -> None:
    tiny.answer("GET", PATH, (status, {}, {"message": "said why"}))
    with pytest.raises(error, match="said why"):
        await forge.pull_request(KEY)


@pytest.mark.parametrize("status", [406, 422])
async def test_files_that_are_too_many_to_list_are_told_as_that(forge, tiny, status: int) -> None:
    said = {"message": "Sorry, this diff is taking too long to generate.", "errors": []}
    tiny.answer("GET", f"{PATH}/files", (status, {}, said))
    with pytest.raises(ForgeTooLargeError, match="too long to generate"):
        await forge.changed_files(KEY)


async def test_half_an_answer_and_no_answer_are_the_forges_fault(forge, tiny, waits) -> None:
    tiny.answer("GET", PATH, {"head": {}})
    with pytest.raises(ForgeError, match="unexpected answer"):
        await forge.pull_request(KEY)
    forge._settings = forge._settings.model_copy(update={"api_url": "http://127.0.0.1:9"})
    with pytest.raises(ForgeError, match="cannot be reached"):
        await forge.pull_request(KEY)
    assert len(waits) == 3


async def test_a_renamed_repository_is_written_to_where_it_is_now(forge, tiny) -> None:
    path = "/repos/o/r/issues/comments/5/reactions"
    there = "/repositories/77/issues/comments/5/reactions"
    tiny.answer("POST", path, (307, {"Location": f"{tiny.url}{there}"}, {}))
    tiny.answer("POST", there, (201, {}, {"id": 1}))
    await forge.react(KEY, "5", "eyes")
    assert tiny.seen("POST", there) == [{"content": "eyes"}]


async def test_a_redirect_to_another_host_is_not_followed(forge, tiny) -> None:
    tiny.answer("GET", PATH, (301, {"Location": "http://127.0.0.2:9/elsewhere"}, {}))
    with pytest.raises(ForgeError):
        await forge.pull_request(KEY)
    assert len(tiny.requests) == 1


async def test_a_next_page_at_another_host_is_not_asked_for(forge, tiny) -> None:
    async with TestServer(web.Application()) as other:
        link = {"Link": f'<{other.make_url("/page2")}>; rel="next"'}
        tiny.answer("GET", f"{PATH}/files", (200, link, []))
        with pytest.raises(ForgeError, match="its next page is at http"):
            await forge.changed_files(KEY)


async def test_a_secondary_limit_that_says_no_time_is_a_minute(forge, tiny, waits) -> None:
    said = {"message": "You have exceeded a secondary rate limit. Please wait."}
    tiny.answer("GET", PATH, (403, {}, said))
    with pytest.raises(ForgeError, match="limits further requests") as caught:
        await forge.pull_request(KEY)
    assert caught.value.wait == 60


async def test_an_archived_repository_is_told_in_its_own_words(forge, tiny) -> None:
    tiny.lists["/repos/o/r/issues/7/comments"] = []
    said = {"message": "Repository was archived so is read-only."}
    tiny.answer("POST", "/repos/o/r/issues/7/comments", (403, {}, said))
    with pytest.raises(ForgeRefusedError, match="archived"):
        await forge.put_comment(KEY, MARKER, MARKER)


async def test_a_commit_that_the_api_does_not_know_yet_is_another_trys(forge, tiny) -> None:
    said = {"message": f"No commit found for SHA: {'a' * 40}"}
    tiny.answer("GET", f"/repos/o/r/commits/{'a' * 40}/pulls", (422, {}, said))
    with pytest.raises(ForgeError, match="does not know aaaaaaaaaaaa yet") as caught:
        await forge.pull_of("o/r", "main", "a" * 40)
    assert not isinstance(caught.value, ForgeRefusedError)
