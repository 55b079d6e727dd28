"""The first sentence of a report, and the short title of a status.

It has a glyph, the effect on images with their sizes before and after, and the limit that is
exceeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median_low

from bot.model.architecture import architecture_order
from bot.model.result import CheckResult, ImageResult
from bot.model.spec import BuildNote
from bot.report.causes import more_causes, why_broken
from bot.report.evidence import arch_phrase, not_before
from bot.report.grouping import (
    Group,
    Row,
    architecture_rows,
    groups_of,
    lead_rows,
    on_architectures,
    place_of_image,
)
from bot.report.objectives import limit_sentence, newly_broken
from bot.report.phrase import Phrase, capitalised, code, joined, listing, plain, shortened, to_text
from bot.report.sizes import count_span, plural, short_delta, short_size, short_span
from bot.report.template import Place, say, sentences, short_image

_GLYPHS = {
    "failure": "\N{CROSS MARK}",
    "action_required": "\N{WARNING SIGN}\N{VARIATION SELECTOR-16}",
    "neutral": "\N{WARNING SIGN}\N{VARIATION SELECTOR-16}",
    "success": "\N{WHITE HEAVY CHECK MARK}",
}
_GROWS = "\N{UPWARDS BLACK ARROW}\N{VARIATION SELECTOR-16}"
# The number of images that a sentence names.
_NAMED = 2


def headline(result: CheckResult) -> Phrase:
    """Return the glyph, the effect with its sizes, and the limit that it exceeds."""
    effect, limit = _effect(result), limit_sentence(result)
    headline_sentences = sentences(_unbuilt(result), effect, limit, _repository_breaks(result))
    return sentences(plain(_glyph(result)), capitalised(headline_sentences))


def title(result: CheckResult, longest: int = 140) -> str:
    """Return the headline in at most `longest` characters without markup, for a commit status.

    For a change that somebody must allow it is the sentence that says so.
    """
    if result.verdict == "action_required":
        return to_text(say.title_not_built(head=result.head))
    effect, limit = _effect(result, short=True), limit_sentence(result, short=True)
    phrase = sentences(effect, limit, _repository_breaks(result, short=True))
    if _failed_builds(result):
        phrase = say.title_no_build(title=phrase)
    proposed = result.configuration
    if proposed is not None and proposed.problems:
        phrase = say.title_configuration_wrong(path=proposed.path, title=phrase)
    elif proposed is not None and not (result.specs or result.requests):
        phrase = say.title_configuration(path=proposed.path, title=phrase)
    if result.accepted is not None:
        phrase = say.title_accepted(user=result.accepted.user, title=phrase)
    text = to_text(capitalised(phrase)).removesuffix(".")
    if result.judged == "neutral" and any(image.changed for image in result.images):
        text = f"{to_text(say.not_all_evaluated())} {text}"
    predicted = result.stage == "predicted" and result.judged != "neutral"
    # A change of requests is solved, and nothing is built for it.
    mark = " (predicted)" if predicted and (result.specs or not result.requests) else ""
    if result.awaited:
        mark = f" ({to_text(say.not_built_yet(arches=listing(map(plain, result.awaited))))})"
    return shortened(text, longest - len(mark)) + mark


def _failed_builds(result: CheckResult) -> list[BuildNote]:
    """Return the builds of the change that failed where base's did not fail alike."""
    base = {(build.spec, build.arch) for build in result.builds if build.outcome == "base-failed"}
    return [
        build
        for build in result.builds
        if build.outcome == "head-failed" and (build.spec, build.arch) not in base
    ]


def _unbuilt(result: CheckResult) -> Phrase:
    """Return the first sentence for a change that does not build: no figures are its packages'."""
    failed = _failed_builds(result)
    if not failed:
        return ()
    arches = {build.arch for build in failed}
    checked = {image.key.arch for image in result.images}
    some = () if arches >= checked else sorted(arches, key=architecture_order)
    return say.does_not_build(arches=listing(map(arch_phrase, some)))


def _repository_breaks(result: CheckResult, *, short: bool = False) -> Phrase:
    """Return the number of the repositories' packages that the change makes uninstallable.

    A `short` sentence has no markup and does not name the repositories.
    """
    broken = {(package.repository, package.nevra.name) for package in result.broken}
    repositories = sorted({repository for repository, _ in broken})
    named = () if short else listing(map(code, repositories))
    return say.repository_breaks(packages=len(broken), repositories=named) if broken else ()


