"""The images of one architecture, on both sides of a change: solved, compared, explained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache

from bot.check.compare import Thresholds, compare
from bot.check.evidence import Sides
from bot.check.generated import Generated, with_generated
from bot.check.lines import Solving, explain
from bot.check.objectives import evaluate_objectives
from bot.check.solving import Solver
from bot.check.stated_lines import with_cause_lines
from bot.check.unsolvable_head import with_base_of_spec, with_reason
from bot.check.verdict import where_so
from bot.closure.affected import could_concern, could_enter
from bot.closure.pool import Pool
from bot.distro.documents import Configuration
from bot.distro.images import image_request, self_request
from bot.distro.objectives import ObjectiveDocument
from bot.model.closure import Closure, ClosurePair, Edge
from bot.model.image import ImageKey, ImageRequest
from bot.model.nevra import Nevra
from bot.model.result import ImageResult
from bot.model.spec import SpecLine
from bot.model.suggestion import Saving
from bot.requests.values import RequestedImage

SELF = "@self"


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """One affected image: its result, both closures, and what each line of the change costs.

    `request` is head's. `sources` are the changed sources of which either closure has a package;
    for an image that cannot be installed, also those with a package that it requests by name.
    """

    result: ImageResult
    request: ImageRequest
    pair: ClosurePair
    savings: Mapping[SpecLine, Saving]
    sources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for all images of a check; `today` decides which targets are due."""

    configuration: Configuration
    thresholds: Thresholds
    objectives: tuple[ObjectiveDocument, ...]
    today: date


def affected_images(
    pool: Pool, keys: tuple[ImageKey, ...], sides: Sides, rules: Rules
) -> tuple[CheckedImage, ...]:
    """The images of `keys` (all of the pool's architecture) that the change affects."""
    requests = [image_request(rules.configuration, key) for key in keys]
    solver = Solver(pool, sides, requests)
    checked = []
    for request in requests:
        pair = image_pair(solver, request)
        if pair is not None:
            checked.append(
                _checked_image(solver, RequestedImage(request.key, request, request), pair, rules)
            )
    return tuple(checked)


def requested_images(
    pool: Pool,
    requested: Sequence[RequestedImage],
    sides: Sides,
    rules: Rules,
    base_pool: Pool | None = None,
) -> tuple[CheckedImage, ...]:
    """The images (all of the pool's architecture) whose request the change edits.

    The base of an image that the base's files do not have is `absent`. `base_pool` is the base's,
    if the change edits the repository document too.
    """
    requests = [
        side for image in requested for side in (image.base, image.head) if side is not None
    ]
    solver = Solver(pool, sides, requests, base_pool)
    checked = []
    for image in requested:
        assert image.head is not None  # an image that head does not request is not checked
        head = solver.solve(image.head, sides.head)
        base = _absent(head) if image.base is None else solver.solve_base(image.base)
        built = holds(base, sides.sources) or holds(head, sides.sources)
        pair = ClosurePair(base, head, sides.head.evidence if built else "requested")
        pair = _with_reasons(solver, (image.base or image.head, image.head), pair)
        checked.append(_checked_image(solver, image, pair, rules))
    return tuple(checked)


def image_pair(solver: Solver, request: ImageRequest) -> ClosurePair | None:
    """Both closures of an image, prepared for the verdict; null if the change cannot affect it."""
    pair = closure_pair(solver, request)
    if pair is None:
        return None
    return _with_reasons(solver, (request, request), _with_absent_base(pair, solver.sides))


def _with_reasons(
    solver: Solver, requests: tuple[ImageRequest, ImageRequest], pair: ClosurePair
) -> ClosurePair:
    """The pair; with the reason, if it cannot be installed and the change is not at fault."""
    base_request, request = requests
    pair = with_reason(solver.pool, request, pair, solver.sides.base)
    return with_base_of_spec(solver.pool, base_request, pair, solver.sides)


