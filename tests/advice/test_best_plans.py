"""The smallest image and the best plans of drawn worlds are those of a second model.

Worlds have rich dependencies, conflicts, obsoletes, two architectures in one image, two
repositories with priorities and excludes, a module with two streams, and some of them images on two
architectures with one plan for both. Others have one repository, many obsoletes, a plug-in of the
application and a main package that has no program.

A search may look at the clock so often and no more: one that does not end fails, on any machine.
"""

from __future__ import annotations

import itertools
import random
import time
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
LOOKS = 20_000.0


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
        obsoletes=[obsoleted(name, ISA[arch], chance)] if chance.random() < 0.06 else [],
        files=[f"/usr/bin/{name}"] if arch != "i686" and chance.random() < 0.2 else [],
    )


def obsoleted(name: str, isa: str, chance: random.Random, often: Sequence[str] = ()) -> str:
    """A name, also a package's own; with a version, or a capability, which obsoletes nothing."""
    others = [*NAMES.replace(name, ""), *6 * [o for o in often if o != name]]
    other = chance.choice([*others, *others, *6 * [name], *(f"{c}{isa}" for c in "xyz")])
    return chance.choice([other, f"{other} < 2", f"{other} < 1"])


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


def draw_replacing(root: Tiny, arch: str, chance: random.Random) -> tuple[TinyRepository]:
    """One repository of one architecture, whose packages have alternatives and obsolete others."""
    repository = root.repository("base")
    named = chance.sample(NAMES, 2)
    for name in NAMES:
        two, three = chance.sample(NAMES.replace(name, ""), 2)
        needs = [f"{chance.choice('xyz')}{ISA[arch]}", two, f"({two} or {three})"]
        repository.package(
            f"{name}-0:1-1.{arch}",
            source=f"{chance.choice('stuv')}-1-1",
            size=chance.choice(SIZES),
            requires=chance.sample(needs, chance.choice([0, 1, 1, 2])),
            provides=[f"{capability}{ISA[arch]}" for capability in chance.sample("xyz", 2)],
            obsoletes=[obsoleted(name, ISA[arch], chance, named)] if chance.random() < 0.5 else [],
            files=[f"/usr/bin/{name}"] if chance.random() < 0.2 else [],
        )
    own = {"source": "app-1-1", "size": chance.choice(SIZES)}
    program = {**own, "files": ["/usr/bin/app"]}
    needs = [*named, *(f"{c}{ISA[arch]}" for c in "xyz")]
    if chance.random() < 0.5:
        repository.package(f"app-0:1-1.{arch}", requires=chance.sample(needs, 2), **program)
    else:
        repository.package(f"app-core-0:1-1.{arch}", requires=chance.sample(needs, 1), **program)
        more = [chance.choice(["app-core", needs[1]]), *chance.sample(needs, 2)]
        repository.package(f"app-0:1-1.{arch}", requires=more, **chance.choice([own, program]))
    repository.package(
        f"app-plugin-0:1-1.{arch}", requires=chance.sample(["app", *needs], 2), **own
    )
    return (repository,)


@dataclass(frozen=True)
class Drawn:
    """One architecture of a drawn image."""

    pool: Pool
    repositories: tuple[TinyRepository, ...]
    stream: str | None
    requests: tuple[str, ...]

    def world(self) -> World:
        """What the second model is told: the packages, and today's image."""
        closure = self.pool.solve(request(*self.requests, arch=self.pool.arch))
        today = frozenset(str(package.nevra) for package in closure.packages)
        world = World(self.pool.arch, self.requests, self.stream, today)
        for repository in self.repositories:
            options = repository.options
            priority, exclude = options.get("priority", 99), options.get("exclude", ())
            world.add(repository.packages, priority, exclude)
        return world


def images(root: Tiny, chance: random.Random, arches: Sequence[str]) -> list[Drawn]:
    stream = chance.choice("12")
    more = tuple(chance.sample(["b", "d", "h"], chance.randint(0, 1)))
    drawn = []
    split = chance.random() < 0.4
    for arch in arches:
        place = Tiny(root.root / arch)
        repositories = draw(place, arch, chance, split=split)
        modules = [f"lang:{stream}"] if arch == "x86_64" else []
        pool = place.pool(*repositories, arch=arch, modules=modules, platform="platform:el9")
        drawn.append(Drawn(pool, repositories, stream, ("app", *more)))
    return drawn


def replacing_images(root: Tiny, chance: random.Random, arches: Sequence[str]) -> list[Drawn]:
    more = chance.sample(["app-plugin", "b", "d", "h"], chance.randint(0, 2))
    drawn = []
    for arch in arches:
        place = Tiny(root.root / arch)
        repositories = draw_replacing(place, arch, chance)
        pool = place.pool(*repositories, arch=arch)
        drawn.append(Drawn(pool, repositories, None, ("app", *more)))
    return drawn


def compared(drawn: Sequence[Drawn]) -> Counter[str]:
    """Compare an image's advice with the second model's; AssertionError where one is better."""
    jobs = [Job(d.pool, request(*d.requests, arch=d.pool.arch)) for d in drawn]
    advised = advise(jobs, Wish(EDITS, LOOKS))
    if any(advice.status != "ok" for advice in advised):
        return Counter(unsolvable=1)
    worlds = [d.world() for d in drawn]
    if not SecondModel(worlds, 0).holds_today():
        return Counter(older=1)  # a package of the second tier is in it
    counts = Counter(image=1, edited=len(advised[0].plans))
    size = 0
    for edits in range(EDITS + 1):
        told = [_told(advice, edits) for advice in advised]
        best = SecondModel(worlds, edits, kept=edits > 0).bytes()
        if all(told):
            size = sum(one.installed_size for one in told)
            proved = all(one.proved for one in told)
            counts["proved" if proved else "bounded"] += 1
            assert (size if proved else sum(one.bound for one in told)) <= best, edits
        assert best <= size, edits
        counts["best" if size == best else "not installable"] += 1
        if not edits:
            size = SecondModel(worlds, 0).bytes()  # plans do not lose programs, as the smallest may
    return counts


def _told(advice: ImageAdvice, edits: int) -> Smallest | Plan | None:
    """What is told of so many edits; None where they save no more than fewer."""
    if not edits:
        return advice.smallest
    return next((plan for plan in advice.plans if plan.edits == edits), None)


@pytest.fixture
def work(monkeypatch):
    """Make the clock of the searches count how often they look at it."""
    looks = itertools.count()
    monkeypatch.setattr(time, "thread_time", lambda: float(next(looks)))


WORLDS = {
    "several repositories": (images, ["x86_64"], 30),
    "two architectures": (images, ["x86_64", "aarch64"], 40),
    "replacing": (replacing_images, ["x86_64"], 30),
    "replacing on two architectures": (replacing_images, ["x86_64", "aarch64"], 25),
}


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("world", WORLDS)
def test_the_best_plans_are_those_of_a_second_model(tmp_path, world):
    draw_images, arches, number = WORLDS[world]
    chance = random.Random(number)
    counts: Counter[str] = Counter()
    for place in range(number):
        counts += compared(draw_images(Tiny(tmp_path / str(place)), chance, arches))
    assert counts["image"] > 3
    assert counts["edited"] > counts["image"]
    assert counts["proved"] > counts["edited"]
    # dnf cannot be made to install every best image: such are not told, and what is told instead
    # has a bound. Of these worlds none is so; clauses that are missing make many.
    assert counts["bounded"] == counts["not installable"] == 0
