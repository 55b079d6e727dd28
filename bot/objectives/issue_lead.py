"""The first paragraphs and the remedies of an issue about a broken objective, and the edits in a
maintainer's weekly summary: those that would save most, and those that landed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from bot.model.amount import beyond, excess, number
from bot.model.image import ImageKey
from bot.model.opportunity import Opportunity
from bot.model.surface import KINDS
from bot.objectives.drift import BrokenMetric, DriftState, LostImage
from bot.objectives.jsonform import cause_json
from bot.report.blocks import Block, table
from bot.report.causes import blame_url, blame_words, chain_words, why_unsolvable
from bot.report.grouping import arch_names, image_on, place_of
from bot.report.objectives import metric_phrase, metric_text, metric_value
from bot.report.phrase import Phrase, code, figure, link, message, plain
from bot.report.sizes import format_size
from bot.report.template import Sentences, sentences
from bot.store.history.history import History
from bot.store.history.values import Cause, MergedChange
from bot.store.opportunities import Opportunities
from bot.store.store import utc_text

Changes = Mapping[int, MergedChange]
say = Sentences(Path(__file__).with_name("sentences.toml"))


def drift_lead(drift: DriftState, changes: Changes) -> Phrase:
    """Return the sentence on a broken objective: its worst image, excess, since when, and why."""
    if not drift.broken:
        return _lost_lead(drift, changes)
    group = _worst(drift.broken)
    others = len({place_of(metric.state.key) for metric in drift.broken}) - 1
    lost = len({place_of(image.key) for image in drift.lost})
    return sentences(
        say.not_met(
            objective=drift.heading.name,
            since=min(metric.since for metric in group),
            image=_where([metric.state.key for metric in group]),
            state=_value(group),
        ),
        say.nor_is_it(images=others) if others else (),
        say.also_lost(images=lost) if lost else (),
        _why(group[0], changes),
    )


def remedies(drift: DriftState, changes: Changes) -> tuple[Phrase, ...]:
    """Return the remedies, one sentence or two for each."""
    phrases: list[Phrase] = []
    for key, cause in _main_causes(drift):
        phrases += _remedy(key, cause, changes)
    for image in drift.lost[:1]:
        command = f"minimize closure {_word(image.key.workload)} --arch {_word(image.key.arch)}"
        phrases.append(say.shows_why(command=command))
    if drift.broken and drift.heading.place:
        phrases.append(say.change_own())
    elif drift.broken:
        phrases.append(say.change_document(file=f"{drift.id}.yaml"))
    return tuple(dict.fromkeys([*phrases, say.closed_by_hand()]))


def who_phrase(cause: Cause, changes: Changes) -> Phrase:
    """Return the author of a cause, with a link to its change."""
    about = cause_json(cause, changes)["cause"]
    words, url = blame_words(about), blame_url(about)
    return link(words, url) if url else message(words)


def lost_phrase(image: LostImage, changes: Changes) -> Phrase:
    """Return the sentence on an image that cannot be installed: since when, by whom, and why."""
    where = _where([image.key])
    why = why_unsolvable(image.facts)
    return sentences(
        say.lost_since(image=where, since=image.since)
        if image.since
        else say.not_installable(image=where),
        _blame(image, changes),
        say.the_reason(why=why) if why else (),
    )


def _lost_lead(drift: DriftState, changes: Changes) -> Phrase:
    first = drift.lost[0]
    others = len({place_of(image.key) for image in drift.lost}) - 1
    keys = [image.key for image in drift.lost if place_of(image.key) == place_of(first.key)]
    return sentences(
        say.cannot_be_met(
            objective=drift.heading.name, since=first.since or "", image=_where(keys)
        ),
        say.nor_can(images=others) if others else (),
        _blame(first, changes),
    )


def _blame(image: LostImage, changes: Changes) -> Phrase:
    cause = image.cause
    if cause is None or cause.package == image.key.workload:
        return ()
    now = str(cause.mover) if cause.mover else ""
    return say.what_did_it(package=cause.package, now=now, who=_by(cause, changes))


def _by(cause: Cause, changes: Changes) -> Phrase:
    return () if cause.kind == "unknown" else who_phrase(cause, changes)


def _worst(broken: Sequence[BrokenMetric]) -> list[BrokenMetric]:
    """Return the measurement furthest from its limit, on all architectures of its image.

    Those by drift come before those by a change of the document.
    """
    lead = max(broken, key=lambda metric: (metric.drifted, _share(metric), metric.state.key))
    what = (place_of(lead.state.key), lead.state.metric)
    group = [
        metric for metric in broken if (place_of(metric.state.key), metric.state.metric) == what
    ]
    return [lead, *(metric for metric in group if metric is not lead)]


def distance(metric: BrokenMetric) -> int:
    """Return the amount by which a measurement exceeds its limit or target."""
    state = metric.state
    if isinstance(state.limit, tuple):
        return excess(state.value, state.limit)
    return number(state.value) - _aim(metric)


def _share(metric: BrokenMetric) -> float:
    """Return the excess as a fraction of the limit or target, to compare bytes with packages."""
    return distance(metric) / max(_aim(metric), 1)


def _aim(metric: BrokenMetric) -> int:
    state = metric.state
    passed = excess(state.value, state.limit) > 0
    return number(state.limit if passed else state.target)


def _where(keys: Sequence[ImageKey]) -> Phrase:
    return image_on(place_of(keys[0]), arch_names(keys), emphasis=True)


def _value(group: Sequence[BrokenMetric]) -> Phrase:
    state = group[0].state
    kind, _, package = state.metric.partition(":")
    if kind == "unwanted":
        return say.has_unwanted(package=package, reason=state.reason or "")
    if kind in KINDS:
        what = beyond(state.value or (), state.limit or ())
        return say.has_surface(kind=metric_phrase(kind), what=metric_value(kind, what))
    several = len({metric.state.value for metric in group}) > 1
    up_to, bound = "up to " if several else "", _bound(group[0])
    if kind == "packages":
        return say.has_packages(up_to=up_to, packages=state.value, bound=bound)
    takes = say.takes_installed if kind == "installed_size" else say.takes_to_pull
    return takes(up_to=up_to, size=state.value, bound=bound)


def _bound(metric: BrokenMetric) -> Phrase:
    state = metric.state
    if excess(state.value, state.limit):
        return say.limit_is(limit=metric_text(state.metric, state.limit))
    target = metric_text(state.metric, state.target)
    return say.target_is(by=str(state.target_by), target=target)


def _why(first: BrokenMetric, changes: Changes) -> Phrase:
    if first.why in ("date", "promise", "first seen") and not first.worse:
        return say[f"not_drifted_{first.why.replace(' ', '_')}"]()
    cause = _main_cause(first)
    if cause is None:
        return ()
    package, who = cause.package, _by(cause, changes)
    if cause.change == "came":
        chain = chain_words(cause_json(cause, changes)["cause"]["chain"])
        return say.came(package=package, delta=cause.known_delta, chain=chain, who=who)
    if cause.known_delta:
        return say.grew(package=package, size=cause.known_delta, who=who)
    return say.rebuilt(package=package, who=who)


def _main_cause(metric: BrokenMetric) -> Cause | None:
    """Return the cause with the largest part in one broken metric; None if no package has one."""
    kind, _, package = metric.state.metric.partition(":")
    causes = [cause for step in metric.steps for cause in step.causes]
    if kind == "unwanted":
        fitting = [c for c in causes if c.change == "came" and c.package == package]
    elif kind == "packages":
        fitting = [c for c in causes if c.change == "came"]
    else:
        fitting = [c for c in causes if c.change in ("came", "changed") and c.known_delta > 0]
        if not fitting and kind == "layer_size":
            # A layer also grows by files whose size is not in the metadata.
            fitting = [c for c in causes if c.change in ("came", "changed") and c.after]
    return max(fitting, key=lambda c: c.known_delta, default=None)


def _main_causes(drift: DriftState) -> Iterator[tuple[ImageKey, Cause]]:
    if drift.broken:
        first = _worst(drift.broken)[0]
        cause = _main_cause(first) if first.drifted else None
        if cause is not None:
            yield first.state.key, cause
    for image in drift.lost[:1]:
        if image.cause is not None:
            yield image.key, image.cause


def _remedy(key: ImageKey, cause: Cause, changes: Changes) -> Iterable[Phrase]:
    if cause.merged_change is not None and cause.kind in ("pull request", "commit"):
        yield say.take_back(who=who_phrase(cause, changes))
    workload = _word(key.workload)
    if cause.change == "came":
        yield say.shows_ways(command=f"minimize why {_word(cause.package)} --workload {workload}")
        if cause.chain:
            capability = _word(cause.chain[-1].capability)
            yield say.measures(command=f"minimize what-if drop {capability} --workload {workload}")
    elif cause.change == "changed" and cause.kind == "distribution":
        yield say.look_at(package=str(cause.after or cause.package))
    elif cause.change == "unsolvable" and cause.kind == "distribution":
        yield say.ask_to_repair(package=cause.package)


def _word(text: str) -> str:
    return shlex.quote(text)


_BEST = 3
_MOST = 15


def best_opportunities(history: History, maintainer: str) -> tuple[Opportunity, ...]:
    """Return the three open edits that save most for a maintainer.

    They are in images of the maintainer's objectives, or in packages that are theirs: supported
    ones first, contradicted ones left out.
    """
    open_edits = [
        edit
        for edit in _opportunities_of(history, maintainer)
        if edit.state in ("found", "proposed")
        and edit.saves > 0
        and edit.change.standing != "contradicted"
    ]
    return tuple(sorted(open_edits, key=lambda edit: edit.change.standing != "supported")[:_BEST])


def _opportunities_of(history: History, maintainer: str) -> list[Opportunity]:
    headings = history.objective_headings()
    workloads = {h.workload for h in headings if h.maintainer == maintainer}
    return [
        opportunity
        for opportunity in Opportunities(history.store).all()
        if maintainer in opportunity.change.maintainers
        or workloads & {image.workload for image in opportunity.images}
    ]


def _landed_lately(history: History, maintainer: str, now: datetime) -> list[Opportunity]:
    """Return the edits that landed in the last seven days, the largest savings first."""
    since = utc_text(now - timedelta(days=7))
    opportunities = _opportunities_of(history, maintainer)
    landed = [edit for edit in opportunities if edit.state == "landed" and edit.changed >= since]
    return sorted(landed, key=lambda edit: (-(edit.saved or 0), edit.edit))


def best_edits(history: History, maintainer: str) -> list[Block]:
    """Return a table of the best open edits, with the state of each."""
    rows = [
        (
            code(edit.edit),
            code(edit.change.to),
            figure(format_size(edit.saves)),
            plain(str(len(edit.images))),
            link(edit.state, edit.url) if edit.url else plain(edit.state),
            code(f"/minimize decline {edit.edit} REASON"),
        )
        for edit in best_opportunities(history, maintainer)
    ]
    head = ("Edit", "Write", "Saves", "Images", "State", "Not wanted?")
    return table(head, rows, {2, 3}, _BEST, "edit")


def landed_edits(history: History, maintainer: str, now: datetime) -> list[Block]:
    """Return a table of the edits that landed in the last seven days, with the savings of each."""
    rows = [
        (
            code(edit.edit),
            link(edit.changed[:10], edit.url) if edit.url else plain(edit.changed[:10]),
            figure("" if edit.saved is None else format_size(edit.saved)),
            plain(str(len(edit.images))),
        )
        for edit in _landed_lately(history, maintainer, now)
    ]
    return table(("Edit", "Landed", "Saved", "Images"), rows, {2, 3}, _MOST, "edit")
