"""A table of 20 well-known workloads on CentOS Stream 9's metadata: each image now, the smallest,
the best plans of up to three edits, their evidence, and what distributions have that does the same.

    python -m tests.benchmarks.well_known_workloads FOLDER

FOLDER has the metadata, `centos-stream-9-baseos` and so on. What distributions have is read there:
smaller packages of the same source in the same metadata, packages of another distribution that do
without the requirement, and the changes of `dependency-changes.json` that took it away.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.advice.advise import Wish, advise
from bot.advice.edits import capability_name
from bot.advice.headers import HeaderFacts
from bot.advice.precedents import with_precedents
from bot.advice.requests import Job
from bot.cli.options import Choice, Places, pools_and_requests
from bot.closure.pool import Pool
from bot.distro.cache import Cache
from bot.model.advice import Change, ImageAdvice
from bot.report.sizes import format_size
from tests.benchmarks.test_advice_speed import document

WORKLOADS = (
    "nginx", "httpd", "podman", "skopeo", "buildah", "curl", "git", "mariadb-server",
    "openssh-server", "redis", "php-cli", "bind", "chrony", "dnsmasq", "haproxy", "memcached",
    "postfix", "samba", "vsftpd", "python3",
)  # fmt: skip
_LESS = ("-core", "-minimal", "-single", "-client", "-clients", "-libs")


def rows(data: Path, root: Path) -> Iterator[str]:
    """The lines of the table, in Markdown."""
    config = _documents(data, root / "config")
    places = Places(config, root / "data", root / "cache")
    configuration = places.configuration(named=True)
    keys = Choice((), (), (), ()).keys(configuration)
    opened = list(pools_and_requests(keys, configuration, places))
    headers = HeaderFacts(Cache(places.cache))
    pools = {pool.snapshot.document.id: pool for pool, _ in opened}
    requests = {r.key.workload: r for p, r in opened if r.key.repository == "c9"}
    changes = json.loads((data / "dependency-changes.json").read_text())
    yield "| workload | now | smallest | one edit | two | three | evidence | distributions |"
    yield "|---|---|---|---|---|---|---|---|"
    for name in WORKLOADS:
        found = advise([Job(pools["c9"], requests[name])], Wish(3), headers)
        (one,) = with_precedents(found, list(pools.values()))
        yield _row(name, one, _precedents(name, one, pools["c9"], changes))


def _documents(data: Path, config: Path) -> Path:
    config.mkdir()

    def repository(id_: str, names: Mapping[str, str]) -> None:
        repos = {n: {"baseurl": f"file://{data}/{folder}/"} for n, folder in names.items()}
        source = {"repos": repos, "releasever": "9", "architectures": ["x86_64"]}
        document(config, id_, "repository", 2, {"source": source})

    repository("c9", {n: f"centos-stream-9-{n}" for n in ("baseos", "appstream")})
    repository("mariner", {"container": "mariner-2-container"})
    environment = {"repositories": ["c9"], "labels": ["l"], "packages": []}
    document(config, "bare", "environment", 1, environment)
    other = {"repositories": ["mariner"], "labels": ["m"], "packages": []}
    document(config, "other", "environment", 1, other)
    document(config, "w-other", "workload", 1, {"labels": ["m"], "packages": ["bash"]})
    for name in WORKLOADS:
        document(config, name, "workload", 1, {"labels": ["l"], "packages": [name]})
    return config


def _row(name: str, one: ImageAdvice, others: Sequence[str]) -> str:
    if one.now is None or one.smallest is None:
        return f"| {name} | cannot be installed: {one.problems[0]} | | | | | | |"
    smallest = one.smallest
    swaps = ", ".join(swap.take for swap in smallest.instead)
    cells = [
        format_size(one.now.installed_size),
        f"{format_size(smallest.installed_size)}{'' if smallest.proved else '?'}"
        f"{f' ({swaps})' if swaps else ''}",
    ]
    for count in (1, 2, 3):
        plan = next((plan for plan in one.plans if plan.edits == count), None)
        cells.append(
            ""
            if plan is None
            else f"{format_size(plan.installed_size)}{'' if plan.proved else '?'}: "
            + ", ".join(map(_edit, plan.changes))
        )
    edits = [change for plan in one.plans for change in plan.changes]
    known = {c.evidence.looked_into or "no header" for c in edits}
    return f"| {name} | {' | '.join(cells)} | {', '.join(sorted(known))} | {'; '.join(others)} |"


def _edit(change: Change) -> str:
    if change.kind == "request":
        return f"request {change.to}"
    return f"{change.kind} {change.package}:{change.capability}"


def _precedents(
    name: str, one: ImageAdvice, pool: Pool, changes: Sequence[Mapping[str, object]]
) -> list[str]:
    """Return the precedents: a smaller package, a package without it, a change that removed it."""
    found: dict[str, None] = {}
    own = {p.nevra.name for p in pool.candidates(name)}
    for package in pool.candidates(name):
        alike = {p.nevra.name for p in pool.newest_published(package.source)} - own
        less = sorted(alike & {f"{name}{end}" for end in _LESS})
        found |= dict.fromkeys(f"{each} is there" for each in less)
    for change in (change for plan in one.plans for change in plan.changes):
        for precedent in change.evidence.precedent:
            found[
                f"{precedent.nevra.name} without {change.capability} in {precedent.repository}"
            ] = None
        found |= dict.fromkeys(_did(change, changes))
    return list(found)


def _did(change: Change, changes: Sequence[Mapping[str, object]]) -> Iterator[str]:
    for one in changes:
        source = Path(str(one["spec"])).stem
        removed = one["removed"]
        lines = removed if isinstance(removed, list) else []
        gone = {capability_name(str(line).partition(":")[2].strip()) for line in lines}
        if source == change.source and change.capability in gone:
            yield f"{one['repo']} took {change.capability} from {source} ({one['date']})"


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        for line in rows(Path(sys.argv[1]).resolve(), Path(folder)):
            print(line, flush=True)
