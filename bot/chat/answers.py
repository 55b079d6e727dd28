"""Answers as Markdown; their sentences are in sentences.toml, beside this module.

A command that decides about one head commit names it, so that it never applies to a commit that was
pushed after the maintainer looked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.chat.commands import COMMANDS, WORD, Name
from bot.chat.parser import NotUnderstood, Question, say
from bot.chat.questions import ChatFinding, wanted_workloads
from bot.model.advice import ImageAdvice, Plan, Smallest
from bot.model.architecture import architecture_order
from bot.model.closure import Edge, WhatIf, Why
from bot.model.image import ImageKey
from bot.model.package import Package
from bot.report.advice import edit_phrase, evidence_phrases, programs_phrase
from bot.report.blocks import Block, Bullets, Detail, Paragraph, Table
from bot.report.causes import why_unsolvable
from bot.report.grouping import architectures, image_on, place_of
from bot.report.objectives import limits_table
from bot.report.phrase import Phrase, code, joined, listing, message, plain, to_text
from bot.report.reasons import VERBS, short_name
from bot.report.render import render_answer
from bot.report.sizes import size_span
from bot.report.template import sentences

_MOST_CHAINS = 3
_MOST_NAMES = 12
_MOST_ROWS = 20
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """The answer to one command."""

    blocks: tuple[Block, ...]


def compose(answers: Iterable[tuple[str, ChatAnswer]], *, marker: str, user: str, url: str) -> str:
    """Return one comment for all answers to a comment of `user` at `url`, with the hidden marker.

    `answers` are pairs of a command line and its answer.
    """
    lead = say.in_answer(url=url, user=user) if user else ()
    parts = [(code(line), answer.blocks) for line, answer in answers]
    return render_answer(marker, lead, parts)


def help_answer() -> ChatAnswer:
    """Return the table of commands."""
    rows = tuple(
        (code(command.usage), plain(command.who.text), plain(command.what))
        for command in COMMANDS.values()
    )
    table = Table(("Command", "Who", "What"), rows)
    return ChatAnswer((table, Paragraph(say.help_note())))


def not_understood(unclear: NotUnderstood) -> ChatAnswer:
    """Return the problem of a line that is no command, with the usage of the command it names."""
    if unclear.command is None:
        return _answer(say.see_help(problem=unclear.problem))
    return _answer(say.see_usage(problem=unclear.problem, usage=unclear.command.usage))


def sentence(text: str) -> ChatAnswer:
    """Return an answer of one sentence; code spans in `text` are escaped (`message`)."""
    return _answer(message(text))


def _answer(phrase: Phrase, *blocks: Block) -> ChatAnswer:
    return ChatAnswer((*blocks, Paragraph(phrase)))


def found_answer(finding: ChatFinding) -> ChatAnswer:
    """Return the answer to a question, with the workloads and images that were not answered for."""
    if not finding.result.images:
        return _answer(_no_images(finding))
    named = tuple(dict.fromkeys(wanted_workloads(finding.question)))
    unknown = [w for w in named if w not in finding.workloads]
    lead = []
    if unknown:
        lead = [Paragraph(say.no_images_of(
            count=len(unknown), unknown=_listing(unknown), workloads=_listing(finding.workloads)
        ))]  # fmt: skip
    if unknown and len(unknown) == len(named):
        return ChatAnswer(tuple(lead))
    if finding.question.name == "why":
        items = _why_items(finding)
    elif finding.question.name == "what-if":
        items = _what_if_items(finding)
    elif finding.question.name == "advise":
        items = _advice_items(finding)
    elif finding.question.name == "objectives":
        return _objectives(finding)
    else:
        raise AssertionError(f"no answer is written for the question {finding.question.name}")
    if finding.unsolvable:
        items.append(say.cannot_be_installed(images=_images(finding.unsolvable, finding)))
    if finding.left_out:
        items.append(say.left_out(images=finding.left_out))
    if finding.near:
        items.append(say.did_you_mean(names=joined(map(code, finding.near), ", ", " or ")))
    keys = [*(why.key for why in finding.whys), *(answer.key for answer in finding.what_ifs)]
    keys += [advice.key for advice in finding.advices]
    return _answer(_evidence(finding, keys), *lead, Bullets(tuple(items)))


def _no_images(finding: ChatFinding) -> Phrase:
    """Return the reason why a check has no images: none is affected, or it was not evaluated."""
    if not finding.result.problems:
        return say.no_images()
    at_fault = finding.result.verdict == "failure"
    not_evaluated = say.cannot_be_evaluated if at_fault else say.not_evaluated
    return not_evaluated(problem=finding.result.problems[0].rstrip("."))


def _listing(names: Iterable[str]) -> Phrase:
    return listing(map(code, names))


def _why_items(finding: ChatFinding) -> list[Phrase]:
    with_package = [why for why in finding.whys if why.nevra is not None]
    items = [
        say.about(images=_images([why.key for why in group], finding), finding=phrase)
        for phrase, group in _grouped(with_package, _why)
    ]
    absent = [why.key for why in finding.whys if why.nevra is None]
    if absent:
        package = finding.question.one("PACKAGE") or ""
        items.append(say.not_in(package=package, images=_images(absent, finding)))
    return items


def _why(why: Why) -> Phrase:
    """Return the chains to a package and the minimum cut, without the architecture in names."""
    if not why.chains:
        return say.requested() if why.nevra in why.roots else say.chosen()
    chains = joined((_chain(chain, why.key.arch) for chain in why.chains[:_MOST_CHAINS]), "; ")
    others = len(why.chains) - _MOST_CHAINS
    if not why.leaves_with:
        return say.chains(chains=chains, others=others)
    requirements = listing(
        say.requires(package=short_name(leaving.nevra, why.key.arch), capability=leaving.capability)
        for leaving in why.leaves_with
    )
    return say.chains_and_cut(chains=chains, others=others, requirements=requirements)


def _chain(chain: Sequence[Edge], arch: str) -> Phrase:
    """`nginx` → `perl` → `perl-libs` (by `libperl.so.5`): capabilities that are not the name."""
    steps = [code(short_name(chain[0].source, arch))]
    for edge in chain:
        target = short_name(edge.target, arch)
        capability = "" if target == edge.capability else edge.capability
        verb = "" if edge.kind == "requires" else VERBS[edge.kind]
        steps.append(say.step(package=target, verb=verb, capability=capability))
    return joined(steps, " \N{RIGHTWARDS ARROW} ")


def _what_if_items(finding: ChatFinding) -> list[Phrase]:
    items = []
    for phrase, group in _grouped(finding.what_ifs, _what_if):
        result = phrase
        if any(answer.removed or answer.added for answer in group):
            result = _saved(phrase, [answer.saved for answer in group])
        images = _images([answer.key for answer in group], finding)
        items.append(say.about(images=images, finding=result))
    return items


def _advice_items(finding: ChatFinding) -> list[Phrase]:
    places: dict[tuple[str, str, str], list[ImageAdvice]] = {}
    for advice in finding.advices:
        places.setdefault(place_of(advice.key), []).append(advice)
    return [
        say.about(images=_images([a.key for a in group], finding), finding=advice_of(group))
        for group in places.values()
    ]


def _saved(what: Phrase, sizes: Sequence[int | None]) -> Phrase:
    known = [size for size in sizes if size is not None]
    if known and len(known) == len(sizes) and max(known) < 0:
        # The packages that come are larger than those that leave.
        return say.larger(what=what, size=size_span(-size for size in known))
    return say.saved(what=what, size=size_span(sizes))


def _what_if(answer: WhatIf) -> Phrase:
    if answer.status != "ok":
        return say.would_be_unsolvable(why=why_unsolvable(answer))
    if not answer.removed and not answer.added:
        why = answer.problems[0].rstrip(".") if answer.problems else ""
        return say.nothing_would_leave(why=why)
    return say.would_leave(
        packages=len(answer.removed),
        names=_names(answer.removed, answer.key.arch),
        instead=_names(answer.added, answer.key.arch),
    )


def _names(packages: Sequence[Package], arch: str) -> Phrase:
    ordered = sorted(packages, key=lambda p: (-(p.installed_size or 0), p.nevra))
    # By name if grouped: sizes differ between architectures.
    names = sorted(short_name(package.nevra, arch) for package in ordered[:_MOST_NAMES])
    return say.names(names=_listing(names), others=len(packages) - _MOST_NAMES)


def _objectives(finding: ChatFinding) -> ChatAnswer:
    blocks = limits_table(finding.result, Detail(rows=_MOST_ROWS * 2))
    if not blocks:
        return _answer(say.no_objective())
    keys = [image.key for image in finding.result.images]
    return _answer(_evidence(finding, keys), *blocks)


def _grouped(items: Iterable[K], phrase_of: Callable[[K], Phrase]) -> list[tuple[Phrase, list[K]]]:
    """Return items grouped by equal phrases, in the order of the first of each group."""
    groups: dict[Phrase, list[K]] = {}
    for item in items:
        groups.setdefault(phrase_of(item), []).append(item)
    return list(groups.items())


def _images(keys: Sequence[ImageKey], finding: ChatFinding) -> Phrase:
    """Return images as `nginx on minimal, demo (all four)`; at most _MOST_NAMES of them."""
    checked: dict[tuple[str, str, str], set[str]] = {}
    for image in finding.result.images:
        checked.setdefault(place_of(image.key), set()).add(image.key.arch)
    places: dict[tuple[str, str, str], list[str]] = {}
    for key in keys:
        places.setdefault(place_of(key), []).append(key.arch)
    phrases = [
        image_on(place, architectures(arches, checked[place]), emphasis=True)
        for place, arches in list(places.items())[:_MOST_NAMES]
    ]
    return say.images(images=joined(phrases, "; "), others=len(places) - _MOST_NAMES)


def _evidence(finding: ChatFinding, keys: Sequence[ImageKey]) -> Phrase:
    """Return the commit, and for which architectures its packages are built or predicted."""
    image_keys = set(keys) or {image.key for image in finding.result.images}
    arches: dict[bool, set[str]] = {}
    for image in finding.result.images:
        if image.key in image_keys:
            arches.setdefault(image.evidence == "predicted", set()).add(image.key.arch)
    built, predicted = (
        ", ".join(sorted(arches.get(is_predicted, ()), key=architecture_order))
        for is_predicted in (False, True)
    )
    head = finding.result.head
    if all(i.evidence == "requested" for i in finding.result.images if i.key in image_keys):
        return say.as_requested(head=head)
    if built and predicted:
        return say.as_built_and_predicted(head=head, built=built, predicted=predicted)
    return say.as_built(head=head) if built else say.as_predicted(head=head)


def advice_of(advices: Sequence[ImageAdvice]) -> Phrase:
    """Return the advice for one image, its architectures in `advices`, as sentences.

    Swaps with packages of another source are left out, and so are results that need them: in a pull
    request only the same purpose counts.
    """
    installable = [a for a in advices if a.now is not None and a.smallest is not None]
    now = size_span(a.now.installed_size for a in installable if a.now is not None)
    smallest = [a.smallest for a in installable if a.smallest is not None]
    parts = [_smallest(now, smallest)]
    for plans in zip(*(a.plans for a in installable), strict=True):
        parts.append(_plan(plans))
    evidence = _evidence_of(installable[0].plans) if installable else ()
    return sentences(*parts, evidence, programs_phrase(installable))


def _smallest(now: str, smallest: Sequence[Smallest]) -> Phrase:
    swaps = [swap for image in smallest for swap in image.instead]
    names = tuple(dict.fromkeys(name for image in smallest for name in image.request))
    unproved = "" if all(image.proved for image in smallest) else _bound(smallest)
    if any(swap.class_ == "other" for swap in swaps):
        return say.today(size=now)
    if not names:
        return say.no_smaller(size=now, bound=unproved)
    size = size_span(image.installed_size for image in smallest)
    return say.smallest(now=now, size=size, names=listing(map(code, names)), bound=unproved)


def _plan(plans: Sequence[Plan]) -> Phrase:
    first = plans[0]
    names = tuple(dict.fromkeys(name for plan in plans for name in plan.request))
    return say.plan(
        edits=first.edits,
        size=size_span(plan.installed_size for plan in plans),
        changes=joined(map(edit_phrase, first.changes), "; "),
        names=listing(map(code, names)),
        bound="" if all(plan.proved for plan in plans) else _bound(plans),
    )


def _bound(answers: Sequence[Smallest] | Sequence[Plan]) -> str:
    return size_span(answer.bound for answer in answers)


def _evidence_of(plans: Sequence[Plan]) -> Phrase:
    """Return the evidence for each edit of an image's plans, once."""
    changes = {(c.kind, c.package, c.capability): c for plan in plans for c in plan.changes}
    return sentences(
        *(
            say.edit_evidence(
                edit=f"{change.package}:{change.capability}", evidence=sentences(*evidence)
            )
            for change in changes.values()
            if (evidence := evidence_phrases(change))
        )
    )


