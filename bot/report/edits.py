"""An edit of a distribution in words, the same in commands, comments and pages: what to write, and
the evidence for it."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.advice import Change, ImageAdvice, KnownBy
from bot.report.phrase import Phrase, code, listing
from bot.report.template import say

_MOST_PLACES = 5  # of traces that are named


def edit_phrase(change: Change) -> Phrase:
    """Return what to write in which package: `nginx: %{?systemd_ordering} instead of ...`."""
    package, capability, to = change.package, change.capability, change.to
    if change.kind == "request":
        return say.edit_other(package=package, to=to)
    if change.kind == "split":
        return say.edit_moves(package=package, files=len(change.files), capability=capability)
    if change.kind == "prefer":
        return say.edit_beside(package=package, to=to, capability=capability)
    perhaps = say.edit_perhaps() if change.written is None else ()
    return say.edit_instead(package=package, to=to, capability=capability, perhaps=perhaps)


def evidence_phrases(change: Change) -> tuple[Phrase, ...]:
    """Return sentences on the evidence for and against an edit."""
    evidence = change.evidence
    sentences = (
        (change.kind not in ("request", "prefer"), _use_phrase(change)),
        (evidence.metadata_use, say.edit_use_in_metadata()),
        (evidence.integrity is False, say.edit_lacks()),
        (evidence.runs is True, say.edit_runs()),
    )
    precedents = (
        say.edit_precedent(package=str(precedent.nevra), repository=precedent.repository)
        for precedent in evidence.precedent
    )
    return (*(phrase for holds, phrase in sentences if holds), *precedents)


def _use_phrase(change: Change) -> Phrase:
    evidence = change.evidence
    if evidence.use is None:
        return say.edit_use_unknown()
    if not evidence.use:
        return (
            say.edit_no_use() if evidence.looked_into == "files" else say.edit_no_use_in_headers()
        )
    places = listing(map(code, evidence.use[:_MOST_PLACES]))
    return say.edit_use(places=places, others=len(evidence.use) - _MOST_PLACES)


def programs_phrase(images: Sequence[ImageAdvice]) -> Phrase:
    """Return a sentence on the programs that plans keep where not all are known, else nothing."""
    sources: set[KnownBy | None] = {image.programs_by for image in images if image.plans}
    if "metadata" in sources:
        return say.programs_by_metadata()
    return say.programs_by_headers() if "headers" in sources else ()
