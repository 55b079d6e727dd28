"""The best plans of one, two, ... edits, for all architectures of an image together.

A plan is stated only if the plain solver, given the edits and the additional requests, installs
exactly its packages on every architecture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from bot.advice.candidates import Candidates
from bot.advice.edits import Edit
from bot.advice.model import Answer, Model, Sets, figures
from bot.advice.programs import Opened
from bot.advice.requests import UNSWAPPED, Addition, Job, addition_for
from bot.advice.splits import split_overlay, subpackage_name
from bot.model.advice import ArchFigures, Change, Evidence, Figures, Plan
from bot.model.closure import Requirement

MOST_REFUSED = 4
_ISA = re.compile(r"\([a-z0-9]+-(?:32|64)\)")


@dataclass(frozen=True, slots=True)
class Proposal:
    """An answer that the plain solver installs, with the addition for each architecture.

    `alone` has for each edit the packages of the image with it alone; None where it saves nothing.
    """

    answer: Answer
    changes: tuple[Change, ...]
    additions: tuple[Addition, ...]
    alone: tuple[Sets | None, ...] = ()


def proposals(
    opened: Sequence[Opened], model: Model, edits: int, left: Callable[[], float]
) -> Iterator[Proposal]:
    """Yield the best proposal of each number of edits that saves more than fewer edits do.

    One edit may save nothing, and two much: two packages that require the same.

    `left` returns the seconds that are left for computing.
    """
    now = tuple(o.candidates.now for o in opened)
    best = model.smallest(seconds=left(), known=now)
    assert best is not None  # today's image is one
    unedited, alone = best, dict[Edit, Answer | None]()
    refused: list[tuple[frozenset[int], ...]] = []
    for count in range(1, edits + 1):
        proposal = _proposal(opened, model, count, best, refused, left)
        if proposal is None:
            continue
        best = proposal.answer
        for edit in best.edits:
            if edit not in alone:
                single = best if len(best.edits) == 1 else None
                alone[edit] = single or model.smallest(
                    seconds=left(), edits=1, only=edit, known=unedited.packages
                )
        singles = [alone[edit] for edit in best.edits]
        saves = [unedited.size - answer.size if answer is not None else 0 for answer in singles]
        changes = zip(proposal.changes, saves, strict=True)
        yield replace(
            proposal,
            changes=tuple(replace(change, saves=saved) for change, saved in changes),
            alone=tuple(
                answer.packages if answer is not None and saved > 0 else None
                for answer, saved in zip(singles, saves, strict=True)
            ),
        )


def _proposal(
    opened: Sequence[Opened],
    model: Model,
    count: int,
    best: Answer,
    refused: list[tuple[frozenset[int], ...]],
    left: Callable[[], float],
) -> Proposal | None:
    """Return the best proposal of at most `count` edits; None where none is smaller than `best`."""
    bound: int | None = None
    for _ in range(MOST_REFUSED):
        answer = model.smallest(
            seconds=left(),
            edits=count,
            known=best.packages,
            known_edits=best.edits,
            refused=refused,
        )
        if answer is None or answer.size >= best.size:
            return None
        # The refused answers were smaller, and may be possible in a way that was not found.
        bound = answer.bound if bound is None else min(bound, answer.bound)
        tried = _tried(opened, answer)
        if tried is not None:
            return replace(tried, answer=replace(answer, bound=bound))
        refused.append(answer.packages)
    return None


def _tried(opened: Sequence[Opened], answer: Answer) -> Proposal | None:
    """Return an answer with the additions that make the plain solver install it, or None."""
    changes = tuple(_change(opened, answer, edit) for edit in answer.edits)
    if not all(change.to for change in changes):
        return None
    additions: list[Addition] = []
    for place, image in enumerate(opened):
        addition = _addition(image, place, answer, changes, additions)
        if addition is None:
            return None
        additions.append(addition)
    return Proposal(answer, changes, tuple(additions))


def _addition(
    one: Opened,
    place: int,
    answer: Answer,
    changes: Sequence[Change],
    likely: Sequence[Addition],
) -> Addition | None:
    target, edits = answer.packages[place], answer.edits
    edited = replace(
        one.job,
        request=replace(
            one.job.request,
            requests=tuple(_requested(name, changes) for name in one.job.request.requests),
        ),
        overlay=split_overlay(one, place, edits) or one.job.overlay,
        drop=dropped(one.candidates, edits),
    )
    return addition_to(edited, one.candidates, target, likely)


def addition_to(
    job: Job, candidates: Candidates, target: frozenset[int], likely: Sequence[Addition]
) -> Addition | None:
    """Return the smallest addition that makes the plain solver install `target`, or None.

    `likely` are additions to try first, as in `addition_for`.
    """
    packages = candidates.packages
    entering = sorted(target - candidates.now, key=lambda n: packages[n].nevra)
    return addition_for(
        job,
        [packages[n].nevra for n in target],
        [packages[n].nevra for n in entering],
        [packages[n].nevra for n in target if packages[n].second_tier],
        [addition for addition in dict.fromkeys(likely) if addition != UNSWAPPED],
    )


def _requested(name: str, changes: Sequence[Change]) -> str:
    return next((c.to for c in changes if c.kind == "request" and c.package == name), name)


def dropped(candidates: Candidates, edits: Sequence[Edit]) -> frozenset[Requirement]:
    """Return the requirements that edits take away on one architecture."""
    taken = {
        (edit.package, capability)
        for edit in edits
        if edit.kind != "split"
        for capability in edit.capabilities
    }
    return frozenset(
        Requirement(nevra, need.capability)
        for need in candidates.needs
        if ((nevra := candidates.packages[need.package].nevra).name, need.capability) in taken
    )


def _change(opened: Sequence[Opened], answer: Answer, edit: Edit) -> Change:
    return Change(
        edit.kind,
        edit.package,
        edit.source,
        edit.capability,
        edit.written,
        _written_instead(opened, answer, edit),
        files=edit.files,
        evidence=Evidence(),
    )


def _written_instead(opened: Sequence[Opened], answer: Answer, edit: Edit) -> str:
    if edit.kind == "request":
        return _requested_instead(opened, answer, edit.replacements)
    if edit.kind == "split":
        return subpackage_name(edit)
    if edit.kind == "order":
        if edit.capability == "systemd":
            return "%{?systemd_ordering}"
        return f"OrderWithRequires: {edit.capability}"
    stated = {_ISA.sub("%{?_isa}", capability) for capability in edit.capabilities}
    return f"Recommends: {stated.pop() if len(stated) == 1 else edit.capability}"


def _requested_instead(
    opened: Sequence[Opened], answer: Answer, replacements: Collection[str]
) -> str:
    """Return the name with the most programs that an answer has on all architectures, or ""."""
    programs: dict[str, dict[int, int]] = {}
    for place, (image, numbers) in enumerate(zip(opened, answer.packages, strict=True)):
        for number in numbers:
            name = image.candidates.packages[number].nevra.name
            if name in replacements:
                programs.setdefault(name, {})[place] = len(image.purpose.of(number))
    everywhere = {name: n for name, n in programs.items() if len(n) == len(opened)}
    return min(everywhere, key=lambda name: (-everywhere[name][0], name), default="")


def plan_of(opened: Sequence[Opened], place: int, model: Model, proposal: Proposal) -> Plan:
    """Return a proposal as the advice for one of the architectures states it."""
    answer, addition = proposal.answer, proposal.additions[place]
    sizes = [
        _less(
            figures(image.candidates, numbers, model.metric), model.moved(n, numbers, answer.edits)
        )
        for n, (image, numbers) in enumerate(zip(opened, answer.packages, strict=True))
    ]
    arches = tuple(
        ArchFigures(image.candidates.arch, own.packages, own.installed_size)
        for image, own in zip(opened, sizes, strict=True)
    )
    own = arches[place]
    bound = answer.bound if len(opened) == 1 else 0
    proved = answer.proved and all(size.installed_size is not None for size in sizes)
    return Plan(
        len(answer.edits),
        own.packages,
        own.installed_size,
        proved,
        own.installed_size if proved and own.installed_size is not None else bound,
        addition.requests,
        arches,
        proposal.changes,
        addition.excludes,
    )


def _less(whole: Figures, size: int) -> Figures:
    """Return figures less the bytes that splits move to packages that are not installed."""
    if whole.installed_size is None:
        return whole
    return replace(whole, installed_size=whole.installed_size - size)
