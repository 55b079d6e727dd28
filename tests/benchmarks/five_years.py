"""Five years of days of 500 images on four architectures: 3.6 million evaluations, for measuring.

    python -m tests.benchmarks.five_years DIR

Written straight into history's tables; the real recorder would take days.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.distro.objectives import ObjectiveDocument
from bot.objectives.status import headings
from bot.store.history.history import History, open_history

ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")
LAST = datetime(2026, 11, 24, 3, tzinfo=UTC)
# Of each architecture: how many package names there are, and how many versions each has had.
NAMES, VERSIONS = 3000, 20
_HELD = (40, 130)
_CHANGES = 2000


def seed_five_years(data: Path, *, images: int = 500, days: int = 1826, seed: int = 3) -> History:
    """A history in the folder `data`: each package's new versions move all images that hold it, and
    now and then a package comes or goes."""
    history = open_history(data)
    rolls = random.Random(seed)
    with history.store.writing() as db:
        run = db.conn.executemany
        runs = []
        for day in range(days):
            at = LAST - timedelta(days=days - 1 - day)
            text = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            runs.append((day + 1, text, text, images * 4, images * 4, 0, "[]"))
        run("insert into runs values (?, ?, ?, ?, ?, ?, ?)", runs)
        states = json.dumps([{"id": "r", "revision": "1", "timestamp": "", "stale": None}])
        run(
            "insert into snapshots values (?, ?, 'big', ?, ?, ?)",
            (
                (4 * day + a + 1, f"{day:032x}{a}", arch, states, day + 1)
                for day in range(days)
                for a, arch in enumerate(ARCHES)
            ),
        )
        for a, arch in enumerate(ARCHES):
            world = _World(a, arch, days, rolls)
            run(f"insert into packages values ({', '.join('?' * 11)})", world.packages())
            run("insert or ignore into capabilities values (?, ?)", world.capabilities())
            run("insert or ignore into requirements values (?, ?, ?, ?)", world.requirements())
            for number in range(images):
                image = a * images + number + 1
                key = (image, f"workload-{number:03d}", "minimal", "big", arch)
                db.execute(
                    "insert into images (id, workload, environment, repository, arch)"
                    " values (?, ?, ?, ?, ?)",
                    key,
                )
                _image(run, world, image, rolls)
        _promises(db, run, images)
    return history


def _promises(db: Any, run: Any, images: int) -> None:
    """Pull requests that brought packages, objectives of half of the images, accepted growth."""
    day = (LAST - timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    run(
        "insert into merged_changes (id, forge, repository, number, title, author, url, head_sha,"
        " merged, sources, landed_run) values"
        " (?, 'github', ?, ?, 'Add a module', 'jonas', ?, ?, ?, '{}', 1)",
        (
            (n, f"rpms/source-{n:04d}", n, f"https://forge.example/{n}", f"{n:040x}", day)
            for n in range(1, _CHANGES + 1)
        ),
    )
    db.execute(
        "update causes set kind = 'pull request', merged_change ="
        f" 1 + (image * 31 + run) % {_CHANGES} where change = 'came'"
    )
    run(
        "insert into objectives (id, name, description, maintainer, workload, document,"
        " first_run, subject) values (?, ?, 'd', ?, ?, ?, 1, ?)",
        (_objective(n) for n in range(images // 2)),
    )
    # One in ten is broken, one in ten nearly so.
    for metric, factors in (("installed_size", (0.99, 1.0004, 1.5)), ("packages", (0.9, 1, 2))):
        broken, near, wide = factors
        db.execute(
            "with points as (select image, run, after_closure as closure from steps union all"
            " select image, run, closure from evaluations where run = 1),"
            f" now as (select evaluations.image, {metric} as size from evaluations join closures on"
            " closures.id = closure where run = (select max(id) from runs)),"
            " aims as (select objectives.id as objective, images.id as image, now.size,"
            " cast(now.size * case cast(substr(objectives.id, 11) as integer) % 10"
            f" when 0 then {broken} when 1 then {near} else {wide} end as integer) as aim"
            " from objectives join images using (workload) join now on now.image = images.id)"
            " insert into objective_values (objective, image, metric, from_run, until_run, value,"
            ' "limit", target, target_by, met) select aims.objective, aims.image, ?, points.run,'
            " lead(points.run) over (partition by points.image order by points.run),"
            f" closures.{metric}, aim, size * 3 / 4, '2027-06-01', closures.{metric} <= aim"
            " from aims join points on points.image = aims.image"
            " join closures on closures.id = points.closure",
            [metric],
        )
    run(
        "insert into accepted_growth (accepted, forge, repository, number, head_sha, accepted_by,"
        " reason, url, objective, workload, environment, image_repository, arch, metric, before,"
        " value, \"limit\") values (?, 'github', 'rpms/r', ?, ?, 'maria', 'Needed.',"
        " 'https://forge.example/1', ?, ?, 'minimal', 'big', 'x86_64', 'packages', 1, 2, 3)",
        (
            (day, n, f"{n:040x}", f"objective-{n % 50:03d}", f"workload-{n % 50:03d}")
            for n in range(1, 501)
        ),
    )


class _World:
    """The packages of one architecture: each name has versions that begin on some days."""

    def __init__(self, a: int, arch: str, days: int, rolls: random.Random) -> None:
        self.a, self.arch, self.days = a, arch, days
        self.sizes = [int(rolls.paretovariate(1.1) * 30_000) % 60_000_000 for _ in range(NAMES)]
        self.begins = [
            [0, *sorted(rolls.sample(range(1, days), VERSIONS - 1))] for _ in range(NAMES)
        ]
        self.needs = [[int(n * rolls.random() ** 3) for _ in range(6)] for n in range(NAMES)]

    def number(self, name: int, version: int) -> int:
        return (self.a * NAMES + name) * VERSIONS + version + 1

    def size(self, name: int, version: int) -> int:
        return self.sizes[name] + 137 * version

    def packages(self) -> Iterator[tuple[Any, ...]]:
        for name in range(NAMES):
            for version in range(VERSIONS):
                size = self.size(name, version)
                yield (
                    self.number(name, version), f"package-{name:04d}", 0, f"1.{version}", "1.el10",
                    self.arch, f"source-{name // 3:04d}", "big", size, None, size // 3,
                )  # fmt: skip

    def capabilities(self) -> Iterator[tuple[int, str]]:
        for name in range(NAMES):
            yield name + 1, f"libpackage-{name:04d}.so.1()(64bit)"
            yield NAMES * (self.a + 1) + name + 1, f"package-{name:04d}.{self.arch}"

    def requirements(self) -> Iterator[tuple[int, int, int, str]]:
        for name, needs in enumerate(self.needs):
            for version in range(VERSIONS):
                for need in needs:
                    target = NAMES * (self.a + 1) + need + 1
                    yield self.number(name, version), need + 1, target, "requires"


def _image(run: Any, world: _World, image: int, rolls: random.Random) -> None:
    """One image's stays, closures, evaluations, steps and causes, over all days."""
    held = sorted({int(NAMES * rolls.random() ** 2) for _ in range(rolls.randrange(*_HELD))})
    stays, events = [], {}
    for place, name in enumerate(held):
        comes = rolls.randrange(world.days) if rolls.random() < 0.1 else 0
        goes = rolls.randrange(comes + 1, world.days + 1) if rolls.random() < 0.05 else world.days
        versions = [v for v, day in enumerate(world.begins[name]) if day < goes]
        first = max(v for v in versions if world.begins[name][v] <= comes)
        for version in versions[first:]:
            begin = max(world.begins[name][version], comes)
            end = world.begins[name][version + 1] if version + 1 < VERSIONS else world.days
            end = min(end, goes)
            until = end + 1 if end < world.days else None
            package = world.number(name, version)
            stays.append((image, package, begin + 1, until, int(place % 12 == 0)))
            if begin and version == first:
                event = (name, "came", None, package, world.size(name, version))
                events.setdefault(begin, []).append(event)
            elif version > first:
                event = (name, "changed", world.number(name, version - 1), package, 137)
                events.setdefault(begin, []).append(event)
        if goes < world.days:
            event = (name, "went", package, None, -world.size(name, version))
            events.setdefault(goes, []).append(event)
    run("insert into image_packages values (?, ?, ?, ?, ?)", stays)
    there = [s for s in stays if s[2] == 1]
    count = len(there)
    size = sum(world.sizes[name] + 137 * v for _, p, *_ in there for name, v in [_of(world, p)])
    closures, evaluations, steps, causes = [], [], [], []
    closure = image << 12
    for day in range(world.days):
        if day == 0 or day in events:
            moves = events.get(day, [])
            delta = sum(move[4] for move in moves)
            came = sum({"came": 1, "went": -1}.get(move[1], 0) for move in moves)
            size, count, before, closure = size + delta, count + came, closure, closure + 1
            digest = f"{closure:032x}"
            closures.append((closure, image, digest, "ok", count, size, size, size // 3))
            if day:
                steps.append((image, day + 1, before, closure, delta, delta, came))
            for place, (name, change, old, new, by) in enumerate(moves if day else []):
                chain = None
                if change != "changed":
                    chain = json.dumps(
                        [
                            {
                                "from": f"package-{name // 2:04d}-0:1.0-1.el10.{world.arch}",
                                "capability": f"libpackage-{name:04d}.so.1()(64bit)",
                                "to": f"package-{name:04d}-0:1.0-1.el10.{world.arch}",
                                "kind": "requires",
                            }
                        ]
                    )
                cause = (f"package-{name:04d}", change, old, new, by, by, "distribution")
                causes.append((image, day + 1, place, *cause, None, None, chain))
        evaluations.append((image, day + 1, 4 * day + world.a + 1, closure))
    run(
        "insert into closures (id, image, digest, status, packages, installed_size, known_size,"
        " download_size, requests) values (?, ?, ?, ?, ?, ?, ?, ?, '[]')",
        closures,
    )
    run("insert into evaluations values (?, ?, ?, ?)", evaluations)
    run("insert into steps values (?, ?, ?, ?, ?, ?, ?)", steps)
    run(f"insert into causes values ({', '.join('?' * 13)})", causes)


def _objective(number: int) -> tuple[str, ...]:
    id_, workload = f"objective-{number:03d}", f"workload-{number:03d}"
    made = ObjectiveDocument(id_, f"objective {number}", "d", f"m-{number % 20}", workload)
    document = json.dumps(headings([made])[id_].document)
    return id_, made.name, made.maintainer, workload, document, id_


def _of(world: _World, package: int) -> tuple[int, int]:
    name, version = divmod(package - 1, VERSIONS)
    return name - world.a * NAMES, version


if __name__ == "__main__":
    seed_five_years(Path(sys.argv[1])).close()
