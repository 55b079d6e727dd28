"""The effect that a change to `.minimize.yaml` will have once it is merged.

The check itself goes by the base's file, so that nobody raises their own limits; this only reports.
The closures are those of the check; only a limited number of images that head's file adds are
solved too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from bot.check.change import Change
from bot.check.compare import compare
from bot.check.evidence import Sides
from bot.check.images import SELF, CheckedImage, image_pair
from bot.check.objectives import evaluate_objectives
from bot.check.plan import CheckOptions, Plan, make_plan
from bot.check.repository_file import (
    RepositoryFile,
    RepositoryFileError,
    WrittenFile,
    read_repository_file,
    written_file,
)
from bot.check.solving import Solver
from bot.check.unsolvable_head import UnevaluatedPackages, undecided
from bot.check.verdict import Unevaluated, verdict
from bot.closure.pool import Pool
from bot.distro.documents import Configuration
from bot.distro.images import image_request
from bot.errors import UsageError
from bot.model.image import ImageKey
from bot.model.result import (
    REPOSITORY_FILE,
    ConfigurationChange,
    FieldChange,
    FileProblem,
    ImageResult,
    JudgedImage,
)

# The number of images added by head's file that are solved for the report.
_SOLVED = 40
_FIELDS = 200
# Fields that the evaluation and the build use: this check takes them from the base's file.
_EVALUATED_BY = ("dist", "definitions", "builder", "external", "lookaside")


@dataclass(frozen=True, slots=True)
class CheckFindings:
    """The findings of a check: its plan; by repository document and architecture the pool, the
    sides and the packages that could not be evaluated; the affected images; and the rest of what
    its verdict depends on."""

    plan: Plan
    sides: Mapping[tuple[str, str], tuple[Pool, Sides, Sequence[UnevaluatedPackages]]]
    images: tuple[CheckedImage, ...]
    unevaluated: tuple[Unevaluated, ...]
    interrupted: bool


def file_in_force(change: Change) -> RepositoryFile:
    """The base's `.minimize.yaml`. Raises UsageError if it is invalid, saying whether the change
    repairs it."""
    try:
        return read_repository_file(change.repository_file)
    except RepositoryFileError as error:
        if not change.file_changed:
            raise
        try:
            read_repository_file(change.head_file)
        except RepositoryFileError as still:
            places = "; ".join(map(str, still.problems))
            raise UsageError(f"{error.what} This change does not repair it: {places}.") from error
        raise UsageError(
            f"{error.what} This change repairs it.", "Merge it: the file takes effect then."
        ) from error


def proposal(
    change: Change, options: CheckOptions, configuration: Configuration, checked: CheckFindings
) -> ConfigurationChange | None:
    """The effect of head's `.minimize.yaml`; null if the change leaves the file as it is."""
    before, after = change.repository_file, change.head_file
    if not change.file_changed or before == after:
        return None
    effect = ConfigurationChange(
        REPOSITORY_FILE, "removed" if after is None else "added" if before is None else "changed"
    )
    try:
        file = written_file(after)
        _refuse_unknown_ids(file, configuration)
        plan = make_plan(options, file.file, configuration, change.branch)
    except RepositoryFileError as error:
        return replace(effect, problems=error.problems)
    except UsageError as error:
        return replace(effect, problems=(FileProblem(None, "", error.what),))
    fields = tuple(_fields(written_file(before).values, file.values))
    effect = replace(
        effect,
        fields=fields[:_FIELDS],
        more=tuple(sorted(set(plan.keys) - set(checked.plan.keys))),
        fewer=tuple(sorted(set(checked.plan.keys) - set(plan.keys))),
        notes=tuple(_notes(fields)),
    )
    return _with_judgement(effect, plan, configuration, checked) if checked.sides else effect


