"""A check from the spec files: evaluate, overlay, solve both sides, compare, explain, judge."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bot.check.change import Change
from bot.check.evidence import raised_sources
from bot.check.images import SELF, CheckedImage, Rules, affected_images, self_images
from bot.check.lines import suggestions
from bot.check.locked import with_locked
from bot.check.made_edits import made_edits
from bot.check.measure import weighed
from bot.check.plan import CheckOptions, Plan, make_plan
from bot.check.pools import Pools
from bot.check.processes import FEW, in_processes
from bot.check.proposal import CheckFindings, file_in_force, proposal
from bot.check.repository_file import RepositoryFile
from bot.check.request_advice import line_advice
from bot.check.requested import Requests, images_of_requests, requests_of, with_requests
from bot.check.stated_lines import edits_of_lines
from bot.check.target import Inputs, Remarks, Target, evaluating_rpm, open_target
from bot.check.together import Part, joined_targets, other_change, with_each_alone
from bot.check.unsolvable_head import undecided
from bot.check.verdict import only_limits, refused_lines, verdict
from bot.closure.impact import broken_by
from bot.distro.cache import Cache
from bot.distro.documents import Configuration
from bot.distro.images import environment_keys
from bot.model.closure import Broken
from bot.model.result import CheckResult
from bot.model.spec import BuildNote

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A check and its inputs: what `rebuilt_check` continues from, and what it returns.

    `parts` are the changes that it checks, `targets` theirs joined; `images` are the affected
    images with both closures, `requests` those whose request changes. `transfers` are sentences on
    architectures to which a build was transferred, if the result does not have them (`build_on`).
    """

    result: CheckResult
    options: CheckOptions
    plan: Plan
    rules: Rules
    file: RepositoryFile
    parts: tuple[Part, ...]
    targets: tuple[Target, ...]
    images: tuple[CheckedImage, ...]
    cache: Cache
    requests: Requests
    transfers: tuple[str, ...] = ()

    @property
    def worth_building(self) -> bool:
        """Return whether a build could find more: a changed spec was evaluated somewhere, and head
        has it."""
        return any(t.sides and any(evaluated.head for evaluated in t.specs) for t in self.targets)

    @property
    def read(self) -> bool:
        """Return whether a changed file is read by an evaluation or a build, as far as is known."""
        result = self.result
        if result.specs or result.configuration:
            return True
        # Nothing that an image requests is executed.
        specs = not result.requests or any(part.change.specs for part in self.parts)
        return specs and bool(result.problems or result.interrupted)


def predict_check(
    change: Change,
    options: CheckOptions,
    configuration: Configuration,
    pools: Pools,
    others: Sequence[tuple[str, Change]] = (),
) -> Prediction:
    """Check a change by its spec files alone, for all architectures.

    `others` are changes to be checked together with it, by name; the images are those that `change`
    selects. Raises UsageError for wrong options, an invalid `.minimize.yaml`, and two changes that
    make packages of the same source. If something around a repository document or architecture
    fails, that is a problem in the result, and the others go on.
    """
    file = file_in_force(change)
    requests = requests_of(change, file, options, configuration)
    configuration = requests.configuration
    plan = make_plan(options, file, configuration, change.branch)
    rules = Rules(configuration, plan.thresholds, plan.objectives, plan.today)
    remarks = Remarks(
        problems=list(requests.problems), notes=list(requests.notes), undecided=requests.undecided
    )
    parts = [
        _part(name, part_change, plan, pools, options, remarks)
        for name, part_change in (("", change), *others)
    ]
    parts[0] = with_requests(parts[0], requests, pools, remarks)
    targets = joined_targets(parts)
    images = checked_images(targets, parts, plan, rules, remarks, requests)
    measured = weighed(images, targets, rules, pools.cache, layers=False)
    images = measured.images
    remarks.notes.extend(measured.notes)
    result = check_result(parts, targets, images, remarks, (), "predicted", requests, pools.cache)
    result = with_locked(result, requests.locked, targets, plan.thresholds)
    prediction = Prediction(
        result, options, plan, rules, file, tuple(parts), targets, images, pools.cache, requests
    )
    return with_proposal(change, prediction)


def _part(
    name: str, change: Change, plan: Plan, pools: Pools, options: CheckOptions, remarks: Remarks
) -> Part:
    """One change with the targets of the plan; sentences on another change begin with its name."""
    file = file_in_force(change)
    inputs = Inputs(change, file, pools, options.limits)
    own = Remarks(problems=list(change.problems))
    targets = tuple(
        target
        for document, arches in plan.targets
        if change.specs
        for target in [open_target(inputs, document, arches, own)]
        if target is not None
    )
    remarks.add(own, name)
    return Part(name, change, file, targets)


def with_proposal(change: Change, prediction: Prediction) -> Prediction:
    """The result with the effect of a change to `.minimize.yaml`, which changes nothing else in it.

    Unchanged for several changes together.
    """
    if len(prediction.parts) > 1:
        return prediction
    checked = CheckFindings(
        prediction.plan,
        {
            (t.document.id, a): (t.pools[a], s, t.unknown.get(a, ()))
            for t in prediction.targets
            for a, s in t.sides.items()
        },
        prediction.images,
        tuple(failed_spec for target in prediction.targets for failed_spec in target.unevaluated),
        prediction.result.interrupted,
    )
    effect = proposal(change, prediction.options, prediction.rules.configuration, checked)
    return replace(prediction, result=replace(prediction.result, configuration=effect))


