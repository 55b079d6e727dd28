"""Suggestions on lines of a diff, and the sentence on lines that the change did not bring."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.result import CheckResult
from bot.model.suggestion import Suggestion
from bot.report.phrase import Phrase, printable, to_markdown
from bot.report.sizes import short_span
from bot.report.template import Place, say, short_image


def offered(result: CheckResult) -> tuple[Suggestion, ...]:
    """The suggestions that a click may put into the change, by their lines.

    The diff shows the line, solving measured what it saves, and the built files have no trace of
    what leaves. None while the check goes on, and none where somebody must allow the change first.
    """
    if result.stage != "final" or result.verdict == "action_required":
        return ()
    found = (
        one
        for one in (*result.suggestions, *result.spec_edits)
        if one.safe
        and one.diff_line is not None
        and printable(one.replace_with) == one.replace_with
    )
    return tuple(sorted(found, key=lambda one: one.spec))


def suggestion_markdown(suggestion: Suggestion) -> str:
    """The words above the line to write instead: what it saves, what speaks for it."""
    sentence = say.suggestion(
        saving=_saving(suggestion),
        tested="the image's test still succeeds" if _tested(suggestion) else "",
        line=f"/minimize decline {suggestion.edits[0]} REASON" if suggestion.edits else "",
    )
    return str(to_markdown(sentence))


def other_lines(suggestions: Sequence[Suggestion]) -> Phrase:
    """One sentence on lines that the change did not bring: the first, and how many more."""
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
    most = max(suggestion.saves, key=lambda one: one.installed_size or 0)
    by_place: dict[Place, list[int]] = {}
    for one in suggestion.saves:
        where = (one.key.workload, one.key.environment, one.key.repository)
        by_place.setdefault(where, []).append(one.installed_size or 0)
    place = (most.key.workload, most.key.environment, most.key.repository)
    return say.saves_in(
        size=short_span(sorted(by_place[place])),
        packages=most.packages,
        image=short_image(place, by_place),
        others=len(by_place) - 1,
    )


def _tested(suggestion: Suggestion) -> bool:
    return suggestion.evidence is not None and suggestion.evidence.runs is True
