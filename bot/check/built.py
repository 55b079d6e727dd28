"""A check after its builds: both sides built, and the differences transferred to the other
architectures."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from bot.build.builder import Builder
from bot.check.architectures import ArchitectureResult
from bot.check.change import Change
from bot.check.locked import with_locked
from bot.check.measure import Layers, weighed
from bot.check.rebuild import BuildContext, build_problems, rebuild
from bot.check.run import Prediction, check_result, checked_images, with_proposal
from bot.check.spec_edits import with_edits
from bot.check.target import Remarks, Target
from bot.check.together import Part, joined_targets
from bot.model.result import CheckResult
from bot.model.spec import BuildNote


def native_arch() -> str:
    """This machine's architecture by rpm's name (Linux's own names are the same for ours)."""
    return platform.machine()


def build_check(
    change: Change, prediction: Prediction, builder: Builder, native: str
) -> CheckResult:
    """Build both sides on `native`, transfer the difference to the others, and compose the
    layers."""
    built = rebuilt_check(change, prediction, builder, native, layers=True)
    return with_edits(change, built).result


def build_on(
    change: Change, prediction: Prediction, builder: Builder, arch: str, planned: Sequence[str]
) -> ArchitectureResult:
    """The result of one build of several: both sides built on `arch`, one of the `planned`.

    The others are transferred from the first of those, so only its build composes the layers of
    all.
    """
    elsewhere = frozenset(planned) - {arch}
    layers = True if arch == planned[0] else frozenset({arch})
    built = rebuilt_check(
        change, prediction, builder, arch, layers=layers, apart=True, elsewhere=elsewhere
    )
    return ArchitectureResult(arch, with_edits(change, built).result, built.transfers)


def rebuilt_check(
    change: Change,
    prediction: Prediction,
    builder: Builder,
    native: str,
    *,
    layers: Layers = False,
    apart: bool = False,
    elsewhere: Collection[str] = (),
) -> Prediction:
    """As `build_check`, with the sides and closures after the builds.

    `layers` says for which images layers are composed. With `apart`, sentences on the transfer to
    other architectures are returned beside the result, not in it. `elsewhere` are architectures
    that have a build of their own.
    """
    remarks = Remarks()
    run = _Builds(builder, native, elsewhere, remarks, Remarks() if apart else remarks)
    parts = [_rebuilt(part, run) for part in prediction.parts]
    built = built_check(
        change,
        prediction,
        parts,
        run.builds,
        remarks.notes,
        interrupted=remarks.interrupted,
        layers=layers,
    )
    return replace(built, transfers=tuple(run.transfers.notes) if apart else ())


@dataclass(frozen=True, slots=True)
class _Builds:
    """The builds for one architecture, how they went, and sentences on them and on the transfer to
    others. `elsewhere` are architectures that have a build of their own."""

    builder: Builder
    native: str
    elsewhere: Collection[str]
    remarks: Remarks
    transfers: Remarks
    builds: list[BuildNote] = field(default_factory=list)


def _rebuilt(part: Part, run: _Builds) -> Part:
    """The sides of one change after its builds."""
    native = run.native
    targets: list[Target] = []
    own, moved = Remarks(), Remarks()
    for target in part.targets:
        if target.setting is None:
            targets.append(target)
            continue
        if native not in target.sides:
            own.notes.append(
                f"{target.document.id}: not built, because {native} is not one of its"
                " architectures here; this is the prediction."
            )
            targets.append(target)
            continue
        context = BuildContext(
            builder=run.builder,
            document=target.document,
            pool=target.pools[native],
            trees={"base": part.change.base_tree, "head": part.change.head_tree},
            definitions=target.setting.definitions,
            lookaside=part.file.lookaside or target.document.lookaside,
            native=native,
            emulated=native != native_arch(),
        )
        rebuilt = rebuild(context, target.specs, target.sides, _provider(target), run.elsewhere)
        run.builds.extend(replace(build, spec=part.path(build.spec)) for build in rebuilt.builds)
        moved.notes.extend(rebuilt.problems)
        own.interrupted |= rebuilt.interrupted
        targets.append(replace(target, sides={**target.sides, **rebuilt.sides}))
    run.remarks.add(own, part.name)
    run.transfers.add(moved, part.name)
    return replace(part, targets=tuple(targets))


def built_check(
    change: Change,
    prediction: Prediction,
    parts: Sequence[Part],
    builds: Sequence[BuildNote],
    notes: Iterable[str],
    *,
    interrupted: bool = False,
    layers: Layers = True,
) -> Prediction:
    """The result of `parts`, whose predicted sides were replaced by built ones.

    `builds` and `notes` say how the builds went; `interrupted` is true if something around them
    failed.
    """
    remarks = Remarks(notes=list(notes), interrupted=interrupted)
    targets = joined_targets(parts)
    requests = prediction.requests
    images = checked_images(targets, parts, prediction.plan, prediction.rules, remarks, requests)
    measured = weighed(images, targets, prediction.rules, prediction.cache, layers)
    images = measured.images
    remarks.notes.extend(measured.notes)
    remarks.interrupted |= prediction.result.interrupted
    remarks.problems = list(
        dict.fromkeys(
            (
                *change.problems,
                *prediction.result.problems,
                *build_problems(builds),
                *remarks.problems,
            )
        )
    )
    remarks.notes = [*prediction.result.notes, *remarks.notes]
    result = check_result(
        parts, targets, images, remarks, tuple(builds), "final", requests, prediction.cache
    )
    result = with_locked(result, requests.locked, targets, prediction.plan.thresholds)
    built = replace(prediction, result=result, parts=tuple(parts), targets=targets, images=images)
    return with_proposal(change, built)


def _provider(target: Target) -> Callable[[str], Callable[[str], bool]]:
    return lambda arch: target.pools[arch].provides
