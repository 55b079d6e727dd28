"""The parsers of ours, each with inputs to begin with and the refusals that are its own.

`strangers` are those that read what anybody may write: a change, a comment, what a build or an
evaluation made, somebody else's repository. The others read what the operator's repositories say.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bot.build.builders import failure_message
from bot.build.headers import checked_headers, header_range
from bot.build.listing import ListingError, read_listing
from bot.chat.parser import parse_comment
from bot.check.repository_file import RepositoryFileError, read_repository_file
from bot.closure.comps import read_comps
from bot.closure.filelists import matching
from bot.closure.modules import read_modules
from bot.distro.failover import RefusedFileError
from bot.distro.metadata import unpacked
from bot.distro.mirrors import _parse_metalink
from bot.distro.repofile import Chosen, RepofileError, read_repofile
from bot.distro.repomd import Record, RepomdError, parse_repomd
from bot.errors import SurroundingsError, UsageError
from bot.forge.events import MISSHAPEN
from bot.forge.forgejo import events as forgejo
from bot.forge.github import events as github
from bot.forge.gitlab import events as gitlab
from bot.image.listing import parse_listing
from bot.image.lock import read_lock
from bot.image.payload import read_payload
from bot.image.rpmheader import RefusedPackageError, header_bytes
from bot.limited.forker import UnreadableError
from bot.model.capability import capabilities_in, names_in, parse_rich, split_capability
from bot.model.nevra import parse_evr, parse_nevra, source_name
from bot.requests.containerfile import read_containerfile
from bot.requests.rpms_in import read_rpms_in
from bot.requests.treefile import read_treefile
from bot.spec.answer import Answer
from bot.spec.inside.markers import mark
from bot.spec.lines import build_sections, read_expanded
from bot.spec.macro_uses import MacroUses
from bot.spec.missing import in_message, macros_in, named_files
from bot.spec.release import _version, placeholder_definitions
from bot.spec.results import _read
from bot.spec.rpm_version import rpm_version, without_unpacking
from bot.spec.tree import SourcesError, SpecTree, read_lists, upward_files
from bot.yamltext import YamlError, parse_yaml
from tests.image.crafted import Directory, File, Link, write_rpm

_ = Answer  # its schema is what `_read` checks


@dataclass(frozen=True, slots=True)
class Parser:
    """A parser: what it is called with, the errors by which it refuses, inputs to begin with."""

    name: str
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    strangers: bool = True


@cache
def _folder() -> Path:
    made = tempfile.TemporaryDirectory(prefix="minimize-fuzz-", dir="/dev/shm")
    _kept.append(made)
    return Path(made.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def _file(content: bytes, name: str = "input") -> Path:
    path = _folder() / name
    path.write_bytes(content)
    return path


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _descriptor(content: bytes, read: Callable[[int], object]) -> object:
    descriptor = os.open(_file(content), os.O_RDONLY)
    try:
        return read(descriptor)
    finally:
        os.close(descriptor)


def _containerfile(content: bytes) -> object:
    return read_containerfile("Containerfile", content)


def _rpms_in(content: bytes) -> object:
    return read_rpms_in("rpms.in.yaml", {"rpms.in.yaml": content, "Containerfile": content})


def _treefile(content: bytes) -> object:
    return read_treefile("manifest.yaml", {"manifest.yaml": content, "base.yaml": content})


CONTAINERFILE = b"""# escape=\\
ARG V=43
FROM fedora:${V} AS base
ENV A="x y" B=z
RUN --mount=type=cache,target=/var/cache if [ -n "$A" ]; then dnf -y install $A ${B:-c} \\
  'd' "$(cat e)" `f`; fi && dnf clean all || true
