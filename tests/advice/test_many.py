"""Many images: computed in shares, kept, and read again while nothing changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.advice import many
from bot.advice.advise import Wish, advise
from bot.advice.many import advise_many, overall_of
from bot.advice.requests import Job
from bot.model.image import ImageKey
from tests.closure.conftest import request


def here(function, values):
    return [function(value) for value in values]


@pytest.fixture
def jobs(tiny) -> list[Job]:
    base = tiny.repository()
    for number in range(20):
        base.package(f"app{number}-0:1-1.x86_64", requires=["lib", f"extra{number}"])
        base.package(f"extra{number}-0:1-1.x86_64", size=1000 + number)
    base.package("lib-zero-0:1-1.x86_64", size=700, provides=["lib"], source="lib-1-1")
    base.package("big-0:1-1.x86_64", size=9000, provides=["lib"], source="lib-1-1")
    pool = tiny.pool(base)
    return [
        Job(pool, replace(request(f"app{n}"), key=ImageKey(f"w{n:02}", "e", "d", "x86_64")))
        for n in range(20)
    ]


def test_shares_give_what_each_image_alone_gives(jobs, tiny):
    alone = [advice for job in jobs for advice in advise([job], Wish(1))]
    assert advise_many(jobs, Wish(1), tiny.cache, here) == alone


def test_what_is_unchanged_is_read_again(jobs, tiny, monkeypatch):
    first = advise_many(jobs, Wish(1), tiny.cache, here)
    together = overall_of(first, jobs, Wish(1), tiny.cache)
    computed: list[Job] = []
    monkeypatch.setattr(many, "advise", lambda group, *_: computed.extend(group) or ())
    monkeypatch.setattr(many, "overall", None)
    assert advise_many(jobs, Wish(1), tiny.cache, here) == first
    assert overall_of(first, jobs, Wish(1), tiny.cache) == together
    assert computed == []
    advise_many([replace(jobs[0], needs=("lib",)), *jobs[1:]], Wish(1), tiny.cache, here)
    assert [job.request.key.workload for job in computed] == ["w00"]
    computed.clear()
    advise_many(jobs, Wish(2), tiny.cache, here)
    assert len(computed) == 20
