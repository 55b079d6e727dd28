"""The smallest image and the best plans of drawn worlds are those of a second model.

Worlds have rich dependencies, conflicts, obsoletes, two architectures in one image, two
repositories with priorities and excludes, a module with two streams, and, every third, images on
two architectures with one plan for both.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from bot.advice.advise import Wish, advise
from bot.advice.requests import Job
from bot.closure.pool import Pool
from bot.model.advice import ImageAdvice, Plan, Smallest
from tests.advice.second_model import SecondModel, World
from tests.advice.test_with_dnf import artifact, module
from tests.closure.conftest import Tiny, TinyRepository, request

ISA = {"x86_64": "(x86-64)", "i686": "(x86-32)", "aarch64": "(aarch-64)"}
NAMES = "abcdefgh"
SIZES = [300, 500, 1000, 2000, 7000]
EDITS = 3


def rich(chance: random.Random) -> str:
    one, two, three = chance.sample([*NAMES, "x", "y"], 3)
    return chance.choice(
        [
            f"({one} or {two})",
            f"({one} and {two})",
            f"({one} if {two})",
            f"({one} if {two} else {three})",
            f"({one} unless {two})",
            f"(x with {one})",
            f"(x without {one})",
        ]
    )


def draw(
    root: Tiny, arch: str, chance: random.Random, *, split: bool
) -> tuple[TinyRepository, TinyRepository]:
    """Two repositories; the first has the application and, for x86_64, modular `a` and `c`."""
    arches = (arch, "i686") if arch == "x86_64" else (arch,)
    repositories = []
    for place, version in zip(("base", "more"), chance.sample("12", 2), strict=True):
        repository = root.repository(
            place,
            priority=chance.choice([99, 99, 10]),
            exclude=tuple(chance.sample(["b", "d*", "*.i686", f"e.{arch}"], chance.randint(0, 1))),
        )
        for name in NAMES:
            for own in arches:
                nevras = [f"{name}-0:{version}-1.{own}"]
                if name in "ac" and place == "base" and arch == "x86_64":
                    nevras += [artifact(stream, name, own) for stream in "12"]
                for nevra in nevras if own == arch or chance.random() < 0.5 else ():
                    add(repository, nevra, name, own, chance)
        repositories.append(repository)
    first, second = repositories
    if arch == "x86_64":
        first.modules = "".join(module(stream, chance) for stream in "12")
    needs = ["a", f"x{ISA[arch]}", rich(chance), chance.choice([*"bcdgh", f"y{ISA[arch]}"])]
    add_application(first, arch, needs, chance, split=split)
    return first, second


def add(
    repository: TinyRepository, nevra: str, name: str, arch: str, chance: random.Random
) -> None:
    others = [other for other in NAMES if other != name]
    needs = [f"{chance.choice('xyz')}{ISA[arch]}", *chance.sample(others, 2), rich(chance)]
    provides = [f"{chance.choice('xyz')}{ISA[arch]}", f"{name}{ISA[arch]}", chance.choice("xyz")]
    excludes = [c for c in (chance.choice(others), rich(chance)) if name not in c and "x" not in c]
    repository.package(
        nevra,
        source=f"{chance.choice('stuv')}-1-1",
        size=chance.choice(SIZES),
        requires=chance.sample(needs, chance.choice([0, 1, 1, 2])),
        provides=provides,
        conflicts=excludes[:1] if chance.random() < 0.2 and "y" not in str(excludes) else [],
        obsoletes=[chance.choice(others)] if chance.random() < 0.06 else [],
        files=[f"/usr/bin/{name}"] if arch != "i686" and chance.random() < 0.2 else [],
    )


def add_application(
    repository: TinyRepository,
    arch: str,
    needs: Sequence[str],
    chance: random.Random,
    *,
    split: bool,
) -> None:
    program = ["/usr/bin/app"]
    own = {"source": "app-1-1", "size": chance.choice(SIZES), "files": program}
    repository.package(f"app-0:1-1.{arch}", requires=needs, **own)
    if split:
        less = chance.sample(needs, 2)
        repository.package(f"app-core-0:1-1.{arch}", requires=less, conflicts=["app"], **own)


@dataclass(frozen=True)
class Drawn:
    """One architecture of a drawn image."""

    pool: Pool
    repositories: tuple[TinyRepository, TinyRepository]
    stream: str | None
    requests: tuple[str, ...]

    def world(self) -> World:
        """What the second model is told: the packages, and today's image."""
        closure = self.pool.solve(request(*self.requests, arch=self.pool.arch))
        today = frozenset(str(package.nevra) for package in closure.packages)
        world = World(self.pool.arch, self.requests, self.stream, today)
        for repository in self.repositories:
            options = repository.options
            world.add(repository.packages, options["priority"], options["exclude"])
        return world


def images(root: Tiny, chance: random.Random, arches: Sequence[str]) -> list[Drawn]:
    stream = chance.choice("12")
    more = tuple(chance.sample(["b", "d", "h"], chance.randint(0, 1)))
    found = []
    split = chance.random() < 0.4
    for arch in arches:
        place = Tiny(root.root / arch)
        repositories = draw(place, arch, chance, split=split)
        modules = [f"lang:{stream}"] if arch == "x86_64" else []
        pool = place.pool(*repositories, arch=arch, modules=modules, platform="platform:el9")
        found.append(Drawn(pool, repositories, stream, ("app", *more)))
    return found


def compared(drawn: Sequence[Drawn]) -> Counter[str]:
    """Compare an image's advice with the second model's; AssertionError where one is better."""
    jobs = [Job(d.pool, request(*d.requests, arch=d.pool.arch)) for d in drawn]
    advised = advise(jobs, Wish(EDITS, 60.0))
    if any(advice.status != "ok" for advice in advised):
        return Counter(unsolvable=1)
    worlds = [d.world() for d in drawn]
    if not SecondModel(worlds, 0).holds_today():
        return Counter(older=1)  # a package of the second tier is in it
    counts = Counter(image=1, edited=len(advised[0].plans))
    size = 0
    for edits in range(EDITS + 1):
        told = [_told(advice, edits) for advice in advised]
        best = SecondModel(worlds, edits).bytes()
        if all(told):
            size = sum(one.installed_size for one in told)
            proved = all(one.proved for one in told)
            counts["proved" if proved else "bounded"] += 1
            assert (size if proved else sum(one.bound for one in told)) <= best, edits
        assert best <= size, edits
        counts["best" if size == best else "not installable"] += 1
    return counts


def _told(advice: ImageAdvice, edits: int) -> Smallest | Plan | None:
    """What is told of so many edits; None where they save no more than fewer."""
    if not edits:
        return advice.smallest
    return next((plan for plan in advice.plans if plan.edits == edits), None)


@pytest.mark.parametrize("arches", [("x86_64",), ("x86_64", "aarch64")])
def test_the_best_plans_are_those_of_a_second_model(tmp_path, arches):
    chance = random.Random(len(arches))
    counts: Counter[str] = Counter()
    for number in range(40):
        counts += compared(images(Tiny(tmp_path / str(number)), chance, arches))
    assert counts["image"] > 3
    assert counts["edited"] > counts["image"]
    assert counts["proved"] > counts["edited"]
    # dnf cannot be made to install every best image: such are not told, and what is told instead
    # has a bound. Of these worlds none is so; clauses that are missing make many.
    assert counts["bounded"] == counts["not installable"] == 0
