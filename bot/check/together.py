"""Checks several changes together: their sides joined, and the effect of each alone.

Each change has its own merge base. The packages of all changed sources are in the overlays of both
sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from bot.check.change import Change
from bot.check.compare import side_of
from bot.check.evidence import EvaluatedSpec, Sides, joined_sides, raised_sources
from bot.check.images import CheckedImage
from bot.check.repository_file import RepositoryFile
from bot.check.stated_lines import AddedDependency
from bot.check.target import Target
from bot.errors import UsageError
from bot.model.closure import Closure
from bot.model.nevra import Nevra
from bot.model.result import OnlyTogether, OtherChange
from bot.model.spec import SpecLine


@dataclass(frozen=True, slots=True)
class Part:
    """One of the changes of a check, its `.minimize.yaml` in force, and its targets.

    `name` is "" for the change that is checked, else the name of the other one.
    """

    name: str
    change: Change
    file: RepositoryFile
    targets: tuple[Target, ...]

    def path(self, path: str) -> str:
        """A path of the change in results: with the name of another change before it."""
        return f"{self.name}:{path}" if self.name else path


def joined_targets(parts: Sequence[Part]) -> tuple[Target, ...]:
    """Join the targets of all changes. Raises UsageError if two change the same source."""
    if len(parts) == 1:
        return parts[0].targets
    _refuse_same_sources(parts)
    by_document: dict[str, list[Target]] = {}
    for part in parts:
        for target in part.targets:
            named = _with_name(target, part.name)
            by_document.setdefault(target.document.id, []).append(named)
    return tuple(_joined_target(targets) for targets in by_document.values())


def other_change(part: Part) -> OtherChange:
    """An additional change for results."""
    specs = [evaluated for target in part.targets for evaluated in target.specs]
    return OtherChange(
        part.name,
        part.change.base,
        part.change.head,
        part.change.merge_base,
        tuple(sorted({evaluated.spec.path for evaluated in specs})),
        raised_sources(specs),
    )


def with_each_alone(
    images: Iterable[CheckedImage], parts: Sequence[Part]
) -> tuple[CheckedImage, ...]:
    """The images with the head of each change alone, and what only all together do.

    A change alone is solved with its own packages, as in its own check.
    """
    images = tuple(images)
    places = {(i.result.key.repository, i.result.key.arch) for i in images}
    by_key = {image.result.key: image for image in images}
    for place in sorted(places):
        own = [i for i in images if (i.result.key.repository, i.result.key.arch) == place]
        heads = [_alone(part, place, own) for part in parts]
        for image, *alone in zip(own, *heads, strict=True):
            by_key[image.result.key] = _with_alone(image, alone)
    return tuple(by_key[image.result.key] for image in images)


def _alone(part: Part, place: tuple[str, str], images: Sequence[CheckedImage]) -> list[Closure]:
    """The head of each image with the packages of one change alone; the base if the change has
    none."""
    document, arch = place
    for target in part.targets:
        sides = target.sides.get(arch)
        if target.document.id == document and sides is not None:
            pool = target.pools[arch]
            requests = [image.request for image in images]
            pool.hold((sides.head,), requests)
            return [pool.solve(r, sides.head, settled=lambda _: True) for r in requests]
    return [image.pair.base for image in images]


def _with_alone(image: CheckedImage, alone: Sequence[Closure]) -> CheckedImage:
    before, after = _installed(image.pair.base), _installed(image.pair.head)
    installed = [_installed(closure) for closure in alone]
    together = OnlyTogether()
    if image.pair.base.status == image.pair.head.status == "ok":
        added = after.keys() - before.keys() - frozenset().union(*installed)
        removed = frozenset(before).intersection(*installed) - after.keys()
        together = OnlyTogether(
            tuple(sorted(after[key] for key in added)),
            tuple(sorted(before[key] for key in removed)),
        )
    first, *others = map(side_of, alone)
    result = replace(image.result, alone=first, alone_with=tuple(others), only_together=together)
    return replace(image, result=result)


def _installed(closure: Closure) -> Mapping[tuple[str, str], Nevra]:
    return {p.nevra.name_arch: p.nevra for p in closure.packages}


def _refuse_same_sources(parts: Sequence[Part]) -> None:
    """Raise UsageError if two changes make packages of the same source: only a merge in git can
    join their specs."""
    for first, second in combinations(parts, 2):
        common = sorted(_sources(first) & _sources(second))
        if common:
            changes = (
                f"This change and {second.name}"
                if not first.name
                else (f"{first.name} and {second.name}")
            )
            raise UsageError(
                f"{changes} both change the source package {common[0]}.",
                "Merge one into the other with git, and check the result as one change.",
            )


def _sources(part: Part) -> frozenset[str]:
    return frozenset(
        source
        for target in part.targets
        for evaluated in target.specs
        for arch in (*evaluated.base, *evaluated.head)
        for source in evaluated.sources(arch)
    )


def _joined_target(targets: Sequence[Target]) -> Target:
    """Join the targets of one repository document."""
    if len(targets) == 1:
        return targets[0]
    sides: dict[str, list[Sides]] = {}
    for target in targets:
        for arch, own in target.sides.items():
            sides.setdefault(arch, []).append(own)
    return replace(
        targets[0],
        pools={arch: pool for target in targets for arch, pool in target.pools.items()},
        specs=tuple(spec for target in targets for spec in target.specs),
        sides={arch: joined_sides(joined) for arch, joined in sides.items()},
        unevaluated=tuple(failure for target in targets for failure in target.unevaluated),
        unknown={
            arch: tuple(unknown for target in targets for unknown in target.unknown.get(arch, ()))
            for arch in {arch for target in targets for arch in target.unknown}
        },
    )


def _with_name(target: Target, name: str) -> Target:
    """A target with the change's name before the paths of its files; "" adds nothing."""
    if not name:
        return target
    return replace(
        target,
        specs=tuple(_named_spec(spec, name) for spec in target.specs),
        sides={
            arch: replace(
                sides,
                lines=tuple(_named_line(line, name) for line in sides.lines),
                removed=tuple(_named_line(line, name) for line in sides.removed),
                build_requires=tuple(
                    replace(
                        dependency,
                        origin=dependency.origin and _named_origin(dependency.origin, name),
                    )
                    for dependency in sides.build_requires
                ),
            )
            for arch, sides in target.sides.items()
        },
        unknown={
            arch: tuple(replace(unknown, path=f"{name}:{unknown.path}") for unknown in unknowns)
            for arch, unknowns in target.unknown.items()
        },
    )


def _named_spec(evaluated: EvaluatedSpec, name: str) -> EvaluatedSpec:
    paths = (evaluated.spec.base_path, evaluated.spec.head_path)
    base, head = (None if path is None else f"{name}:{path}" for path in paths)
    return replace(evaluated, spec=replace(evaluated.spec, base_path=base, head_path=head))


def _named_line(line: AddedDependency, name: str) -> AddedDependency:
    return replace(line, origin=_named_origin(line.origin, name))


def _named_origin(line: SpecLine, name: str) -> SpecLine:
    feeds = tuple(_named_origin(fed, name) for fed in line.feeds)
    return replace(line, path=f"{name}:{line.path}", feeds=feeds)
