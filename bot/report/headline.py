"""The first sentence of a report, and the short title of a status.

Each of its statements about several images is true of each (bot.report.grouping); the largest
effect is named, and other effects are counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.result import CheckResult, ImageResult
from bot.report.architecture_grouping import (
    Row,
    architecture_rows,
    on_architectures,
    place_of_image,
)
from bot.report.grouping import STATUS_KINDS, Effect, effects, together
from bot.report.objectives import newly_broken, violation_title
from bot.report.other_effects import other_effects, turn
from bot.report.phrase import Phrase, plain, prose, to_plain, visible
from bot.report.reasons import Arrival, arrivals, behind
from bot.report.sizes import (
    MINUS,
    count_span,
    delta_span,
    format_size,
    plural,
    size_span,
)
from bot.report.table_cells import short_image
from bot.report.unsolvable import why_broken

NOTHING_ANY_MORE = "No image changes any more."
NO_SPEC = "No spec file changed."


def changed_rows(result: CheckResult) -> tuple[Row, ...]:
    """The rows of images that the change changes, those that it breaks first."""
    rows = architecture_rows(image for image in result.images if image.changed)
    return tuple(sorted(rows, key=lambda row: (not row.broken, -row.largest)))


def headline(result: CheckResult) -> Phrase:
    """The headline: the effect, the images, the line that causes it; a few short sentences."""
    found = effects(result.images)
    if not found:
        sentence = _nothing_sentence(result)
        if sentence == _never_sentence(result):
            return sentence
        return (*sentence, *_never_counted(result))
    lead, described = _lead(found)
    rest = other_effects(lead, [effect for effect in found if effect not in described], described)
    return (*_lead_sentence(lead, described, result), *rest, *_never_counted(result))


def title(result: CheckResult, longest: int = 140) -> str:
    """The headline in at most `longest` characters without markup, for a commit status."""
    text = _title(result)
    proposed = result.configuration
    if proposed is not None and (proposed.problems or not result.specs):
        state = "is not valid" if proposed.problems else "changes"
        text = f"{proposed.path} {state}. {text}"
    if result.accepted is not None:
        text = f"Accepted by {visible(result.accepted.user, 40)}: {text}"
    if result.stage == "predicted" and result.verdict != "neutral":
        text = f"{text} (predicted)"
    if result.verdict == "neutral" and any(image.changed for image in result.images):
        text = f"Not all evaluated. {text}"
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


def _nothing_sentence(result: CheckResult) -> Phrase:
    at_fault = result.verdict == "failure"
    if (at_fault or result.accepted is not None) and newly_broken(result):
        return plain("No image changes by much, but an objective is harmed.")
    if result.problems and result.verdict != "success":
        start = "This change cannot be evaluated: " if at_fault else "Not evaluated: "
        return (*plain(start), *prose(result.problems[0]))
    if result.verdict == "neutral" and (never := _never_sentence(result)):
        return never
    if not result.specs and result.configuration is None:
        return plain(NO_SPEC)
    return plain("No image changes.")


def _never(result: CheckResult) -> list[Row]:
    """The rows of images that neither side can install; empty if the verdict is a success."""
    if result.verdict == "success":
        return []
    unchanged = architecture_rows(image for image in result.images if not image.changed)
    return [row for row in unchanged if row.first.base.status == "unsolvable"]


def _never_sentence(result: CheckResult) -> Phrase:
    """`Not evaluated: web on x86_64 and 2 more images could not be installed before either.`"""
    rows = _never(result)
    if not rows:
        return ()
    others = len({row.place for row in rows}) - 1
    more = f" and {plural(others, 'more image')}" if others else ""
    return (
        *plain("Not evaluated: "), *_name(rows[0].place, result),
        *plain(f" {on_architectures(rows[0].arches, rows[0].checked)}{more}"
               " could not be installed before this change either."),
    )  # fmt: skip


def _never_counted(result: CheckResult) -> Phrase:
    """The number of the images of `_never`, as a sentence beside another."""
    count = len({row.place for row in _never(result)})
    if not count:
        return ()
    return plain(f" {plural(count, 'image')} could not be installed before this change either.")


def _status_sentence(lead: Effect, described: Sequence[Effect], result: CheckResult) -> Phrase:
    """`nginx on s390x can no longer be installed: why.`; others of its kind are counted."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for effect in described:
        places.setdefault(effect.place, []).extend(image.key.arch for image in effect.images)
    checked = {effect.place: effect.checked[effect.place] for effect in described}
    where = {place: on_architectures(a, checked[place]) for place, a in places.items()}
    subject, others = _name(lead.place, result), len(places) - 1
    what = turn(lead.kind, len(places))
    more = f" and {plural(others, 'more image')}" if others else ""
    if len(set(where.values())) == 1:
        predicate = plain(f"{more} {what} {where[lead.place]}" if more else
                     f" {where[lead.place]} {what}")  # fmt: skip
    else:
        predicate = plain(f" {where[lead.place]}{more} {what}")
    images = [image for effect in described for image in effect.images]
    reason = _figures(images) if lead.kind == "new" else _reason(images)
    return (*subject, *predicate, *reason, *plain("."))


def _figures(images: Sequence[ImageResult]) -> Phrase:
    """The package counts and known sizes of new images."""
    count = _counts([image.head.packages or 0 for image in images])
    least = "" if all(image.head.installed_size is not None for image in images) else "at least "
    known = [image.head.known_size for image in images]
    size = f"{least}{size_span(known)}" if all(known) else "their size is known once it is built"
    return plain(f": {count}, {size}")


