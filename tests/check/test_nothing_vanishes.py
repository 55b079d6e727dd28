"""Images that both sides cannot install, or only by a path that filelists.xml knows, are there."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bot.model.result import CheckResult, ImageResult
from bot.model.result_json import check_to_json
from bot.report.render import render_comment
from bot.report.text import print_check
from tests.check.tiny import ARCHES, BASE, Bench, documented, workload
from tests.specs import build, build_repository, tags

# `dict` has a path that primary.xml does not list; `tool` is in two versions, `old-user` needs
# the older one; `stray` has nothing to do with either.
WORLD = (
    BASE
    + """\
%package -n extra
Summary: e
%description -n extra
%files -n extra
%package -n reader
Summary: r
Requires: /usr/share/dict/words
%description -n reader
%files -n reader
%package -n old-user
Summary: o
Requires: tool-libs = 1-1
%description -n old-user
%files -n old-user
%package -n stray
Summary: s
Requires: nobody-provides-this
%description -n stray
%files -n stray
%package -n near-by
Summary: n
Requires: tool
%description -n near-by
%files -n near-by
%package -n near
Summary: n
Requires: tool
Requires: nobody-provides-this
%description -n near
%files -n near
"""
)

DICT = """\
Name: dict
Version: 1
Release: 1
Summary: d
License: MIT
%description
%install
mkdir -p %{buildroot}/usr/share/dict
touch %{buildroot}/usr/share/dict/words
%files
/usr/share/dict/words
"""

TOOL = tags("tool", version="2") + "%description\n%files\n%package libs\n"
TOOL += "Summary: l\n%description libs\n%files libs\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    old = TOOL.replace("Version: 2", "Version: 1")
    for arch in ARCHES:
        if arch == "x86_64":
            build(old, "i686", root / "work" / "i686", root / arch)
        build_repository(root, arch, {"world": WORLD, "dict": DICT, "old": old, "tool": TOOL})
    return root


@pytest.fixture
def bench(tmp_path: Path, world: Path) -> Bench:
    bench = documented(tmp_path, world)
    bench.start({"dict.spec": DICT, "tool.spec": TOOL})
    return bench


def needs(spec: str, what: str) -> str:
    return spec.replace("%description\n", f"Requires: {what}\n%description\n", 1)


def terminal(result: CheckResult) -> str:
    shown = StringIO()
    print_check(result, Console(file=shown, width=400))
    return shown.getvalue()


def web(result: CheckResult) -> ImageResult:
    """The image of the workload `web`; `@self` stands beside it where that holds no package."""
    (image,) = [image for image in result.images if image.key.workload == "web"]
    return image


def test_a_path_that_only_filelists_know_is_had_by_both_sides(
    bench: Bench, image_of: Callable[..., ImageResult]
) -> None:
    bench.document("web", workload("reader"))
    result = bench.check({"dict.spec": needs(DICT, "extra")})
    image = image_of(result)
    assert (image.base.packages, image.head.packages) == (3, 4)
    assert [a.package.nevra.name for a in image.added] == ["extra"]
    assert result.verdict == "success"


def test_a_path_that_moves_to_a_new_subpackage_is_had_from_there(
    bench: Bench, image_of: Callable[..., ImageResult]
) -> None:
    bench.document("web", workload("reader"))
    moved = DICT.replace("%files\n", "%files\n%files words\n").replace(
        "%install", "%package words\nSummary: w\n%description words\n%install"
    )
    image = image_of(bench.check({"dict.spec": moved}))
    assert [a.package.nevra.name for a in image.added] == ["dict-words"]
    assert [p.nevra.name for p in image.removed] == ["dict"]


def test_a_path_that_no_package_has_any_more_is_a_failure(
    bench: Bench, image_of: Callable[..., ImageResult]
) -> None:
    bench.document("web", workload("reader"))
    without_files = DICT.replace("%files\n/usr/share/dict/words\n", "%files\n")
    result = bench.check({"dict.spec": without_files})
    assert image_of(result).head.status == "unsolvable"
    assert result.verdict == "failure"


def test_what_neither_side_can_install_is_listed_and_neutral(bench: Bench) -> None:
    bench.document("web", workload("near"))
    result = bench.check({"tool.spec": needs(TOOL, "extra")}, arches=("x86_64",))
    image = web(result)
    assert (image.changed, image.base.status, image.head.status) == (
        False,
        "unsolvable",
        "unsolvable",
    )
    (problem,) = image.head.problems
    assert "nobody-provides-this" in problem
    assert result.verdict == "neutral"
    for text in (render_comment(result), terminal(result)):
        assert "could not be installed before this change either" in text
        assert "nobody-provides-this" in text
    (record,) = [i for i in check_to_json(result)["images"] if i["workload"] == "web"]
    assert record["changed"] is False
    assert record["reason"] is None
    assert record["base"]["problems"] == record["head"]["problems"] == [problem]


def test_what_has_nothing_to_do_with_the_change_is_not_listed(bench: Bench) -> None:
    bench.document("web", workload("stray"))
    bench.document("mail", workload("tool"))
    result = bench.check({"tool.spec": needs(TOOL, "extra")}, arches=("x86_64",))
    assert [i.key.workload for i in result.images] == ["mail"]
    assert result.verdict == "success"


def test_another_image_that_is_a_failure_has_the_last_word_and_both_are_told(bench: Bench) -> None:
    bench.document("web", workload("near"))
    bench.document("mail", workload("tool"))
    result = bench.check({"tool.spec": needs(TOOL, "nowhere")}, arches=("x86_64",))
    assert [(i.key.workload, i.changed) for i in result.images] == [("mail", True), ("web", False)]
    assert result.verdict == "failure"
    text = render_comment(result)
    assert "1 image could not be installed before this change either." in text
    assert "nobody-provides-this" in text


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (
            "old-user",
            "It needs an older version of tool that this change replaces:"
            " tool-libs-0:1-1.x86_64. With the published packages alone it can be installed.",
        ),
        (
            "tool-libs.i686",
            "It needs packages of tool for another architecture, which this change replaces and a"
            " check on x86_64 does not know: tool-libs-0:1-1.i686. With the published packages"
            " alone it can be installed.",
        ),
    ],
)
def test_what_only_the_removal_of_published_packages_breaks_is_told_so(
    bench: Bench, request_: str, reason: str
) -> None:
    bench.document("web", workload(request_))
    result = bench.check({"tool.spec": needs(TOOL, "extra")}, arches=("x86_64",))
    image = web(result)
    (record,) = [i for i in check_to_json(result)["images"] if i["workload"] == "web"]
    assert image.reason == record["reason"] == reason
    assert image.base.problems == image.head.problems != ()
    assert not image.changed
    assert result.verdict == "neutral"
    shown = terminal(result).replace("\n", " ").replace("`", "")
    assert reason.split(":", maxsplit=1)[0].removeprefix("It ") in shown


def test_a_head_that_needs_the_changes_packages_for_another_architecture_is_not_judged(
    bench: Bench,
) -> None:
    bench.document("web", workload("tool"))
    head = needs(TOOL, "tool-libs(x86-32) = %{version}-%{release}").replace(
        "Version: 2", "Version: 3"
    )
    result = bench.check({"tool.spec": head}, arches=("x86_64",))
    assert (result.verdict, result.images, result.incomplete) == ("neutral", (), True)
    (problem,) = result.problems
    assert problem == (
        "web in minimal, repo x86_64: It is not known whether it can be installed: it needs"
        " tool-libs.i686 of this change, which a check on x86_64 does not make. With the"
        " published ones and the change's added lines, it can be."
    )


def test_a_head_that_needs_more_than_another_architecture_is_a_failure(bench: Bench) -> None:
    bench.document("web", workload("tool"))
    head = needs(needs(TOOL, "tool-libs(x86-32)"), "nowhere")
    result = bench.check({"tool.spec": head}, arches=("x86_64",))
    assert (result.verdict, web(result).head.status) == ("failure", "unsolvable")
    head = needs(TOOL, "tool-nothing(x86-32)")
    assert bench.check({"tool.spec": head}, arches=("x86_64",)).verdict == "failure"


@pytest.mark.parametrize("package", ["tool", "old-user", "near-by"])
def test_a_missing_request_beside_the_changed_source_is_listed(bench: Bench, package: str) -> None:
    world = bench.config / "minimal.yaml"
    text = world.read_text().replace("[base]", f"[base, {package}]")
    bench.document("minimal", text)
    bench.document("web", workload("nowhere"))
    result = bench.check({"tool.spec": needs(TOOL, "extra")}, arches=("x86_64",))
    image = web(result)
    assert (image.changed, image.base.status, image.head.status) == (
        False, "unsolvable", "unsolvable",
    )  # fmt: skip
    assert result.verdict == "neutral"
