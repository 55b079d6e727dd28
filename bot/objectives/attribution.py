"""Attribution of an image's step: its delta is divided among packages, to the byte."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from bot.closure.evr import compare_evr
from bot.closure.graph import Leaving, PackageGraph
from bot.closure.why import MOST_REQUIREMENTS
from bot.model.closure import Edge, EdgeKind, Link, Requirement
from bot.model.image import ImageKey
from bot.store.history.values import WEAK, Cause, Contents, EvaluatedImage, Member, MergedChange

Name = tuple[str, str]
Chain = tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Attribution:
    """The causes of a step, largest first, and the ids of the merged changes that landed."""

    causes: tuple[Cause, ...]
    landed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Pair:
    """A package before and after, by index; null where it is missing."""

    before: int | None
    after: int | None


@dataclass(slots=True)
class _Comparison:
    """Both sides of a step."""

    members: tuple[Sequence[Member], Sequence[Member]]
    graphs: tuple[Graph, Graph]
    requests: tuple[frozenset[str], frozenset[str]]
    same_metadata: bool
    pairs: list[_Pair]
    landed: list[MergedChange]
    requested: list[MergedChange]
    effects: Mapping[int, Mapping[str, str]]
    names: tuple[frozenset[Name], frozenset[Name]] = field(init=False)
    partner: tuple[dict[int, int], dict[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.names = (_names(self.members[0]), _names(self.members[1]))
        indices = [(p.before, p.after) for p in self.pairs]
        forth = {b: a for b, a in indices if b is not None and a is not None}
        self.partner = (forth, {a: b for b, a in forth.items()})


def attribute(
    before: Contents,
    after: EvaluatedImage,
    candidates: Iterable[MergedChange] = (),
    *,
    same_metadata: bool = False,
) -> Attribution:
    """Return the causes of the step from one solvable state to the next.

    `changes` are merged pull requests, oldest first, with their effects. One has landed when a
    package of its sources reached the version of its head (or, if the head has none, changed at
    all). One without sources changes requests: it has landed when a package came or left as its
    check predicted. `same_metadata` says that the repositories did not change: then only the
    configuration can be the cause.
    """
    pairs = _pairs(before.members, after.members)
    candidates = tuple(c for c in candidates if may_land(c, after.key))
    arrived_changes = [
        c for c in candidates if _has_landed(c, before.members, after.members, pairs)
    ]
    requested = [c for c in candidates if _waits_for_request(c, after.key)]
    comparison = _Comparison(
        (before.members, after.members),
        (graph_of(before), graph_of(after)),
        (frozenset(before.requests), frozenset(after.requests)),
        same_metadata,
        pairs,
        arrived_changes,
        requested,
        {c.id: {k: v for e in c.effects if e.key == after.key for k, v in e.names.items()}
         for c in (*arrived_changes, *requested)},
    )  # fmt: skip
    causes = [_cause(comparison, pair) for pair in pairs if _differs(comparison, pair)]
    causes.sort(key=_order)
    ids = {cause.merged_change for cause in causes} & {change.id for change in requested}
    arrived = {change.id for change in arrived_changes} | {id_ for id_ in ids if id_ is not None}
    return Attribution(tuple(causes), frozenset(arrived))


def _order(cause: Cause) -> tuple[int, str, str, str]:
    return -abs(cause.known_delta), cause.package, str(cause.before or ""), str(cause.after or "")


def may_land(change: MergedChange, key: ImageKey) -> bool:
    """Return whether the image's repositories are built from the change's target branch."""
    return not change.documents or key.repository in change.documents


def _waits_for_request(change: MergedChange, key: ImageKey) -> bool:
    """Return whether a change of requests may still have an effect on an image."""
    return not change.sources and any(
        effect.key == key and effect.landed_run is None for effect in change.effects
    )


def _names(members: Iterable[Member]) -> frozenset[Name]:
    return frozenset((m.nevra.name, m.nevra.arch) for m in members)


def _pairs(before: Sequence[Member], after: Sequence[Member]) -> list[_Pair]:
    """Return every package once: paired by NEVRA, else by name and architecture, else by name."""
    pairs: list[_Pair] = []
    left, right = list(range(len(before))), list(range(len(after)))
    for mark in (
        lambda m: m.nevra,
        lambda m: (m.nevra.name, m.nevra.arch),
        lambda m: m.nevra.name,
    ):
        unmatched: dict[object, list[int]] = {}
        for index in right:
            unmatched.setdefault(mark(after[index]), []).append(index)
        unpaired = []
        for index in left:
            matches = unmatched.get(mark(before[index]))
            if matches:
                pairs.append(_Pair(index, matches.pop(0)))
            else:
                unpaired.append(index)
        left, right = unpaired, sorted(i for indexes in unmatched.values() for i in indexes)
    pairs += [_Pair(index, None) for index in left]
    pairs += [_Pair(None, index) for index in right]
    return pairs


def _differs(comparison: _Comparison, pair: _Pair) -> bool:
    if pair.before is None or pair.after is None:
        return True
    before, after = comparison.members[0][pair.before], comparison.members[1][pair.after]
    if before.nevra != after.nevra or before.installed_size != after.installed_size:
        return True
    # The same NEVRA with another file: its layer may have another size. A size that was unknown
    # before proves nothing.
    return None not in (before.download_size, after.download_size) and (
        before.download_size != after.download_size
    )


def _has_landed(
    change: MergedChange, before: Sequence[Member], after: Sequence[Member], pairs: list[_Pair]
) -> bool:
    for pair in pairs:
        if pair.after is None:
            continue
        new = after[pair.after]
        old = before[pair.before] if pair.before is not None else None
        if new.source not in change.sources or (old is not None and old.nevra == new.nevra):
            continue
        head = change.sources[new.source]
        if head is None:
            return True
        reached = compare_evr(new.nevra.version_release, head) >= 0
        reached_before = old is not None and compare_evr(old.nevra.version_release, head) >= 0
        if reached and not reached_before:
            return True
    return False


def _cause(comparison: _Comparison, pair: _Pair) -> Cause:
    old = comparison.members[0][pair.before] if pair.before is not None else None
    new = comparison.members[1][pair.after] if pair.after is not None else None
    sizes = [m.installed_size for m in (old, new) if m is not None]
    known_delta = (new.installed_size or 0 if new else 0) - (old.installed_size or 0 if old else 0)
    nevra = (new or old).nevra  # type: ignore[union-attr]  # a pair has one side at least
    change = "changed" if old and new else "came" if new else "went"
    side, index = (1, pair.after) if pair.after is not None else (0, pair.before)
    assert index is not None
    chains = shortest_chains(comparison.graphs[side], index)
    chain: Chain = chains[0] if chains else ()
    mover: Member | None = None
    kind = "distribution"
    if old is None or new is None:
        chain, mover, kind = _brought(comparison, side, index, chains)
    if comparison.same_metadata:
        kind = "configuration"
    if kind == "configuration":
        foreseen = (
            c for c in comparison.requested if comparison.effects[c.id].get(nevra.name) == change
        )
        merged = next(iter(sorted(foreseen, key=lambda c: c.merged, reverse=True)), None)
    else:
        merged = _merged(comparison, nevra.name, change, {m.source for m in (old, new, mover) if m})
    if merged is not None:
        kind = "commit" if merged.number is None else "pull request"
    return Cause(
        package=nevra.name,
        change=change,  # type: ignore[arg-type]  # one of the three
        before=old.nevra if old else None,
        after=new.nevra if new else None,
        delta=None if None in sizes else known_delta,
        known_delta=known_delta,
        kind=kind,  # type: ignore[arg-type]  # one of CauseKind
        mover=mover.nevra if mover else None,
        merged_change=merged.id if merged is not None else None,
        chain=edges_of(comparison.members[side], chain),
    )


def _brought(
    comparison: _Comparison, side: int, index: int, chains: tuple[Chain, ...]
) -> tuple[Chain, Member | None, str]:
    """Return the chain to an added or removed package, its origin, and the kind of the cause.

    On the way from the requested packages, the first package that the other side lacks is required
    by one that the other side has: if that one changed itself, it is the origin.
    """
    members = comparison.members[side]
    other_names = comparison.names[1 - side]
    requests_differ = comparison.requests[side] != comparison.requests[1 - side]
    if members[index].requested:
        return (), members[index], "configuration" if requests_differ else "distribution"
    if not chains:
        return (), None, "unknown"
    toggled = (WEAK in comparison.requests[0]) != (WEAK in comparison.requests[1])
    for chain in chains:
        root = members[chain[0].source]
        if toggled and any(link.kind != "requires" for link in chain):
            return chain, None, "configuration"
        if (root.nevra.name, root.nevra.arch) not in other_names:
            if requests_differ:
                return chain, root, "configuration"
            continue
        mover = _mover(comparison, side, chain, other_names)
        if mover is not None:
            return chain, mover, "distribution"
    root = members[chains[0][0].source]
    absent = (root.nevra.name, root.nevra.arch) not in other_names
    return chains[0], root if absent else None, "distribution"


def _mover(
    comparison: _Comparison, side: int, chain: Sequence[Link], other_names: frozenset[Name]
) -> Member | None:
    members = comparison.members[side]
    for link in chain:
        target = members[link.target]
        if (target.nevra.name, target.nevra.arch) in other_names:
            continue
        partner = comparison.partner[side].get(link.source)
        if partner is None:
            return None
        source, counterpart = members[link.source], comparison.members[1 - side][partner]
        if source.nevra == counterpart.nevra:
            return _other_provider(comparison, side, link, partner)
        return source if side == 1 else counterpart
    return None


def _other_provider(comparison: _Comparison, side: int, link: Link, partner: int) -> Member | None:
    """Return the changed package that satisfies an unchanged one on the other side.

    It replaced a package that left, or was replaced by one that came.
    """
    other = comparison.members[1 - side]
    for place in comparison.graphs[1 - side].met_by(partner, link.capability):
        back = comparison.partner[1 - side].get(place)
        if back == link.target:
            continue
        if back is None:
            # It is only on that side: it replaced what left, or it left and cannot have brought
            # anything.
            return other[place] if side == 0 else None
        if other[place].nevra != comparison.members[side][back].nevra:
            return other[place] if side == 0 else comparison.members[side][back]
    return None


def _merged(
    comparison: _Comparison, name: str, change: str, sources: set[str]
) -> MergedChange | None:
    """Return the merged change of a cause: by its sources, or by its check's prediction.

    Of several it is the newest that predicted it, else the newest.
    """
    fitting = [
        c
        for c in comparison.landed
        if not sources.isdisjoint(c.sources) or comparison.effects[c.id].get(name) == change
    ]
    foreseen = [c for c in fitting if name in comparison.effects[c.id]]
    return (foreseen or fitting)[-1] if fitting else None


Graph = PackageGraph[int, Link]


def graph_of(contents: Contents | EvaluatedImage) -> Graph:
    """Return the links among an image's members."""
    requested = (i for i, member in enumerate(contents.members) if member.requested)
    return PackageGraph(requested, contents.links, range(len(contents.members)))


