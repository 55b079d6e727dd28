"""The section of advice on the lines of files that say what images ask for."""

from __future__ import annotations

from collections.abc import Iterable

from bot.model.result import CheckResult
from bot.model.suggestion import LineAdvice
from bot.report.blocks import Detail, Section, section, table
from bot.report.grouping import arch_order
from bot.report.phrase import Phrase, code, joined, listing, plain
from bot.report.sizes import format_size
from bot.report.template import say

_NAMES = 6  # packages that are named
_HEAD = ("Line", "Advice", "Saves")


def line_advice(result: CheckResult, detail: Detail) -> Section | None:
    """A row for each line and piece of advice, the largest saving first; null where there is none.

    The saving is the one on the first architecture, of each image where it is for several.
    """
    rows: dict[object, LineAdvice] = {}
    for one in sorted(result.advice, key=lambda a: (arch_order(a.key.arch), a)):
        rows.setdefault((one.kind, one.line, one.take), one)
    ordered = sorted(rows.values(), key=lambda one: (-(one.saves or 0), one.line, one.kind))
    cells = [(_place(one), _words(one), _saves(one)) for one in ordered]
    return section("Advice on the lines", table(_HEAD, cells, (2,), detail.rows, "piece of advice"))


def _place(one: LineAdvice) -> Phrase:
    return code(f"{one.line.path}:{one.line.line}")


def _words(one: LineAdvice) -> Phrase:
    names = _named(one.packages)
    if one.kind == "weak-dependencies":
        return say.advice_weak(names=names)
    if one.kind == "documentation":
        return say.advice_documentation()
    if one.kind == "caches":
        return say.advice_caches()
    if one.kind == "package-manager":
        return say.advice_manager(names=names)
    if one.kind == "empty-folder":
        return say.advice_folder(names=names)
    return say.advice_alternative(take=_named(one.take), names=names)


def _named(names: Iterable[str]) -> Phrase:
    listed = tuple(names)
    shown = [code(name) for name in listed[:_NAMES]]
    if len(listed) > _NAMES:
        return joined([*shown, plain(f"{len(listed) - _NAMES} more")], ", ")
    return listing(shown)


def _saves(one: LineAdvice) -> Phrase:
    return plain(format_size(one.saves)) if one.saves is not None else ()
