"""One repository document in a check: its pools, its evaluated spec files, and both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bot.build.rpm_root import distribution_rpm
from bot.check.change import Change
from bot.check.evidence import (
    Evaluated,
    EvaluatedSpec,
    Side,
    Sides,
    evaluate_change,
    predicted_sides,
    published_sides,
)
from bot.check.images import lost_sources
from bot.check.pools import Pools
from bot.check.repository_file import RepositoryFile
from bot.check.unsolvable_head import UnevaluatedPackages, unevaluated_packages
from bot.check.verdict import Unevaluated, sentences, unevaluated
from bot.closure.pool import Pool
from bot.distro.documents import RepositoryDocument
from bot.errors import SurroundingsError
from bot.model.closure import Broken
from bot.sandbox.values import Limits
from bot.spec.evaluate import evaluate_spec
from bot.spec.headers import generated_flags
from bot.spec.release import release_definitions
from bot.spec.rpm_version import host_rpm
from bot.spec.setting import SpecSetting, setting_of


@dataclass(frozen=True, slots=True)
class Target:
    """One repository document: its loaded pools, evaluated specs, and sides by architecture.

    `unevaluated` are the specs that could not be evaluated, `unknown` their packages by
    architecture; `sides` are those of the other specs. `setting` is null if no spec changed.
    `base_pools` are the base's if the change edits the repository document, else empty.
    """

    document: RepositoryDocument
    pools: Mapping[str, Pool]
    setting: SpecSetting | None
    specs: tuple[EvaluatedSpec, ...]
    sides: Mapping[str, Sides]
    unevaluated: tuple[Unevaluated, ...] = ()
    unknown: Mapping[str, tuple[UnevaluatedPackages, ...]] = field(default_factory=dict)
    base_pools: Mapping[str, Pool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inputs:
    """The change and the inputs of evaluating its specs; `limits` are for one side."""

    change: Change
    file: RepositoryFile
    pools: Pools
    limits: Limits


@dataclass(slots=True)
class Remarks:
    """Sentences collected during a check, their meaning for the verdict, and the packages of the
    repositories that become uninstallable."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False
    undecided: bool = False
    broken: list[Broken] = field(default_factory=list)

    def add(self, own: Remarks, name: str) -> None:
        """Add the remarks on one change, its name before each sentence ("" is the first
        change's)."""
        before = f"{name}: " if name else ""
        self.problems.extend(before + sentence for sentence in own.problems)
        self.notes.extend(before + sentence for sentence in own.notes)
        self.interrupted |= own.interrupted
        self.undecided |= own.undecided


def open_target(
    inputs: Inputs, document: RepositoryDocument, arches: tuple[str, ...], remarks: Remarks
) -> Target | None:
    """Evaluate the change's specs on both sides and predict their packages for each of `arches`.

    Null if something around the check fails for all of them; `remarks` has the reason.
    """
    loaded = _opened(inputs.pools, document, arches, remarks)
    if not loaded:
        return None
    try:
        setting, specs = _evaluated(inputs, document, loaded)
    except SurroundingsError as error:
        remarks.problems.append(f"{document.id}: not evaluated: {error}")
        remarks.interrupted = True
        return None
    remarks.notes.extend((*setting.notes, *(note for spec in specs for note in spec.notes)))
    flags = generated_flags(inputs.pools.cache)
    sides: dict[str, Sides] = {}
    failed: list[Unevaluated] = []
    unknown: dict[str, tuple[UnevaluatedPackages, ...]] = {}
    for arch, pool in loaded.items():
        failed.extend(failure for spec in specs for failure in unevaluated(spec, arch))
        evaluated = tuple(spec for spec in specs if not unevaluated(spec, arch))
        if not evaluated:
            continue
        sides[arch] = predicted_sides(pool, arch, evaluated, flags)
        unknown[arch] = tuple(
            unevaluated_packages(pool, spec.spec.path, spec.sources(arch), spec.texts.values())
            for spec in specs
            if spec not in evaluated
        )
        remarks.notes.extend(sides[arch].notes)
    remarks.notes.extend(lost_sources(sides))
    remarks.interrupted |= any(failure.fault == "surroundings" for failure in failed)
    remarks.problems.extend(sentences(specs))
    return Target(document, loaded, setting, specs, sides, tuple(failed), unknown)


def requested_target(
    pools: Pools,
    document: RepositoryDocument,
    arches: tuple[str, ...],
    before: Target | None,
    base_document: RepositoryDocument | None,
    remarks: Remarks,
) -> Target | None:
    """The target for images whose request changes on a repository document.

    `before` is the target of the changed spec files; on architectures that it lacks, both sides are
    the published packages. `base_document` is the base's version if the change edits it. `before`
    if something around the check fails for all architectures; `remarks` has the reason.
    """
    opened = before.pools if before is not None else {}
    missing = tuple(arch for arch in arches if arch not in opened)
    loaded = {**opened, **_opened(pools, document, missing, remarks)}
    target = before or Target(document, {}, None, (), {})
    old = _opened(pools, base_document, arches, remarks) if base_document is not None else {}
    if base_document is not None:
        loaded = {arch: pool for arch, pool in loaded.items() if arch in old}
    if not loaded:
        return before
    sides = {arch: target.sides.get(arch) or published_sides(arch) for arch in loaded}
    return replace(target, pools=loaded, sides=sides, base_pools=old)


def _opened(
    pools: Pools, document: RepositoryDocument, arches: tuple[str, ...], remarks: Remarks
) -> dict[str, Pool]:
    """The pools of `arches` that could be opened; `remarks` has the reason for the others."""
    loaded: dict[str, Pool] = {}
    missing: dict[str, list[tuple[str, str]]] = {}
    for arch in arches:
        try:
            loaded[arch] = pools.get(document, arch)
        except SurroundingsError as error:
            # A host that is down is reported once for all architectures.
            missing.setdefault(str(error).replace(arch, "$basearch"), []).append((arch, str(error)))
            remarks.interrupted = True
    for alike in missing.values():
        which = ", ".join(arch for arch, _ in alike)
        remarks.problems.append(f"{document.id} {which}: not evaluated: {alike[0][1]}")
    return loaded


def _evaluated(
    inputs: Inputs, document: RepositoryDocument, loaded: Mapping[str, Pool]
) -> tuple[SpecSetting, tuple[EvaluatedSpec, ...]]:
    """The setting and the specs of the change, evaluated on both sides."""
    change, file, pools = inputs.change, inputs.file, inputs.pools

    def opened(arch: str) -> Pool:
        return pools.get(document, arch)

    with distribution_rpm(document, loaded, opened, pools.cache) as rpm:
        setting = setting_of(
            document, loaded, pools.cache, dist=file.dist, extra=file.definitions, rpm=rpm
        )

        def evaluate(side: Side, path: str) -> Evaluated:
            tree = change.base_tree if side == "base" else change.head_tree
            commit = change.merge_base if side == "base" else change.head
            own = release_definitions(change.git, commit, path)
            results = evaluate_spec(
                tree, path, tuple(loaded), setting=setting, definitions=own, limits=inputs.limits
            )
            return Evaluated(results, own)

        return setting, evaluate_change(change, evaluate)


def evaluating_rpm(setting: SpecSetting) -> str | None:
    """The version of the rpm that evaluates: the distribution's if it is available, else the
    host's."""
    version = host_rpm() if setting.rpm.root is None else setting.rpm.version
    return None if version is None else str(version)
