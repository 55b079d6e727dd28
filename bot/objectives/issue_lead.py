"""The first paragraphs of an issue about a broken objective, and the remedies."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bot.model.image import ImageKey
from bot.objectives.drift import Broken, DriftState, Lost
from bot.objectives.jsonform import cause_json
from bot.report.architecture_grouping import arch_order, place_of
from bot.report.causes import blame_url, blame_words, chain_words, why_unsolvable
from bot.report.objectives import metric_text
from bot.report.phrase import Phrase, code, link, message, plain, prose
from bot.report.sizes import format_delta, format_size, plural
from bot.report.template import image_phrase, quoted
from bot.store.history.values import Cause, MergedChange

Changes = Mapping[int, MergedChange]


def drift_lead(found: DriftState, changes: Changes) -> Phrase:
    """The sentence on a broken objective: its worst image, by how much, since when, and why."""
    objective = (*plain("The objective "), *quoted(found.heading["name"]))
    if not found.broken:
        return (*objective, *_lost_lead(found.lost, changes))
    group = _worst(found.broken)
    first = group[0]
    places = {place_of(one.state.key) for one in found.broken}
    phrase = (
        *objective,
        *plain(f" is not met since {min(one.since for one in group)[:10]}: "),
        *_where([one.state.key for one in group]),
        *_value(group),
        *plain("."),
    )
    if len(places) > 1:
        phrase = (*phrase, *plain(f" Nor is it in {plural(len(places) - 1, 'more image')}."))
    if found.lost:
        count = plural(len({place_of(one.key) for one in found.lost}), "image")
        phrase = (*phrase, *plain(f" Besides, {count} can no longer be installed."))
    return (*phrase, *_why(first, changes))


def remedies(found: DriftState, changes: Changes) -> tuple[Phrase, ...]:
    """The remedies, one sentence or two for each."""
    sentences: list[Phrase] = []
    for key, cause in _chiefs(found):
        sentences += _way_out(key, cause, changes)
    for one in found.lost[:1]:
        command = f"minimize closure {_word(one.key.workload)} --arch {_word(one.key.arch)}"
        sentences.append(
            (*code(command), *plain(" says what keeps the image from being installed."))
        )
    place = found.heading.get("place")
    where = plain("the repository's ") if place else plain("the document ")
    named = code(".minimize.yaml" if place else f"{found.id}.yaml")
    if found.broken:
        sentences.append(
            (*plain("If it shall stay as it is, change the objective in "), *where, *named,
             *plain("."))
        )  # fmt: skip
    sentences.append(
        plain("Closed by hand, this issue stays closed until the objective is met and broken anew.")
    )
    return tuple(dict.fromkeys(sentences))


def who_phrase(cause: Cause, changes: Changes) -> Phrase:
    """The author of a cause, with a link to its change."""
    about = cause_json(cause, changes)["cause"]
    words, url = blame_words(about), blame_url(about)
    return link(words, url) if url else message(words)


def lost_phrase(one: Lost, changes: Changes) -> Phrase:
    """The sentence on an image that cannot be installed: since when, by whom, and why."""
    can = (
        f"can no longer be installed since {one.since[:10]}" if one.since else "cannot be installed"
    )
    phrase = (*_where([one.key]), *plain(f" {can}."))
    why = why_unsolvable(one.facts)
    reason = (*plain(" The reason: "), *why, *plain(".")) if why else ()
    return (*phrase, *_blame(one, changes), *reason)


def _lost_lead(lost: Sequence[Lost], changes: Changes) -> Phrase:
    first = lost[0]
    own = [one for one in lost if place_of(one.key) == place_of(first.key)]
    since = f" since {first.since[:10]}" if first.since else ""
    phrase = (
        *plain(f" cannot be kept{since}: "),
        *_where([one.key for one in own]),
        *plain(" can no longer be installed."),
    )
    others = len({place_of(one.key) for one in lost}) - 1
    more = plain(f" Nor can {plural(others, 'more image')}.") if others else ()
    return (*phrase, *more, *_blame(first, changes))


def _blame(one: Lost, changes: Changes) -> Phrase:
    cause = one.cause
    if cause is None or cause.package == one.key.workload:
        return ()
    now = (*plain(" (now "), *code(str(cause.mover)), *plain(")")) if cause.mover else ()
    by = _by(cause, changes)
    return (*plain(" What did it: "), *code(cause.package), *now, *by, *plain("."))


def _by(cause: Cause, changes: Changes) -> Phrase:
    if cause.kind == "unknown":
        return ()
    return (*plain(", by "), *who_phrase(cause, changes))


def _worst(broken: Sequence[Broken]) -> list[Broken]:
    """The measure that is furthest off, on all architectures of its image; those that drifted go
    before those that a document brought."""
    lead = max(broken, key=lambda one: (one.drifted, _share(one), one.state.key))
    what = (place_of(lead.state.key), lead.state.metric)
    group = [one for one in broken if (place_of(one.state.key), one.state.metric) == what]
    return [lead, *(one for one in group if one is not lead)]


def excess(one: Broken) -> int:
    """The amount by which a measure is beyond its limit or target."""
    return (one.state.value or 0) - _aim(one)


def _share(one: Broken) -> float:
    """The excess as a fraction of the limit or target, which compares bytes with packages."""
    return excess(one) / max(_aim(one), 1)


def _aim(one: Broken) -> int:
    state = one.state
    passed = state.limit is not None and (state.value or 0) > state.limit
    return (state.limit if passed else state.target) or 0


def _where(keys: Sequence[ImageKey]) -> Phrase:
    arches = ", ".join(sorted({key.arch for key in keys}, key=arch_order))
    return (*image_phrase(place_of(keys[0]), emphasis=True), *plain(f" ({arches})"))


def _value(group: Sequence[Broken]) -> Phrase:
    state = group[0].state
    kind, _, package = state.metric.partition(":")
    if kind == "unwanted":
        reason = (*plain(": "), *prose(state.reason)) if state.reason else ()
        return (*plain(" has the unwanted "), *code(package), *reason)
    value = metric_text(state.metric, state.value)
    words = {"packages": "has {}", "installed_size": "takes {} installed"}
    has = words.get(kind, "takes {} to pull").format(value)
    up = "up to " if len({one.state.value for one in group}) > 1 else ""
    return plain(f" {has.replace(value, up + value)}, the {aim_words(group[0])}")


def aim_words(one: Broken) -> str:
    """`limit is 60 MB`; `target by 2027-03-01 is 45 MB`."""
    state = one.state
    if state.limit is not None and (state.value or 0) > state.limit:
        return f"limit is {metric_text(state.metric, state.limit)}"
    return f"target by {state.target_by} is {metric_text(state.metric, state.target)}"


def _why(first: Broken, changes: Changes) -> Phrase:
    cause = _chief(first)
    if first.why == "date" and not first.worse:
        return plain(" No package did it: the target's day has passed.")
    if first.why == "promise" and not first.worse:
        return plain(" The objective was changed.")
    if first.why == "first seen" and not first.worse:
        return plain(" It was so when it was first looked at.")
    if cause is None:
        return ()
    about = cause_json(cause, changes)["cause"]
    way = chain_words(about["chain"]) if cause.change == "came" else ""
    through = (*plain(" through "), *code(way)) if way else ()
    did = (
        f" came ({format_delta(cause.known_delta)})"
        if cause.change == "came"
        else f" grew by {format_size(cause.known_delta)}"
        if cause.known_delta
        else " was built anew"
    )
    return (
        *plain(" "),
        *code(cause.package),
        *plain(did),
        *through,
        *_by(cause, changes),
        *plain("."),
    )


def _chief(one: Broken) -> Cause | None:
    """The cause that did most to break one measure; null where no package did."""
    kind, _, package = one.state.metric.partition(":")
    causes = [cause for step in one.steps for cause in step.causes]
    if kind == "unwanted":
        fitting = [c for c in causes if c.change == "came" and c.package == package]
    elif kind == "packages":
        fitting = [c for c in causes if c.change == "came"]
    else:
        fitting = [c for c in causes if c.change in ("came", "changed") and c.known_delta > 0]
        if not fitting and kind == "layer_size":
            # A layer grows by what metadata does not weigh, too.
            fitting = [c for c in causes if c.change in ("came", "changed") and c.after]
    return max(fitting, key=lambda c: c.known_delta, default=None)


def _chiefs(found: DriftState) -> Iterator[tuple[ImageKey, Cause]]:
    if found.broken:
        first = _worst(found.broken)[0]
        cause = _chief(first) if first.drifted else None
        if cause is not None:
            yield first.state.key, cause
    for one in found.lost[:1]:
        if one.cause is not None:
            yield one.key, one.cause


def _way_out(key: ImageKey, cause: Cause, changes: Changes) -> Iterable[Phrase]:
    if cause.merged_change is not None and cause.kind in ("pull request", "commit"):
        yield (
            *plain("Take back what "),
            *who_phrase(cause, changes),
            *plain(" did, or part of it."),
        )
    workload = _word(key.workload)
    if cause.change == "came":
        why = f"minimize why {_word(cause.package)} --workload {workload}"
        yield (*code(why), *plain(" shows every way on which it comes."))
        edge = cause.chain[-1] if cause.chain else None
        if edge is not None:
            drop = f"minimize what-if drop {_word(edge.capability)} --workload {workload}"
            yield (*code(drop), *plain(" measures what would leave without it."))
    elif cause.change == "changed" and cause.kind == "distribution":
        yield (
            *plain("Look at what grew in "), *code(str(cause.after or cause.package)),
            *plain(", and ask its maintainers for a smaller one."),
        )  # fmt: skip
    elif cause.change == "unsolvable" and cause.kind == "distribution":
        yield (*plain("Ask the maintainers of "), *code(cause.package), *plain(" to repair it."))


def _word(text: str) -> str:
    return shlex.quote(text)
