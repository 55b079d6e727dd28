"""Heads that cannot be installed, and for which the change is not at fault: or is it still?"""

from __future__ import annotations

import pytest

from bot.model.result import CheckResult
from bot.model.result_json import check_from_json, check_to_json
from bot.model.spec import SpecLine
from bot.report.headline import headline
from bot.report.phrase import to_plain
from tests.check.tiny import TOOL, Bench, workload

# Nothing defines the macro, on neither side.
OPEN = """\
Name: other
Version: 1
Release: 1
Summary: o
License: MIT
Requires: base = %{no_such_version}
%description
%files
%package -n lib%{name}
Summary: l
Provides: other-abi = 2
%description -n lib%{name}
%files -n lib%{name}
/usr/share/other/data
"""
INVALID = OPEN.replace("Summary: o", "Sumary: o")


def needs(what: str, spec: str = TOOL) -> str:
    return spec.replace("Requires: base\n", f"Requires: base\nRequires: {what}\n", 1)


def touched(spec: str) -> str:
    return f"# touched\n{spec}"


def statuses(result: CheckResult) -> set[tuple[str, str]]:
    return {(i.base.status, i.head.status) for i in result.images}


@pytest.fixture(params=[OPEN, INVALID], ids=["unexpanded", "invalid"])
def other(request: pytest.FixtureRequest, bench: Bench) -> str:
    bench.commit({"other.spec": str(request.param)})
    return touched(str(request.param))


def test_the_images_of_another_spec_are_evaluated(bench: Bench, other: str) -> None:
    result = bench.check({"tool.spec": needs("perl"), "other.spec": other})
    assert (result.verdict, result.incomplete) == ("neutral", True)
    assert {i.key.arch for i in result.images} == {"x86_64", "aarch64"}
    assert {len(i.added) for i in result.images} == {2}


def test_the_failure_of_another_spec_is_not_hidden(bench: Bench, other: str) -> None:
    result = bench.check({"tool.spec": needs("libnothere"), "other.spec": other})
    assert (result.verdict, statuses(result)) == ("failure", {("ok", "unsolvable")})


def test_one_that_fails_on_one_architecture_hides_nothing_on_it(bench: Bench) -> None:
    broken = TOOL.replace("Name: tool", "Name: other") + "%ifarch aarch64\nSumary: x\n%endif\n"
    broken = broken.replace("%description\n%files\n%package", "%package", 1)
    bench.commit({"other.spec": broken})
    line = "%ifarch aarch64\nRequires: libnothere\n%endif\n"
    head = TOOL.replace("Source0:", f"{line}Source0:")
    result = bench.check({"tool.spec": head, "other.spec": touched(broken)})
    assert result.verdict == "failure"
    failed = {i.key.arch for i in result.images if i.head.status == "unsolvable"}
    assert failed == {"aarch64"}


@pytest.mark.parametrize(
    "need",
    ["other = 2", "libother >= 2", "libother%{?_isa} = 2", "other-abi = 2", "(other-abi with base)",
     "/usr/share/other/data"],
)  # fmt: skip
def test_what_the_spec_that_is_not_evaluated_may_make_fails_nothing(
    bench: Bench, other: str, need: str
) -> None:
    result = bench.check({"tool.spec": needs(need), "other.spec": other})
    assert (result.verdict, result.images) == ("neutral", ())
    assert any(
        p.startswith("web in minimal, repo x86_64: It is not known") and "other.spec" in p
        for p in result.problems
    )


def test_what_it_may_make_excuses_nothing_else(bench: Bench, other: str) -> None:
    head = needs("libnothere", needs("libother = 2"))
    result = bench.check({"tool.spec": head, "other.spec": other})
    assert (result.verdict, statuses(result)) == ("failure", {("ok", "unsolvable")})


def libs_need(what: str, spec: str = TOOL) -> str:
    return spec.replace("Summary: l\n", f"Summary: l\nRequires: {what}\n")


def test_what_base_requires_in_vain_too_is_no_failure(bench: Bench) -> None:
    bench.document("web", workload("tool", "tool-libs"))
    bench.commit({"tool.spec": needs("libnothere >= 1")})
    result = bench.check({"tool.spec": libs_need("libnothere >= 2", needs("libnothere >= 1"))})
    assert (result.verdict, statuses(result)) == ("neutral", {("unsolvable", "unsolvable")})
    assert {i.reason for i in result.images} == {
        "The base's spec file requires libnothere too, which nothing provides; the published"
        " packages were made without it."
    }


@pytest.mark.parametrize("more", ["", "libelse"])
def test_what_base_requires_elsewhere_is_still_a_failure(bench: Bench, more: str) -> None:
    """Base's packages of the image do not need it, or the change needs something else besides."""
    stated = needs("libnothere") if more else TOOL.replace(
        "BuildArch: noarch\n", "BuildArch: noarch\nRequires: libnothere\n"
    )  # fmt: skip
    bench.document("web", workload("tool", "tool-libs"))
    bench.commit({"tool.spec": stated})
    head = libs_need("libnothere", libs_need(more, stated) if more else stated)
    result = bench.check({"tool.spec": head})
    assert (result.verdict, statuses(result)) == ("failure", {("ok", "unsolvable")})


PROVIDES = """\
%global api tool-api
Name: api
Version: 1
Release: 1
Summary: a
License: MIT
Provides: %{api} = 2
%description
%files
"""
NEEDS_API = """\
Name: user
Version: 1
Release: 1
Summary: u
License: MIT
Requires: (tool-api >= 2 or nothing-else)
%description
%files
"""


def test_base_s_line_that_provided_what_is_missing_is_named(bench: Bench) -> None:
    bench.document("web", workload("user"))
    bench.commit({"api.spec": PROVIDES, "user.spec": NEEDS_API})
    head = PROVIDES.replace("Provides: %{api} = 2\n", "Provides: %{api} = 1\n")
    result = bench.check({"api.spec": head, "user.spec": touched(NEEDS_API)})
    assert (result.verdict, statuses(result)) == ("failure", {("ok", "unsolvable")})
    (cause,) = result.images[0].head.causes
    assert (cause.spec, cause.removed) == (None, SpecLine("api.spec", 7, "Provides: %{api} = 2"))
    written = check_to_json(result)
    assert check_to_json(check_from_json(written)) == written
    line = "because Provides: %{api} = 2 (api.spec line 7) is removed"
    assert line in to_plain(headline(result))


def test_base_s_subpackage_that_is_missing_is_named_by_its_line(bench: Bench) -> None:
    bench.document("web", workload("addon"))
    head = TOOL[: TOOL.index("%package extra")]
    result = bench.check({"tool.spec": head})
    assert (result.verdict, statuses(result)) == ("failure", {("ok", "unsolvable")})
    (cause,) = result.images[0].head.causes
    assert cause.removed == SpecLine("tool.spec", 15, "%package extra")
