"""Edits over all images: what each saves where it is in no plan too, and the best few together."""

from __future__ import annotations

from dataclasses import replace

from bot.advice.advise import Wish, advise
from bot.advice.overall import overall
from bot.advice.requests import Job
from bot.model.image import ImageKey
from tests.closure.conftest import request


def found(tiny, edits: int, *names: str):
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
    edits = {(e.package, e.capability): (e.images, e.saves) for e in found(tiny, 1, "a", "b").edits}
    assert edits["a", "extra"] == (1, 9000)
    # The plan of `a` has another edit: it saves what `heavy` has there too.
    assert edits["b", "base"] == (1, 6000)


def test_the_best_few_together_say_what_no_few_can_pass(tiny):
    one, two = found(tiny, 2, "a", "b").together
    assert [(e.package, e.capability) for e in one.changes] == [("a", "extra")]
    assert (one.saves, one.bound, one.proved) == (9000, 15_000, False)
    assert (two.edits, two.saves <= two.bound) == (2, True)
    assert two.saves >= 14_000


def test_edits_are_added_up_by_source(tiny):
    sums = {t.name: (t.edits, t.saves) for t in found(tiny, 1, "a", "b").by_source}
    assert sums["a"] == (1, 9000)
