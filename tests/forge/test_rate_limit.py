"""A forge's rate limit is read from its answers, and obeyed before the next request."""

from __future__ import annotations

import time

import pytest

from bot.forge.rate_limit import RateLimit, requested_wait
from bot.forge.values import ForgeError, PullRequestKey
from tests.forge.gitlab_world import gitlab_world

KEY = PullRequestKey("gh", "o/r", 7)
PULL = {"base": {"ref": "m", "sha": "b"}, "head": {"sha": "a"}}
PATH = "/repos/o/r/pulls/7"


@pytest.mark.parametrize(
    ("status", "headers", "text", "wait"),
    [
        (200, {"retry-after": "5"}, "", None),
        (403, {}, "Resource not accessible by integration", None),
        (403, {"retry-after": "5"}, "", 5),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1030"}, "", 30),
        (403, {"x-ratelimit-remaining": "9"}, "exceeded a secondary rate limit", 60),
        (429, {"ratelimit-reset": "1012"}, "", 12),
        (429, {"ratelimit-reset": "soon"}, "", 60),
        (503, {"retry-after": "5"}, "", None),
    ],
)
def test_how_long_an_answer_asks_to_wait(
    status: int, headers: dict[str, str], text: str, wait: float | None
) -> None:
    assert requested_wait(status, headers, text, 1000.0) == wait


def test_the_last_request_of_a_quota_holds_the_next_until_the_reset() -> None:
    now = [1000.0]
    limit = RateLimit("GitHub", clock=lambda: now[0])
    named = {"X-RateLimit-Limit": "5000", "X-RateLimit-Reset": "1600"}
    limit.learn(200, {**named, "X-RateLimit-Remaining": "1"})
    assert (limit.limit, limit.remaining, limit.wait) == (5000, 1, 0)
    limit.learn(200, {**named, "X-RateLimit-Remaining": "0"})
    assert limit.wait == 600
    with pytest.raises(
        ForgeError, match="limits further requests of the bot \\(reading\\)"
    ) as caught:
        limit.check("reading")
    assert caught.value.wait == 600
    # A shorter wait that comes later is none that ends earlier.
    limit.learn(429, {"Retry-After": "5"})
    assert limit.wait == 600
    now[0] += 600
    limit.check("reading")
    now[0] -= 90_000  # the clock is set back
    limit.check("reading")


@pytest.mark.parametrize(
    ("window", "header", "seconds"), [(3600.0, "5000", 7.2), (60.0, "2000", 0.3), (60.0, "", 7.2)]
)
def test_the_pause_of_a_tenth_of_the_quota(window: float, header: str, seconds: float) -> None:
    limit = RateLimit("it", window)
    limit.learn(200, {"RateLimit-Limit": header})
    assert limit.pause(0.1) == pytest.approx(seconds)


async def test_github_is_not_asked_while_it_wants_to_be_left_alone(forge, tiny) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 900)}
    tiny.answer("GET", PATH, (200, reset, PULL))
    await forge.pull_request(KEY)
    with pytest.raises(ForgeError, match="limits further requests") as caught:
        await forge.pull_request(KEY)
    assert 800 < caught.value.wait <= 900
    assert len(tiny.seen("GET", PATH)) == 1


async def test_gitlab_is_not_asked_while_it_wants_to_be_left_alone(tmp_path) -> None:
    async with gitlab_world(tmp_path) as world:
        world.local.fail_next("/diffs", 429, headers={"Retry-After": "600"})
        with pytest.raises(ForgeError, match="limits further requests"):
            await world.gitlab.changed_files(world.key)
        before = len(world.local.requests)
        with pytest.raises(ForgeError, match="limits further requests") as caught:
            await world.gitlab.pull_request(world.key)
        assert caught.value.wait > 590
        assert len(world.local.requests) == before