def self_images(
    pool: Pool, keys: tuple[ImageKey, ...], sides: Sides, rules: Rules, workloads: Mapping[str, str]
) -> tuple[CheckedImage, ...]:
    """The images `@self`: each environment of `keys` plus each package that `workloads` names.

    `workloads` has the workload of the image by package. The base of a package that the base does
    not have is `absent`, or unsolvable if the environment alone is: the change is not at fault
    then. If head does not have the package, head is the environment alone.
    """
    before = {p.nevra.name for p in sides.base.packages}
    after = {p.nevra.name for p in sides.head.packages}
    names = sorted((before | after) & workloads.keys())
    if not names:
        return ()
    solver = Solver(pool, sides, ())
    checked = []
    for key in keys:
        for name in names:
            workload = workloads[name]
            where = (rules.configuration, key.environment, key.repository, key.arch)
            request = self_request(*where, [name] if name in after else [], workload=workload)
            base_names = [name] if name in before else []
            base_request = self_request(*where, base_names, workload=workload)
            base = solver.solve(base_request, sides.base)
            if base.status == "ok" and name not in before:
                base = _absent(base)
            pair = ClosurePair(base, solver.solve(request, sides.head), sides.head.evidence)
            requests = base_request, request
            pair = _with_reasons(solver, requests, pair)
            checked.append(_checked_image(solver, RequestedImage(key, *requests), pair, rules))
    return tuple(checked)


def lost_sources(sides: Mapping[str, Sides]) -> Iterator[str]:
    """A sentence for each source that makes packages at the base and none at head; `sides` are by
    architecture."""
    lost: dict[str, list[str]] = {}
    for arch, both in sides.items():
        lost_here = {p.source for p in both.base.packages} - {p.source for p in both.head.packages}
        for source in sorted(lost_here):
            lost.setdefault(source, []).append(arch)
    for source, arches in lost.items():
        yield f"This change makes no package of {source} any more. {where_so(arches, sides)}"


def _checked_image(
    solver: Solver, requested: RequestedImage, pair: ClosurePair, rules: Rules
) -> CheckedImage:
    """The result of one image, compared and explained."""
    request = requested.head
    assert request is not None  # every compared image has a head
    before, sides = (requested.base or request, pair.base), solver.sides
    own = frozenset(requested.lines)

    def without(lines: frozenset[SpecLine]) -> Closure:
        of_specs = lines - own
        overlay = solver.without(of_specs) if of_specs else sides.head
        return solver.solve(requested.without(lines & own), overlay)

    def only(line: SpecLine) -> Closure:
        if line in own:
            return solver.solve(requested.only(line), sides.base)
        return solver.solve(request, solver.only(line))

    def apart(lines: frozenset[SpecLine], generated: Generated) -> Closure:
        overlay = solver.without_generated(lines - own, generated)
        return solver.solve(requested.without(lines & own), overlay)

    @cache
    def ways(lines: frozenset[SpecLine]) -> Mapping[tuple[str, str], tuple[Edge, ...]]:
        overlay = solver.without(lines - own) if lines - own else sides.head
        after = requested.without(lines & own), without(lines)
        by_nevra = solver.chains(before, after, overlay)
        return {n.name_arch: min(c, key=len) for n, c in by_nevra.items() if c}

    chains = solver.chains(before, (request, pair.head), sides.head)
    roots = _roots(solver, requested, pair.head)
    # The chain to a package that a line requests is that package alone.
    chains = {n: paths or (((),) if n in roots else ()) for n, paths in chains.items()}
    image = compare(pair, rules.thresholds, _with_files(chains, pair.head))
    texts = {entry.text: entry.line for entry in requested.entries}
    head = with_cause_lines(image.head, sides.lines, sides.removed, texts)
    image = replace(image, head=head)
    solving = Solving(without, only, ways, requested.lines, roots)
    explained = explain(image, pair.head, sides.lines, solving)
    image = with_generated(explained, solver.generated if image.added else (), apart)
    objectives = evaluate_objectives(rules.objectives, image, pair, rules.today)
    image = replace(image, objectives=objectives)
    return CheckedImage(
        image,
        request,
        pair,
        # Where weak dependencies are installed, weakening a line saves nothing.
        {} if request.weak else explained.savings,
        _sources_in(pair, request, sides),
    )