def shortest_chains(graph: Graph, place: int) -> tuple[tuple[Link, ...], ...]:
    """Return one shortest chain from each requested package to a member, shortest first."""
    return tuple(sorted(graph.chains(place), key=len))


def edges_of(members: Sequence[Member], chain: Iterable[Link]) -> tuple[Edge, ...]:
    """Return a chain of links as edges."""
    return tuple(
        Edge(
            members[link.source].nevra,
            link.capability,
            members[link.target].nevra,
            cast(EdgeKind, link.kind),
        )
        for link in chain
    )


def leaves_with(graph: Graph, members: Sequence[Member], place: int) -> tuple[Requirement, ...]:
    """Return the smallest set of requirements without which nothing leads to a member, sorted.

    It uses the image's own links: packages that a solver would add instead do not count. Empty if
    the package is requested, or if the set is too large.
    """
    cut = graph.cut(place, graph.all_roots, MOST_REQUIREMENTS)
    return tuple(Requirement(members[stated].nevra, capability) for stated, capability in cut)


def leaving(graph: Graph, members: Sequence[Member]) -> tuple[Leaving, ...]:
    """Return the packages that would leave with each member, by the image's own links."""
    sets = graph.leaving({i: member.installed_size or 0 for i, member in enumerate(members)})
    return tuple(sets[i] for i in range(len(members)))