def checked_images(
    targets: Iterable[Target],
    parts: Sequence[Part],
    plan: Plan,
    rules: Rules,
    remarks: Remarks,
    requests: Requests,
) -> tuple[CheckedImage, ...]:
    """The affected images. Those that cannot be judged because another spec was not evaluated
    become problems."""
    targets = tuple(targets)
    places = [(target, arch) for target in targets for arch in target.sides]
    requested = {image.key for image in requests.images}
    keys = {
        (target.document.id, arch): tuple(
            k
            for k in plan.keys
            if (k.repository, k.arch) == (target.document.id, arch) and k not in requested
        )
        for target, arch in places
        if target.sides[arch].sources
    }

    # No process is forked for a target without images to solve.
    busy = [
        number
        for number, (target, arch) in enumerate(places)
        if keys.get((target.document.id, arch)) or target.sides[arch].drop_something
    ]

    def of(number: int) -> tuple[tuple[CheckedImage, ...], tuple[Broken, ...]]:
        target, arch = places[number]
        pool, sides = target.pools[arch], target.sides[arch]
        own = keys.get((target.document.id, arch), ())
        broken = broken_by(pool, sides.base, sides.head) if sides.drop_something else ()
        return affected_images(pool, own, sides, rules) if own else (), broken

    LOG.debug("Solving %d images on both sides", sum(map(len, keys.values())))
    few = sum(map(len, keys.values())) < FEW
    by_place = dict(zip(busy, map(of, busy) if few else in_processes(of, busy), strict=True))
    remarks.broken = [package for _, broken in by_place.values() for package in broken]
    affected = iter(by_place.get(number, ((), ()))[0] for number in range(len(places)))
    checked: list[CheckedImage] = []
    of_requests = images_of_requests(requests, targets, rules)
    for target in targets:
        own = [image for _ in target.sides for image in next(affected)]
        own += [image for image in of_requests if image.result.key.repository == target.document.id]
        if not plan.narrowed:
            own.extend(_self_images(target, rules, frozenset().union(*(f.sources for f in own))))
        checked.extend(image for image in own if not _undecided(target, image, remarks))
    checked.sort(key=lambda image: image.result.key)
    return with_each_alone(checked, parts) if len(parts) > 1 else tuple(checked)


def _undecided(target: Target, image: CheckedImage, remarks: Remarks) -> bool:
    arch = image.result.key.arch
    unknown = target.unknown.get(arch, ())
    obstacle = undecided(target.pools[arch], image.request, image.pair, target.sides[arch], unknown)
    if obstacle:
        key = image.result.key
        place = f"{key.workload} in {key.environment}, {key.repository} {key.arch}"
        remarks.problems.append(f"{place}: {obstacle}")
        remarks.undecided = True
    return bool(obstacle)


def _self_images(target: Target, rules: Rules, covered: frozenset[str]) -> Iterable[CheckedImage]:
    """The `@self` images of sources that no workload contains; a single one is named `@self`
    alone."""
    sources = frozenset().union(*(sides.sources for sides in target.sides.values()))
    mains = {
        source: {name for sides in target.sides.values() for name in sides.main_packages(source)}
        for source in sources
    }
    alone = sum(map(len, mains.values())) == 1
    workloads = {
        name: SELF if alone else f"{SELF}:{name}"
        for source in sources - covered
        for name in mains[source]
    }
    for arch, sides in target.sides.items():
        keys = environment_keys(
            rules.configuration, repositories=[target.document.id], arches=[arch]
        )
        yield from self_images(target.pools[arch], keys, sides, rules, workloads)


def check_result(
    parts: Sequence[Part],
    targets: Iterable[Target],
    images: tuple[CheckedImage, ...],
    remarks: Remarks,
    builds: tuple[BuildNote, ...],
    stage: Literal["predicted", "final"],
    requests: Requests,
    cache: Cache,
) -> CheckResult:
    change, targets = parts[0].change, tuple(targets)
    failed = (*requests.refused, *(failed_spec for t in targets for failed_spec in t.unevaluated))
    specs = dict.fromkeys(evaluated.spec.path for t in targets for evaluated in t.specs)
    results = tuple(f.result for f in images)
    open_ = remarks.interrupted or remarks.undecided
    return CheckResult(
        base=change.base,
        head=change.head,
        merge_base=change.merge_base,
        specs=tuple(sorted(specs)),
        requests=requests.paths,
        others=tuple(map(other_change, parts[1:])),
        verdict=verdict(results, failed, open_),
        images=results,
        suggestions=suggestions(
            (f.savings for f in images),
            edits_of_lines(line for t in targets for s in t.sides.values() for line in s.lines),
        ),
        advice=line_advice(images, targets, requests, cache),
        edits=made_edits(targets, requests),
        broken=tuple(sorted(remarks.broken)),
        refused=refused_lines(failed, {s.path for s in change.specs} | set(requests.paths)),
        problems=tuple(dict.fromkeys(remarks.problems)),
        notes=tuple(dict.fromkeys(remarks.notes)),
        builds=builds,
        stage=stage,
        interrupted=remarks.interrupted,
        incomplete=remarks.undecided
        or any(failed_spec.fault in ("base", "unexpanded", "unread") for failed_spec in failed),
        only_limits=only_limits(results, failed, open_),
        sources=raised_sources(evaluated for t in targets for evaluated in t.specs),
        unverified=tuple(
            dict.fromkeys(
                r.id for t in targets if t.setting for r in t.document.repos if not r.gpgkey
            )
        ),
        rpm_versions={t.document.id: evaluating_rpm(t.setting) for t in targets if t.setting},
    )
