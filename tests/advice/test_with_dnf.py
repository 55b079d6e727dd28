"""What dnf installs from a repository that was changed as an advice says: exactly its figures."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.advice.advise import Wish, advise
from bot.advice.requests import Job
from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.snapshot import open_snapshot
from bot.model.advice import Change, ImageAdvice
from bot.model.nevra import parse_nevra
from tests.closure.conftest import Tiny, TinyRepository, request
from tests.closure.test_random_modules import document

DATA = Path(__file__).parents[2].parent / "shared" / "data"
BASE = ("glibc-minimal-langpack", "coreutils-single")
NATIVE, FOREIGN = "(x86-64)", "(x86-32)"
ISA = re.compile(r"\(x86-(?:64|32)\)$")
REPOSITORIES = ("baseos", "appstream")


def advice(pool, *requests: str, edits: int) -> ImageAdvice:
    (advised,) = advise([Job(pool, request(*requests))], Wish(edits))
    return advised


def edited(requests: Iterable[str], changes: Iterable[Change]) -> list[str]:
    """The requests, with another package where a change says so."""
    instead = {c.package: c.to for c in changes if c.kind == "request"}
    return [instead.get(name, name) for name in requests]


def is_edited(change: Change, package: str, capability: str) -> bool:
    name = ISA.sub("", capability.partition(" ")[0])
    return (
        change.kind in ("order", "weaken")
        and change.package == package
        and change.capability in (capability, name)
    )


# -- tiny repositories --------------------------------------------------------------------------


def drawn(root: Path, chance: random.Random):
    """A repository of ten packages with two sizes of everything, some of one source."""
    base = Tiny(root).repository("base")
    for name in "abcdefghij":
        needs = [f"{chance.choice('xyz')}{NATIVE}", chance.choice("abcdefghij")]
        needs += ["(x if y)"] if chance.random() < 0.2 else []
        base.package(
            f"{name}-0:1-1.x86_64",
            source=f"{chance.choice('st')}-1-1",
            size=chance.choice([500, 1000, 7000]),
            requires=needs[: chance.randint(0, 3)],
            provides=[f"{c}{NATIVE}" for c in chance.sample("xyz", 1)] + chance.sample("xyz", 1),
            conflicts=[chance.choice("abcdefghij")] if chance.random() < 0.2 else [],
            files=[f"/usr/bin/{chance.choice('pq')}-{name}"] if chance.random() < 0.3 else [],
        )
    base.package("app-0:1-1.x86_64", requires=["a", f"x{NATIVE}", "b"], files=["/usr/bin/app"])
    return base


def artifact(stream: str, name: str, arch: str) -> str:
    return f"{name}-0:{stream}-1.module{stream}.{arch}"


def module(stream: str, chance: random.Random) -> str:
    """A stream of the module `lang`: packages `a` and `c` of its own."""
    artifacts = [artifact(stream, n, arch) for n in "ac" for arch in ("x86_64", "i686")]
    data = {
        "name": "lang", "stream": stream, "version": 1, "context": "c", "arch": "x86_64",
        "summary": "s", "description": "d", "license": {"module": ["MIT"]},
        "artifacts": {"rpms": artifacts},
    }  # fmt: skip
    found = document("modulemd", 2, data)
    if chance.random() < 0.5:
        found += document("modulemd-defaults", 1, {"module": "lang", "stream": stream})
    return found


def of_two_architectures(root: Path, chance: random.Random) -> tuple[TinyRepository, ...]:
    """Two repositories with priorities and excludes, modular packages, and what is of i686 too."""
    repositories = []
    for place, version in zip(("base", "more"), chance.sample("12", 2), strict=True):
        repository = Tiny(root).repository(
            place,
            priority=chance.choice([99, 99, 10]),
            exclude=tuple(chance.sample(["b", "d*", "*.i686", "e.x86_64", "h-0:2-1.*"], 1)),
            module_hotfixes=chance.random() < 0.2,
        )
        for name in "abcdefghij":
            for arch in ("x86_64", "i686"):
                isa = NATIVE if arch == "x86_64" else FOREIGN
                needs = [f"{chance.choice('xyz')}{isa}", chance.choice("abcdefghij")]
                needs.append(chance.choice(["(x if y)", "old", f"{chance.choice('bdf')}{isa}"]))
                provides = [f"{chance.choice('xyz')}{isa}", f"{name}{isa}", chance.choice("xyz")]
                nevras = [f"{name}-0:{version}-1.{arch}"]
                if name in "ac" and place == "base":
                    nevras += [artifact(stream, name, arch) for stream in "12"]
                for nevra in nevras if arch == "x86_64" or chance.random() < 0.6 else ():
                    repository.package(
                        nevra,
                        source=f"{chance.choice('st')}-1-1",
                        size=chance.choice([500, 1000, 7000]),
                        requires=chance.sample(needs, chance.randint(0, 2)),
                        provides=provides if arch == "x86_64" else [*provides, "old"],
                        files=[f"/usr/bin/{name}"] if chance.random() < 0.2 else [],
                    )
        repositories.append(repository)
    repositories[0].modules = "".join(module(stream, chance) for stream in "12")
    needs = ["a", f"x{NATIVE}", "c", chance.choice(["old", f"y{FOREIGN}"])]
    repositories[0].package(
        "app-0:1-1.x86_64", requires=needs[: chance.randint(2, 4)], files=["/usr/bin/app"]
    )
    return tuple(repositories)


def of_one_architecture(root: Path, chance: random.Random) -> tuple[TinyRepository, ...]:
    return (drawn(root, chance),)


@pytest.mark.parametrize("world", [of_one_architecture, of_two_architectures])
def test_dnf_installs_every_plan_and_every_smallest_image(tmp_path, dnf_answers, world):
    chance = random.Random(2)
    planned = swapped = 0
    for number in range(8):
        root = tmp_path / str(number)
        kinds = attacked(root, world(root, chance), dnf_answers, chance)
        planned += sum(kind.startswith("plan") for kind in kinds)
        swapped += "swapped" in kinds
    assert planned > 2
    assert swapped > 0


def attacked(root: Path, repositories, dnf_answers, chance: random.Random) -> list[str]:
    """Asks dnf for all that an image's advice says; returns the kinds of what was asked."""
    modules = [f"lang:{chance.choice('12')}"] if chance.random() < 0.5 else []
    known = {"modules": modules, "platform": "platform:el9"}
    requests = ["app", *chance.sample(["b.i686", "h", "c", "d.i686"], chance.randint(0, 1))]
    advised = advice(Tiny(root).pool(*repositories, **known), *requests, edits=2)
    if advised.status != "ok":
        return []
    kinds = ["swapped"] if advised.smallest.request or advised.smallest.excludes else []
    answers = [("smallest", advised.smallest, ())]
    answers += [(f"plan{p.edits}", p, p.changes) for p in advised.plans]
    for kind, wanted, changes in answers:
        copies = [changed(root / kind, repository, changes) for repository in repositories]
        (installed,) = dnf_answers(
            repositories=[
                {
                    "id": copy.name,
                    "baseurl": copy.write(),
                    **copy.options,
                    "exclude": [*copy.options.get("exclude", ()), *wanted.excludes],
                }
                for copy in copies
            ],
            workloads=[{"requests": [*edited(requests, changes), *wanted.request]}],
            **known,
        )
        sizes = {p.nevra: p.size for copy in copies for p in copy.packages}
        assert installed is not None
        assert sum(sizes[nevra] for nevra in installed) == wanted.installed_size
        assert len(installed) == wanted.packages
        kinds.append(kind)
    return kinds


def changed(root: Path, repository: TinyRepository, changes: Iterable[Change]) -> TinyRepository:
    """A copy of a repository whose packages were changed as a plan says."""
    copy = Tiny(root).repository(repository.name, **repository.options)
    copy.modules = repository.modules
    for package in repository.packages:
        name = parse_nevra(package.nevra).name
        needs = package.dependencies["requires"]
        kept = [r for r in needs if not any(is_edited(c, name, r) for c in changes)]
        copy.packages.append(
            replace(package, dependencies={**package.dependencies, "requires": kept})
        )
    return copy


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
    advised = advice(centos, *BASE, name, edits=2)
    assert advised.now.installed_size == advised.smallest.installed_size == now
    first, second = advised.plans
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
    advised = advice(centos, "bash", "curl", edits=1)
    (swap,) = (s for s in advised.smallest.instead if s.take == "libcurl-minimal")
    assert (swap.class_, swap.prefer.package) == ("same-source", "curl")
    installed = answer(dnf_answers, tmp_path, ["bash", "curl"], [swap.prefer])
    assert (advised.now.installed_size, size_of(centos, installed)) == (65_503_743, 58_529_247)


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
