"""Builds both sides on one architecture and transfers the difference to the others.

It is transferred to architectures on which the evaluated spec files differ in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bot.build.builder import Builder, BuildFailed, BuildOutcome, BuildRequest, BuiltPackages
from bot.build.headers import rebuilt_overlay
from bot.build.transfer import transfer
from bot.check.evidence import EvaluatedSpec, Side, Sides
from bot.check.verdict import unevaluated
from bot.closure.pool import Pool
from bot.distro.documents import RepositoryDocument
from bot.errors import in_backticks
from bot.model.architecture import architecture_order
from bot.model.package import Overlay
from bot.model.spec import BuildNote, SpecEvaluation
from bot.spec.architecture_difference import unlike, used_unlike


@dataclass(frozen=True, slots=True)
class BuildContext:
    """The context that both sides' builds share. `trees` are the folders of the two sides'
    files, `native` is the architecture that is built for, `emulated` on a machine of another."""

    builder: Builder
    document: RepositoryDocument
    pool: Pool
    trees: Mapping[Side, Path]
    definitions: Mapping[str, str]
    lookaside: str | None
    native: str
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The sides of each architecture after the builds, and how each build went.

    An architecture that is not in `sides` keeps its prediction. `problems` are sentences;
    `interrupted` is true if something around the builds failed.
    """

    sides: Mapping[str, Sides]
    builds: tuple[BuildNote, ...]
    problems: tuple[str, ...] = ()
    interrupted: bool = False


def rebuild(
    context: BuildContext,
    specs: tuple[EvaluatedSpec, ...],
    predicted: Mapping[str, Sides],
    provides: Callable[[str], Callable[[str], bool]],
    elsewhere: Collection[str] = (),
) -> Rebuilt:
    """Build every evaluated spec, base first, and transfer the difference to other architectures.

    The difference goes to architectures on which the change is the same. `provides(arch)` returns a
    function that says whether the pool of that architecture has a capability. If one side does not
    build, the predictions stand and a note says which side, and why. `elsewhere` are architectures
    with a build of their own: a failed transfer to them is no problem.
    """
    notes: list[BuildNote] = []
    built: dict[Side, list[BuiltPackages]] = {"base": [], "head": []}
    failed: list[BuildFailed] = []
    for evaluated in specs:
        for side in ("base", "head"):
            outcome = _build(context, evaluated, side)
            if outcome is None:
                continue
            notes.append(_note(context, evaluated, side, outcome))
            if isinstance(outcome, BuiltPackages):
                built[side].append(outcome)
            else:
                failed.append(outcome)
    if failed:
        around = any(f.kind == "surroundings" for f in failed)
        return Rebuilt({}, tuple(notes), interrupted=around)
    differing = obstacles(specs, context.native, predicted.keys() - {context.native})
    same = {arch: before for arch, before in predicted.items() if arch not in differing}
    sides, problems = _sides(context, built, same, provides, elsewhere)
    reported = {
        arch: differences for arch, differences in differing.items() if arch not in elsewhere
    }
    problems = (*obstacle_notes(reported), *problems)
    return Rebuilt(sides, tuple(notes), problems)


def _build(context: BuildContext, evaluated: EvaluatedSpec, side: Side) -> BuildOutcome | None:
    evaluation = (evaluated.base if side == "base" else evaluated.head).get(context.native)
    path = evaluated.spec.base_path if side == "base" else evaluated.spec.head_path
    if path is None or not isinstance(evaluation, SpecEvaluation) or evaluation.excluded:
        return None
    if unevaluated(evaluated, context.native):
        return None
    return context.builder.build(
        BuildRequest(
            checkout=context.trees[side],
            spec_path=path,
            arch=context.native,
            document=context.document,
            pool=context.pool,
            evaluation=evaluation,
            definitions={**context.definitions, **evaluated.definitions.get(side, {})},
            side=side,
            lookaside=context.lookaside,
        )
    )


def _sides(
    context: BuildContext,
    built: Mapping[Side, list[BuiltPackages]],
    predicted: Mapping[str, Sides],
    provides: Callable[[str], Callable[[str], bool]],
    elsewhere: Collection[str],
) -> tuple[dict[str, Sides], tuple[str, ...]]:
    sides: dict[str, Sides] = {}
    problems: list[str] = []
    for arch, before in predicted.items():
        sources = before.base.sources | before.head.sources
        if arch == context.native:
            base = _mixed(built["base"], before.base, sources)
            head = _mixed(built["head"], before.head, sources)
            sides[arch] = replace(
                before, base=base, head=head, base_spec=None, notes=(*before.notes, *head.notes)
            )
            continue
        moved = transfer(
            [p for b in built["base"] for p in b.packages],
            [p for b in built["head"] for p in b.packages],
            before.base,
            before.head,
            provides(arch),
            native=context.native,
        )
        if arch not in elsewhere:
            problems.extend(moved.notes)
        if moved.base is not None and moved.head is not None:
            sides[arch] = replace(before, base=moved.base, head=moved.head, base_spec=None)
    return sides, tuple(dict.fromkeys(problems))