# A full commit id of git, SHA-1 or SHA-256.
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def decides(name: Name) -> bool:
    """Return whether the command `name` decides about one commit, which it must name."""
    return any(argument.name == "SHA" for argument in COMMANDS[name].arguments)


def exact_line(name: Name, head: str, reason: str = "") -> str:
    """Return the line that decides about the commit `head`, with `REASON` for a missing reason."""
    last = [reason or "REASON"] if name == "accept" else []
    return " ".join([WORD, name, head, *last])


def wrong_commit(question: Question, head: str) -> str:
    """Return the refusal of a decision that names another commit than `head`, or nothing."""
    named = (question.one("SHA") or "").lower()
    if named == head.lower():
        return ""
    reason = question.one("REASON") or ""
    if _COMMIT.fullmatch(named):
        line = exact_line(question.name, head, reason)
        return to_text(say.wrong_head(head=head, named=named, line=line))
    if not re.fullmatch(r"[0-9a-f]{4,64}", named):
        # No id at all: the reason began where the commit belongs.
        reason = " ".join(question.text.split(" ")[2:]) if question.name == "accept" else ""
    return _whole_id(question.name, head, reason)


def bare(unclear: NotUnderstood, head: str) -> str:
    """Return the answer to a decision that lacks its commit or its reason; empty otherwise."""
    command = unclear.command
    if command is None or not decides(command.name) or unclear.beside:
        return ""
    return f"{unclear.problem} {_whole_id(command.name, head)}"


def _whole_id(name: Name, head: str, reason: str = "") -> str:
    line = exact_line(name, head, reason)
    return to_text(say.whole_id(command=name, line=line))
