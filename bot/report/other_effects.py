"""The other effects of a change beside its largest, counted in a sentence or two."""

from __future__ import annotations

from collections.abc import Sequence

from bot.report.architecture_grouping import on_architectures
from bot.report.grouping import STATUS_KINDS, Effect
from bot.report.phrase import Phrase, plain
from bot.report.sizes import delta_span, format_size, plural, size_span

Place = tuple[str, str, str]


def other_effects(lead: Effect, others: Sequence[Effect], described: Sequence[Effect]) -> Phrase:
    """Sentences about `others`, after one about `lead` and the effects `described` with it."""
    own = [effect for effect in others if effect.place in lead.places]
    text = ""
    if own:
        arches = [image.key.arch for effect in own for image in effect.images]
        verb = "differs" if lead.kind not in STATUS_KINDS else "changes"
        text += f" It {verb} {on_architectures(arches, ())}."
    elsewhere: dict[Place, list[Effect]] = {}
    for effect in others:
        if effect.place not in lead.places:
            elsewhere.setdefault(effect.place, []).append(effect)
    if elsewhere:
        known = {effect.place for effect in described}
        text += _sentence(elsewhere, more=known.isdisjoint(elsewhere))
    return plain(text) if text else ()


def _sentence(elsewhere: dict[Place, list[Effect]], *, more: bool) -> str:
    """` 3 more images change: 2 grow by up to 3 MB, 1 shrinks by 1 MB.`"""
    kinds: dict[str, list[list[Effect]]] = {}
    for found in elsewhere.values():
        kinds.setdefault(_kind(found), []).append(found)
    ordered = sorted(kinds.items(), key=lambda kind: _ORDER.index(kind[0]))
    noun = "more image" if more else "image"
    start = " " if more else " Besides, "
    if len(ordered) == 1:
        kind, places = ordered[0]
        return f"{start}{plural(len(places), noun)} {_does(kind, places)}."
    counted = ", ".join(f"{len(places)} {_does(kind, places)}" for kind, places in ordered)
    change = "changes" if len(elsewhere) == 1 else "change"
    return f"{start}{plural(len(elsewhere), noun)} {change}: {counted}."


_ORDER = (*STATUS_KINDS, "larger", "smaller", "moved", "same", "unknown")


def _kind(found: Sequence[Effect]) -> str:
    """The kind of a place's effects: the worst, or `moved` where its architectures differ."""
    kinds = {effect.kind for effect in found}
    for kind in STATUS_KINDS:
        if kind in kinds:
            return kind
    if len(kinds) > 1:
        return "moved"
    return "unknown" if kinds == {"same"} and not all(e.sure for e in found) else kinds.pop()


def _does(kind: str, places: Sequence[Sequence[Effect]]) -> str:
    """`grow by up to 3 MB`, for as many images as there are `places`."""
    one = len(places) == 1
    every = [effect for found in places for effect in found]
    if kind in STATUS_KINDS:
        whole = all(_everywhere(found, kind) for found in places)
        return f"{turn(kind, len(places))}{'' if whole else ' on some architectures'}"
    deltas = sorted(delta for effect in every for delta in effect.deltas)
    known = "" if all(effect.complete for effect in every) else ", as far as is known"
    if kind == "moved":
        return f"{'moves' if one else 'move'} by {delta_span(deltas)}{known}"
    if kind == "same":
        return "keeps its size" if one else "keep their sizes"
    if kind == "unknown":
        return f"{'moves' if one else 'move'} by a size that is not known"
    verb = "grow" if kind == "larger" else "shrink"
    sizes = sorted(map(abs, deltas))
    if one:
        return f"{verb}s by {size_span(sizes)}{known}"
    least, most = format_size(sizes[0]), format_size(sizes[-1])
    return f"{verb} by {most} each{known}" if least == most else f"{verb} by up to {most}{known}"


def turn(kind: str, images: int) -> str:
    """Return the verb of an effect on this many images that at most one side can install."""
    be = "is" if images == 1 else "are"
    return {
        "broken": "can no longer be installed",
        "uninstallable": f"{be} new and cannot be installed",
        "repaired": "can be installed again",
        "new": f"{be} new",
    }[kind]


def _everywhere(found: Sequence[Effect], kind: str) -> bool:
    arches = {image.key.arch for effect in found for image in effect.images if effect.kind == kind}
    return arches == set(found[0].checked[found[0].place])
