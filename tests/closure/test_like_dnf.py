"""The same answer as dnf's, package for package: on tiny repositories with odd things in them, on
CentOS Stream 9, and on the reference distribution.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
import solv

from bot.closure.filelists import in_primary
from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.snapshot import open_snapshot
from bot.model.image import ImageKey, ImageRequest
from bot.model.package import Dependency, Overlay

DATA = Path(__file__).parents[2].parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real metadata at {DATA}")
NEVER = "/usr/bin/never"


def image_request(workload: dict, arch: str = "x86_64") -> ImageRequest:
    return ImageRequest(
        ImageKey("w", "e", "d", arch),
        tuple(workload.get("requests", ())),
        tuple(workload.get("groups", ())),
        workload.get("weak", False),
    )


def answers(pool, workloads) -> list[list[str] | None]:
    differing = []
    for workload in workloads:
        closure = pool.solve(image_request(workload, pool.arch))
        ok = closure.status == "ok"
        differing.append(sorted(str(p.nevra) for p in closure.packages) if ok else None)
    return differing


def differences(workloads, closures, dnf) -> list[tuple[dict, object, object]]:
    assert len(workloads) == len(closures) == len(dnf)
    return [(w, o, d) for w, o, d in zip(workloads, closures, dnf, strict=True) if o != d]


# -- tiny repositories --------------------------------------------------------------------------

ODD_REQUESTS = [
    *("tool", "tool-1.0-1.x86_64", "tool-0:1.0-1.x86_64", "tool-1.0", "tool-1.00-1", "tool.i686"),
    *("tool-1.[0-1]*", "tool-1.[!0]*", "to?l", "tool.*", "tool*.i686", "t*l-1.2-1.x86_64"),
    *("tool = 1.0-1", "tool = 1.0", "tool < 1.2", "tool>1.0", "tool == 1.2-1", "tool >= 0:1"),
    *(
        "tool-api",
        "tool-api >= 2",
        "tool-api = 2",
        "tool-ap*",
        "tool-api < 2",
        "(tool-api and old)",
    ),
    *("/usr/bin/tool", "/usr/share/tool/data", "/usr/share/tool/data/", "/usr/share/to*/data"),
    *("*/tool/data", "/usr/bin/*", "python3.12", "python3", "old", "old-1:3-1", "old-3", "new"),
    *(
        "library",
        "foreign",
        "nosuch",
        "nosuch*",
        "*",
        "tool-9-1.src",
        "tool >=",
        "split",
        "split-b",
    ),
    *("user", "rich", "alternatives", "either", "conditional", "kernel", "cycle-a", "needs-file"),
    *("obsoleter", "unless", "virtual", "renamed", "hidden", "hidden-1", "multi", "multi.i686"),
    *("explicit", "/usr/share/explicit", "/usr/lib/deep/file", "deep", "prio", "prio-2", "without"),
]


def odd_repositories(tiny):
    base = tiny.repository()
    base.package("tool-0:1.0-1.x86_64", files=["/usr/bin/tool", "/usr/share/tool/data"])
    base.package("tool-0:1.2-1.x86_64", provides=["tool-api = 2"], files=["/usr/bin/tool"])
    base.package("tool-0:1.2-1.i686", provides=["tool-api = 2"], files=["/usr/bin/tool"])
    base.package("old-1:3-1.noarch").package("old-1:2-1.noarch")
    base.package("new-0:1-1.noarch", obsoletes=["old < 1:4"])
    base.package("python3.12-0:3.12.1-1.x86_64", provides=["python3 = 3.12"])
    base.package("python3.9-0:3.9.1-1.x86_64", provides=["python3 = 3.9"])
    base.package("library-0:1-1.i686", requires=["libc-lib"])
    base.package("libc-0:1-1.i686", provides=["libc-lib"])
    base.package("libc-0:1-1.x86_64", provides=["libc-lib"])
    base.package("foreign-0:1-1.s390x").package("tool-0:9-1.src")
    base.package("split-0:1-1.noarch").package("split-a-0:2-1.noarch", obsoletes=["split < 2"])
    base.package("split-b-0:2-1.noarch", obsoletes=["split < 2"])
    base.package("user-0:1-1.noarch", requires=["virtual", "tool-api"])
    base.package("virtual-b-0:1-1.noarch", provides=["virtual"])
    base.package("virtual-a-0:1-1.noarch", provides=["virtual = 3"])
    base.package("rich-0:1-1.noarch", requires=["(virtual-b or virtual-a)", "(new if tool)"])
    base.package("either-0:1-1.noarch", requires=["(nosuch or old)"])
    base.package("conditional-0:1-1.noarch", requires=["tool", "(python3 if tool else old)"])
    base.package("unless-0:1-1.noarch", requires=["old", "(tool unless old)"])
    base.package("without-0:1-1.noarch", requires=["(python3 without python3.12)"])
    base.package("kernel-0:1-1.x86_64").package("kernel-0:2-1.x86_64")
    base.package("cycle-a-0:1-1.noarch", requires=["cycle-b"])
    base.package("cycle-b-0:1-1.noarch", requires=["cycle-a"])
    base.package("needs-file-0:1-1.noarch", requires=["/usr/share/tool/data", NEVER[:-6] + "tool"])
    base.package("deep-0:1-1.noarch", requires=["/usr/lib/deep/file"])
    base.package("deep-files-0:1-1.noarch", files=["/usr/lib/deep/file"])
    base.package("multi-0:1-1.i686").package("multi-0:2-1.x86_64").package("multi-0:2-1.i686")
    base.package("explicit-0:1-1.noarch", provides=["/usr/share/explicit"])
    base.package("implicit-0:1-1.noarch", files=["/usr/share/explicit"])
    base.package("obsoleter-0:1-1.noarch", obsoletes=["multi"], requires=["tool"])
    base.package("renamed-0:5-1.noarch", obsoletes=["before"], provides=["before = 5"])
    base.package("before-0:4-1.noarch").package("hidden-0:1-1.noarch")
    base.package("prio-0:2-1.noarch")
    first = tiny.repository("first", priority=10, exclude=("hidden-2*", "lib?rary"))
    first.package("prio-0:1-1.noarch").package("hidden-0:2-1.noarch")
    first.package("python3.9-0:3.9.2-1.x86_64", provides=["python3 = 3.9"])
    return base, first


def described(*repositories) -> list[dict]:
    return [{"id": r.name, "baseurl": r.write(), **r.options} for r in repositories]


def test_odd_requests_select_as_with_dnf(tiny, dnf_answers):
    repositories = odd_repositories(tiny)
    for repository in repositories:
        repository.options.setdefault("priority", 99)
    workloads = [{"requests": [r]} for r in ODD_REQUESTS]
    chance = random.Random(5)
    workloads += [
        {"requests": chance.sample(ODD_REQUESTS, 3), "weak": n % 2 > 0} for n in range(80)
    ]
    dnf = dnf_answers(repositories=described(*repositories), workloads=workloads)
    assert differences(workloads, answers(tiny.pool(*repositories), workloads), dnf) == []
    assert sum(answer is not None for answer in dnf) > 60


# -- CentOS Stream 9 ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def centos(tmp_path_factory):
    """Opens pools of the real repositories; metadata is parsed once for all tests here."""
    cache = Cache(tmp_path_factory.mktemp("centos"))

    def opened(*names: str, **fields):
        sources = tuple(RepoSource(n, n, (url(n),), **fields.pop(n, {})) for n in names)
        document = RepositoryDocument("d", "D", "", "", "9", ("x86_64",), sources, **fields)
        return open_pool(open_snapshot(document, "x86_64", cache), cache)

    return opened


def url(name: str) -> str:
    return f"file://{DATA}/centos-stream-9-{name}/"


def some_workloads(pool, count: int, seed: int) -> list[dict]:
    """Requests over everything the repositories have: one name, several, groups, capabilities."""
    chance = random.Random(seed)
    solvables = [s for s in pool._overlay_pool.pool.solvables if s.arch != "src"]
    names = sorted({s.name for s in solvables})
    capabilities = sorted(
        {
            d.capability
            for s in chance.sample(solvables, 60)
            for d in pool._overlay_pool.package(s.id).of_kind("provides")[:3]
        }
    )
    paths = ["/usr/bin/awk", "/bin/sh", "/usr/sbin/ip", "/usr/share/dict/words", "/etc/passwd"]
    workloads = [{"requests": chance.sample(names, 1 + n % 4)} for n in range(count // 2)]
    for n in range(count - len(workloads)):
        requests = [chance.choice(capabilities), chance.choice(paths), chance.choice(names)]
        workloads.append({"requests": requests[: 1 + n % 3], "weak": n % 5 == 0})
    return workloads


@real
@pytest.mark.parametrize("names", [("baseos",), ("baseos", "appstream")], ids="+".join)
def test_centos_stream_9_as_with_dnf(centos, dnf_answers, names):
    pool = centos(*names)
    workloads = some_workloads(pool, 100 + 50 * len(names), seed=len(names))
    groups = ("core", "base", "standard", "network-server", "headless-management")
    workloads += [{"groups": [g]} for g in groups]
    workloads += [{"requests": ["bash"], "groups": ["core"], "weak": True}]
    repositories = [{"id": n, "baseurl": url(n)} for n in names]
    dnf = dnf_answers(repositories=repositories, workloads=workloads)
    assert differences(workloads, answers(pool, workloads), dnf) == []
    assert sum(answer is not None for answer in dnf) >= 100


@real
def test_centos_stream_9_with_priorities_and_excludes_as_with_dnf(centos, dnf_answers):
    options = {"priority": 10, "exclude": ("glibc-langpack-*", "python3-2*", "*.i686")}
    pool = centos("baseos", "appstream", appstream=options, baseos={"priority": 50})
    workloads = some_workloads(pool, 60, seed=7)
    repositories = [
        {"id": "baseos", "baseurl": url("baseos"), "priority": 50},
        {"id": "appstream", "baseurl": url("appstream"), **options},
    ]
    dnf = dnf_answers(repositories=repositories, workloads=workloads)
    assert differences(workloads, answers(pool, workloads), dnf) == []


@real
@pytest.mark.parametrize(
    "modules",
    [("nginx:1.24",), ("postgresql:15", "nodejs:20", "php:8.2"), ("maven:3.8", "ruby:3.3")],
    ids="+".join,
)
def test_module_streams_of_centos_stream_9_as_with_dnf(centos, dnf_answers, modules):
    pool = centos("baseos", "appstream", modules=modules, module_platform="platform:el9")
    names = ("nginx", "nginx-core", "postgresql", "postgresql-server", "nodejs", "npm", "php-cli")
    names += ("maven", "ruby", "rubygems", "php-fpm", "nginx-mod-stream", "maven-lib", "httpd")
    names += ("libpq", "nodejs-libs", "ruby-libs", "nginx-all-modules", "java-11-openjdk-headless")
    workloads = [{"requests": [name]} for name in names]
    repositories = [{"id": n, "baseurl": url(n)} for n in ("baseos", "appstream")]
    dnf = dnf_answers(
        repositories=repositories,
        workloads=workloads,
        modules=list(modules),
        platform="platform:el9",
    )
    assert differences(workloads, answers(pool, workloads), dnf) == []


def with_requirement(directory: Path, published: dict[str, str], requirement: str) -> str:
    """BaseOS where all packages of some sources are `published` (by checksum: a source) alone, and
    each requires one thing more."""
    metadata = DATA / "centos-stream-9-baseos" / "repodata"
    (listed,) = metadata.glob("*filelists.xml.gz")
    (primary,) = metadata.glob("*primary.xml.gz")
    sources = set(published.values())

    def changed(match: re.Match[str]) -> str:
        text = match[0]
        source = re.search(r"<rpm:sourcerpm>(.+)-[^-]+-[^-]+</rpm:sourcerpm>", text)
        checksum = re.search(r'pkgid="YES">(\w+)<', text)
        if source is None or checksum is None or source[1] not in sources:
            return text
        if checksum[1] not in published:
            return ""
        entry = f'<rpm:entry name="{requirement}"/>'
        if "<rpm:requires>" in text:
            return text.replace("<rpm:requires>", f"<rpm:requires>{entry}", 1)
        return text.replace("</format>", f"<rpm:requires>{entry}</rpm:requires></format>", 1)

    text = gzip.decompress(primary.read_bytes()).decode()
    text = re.sub(r"<package type=.*?</package>", changed, text, flags=re.DOTALL)
    text = re.sub(r'packages="\d+"', f'packages="{text.count("<package ")}"', text, count=1)
    files = {"primary": gzip.compress(text.encode()), "filelists": listed.read_bytes()}
    records = []
    (directory / "repodata").mkdir(parents=True)
    for type_, content in files.items():
        (directory / "repodata" / f"{type_}.xml.gz").write_bytes(content)
        checksum = hashlib.sha256(content).hexdigest()
        records.append(
            f'<data type="{type_}"><checksum type="sha256">{checksum}</checksum>'
            f'<location href="repodata/{type_}.xml.gz"/><timestamp>1</timestamp></data>'
        )
    (directory / "repodata" / "repomd.xml").write_text(
        '<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>'
        f"{''.join(records)}</repomd>"
    )
    return directory.as_uri() + "/"


@real
def test_overlays_have_the_paths_that_only_filelists_know_as_with_dnf(
    centos, dnf_answers, tmp_path
):
    """`words`, the only source of BaseOS with such a path that something requires, and some whose
    paths are asked for: unchanged, and with one requirement more in all their packages."""
    pool = centos("baseos")
    stage = pool._overlay_pool
    pool.solve(image_request({"requests": ["krb5-server"]}))  # reads filelists.xml
    paths = [p for p in stage.index.files if not in_primary(p)]
    sources = ["ca-certificates", "crypto-policies", "tzdata", "words"]
    packages = [p for s in sources for p in pool.newest_published(s)]
    base = Overlay("x86_64", frozenset(sources), tuple(packages), "predicted")
    more = Dependency("requires", "tmux")
    head = replace(
        base, packages=tuple(replace(p, dependencies=(*p.dependencies, more)) for p in packages)
    )
    seekers = sorted(
        {
            stage.package(s.id).nevra.name
            for path in paths
            for s in stage.pool.whatmatchesdep(solv.SOLVABLE_REQUIRES, stage.pool.str2id(path))
        }
    )
    assert "krb5-server" in seekers
    deep = [f for p in packages for f in p.files if not in_primary(f) and "doc/" not in f]
    workloads = [{"requests": [name]} for name in (*seekers, *random.Random(3).sample(deep, 20))]
    published = {p.location.checksum: p.source for p in packages}
    changed = with_requirement(tmp_path / "head", published, "tmux")
    for overlay, place in ((base, url("baseos")), (head, changed)):
        dnf = dnf_answers(repositories=[{"id": "baseos", "baseurl": place}], workloads=workloads)
        closures = []
        for workload in workloads:
            closure = pool.solve(image_request(workload), overlay)
            closures.append(sorted(str(p.nevra) for p in closure.packages) or None)
        assert differences(workloads, closures, dnf) == []
        assert sum(answer is not None for answer in dnf) > len(workloads) // 2
    assert all(any(n.startswith("tmux-") for n in a) for a in dnf if a is not None)


@real
def test_closures_that_osbuild_recorded(centos, tiny):
    extra = tiny.repository("custom").package("pkg-with-no-deps-0:1.0.0-0.noarch")
    expected = json.loads((DATA / "centos-stream-9-baseos/expected/osbuild-dnf.json").read_text())
    sources = (
        RepoSource("baseos", "baseos", (url("baseos"),)),
        RepoSource("custom", "custom", (extra.write(),)),
    )
    document = RepositoryDocument("d", "D", "", "", "9", ("x86_64",), sources)
    pool = open_pool(open_snapshot(document, "x86_64", tiny.cache), tiny.cache)
    assert len(expected["cases"]) >= 3
    for case in expected["cases"]:
        closure = pool.solve(image_request({"requests": case["request"]}))
        assert sorted(p.nevra.name for p in closure.packages) == sorted(case["names"])


@real
def test_the_closure_with_weak_dependencies_that_osbuild_recorded(centos):
    expected = json.loads(
        (DATA / "centos-stream-9-baseos/expected/osbuild-images-dnf-weak.json").read_text()
    )
    for case in expected["cases"]:
        closure = centos("baseos").solve(image_request({"requests": case["request"], "weak": True}))
        assert [str(p.nevra) for p in closure.packages] == sorted(case["nevra"])


@real
def test_a_container_image_of_mariner_is_installable_as_it_was(tmp_path):
    """What its rpm database lists is consistent, and asking for all of it gives all of it."""
    directory = DATA / "mariner-2-container"
    expected = json.loads((directory / "expected/installed.json").read_text())
    sources = (RepoSource("mariner", "mariner", (directory.as_uri() + "/",)),)
    document = RepositoryDocument("d", "D", "", "", "2", ("x86_64",), sources)
    cache = Cache(tmp_path)
    pool = open_pool(open_snapshot(document, "x86_64", cache), cache)
    installed = sorted(p["nevra"] for p in expected if p["name"] != "gpg-pubkey")
    closure = pool.solve(image_request({"requests": [p["name"] for p in expected]}))
    assert sorted(str(p.nevra) for p in closure.packages) == installed
    some = pool.solve(image_request({"requests": ["curl"]}))
    assert {str(p.nevra) for p in some.packages} < set(installed)


# -- the reference distribution -----------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("arch", ["x86_64", "s390x"])
def test_the_reference_distribution_as_with_dnf(reference, dnf_answers, tmp_path, arch):
    place = reference.repositories[arch].rstrip("/") + "/"
    source = RepoSource("reference", "reference", (place,))
    document = RepositoryDocument("d", "D", "", "", "12", (arch,), (source,))
    cache = Cache(tmp_path)
    pool = open_pool(open_snapshot(document, arch, cache), cache)
    workloads = some_workloads(pool, 70, seed=3)
    dnf = dnf_answers(
        repositories=[{"id": "reference", "baseurl": place}], workloads=workloads, arch=arch
    )
    assert differences(workloads, answers(pool, workloads), dnf) == []
    assert sum(answer is not None for answer in dnf) >= 30