RUN <<EOF
microdnf install --setopt=install_weak_deps=0 --installroot /mnt g
EOF
RUN ["dnf", "install", "h"]
FROM scratch
COPY --from=base /mnt /
"""
RPMS_IN = b"""packages: [a, {name: b, arches: {only: [x86_64], not: s390x}}, "@c"]
context: {containerfile: {file: Containerfile, stageNum: 1}}
installWeakDeps: true
"""
TREEFILE = b"""ref: x
include: base.yaml
packages: ["a 'b >= 1'"]
packages-s390x: [c]
repo-packages: [{repo: r, packages: [d]}]
exclude-packages: [e*]
recommends: false
"""
SPEC = b"""%global commit 0123456789
%global short %(c=%{commit}; echo ${c:0:7})
%bcond_without check
Name: tool
Epoch: 1
Version: 1.2~rc1
Release: 3%{?dist}
Summary: A tool
License: MIT
Source0: https://example.org/%{name}-%{version}.tar.gz
Patch1: ../fix.patch
BuildRequires: gcc, pkgconfig(zlib) >= 1.2
Requires: (foo or bar) perl(A::B) >= 3
%ifarch x86_64 aarch64
Requires(post): %{name}-libs%{?_isa} = %{version}-%{release}
%endif
%description
Text.
%package libs
Summary: Libraries
%description libs
x
%prep
%autosetup -p1 -n \\
  %{name}
%patch1 -p1
%build
make %{?_smp_mflags}
%{lua: print("x")}
%install
%include extra.inc
%files
/usr/bin/tool
%files libs -f list
%changelog
"""
ANSWER = json.dumps(
    {
        "packages": [
            {
                "name": "tool",
                "epoch": 1,
                "version": "1.2~rc1",
                "release": "3",
                "arch": "x86_64",
                "files": "/usr/bin/tool\n",
                "dependencies": [
                    ["requires", "(foo or bar)", 0, ""],
                    ["provides", "a", 8, "1:2-3"],
                ],
            }
        ],
        "source": "tool",
        "buildrequires": [["requires", "gcc", 12, "4"]],
        "exclusivearch": ["x86_64"],
        "excludearch": [],
        "conditions": [["ifarch", 14, "x86_64 %{undefined}"]],
        "sources": [["https://example.org/a.tar.gz", 0, 1], ["fix.patch", 1, 2]],
        "macros": [["optflags", "-O2"]],
        "parsed": _text(SPEC),
        "marked": {"files": ["tool.spec"], "parsed": mark(_text(SPEC), 0)},
    }
).encode()
REFUSED = json.dumps(
    {
        "error": "error: line 3: Unknown tag: %{foo}\n",
        "requested": ["gcc >= 3, (a if b)"],
        "locations": ["x.tar.gz"],
        "buildarch": [["BuildArch", 3, "%{x}"]],
    }
).encode()
BUILT = json.dumps(
    {
        "name": "a",
        "epoch": 0,
        "version": "1",
        "release": "1",
        "arch": "x86_64",
        "source_rpm": "a-1-1.src.rpm",
        "installed_size": 1,
        "installed_size_nodocs": 1,
        "dependencies": [["requires", "b >= 1", ["pre"], False, ["/a"]]],
        "files": ["/a", "/usr/bin/b"],
    }
).encode()
PRIMARY = (
    b'<?xml version="1.0"?><metadata xmlns="http://linux.duke.edu/metadata/common" packages="1">'
    b'<package type="rpm"><name>tool</name><arch>x86_64</arch>'
    b'<version epoch="0" ver="1" rel="2"/><checksum type="sha256">00ff</checksum>'
    b'<time file="1" build="1"/><size package="5"/><location href="tool.rpm"/>'
    b'<format><rpm:sourcerpm xmlns:rpm="r">tool-1-2.src.rpm</rpm:sourcerpm></format>'
    b"</package></metadata>"
)
MESSAGES = (
    b"error: line 12: Unknown tag: %{foo}\ncat: VERSION: No such file or directory\n"
    b"sh: line 1: 'x y': No such file\nfailed to load macro file /checkout/macros\n"
    b'awk: cannot open "a/b" (No such file or directory)\ntool.spec:12: error: x\n'
    b"error: Bad exit status from /var/tmp/rpm-tmp.x (%build)\nmain.c:1:2: fatal error: x\n"
)
COMMENT = (
    b"Hello\n\n/minimize why perl --workload nginx\n> /minimize help\n\n```\n/minimize check\n```\n"
    b'/minimize what-if drop "a b" from nginx\n<!-- /minimize cancel -->\n* /minimize objectives\n'
    b"/minimize accept 0123456789012345678901234567890123456789 **reason** [x](y)\n"
)
YAML = b"""repository: centos-stream-9
workloads: [nginx, "httpd"]
builder: rpmbuild
dist: .el9
branches:
  main: {repository: fedora}
