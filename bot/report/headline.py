"""The first sentence of a report, and the short title of a status.

Each of its statements about several images is true of each (bot.report.grouping); the largest
effect is named, and other effects are counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.result import CheckResult, ImageResult
from bot.report.causes import why_broken
from bot.report.grouping import (
    STATUS_KINDS,
    Effect,
    Row,
    architecture_rows,
    effects,
    on_architectures,
    place_of_image,
    together,
)
from bot.report.objectives import newly_broken, violation_title
from bot.report.phrase import Phrase, figure, joined, plain, to_plain, visible
from bot.report.reasons import Arrival, arrivals, behind
from bot.report.sizes import MINUS, count_span, delta_span, format_size, plural, size_span
from bot.report.template import Place, say, sentences, short_image


def changed_rows(result: CheckResult) -> tuple[Row, ...]:
    """The rows of images that the change changes, those that it breaks first."""
    rows = architecture_rows(image for image in result.images if image.changed)
    return tuple(sorted(rows, key=lambda row: (not row.broken, -row.largest)))


def headline(result: CheckResult) -> Phrase:
    """The headline: the effect, the images, the line that causes it; a few short sentences."""
    never = {row.place for row in _never_installable(result)}
    more = say.more_never_installable(images=len(never)) if never else ()
    found = effects(result.images)
    if not found:
        sentence = _nothing(result)
        return sentence if sentence == _never(result) else sentences(sentence, more)
    lead, described = _lead(found)
    others = [effect for effect in found if effect not in described]
    return sentences(
        _lead_sentence(lead, described, result), *_other_effects(lead, others, described), more
    )


def title(result: CheckResult, longest: int = 140) -> str:
    """The headline in at most `longest` characters without markup, for a commit status.

    Of a change that somebody must allow it is the line that does so.
    """
    if result.verdict == "action_required":
        return to_plain(say.title_not_built(head=result.head))
    phrase = _title(result)
    proposed = result.configuration
    if proposed is not None and proposed.problems:
        phrase = say.title_configuration_wrong(path=proposed.path, title=phrase)
    elif proposed is not None and not result.specs:
        phrase = say.title_configuration(path=proposed.path, title=phrase)
    if result.accepted is not None:
        phrase = say.title_accepted(user=visible(result.accepted.user, 40), title=phrase)
    if result.stage == "predicted" and result.judged != "neutral":
        phrase = say.title_predicted(title=phrase)
    if result.judged == "neutral" and any(image.changed for image in result.images):
        phrase = say.title_not_all(title=phrase)
    text = to_plain(phrase)
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _lead(found: Sequence[Effect]) -> tuple[Effect, Sequence[Effect]]:
    """The effect that leads the headline, and all that its sentence describes."""
    first = found[0]
    if first.kind in STATUS_KINDS:
        return first, [effect for effect in found if effect.kind == first.kind]
    whole = together(found)
    return (whole, found) if whole is not None else (first, [first])


def _lead_sentence(lead: Effect, described: Sequence[Effect], result: CheckResult) -> Phrase:
    if lead.kind in STATUS_KINDS:
        return _status_sentence(lead, described, result)
    return _moved_sentence(lead, result)


def _nothing(result: CheckResult) -> Phrase:
    at_fault = result.judged == "failure"
    if (at_fault or result.accepted is not None) and newly_broken(result):
        return say.little_but_violated()
    if result.problems and result.judged != "success":
        not_evaluated = say.cannot_be_evaluated if at_fault else say.not_evaluated
        return not_evaluated(problem=result.problems[0])
    if result.judged == "neutral" and (never := _never(result)):
        return never
    nothing_to_check = not result.specs and result.configuration is None
    return say.no_spec() if nothing_to_check else say.no_image()


def _never_installable(result: CheckResult) -> list[Row]:
    """The rows of images that neither side can install; empty if the verdict is a success."""
    if result.judged == "success":
        return []
    unchanged = architecture_rows(image for image in result.images if not image.changed)
    return [row for row in unchanged if row.first.base.status == "unsolvable"]


def _never(result: CheckResult) -> Phrase:
    """`Not evaluated: web on x86_64 and 2 more images could not be installed before either.`"""
    rows = _never_installable(result)
    if not rows:
        return ()
    return say.never_installable(
        image=_name(rows[0].place, result),
        where=on_architectures(rows[0].arches, rows[0].checked),
        others=len({row.place for row in rows}) - 1,
    )


def _status_sentence(lead: Effect, described: Sequence[Effect], result: CheckResult) -> Phrase:
    """`nginx on s390x can no longer be installed: why.`; others of its kind are counted."""
    places: dict[Place, list[str]] = {}
    for effect in described:
        places.setdefault(effect.place, []).extend(image.key.arch for image in effect.images)
    checked = {effect.place: effect.checked[effect.place] for effect in described}
    where = {place: on_architectures(a, checked[place]) for place, a in places.items()}
    images = [image for effect in described for image in effect.images]
    others = len(places) - 1
    turned = say.turned_alike if others and len(set(where.values())) == 1 else say.turned
    return turned(
        image=_name(lead.place, result),
        others=others,
        turn=_turn(lead.kind, len(places)),
        where=where[lead.place],
        reason=_figures(images) if lead.kind == "new" else _reason(images),
    )


def _turn(kind: str, images: int) -> Phrase:
    """The verb of an effect on this many images that at most one side can install."""
    if kind == "broken":
        return say.broken()
    if kind == "repaired":
        return say.repaired()
    return (say.new if kind == "new" else say.uninstallable)(images=images)


def _figures(images: Sequence[ImageResult]) -> Phrase:
    """The package counts and known sizes of new images."""
    packages = _counts([image.head.packages or 0 for image in images])
    known = [image.head.known_size for image in images]
    if not all(known):
        return say.new_size_unknown(packages=packages)
    complete = all(image.head.installed_size is not None for image in images)
    new = say.new_size if complete else say.new_size_at_least
    return new(packages=packages, size=size_span(known))


def _reason(images: Sequence[ImageResult]) -> Phrase:
    """The cause why most of `images` can no longer be installed, and how many if not all."""
    why = why_broken(images)
    if not why:
        return ()
    first, *others = why
    count = len({place_of_image(image) for image in first.images})
    return say.first_cause(
        cause=first.phrase,
        images=0 if len(first.images) == len(images) else count,
        others=len(others),
    )


def _moved_sentence(lead: Effect, result: CheckResult) -> Phrase:
    """The packages that come and go and the change in size, of images that can be installed."""
    one = len(lead.places) == 1
    subject = _name(lead.place, result) if one else say.each_of(images=len(lead.places))
    images = say.on(image=subject, where=lead.where)
    in_all = say.in_all(each="it" if one else "each", moves=_moves(lead), known=_known(lead))
    removed = _counts([len(image.removed) for image in lead.images])
    if any(image.added for image in lead.images):
        return _adds(lead, images, removed, in_all)
    if removed and lead.kind == "smaller" and lead.sure:
        return say.shrinks(subject=subject, size=_amount(lead), packages=removed, where=lead.where)
    if removed:
        return say.takes_out(packages=removed, images=images, in_all=in_all)
    if lead.kind == "same":
        return say.changes_packages(images=images, in_all=in_all)
    return say.resizes(
        subject=subject,
        size=_amount(lead),
        direction=lead.kind,
        where=lead.where,
        known=_known(lead),
    )


def _adds(lead: Effect, images: Phrase, removed: str, in_all: Phrase) -> Phrase:
    """`This change adds 5 packages and 31 MB to nginx on x86_64, because of a line.`

    The size of what is added stands for that of the image only where nothing else moves it.
    """
    added = _counts([len(image.added) for image in lead.images])
    because = _because(lead)
    if not removed and lead.kind == "larger" and lead.explained:
        return say.adds(
            packages=added, size=_amount(lead), images=images, known=_known(lead), because=because
        )
    sizes = [a.package.installed_size for image in lead.images for a in image.added]
    if not removed and lead.kind == "same" and not lead.sure and not any(sizes):
        return say.adds_unknown(packages=added, images=images, because=because)
    brought = [sum(a.package.installed_size or 0 for a in i.added) for i in lead.images]
    removes = say.and_removes_after_reason if because else say.and_removes
    return say.adds_and_moves(
        packages=added,
        size="" if None in sizes else size_span(brought),
        images=images,
        because=because,
        removes=removes(packages=removed) if removed else (),
        in_all=in_all,
    )


def _because(lead: Effect) -> Phrase:
    """The lines and libraries behind the added packages; of how many, where not of all."""
    found = arrivals(lead.images)
    named = [arrival for arrival in found if _is_named(arrival)]
    clause = behind(named)
    if not clause or len(named) == len(found):
        return clause
    counts = [sum(image in arrival.images for arrival in named) for image in lead.images]
    return say.some_because(packages=count_span(counts), because=clause)


def _is_named(arrival: Arrival) -> bool:
    return arrival.spec is not None or (arrival.linked and arrival.entry is not None)


def _moves(lead: Effect) -> Phrase:
    """`is 3 MB larger`; `keeps its size`."""
    if lead.kind in ("larger", "smaller"):
        return say.is_resized(size=_amount(lead), direction=lead.kind)
    return say.keep_size(images=1) if lead.sure else say.move_unknown(images=1)


def _amount(lead: Effect) -> Phrase:
    """The bytes by which the images grow or shrink, without a sign."""
    sizes = sorted(map(abs, lead.deltas))
    return say.at_least(size=sizes[0]) if _is_least(lead) else figure(size_span(sizes))


def _known(lead: Effect) -> Phrase:
    whole = lead.complete or _is_least(lead) or lead.kind == "same"
    return () if whole else say.as_far_as_known()


def _is_least(lead: Effect) -> bool:
    return lead.sure and not lead.complete


def _other_effects(
    lead: Effect, others: Sequence[Effect], described: Sequence[Effect]
) -> list[Phrase]:
    """Sentences about `others`, after one about `lead` and the effects `described` with it."""
    phrases = []
    own = [effect for effect in others if effect.place in lead.places]
    if own:
        arches = [image.key.arch for effect in own for image in effect.images]
        verb = "differs" if lead.kind not in STATUS_KINDS else "changes"
        phrases.append(say.itself_differs(verb=verb, where=on_architectures(arches, ())))
    elsewhere: dict[Place, list[Effect]] = {}
    for effect in others:
        if effect.place not in lead.places:
            elsewhere.setdefault(effect.place, []).append(effect)
    if elsewhere:
        more = {effect.place for effect in described}.isdisjoint(elsewhere)
        counted = say.more_images if more else say.besides
        phrases.append(_elsewhere(counted(images=len(elsewhere)), list(elsewhere.values())))
    return phrases


def _elsewhere(images: Phrase, found: Sequence[list[Effect]]) -> Phrase:
    """`3 more images change: 2 grow by up to 3 MB, 1 shrinks by 1 MB.`"""
    kinds: dict[str, list[list[Effect]]] = {}
    for effects_ in found:
        kinds.setdefault(_kind(effects_), []).append(effects_)
    if len(kinds) == 1:
        return say.others(images=images, does=_does(*kinds.popitem()))
    counted = [
        say.one_kind(images=len(places), does=_does(kind, places))
        for kind, places in sorted(kinds.items(), key=lambda kind: _ORDER.index(kind[0]))
    ]
    return say.other_kinds(images=images, count=len(found), kinds=joined(counted, ", "))


_ORDER = (*STATUS_KINDS, "larger", "smaller", "moved", "same", "unknown")
_VERBS = {"larger": ("grows", "grow"), "smaller": ("shrinks", "shrink"), "moved": ("moves", "move")}


def _kind(found: Sequence[Effect]) -> str:
    """The kind of a place's effects: the worst, or `moved` where its architectures differ."""
    kinds = {effect.kind for effect in found}
    for kind in STATUS_KINDS:
        if kind in kinds:
            return kind
    if len(kinds) > 1:
        return "moved"
    return "unknown" if kinds == {"same"} and not all(e.sure for e in found) else kinds.pop()


