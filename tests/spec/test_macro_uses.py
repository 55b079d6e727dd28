"""Which lines of a spec file decide what another of its lines says."""

from __future__ import annotations

import pytest

from bot.spec.macro_uses import MacroUses

SPEC = """\
Name: app
%global one perl
%{!?two: %global two %{one}-libs}
%bcond_without three
%if %{with three}
Requires: %two
%elif 0%{?_without_four:1}
Requires: plain
%else
Requires: %{?one} %{S:1}
%endif
Source: a
Source: b-%{version}
Version: 1
Requires: none
%global many %{expand:
Requires: a
}
%many
"""


@pytest.mark.parametrize(
    ("line", "deciding"),
    [
        (6, [(6,), (5,), (3,), (4,), (2,)]),
        (8, [(8,), (7,), (5,), (4,)]),
        (10, [(10,), (9,), (7,), (5,), (2,), (13,), (4,), (14,)]),
        (15, [(15,)]),
        (19, [(19,), (16, 17, 18)]),
        (17, [(16, 17, 18)]),
        (99, []),
    ],
)
def test_macro_uses_finds_conditions_and_definitions_nearest_first(
    line: int, deciding: list[tuple[int, ...]]
) -> None:
    assert list(MacroUses(SPEC).deciding(line)) == deciding