def _reason(images: Sequence[ImageResult]) -> Phrase:
    """The cause why most of `images` can no longer be installed, and how many if not all."""
    why = why_broken(images)
    if not why:
        return ()
    first, *others = why
    count = len({place_of_image(image) for image in first.images})
    of = "" if len(first.images) == len(images) else f" ({plural(count, 'image')})"
    more = f", and {plural(len(others), 'more cause')}" if others else ""
    return (*plain(": "), *first.phrase, *plain(f"{of}{more}"))


def _moved_sentence(lead: Effect, result: CheckResult) -> Phrase:
    """The packages that come and go and the change in size, of images that can be installed."""
    one = len(lead.places) == 1
    subject = _name(lead.place, result) if one else plain(f"each of {len(lead.places)} images")
    on = plain(f" {lead.where}")
    in_all = plain(f"; in all {'it' if one else 'each'} {_moves(lead)}{_known(lead)}")
    removed = _counts([len(image.removed) for image in lead.images])
    if any(image.added for image in lead.images):
        words = _adds(lead, (*subject, *on), removed, in_all)
    elif removed and lead.kind == "smaller" and lead.sure:
        shrink = plain(f" shrink by {_amount(lead)} and {removed}")
        words = (*plain("This change lets "), *subject, *shrink, *on)
    elif removed:
        words = (*plain(f"This change takes {removed} out of "), *subject, *on, *in_all)
    elif lead.kind != "same":
        larger = plain(f" {_amount(lead)} {lead.kind}")
        same = plain(f", with the same packages{_known(lead)}")
        words = (*plain("This change makes "), *subject, *larger, *on, *same)
    else:
        words = (*plain("This change changes packages of "), *subject, *on, *in_all)
    return (*words, *plain("."))


def _adds(lead: Effect, to: Phrase, removed: str, in_all: Phrase) -> Phrase:
    """`This change adds 5 packages and 31 MB to nginx on x86_64, because of a line`.

    The size of what is added stands for that of the image only where nothing else moves it.
    """
    added = _counts([len(image.added) for image in lead.images])
    because = _because(lead)
    clause = (*plain(", "), *because) if because else ()
    if not removed and lead.kind == "larger" and lead.explained:
        start = plain(f"This change adds {added} and {_amount(lead)} to ")
        return (*start, *to, *plain(_known(lead)), *clause)
    sizes = [a.package.installed_size for image in lead.images for a in image.added]
    if not removed and lead.kind == "same" and not lead.sure and not any(sizes):
        return (*plain(f"This change adds {added} of unknown size to "), *to, *clause)
    brought = [sum(a.package.installed_size or 0 for a in i.added) for i in lead.images]
    size = "" if None in sizes else f" ({size_span(brought)})"
    gone = f"{',' if because else ''} and removes {removed}" if removed else ""
    return (*plain(f"This change adds {added}{size} to "), *to, *clause, *plain(gone), *in_all)


def _because(lead: Effect) -> Phrase:
    """The lines and libraries behind the added packages; of how many, where not of all."""
    found = arrivals(lead.images)
    named = [arrival for arrival in found if _is_named(arrival)]
    clause = behind(named)
    if not clause or len(named) == len(found):
        return clause
    counts = [sum(image in arrival.images for arrival in named) for image in lead.images]
    return (*plain(f"{count_span(counts)} of them "), *clause)


def _is_named(arrival: Arrival) -> bool:
    return arrival.spec is not None or (arrival.linked and arrival.entry is not None)


def _moves(lead: Effect) -> str:
    """`is 3 MB larger`; `keeps its size`."""
    if lead.kind in ("larger", "smaller"):
        return f"is {_amount(lead)} {lead.kind}"
    return "keeps its size" if lead.sure else "moves by a size that is not known"


def _amount(lead: Effect) -> str:
    """The bytes by which the images grow or shrink, without a sign."""
    sizes = sorted(map(abs, lead.deltas))
    return f"at least {format_size(sizes[0])}" if _is_least(lead) else size_span(sizes)


def _known(lead: Effect) -> str:
    if lead.complete or _is_least(lead) or lead.kind == "same":
        return ""
    return ", as far as is known"


def _is_least(lead: Effect) -> bool:
    return lead.sure and not lead.complete


def _title(result: CheckResult) -> str:
    found = effects(result.images)
    broken = newly_broken(result)
    lead, described = _lead(found) if found else (None, ())
    if broken and not (lead is not None and lead.kind in ("broken", "uninstallable")):
        return violation_title(result)
    if lead is None:
        return to_plain(_nothing_sentence(result)).removesuffix(".")
    if lead.kind in STATUS_KINDS:
        return to_plain(_lead_sentence(lead, described, result)).removesuffix(".")
    added = _counts([len(image.added) for image in lead.images])
    removed = _counts([len(image.removed) for image in lead.images])
    parts = [f"+{added}"] if added else []
    parts += [f"{MINUS}{removed}"] if removed else []
    if lead.complete:
        parts.append(delta_span(lead.deltas))
    else:
        parts.append(f"{delta_span(lead.deltas)} known" if any(lead.deltas) else "size not known")
    places = {place_of_image(image) for image in result.images if image.changed}
    one = len(lead.places) == 1
    subject = to_plain(_name(lead.place, result)) if one else f"each of {len(places)} images"
    more = f"; {len(places)} images changed" if one and len(places) > 1 else ""
    return f"{subject}: {', '.join(parts)} {lead.where}{more}"


def _name(place: tuple[str, str, str], result: CheckResult) -> Phrase:
    return short_image(place, map(place_of_image, result.images), strong=True)


def _counts(counts: Sequence[int]) -> str:
    """`5 packages`, `4 to 5 packages`; empty for none."""
    if not max(counts):
        return ""
    return (
        plural(counts[0], "package")
        if len(set(counts)) == 1
        else (f"{count_span(counts)} packages")
    )
