"""Suggestions and advice on lines: in a diff, in spec files, and in files with images' requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.model.architecture import architecture_order
from bot.model.result import CheckResult
from bot.model.suggestion import LineAdvice, Suggestion
from bot.report.blocks import Detail, Section, section, table
from bot.report.grouping import place_of
from bot.report.phrase import Phrase, code, joined, listing, plain, printable, to_markdown
from bot.report.sizes import format_size, short_span
from bot.report.template import Place, say, short_image


def offered(result: CheckResult) -> tuple[Suggestion, ...]:
    """Return the suggestions that a click may apply to the change, by their lines.

    Their lines are in the diff, their savings were measured by solving, and the built files have no
    trace of the leaving packages. Empty while the check goes on, or where somebody must allow the
    change first.
    """
    if result.stage != "final" or result.verdict == "action_required":
        return ()
    suggestions = (
        suggestion
        for suggestion in (*result.suggestions, *result.spec_edits)
        if suggestion.safe
        and suggestion.diff_line is not None
        and printable(suggestion.replace_with) == suggestion.replace_with
    )
    return tuple(sorted(suggestions, key=lambda suggestion: suggestion.spec))


def suggestion_markdown(suggestion: Suggestion) -> str:
    """Return the words above the replacement: its saving and its evidence."""
    sentence = say.suggestion(
        saving=_saving(suggestion),
        tested="the image's test still succeeds" if _tested(suggestion) else "",
        line=f"/minimize decline {suggestion.edits[0]} REASON" if suggestion.edits else "",
    )
    return str(to_markdown(sentence))


def other_lines(suggestions: Sequence[Suggestion]) -> Phrase:
    """Return one sentence on lines that the change did not add: the first, and a number."""
    if not suggestions:
        return ()
    first = suggestions[0]
    return say.other_line(
        path=first.spec.path,
        line=first.spec.line,
        instead=first.replace_with,
        saving=_saving(first),
        others=len(suggestions) - 1,
    )


def _saving(suggestion: Suggestion) -> Phrase:
    most = max(suggestion.saves, key=lambda saving: saving.installed_size or 0)
    by_place: dict[Place, list[int]] = {}
    for saving in suggestion.saves:
        by_place.setdefault(place_of(saving.key), []).append(saving.installed_size or 0)
    place = place_of(most.key)
    return say.saves_in(
        size=short_span(sorted(by_place[place])),
        packages=most.packages,
        image=short_image(place, by_place),
        others=len(by_place) - 1,
    )


def _tested(suggestion: Suggestion) -> bool:
    return suggestion.evidence is not None and suggestion.evidence.runs is True


_NAMES = 6  # number of packages that are named
_HEAD = ("Line", "Advice", "Saves")


def line_advice(result: CheckResult, detail: Detail) -> Section | None:
    """Return a row for each line and piece of advice, the largest saving first, or None.

    The saving is that on the first architecture, of each of several images.
    """
    rows: dict[object, LineAdvice] = {}
    for advice in sorted(result.advice, key=lambda a: (architecture_order(a.key.arch), a)):
        rows.setdefault((advice.kind, advice.line, advice.take), advice)
    ordered = sorted(
        rows.values(), key=lambda advice: (-(advice.saves or 0), advice.line, advice.kind)
    )
    cells = [(_place(advice), _words(advice), _saves(advice)) for advice in ordered]
    return section("Advice on the lines", table(_HEAD, cells, (2,), detail.rows, "piece of advice"))


def _place(advice: LineAdvice) -> Phrase:
    return code(f"{advice.line.path}:{advice.line.line}")


def _words(advice: LineAdvice) -> Phrase:
    names = _named(advice.packages)
    if advice.kind == "weak-dependencies":
        return say.advice_weak(names=names)
    if advice.kind == "documentation":
        return say.advice_documentation()
    if advice.kind == "caches":
        return say.advice_caches()
    if advice.kind == "package-manager":
        return say.advice_manager(names=names)
    if advice.kind == "empty-folder":
        return say.advice_folder(names=names)
    return say.advice_alternative(take=_named(advice.take), names=names)


def _named(names: Iterable[str]) -> Phrase:
    listed = tuple(names)
    codes = [code(name) for name in listed[:_NAMES]]
    if len(listed) > _NAMES:
        return joined([*codes, plain(f"{len(listed) - _NAMES} more")], ", ")
    return listing(codes)


def _saves(advice: LineAdvice) -> Phrase:
    return plain(format_size(advice.saves)) if advice.saves is not None else ()
