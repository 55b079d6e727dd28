"""The reference distribution as a value: finding it in the cache, its documents and repositories.
The same packages give the same repository, byte for byte (createrepo_c).

Also the demo's git repositories: spec files and sources, before and after the pull request.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, NotRequired

from typing_extensions import TypedDict

from bot.demo.distribution.debian import DEBIAN_ARCH, SUITES, Suite, split_version
from bot.demo.distribution.fetch import BUILD_PACKAGES
from bot.demo.distribution.recipes import MACROS_PACKAGE
from bot.distro.repomd import createrepo
from bot.errors import SurroundingsError

# Increased with every change of the packages: another number is another distribution.
FORMAT = 4
# The same for its documents, which are rewritten without building packages.
DOCUMENTS_FORMAT = 3


@dataclass(frozen=True, slots=True)
class ReferenceDistribution:
    """A small real distribution on disk.

    `root` is its directory; `repositories` maps architectures to `file://` URLs of rpm-md
    repositories; `config_dir` has the configuration documents (`--config`); `sources` the upstream
    tarballs of the demo's packages; `versions` maps sources to Debian versions.
    """

    root: Path
    suite: Suite
    repositories: Mapping[str, str]
    config_dir: Path
    sources: Path
    versions: Mapping[str, str]

    @property
    def dist(self) -> str:
        """The `%dist` of every package, such as `.deb12`."""
        return self.suite.dist

    def repository_directory(self, arch: str) -> Path:
        """The directory of an architecture's repository (`repodata/`, `Packages/`)."""
        return self.root / "repositories" / arch


class _Record(TypedDict):
    """The record `distribution.json` of what was made."""

    root: str
    suite: str
    versions: dict[str, str]
    documents: NotRequired[int]


def default_cache() -> Path:
    """MINIMIZE_CACHE, or `minimize` in the user's cache directory."""
    directory = os.environ.get("MINIMIZE_CACHE")
    if directory:
        return Path(directory)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minimize"


def place(cache: Path) -> Path:
    """The directory of this version's distribution below a cache directory; it need not exist."""
    return cache.absolute() / "reference" / f"format-{FORMAT}"


def find_reference_distribution(cache: Path) -> ReferenceDistribution | None:
    """The existing distribution, or None; it counts as used now.

    Its documents are rewritten if the cache was moved, or if this version has other documents.
    """
    root = place(cache)
    try:
        record: _Record = json.loads((root / "distribution.json").read_text())
    except FileNotFoundError:
        return None
    with contextlib.suppress(OSError):  # another user's
        os.utime(root / "distribution.json")
    suite = next(suite for suite in SUITES if suite.codename == record["suite"])
    if record["root"] != str(root) or record.get("documents") != DOCUMENTS_FORMAT:
        write_documents(root / "config", root / "repositories", suite)
        write_record(root, root, suite, record["versions"])
    return _value(root, suite, record["versions"])


def write_documents(directory: Path, repositories: Path, suite: Suite) -> None:
    """Write the configuration documents, in Content Resolver's format, into `directory`.

    `repositories` is the final path of the directory with a repository for each architecture.
    """
    directory.mkdir(parents=True, exist_ok=True)
    values = {
        "number": suite.number,
        "dist": suite.dist,
        "repositories": repositories.as_uri(),
        "architectures": json.dumps(list(DEBIAN_ARCH)),
        "build_packages": json.dumps([*BUILD_PACKAGES, MACROS_PACKAGE]),
    }
    for template in (Path(__file__).parent / "documents").glob("*.yaml"):
        draft = directory / f"{template.name}.{os.getpid()}"
        draft.write_text(Template(template.read_text()).substitute(values), encoding="utf-8")
        draft.replace(directory / template.name)  # other processes may be reading it