def _glyph(result: CheckResult) -> str:
    if result.verdict == "success" and (result.broken or _failed_builds(result)):
        return _GLYPHS["neutral"]
    grows = any(image.known_delta > 0 and image.changed for image in result.images)
    if result.verdict == "success" and grows and result.accepted is None:
        return _GROWS
    return _GLYPHS[result.verdict]


def _effect(result: CheckResult, *, short: bool = False) -> Phrase:
    """Return one or two sentences on the effect: uninstallable and new images come first."""
    never = {row.place for row in _never_installable(result)}
    more = say.more_never_installable(images=len(never)) if never and not short else ()
    groups = groups_of(result)
    if not groups:
        nothing = _nothing(result)
        return (
            nothing if nothing == _never_installable_sentence(result) else sentences(nothing, more)
        )
    kind = groups[0].kind
    lead = [group for group in groups if group.kind == kind]
    others = [group for group in groups if group.kind != kind]
    say_it = _size_changes if kind == "moved" else _installability_sentence
    return sentences(say_it(lead, result), () if short else _other_effects(others), more)


def _nothing(result: CheckResult) -> Phrase:
    at_fault = result.judged == "failure"
    if (at_fault or result.accepted is not None) and newly_broken(result):
        return say.little_changes()
    if result.problems and result.judged != "success":
        not_evaluated = say.cannot_be_evaluated if at_fault else say.not_evaluated
        return not_evaluated(problem=result.problems[0].replace(": not evaluated: ", ": ", 1))
    if result.judged == "neutral" and (never := _never_installable_sentence(result)):
        return never
    files = (*result.specs, *result.requests)
    nothing_to_check = not files and result.configuration is None
    return say.no_spec() if nothing_to_check else say.no_image()


def _never_installable(result: CheckResult) -> list[Row]:
    """Return the rows of images that neither side can install; none after a success."""
    if result.judged == "success":
        return []
    unchanged = architecture_rows(image for image in result.images if not image.changed)
    return [row for row in unchanged if row.first.base.status == "unsolvable"]


def _never_installable_sentence(result: CheckResult) -> Phrase:
    """`Not evaluated: web on x86_64 and 2 more images could not be installed before either.`"""
    rows = _never_installable(result)
    if not rows:
        return ()
    return say.never_installable(
        image=_name(rows[0].place, result),
        where=on_architectures(rows[0].arches, rows[0].checked),
        others=len({row.place for row in rows}) - 1,
        reason=not_before(rows[0]),
    )


def _installability_sentence(groups: Sequence[Group], result: CheckResult) -> Phrase:
    """Return `nginx can no longer be installed on s390x: why.`, for all groups of one kind."""
    places = dict.fromkeys(place for group in groups for place in group.places)
    images = [image for group in groups for row in group.rows for image in row.images]
    installable = groups[0].kind in ("new", "repaired")
    reason = _figures(images) if installable else _reason(images)
    return say.turned(
        images=_named(list(places), result),
        turn=_turn(groups[0].kind, len(places)),
        where=_where([row for group in groups for row in group.rows]),
        reason=reason,
    )


def _turn(kind: str, images: int) -> Phrase:
    """Return the verb of a kind of effect, for this many images."""
    turn = say[f"turn_{kind}"]
    return turn(images=images) if turn.slots else turn()


def _named(places: Sequence[Place], result: CheckResult) -> Phrase:
    """Return one or two images by name, or the number of more."""
    if len(places) > _NAMED:
        return plain(plural(len(places), "image"))
    return listing(_subject(place, result) for place in places)


def _where(rows: Sequence[Row]) -> str:
    """Return the architectures, unless they are all on which the images were checked."""
    arches = {arch for row in rows for arch in row.arches}
    checked = {arch for row in rows for arch in row.checked}
    return "" if arches == checked else on_architectures(arches, checked)


def _figures(images: Sequence[ImageResult]) -> Phrase:
    """Return the package counts and known sizes of new or repaired images."""
    counts = count_span(image.head.packages for image in images)
    sizes = sorted(image.head.known_size or 0 for image in images)
    complete = all(image.head.installed_size is not None for image in images)
    return say.figures(
        packages="1 package" if counts == "1" else f"{counts} packages",
        size=("" if complete else "at least ") + short_span(sizes) if all(sizes) else "",
    )


