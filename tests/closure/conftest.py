"""Tiny repositories, written as rpm-md, and pools of them."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest

from bot.closure.evr import newest
from bot.closure.pool import Pool, open_pool
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.snapshot import open_snapshot, repository_file
from bot.model.closure import Closure
from bot.model.image import ImageKey, ImageRequest, PlaceholderPackage
from bot.model.nevra import parse_nevra
from bot.model.package import DEPENDENCY_KINDS, Dependency, Overlay, Package

_FLAGS = {"=": "EQ", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}
_WRITTEN_KINDS = tuple(k for k in DEPENDENCY_KINDS)


def _entry(capability: str, pre: bool) -> str:
    text = f" name={quoteattr(capability)}"
    parts = capability.split()
    if not capability.startswith("(") and len(parts) == 3:
        epoch, _, rest = parts[2].rpartition(":")
        version, _, release = rest.partition("-")
        text = f" name={quoteattr(parts[0])} flags={quoteattr(_FLAGS[parts[1]])}"
        text += f' epoch="{epoch or 0}" ver={quoteattr(version)}'
        text += f" rel={quoteattr(release)}" if release else ""
    return f"<rpm:entry{text}{' pre=' + quoteattr('1') if pre else ''}/>"


@dataclass
class TinyPackage:
    """A package as a test describes it; the rest has default values."""

    nevra: str
    source: str | None = None
    size: int = 1000
    files: Sequence[str] = ()
    dependencies: dict[str, Sequence[str]] = field(default_factory=dict)
    pre: Sequence[str] = ()

    @property
    def checksum(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()

    def primary(self) -> str:
        n = parse_nevra(self.nevra)
        source = self.source if self.source is not None else f"{n.name}-{n.version}-{n.release}"
        kinds = dict(self.dependencies)
        own = f"{n.name} = {n.evr}"
        kinds["provides"] = [own, *kinds.get("provides", ())]
        written = "".join(
            f"<rpm:{kind}>"
            + "".join(_entry(c, c in self.pre and kind == "requires") for c in kinds[kind])
            + f"</rpm:{kind}>"
            for kind in _WRITTEN_KINDS
            if kinds.get(kind)
        )
        listed = "".join(
            f"<file>{escape(path)}</file>"
            for path in self.files
            if path.startswith("/etc/") or "bin/" in path or path == "/usr/lib/sendmail"
        )
        src = f"<rpm:sourcerpm>{escape(source)}.src.rpm</rpm:sourcerpm>" if source else ""
        return (
            f'<package type="rpm"><name>{escape(n.name)}</name><arch>{n.arch}</arch>'
            f'<version epoch="{n.epoch}" ver={quoteattr(n.version)} rel={quoteattr(n.release)}/>'
            f'<checksum type="sha256" pkgid="YES">{self.checksum}</checksum>'
            f"<summary>A thing &lt;for tests&gt;</summary><description>Some\nlines</description>"
            f'<packager>p</packager><url>u</url><time file="1" build="2"/>'
            f'<size package="{self.size // 2}" installed="{self.size}" archive="0"/>'
            f"<location href={quoteattr('p/' + self.nevra + '.rpm')}/><format>"
            f"<rpm:license>MIT</rpm:license><rpm:vendor/><rpm:group>x</rpm:group>"
            f'<rpm:buildhost>h</rpm:buildhost>{src}<rpm:header-range start="4504" end="9000"/>'
            f"{written}{listed}</format></package>"
        )

    def filelist(self) -> str:
        n = parse_nevra(self.nevra)
        files = "".join(f"<file>{escape(path)}</file>" for path in self.files)
        return (
            f'<package pkgid="{self.checksum}" name={quoteattr(n.name)} arch="{n.arch}">'
            f'<version epoch="{n.epoch}" ver="{n.version}" rel="{n.release}"/>{files}</package>'
        )


class TinyRepository:
    """A repository below a directory; written when a pool of it is opened."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root / name
        self.packages: list[TinyPackage] = []
        self.modules = ""
        self.comps = ""
        self.options: dict[str, object] = {}

    def package(
        self,
        nevra: str,
        *,
        source: str | None = None,
        size: int = 1000,
        files: Sequence[str] = (),
        pre: Sequence[str] = (),
        **dependencies: Sequence[str],
    ) -> TinyRepository:
        self.packages.append(TinyPackage(nevra, source, size, files, dependencies, pre))
        return self

    def write(self) -> str:
        count = f'packages="{len(self.packages)}"'
        primary = "".join(p.primary() for p in self.packages)
        lists = "".join(p.filelist() for p in self.packages)
        contents = {
            "primary": f'<metadata xmlns="http://linux.duke.edu/metadata/common" '
            f'xmlns:rpm="http://linux.duke.edu/metadata/rpm" {count}>{primary}</metadata>',
            "filelists": f'<filelists xmlns="http://linux.duke.edu/metadata/filelists" {count}>'
            f"{lists}</filelists>",
        }
        if self.modules:
            contents["modules"] = self.modules
        if self.comps:
            contents["group"] = self.comps
        directory = self.root / "repodata"
        directory.mkdir(parents=True, exist_ok=True)
        records = []
        for type_, text in contents.items():
            packed = gzip.compress(text.encode(), mtime=0)
            checksum = hashlib.sha256(packed).hexdigest()
            name = f"{checksum}-{type_}.xml.gz"
            (directory / name).write_bytes(packed)
            records.append(
                f'<data type="{type_}"><checksum type="sha256">{checksum}</checksum>'
                f'<location href="repodata/{name}"/><timestamp>1700000000</timestamp>'
                f"<size>{len(packed)}</size><open-size>{len(text.encode())}</open-size>"
                f'<open-checksum type="sha256">{hashlib.sha256(text.encode()).hexdigest()}'
                "</open-checksum></data>"
            )
        (directory / "repomd.xml").write_text(
            '<?xml version="1.0"?><repomd xmlns="http://linux.duke.edu/metadata/repo">'
            f"<revision>1</revision>{''.join(records)}</repomd>"
        )
        return self.root.as_uri() + "/"


