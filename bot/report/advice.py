"""An edit of a distribution in words, the same in commands, comments and pages: what to write, and
the evidence for it. An advice as JSON and as terminal text; an opportunity as texts to copy."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache

from bot.model.advice import (
    Advice,
    Change,
    Fleet,
    ImageAdvice,
    KnownBy,
    KnownState,
    Metric,
    Plan,
    Smallest,
    Swap,
    UnusedRequirement,
)
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.opportunity import Opportunity, suggestion_of
from bot.report.answers import image_text, unsolvable_lines
from bot.report.phrase import Phrase, code, listing, to_line, to_plain, visible
from bot.report.sizes import format_size, plural
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


def advice_to_json(advice: Advice) -> dict[str, object]:
    """Return CONTRACT's `advise` object, without pydantic: its import is as long as an advice."""
    written = _plain(advice)
    assert isinstance(written, dict)
    return written


def _plain(value: object) -> object:
    # A fleet has millions of values: the commonest types are tested first, and each type is
    # analysed once.
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Nevra):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    names = _names_of(type(value))  # type: ignore[arg-type]  # mypy: object's __hash__ of a type
    if not names:
        return value
    plain: dict[str, object] = {}
    for name, written in names:
        item = getattr(value, name)
        if isinstance(item, ImageKey):
            plain |= asdict(item)
        else:
            plain[written] = _plain(item)
    return plain


@cache
def _names_of(kind: type) -> tuple[tuple[str, str], ...]:
    """Return the fields of a dataclass, each with its name in JSON; none for other types."""
    if not is_dataclass(kind):
        return ()
    return tuple((field.name, field.metadata.get("alias", field.name)) for field in fields(kind))


def advice_text(advice: Advice) -> str:
    """Return an advice as text: each image's smallest form, swaps and plans, then all edits."""
    blocks: list[Iterable[str]] = [_image_lines(image) for image in advice.images]
    if advice.metric != "installed":
        blocks.insert(0, [_METRICS[advice.metric]])
    if len(advice.images) > 1 and advice.overall:
        blocks.append(_overall_lines(advice))
    if advice.fleet is not None:
        blocks.append(_fleet_lines(advice.fleet))
    if advice.unused is not None:
        blocks.append(_unused_lines(advice.unused))
    return "\n".join("\n".join(block) + "\n" for block in blocks)


_METRICS: Mapping[Metric, str] = {
    "download": "Sizes and proofs are about download sizes.",
    "nodocs": "Sizes and proofs are about installed sizes without documentation.",
}


def _overall_lines(advice: Advice) -> Iterator[str]:
    yield "All images together, each edit alone:"
    for edit in advice.overall[:20]:
        what = f"{edit.kind} {visible(edit.package)}: {visible(edit.capability)}"
        saved = f"{format_size(edit.saves)} in {plural(edit.images, 'image')}"
        state = f", {edit.opportunity.state}" if edit.opportunity is not None else ""
        yield f"  {what} ({visible(edit.source)}) saves {saved}, {edit.standing}{state}"
    for together in advice.together:
        names = _names(f"{edit.package}: {edit.capability}" for edit in together.changes)
        proof = (
            "proved" if together.proved else f"at most {format_size(together.bound)} is possible"
        )
        count = plural(together.edits, "edit")
        yield f"  {count} together save {format_size(together.saves)} ({proof}): {names}"
    for what, totals in (("source", advice.by_source), ("maintainer", advice.by_maintainer)):
        for total in totals[:10]:
            saved = f"{plural(total.edits, 'edit')}, {format_size(total.saves)}"
            yield f"  {what} {visible(total.name)}: {saved}"


def _unused_lines(requirements: Iterable[UnusedRequirement]) -> Iterator[str]:
    yield "Written requirements with no trace of use:"
    owners: tuple[str, ...] | None = None
    for requirement in requirements:
        if requirement.maintainers != owners:
            owners = requirement.maintainers
            yield f"  {_names(owners) or 'no maintainer known'}"
        headers = " (only its header was read)" if requirement.looked_into == "headers" else ""
        what = f"{visible(requirement.package)}: {visible(requirement.capability)}"
        source = visible(requirement.source)
        yield f"    {what} ({source}) in {plural(requirement.images, 'image')}{headers}"


def _fleet_lines(fleet: Fleet) -> Iterator[str]:
    yield "Distinct packages of all images together, each counted once:"
    yield f"  now: {_figures(fleet.now.packages, fleet.now.installed_size)}"
    alone = _figures(fleet.smallest.packages, fleet.smallest.installed_size)
    yield f"  each image at its smallest: {alone}"
    proof = _proof(fleet.proved, fleet.bound)
    yield f"  the fewest bytes: {_figures(fleet.packages, fleet.installed_size)} ({proof})"
    for image in fleet.images:
        if image.request or image.excludes:
            without = f", exclude {_names(image.excludes)}" if image.excludes else ""
            names = _names(image.request) or "nothing"
            yield f"    {image_text(image.key)}: request also {names}{without}"


def _image_lines(image: ImageAdvice) -> Iterator[str]:
    heading = image_text(image.key)
    if image.now is None or image.smallest is None:
        yield f"{heading}: cannot be installed"
        yield from (f"  {line}" for line in unsolvable_lines(image))
        return
    yield f"{heading}: {_figures(image.now.packages, image.now.installed_size)}"
    yield from _smallest_lines(image.smallest, image.now.installed_size)
    for plan in image.plans:
        yield from _plan_lines(plan, image.now.installed_size)
    if programs := programs_phrase([image]):
        yield f"  {to_plain(programs)}"
    if image.retained:
        yield "  What would leave with a package:"
    for package in image.retained[:10]:
        figures = _figures(package.packages, package.installed_size)
        yield f"    {visible(str(package.nevra))}: {figures}"


