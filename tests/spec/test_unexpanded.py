"""Macros that nothing defines: found where they leave open what a spec file makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.model.spec import SpecEvaluation, SpecFailure
from bot.spec.evaluate import evaluate_spec
from bot.spec.missing import in_message, macros_in
from tests.specs import tags

SPEC = tags("tool", "{line}") + "%description\n%files\n"


def evaluated(tmp_path: Path, line: str) -> SpecEvaluation | SpecFailure:
    (tmp_path / "tool.spec").write_text(SPEC.format(line=line))
    return evaluate_spec(tmp_path, "tool.spec", ["x86_64"])["x86_64"]


@pytest.mark.parametrize(
    ("line", "macro", "where"),
    [
        ("ExclusiveArch: %{no_such_arches}", "%{no_such_arches}", "ExclusiveArch"),
        ("ExcludeArch: s390x %no_such_arches", "%no_such_arches", "ExcludeArch"),
        ("Requires: libs = %{no_such_version}-1", "%{no_such_version}", "Requires"),
        ("Recommends: python%{no_such_thing}-x", "%{no_such_thing}", "Recommends"),
        ("Provides: tool(%{!?no_such:a%{no_such}})", "%{no_such}", "Provides"),
        ("%ifarch %{no_such_arches}\nRequires: x\n%endif", "%{no_such_arches}", "%ifarch"),
        ("%global more %{no_such_arches}\n%ifnarch %{more}\n%endif", "%{no_such_arches}",
         "%ifnarch"),
        ("Requires: fifty%", "%", "Requires"),
    ],
)  # fmt: skip
def test_a_macro_that_stays_is_named_with_its_tag_and_line(
    tmp_path: Path, line: str, macro: str, where: str
) -> None:
    result = evaluated(tmp_path, line)
    assert isinstance(result, SpecEvaluation)
    (unexpanded,) = result.unexpanded
    assert (unexpanded.macro, unexpanded.where) == (macro, where)
    assert unexpanded.origin is not None
    assert 6 <= unexpanded.origin.line <= 7


@pytest.mark.parametrize("tag", ["Name", "Version", "Release"])
def test_a_macro_in_the_name_or_version_of_a_package_is_found(tmp_path: Path, tag: str) -> None:
    (tmp_path / "tool.spec").write_text(
        SPEC.format(line="").replace(f"{tag}: ", f"{tag}: 1%{{no_such}}")
    )
    result = evaluate_spec(tmp_path, "tool.spec", ["x86_64"])["x86_64"]
    assert isinstance(result, SpecEvaluation)
    assert {(u.macro, u.where) for u in result.unexpanded} == {("%{no_such}", tag)}


def test_a_macro_in_the_name_of_a_subpackage_is_found(tmp_path: Path) -> None:
    name = "python%{no_such_pkgversion}-tool"
    line = f"%package -n {name}\nSummary: p\n%description -n {name}\n%files -n {name}"
    result = evaluated(tmp_path, line)
    assert isinstance(result, SpecEvaluation)
    assert {u.macro for u in result.unexpanded} == {"%{no_such_pkgversion}"}


@pytest.mark.parametrize(
    "line",
    [
        "Provides: tool(50%%)",
        "Requires: a%%no_such_macro",
        "Requires: a%%{no_such_macro}",
        "Requires: base%{?no_such_macro}",
        "BuildRequires: a%{no_such_macro}",
        "Patch0: %{no_such_macro}.patch",
        "%if 0\n%ifarch %{no_such_arches}\n%endif\n%endif",
    ],
)
def test_what_is_meant_or_makes_no_package_is_not_found(tmp_path: Path, line: str) -> None:
    result = evaluated(tmp_path, line)
    assert isinstance(result, SpecEvaluation)
    assert result.unexpanded == ()


@pytest.mark.parametrize(
    ("line", "macro"),
    [
        ("%no_such_requires", "%no_such_requires"),
        ("Requires: %{no_such}", "%{no_such}"),
        ("Requires: (a if %{no_such})", "%{no_such}"),
        ("%if %{no_such} > 3\n%endif", "%{no_such}"),
        ("Epoch: %{no_such}", "%{no_such}"),
        ("BuildArch: %{no_such_arch}", "%{no_such_arch}"),
        ("%include %{no_such}", "%{no_such}"),
    ],
)
def test_what_rpm_refuses_for_a_macro_names_it(tmp_path: Path, line: str, macro: str) -> None:
    result = evaluated(tmp_path, line)
    assert isinstance(result, SpecFailure)
    assert result.cause == "unexpanded"
    assert result.message.splitlines()[0].endswith(f"nothing that was found defines {macro}")


@pytest.mark.parametrize(
    "line", ["Sumary: %{no_such}", "%package", "BuildArch: nowhere", "%description -n other", "%if"]
)
def test_what_is_wrong_without_a_macro_is_invalid(tmp_path: Path, line: str) -> None:
    result = evaluated(tmp_path, line)
    assert isinstance(result, SpecFailure)
    assert result.cause == "invalid"


def test_formats_and_sections_in_messages_are_no_macros() -> None:
    assert in_message("line 3: %description -n x: no such package") == ()
    assert in_message("bad argument #1 to 'format' (%d expected, got %s)") == ()
    assert in_message("Macro %{foo has illegal name (%define)") == ()
    assert macros_in("a%{x_y}b%{?c_d}") == ("%{x_y}", "%{?c_d}")