def write_record(directory: Path, root: Path, suite: Suite, versions: Mapping[str, str]) -> None:
    """Write the record that `find_reference_distribution` reads, atomically, as the last step."""
    record: _Record = {
        "suite": suite.codename,
        "root": str(root),
        "versions": dict(versions),
        "documents": DOCUMENTS_FORMAT,
    }
    draft = directory / f"distribution.json.{os.getpid()}"
    draft.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    draft.replace(directory / "distribution.json")


def _value(root: Path, suite: Suite, versions: Mapping[str, str]) -> ReferenceDistribution:
    return ReferenceDistribution(
        root=root,
        suite=suite,
        repositories={arch: (root / "repositories" / arch).as_uri() for arch in DEBIAN_ARCH},
        config_dir=root / "config",
        sources=root / "sources",
        versions=versions,
    )


def write_repository(root: Path, packages: Iterable[Path], revision: int) -> None:
    """Write `root/repodata` for `.rpm` files below `root`.

    `revision` (seconds since 1970) is the revision and every timestamp.
    """
    createrepo_c = createrepo()
    ordered = sorted(packages)

    def records() -> Iterable[Any]:
        for path in ordered:
            package = createrepo_c.package_from_rpm(
                str(path),
                location_href=str(path.relative_to(root)),
                checksum_type=createrepo_c.SHA256,
                changelog_limit=0,
            )
            package.time_file = revision
            yield package

    write_metadata(root, records, len(ordered), revision)


def write_metadata(
    root: Path, packages: Callable[[], Iterable[Any]], count: int, revision: int
) -> None:
    """Write `root/repodata` for createrepo_c packages: primary and filelists, compressed by zstd.
    (createrepo_c's gzip writes the current time into its header.)"""
    createrepo_c = createrepo()
    data = root / "repodata"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    kinds = {
        "primary": (createrepo_c.PrimaryXmlFile, createrepo_c.xml_dump_primary),
        "filelists": (createrepo_c.FilelistsXmlFile, createrepo_c.xml_dump_filelists),
    }
    paths = {kind: data / f"{kind}.xml.zst" for kind in kinds}
    statistics = {kind: createrepo_c.ContentStat(createrepo_c.SHA256) for kind in kinds}
    files = {
        kind: write(str(paths[kind]), createrepo_c.ZSTD, statistics[kind])
        for kind, (write, _) in kinds.items()
    }
    for file in files.values():
        file.set_num_of_pkgs(count)
    for package in packages():
        for kind, (_, dump) in kinds.items():
            files[kind].add_chunk(dump(package))
    for file in files.values():
        file.close()
    repomd = createrepo_c.Repomd()
    repomd.set_revision(str(revision))
    for kind, path in paths.items():
        record = createrepo_c.RepomdRecord(kind, str(path))
        record.load_contentstat(statistics[kind])
        record.fill(createrepo_c.SHA256)
        record.timestamp = revision
        record.rename_file()
        repomd.set_record(record)
    (data / "repomd.xml").write_text(repomd.xml_dump(), encoding="utf-8")


SPEC = "nginx.spec"
TITLE = "Transform XML with XSLT, and require perl"
BODY = """\
Some sites serve XML that nginx turns into HTML: switch on `ngx_http_xslt_module`.
The log report that runs beside the server is a Perl script, so perl is required.
"""
# The pull request's edits of the spec file: (existing line, lines that replace it). No line names
# the library that the module links, libxslt1.1, or its dependencies.
_EDITS = (
    ("BuildRequires:  libssl-dev\n", "BuildRequires:  libssl-dev\nBuildRequires:  libxslt1-dev\n"),
    (
        "Requires:       %{name}-common = %{version}-%{release}\n",
        "Requires:       %{name}-common = %{version}-%{release}\nRequires:       perl\n",
    ),
    (
        "    --with-http_v2_module \\\n",
        "    --with-http_v2_module \\\n    --with-http_xslt_module \\\n",
    ),
)


@dataclass(frozen=True, slots=True)
class RepositoryFiles:
    """The files of a git repository of the demo, by path, on the base and the head branch.

    `title` and `body` are the pull request's, `name` is the repository's.
    """

    base: Mapping[str, bytes]
    head: Mapping[str, bytes]
    title: str = TITLE
    body: str = BODY
    name: str = "nginx"


