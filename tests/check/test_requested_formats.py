"""mkosi, kiwi, blueprints and treefiles, from a repository's commit to the comment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.model.result import ImageResult
from bot.report.render import render_comment
from bot.requests.file_images import BaseImage
from tests.check.tiny import Bench, documented

ImageOf = Callable[..., ImageResult]
PLACES = "images:\n- {file: '*', repository: repo}\n"
MKOSI = """\
[Distribution]
Distribution=fedora
Release=43

[Content]
Packages=
    tool
"""
KIWI = """\
<?xml version="1.0" encoding="utf-8"?>
<image schemaversion="7.4" name="web">
  <preferences>
    <packagemanager>dnf5</packagemanager>
    <type image="docker"/>
  </preferences>
  <packages type="image">
    <package name="tool"/>
  </packages>
</image>
"""
BLUEPRINT = """\
name = "edge"
distro = "rhel-9"

[[packages]]
name = "tool"
version = "*"
"""
TREEFILE = "ref: tiny/1\nrecommends: false\npackages:\n- tool\n"
# The file, its text, what a change puts behind the first package, the line that it is on, and how
# many packages of the image's own base has.
CASES = {
    "mkosi": ("mkosi.conf", MKOSI, ("    tool\n", "    tool\n    perl\n"), 8, 3),
    "kiwi": ("config.xml", KIWI, ('"tool"/>\n', '"tool"/>\n    <package name="perl"/>\n'), 9, 3),
    "blueprint": (
        "blueprint.toml",
        BLUEPRINT,
        ('"*"\n', '"*"\n[[packages]]\nname = "perl"\n'),
        8,
        2,
    ),
    "treefile": ("manifest.yaml", TREEFILE, ("- tool\n", "- tool\n- perl\n"), 5, 3),
}


@pytest.fixture
def bench(tmp_path: Path, tiny_repositories: Path) -> Bench:
    return documented(tmp_path, tiny_repositories)


@pytest.mark.parametrize("kind", CASES)
def test_a_line_more_is_named_with_what_it_brings(
    bench: Bench, image_of: ImageOf, kind: str
) -> None:
    path, text, edit, line, packages = CASES[kind]
    files = {path: text, ".minimize.yaml": PLACES}
    table = ()
    if kind == "blueprint":  # it adds to the image type's own set
        files[".minimize.yaml"] = "{}\n"
        table = (BaseImage("rhel-9 image type", "repo", "minimal"),)
    bench.start(dict(files))
    result = bench.check({path: text.replace(*edit, 1)}, base_images=table)
    assert (result.verdict, result.problems, result.requests) == ("success", (), (path,))
    image = image_of(result)
    assert image.key.workload.startswith(path)
    assert (image.base.packages, image.head.packages) == (packages, packages + 2)
    assert [a.package.nevra.name for a in image.added] == ["perl", "perl-libs"]
    assert {(a.spec.path, a.spec.line) for a in image.added if a.spec} == {(path, line)}
    comment = render_comment(result)
    assert f"{path}:{line}" in comment
    assert "perl" in comment


@pytest.mark.parametrize("kind", CASES)
def test_without_a_place_it_is_neutral_and_named(bench: Bench, kind: str) -> None:
    path, text, edit, _, _ = CASES[kind]
    bench.start({path: text, ".minimize.yaml": "{}\n"})
    result = bench.check({path: text.replace(*edit, 1)})
    assert (result.verdict, result.images) == ("neutral", ())
    assert any(problem.startswith(path) for problem in result.problems), result.problems
    assert path in render_comment(result)