thresholds: {bytes: 100 kB, percent: 1}
objectives:
- name: &n small
  workload: nginx
  limits: {packages: 3}
"""
GITHUB = json.dumps(
    {
        "action": "opened",
        "number": 1,
        "repository": {"id": 1, "full_name": "o/r", "private": False, "default_branch": "main"},
        "installation": {"id": 3},
        "sender": {"login": "a", "type": "User"},
        "pull_request": {
            "number": 1,
            "head": {"sha": "0" * 40, "ref": "b", "repo": {"id": 1, "full_name": "o/r"}},
            "base": {"sha": "1" * 40, "ref": "main", "repo": {"id": 1, "full_name": "o/r"}},
            "user": {"login": "a", "id": 4},
            "draft": False,
            "updated_at": "2024-01-01T00:00:00Z",
        },
        "issue": {"number": 1, "pull_request": {}},
        "comment": {"id": 1, "body": "/minimize help", "user": {"login": "a", "type": "User"}},
        "check_run": {"name": "minimize", "head_sha": "0" * 40, "pull_requests": [{"number": 1}]},
        "ref": "refs/heads/main",
        "after": "2" * 40,
        "commits": [{"added": ["a.spec"], "removed": [], "modified": []}],
    }
).encode()
GITLAB = json.dumps(
    {
        "object_kind": "merge_request",
        "project": {"id": 1, "path_with_namespace": "g/p", "web_url": "https://gitlab.example/g/p"},
        "user": {"username": "a", "id": 3},
        "object_attributes": {
            "iid": 1,
            "id": 2,
            "action": "open",
            "note": "/minimize help",
            "noteable_type": "MergeRequest",
            "last_commit": {"id": "0" * 40},
            "updated_at": "2024-01-01 00:00:00 UTC",
        },
        "merge_request": {"iid": 1, "last_commit": {"id": "0" * 40}},
        "ref": "refs/heads/main",
        "after": "2" * 40,
        "commits": [],
    }
).encode()
REPOMD = (
    b'<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>9</revision>'
    b'<data type="primary"><checksum type="sha256">00ff</checksum><size>10</size>'
    b'<open-checksum type="sha256">00ff</open-checksum><open-size>10</open-size>'
    b'<timestamp>1700000000.5</timestamp><location href="repodata/p.xml.gz" xml:base="http://x/"/>'
    b"</data></repomd>"
)
METALINK = (
    b'<metalink version="3.0" xmlns="http://www.metalinker.org/"><files><file name="repomd.xml">'
    b'<size>10</size><verification><hash type="sha256">00ff</hash></verification><resources>'
    b'<url protocol="https" preference="100">https://m.example/r/repodata/repomd.xml</url>'
    b"</resources></file></files></metalink>"
)
COMPS = (
    b"<comps><group><id>core</id><packagelist><packagereq type='mandatory' arch='x86_64'>a"
    b"</packagereq></packagelist></group><environment><id>e</id><grouplist><groupid>core</groupid>"
    b"</grouplist></environment></comps>"
)
MODULES = b"""---
document: modulemd
version: 2
data: {name: nginx, stream: "1.10", version: 3, context: c, arch: x86_64,
  dependencies: [{requires: {platform: [el8]}}], artifacts: {rpms: ["a-0:1-1.x86_64"]}}
