"""Several changes checked as one: each alone, all, and what only all of them do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bot.check.change import open_change
from bot.check.plan import CheckOptions
from bot.check.run import predict_check
from bot.cli import main
from bot.engine.checker import LocalChecker
from bot.engine.job import CheckJob, OtherHead
from bot.errors import UsageError
from bot.git.repository import open_repository
from bot.model.result import CheckResult, ImageResult, Side
from bot.model.result_json import check_from_json, check_to_json
from bot.report.render import render_comment
from tests.check.tiny import TOOL, WORLD, Bench, documented, workload
from tests.engine.conftest import settings_in
from tests.specs import build_repository, tags

# Perl comes where a package of both sources asks for its part of it.
RICH = "Requires: (perl if app-extra)\n"
APP = tags("app", "Requires: base") + "%description\n%files\n"
EXTRA = "%package extra\nSummary: e\n%description extra\n%files extra\n"


def with_line(spec: str, line: str) -> str:
    """A spec file whose main package has a line more."""
    return spec.replace("%description\n", f"{line}%description\n", 1)


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of x86_64 with base, perl, tool and app."""
    root = tmp_path_factory.mktemp("together")
    build_repository(root, "x86_64", {"world": WORLD, "tool": TOOL, "app": APP})
    return root


@pytest.fixture
def two(tmp_path: Path, repositories: Path) -> tuple[Bench, Bench]:
    """The repositories of tool and of app; the first has the documents, for an image of both."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    tool = documented(tmp_path / "a", repositories, web=workload("tool", "app"), t=workload("tool"))
    app = Bench(tmp_path / "b", repositories)
    tool.start({"tool.spec": TOOL, "data.txt": "data\n"})
    app.start({"app.spec": APP})
    return tool, app


def checked(tool: Bench, *others: Bench) -> CheckResult:
    """The prediction for the last commits of both repositories."""
    with ExitStack() as stack:
        own, *more = [
            stack.enter_context(open_change(open_repository(b.root / "git"), "HEAD~1", "HEAD"))
            for b in (tool, *others)
        ]
        named = [(f"other{n}", change) for n, change in enumerate(more)]
        options = CheckOptions(arches=("x86_64",))
        return predict_check(own, options, tool.configuration(), tool.pools(), named).result


def bare(side: Side) -> Side:
    """A side without what is measured of the whole image alone."""
    return replace(side, layer=None, surface=None)


def image_of(result: CheckResult, name: str) -> ImageResult:
    return next(i for i in result.images if i.key.workload == name)


def test_a_package_that_only_both_changes_bring_is_told_apart(two: tuple[Bench, Bench]) -> None:
    tool, app = two
    tool.commit({"tool.spec": with_line(TOOL, RICH)})
    app.commit({"app.spec": with_line(APP, "Requires: app-extra\n") + EXTRA})
    result = checked(tool, app)
    image = image_of(result, "web")
    assert image.alone is not None and image.only_together is not None
    (other,) = image.alone_with
    figures = [image.base.packages, image.alone.packages, other.packages, image.head.packages]
    assert figures == [4, 4, 5, 7]
    assert [n.name for n in image.only_together.added] == ["perl", "perl-libs"]
    assert image.only_together.removed == ()
    # The line of each change brings it; the other's has its name.
    perl = next(a for a in image.added if a.package.nevra.name == "perl")
    paths = {line.path for line in perl.leaves_with}
    assert paths and paths <= {"tool.spec", "other0:app.spec"}
    extra = next(a for a in image.added if a.package.nevra.name == "app-extra")
    assert extra.spec is not None and extra.spec.path == "other0:app.spec"


def test_each_alone_is_what_its_own_check_says(two: tuple[Bench, Bench]) -> None:
    tool, app = two
    tool.commit({"tool.spec": with_line(TOOL, "Requires: perl\n")})
    app.commit({"app.spec": with_line(APP, "Requires: perl-libs\n")})
    both = image_of(checked(tool, app), "web")
    own = image_of(checked(tool), "web")
    assert both.alone == bare(own.head)
    assert own.alone is None and own.only_together is None and own.alone_with == ()
    assert [side.packages for side in both.alone_with] == [5]
    assert both.head.packages == own.head.packages == 6
    assert both.only_together is not None and both.only_together.added == ()


def test_what_leaves_only_with_both_is_listed_as_removed(two: tuple[Bench, Bench]) -> None:
    tool, app = two
    lines = "Requires: tool-libs = %{version}-%{release}\n"
    tool.commit({"tool.spec": TOOL.replace(lines, "")})
    app.commit({"app.spec": with_line(APP, "Requires: tool-libs\n")})
    image = image_of(checked(tool, app), "web")
    assert image.only_together is not None
    assert image.only_together.removed == ()  # app keeps it, tool alone lets it go
    assert image.alone is not None and image.alone.packages == 3
    assert image.head.packages == 4


def test_the_images_of_an_others_source_are_looked_at_too(two: tuple[Bench, Bench]) -> None:
    tool, app = two
    tool.commit({"README": "nothing\n"})
    app.commit({"app.spec": with_line(APP, "Requires: perl\n")})
    result = checked(tool, app)
    assert [i.key.workload for i in result.images] == ["web"]
    image = image_of(result, "web")
    assert image.alone is not None and image.alone.packages == image.base.packages == 4
    assert bare(image.head) == image.alone_with[0]
    assert result.specs == ("other0:app.spec",)
    (other,) = result.others
    assert (other.name, other.specs, [*other.sources]) == ("other0", ("app.spec",), ["app"])


def test_two_changes_of_one_source_are_refused_by_their_names(two: tuple[Bench, Bench]) -> None:
    tool, app = two
    tool.commit({"tool.spec": with_line(TOOL, "Requires: perl\n")})
    app.commit({"app.spec": with_line(APP, "Requires: perl\n")})
    with pytest.raises(
        UsageError, match="This change and other1 both change the source package tool"
    ):
        checked(tool, app, tool)
    with pytest.raises(UsageError, match="other0 and other1 both change the source package app"):
        checked(tool, app, app)


def test_what_is_wrong_with_another_change_has_its_name(two: tuple[Bench, Bench]) -> None:
    tool, app = two
    tool.commit({"tool.spec": with_line(TOOL, "Requires: perl\n")})
    app.commit({"app.spec": APP.replace("Name: app", "Name:")})
    result = checked(tool, app)
    assert result.verdict == "failure"
    assert any(problem.startswith("other0: app.spec") for problem in result.problems)
    image = image_of(result, "web")
    # The other has no packages on this side: alone it leaves the image as it is.
    assert image.alone_with == (bare(image.base),)


@pytest.fixture
def rich(two: tuple[Bench, Bench]) -> CheckResult:
    """A change of each repository, of which only both together bring perl."""
    tool, app = two
    tool.commit({"tool.spec": with_line(TOOL, RICH)})
    app.commit({"app.spec": with_line(APP, "Requires: app-extra\n") + EXTRA})
    return checked(tool, app)


def test_the_result_keeps_its_form_in_json(rich: CheckResult) -> None:
    value = check_to_json(rich)
    assert value["with"][0]["name"] == "other0"
    (image,) = [i for i in value["images"] if i["workload"] == "web"]
    assert image["alone"]["packages"] == 4
    assert [side["packages"] for side in image["alone_with"]] == [5]
    assert image["only_together"] == {
        "added": ["perl-0:1-1.x86_64", "perl-libs-0:1-1.x86_64"],
        "removed": [],
    }
    assert check_to_json(check_from_json(value)) == value


def test_the_report_has_a_column_for_each_and_for_both(rich: CheckResult) -> None:
    text = render_comment(rich)
    assert "| Image | A alone | B alone | A and B | Only together |" in text
    (row,) = [line for line in text.splitlines() if "no change" in line]
    assert "+`perl` and `perl-libs`" in row
    assert "B: `other0`" in text
    assert "A alone" not in render_comment(replace(rich, others=()))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Exit code and output of `minimize check` in the first repository."""
    return partial(_run, capsys)


