"""Where it lies that a spec says nothing: only what the change does is its failure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.check.change import ChangedSpec
from bot.check.evidence import Evaluated, Side, evaluate_change
from bot.check.verdict import alike, essence
from bot.model.result import CheckResult
from bot.model.spec import SpecEvaluation, SpecFailure
from bot.report.annotations import annotations_of
from bot.report.render import render_comment
from bot.sandbox.values import Limits
from bot.spec.evaluate import SPEC_LIMITS
from tests.check.tiny import TOOL, Bench

SHORT = replace(SPEC_LIMITS, seconds=4.0)  # where a line has no end
BUMPED = TOOL.replace("Release: 1", "Release: 2")


def edited(text: str, line: str) -> str:
    if line.startswith("%package"):
        return f"{text}{line}\n"
    return text.replace("Source0:", f"{line}\nSource0:", 1)


def limits_of(line: str) -> Limits:
    return SHORT if "while true" in line else SPEC_LIMITS


def failure(message: str, cause: str = "invalid") -> SpecFailure:
    return SpecFailure("a.spec", "x86_64", cause, message)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("line 5: Unknown tag: Foo", "line 77: Unknown tag: Foo"),
        ("a.spec:5: bad %if condition:  3.1 >", "sub/b.spec:9: bad %if condition:  3.2~rc1 >"),
        ("Bad source: app-1.26.tar.gz: No such file", "Bad source: x/app-2.tar.xz: No such file"),
        ("Unable to open rules.inc: No such file", "Unable to open more/rules.inc: No such file"),
        ("Unknown tag: Foo\nanother", "Unknown tag: Foo\nsomething else"),
        ("took longer than 20 s", "took longer than 21 s"),
    ],
)  # fmt: skip
def test_lines_versions_and_paths_make_no_difference(one: str, other: str) -> None:
    assert alike(failure(one), failure(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("line 5: Unknown tag: Foo", "line 5: Unknown tag: Bar"),
        ("line 5: Unknown tag: Foo1", "line 5: Unknown tag: Foo2"),
        ("took longer than 20 s", "needed more than 512 MiB"),
    ],
)
def test_other_messages_are_other_failures(one: str, other: str) -> None:
    assert not alike(failure(one), failure(other))
    assert not alike(failure(one, "limit"), failure(one))


words = st.lists(st.text("abcXYZ%{}()", min_size=1), min_size=1).map(" ".join)
numbers = st.integers(0, 9999)


@given(words, words, numbers, numbers)
def test_the_essence_is_free_of_numbers_and_keeps_words(
    before: str, after: str, one: int, other: int
) -> None:
    texts = [f"line {n}: {before} {n}.{n}-{n} {after}" for n in (one, other)]
    assert essence(texts[0]) == essence(texts[1])
    assert essence(essence(texts[0])) == essence(texts[0])
    assert before.split(maxsplit=1)[0] in essence(texts[0])


@pytest.mark.parametrize(
    "line", ["Sumary: x", "%if 3 >\n%endif", "%{lua: while true do end}", "%include no-such.inc"]
)
def test_what_base_fails_at_in_the_same_way_is_neutral(bench: Bench, line: str) -> None:
    bench.commit({"tool.spec": edited(TOOL, line)})
    result = bench.check({"tool.spec": edited("# moved\n" + BUMPED, line)}, limits=limits_of(line))
    assert result.verdict == "neutral"
    assert not result.interrupted
    assert result.incomplete
    assert result.images == result.refused == ()
    (problem,) = result.problems
    assert "(base and head)" in problem
    assert "The base fails in the same way. This is so on x86_64 and aarch64." in problem


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "Sumary: x"), ("Sumary: x", "Licence: x"), ("Sumary: x", "%{lua: while true do end}")],
)
def test_what_base_does_not_fail_at_so_is_a_failure(bench: Bench, before: str, after: str) -> None:
    if before:
        bench.commit({"tool.spec": edited(TOOL, before)})
    result = bench.check({"tool.spec": edited(TOOL, after)}, limits=limits_of(after))
    assert result.verdict == "failure"
    assert "(head)" in result.problems[0]
    (refused,) = result.refused
    assert refused.path == "tool.spec"
    if "lua" in after:  # no line runs into a limit
        assert refused.line is None
        assert [note.line for note in annotations_of(result) if note.rule == "not-evaluated"] == [1]
    else:
        assert refused.line is not None
        assert edited(TOOL, after).splitlines()[refused.line - 1] == after


def test_a_new_spec_that_is_invalid_is_a_failure(bench: Bench) -> None:
    new = edited(TOOL, "Sumary: x").replace("Name: tool", "Name: fresh")
    assert bench.check({"fresh.spec": new}).verdict == "failure"


def test_a_removed_spec_that_was_invalid_is_neutral(bench: Bench) -> None:
    bench.commit({"tool.spec": edited(TOOL, "Sumary: x")})
    assert bench.check({"tool.spec": None}).verdict == "neutral"


def test_a_renamed_spec_that_stays_invalid_is_neutral(bench: Bench) -> None:
    broken = edited(TOOL, "Sumary: x")
    bench.commit({"tool.spec": broken})
    assert bench.check({"tool.spec": None, "utility.spec": broken}).verdict == "neutral"


def test_a_failure_on_one_architecture_leaves_the_other_evaluated(bench: Bench) -> None:
    broken = edited(TOOL, "%ifarch aarch64\nSumary: x\n%endif")
    bench.commit({"tool.spec": broken})
    result = bench.check({"tool.spec": broken.replace("Release: 1", "Release: 2")})
    assert (result.verdict, [i.key.arch for i in result.images]) == ("neutral", ["x86_64"])
    result = bench.check({"tool.spec": edited(TOOL, "%ifarch s390x aarch64\nFoo: x\n%endif")})
    assert (result.verdict, [i.key.arch for i in result.images]) == ("failure", ["x86_64"])


def test_a_misspelled_tag_fails_and_an_undefined_macro_in_its_place_does_not(bench: Bench) -> None:
    result = bench.check({"tool.spec": edited(TOOL, "Requiers: perl")})
    assert result.verdict == "failure"
    result = bench.check({"tool.spec": edited(TOOL, "%no_such_requires perl")})
    assert (result.verdict, result.incomplete) == ("neutral", True)
    assert "nothing that was found defines %no_such_requires`." in result.problems[0]


UNEXPANDED = [
    "ExclusiveArch: %{no_such_arches}",
    "ExcludeArch: %{no_such_arches}",
    "BuildArch: %{no_such_arch}",
    "Requires: base = %{no_such_version}",
    "%ifarch %{no_such_arches}\nRequires: perl\n%endif",
    "%package -n python%{no_such_version}-x\nSummary: x\n"
    "%description -n python%{no_such_version}-x\n%files -n python%{no_such_version}-x",
]


def is_neutral_and_names(result: CheckResult, sides: str) -> None:
    assert (result.verdict, result.images, result.interrupted) == ("neutral", (), False)
    (problem,) = result.problems
    assert problem.startswith("tool.spec")
    assert f"({sides})" in problem
    assert "%{no_such_" in problem
    assert problem.endswith(" This is so on x86_64 and aarch64.")


@pytest.mark.parametrize("line", UNEXPANDED)
def test_what_stays_unexpanded_is_neutral_with_the_macro_named(bench: Bench, line: str) -> None:
    is_neutral_and_names(bench.check({"tool.spec": edited(TOOL, line)}), "head")
    is_neutral_and_names(bench.check({"tool.spec": edited(BUMPED, line)}), "base and head")
    is_neutral_and_names(bench.check({"tool.spec": TOOL}), "base")


def test_a_file_that_is_not_there_and_decides_a_dependency_is_neutral(bench: Bench) -> None:
    reads = edited(TOOL, "Requires: x%(cat nothere)")
    result = bench.check({"tool.spec": reads})
    assert (result.verdict, result.images, result.incomplete) == ("neutral", (), True)
    assert result.problems[0].startswith(
        "tool.spec:6 (head): `nothere is neither in the repository"
    )
    result = bench.check({"tool.spec": edited(reads, "Requires: perl")})
    assert (result.verdict, result.incomplete) == ("neutral", True)
    assert "(base and head): `nothere is neither" in result.problems[0]
    only_built = f"{TOOL}%build\nmake %(cat nothere)\n"
    result = bench.check({"tool.spec": only_built, "nothere": "all\n"})
    result = bench.check({"nothere": None, "tool.spec": edited(only_built, "Requires: perl")})
    assert (result.verdict, {len(i.added) for i in result.images}) == ("success", {2})
    assert any("nothere is neither" in note for note in result.notes)


def test_a_macro_unexpanded_in_a_new_spec_makes_no_package_of_its_name(bench: Bench) -> None:
    name = "python%{no_such_version}-x"
    more = f"%package -n {name}\nSummary: x\n%description -n {name}\n%files -n {name}\n"
    new = TOOL.replace("Name: tool", "Name: fresh") + more
    result = bench.check({"fresh.spec": new})
    assert (result.verdict, result.images) == ("neutral", ())


@pytest.mark.parametrize(("base", "calls"), [("ok", 2), ("limit", 1)])
def test_a_head_that_alone_ran_into_a_limit_is_evaluated_twice(base: str, calls: int) -> None:
    """A busy machine ends an evaluation by its time, and not the next one."""
    change: Any = SimpleNamespace(
        specs=(ChangedSpec("a.spec", "a.spec", True),), base_tree=Path("/no"), head_tree=Path("/no")
    )
    good = SpecEvaluation("a.spec", "x86_64", "a", (0, "1", "1"), ())
    late = failure("took longer than 20 s", "limit")
    heads = iter([late, good])
    sides: list[Side] = []

    def evaluate(side: Side, path: str) -> Evaluated:
        sides.append(side)
        if side == "base":
            return Evaluated({"x86_64": good if base == "ok" else late})
        return Evaluated({"x86_64": next(heads)})

    (evaluated,) = evaluate_change(change, evaluate)
    assert sides.count("head") == calls
    assert evaluated.head["x86_64"] == (good if base == "ok" else late)


def test_the_words_of_a_spec_file_are_code_in_a_comment(bench: Bench) -> None:
    words = "All good. Approved by @maintainers `and` **merged**"
    result = bench.check({"tool.spec": f"%{{error:{words}}}\n{TOOL}"})
    (problem,) = result.problems
    assert "`All good. Approved by @maintainers 'and' **merged**`" in problem
    assert "`All good. Approved by @maintainers 'and' **merged**`" in render_comment(result)