def _smallest_lines(smallest: Smallest, now: int | None) -> Iterator[str]:
    figures = _figures(smallest.packages, smallest.installed_size)
    proof = _proof(smallest.proved, smallest.bound)
    if smallest.installed_size == now and not smallest.instead:
        sentence = (
            "Nothing smaller serves this request" if smallest.proved else "Nothing smaller found"
        )
        yield f"  {sentence}{'' if smallest.proved else f' ({proof})'}."
        return
    yield f"  Smallest: {figures} ({proof})"
    yield from _addition_lines(smallest)
    for swap in smallest.instead:
        yield from _swap_lines(swap)


def _addition_lines(plan: Smallest | Plan) -> Iterator[str]:
    if plan.request:
        yield f"    request also: {_names(plan.request)}"
    if plan.excludes:
        yield f"    exclude: {_names(plan.excludes)}"


def _swap_lines(swap: Swap) -> Iterator[str]:
    source = "of the same source" if swap.class_ == "same-source" else "of another source"
    if swap.older:
        source = "an older version"
    saved = format_size(swap.saves)
    yield f"    {visible(swap.take)} instead of {_names(swap.of)}, {source}, saves {saved}"
    for what in ("programs", "sonames", "modules"):
        lost = getattr(swap.loses, what)
        if lost:
            rest = f" and {len(lost) - 8} more" if len(lost) > 8 else ""
            yield f"      lacks {what}: {_names(lost[:8])}{rest}"
    if swap.prefer is not None:
        yield f"      or, for everybody: {to_line(edit_phrase(swap.prefer))}"


def _plan_lines(plan: Plan, now: int | None) -> Iterator[str]:
    size = plan.installed_size
    less = f", {format_size(now - size)} less" if now is not None and size is not None else ""
    figures = _figures(plan.packages, size)
    yield f"  {plural(plan.edits, 'edit')}: {figures}{less} ({_proof(plan.proved, plan.bound)})"
    yield from _addition_lines(plan)
    for change in plan.changes:
        yield f"    {to_line(edit_phrase(change))}"
        if change.opportunity is not None:
            yield f"      {_state(change.opportunity)}"
        for phrase in evidence_phrases(change):
            yield f"      {to_line(phrase)}"


def _state(known: KnownState) -> str:
    """Return the state of an opportunity, its URL and its id."""
    saved = f", saved {format_size(known.saved)}" if known.saved is not None else ""
    where = f": {visible(known.url)}" if known.url else ""
    return f"{known.state}{saved}{where} (opportunity {visible(known.id)})"


def _figures(packages: int, size: int | None) -> str:
    return f"{plural(packages, 'package')}, {format_size(size)}"


def _proof(proved: bool, bound: int) -> str:
    return "proved" if proved else f"not proved: no less than {format_size(bound)} is possible"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(visible, names))


_NAMES = 5  # number of images that are named
_WIDTH = 72


@dataclass(frozen=True, slots=True)
class OpportunityTexts:
    """Plain texts: of a commit (subject and body), of a line in a changelog, of a report."""

    commit: str
    changelog: str
    report: str


def opportunity_texts(opportunity: Opportunity) -> OpportunityTexts:
    """Return the texts for the author of the edit, and for a person who asks for it."""
    subject = to_plain(_subject(opportunity.change))
    body = textwrap.fill(
        " ".join(map(to_plain, (*_effect(opportunity), *evidence_phrases(opportunity.change)))),
        _WIDTH,
    )
    package, to = opportunity.change.package, opportunity.change.to
    if opportunity.change.kind == "split":
        lines = "\n".join(visible(line, 1000) for line in to.splitlines())
        what = f"{to_plain(say.edit_write_lines(package=package))}\n\n{lines}\n"
    else:
        what = textwrap.fill(to_plain(say.edit_write(to=to, package=package)), _WIDTH)
    question = to_plain(say.edit_report(subject=subject))
    # A pull request or commit with this line is recognised as making the edit.
    named = to_plain(say.edit_named(id=opportunity.id))
    return OpportunityTexts(
        f"{subject}\n\n{body}\n\n{named}\n",
        to_plain(say.edit_changelog(subject=subject)),
        f"{question}\n\n{what}\n{body}\n\n{named}\n",
    )


def _subject(change: Change) -> Phrase:
    package, capability = change.package, change.capability
    if change.kind == "request":
        return say.edit_request(to=change.to, package=package)
    if change.kind == "prefer":
        name = suggestion_of(change) or change.to
        return say.edit_prefer(package=package, capability=capability, name=name)
    sentence = {"order": say.edit_order, "weaken": say.edit_weaken, "split": say.edit_split}[
        change.kind
    ]
    return sentence(package=package, capability=capability)


def _effect(opportunity: Opportunity) -> tuple[Phrase, ...]:
    if not opportunity.images:
        return ()
    names = [image.workload for image in opportunity.images[:_NAMES]]
    others = len(opportunity.images) - len(names)
    listed = ", ".join(names) + (f" and {others} more" if others else "")
    arches = sorted({arch for image in opportunity.images for arch in image.arches})
    return (
        say.edit_saves(
            size=format_size(opportunity.saves), images=len(opportunity.images), names=listed
        ),
        say.edit_measured(arches=", ".join(arches)),
    )