---
document: modulemd-defaults
version: 1
data: {module: nginx, modified: 1, stream: "1.10"}
"""
FILELISTS = (
    b'<filelists xmlns="x" packages="1"><package pkgid="00ff" name="a" arch="x86_64">'
    b'<version epoch="0" ver="1" rel="1"/><file>/usr/bin/a&amp;b</file><file type="dir">/etc</file>'
    b"</package></filelists>"
)
REPOFILE = b"[main]\nx=1\n[baseos]\nname=B\nbaseurl=https://x/$basearch\n  https://y/\nenabled=1\n"


def _rpm() -> bytes:
    files = [
        Directory("/opt"),
        File("/opt/a", b"hello", caps="cap_net_raw=ep"),
        Link("/opt/b", "a"),
    ]
    write_rpm(_folder() / "seed.rpm", files, provides=[("user(x)", "dSB4IC0=")])
    return (_folder() / "seed.rpm").read_bytes()


def _answer(content: bytes) -> object:
    tree = SpecTree(_spec_tree(), ".")
    return _read(content.decode(errors="replace"), "tool.spec", "x86_64", tree, "")


@cache
def _spec_tree() -> Path:
    folder = _folder() / "tree"
    folder.mkdir(exist_ok=True)
    (folder / "tool.spec").write_bytes(SPEC)
    return folder


def _spec_text(content: bytes) -> object:
    text = _text(content)
    return (
        mark(text, 0),
        mark(text, 0, everywhere=False),
        without_unpacking(text),
        upward_files("SPECS/tool.spec", text),
        _version(content),
    )


def _decisions(content: bytes) -> object:
    uses = MacroUses(_text(content))
    return uses.first_decided_by("VERSION"), [
        one for _, one in zip(range(50), uses.deciding(5), strict=False)
    ]


def _expanded(content: bytes) -> object:
    text = _text(content)
    return read_expanded(text, "tool", [("tool.spec", _text(SPEC))]), build_sections(text)


def _release(content: bytes) -> object:
    return placeholder_definitions(_file(content, "tool.spec"), {})


def _messages(content: bytes) -> object:
    text = content.decode(errors="replace")
    return named_files([text]), in_message(text), macros_in(text), failure_message(1, text[-65536:])


def _capabilities(content: bytes) -> object:
    text = _text(content)
    return [
        (split_capability(one), names_in(one), parse_rich(one)) for one in capabilities_in(text)
    ]


def _names(content: bytes) -> object:
    text = _text(content)
    return source_name(text), rpm_version(text), parse_evr(text), parse_nevra(text)


def _payload(content: bytes) -> object:
    path = _file(content)
    with path.open("rb") as stream:
        head = header_bytes("seed", stream)
    listing = parse_listing("seed", head)
    return read_payload("seed", path, listing, lambda _index, _size, _content: None)


def _source_lists(content: bytes) -> object:
    folder = _folder() / "lists"
    folder.mkdir(exist_ok=True)
    found = []
    for name in ("sources", "a.signatures.json"):
        (folder / name).write_bytes(content)
        try:
            found.append(read_lists(folder))
        except SourcesError:
            continue
        finally:
            (folder / name).unlink()
    return found


def _event(module: object, kinds: tuple[str, ...]) -> Callable[[bytes], object]:
    def read(content: bytes) -> object:
        data = json.loads(content)
        if not isinstance(data, dict):
            return None
        found = []
        for kind in kinds:
            for function in (module.carried_object, module.parse_event):  # type: ignore[attr-defined]
                first = () if function is module.carried_object else ("forge",)  # type: ignore[attr-defined]
                try:
                    found.append(function(*first, kind, data))
                except MISSHAPEN:
                    continue
        return found

    return read


def _record(content: bytes) -> object:
    record = Record("primary", "x", "sha256", "00")
    return [
        len(piece) for piece in unpacked(io.BytesIO(content), "x", replace(record, open_size=None))
    ]


def _packed() -> tuple[bytes, ...]:
    import bz2
    import gzip
    import lzma

    import zstandard

    plain = PRIMARY * 20
    pack = (gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress)
    return (*(one(plain) for one in pack), plain)


@cache
def parsers() -> tuple[Parser, ...]:
    """All parsers, those of strangers' bytes first."""
    json_error = (ValueError, RecursionError)
    return (
        Parser("spec-answer", _answer, (), (ANSWER, REFUSED, b'{"too_long": true}')),
        Parser("spec-text", _spec_text, (), (SPEC,)),
        Parser("spec-decisions", _decisions, (), (SPEC,)),
        Parser("spec-expanded", _expanded, (), (SPEC, mark(_text(SPEC), 0).encode())),
        Parser("spec-release", _release, (), (SPEC + b"Release: %autorelease\n",)),
        Parser("containerfile", _containerfile, (), (CONTAINERFILE,)),
        Parser("rpms-in", _rpms_in, (), (RPMS_IN,)),
        Parser("treefile", _treefile, (), (TREEFILE,)),
        Parser("messages", _messages, (), (MESSAGES,)),
        Parser(
            "capabilities", _capabilities, (), (b"a >= 1, (b or c if (d and e)), perl(F) = 1:2-3",)
        ),
        Parser("names", _names, (ValueError,), (b"a-b-1:2-3.x86_64", b"a-1-2.src.rpm", b"4.20.1")),
        Parser(
            "source-lists",
            _source_lists,
            (),
            (
                b"SHA512 (a.tar.gz) = " + b"0f" * 64,
                b"0f" * 16 + b"  b",
                b'{"Signatures": {"a": "00ff"}}',
            ),
        ),
        Parser("repository-file", read_repository_file, (RepositoryFileError,), (YAML,)),
        Parser("comment", lambda content: parse_comment(_text(content)), (), (COMMENT,)),
        Parser(
            "github-event",
            _event(
                github,
                (
                    "pull_request",
                    "issue_comment",
                    "check_run",
                    "check_suite",
                    "status",
                    "push",
                    "merge_group",
                    "installation",
                    "ping",
                ),
            ),
            json_error,
            (GITHUB,),
        ),
        Parser(
            "gitlab-event",
            _event(gitlab, ("Merge Request Hook", "Note Hook", "Push Hook", "Pipeline Hook")),
            json_error,
            (GITLAB,),
        ),
        Parser(
            "forgejo-event",
            _event(forgejo, ("pull_request", "issue_comment", "push", "status")),
            json_error,
            (GITHUB,),
        ),
        Parser(
            "built-header",
            lambda content: _descriptor(content, lambda d: checked_headers(1, d)),
            (UnreadableError,),
            (BUILT,),
        ),
        Parser(
            "header-range", lambda content: header_range(_file(content)), (ValueError,), (_rpm(),)
        ),
        Parser(
            "rpm-header",
            lambda content: parse_listing("seed", content),
            (RefusedPackageError,),
            (_rpm(),),
        ),
        Parser("rpm-payload", _payload, (RefusedPackageError,), (_rpm(),)),
        Parser(
            "foreign-listing",
            lambda content: read_listing([content], "x86_64", ["tool"]),
            (ListingError,),
            (PRIMARY,),
        ),
        Parser("yaml", parse_yaml, (YamlError, *json_error), (YAML, MODULES), strangers=False),
        Parser("packed", _record, (RefusedFileError,), _packed(), strangers=False),
        Parser("repomd", parse_repomd, (RepomdError,), (REPOMD,), strangers=False),
        Parser(
            "metalink",
            lambda content: _parse_metalink("https://m.example/", content),
            (SurroundingsError,),
            (METALINK,),
            strangers=False,
        ),
        Parser(
            "comps",
            lambda content: read_comps([_file(content)], "x86_64"),
            (SurroundingsError,),
            (COMPS,),
            strangers=False,
        ),
        Parser(
            "modules",
            lambda content: read_modules([("r", _file(content))]),
            (SurroundingsError,),
            (MODULES,),
            strangers=False,
        ),
        Parser(
            "filelists",
            lambda content: matching(_file(content), lambda path: "bin" in path),
            (),
            (FILELISTS,),
            strangers=False,
        ),
        Parser(
            "repofile",
            lambda content: read_repofile(content.decode(errors="replace"), "/x.repo", Chosen()),
            (RepofileError,),
            (REPOFILE,),
            strangers=False,
        ),
        Parser(
            "lock",
            lambda content: read_lock(_file(content)),
            (UsageError,),
            (b'{"minimize-lock": 1, "images": [{}], "digest": "sha256:0", "format": "1"}',),
            strangers=False,
        ),
    )