def _roots(
    solver: Solver, requested: RequestedImage, head: Closure
) -> Mapping[Nevra, tuple[SpecLine, ...]]:
    """The lines of the change that request packages of head, by package."""
    lines_of: dict[Nevra, dict[SpecLine, None]] = {}
    for entry in requested.entries:
        names = solver.pool.group(entry.text) if entry.kind == "group" else (entry.text,)
        for name in names if entry.kind in ("package", "group") else ():
            for nevra in solver.pool.selects(name, solver.sides.head):
                if nevra in head.requested:
                    lines_of.setdefault(nevra, {})[entry.line] = None
    return {nevra: tuple(sorted(lines)) for nevra, lines in lines_of.items()}


def _with_files(
    chains: Mapping[Nevra, tuple[tuple[Edge, ...], ...]], head: Closure
) -> Mapping[Nevra, tuple[tuple[Edge, ...], ...]]:
    """The chains; each generated requirement with the files that it was generated for, if known."""
    files = {
        (p.nevra, d.kind, d.capability): d.files
        for p in head.packages
        # The files are known of built packages only.
        if p.repository == "overlay"
        for d in p.dependencies
        if d.files
    }

    if not files:
        return chains

    def named(edge: Edge) -> Edge:
        holder = edge.target if edge.kind == "supplements" else edge.source
        return replace(edge, files=files.get((holder, edge.kind, edge.capability), ()))

    return {
        nevra: tuple(tuple(map(named, chain)) for chain in paths) for nevra, paths in chains.items()
    }


def _sources_in(pair: ClosurePair, request: ImageRequest, sides: Sides) -> frozenset[str]:
    """The changed sources that an image is about (`CheckedImage.sources`)."""
    packages = (*pair.base.packages, *pair.head.packages)
    sources = {p.source for p in packages if p.source in sides.sources}
    if pair.base.status != "ok" or pair.head.status != "ok":
        overlays = (*sides.base.packages, *sides.head.packages)
        sources.update(p.source for p in overlays if p.nevra.name in request.requests)
    return frozenset(sources)


def _with_absent_base(pair: ClosurePair, sides: Sides) -> ClosurePair:
    """The pair with an absent base, if the image requests packages that are new with the change and
    nothing else makes the base unsolvable."""
    missing = pair.base.missing
    others = len(pair.base.problems) > len(missing)
    if not missing or others or not sides.new_packages.issuperset(missing):
        return pair
    return replace(pair, base=_absent(pair.base))


def _absent(closure: Closure) -> Closure:
    return Closure(closure.key, closure.snapshot, "absent")


def closure_pair(solver: Solver, request: ImageRequest) -> ClosurePair | None:
    """Both closures of an image; null if the change cannot affect it.

    An image is affected if either closure has a package of a changed source, or if they differ.
    Head is solved only if the overlay could enter the image. An image that neither side can install
    is affected if it concerns a changed source (`could_concern`).
    """
    pool, sources = solver.pool, solver.sides.sources
    base, head = solver.sides.base, solver.sides.head
    before = solver.solve(request, base)
    if before.status == "ok":
        if not (
            holds(before, sources)
            or could_enter(pool, before, base, request)
            or could_enter(pool, before, head, request)
        ):
            return None
        after = solver.solve(request, head)
        if not holds(before, sources) and not holds(after, sources) and same(before, after):
            return None
        return ClosurePair(before, after, head.evidence)
    after = solver.solve(request, head)
    pair = ClosurePair(before, after, head.evidence)
    if after.status == "ok":
        return pair
    if before.problems != after.problems or any(
        could_concern(pool, request, side) for side in (base, head)
    ):
        return pair
    return None


def holds(closure: Closure, sources: Iterable[str]) -> bool:
    """Return whether the closure has a package of one of these sources."""
    source_set = frozenset(sources)
    return any(p.source in source_set for p in closure.packages)


def same(before: Closure, after: Closure) -> bool:
    """Return whether both can be installed and have the same packages."""
    return before.status == after.status == "ok" and before.packages == after.packages