class Tiny:
    """A factory of repositories and of pools of them, below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = Cache(root / "cache")
        self.fetched: list[tuple[str, str]] = []

    def repository(self, name: str = "base", **options: object) -> TinyRepository:
        repository = TinyRepository(name, self.root)
        repository.options = options
        return repository

    def pool(
        self,
        *repositories: TinyRepository,
        arch: str = "x86_64",
        modules: Sequence[str] = (),
        platform: str | None = None,
        document: str = "d",
    ) -> Pool:
        sources = tuple(RepoSource(r.name, r.name, (r.write(),), **r.options) for r in repositories)
        described = RepositoryDocument(
            document, "D", "", "", "9", (arch,), sources, tuple(modules), platform
        )
        snapshot = open_snapshot(described, arch, self.cache)

        def file_of(repository, type_):
            self.fetched.append((repository.id, type_))
            return repository_file(repository, type_)

        return open_pool(snapshot, self.cache, file_of=file_of)


def request(
    *requests: str,
    weak: bool = False,
    groups: Sequence[str] = (),
    placeholders: Sequence[PlaceholderPackage] = (),
    arch: str = "x86_64",
) -> ImageRequest:
    key = ImageKey("w", "e", "d", arch)
    return ImageRequest(key, requests, tuple(groups), weak, tuple(placeholders))


def package(nevra: str, source: str, files: Sequence[str] = (), **kinds: Sequence[str]) -> Package:
    """Return a package of an overlay."""
    n = parse_nevra(nevra)
    dependencies = [Dependency("provides", f"{n.name} = {n.evr}")]
    dependencies += [Dependency(k, c) for k, caps in kinds.items() for c in caps]  # type: ignore[arg-type]
    return Package(n, source, "overlay", tuple(dependencies), tuple(files), 500)


def overlay(*packages: Package, sources: Sequence[str] = (), arch: str = "x86_64") -> Overlay:
    names = frozenset(sources) or frozenset(p.source for p in packages)
    return Overlay(arch, names, packages, "predicted")


def unchanged(pool: Pool, source: str, arch: str = "x86_64") -> Overlay:
    """Return the base side of a prediction: the newest published packages of a source."""
    return Overlay(arch, frozenset((source,)), newest(pool.published(source), arch), "predicted")


def names(closure: Closure) -> list[str]:
    """Return the NEVRAs of a closure, without an epoch of 0."""
    assert closure.status == "ok", closure.problems
    return [re.sub(r"-0:", "-", str(p.nevra)) for p in closure.packages]


def random_pool(
    root: Path, needs: Sequence[Sequence[str]], provides: Sequence[Sequence[str]], requested: str
) -> Pool:
    """Return a pool with packages `a`, `b`, ... with these requirements and provides, `app` that
    requires `requested`, and for each of x, y and z a package that provides nothing else."""
    base = Tiny(root).repository()
    for name, required, provided in zip("abcdefgh", needs, provides, strict=False):
        base.package(f"{name}-0:1-1.x86_64", requires=required, provides=provided)
    base.package("app-0:1-1.x86_64", requires=[requested])
    for name in "xyz":
        base.package(f"only-{name}-0:1-1.x86_64", provides=[name])
    return Tiny(root).pool(base)


@dataclass(frozen=True)
class Helpers:
    request: Callable[..., ImageRequest] = request
    package: Callable[..., Package] = package
    overlay: Callable[..., Overlay] = overlay
    unchanged: Callable[..., Overlay] = unchanged
    names: Callable[[Closure], list[str]] = names


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(tmp_path)


@pytest.fixture
def ask() -> Callable[..., ImageRequest]:
    return request


@pytest.fixture
def h() -> Helpers:
    return Helpers()


@pytest.fixture(scope="session")
def dnf_answers(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[list[str] | None]]:
    """A function that solves by the system's dnf, through its Python API; skips without dnf."""
    script = Path(__file__).with_name("dnf_answers.py")
    python = "/usr/bin/python3"
    probe = [python, "-c", "import dnf"]
    if (
        not Path(python).exists()
        or subprocess.run(probe, check=False, capture_output=True).returncode
    ):
        pytest.skip("dnf 4's Python module is not installed: nothing to compare with")

    def answers(**job: object) -> list[list[str] | None]:
        work = tmp_path_factory.mktemp("dnf")
        done = subprocess.run(
            [python, str(script)],
            input=json.dumps({"arch": "x86_64", **job, "work": str(work)}).encode(),
            stdout=subprocess.PIPE,
            check=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(work)},
        )
        answers: list[list[str] | None] = json.loads(done.stdout)
        return answers

    return answers