def nginx_repository_files(distribution: ReferenceDistribution) -> RepositoryFiles:
    """The demo's repository of nginx, with the version and release that the distribution publishes.
    The tarball is Debian's `.orig.tar.gz`, which is upstream's, renamed to `nginx-VERSION.tar.gz`.

    Raises SurroundingsError if the distribution lacks it.
    """
    evr = split_version(distribution.versions["nginx"])
    tarball = distribution.sources / f"nginx_{evr.version}.orig.tar.gz"
    if not tarball.exists():
        raise SurroundingsError(
            f"The source of nginx is missing: {tarball}.",
            f"Delete {distribution.root}: the next run makes the distribution anew.",
        )
    folder = files("bot.demo.distribution").joinpath("nginx")
    base = {
        SPEC: _with_version(folder.joinpath(SPEC).read_text(), evr.version, evr.release).encode(),
        "nginx.conf": folder.joinpath("nginx.conf").read_bytes(),
        "nginx.service": folder.joinpath("nginx.service").read_bytes(),
        f"nginx-{evr.version}.tar.gz": tarball.read_bytes(),
    }
    return RepositoryFiles(base, {**base, SPEC: _edited(base[SPEC].decode()).encode()})


def crcsum_repository_files() -> RepositoryFiles:
    """A repository of a small program that the pull request links with zlib on aarch64 alone: its
    Makefile does so, without a change of dependencies in the spec file."""
    folder = files("bot.demo.distribution").joinpath("crcsum")
    base = {name: folder.joinpath(name).read_bytes() for name in ("Makefile", "crcsum.c")}
    spec = folder.joinpath("crcsum.spec").read_text()
    required = "License:        MIT\n"
    head = {
        **base,
        "Makefile": folder.joinpath("Makefile.head").read_bytes(),
        "crcsum.spec": spec.replace(required, f"{required}Requires:       gawk\n").encode(),
    }
    return RepositoryFiles(
        {**base, "crcsum.spec": spec.encode()},
        head,
        "Use the instructions that aarch64 has for CRC-32",
        "zlib uses them. The report that reads our output is a gawk script.\n",
        "crcsum",
    )


def _with_version(spec: str, version: str, release: str) -> str:
    spec = re.sub(r"(?m)^(Version:\s+).*$", rf"\g<1>{version}", spec, count=1)
    spec = re.sub(r"(?m)^(Release:\s+).*$", rf"\g<1>{release}%{{?dist}}", spec, count=1)
    return re.sub(r"(?m)^(\* .* - ).*$", rf"\g<1>{version}-{release}", spec, count=1)


def _edited(spec: str) -> str:
    """The spec file of the pull request: with edits, the next release and a changelog entry."""
    for old, new in _EDITS:
        if spec.count(old) != 1:
            raise ValueError(f"the demo's spec file has no single line {old.strip()!r}")
        spec = spec.replace(old, new)
    version = _tag(spec, "Version")
    release = _tag(spec, "Release").removesuffix("%{?dist}")
    next_number = _next_release(release)
    spec = re.sub(r"(?m)^(Release:\s+).*$", rf"\g<1>{next_number}%{{?dist}}", spec, count=1)
    entry = (
        f"* Mon Jun 12 2023 Web Maintainers <web@example.org> - {version}-{next_number}\n"
        "- Transform XML with XSLT\n"
        "- Require perl for the log report\n"
        "\n"
    )
    return spec.replace("%changelog\n", f"%changelog\n{entry}")


def _tag(spec: str, name: str) -> str:
    match = re.search(rf"(?m)^{name}:\s+(\S+)$", spec)
    assert match is not None
    return match[1]


def _next_release(release: str) -> str:
    """The first number of a release plus one: `9+deb12u9` becomes `10`."""
    match = re.match(r"\d+", release)
    return str(int(match[0]) + 1) if match is not None else f"{release}.1"
