"""What dnf installs from a repository that was changed as an advice says: exactly its figures."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from bot.advice.advise import Wish, advise
from bot.advice.requests import Job
from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.snapshot import open_snapshot
from bot.model.advice import Change, ImageAdvice
from tests.closure.conftest import Tiny, request

DATA = Path(__file__).parents[2].parent / "shared" / "data"
BASE = ("glibc-minimal-langpack", "coreutils-single")
ISA = "(x86-64)"
REPOSITORIES = ("baseos", "appstream")


def advice(pool, *requests: str, edits: int) -> ImageAdvice:
    (found,) = advise([Job(pool, request(*requests))], Wish(edits))
    return found


def edited(requests: Iterable[str], changes: Iterable[Change]) -> list[str]:
    """The requests, with another package where a change says so."""
    instead = {c.package: c.to for c in changes if c.kind == "request"}
    return [instead.get(name, name) for name in requests]


def is_edited(change: Change, package: str, capability: str) -> bool:
    return (
        change.kind in ("order", "weaken")
        and change.package == package
        and change.capability in (capability, capability.partition(" ")[0].removesuffix(ISA))
    )


# -- tiny repositories --------------------------------------------------------------------------


def drawn(root: Path, chance: random.Random):
    """A repository of ten packages with two sizes of everything, some of one source."""
    base = Tiny(root).repository("base")
    for name in "abcdefghij":
        needs = [f"{chance.choice('xyz')}{ISA}", chance.choice("abcdefghij")]
        needs += ["(x if y)"] if chance.random() < 0.2 else []
        base.package(
            f"{name}-0:1-1.x86_64",
            source=f"{chance.choice('st')}-1-1",
            size=chance.choice([500, 1000, 7000]),
            requires=needs[: chance.randint(0, 3)],
            provides=[f"{c}{ISA}" for c in chance.sample("xyz", 1)] + chance.sample("xyz", 1),
            conflicts=[chance.choice("abcdefghij")] if chance.random() < 0.2 else [],
            files=[f"/usr/bin/{chance.choice('pq')}-{name}"] if chance.random() < 0.3 else [],
        )
    base.package("app-0:1-1.x86_64", requires=["a", f"x{ISA}", "b"], files=["/usr/bin/app"])
    return base


def test_dnf_installs_every_plan_and_every_smallest_image(tmp_path, dnf_answers):
    chance = random.Random(2)
    planned = swapped = 0
    for number in range(8):
        base = drawn(tmp_path / str(number), chance)
        found = advice(Tiny(tmp_path / str(number)).pool(base), "app", edits=1)
        if found.status != "ok":
            continue
        jobs = [(found.smallest, ()), *((p, p.changes) for p in found.plans)]
        swapped += found.smallest.request != ()
        for place, (wanted, changes) in enumerate(jobs):
            changed = Tiny(tmp_path / f"{number}-{place}").repository("base")
            sizes = {}
            for package in base.packages:
                name = package.nevra.partition("-")[0]
                needs = package.dependencies["requires"]
                kept = [r for r in needs if not any(is_edited(c, name, r) for c in changes)]
                more = {**package.dependencies, "requires": kept}
                changed.package(
                    package.nevra, source=package.source, size=package.size,
                    files=package.files, **more,
                )  # fmt: skip
                sizes[package.nevra] = package.size
            repository = {"id": "base", "baseurl": changed.write()}
            (installed,) = dnf_answers(
                repositories=[{**repository, "exclude": list(wanted.excludes)}],
                workloads=[{"requests": [*edited(["app"], changes), *wanted.request]}],
            )
            assert installed is not None
            assert sum(sizes[nevra] for nevra in installed) == wanted.installed_size
            assert len(installed) == wanted.packages
            planned += bool(changes)
    assert planned > 2
    assert swapped > 0


# -- CentOS Stream 9 ----------------------------------------------------------------------------

real = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real metadata at {DATA}")


@pytest.fixture(scope="module")
def centos(tmp_path_factory):
    cache = Cache(tmp_path_factory.mktemp("centos"))
    sources = tuple(RepoSource(n, n, (place(n),)) for n in REPOSITORIES)
    document = RepositoryDocument(
        "d", "D", "", "", "9", ("x86_64",), sources, module_platform="platform:el9"
    )
    return open_pool(open_snapshot(document, "x86_64", cache), cache)


def place(name: str) -> str:
    return f"file://{DATA}/centos-stream-9-{name}/"


def rewritten(directory: Path, name: str, changes: Iterable[Change]) -> str:
    """A repository of the real data, whose packages were changed as a plan says."""
    metadata = DATA / f"centos-stream-9-{name}" / "repodata"
    (primary,) = metadata.glob("*primary.xml.gz")
    text = gzip.decompress(primary.read_bytes()).decode()
    for change in changes:
        package = re.compile(
            rf'<package type="rpm">\s*<name>{re.escape(change.package)}</name>.*?</package>',
            re.DOTALL,
        )
        text = package.sub(lambda match, change=change: with_change(match[0], change), text)
    files = {"primary": gzip.compress(text.encode(), 1)}
    (listed,) = metadata.glob("*filelists.xml.gz")
    files["filelists"] = listed.read_bytes()
    records = []
    (directory / name / "repodata").mkdir(parents=True)
    for kind, content in files.items():
        (directory / name / "repodata" / f"{kind}.xml.gz").write_bytes(content)
        checksum = hashlib.sha256(content).hexdigest()
        records.append(
            f'<data type="{kind}"><checksum type="sha256">{checksum}</checksum>'
            f'<location href="repodata/{kind}.xml.gz"/><timestamp>1</timestamp></data>'
        )
    (directory / name / "repodata" / "repomd.xml").write_text(
        '<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>'
        f"{''.join(records)}</repomd>"
    )
    return (directory / name).as_uri() + "/"


def with_change(package: str, change: Change) -> str:
    if change.kind == "prefer":
        suggested = change.to.removeprefix("Suggests: ")
        more = f'<rpm:suggests><rpm:entry name="{suggested}"/></rpm:suggests>'
        return package.replace("</format>", f"{more}</format>")

    def kept(entry: re.Match[str]) -> str:
        return "" if is_edited(change, change.package, entry[1]) else entry[0]

    before, start, rest = package.partition("<rpm:requires>")
    needs, end, after = rest.partition("</rpm:requires>")
    return before + start + re.sub(r'<rpm:entry name="([^"]+)"[^>]*/>', kept, needs) + end + after


CASES = {
    "nginx": (99_804_473, [("order", "nginx", "systemd")], 44_888_807),
    "podman": (168_902_652, [("weaken", "gpgme", "gnupg2")], 149_838_375),
}


@real
@pytest.mark.parametrize("name", CASES)
def test_dnf_installs_the_plans_of_centos_stream_9(centos, dnf_answers, tmp_path, name):
    now, changes, size = CASES[name]
    found = advice(centos, *BASE, name, edits=2)
    assert found.now.installed_size == found.smallest.installed_size == now
    first, second = found.plans
    assert [(c.kind, c.package, c.capability) for c in first.changes] == changes
    assert (first.installed_size, first.proved) == (size, True)
    for plan in (first, second):
        directory = tmp_path / str(plan.edits)
        installed = answer(dnf_answers, directory, [*BASE, name, *plan.request], plan.changes)
        assert len(installed) == plan.packages
        assert size_of(centos, installed) == plan.installed_size


@real
def test_dnf_takes_what_a_package_suggests_with_weak_dependencies_off(
    centos, dnf_answers, tmp_path
):
    found = advice(centos, "bash", "curl", edits=1)
    (swap,) = (s for s in found.smallest.instead if s.take == "libcurl-minimal")
    assert (swap.class_, swap.prefer.package) == ("same-source", "curl")
    installed = answer(dnf_answers, tmp_path, ["bash", "curl"], [swap.prefer])
    assert (found.now.installed_size, size_of(centos, installed)) == (65_503_743, 58_529_247)


def answer(dnf_answers, directory: Path, requests: list[str], changes) -> list[str]:
    repositories = [{"id": n, "baseurl": rewritten(directory, n, changes)} for n in REPOSITORIES]
    (installed,) = dnf_answers(
        repositories=repositories,
        workloads=[{"requests": edited(requests, changes)}],
        platform="platform:el9",
    )
    return installed


def size_of(pool, nevras: Iterable[str]) -> int:
    stage = pool._overlay_pool
    wanted = set(nevras)
    names = {nevra.rsplit("-", 2)[0] for nevra in wanted}
    sizes = {}
    for solvable in stage.pool.solvables:
        if solvable.name in names and stage.enabled(solvable.id):
            package = stage.package(solvable.id)
            sizes[str(package.nevra)] = package.installed_size
    return sum(sizes[nevra] for nevra in wanted)