def _does(kind: str, places: Sequence[Sequence[Effect]]) -> Phrase:
    """`grow by up to 3 MB`, for as many images as there are `places`."""
    count = len(places)
    every = [effect for found in places for effect in found]
    if kind in STATUS_KINDS:
        whole = all(_everywhere(found, kind) for found in places)
        turned = _turn(kind, count)
        return turned if whole else say.on_some(turn=turned)
    if kind in ("same", "unknown"):
        return (say.keep_size if kind == "same" else say.move_unknown)(images=count)
    deltas = sorted(delta for effect in every for delta in effect.deltas)
    sizes = sorted(map(abs, deltas))
    most, each = figure(format_size(sizes[-1])), ""
    if kind == "moved":
        size = figure(delta_span(deltas))
    elif count == 1:
        size = figure(size_span(sizes))
    elif figure(format_size(sizes[0])) == most:
        size, each = most, "each"
    else:
        size = say.up_to(size=most)
    return say.move_by(
        verb=_VERBS[kind][count > 1],
        size=size,
        each=each,
        known=() if all(effect.complete for effect in every) else say.as_far_as_known(),
    )


def _everywhere(found: Sequence[Effect], kind: str) -> bool:
    arches = {image.key.arch for effect in found for image in effect.images if effect.kind == kind}
    return arches == set(found[0].checked[found[0].place])