def _mixed(built: Iterable[BuiltPackages], predicted: Overlay, sources: frozenset[str]) -> Overlay:
    """The built packages, and the predicted packages of sources of which none was built.

    A spec that one side does not have, or that excludes the architecture, is not built on that
    side; the published packages are the starting point then.
    """
    overlay = rebuilt_overlay(built, predicted.arch, sources)
    sources_built = {package.source for build in built for package in build.packages}
    others = tuple(p for p in predicted.packages if p.source not in sources_built)
    if not sources_built:
        return predicted if others else overlay
    return replace(overlay, packages=(*overlay.packages, *others))


def _note(
    context: BuildContext, evaluated: EvaluatedSpec, side: Side, outcome: BuildOutcome
) -> BuildNote:
    spec = evaluated.spec.path
    if isinstance(outcome, BuiltPackages):
        return BuildNote(
            side,
            spec,
            context.native,
            "cached" if outcome.from_cache else "built",
            log=str(outcome.log),
            seconds=outcome.seconds,
            emulated=context.emulated,
        )
    return BuildNote(
        side,
        spec,
        context.native,
        _outcome(side, outcome),
        outcome.message,
        log=str(outcome.log) if outcome.log else None,
        seconds=outcome.seconds,
        emulated=context.emulated,
    )


def _outcome(
    side: Side, failed: BuildFailed
) -> Literal["base-failed", "head-failed", "missing-requirement", "not-built"]:
    if failed.kind == "missing-requirement":
        return "missing-requirement"
    if failed.kind == "surroundings":
        return "not-built"
    return "base-failed" if side == "base" else "head-failed"


def obstacles(
    specs: Sequence[EvaluatedSpec], native: str, others: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """The architectures among `others` on which the change differs from that on `native`, each with
    the differences."""
    by_arch: dict[str, tuple[str, ...]] = {}
    for arch in others:
        differences = tuple(d for evaluated in specs for d in _differences(evaluated, native, arch))
        if differences:
            by_arch[arch] = differences
    return by_arch


def _differences(evaluated: EvaluatedSpec, native: str, other: str) -> Iterator[str]:
    native_sides, other_sides = _evaluations(evaluated, native), _evaluations(evaluated, other)
    yield from unlike(native_sides, other_sides)
    for first, second in zip(native_sides, other_sides, strict=True):
        if first is not None and second is not None:
            yield from used_unlike(first, second, evaluated.spec.beside)


def obstacle_notes(by_arch: dict[str, tuple[str, ...]]) -> list[str]:
    """A sentence for each list of differences, with all architectures that have it."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for arch in sorted(by_arch, key=architecture_order):
        shared.setdefault(by_arch[arch], []).append(arch)
    return [
        f"Not transferred to {' and '.join(', '.join(arches).rsplit(', ', 1))}: this change differs"
        f" there ({'; '.join(differences)}), so it is predicted."
        for differences, arches in shared.items()
    ]


def _evaluations(
    evaluated: EvaluatedSpec, arch: str
) -> tuple[SpecEvaluation | None, SpecEvaluation | None]:
    base, head = evaluated.base.get(arch), evaluated.head.get(arch)
    return (
        base if isinstance(base, SpecEvaluation) else None,
        head if isinstance(head, SpecEvaluation) else None,
    )


def build_problems(builds: Iterable[BuildNote]) -> list[str]:
    """A sentence for each build that made no packages; one sentence if both sides fail alike."""
    builds = tuple(builds)
    failed = {
        (build.spec, build.arch, build.message)
        for build in builds
        if build.outcome == "base-failed"
    }
    both = {
        (build.spec, build.arch, build.message)
        for build in builds
        if build.outcome == "head-failed"
    } & failed
    sentences = {
        "base-failed": "The base does not build",
        "head-failed": "This change does not build",
        "missing-requirement": "A build requirement is missing",
        "not-built": "Nothing was built",
    }
    problems = []
    for build in builds:
        if build.outcome not in sentences:
            continue
        first = f": {in_backticks(build.message.splitlines()[0])}" if build.message else ""
        side, sentence = str(build.side), sentences[build.outcome]
        if (build.spec, build.arch, build.message) in both:
            if build.side == "base":
                continue
            side, sentence = "base and head", "Neither builds"
        problems.append(
            f"{build.spec} ({side}, {build.arch}): {sentence},"
            f" so the figures are still predictions{first}."
        )
    return problems