def _refuse_unknown_ids(file: WrittenFile, configuration: Configuration) -> None:
    """Raise RepositoryFileError for ids that no document has."""
    problems = [
        FileProblem(
            file.line_of("workloads", number),
            f"workloads.{number}",
            f"expected the id of a workload document; there is no {id_}",
        )
        for number, id_ in enumerate(file.file.workloads)
        if id_ not in configuration.workloads
    ]
    for branch, ids in file.file.repository:
        problems += [
            FileProblem(
                file.line_of("repository", branch),
                "repository",
                f"expected the id of a repository document; there is no {id_}",
            )
            for id_ in ids
            if id_ not in configuration.repositories
        ]
    if problems:
        raise RepositoryFileError(tuple(problems))


def _fields(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[FieldChange]:
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield FieldChange(name, before.get(name), after.get(name))


def _notes(fields: Iterable[FieldChange]) -> Iterator[str]:
    touched = {field.field.partition(".")[0] for field in fields}
    named = [name for name in _EVALUATED_BY if name in touched]
    if named:
        verb = "applies" if len(named) == 1 else "apply"
        yield f"{' and '.join(named)} {verb} once merged; this check uses the base's."
    more = len(tuple(fields)) - _FIELDS
    if more > 0:
        yield f"{more} more fields change."


def _with_judgement(
    effect: ConfigurationChange, plan: Plan, configuration: Configuration, checked: CheckFindings
) -> ConfigurationChange:
    """The effect with the verdict and the images as head's file would judge them."""
    notes = list(effect.notes)
    remaining = [image for image in checked.images if _is_checked(image.result.key, plan)]
    results = [
        replace(
            image.result,
            changed=compare(image.pair, plan.thresholds).changed,
            objectives=evaluate_objectives(plan.objectives, image.result, image.pair, plan.today),
        )
        for image in remaining
    ]
    was = {image.result.key: image.result for image in checked.images}
    differing = [r for r in results if _judgement(r) != _judgement(was[r.key])]
    solvable = [key for key in effect.more if (key.repository, key.arch) in checked.sides]
    if len(solvable) > _SOLVED:
        notes.append(f"The first {_SOLVED} of the {len(solvable)} additional images were solved.")
    if len(solvable) < len(effect.more):
        notes.append("Images on other repositories or architectures were not solved.")
    open_ = len(notes)
    extra = list(_solved(solvable, plan, configuration, checked, notes))
    open_ -= len(notes)
    if not any(image.sources for image in remaining) and not extra and checked.images:
        notes.append("No workload with the package is left; the package alone would be checked.")
    return replace(
        effect,
        verdict=verdict([*results, *extra], checked.unevaluated, checked.interrupted or open_ != 0),
        images=tuple(
            JudgedImage(r.key, r.changed, r.objectives)
            for r in sorted([*differing, *extra], key=lambda r: r.key)
        ),
        notes=tuple(notes),
    )


def _judgement(result: ImageResult) -> object:
    return result.changed, result.objectives


def _is_checked(key: ImageKey, plan: Plan) -> bool:
    if key.workload.partition(":")[0] != SELF:
        return key in plan.keys
    return any(document.id == key.repository and key.arch in own for document, own in plan.targets)


def _solved(
    keys: Iterable[ImageKey],
    plan: Plan,
    configuration: Configuration,
    checked: CheckFindings,
    notes: list[str],
) -> Iterator[ImageResult]:
    """The results of images that head's file adds; `notes` gets a sentence for each that cannot be
    judged."""
    for key in islice(keys, _SOLVED):
        pool, sides, unknown = checked.sides[key.repository, key.arch]
        request = image_request(configuration, key)
        pair = image_pair(Solver(pool, sides, ()), request)
        if pair is not None and (obstacle := undecided(pool, request, pair, sides, unknown)):
            notes.append(f"{key.workload} in {key.environment}, {key.arch}: {obstacle}")
        elif pair is not None:
            image = compare(pair, plan.thresholds)
            objectives = evaluate_objectives(plan.objectives, image, pair, plan.today)
            yield replace(image, objectives=objectives)