def _reason(images: Sequence[ImageResult]) -> Phrase:
    """Return the root cause why most of `images` cannot be installed, and the number of others."""
    why = why_broken(images)
    if not why:
        return ()
    return say.first_cause(cause=why[0].phrase, others=len(why) - 1 + more_causes(images))


def _size_changes(groups: Sequence[Group], result: CheckResult) -> Phrase:
    """Return the change of size of images that both sides can install: of one, or of all."""
    rows = [row for group in groups for row in group.rows]
    row, *others = lead_rows(rows)
    if others:
        return _all_moved([lead_row.lead for lead_row in (row, *others)], result)
    return _one_moved(row.lead, _subject(row.place, result), _where(rows))


def _one_moved(image: ImageResult, name: Phrase, where: str) -> Phrase:
    base, head = image.base, image.head
    delta = image.known_delta
    if image.size_delta is None and delta <= 0:
        return say.moves_unknown(image=name, where=where)
    least = "" if image.size_delta is not None else "at least "
    if not delta:
        return say.keeps_size(image=name, where=where, size=short_size(head.known_size))
    layers = (base.layer.gzip, head.layer.gzip) if base.layer and head.layer else None
    return (say.grows if delta > 0 else say.shrinks)(
        image=name,
        where=where,
        sizes=short_span((base.known_size or 0, head.known_size or 0)),
        least=least,
        delta=short_delta(delta),
        pull=_arrow(*layers) if layers else "",
    )


def _arrow(before: int, after: int) -> str:
    """`12 → 43 MB`."""
    return short_span((before, after)).replace(" to ", " \N{RIGHTWARDS ARROW} ")


def _all_moved(images: Sequence[ImageResult], result: CheckResult) -> Phrase:
    """`34 images grow by 105 MB in all: 3 MB in the median, php most (+34 MB).`"""
    deltas = sorted(image.known_delta for image in images)
    most = max(images, key=lambda image: (abs(image.known_delta), image.key))
    least = "" if all(image.size_delta is not None for image in images) else "at least "
    total = short_delta(sum(deltas))
    if not any(deltas):
        return say.all_keep_size(images=len(images))
    counts = {"grow": sum(d > 0 for d in deltas), "shrink": sum(d < 0 for d in deltas)}
    verbs = [verb for verb, count in counts.items() if count]
    if len(verbs) == 2 or sum(counts.values()) < len(images):
        verb = joined([plain(f"{counts[verb]} {verb}") for verb in verbs], ", ")
        verb = say.change_some(kinds=verb)
    else:
        verb = plain(verbs[0])
    each, each_most = short_size(abs(deltas[0])), short_size(abs(most.known_delta))
    if short_delta(deltas[0]) == short_delta(deltas[-1]):
        return say.all_move_alike(
            images=len(images), verb=verb, each=each, total=total, least=least
        )
    if short_delta(median_low(deltas)) == short_delta(most.known_delta):
        return say.all_move_up_to(
            images=len(images), verb=verb, total=total, least=least, most=each_most
        )
    return say.all_move(
        images=len(images),
        verb=verb,
        total=total,
        least=least,
        median=short_delta(median_low(deltas)),
        most=_name(place_of_image(most), result),
        largest=short_delta(most.known_delta),
    )


def _other_effects(groups: Iterable[Group]) -> Phrase:
    """`Besides, 3 images grow by 105 MB in all and 1 image is new.`"""
    kinds: dict[str, list[Group]] = {}
    for group in groups:
        kinds.setdefault(group.kind, []).append(group)
    clauses = []
    for kind, alike in kinds.items():
        leads = lead_rows(row for group in alike for row in group.rows)
        turn = _turn(kind, len(leads))
        size = short_delta(sum(row.lead.known_delta for row in leads))
        clauses.append(
            say.besides_one(images=len(leads), turn=turn, size=size if kind == "moved" else "")
        )
    return say.besides(clauses=listing(clauses)) if clauses else ()


def _subject(place: Place, result: CheckResult) -> Phrase:
    """Return an image before a verb: `The package alone, on minimal,`."""
    name = _name(place, result)
    return (*name, *plain(",")) if place[0].startswith("@self") else name


def _name(place: Place, result: CheckResult) -> Phrase:
    return short_image(place, map(place_of_image, result.images), emphasis=True)