def _title(result: CheckResult) -> Phrase:
    found = effects(result.images)
    lead, described = _lead(found) if found else (None, ())
    if newly_broken(result) and not (lead and lead.kind in ("broken", "uninstallable")):
        return violation_title(result)
    if lead is None or lead.kind in STATUS_KINDS:
        sentence = _nothing(result) if lead is None else _lead_sentence(lead, described, result)
        return plain(to_plain(sentence).removesuffix("."))
    added = _counts([len(image.added) for image in lead.images])
    removed = _counts([len(image.removed) for image in lead.images])
    moves = [f"+{added}"] * bool(added) + [f"{MINUS}{removed}"] * bool(removed)
    if lead.complete:
        moves.append(delta_span(lead.deltas))
    else:
        moves.append(f"{delta_span(lead.deltas)} known" if any(lead.deltas) else "size not known")
    images = len({place_of_image(image) for image in result.images if image.changed})
    one = len(lead.places) == 1
    return say.title_moves(
        subject=_name(lead.place, result) if one else say.each_of(images=images),
        moves=", ".join(moves),
        where=lead.where,
        images=images if one and images > 1 else 0,
    )


def _name(place: Place, result: CheckResult) -> Phrase:
    return short_image(place, map(place_of_image, result.images), emphasis=True)


def _counts(counts: Sequence[int]) -> str:
    """`5 packages`, `4 to 5 packages`; empty for none."""
    if not max(counts):
        return ""
    one = len(set(counts)) == 1
    return plural(counts[0], "package") if one else f"{count_span(counts)} packages"
