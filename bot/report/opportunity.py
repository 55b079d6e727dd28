"""The texts of an opportunity that are ready to copy: commit, changelog, report to maintainers."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from bot.model.advice import Change
from bot.model.opportunity import Opportunity, suggestion_of
from bot.report.phrase import Phrase, to_plain
from bot.report.sizes import format_size
from bot.report.template import say

_NAMES = 5  # images that are named
_WIDTH = 72


@dataclass(frozen=True, slots=True)
class OpportunityTexts:
    """Plain text: of a commit (subject and body), a line of a changelog, a report."""

    commit: str
    changelog: str
    report: str


def opportunity_texts(one: Opportunity) -> OpportunityTexts:
    """The texts for whoever makes the edit, and for whoever asks for it."""
    subject = to_plain(_subject(one.change))
    body = textwrap.fill(" ".join(map(to_plain, (*_effect(one), *evidence_phrases(one)))), _WIDTH)
    what = to_plain(say.edit_write(to=one.change.to, package=one.change.package))
    question = to_plain(say.edit_report(subject=subject))
    # By this line a pull request, or a commit, is recognised as the one that makes the edit.
    named = to_plain(say.edit_named(id=one.id))
    return OpportunityTexts(
        f"{subject}\n\n{body}\n\n{named}\n",
        to_plain(say.edit_changelog(subject=subject)),
        f"{question}\n\n{textwrap.fill(what, _WIDTH)}\n{body}\n\n{named}\n",
    )


def _subject(change: Change) -> Phrase:
    package, capability = change.package, change.capability
    if change.kind == "request":
        return say.edit_request(to=change.to, package=package)
    if change.kind == "prefer":
        name = suggestion_of(change) or change.to
        return say.edit_prefer(package=package, capability=capability, name=name)
    sentence = {
        "order": say.edit_order,
        "weaken": say.edit_weaken,
        "split": say.edit_split,
    }[change.kind]
    return sentence(package=package, capability=capability)


def _effect(one: Opportunity) -> tuple[Phrase, ...]:
    if not one.images:
        return ()
    names = [image.workload for image in one.images[:_NAMES]]
    others = len(one.images) - len(names)
    listed = ", ".join(names) + (f" and {others} more" if others else "")
    arches = sorted({arch for image in one.images for arch in image.arches})
    return (
        say.edit_saves(size=format_size(one.saves), images=len(one.images), names=listed),
        say.edit_measured(arches=", ".join(arches)),
    )


def evidence_phrases(one: Opportunity) -> tuple[Phrase, ...]:
    """Sentences on what speaks for an edit, and against it."""
    found = one.change.evidence
    if found.use is None:
        use = say.edit_use_unknown()
    elif found.use:
        use = say.edit_use(traces=len(found.use), first=found.use[0])
    else:
        use = say.edit_no_use()
    without = ", ".join(dict.fromkeys(each.repository for each in found.precedent))
    return (use, *((say.edit_precedent(repositories=without),) if without else ()))
