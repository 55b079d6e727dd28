"""No input above its limit is parsed: each is refused in words, however it would go on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bot import limits
from bot.build.listing import ListingError, read_listing
from bot.chat.parser import NotUnderstood, parse_comment
from bot.check.repository_file import RepositoryFileError, read_repository_file
from bot.closure.comps import read_comps
from bot.closure.modules import read_modules
from bot.distro.transfer import read_small
from bot.errors import SurroundingsError
from bot.image.listing import parse_listing
from bot.image.rpmheader import RefusedPackageError
from bot.model.capability import parse_rich
from bot.spec.tree import copy_spec_tree
from bot.yamltext import YamlError, parse_yaml


def file(folder: Path, size: int, head: bytes = b"") -> Path:
    """A file of a size, mostly a hole."""
    path = folder / "large"
    with path.open("wb") as stream:
        stream.write(head)
        stream.truncate(size)
    return path


REFUSED: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "YAML": (lambda _: parse_yaml(b"[" * (limits.YAML + 1)), YamlError, "larger than"),
    "YAML of many nodes": (
        lambda _: parse_yaml(b"a: &a [" + b"1, " * 2000 + b"]\nb: [" + b"*a, " * 600 + b"]\n"),
        YamlError,
        "aliases|stand for|more than",
    ),
    "YAML in depth": (lambda _: parse_yaml(b"[" * 150 + b"]" * 150), YamlError, "nested deeper"),
    ".minimize.yaml": (
        lambda _: read_repository_file(b"[" * (limits.REPOSITORY_FILE + 1)),
        RepositoryFileError,
        "larger than",
    ),
    "comps": (
        lambda folder: read_comps([file(folder, limits.GROUPS + 1, b"<")], "x86_64"),
        SurroundingsError,
        "not read",
    ),
    "modules": (
        lambda folder: read_modules([("r", file(folder, limits.GROUPS + 1, b"["))]),
        SurroundingsError,
        "not read",
    ),
    "repomd.xml": (
        lambda folder: read_small(file(folder, limits.REPOMD + 1).as_uri(), limits.REPOMD),
        SurroundingsError,
        "more than|larger",
    ),
    "a listing of packages": (
        lambda _: read_listing(
            [b"<metadata>" + b"<package><name>t</name>" * (limits.BUILT_PACKAGES + 2)],
            "x86_64",
            ["t"],
        ),
        ListingError,
        ".",
    ),
    "the header of a package": (
        lambda _: parse_listing("a", b"\x8e\xad\xe8\x01\0\0\0\0\0\0\0\x01\x7f\xff\xff\xff"),
        RefusedPackageError,
        ".",
    ),
}


@pytest.mark.parametrize(("read", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_an_input_above_its_limit_is_refused(
    read: Callable[[Path], object], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        read(tmp_path)


def test_a_comment_is_read_to_its_limit_and_no_further() -> None:
    text = "x\n" * (limits.COMMENT // 2) + "/minimize help\n"
    (one,) = parse_comment(text)
    assert isinstance(one, NotUnderstood) and "only the first 100,000 characters" in one.problem
    (one,) = parse_comment("/minimize why " + "x" * limits.COMMENT_LINE)
    assert isinstance(one, NotUnderstood) and "longer than" in one.problem


def test_a_rich_dependency_beyond_its_limits_stays_a_text() -> None:
    assert parse_rich("(" * (limits.RICH_DEPTH + 2) + "a" + ")" * (limits.RICH_DEPTH + 2)) is None
    assert parse_rich("(a" + " or a" * limits.RICH_WORDS + ")") is None


def test_an_evaluation_sees_no_file_above_the_limit_of_one(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c/a.spec").write_text("Name: a\n")
    os.truncate(os.open(tmp_path / "c/large", os.O_CREAT | os.O_RDWR), limits.SPEC + 1)
    tree = copy_spec_tree(tmp_path / "c", Path("a.spec"), tmp_path / "copy")
    assert tree.left_out == {"large"}


def test_comps_and_modules_beyond_the_limit_are_refused_by_their_size(tmp_path: Path) -> None:
    path = file(tmp_path, limits.GROUPS + 1)
    with pytest.raises(SurroundingsError, match="is not read"):
        read_comps([path], "x86_64")
    with pytest.raises(SurroundingsError, match="is not read"):
        read_modules([("r", path)])