def _run(capsys: pytest.CaptureFixture[str], tool: Bench, *arguments: str) -> tuple[int, str]:
    places = ["--config", str(tool.config), "--cache", str(tool.root / "cache")]
    git = ["--git", str(tool.root / "git"), "--base", "HEAD~1", "--head", "HEAD", "--no-build"]
    with pytest.raises(SystemExit) as done:
        main(["check", *git, *places, *arguments])
    out, err = capsys.readouterr()
    return int(done.value.code or 0), out + err


def test_the_command_takes_other_repositories_again_and_again(
    two: tuple[Bench, Bench], run: Callable[..., tuple[int, str]]
) -> None:
    tool, app = two
    tool.commit({"tool.spec": with_line(TOOL, RICH)})
    app.git("switch", "--quiet", "-c", "fix")
    app.commit({"app.spec": with_line(APP, "Requires: app-extra\n") + EXTRA})
    other = f"{app.root / 'git'}:fix"
    code, text = run(tool, "--arch", "x86_64", "--with", other)
    assert code == 0, text
    assert "Only together" in text and "perl" in text
    code, text = run(tool, "--with", other, "--with", other)
    assert code == 2 and "both change the source package app" in text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nothing", "is no REPO:REV"),
        ("/not/there:fix", "there is no folder /not/there"),
        ("{app}:nobranch", "no revision `nobranch`"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_words(
    two: tuple[Bench, Bench], run: Callable[..., tuple[int, str]], given: str, words: str
) -> None:
    tool, app = two
    tool.commit({"tool.spec": with_line(TOOL, "Requires: perl\n")})
    code, text = run(tool, "--with", given.format(app=app.root / "git"))
    assert code == 2
    assert words in text


def test_a_server_checks_the_commits_of_both_by_their_names(two: tuple[Bench, Bench]) -> None:
    tool, app = two
    tool.commit({"tool.spec": with_line(TOOL, "Requires: perl\n")})
    app.commit({"app.spec": with_line(APP, "Requires: perl-libs\n")})
    clones = [open_repository(bench.root / "git") for bench in (tool, app)]
    (base, head), (other_base, other_head) = (
        [clone.resolve(revision) for revision in ("HEAD~1", "HEAD")] for clone in clones
    )
    other = OtherHead("rpms/app#3", "rpms/app", 3, "main", other_base, other_head, "zoe")
    job = CheckJob(
        "c", "gh", "rpms/tool", 7, "main", base, head, "ann", answers="m", others=(other,)
    )
    settings = settings_in(tool.root).model_copy(update={"config": tool.config})
    result = LocalChecker(settings).predict(job, clones[0], clones[1:]).result
    assert [change.name for change in result.others] == ["rpms/app#3"]
    image = image_of(result, "web")
    assert [side.packages for side in (image.alone, *image.alone_with) if side] == [6, 5]
