"""Many images: computed in shares, cached while nothing changes; edits over all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.advice import many
from bot.advice.advise import Wish, advise
from bot.advice.many import advise_many, overall_of
from bot.advice.overall import overall
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


def overall_of_two(tiny, edits: int, *names: str):
    base = tiny.repository()
    base.package("a-0:1-1.x86_64", requires=["base", "extra"])
    base.package("b-0:1-1.x86_64", requires=["base"])
    base.package("c-0:1-1.x86_64", requires=["both", "base"])
    base.package("base-0:1-1.x86_64", requires=["heavy"])
    base.package("both-0:1-1.x86_64", requires=["heavy"])
    base.package("heavy-0:1-1.x86_64", size=5000)
    base.package("extra-0:1-1.x86_64", size=9000)
    pool = tiny.pool(base)
    jobs = [
        Job(pool, replace(request(name), key=ImageKey(name, "e", "d", "x86_64"))) for name in names
    ]
    advices = [advice for job in jobs for advice in advise([job], Wish(edits))]
    return overall(advices, jobs, "installed", edits)


def test_an_edit_counts_in_images_whose_plans_do_not_have_it(tiny):
    edits = {
        (e.package, e.capability): (e.images, e.saves)
        for e in overall_of_two(tiny, 1, "a", "b").edits
    }
    assert edits["a", "extra"] == (1, 9000)
    # The plan of `a` has another edit: it saves what `heavy` has there too.
    assert edits["b", "base"] == (1, 6000)


def test_the_best_few_together_say_what_no_few_can_pass(tiny):
    one, two = overall_of_two(tiny, 2, "a", "b").together
    assert [(e.package, e.capability) for e in one.changes] == [("a", "extra")]
    assert (one.saves, one.bound, one.proved) == (9000, 15_000, False)
    assert (two.edits, two.saves <= two.bound) == (2, True)
    assert two.saves >= 14_000


def test_edits_are_added_up_by_source(tiny):
    sums = {t.name: (t.edits, t.saves) for t in overall_of_two(tiny, 1, "a", "b").by_source}
    assert sums["a"] == (1, 9000)
