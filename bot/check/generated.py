"""Requirements that generators find during a build and that no line of the change states.

For each, the line of `BuildRequires` that made it possible, and the image without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from bot.check.evidence import Sides
from bot.check.lines import Explained
from bot.check.stated_lines import plain_capability
from bot.closure.packages import totals
from bot.closure.pool import Pool
from bot.model.closure import Closure, Edge, GeneratedRequirement
from bot.model.package import Overlay, Package
from bot.model.result import Added, ImageResult, Without
from bot.model.spec import SpecLine

Generated = frozenset[GeneratedRequirement]
_Cause = tuple[frozenset[SpecLine], Generated]


def generated_requirements(pool: Pool, sides: Sides) -> tuple[GeneratedRequirement, ...]:
    """The generated requirements of head's packages that the base's lack and no line states.

    Each has the first added line of `BuildRequires` whose packages provide the capability while
    those of the base's lines do not. Both are solved as a build root.
    """
    if sides.head.evidence == "predicted":
        return ()
    stated = {(c.own.name, plain_capability(c.own, c.dependency)) for c in sides.lines}
    before = {
        package.nevra.name: {plain_capability(package.nevra, d) for d in package.dependencies}
        for package in sides.base.packages
    }
    lines = _BuildLines(pool, sides)
    return tuple(
        GeneratedRequirement(package.nevra.name, d.capability, d.files, lines.of(d.capability))
        for package in sides.head.packages
        for d in package.of_kind("requires")
        if d.generated is not False
        for plain in [plain_capability(package.nevra, d)]
        if plain not in before.get(package.nevra.name, set())
        and (package.nevra.name, plain) not in stated
    )


class _BuildLines:
    """The added lines of `BuildRequires`, each with the names of the packages that it adds to the
    build root."""

    def __init__(self, pool: Pool, sides: Sides) -> None:
        self._pool = pool
        base = self._build_root_names(sides.base_build_requires)
        self._brought: dict[SpecLine, set[str]] = {}
        for added in sides.build_requires:
            if added.origin is not None and base is not None:
                names = self._build_root_names([added.dependency.capability]) or set()
                self._brought.setdefault(added.origin, set()).update(names - base)

    def of(self, capability: str) -> SpecLine | None:
        if not self._brought:
            return None
        providers = {nevra.name for nevra in self._pool.selects(capability)}
        lines = (line for line, names in self._brought.items() if names & providers)
        return next(lines, None)

    def _build_root_names(self, capabilities: Iterable[str]) -> set[str] | None:
        """The names of the packages in a build root; null if it cannot be installed."""
        closure = self._pool.solve_names(capabilities, settled=lambda _: True)
        return {p.nevra.name for p in closure.packages} if closure.status == "ok" else None


def overlay_without_generated(overlay: Overlay, generated: Generated) -> Overlay:
    """The overlay as it would be if the build had not generated these requirements."""
    dropped: dict[str, set[str]] = {}
    for requirement in generated:
        dropped.setdefault(requirement.package, set()).add(requirement.capability)

    def trimmed(package: Package) -> Package:
        drop = dropped.get(package.nevra.name, set())
        dependencies = (
            d for d in package.dependencies if d.kind != "requires" or d.capability not in drop
        )
        return replace(package, dependencies=tuple(dependencies)) if drop else package

    return replace(overlay, packages=tuple(map(trimmed, overlay.packages)))


def with_generated(
    explained: Explained,
    requirements: Iterable[GeneratedRequirement],
    solve: Callable[[frozenset[SpecLine], Generated], Closure],
) -> ImageResult:
    """The image with generated requirements as causes, and its sizes without each and all causes.

    `solve(lines, generated)` solves head without these lines and requirements.
    """
    by_capability = {
        (requirement.package, requirement.capability): requirement for requirement in requirements
    }
    image = replace(
        explained.image,
        added=tuple(_with_cause(added, by_capability) for added in explained.image.added),
    )
    causes = tuple(dict.fromkeys(_causes(image, tuple(by_capability.values()))))
    if len(causes) > 1:
        lines = frozenset(line for group, _ in causes for line in group)
        causes = (
            *causes,
            (lines, frozenset(g for _, requirements in causes for g in requirements)),
        )
    return replace(image, without=tuple(_measured(causes, explained.solved, solve)))


def _with_cause(
    added: Added, by_capability: Mapping[tuple[str, str], GeneratedRequirement]
) -> Added:
    if added.spec is not None or not by_capability:
        return added
    edges = (edge for chain in _shortest(added) for edge in chain)
    requirements = (by_capability.get((edge.source.name, edge.capability)) for edge in edges)
    return replace(
        added,
        generated=next(
            (requirement for requirement in requirements if requirement is not None), None
        ),
    )


def _shortest(added: Added) -> Iterator[tuple[Edge, ...]]:
    yield from sorted(added.chains, key=lambda chain: (len(chain), chain))


def _causes(image: ImageResult, known: tuple[GeneratedRequirement, ...]) -> Iterator[_Cause]:
    """The sets of lines and of generated requirements without which packages are not added."""
    for added in image.added:
        if added.leaves_with:
            yield frozenset(added.leaves_with), frozenset()
        elif added.generated is not None:
            group = added.generated.group
            yield (
                frozenset(),
                frozenset(requirement for requirement in known if requirement.group == group),
            )


def _measured(
    causes: Iterable[_Cause],
    solved: Mapping[frozenset[SpecLine], Closure],
    solve: Callable[[frozenset[SpecLine], Generated], Closure],
) -> Iterator[Without]:
    for lines, generated in causes:
        closure = solved.get(lines) if not generated else None
        closure = closure or solve(lines, generated)
        if closure.status == "ok":
            sums = totals(closure)
            capabilities = tuple(sorted({requirement.capability for requirement in generated}))
            yield Without(tuple(sorted(lines)), capabilities, sums.packages, sums.installed_size)
