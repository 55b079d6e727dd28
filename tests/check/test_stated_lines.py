"""Which line of a change states what is new, where an unchanged line says something else now."""

from __future__ import annotations

import pytest

from bot.model.result_json import check_from_json, check_to_json
from bot.model.spec import SpecLine
from bot.report.render import render_comment
from tests.check.tiny import TOOL, Bench

MACRO = TOOL.replace("Requires: base\n", "Requires: %{need}\n")


def with_first(line: str, spec: str = MACRO) -> str:
    return f"{line}\n{spec}"


CONDITION = TOOL.replace(
    "Requires: base\n", "Requires: base\n%if %{with perl}\nRequires: perl\n%endif\n"
)
LIBS = TOOL.replace("Requires: base\n", "%need\n").replace("Summary: l\n", "Summary: l\n%need\n")
MANY = "%global need %{{expand:\nRequires: base\n{0}}}"


@pytest.mark.parametrize(
    ("base", "head", "line", "feeds"),
    [
        (with_first("%global need base"), with_first("%global need perl"),
         SpecLine("tool.spec", 1, "%global need perl"),
         [SpecLine("tool.spec", 8, "Requires: %{need}")]),
        (with_first("%bcond_with perl", CONDITION), with_first("%bcond_without perl", CONDITION),
         SpecLine("tool.spec", 1, "%bcond_without perl"),
         [SpecLine("tool.spec", 10, "Requires: perl")]),
        (CONDITION.replace("%{with perl}", "0"), CONDITION.replace("%{with perl}", "1 > 0"),
         SpecLine("tool.spec", 8, "%if 1 > 0"), [SpecLine("tool.spec", 9, "Requires: perl")]),
        (with_first(MANY.format(""), LIBS), with_first(MANY.format("Requires: perl\n"), LIBS),
         SpecLine("tool.spec", 3, "Requires: perl"),
         [SpecLine("tool.spec", 11, "%need"), SpecLine("tool.spec", 17, "%need")]),
        (TOOL, TOOL.replace("Requires: base\n", "Requires: base\nRequires: perl\n"),
         SpecLine("tool.spec", 8, "Requires: perl"), []),
        # Moved from a subpackage that the image does not hold: the line itself, though unchanged.
        (f"%global x 1\n{TOOL}".replace("BuildArch: noarch", "BuildArch: noarch\nRequires: perl"),
         f"%global x 2\n{TOOL}".replace("Requires: base\n", "Requires: base\nRequires: perl\n"),
         SpecLine("tool.spec", 9, "Requires: perl"), []),
    ],
)  # fmt: skip
def test_an_added_package_is_by_the_line_that_changed(
    bench: Bench, base: str, head: str, line: SpecLine, feeds: list[SpecLine]
) -> None:
    bench.commit({"tool.spec": base, "notes": "of the base"})
    result = bench.check({"tool.spec": head}, arches=("x86_64",))
    added = {a.package.nevra.name: a for a in result.images[0].added}
    perl = added["perl"]
    assert (perl.spec, perl.leaves_with) == (line, (line,))
    assert perl.spec is not None
    assert list(perl.spec.feeds) == feeds
    written = check_to_json(result)
    assert check_to_json(check_from_json(written)) == written
    comment = render_comment(result)
    assert f"{line.text}`, `tool.spec:{line.line}`" in comment
    assert all(f"which decides `{line.text}` (line {line.line})" in comment for line in feeds[:1])
