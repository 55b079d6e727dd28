"""The parsers of ours, each with inputs to begin with and the refusals that are its own.

`strangers` are those that read what anybody may write: a change, a comment, what a build or an
evaluation made, somebody else's repository. The others read what the operator's repositories say.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from bot.build.builders import failure_message
from bot.build.headers import checked_headers, header_range
from bot.build.installed import database_of_layer
from bot.build.koji_hub import read_answer
from bot.build.listing import ListingError, read_listing
from bot.chat.parser import parse_comment
from bot.check.repository_file import RepositoryFileError, read_repository_file
from bot.closure.comps import read_comps
from bot.closure.filelists import matching
from bot.closure.modules import read_modules
from bot.distro.failover import RefusedFileError
from bot.distro.metadata import unpacked
from bot.distro.mirrors import _parse_metalink
from bot.distro.repofile import RepofileError, RepoSelection, read_repofile
from bot.distro.repomd import Record, RepomdError, parse_repomd
from bot.errors import ChangeError, SurroundingsError, UsageError
from bot.forge.events import MISSHAPEN
from bot.forge.forgejo import events as forgejo
from bot.forge.github import events as github
from bot.forge.gitlab import events as gitlab
from bot.forge.pagure import events as pagure
from bot.image.listing import parse_listing
from bot.image.lock import read_lock
from bot.image.payload import read_payload
from bot.image.rpmheader import RefusedPackageError, header_bytes
from bot.limited.forker import UnreadableError
from bot.model.capability import capabilities_in, names_in, parse_rich, split_capability
from bot.model.nevra import parse_evr, parse_nevra, source_name
from bot.requests.blueprint import read_blueprint
from bot.requests.containerfile import read_containerfile
from bot.requests.kiwi import read_kiwi
from bot.requests.mkosi import read_mkosi
from bot.requests.rpms_in import read_rpms_in, read_rpms_lock
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
from tests.fuzz import files, network
from tests.fuzz.parser import Parser, folder, in_file, text_of, with_descriptor
from tests.fuzz.seeds import (
    ANSWER,
    BLUEPRINT,
    BUILT,
    COMMENT,
    COMPS,
    CONTAINERFILE,
    FILELISTS,
    GITHUB,
    GITLAB,
    HUB,
    KIWI,
    MESSAGES,
    METALINK,
    MKOSI,
    MODULES,
    PAGURE,
    PRIMARY,
    REFUSED,
    REPOFILE,
    REPOMD,
    RPMS_IN,
    RPMS_LOCK,
    SPEC,
    TREEFILE,
    YAML,
)
from tests.image.crafted import Directory, File, Link, write_rpm

_ = Answer  # its schema is what `_read` checks


def _containerfile(content: bytes) -> object:
    return read_containerfile("Containerfile", content)


def _rpms_in(content: bytes) -> object:
    return read_rpms_in("rpms.in.yaml", {"rpms.in.yaml": content, "Containerfile": content})


def _treefile(content: bytes) -> object:
    return read_treefile("manifest.yaml", {"manifest.yaml": content, "base.yaml": content})


def _rpms_lock(content: bytes) -> object:
    return read_rpms_lock("rpms.lock.yaml", content)


def _mkosi(content: bytes) -> object:
    return read_mkosi("mkosi.conf", {"mkosi.conf": content, "mkosi.conf.d/a.conf": content})


def _kiwi(content: bytes) -> object:
    return read_kiwi("config.xml", {"config.xml": content, "part.xml": content})


def _blueprint(content: bytes) -> object:
    return read_blueprint("b.toml", {"b.toml": content})


def _rpm() -> bytes:
    files = [
        Directory("/opt"),
        File("/opt/a", b"hello", caps="cap_net_raw=ep"),
        Link("/opt/b", "a"),
    ]
    write_rpm(folder() / "seed.rpm", files, provides=[("user(x)", "dSB4IC0=")])
    return (folder() / "seed.rpm").read_bytes()


def _answer(content: bytes) -> object:
    tree = SpecTree(_spec_tree(), ".")
    return _read(content.decode(errors="replace"), "tool.spec", "x86_64", tree, "")


@cache
def _spec_tree() -> Path:
    tree = folder() / "tree"
    tree.mkdir(exist_ok=True)
    (tree / "tool.spec").write_bytes(SPEC)
    return tree


def _spec_text(content: bytes) -> object:
    text = text_of(content)
    return (
        mark(text, 0),
        mark(text, 0, everywhere=False),
        without_unpacking(text),
        upward_files("SPECS/tool.spec", text),
        _version(content),
    )


def _decisions(content: bytes) -> object:
    uses = MacroUses(text_of(content))
    return uses.first_decided_by("VERSION"), [
        one for _, one in zip(range(50), uses.deciding(5), strict=False)
    ]


def _expanded(content: bytes) -> object:
    text = text_of(content)
    return read_expanded(text, "tool", [("tool.spec", text_of(SPEC))]), build_sections(text)


def _release(content: bytes) -> object:
    return placeholder_definitions(in_file(content, "tool.spec"), {})


def _messages(content: bytes) -> object:
    text = content.decode(errors="replace")
    return named_files([text]), in_message(text), macros_in(text), failure_message(1, text[-65536:])


def _capabilities(content: bytes) -> object:
    text = text_of(content)
    return [
        (split_capability(one), names_in(one), parse_rich(one)) for one in capabilities_in(text)
    ]


def _names(content: bytes) -> object:
    text = text_of(content)
    return source_name(text), rpm_version(text), parse_evr(text), parse_nevra(text)


def _payload(content: bytes) -> object:
    path = in_file(content)
    with path.open("rb") as stream:
        head = header_bytes("seed", stream)
    listing = parse_listing("seed", head)
    return read_payload("seed", path, listing, lambda _index, _size, _content: None)


def _source_lists(content: bytes) -> object:
    lists = folder() / "lists"
    lists.mkdir(exist_ok=True)
    found = []
    for name in ("sources", "a.signatures.json"):
        (lists / name).write_bytes(content)
        try:
            found.append(read_lists(lists))
        except SourcesError:
            continue
        finally:
            (lists / name).unlink()
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


def _layer() -> bytes:
    """A layer with a file of the rpm database."""
    content = b"SQLite format 3\0" * 20
    made = tarfile.TarInfo("./usr/lib/sysimage/rpm/rpmdb.sqlite")
    made.size = len(content)
    with io.BytesIO() as whole:
        with tarfile.open(fileobj=whole, mode="w:gz") as archive:
            archive.addfile(made, io.BytesIO(content))
        return whole.getvalue()


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
        Parser("spec-expanded", _expanded, (), (SPEC, mark(text_of(SPEC), 0).encode())),
        Parser("spec-release", _release, (), (SPEC + b"Release: %autorelease\n",)),
        Parser("containerfile", _containerfile, (), (CONTAINERFILE,)),
        Parser("rpms-in", _rpms_in, (), (RPMS_IN,)),
        Parser("treefile", _treefile, (), (TREEFILE,)),
        Parser("rpms-lock", _rpms_lock, (ChangeError,), (RPMS_LOCK,)),
        Parser("mkosi", _mkosi, (), (MKOSI,)),
        Parser("kiwi", _kiwi, (), (KIWI,)),
        Parser("blueprint", _blueprint, (), (BLUEPRINT,)),
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
        Parser("comment", lambda content: parse_comment(text_of(content)), (), (COMMENT,)),
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
        Parser("pagure-event", _event(pagure, network.PAGURE_TOPICS), json_error, (PAGURE,)),
        Parser(
            "built-header",
            lambda content: with_descriptor(content, lambda d: checked_headers(1, d)),
            (UnreadableError,),
            (BUILT,),
        ),
        Parser(
            "layer-database",
            lambda content: with_descriptor(content, database_of_layer),
            (UnreadableError,),
            (_layer(),),
        ),
        Parser(
            "header-range", lambda content: header_range(in_file(content)), (ValueError,), (_rpm(),)
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
        Parser("hub-answer", read_answer, (UnreadableError,), (HUB,)),
        *network.parsers(),
        *files.parsers_of_strangers(),
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
            lambda content: read_comps([in_file(content)], "x86_64"),
            (SurroundingsError,),
            (COMPS,),
            strangers=False,
        ),
        Parser(
            "modules",
            lambda content: read_modules([("r", in_file(content))]),
            (SurroundingsError,),
            (MODULES,),
            strangers=False,
        ),
        Parser(
            "filelists",
            lambda content: matching(in_file(content), lambda path: "bin" in path),
            (),
            (FILELISTS,),
            strangers=False,
        ),
        Parser(
            "repofile",
            lambda content: read_repofile(
                content.decode(errors="replace"), "/x.repo", RepoSelection()
            ),
            (RepofileError,),
            (REPOFILE,),
            strangers=False,
        ),
        Parser(
            "lock",
            lambda content: read_lock(in_file(content)),
            (UsageError,),
            (b'{"minimize-lock": 1, "images": [{}], "digest": "sha256:0", "format": "1"}',),
            strangers=False,
        ),
        *files.parsers_of_repositories(),
    )
