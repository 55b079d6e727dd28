"""Answers as Markdown: every foreign word in them is a code span or escaped (bot.report.phrase)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.chat.commands import COMMANDS, WORD
from bot.chat.parser import NotUnderstood
from bot.chat.questions import ChatFinding
from bot.model.closure import Edge, WhatIf, Why
from bot.model.image import ImageKey
from bot.report.answers import CHOSEN, REQUESTED
from bot.report.architecture_grouping import arch_order, architectures, place_of
from bot.report.blocks import Block, Bullets, Paragraph, Table
from bot.report.causes import why_unsolvable
from bot.report.phrase import Phrase, code, joined, link, listing, message, name, plain, strong
from bot.report.reasons import short_name
from bot.report.render import render_answer
from bot.report.sizes import plural, size_span
from bot.report.template import image_phrase

_MOST_CHAINS = 3
_MOST_NAMES = 12
_MOST_ROWS = 20
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """The answer to one command."""

    blocks: tuple[Block, ...]


def compose(answers: Iterable[tuple[str, ChatAnswer]], *, marker: str, user: str, url: str) -> str:
    """One comment for all the answers to a comment of `user` at `url`, with the hidden marker.

    `answers` are pairs of a command line and its answer.
    """
    lead: Phrase = ()
    if user:
        where = link("this comment", url)
        lead = (*plain("In answer to "), *where, *plain(" of "), *name(user), *plain(":"))
    parts = [(code(line), answer.blocks) for line, answer in answers]
    return render_answer(marker, lead, parts)


def help_answer() -> ChatAnswer:
    """The table of commands."""
    rows = tuple(
        (code(command.usage), plain(command.who.text), plain(command.what))
        for command in COMMANDS.values()
    )
    return ChatAnswer(
        (
            Table(("Command", "Who", "What"), rows),
            Paragraph(
                plain(
                    "Each on a line of its own; in quotes, code, tables and HTML comments they do"
                    " nothing."
                )
            ),
        )
    )


def not_understood(unclear: NotUnderstood) -> ChatAnswer:
    """The problem of a line that is no command, with the usage of the command it names."""
    problem = message(unclear.problem)
    if unclear.command is None:
        see = (*plain(" "), *code(f"{WORD} help"), *plain(" lists the commands."))
        return ChatAnswer((Paragraph((*problem, *see)),))
    return ChatAnswer((Paragraph((*problem, *plain(" Usage: "), *code(unclear.command.usage))),))


def sentence(text: str) -> ChatAnswer:
    """An answer of one sentence; code spans in `text` are escaped (`message`)."""
    return ChatAnswer((Paragraph(message(text)),))


def found_answer(found: ChatFinding) -> ChatAnswer:
    """The answer to a question, with workloads and images that could not be answered for."""
    if not found.result.images:
        return ChatAnswer((Paragraph(_no_images(found)),))
    wanted = tuple(dict.fromkeys(found.question.values.get("--workload", ())))
    unknown = [w for w in wanted if w not in found.workloads]
    lead = [Paragraph(_unknown_workloads(unknown, found))] if unknown else []
    if unknown and len(unknown) == len(wanted):
        return ChatAnswer(tuple(lead))
    if found.question.name == "why":
        items = _why_items(found)
    elif found.question.name == "what-if":
        items = _what_if_items(found)
    else:
        return _objectives(found)
    if found.unsolvable:
        items.append((*_images(found.unsolvable, found), *plain(": cannot be installed.")))
    if found.left_out:
        items.append(plain(f"\u2026 and {plural(found.left_out, 'more image')}, not looked at"))
    if found.near:
        meant = joined([code(text) for text in found.near], ", ", " or ")
        items.append((*plain("Did you mean "), *meant, *plain("?")))
    keys = [*(why.key for why in found.whys), *(answer.key for answer in found.what_ifs)]
    return ChatAnswer((*lead, Bullets(tuple(items)), Paragraph(_evidence(found, keys))))


def _no_images(found: ChatFinding) -> Phrase:
    """The reason why a check has no images: none is affected, or it was not evaluated."""
    if not found.result.problems:
        return plain("This change touches no image.")
    at_fault = found.result.verdict == "failure"
    start = "This change cannot be evaluated: " if at_fault else "Not evaluated: "
    return (*plain(start), *message(found.result.problems[0].rstrip(".")), *plain("."))


def _unknown_workloads(unknown: Sequence[str], found: ChatFinding) -> Phrase:
    there = listing([code(workload) for workload in found.workloads])
    noun = "the workload" if len(unknown) == 1 else "the workloads"
    return (
        *plain(f"This change touches no image of {noun} "),
        *listing([code(workload) for workload in unknown]),
        *plain(". It touches those of "), *there, *plain("."),
    )  # fmt: skip


def _why_items(found: ChatFinding) -> list[Phrase]:
    there = [why for why in found.whys if why.nevra is not None]
    items = [
        (*_images([why.key for why in group], found), *plain(": "), *phrase)
        for phrase, group in _grouped(there, _why)
    ]
    absent = [why.key for why in found.whys if why.nevra is None]
    if absent:
        package = code(found.question.one("PACKAGE") or "")
        items.append((*package, *plain(" is not in "), *_images(absent, found), *plain(".")))
    return items


def _why(why: Why) -> Phrase:
    """The chains to a package and the minimum cut, without the architecture in names."""
    assert why.nevra is not None
    if not why.chains:
        return plain(f"{REQUESTED if why.nevra in why.roots else CHOSEN}.")
    shown = [_chain(chain, why.key.arch) for chain in why.chains[:_MOST_CHAINS]]
    more = len(why.chains) - len(shown)
    others = plain(f"; and {plural(more, 'more chain')}") if more else ()
    phrase = (*joined(shown, "; "), *others, *plain("."))
    if not why.leaves_with:
        return (*phrase, *plain(" No small set of requirements less would make it leave."))
    needs = [
        (*code(short_name(leaving.nevra, why.key.arch)), *plain(" requires "),
         *code(leaving.capability))
        for leaving in why.leaves_with
    ]  # fmt: skip
    return (*phrase, *plain(" It would leave without: "), *listing(needs), *plain("."))


def _chain(chain: Sequence[Edge], arch: str) -> Phrase:
    """A chain as `nginx requires perl -> perl-interpreter requires libperl.so -> perl-libs`."""
    verbs = {
        "requires": "requires",
        "recommends": "recommends",
        "supplements": "is supplemented by",
    }
    pieces: Phrase = code(short_name(chain[0].source, arch))
    for edge in chain:
        pieces = (*pieces, *plain(f" {verbs[edge.kind]} "), *code(edge.capability))
        target = short_name(edge.target, arch)
        if target != edge.capability:
            pieces = (*pieces, *plain(" \N{RIGHTWARDS ARROW} "), *code(target))
    return pieces


def _what_if_items(found: ChatFinding) -> list[Phrase]:
    items = []
    for phrase, group in _grouped(found.what_ifs, _what_if):
        saved: Phrase = ()
        if any(answer.removed or answer.added for answer in group):
            saved = _saved([answer.saved for answer in group])
        items.append((*_images([a.key for a in group], found), *plain(": "), *phrase, *saved))
    return items


def _saved(sizes: Sequence[int | None]) -> Phrase:
    known = [size for size in sizes if size is not None]
    if known and len(known) == len(sizes) and max(known) < 0:
        # What comes instead is larger than what leaves.
        more = size_span(-size for size in known)
        return (*plain(" Larger by: "), *strong(more), *plain("."))
    return (*plain(" Saved: "), *strong(size_span(sizes)), *plain("."))


def _what_if(answer: WhatIf) -> Phrase:
    problem = why_unsolvable(answer)
    if answer.status != "ok":
        return (*plain("could not be installed then: "), *problem, *plain("."))
    if not answer.removed and not answer.added:
        reason = (*plain(": "), *problem) if problem else ()
        return (*plain("nothing would leave"), *reason, *plain("."))
    leave = plural(len(answer.removed), "package")
    phrase = (*plain(f"{leave} would leave: "), *_names(answer, removed=True))
    if answer.added:
        phrase = (*phrase, *plain("; instead would come "), *_names(answer, removed=False))
    return (*phrase, *plain("."))


def _names(answer: WhatIf, *, removed: bool) -> Phrase:
    packages = answer.removed if removed else answer.added
    ordered = sorted(packages, key=lambda p: (-(p.installed_size or 0), p.nevra))
    # By name where they are grouped: sizes differ between architectures.
    shown = [short_name(p.nevra, answer.key.arch) for p in ordered]
    cut = sorted(shown[:_MOST_NAMES])
    more = len(shown) - len(cut)
    others = plain(f" and {more} more") if more else ()
    return (*listing([code(text) for text in cut]), *others)


def _objectives(found: ChatFinding) -> ChatAnswer:
    from bot.report.blocks import Detail
    from bot.report.images import objectives

    section = objectives(found.result, Detail(rows=_MOST_ROWS * 2))
    if section is None:
        phrase = plain("No objective speaks of the images that this change touches.")
        return ChatAnswer((Paragraph(phrase),))
    keys = [image.key for image in found.result.images]
    return ChatAnswer((*section.blocks, Paragraph(_evidence(found, keys))))


def _grouped(items: Iterable[K], phrase_of: Callable[[K], Phrase]) -> list[tuple[Phrase, list[K]]]:
    """Items grouped by equal phrases, in the order of the first of each group."""
    groups: dict[Phrase, list[K]] = {}
    for item in items:
        groups.setdefault(phrase_of(item), []).append(item)
    return list(groups.items())


def _images(keys: Sequence[ImageKey], found: ChatFinding) -> Phrase:
    """Images as `nginx on minimal, demo (all four)`; at most _MOST_NAMES of them."""
    checked: dict[tuple[str, str, str], set[str]] = {}
    for image in found.result.images:
        checked.setdefault(place_of(image.key), set()).add(image.key.arch)
    places: dict[tuple[str, str, str], list[str]] = {}
    for key in keys:
        places.setdefault(place_of(key), []).append(key.arch)
    phrases = [
        (*image_phrase(place, emphasis=True),
         *plain(f" ({architectures(sorted(arches, key=arch_order), checked[place])})"))
        for place, arches in list(places.items())[:_MOST_NAMES]
    ]  # fmt: skip
    more = len(places) - len(phrases)
    return (*joined(phrases, "; "), *plain(f" and {plural(more, 'more image')}" if more else ""))


def _evidence(found: ChatFinding, keys: Sequence[ImageKey]) -> Phrase:
    """The commit, and for which architectures its packages are built or predicted."""
    wanted = set(keys) or {image.key for image in found.result.images}
    arches: dict[bool, set[str]] = {}
    for image in found.result.images:
        if image.key in wanted:
            arches.setdefault(image.evidence == "predicted", set()).add(image.key.arch)
    built, predicted = (sorted(arches.get(p, ()), key=arch_order) for p in (False, True))
    how = "its packages as they were built" if built else "the spec file alone (predicted)"
    if built and predicted:
        how += f" for {', '.join(built)}, by the spec file alone (predicted) for"
        how += f" {', '.join(predicted)}"
    head = found.result.head
    # A whole commit id stays bare: forges shorten it and link it.
    commit = plain(head) if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", head) else code(head)
    return (*plain("At "), *commit, *plain(f", by {how}."))
