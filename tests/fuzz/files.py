"""The parsers of git's output, of packages with macros, of layouts, settings and documents."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import rpm

from bot.distro.load import check_configuration
from bot.errors import ChangeError, SurroundingsError, UsageError
from bot.git.command import GitError
from bot.git.files import write_below
from bot.git.repository import GitRepository, _parse_status
from bot.image.oci import INDEX, MANIFEST, REFERRERS, pushed_documents
from bot.settings.values import load_settings
from bot.spec.macrofiles import unpack_macros
from bot.spec.macrotree import build_trees
from tests.fuzz.parser import Parser, folder, in_file
from tests.image.crafted import Directory, File, Link, write_rpm

_MACROS = b"""# comment
%_libdir %{_prefix}/lib64
%tool(n:) %{lua: print("x")} \\
  %{-n*}
%multi { a
 b }
"""

_RPMRC = b"optflags: x86_64 -O2\ninclude: /usr/lib/rpm/redhat/rpmrc\narch_canon: x86_64: x86_64 1\n"
_SETTINGS = Path(__file__).parents[2] / "config" / "bot.yaml"


@dataclass(frozen=True)
class _Answering(GitRepository):
    """A repository whose git answers each command with the same bytes."""

    output: bytes = b""

    def git_code(
        self, *arguments: str, stdin: bytes = b"", accept: Collection[int] = (0,)
    ) -> tuple[int, bytes]:
        return 0, self.output

    def resolve(self, revision: str) -> str:
        return revision


def _git(ask: Callable[[GitRepository, Path], object]) -> Callable[[bytes], object]:
    def read(content: bytes) -> object:
        made = folder() / "materialized"
        shutil.rmtree(made, ignore_errors=True)
        return ask(_Answering(folder(), output=content), made)

    return read


def _written(repository: GitRepository, made: Path) -> object:
    """A commit's tree, what git gives for its entries, and those written out."""
    assert isinstance(repository, _Answering)
    tree, _, contents = repository.output.partition(b"\n--\n")
    entries = _Answering(repository.path, output=tree).tree("0" * 40)
    read = _Answering(repository.path, output=contents)._read_batch(list(entries))
    made.mkdir()
    return [write_below(made, path, mode, content) for path, mode, content in read]


_TREE = b"100644 blob %b\ta.spec\0" % (b"1" * 40) + b"120000 blob %b\tsub/b\0" % (b"2" * 40)
_CONTENTS = b"%b blob 5\nName:\n%b blob 6\na.spec\n" % (b"1" * 40, b"2" * 40)


def _unpacked_macros(content: bytes) -> object:
    """A package's macro files, unpacked, and the trees that two architectures have of them."""
    target = folder() / "macros"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    rpm.setVerbosity(rpm.RPMLOG_EMERG)  # librpm keeps what it logs, for as long as it runs
    unpack_macros(in_file(content, "macros.rpm"), target)
    return None


def _macro_files(content: bytes) -> object:
    """Macro files and an rpmrc, with those of another architecture that differ."""
    top = folder() / "trees"
    shutil.rmtree(top, ignore_errors=True)
    macros, _, rpmrc = content.partition(b"\n--\n")
    packages = {}
    for arch, text in (("x86_64", macros), ("aarch64", macros.replace(b"64", b"32"))):
        place = top / arch / "usr/lib/rpm"
        for name, given in (
            ("macros.d/macros.a", text),
            (f"platform/{arch}-linux/macros", text),
            ("rpmrc", rpmrc),
            ("redhat/rpmrc", rpmrc),
        ):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(given)
        packages[arch] = [top / arch]
    return build_trees(top / "made", packages)


def _macro_package() -> bytes:
    files = [
        Directory("/usr/lib/rpm/macros.d"),
        File("/usr/lib/rpm/macros.d/macros.a", _MACROS),
        File("/usr/lib/rpm/redhat/find-x", b"#!/bin/sh\n", mode=0o100755),
        Link("/etc/rpm/macros.b", "../../usr/lib/rpm/macros.d/macros.a"),
    ]
    write_rpm(folder() / "macros.rpm", files)
    return (folder() / "macros.rpm").read_bytes()


def _layout(content: bytes) -> object:
    """Read a layout as it is pushed: its index, and the document of each digest in it."""
    layout = folder() / "layout"
    blobs = layout / "blobs" / "sha256"
    shutil.rmtree(layout, ignore_errors=True)
    blobs.mkdir(parents=True)
    index, *others = content.split(b"\n--\n")
    (layout / "index.json").write_bytes(index)
    for number, blob in enumerate(others[:10]):
        (blobs / _digest(number)).write_bytes(blob)
    return pushed_documents(layout, "tag")


def _digest(number: int) -> str:
    return f"{number:064x}"


def _layout_seed() -> bytes:
    named = [f"sha256:{_digest(number)}" for number in range(3)]
    index = {
        "manifests": [{"digest": named[0], "mediaType": INDEX, "size": 1}],
        "annotations": {REFERRERS: named[1]},
    }
    manifest = {
        "mediaType": MANIFEST,
        "config": {"digest": named[2], "size": 1, "mediaType": "x"},
        "layers": [{"digest": named[2], "size": 9, "mediaType": "y"}],
    }
    images = {"manifests": [{"digest": named[1], "mediaType": MANIFEST, "size": 1}]}
    return b"\n--\n".join(json.dumps(one).encode() for one in (index, images, manifest, {}))


def _documents(content: bytes) -> object:
    config = folder() / "config"
    config.mkdir(exist_ok=True)
    (config / "a.yaml").write_bytes(content)
    return check_configuration(config)


def _document_seeds() -> tuple[bytes, ...]:
    names = ("centos-stream-9", "minimal", "nginx", "nginx-stays-small", "application", "eln")
    return tuple((_SETTINGS.parent / f"{name}.yaml").read_bytes() for name in names)


def parsers_of_strangers() -> tuple[Parser, ...]:
    """The parsers of what git says of a change: its files are a stranger's."""
    status = b"M\0a.spec\0R100\0old\0new\0A\0dir/b\0T\0c\0D\0d\0"
    refused = (GitError, ChangeError)
    return (
        Parser("git-status", _git(lambda r, _: list(_parse_status(r.output))), refused, (status,)),  # type: ignore[attr-defined]
        Parser("git-tree", _git(_written), refused, (_TREE + b"\n--\n" + _CONTENTS,)),
    )


def parsers_of_repositories() -> tuple[Parser, ...]:
    """The parsers of packages with macros, and of the operator's own files."""
    return (
        Parser("macro-package", _unpacked_macros, (SurroundingsError,), (_macro_package(),), False),
        Parser("macro-files", _macro_files, (), (_MACROS + b"\n--\n" + _RPMRC,), False),
        Parser("layout", _layout, (UsageError,), (_layout_seed(),), False),
        Parser(
            "settings",
            lambda content: load_settings(in_file(content, "bot.yaml")),
            (UsageError,),
            (_SETTINGS.read_bytes(),),
            False,
        ),
        Parser("documents", _documents, (), _document_seeds(), False),
    )
