"""The corpus of real specs where its folders are given, and its runner on a corpus made here."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bot.check.pools import Pools
from bot.check.run import predict_check
from bot.demo.distribution.reference import write_repository
from bot.distro.cache import Cache
from tests.check.tiny import TOOL, make_repositories
from tests.corpus.__main__ import VARIABLES, checked, folders_of, judged, question_of
from tests.corpus.checking import Checker, Corpus, Image, SpecRun, run_of
from tests.corpus.drawn import corpus_specs, draw, requirement_for, with_requirement
from tests.corpus.figures import figures, judge, markdown
from tests.corpus.requests import outcomes

SEED = 27
MACROS = """\
Name: tiny-rpm-config
Version: 1
Release: 1
Summary: m
License: MIT
BuildArch: noarch
%description
%install
mkdir -p %{buildroot}/usr/lib/rpm/macros.d
echo '%%tiny_version 1' > %{buildroot}/usr/lib/rpm/macros.d/macros.tiny
%files
/usr/lib/rpm/macros.d/macros.tiny
"""
UNPUBLISHED = """\
Name: unpublished
Version: %tiny_version
Release: 1
Summary: u
License: MIT
%description
%files
"""
REFUSED = UNPUBLISHED.replace("Summary", "Sumary").replace("unpublished", "refused")
OPEN = UNPUBLISHED.replace("License", "Provides: a(%{nothere})\nLicense").replace(
    "unpublished", "open"
)
SLOW = UNPUBLISHED.replace("Summary: u", "Summary: %(sleep 15)").replace("unpublished", "slow")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tmp_path_factory.mktemp("tiny")
    make_repositories(root)
    macros = root / "macros"
    macros.mkdir()
    spec = macros / "it.spec"
    spec.write_text(MACROS)
    command = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {macros}", str(spec)]
    subprocess.run(command, check=True, capture_output=True)
    write_repository(macros, sorted(macros.rglob("*.rpm")), revision=1)
    return Corpus(
        macros, (root / "x86_64",), environment=("base",), buildroot=("tiny-rpm-config",),
        releasever="1", platform=None,
    )  # fmt: skip


@pytest.fixture
def checker(corpus: Corpus, tmp_path: Path) -> Checker:
    return Checker(corpus, partial(Pools, Cache(tmp_path / "cache")), SEED, 60.0)


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    folder = tmp_path / "specs"
    folder.mkdir()
    for name, text in (("unpublished", UNPUBLISHED), ("refused", REFUSED), ("open", OPEN)):
        (folder / f"{name}.spec").write_text(text)
    (folder / "tool").mkdir()
    (folder / "tool/tool.spec").write_text(TOOL.replace("Release: 1", "Release: %autorelease"))
    (folder / "tool/data.txt").write_text("data\n")
    return folder


@pytest.fixture
def dnf() -> None:
    probe = ["/usr/bin/python3", "-c", "import dnf"]
    if subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip("dnf 4's Python module is not installed: nothing to compare with")


def test_real_specs_evaluate_and_are_as_with_dnf(tmp_path, dnf):
    folders = folders_of(os.environ)
    if folders is None:
        pytest.skip(f"the corpus of real specs is not here: set {', '.join(VARIABLES)}")
    count, seed = (
        int(os.environ.get(f"MINIMIZE_CORPUS_{k}", v)) for k, v in (("COUNT", "20"), ("SEED", "1"))
    )
    checker = Checker(folders.corpus, partial(Pools, Cache(tmp_path / "cache")), seed, 120.0)
    drawn = draw(corpus_specs(folders.specs), count, seed)
    runs = list(checked(checker, drawn, tmp_path / "runs.jsonl"))
    found = figures(judged(folders.corpus, runs), seed)
    assert found["drawn"] == count
    assert (found["wrong"], found["different"]) == ({}, {}), markdown(found)


def test_each_spec_has_its_class_and_the_published_one_is_as_with_dnf(
    checker, corpus, specs, tmp_path, dnf
):
    place = tmp_path / "runs.jsonl"
    runs = list(checked(checker, corpus_specs(specs), place))
    verdicts = {v.run.name: v for v in judged(corpus, runs)}
    assert {name: (v.evaluation, v.comparison) for name, v in verdicts.items()} == {
        "open": ("unexpanded: %{nothere", "not compared"),
        "refused": ("invalid: Unknown tag: Sumary: u", "not compared"),
        "tool": ("whole", "equal"),
        "unpublished": ("whole", "not compared"),
    }
    tool = verdicts["tool"]
    assert tool.run.packages == 3
    assert tool.image is not None
    assert tool.image.head == tool.run.image.head
    assert set(tool.image.head) > set(tool.image.base)
    assert [run_of(line) for line in place.read_text().splitlines()] == runs


def test_a_run_goes_on_from_what_was_written(checker, specs, tmp_path):
    place = tmp_path / "runs.jsonl"
    known = SpecRun("tool", "perl", message="written before")
    place.write_text(known.as_json() + "\n")
    (again,) = checked(checker, [s for s in corpus_specs(specs) if s.name == "tool"], place)
    assert again == known


def test_another_answer_than_dnfs_is_a_difference(corpus, checker, specs, dnf):
    (tool,) = [s for s in corpus_specs(specs) if s.name == "tool"]
    (run,) = checker.run([tool])
    (verdict,) = judged(corpus, [replace(run, requirement="broken")])
    assert verdict.comparison == "different"
    assert verdict.why == "head: only the check can install it"


def killed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refused(*_: object) -> None:
    raise ValueError("no")


def test_a_hang_a_crash_and_an_error_end_one_spec_alone(checker, specs):
    (specs / "slow.spec").write_text(SLOW)
    by_name = {drawn.name: drawn for drawn in corpus_specs(specs)}

    def run(name: str, predict: Callable[..., object]) -> SpecRun:
        checker.predict = predict
        (found,) = checker.run([by_name[name]])
        return found

    crashed = run("tool", killed)
    assert (crashed.ending, crashed.message) == ("crash", "the process ended with -9")
    erred = run("tool", refused)
    assert (erred.ending, erred.message) == ("error", "ValueError: no")
    assert [judge(each).wrong for each in (crashed, erred)] == ["crash", "error"]
    checker.seconds = 3.0
    assert run("slow", predict_check).ending == "hang"


def test_draws_and_requirements_follow_the_seed(specs):
    found = corpus_specs(specs)
    assert [drawn.name for drawn in found] == ["open", "refused", "tool", "unpublished"]
    assert [name for name, _ in found[2].files] == ["data.txt", "tool.spec"]
    draws = {tuple(d.name for d in draw(found, 2, seed)) for seed in range(20)}
    assert len(draws) > 1
    assert draw(found, 2, 3) == draw(found, 2, 3)
    assert draw(found, 9, 3) == found
    names = [f"package{number}" for number in range(100)]
    assert requirement_for("tool", names, 1) == requirement_for("tool", names, 1)
    assert len({requirement_for("tool", names, seed) for seed in range(20)}) > 10


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Name: a\nVersion: 1\n", 2),
        ("%if 1\nName: a\n%endif\nVersion: 1\n", 5),
        ("%global x y \\\nName: z\nName: a\n", 3),
        ("%if 1\nName: a\n%endif\n%description\nURL: x\n", None),
    ],
)
def test_the_requirement_follows_a_tag_outside_conditionals(text, line):
    changed = with_requirement(text, "perl")
    if line is None:
        assert changed is None
    else:
        assert changed is not None
        lines = changed.split("\n")
        assert lines[line - 1] == "Requires: perl"
        assert "\n".join(lines[: line - 1] + lines[line:]) == text


WHOLE = SpecRun("tool", "perl", evaluated=True, verdict="success", published=True)


@pytest.mark.parametrize(
    ("run", "dnf_image", "comparison", "wrong"),
    [
        (replace(WHOLE, image=Image(["a"], ["a", "b"])), Image(["a"], ["a", "b"]), "equal", ""),
        (replace(WHOLE, image=Image(["a"], ["a"])), Image(["a"], ["a", "b"]), "different", ""),
        (
            replace(WHOLE, image=Image(["a"], None), verdict="failure"),
            Image(["a"], None),
            "equal",
            "",
        ),
        (
            replace(WHOLE, image=Image(["a"], None)),
            Image(["a"], None),
            "equal",
            "success where dnf says failure",
        ),
        (
            replace(WHOLE, image=Image(None, None), verdict="failure"),
            Image(None, None),
            "equal",
            "failure where dnf says neutral",
        ),
        (
            replace(WHOLE, image=Image(None, ["a"]), verdict="neutral"),
            Image(None, None),
            "neutral",
            "",
        ),
        (WHOLE, Image(["a"], ["a"]), "equal", ""),
        (WHOLE, Image(None, None), "different", ""),
        (WHOLE, Image(["a"], None), "different", ""),
        (replace(WHOLE, unexpanded=("%x",)), None, "different", "success with %x"),
        (replace(WHOLE, unexpanded=("%x",), verdict="neutral"), None, "neutral", ""),
        (
            replace(WHOLE, failures=(("base", "invalid", "no"),), verdict="failure"),
            None,
            "different",
            "failure although base is no better: no",
        ),
        (replace(WHOLE, excluded=True), None, "neutral", ""),
    ],
)
def test_what_a_run_comes_to(run, dnf_image, comparison, wrong):
    verdict = judge(run, dnf_image)
    assert (verdict.comparison, verdict.wrong) == (comparison, wrong)
    found = figures([verdict], SEED)
    assert found["comparison"] == {comparison: 1}
    assert bool(found["different"]) == (comparison == "different")
    assert bool(found["wrong"]) == bool(wrong)
    assert f"| {comparison} | 1 |" in markdown(found)


def test_only_a_whole_evaluation_of_a_published_package_is_a_question():
    run = replace(WHOLE, overlay=("tool-0:1-1.x86_64", "tool-libs-0:1-1.x86_64"))
    question = question_of(run)
    assert question is not None
    assert question.changed == "tool-0:1-1.x86_64"
    for other in (
        replace(run, published=False),
        replace(run, excluded=True),
        replace(run, overlay=("tool-libs-0:1-1.x86_64",)),
        replace(run, unexpanded=("%x",)),
    ):
        assert question_of(other) is None


def test_real_files_that_ask_for_images_are_read_or_named(tmp_path: Path) -> None:
    made = tmp_path / "one"
    made.mkdir()
    (made / "Containerfile").write_text("FROM x\nRUN dnf install -y a\n")
    (made / "rpms.in.yaml").write_text("packages: [a]\nmoduleEnable: [b:1]\n")
    found = {o.path: (o.state, o.why) for o in outcomes(tmp_path)}
    assert found == {
        "Containerfile": ("read", ""),
        "rpms.in.yaml": ("neutral", "`moduleEnable` is not evaluated"),
    }


@pytest.mark.skipif("REQUESTS_CORPUS" not in os.environ, reason="no folder of real files is given")
def test_no_real_file_makes_a_reader_fail_or_is_silent() -> None:
    found = list(outcomes(Path(os.environ["REQUESTS_CORPUS"])))
    assert found and not [one for one in found if one.state in ("failed", "nothing")]
