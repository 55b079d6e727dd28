"""A run over all images: evaluate, compare with the last run, attribute, store.

Objectives of repositories' own `.minimize.yaml` are tracked like documents: the bot stores the file
of each branch when it reads it; nothing here calls a forge.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bot.distro.cache import Cache
from bot.distro.documents import Configuration
from bot.distro.images import chosen_documents, image_keys, self_request
from bot.distro.objectives import ObjectiveDocument
from bot.errors import SurroundingsError, UsageError
from bot.locks import free_lock, holder
from bot.model.image import ImageKey
from bot.model.result import REPOSITORY_FILE
from bot.objectives.evaluation import FailedImages, LastResults, Measures, evaluate
from bot.objectives.requested import tracked_name, with_requested, written_images
from bot.objectives.solving import Note, requests_of
from bot.objectives.status import ObjectiveStatus, headings, judged, states
from bot.objectives.steps import ImageStep, StepMaker
from bot.requests.file_images import BaseImage
from bot.store.history.history import History
from bot.store.history.recording import MovedImage, UnchangedImage
from bot.store.history.values import (
    BranchFile,
    Cause,
    Contents,
    DocumentedImage,
    Evaluation,
    Heading,
    MergedChange,
    Place,
)
from bot.store.store import utc_text

# A pull request that was merged earlier explains no step of today.
REMEMBERED_DAYS = 120


@dataclass(frozen=True, slots=True)
class TrackedImage:
    """An image before and after a run; `before` is null if it was never evaluated."""

    key: ImageKey
    before: Evaluation | None
    after: Evaluation
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackResult:
    """The result of a run.

    `failed` are sentences about images that could not be evaluated, `notes` about failed
    measurements of others.
    """

    run: int
    images: tuple[TrackedImage, ...]
    statuses: tuple[ObjectiveStatus, ...]
    names: dict[str, str]
    solved: int
    failed: tuple[str, ...] = ()
    changes: dict[int, MergedChange] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def track(
    configuration: Configuration,
    history: History,
    cache: Cache,
    *,
    measures: Measures | None = None,
    processes: int | None = None,
    offline: bool = False,
    progress: Callable[[int, int], None] | None = None,
    report: Callable[[TrackResult], None] | None = None,
    base_images: Sequence[BaseImage] = (),
) -> TrackResult:
    """Evaluate every image and objective now and store the result.

    `base_images` is the table of the base images of files such as Containerfiles. `report` receives
    the result, after which the run is over. An interrupted run loses nothing: the next one reports
    what it stored together with its own. Raises SurroundingsError if another process tracks at this
    moment.
    """
    with _alone(history):
        files = history.repository_files()
        requested = with_requested(configuration, files, base_images)
        own = own_objectives(files, requested.configuration)
        configuration = with_own(requested.configuration, own)
        keys = image_keys(configuration)
        tracker = _Tracker(history, keys, progress or _silent)
        inputs = LastResults(history.inputs(), history.closure_digests())
        with closing(StepMaker(history.store.path, tuple(tracker.changes.values()))) as stepping:
            for outcomes in evaluate(
                configuration,
                keys,
                cache,
                inputs,
                then=stepping,
                measures=measures,
                processes=processes,
                offline=offline,
            ):
                tracker.take(outcomes)
        result = tracker.settle(configuration, keys, own)
        result = replace(result, notes=(*result.notes, *requested.notes))
        if report is not None:
            report(result)
        tracker.finish()
        return result


class _Tracker:
    def __init__(
        self, history: History, keys: Sequence[ImageKey], progress: Callable[[int, int], None]
    ) -> None:
        self._history = history
        self._progress = progress
        self._total = len(keys)
        self._done = self._solved = 0
        self._run = history.recorder.begin_run()
        first = history.first_reported_run(self._run)
        self._before = history.latest_evaluations(first - 1)
        # An image that is described again is compared with its last state.
        for image in history.images(gone=True):
            last = history.evaluation(image.key) if image.gone else None
            if last is not None:
                self._before.setdefault(image.key, last)
        self._earlier_causes: dict[ImageKey, tuple[Cause, ...]] = {}
        for run in range(first, self._run):
            for step in history.steps_of_run(run):
                self._earlier_causes[step.key] = (
                    *self._earlier_causes.get(step.key, ()),
                    *step.causes,
                )
        since = datetime.now(UTC) - timedelta(days=REMEMBERED_DAYS)
        changes = history.waiting_changes(utc_text(since))
        self.changes = {change.id: change for change in changes}
        self._causes: dict[ImageKey, tuple[Cause, ...]] = {}
        self._names: dict[ImageKey, frozenset[str]] = {}
        self._failed: dict[str, None] = {}
        self._notes: dict[str, None] = {}

    def take(self, batch: Sequence[ImageStep | UnchangedImage | FailedImages | Note]) -> None:
        """Store some outcomes, in one transaction."""
        outcomes: list[UnchangedImage | MovedImage] = []
        arrivals: list[tuple[int, ImageKey]] = []
        for outcome in batch:
            if isinstance(outcome, FailedImages):
                places = dict.fromkeys(f"{key.repository} {key.arch}" for key in outcome.keys)
                self._failed[f"{', '.join(places)}: {outcome.error}"] = None
                self._done += len(outcome.keys)
                continue
            if isinstance(outcome, Note):
                self._notes[outcome.text] = None
                continue
            self._done += 1
            if isinstance(outcome, UnchangedImage):
                self._solved += outcome.solved
                outcomes.append(outcome)
                continue
            self._solved += 1
            image = outcome.evaluated
            self._causes[image.key] = outcome.causes
            self._names[image.key] = frozenset(member.nevra.name for member in image.members)
            arrivals += [(change, image.key) for change in outcome.landed]
            outcomes.append(MovedImage(image, outcome.causes))
        self._history.recorder.record(self._run, outcomes, arrivals)
        self._progress(self._done, self._total)

    def settle(
        self, configuration: Configuration, keys: Sequence[ImageKey], own: OwnObjectives
    ) -> TrackResult:
        """Store the objectives, and return the run's result."""
        recorder = self._history.recorder
        after = self._history.latest_evaluations()
        for key in keys:
            # An image that is back counts as removed until this is stored.
            last = self._history.evaluation(key) if key not in after else None
            if last is not None:
                after[key] = last
        facts = {key: after[key].facts for key in keys if key in after}
        current_states = states(
            configuration.objectives.values(), facts, self._names_of, self._history.surfaces(),
            datetime.now(UTC).date(),
        )  # fmt: skip
        current = headings(configuration.objectives.values(), own_places(own))
        before = {heading.id: heading for heading in self._history.objective_headings(private=True)}
        descriptions = {key: _described(configuration, key) for key in keys}
        recorder.settle_run(
            self._run, descriptions, current, current_states, renamed(before, current)
        )
        return TrackResult(
            self._run,
            tuple(
                TrackedImage(
                    key,
                    self._before.get(key),
                    after[key],
                    (*self._earlier_causes.get(key, ()), *self._causes.get(key, ())),
                )
                for key in keys
                if key in after and (after[key].run == self._run or key in self._earlier_causes)
            ),
            judged(self._history, current_states),
            {o.id: o.name for o in configuration.objectives.values()},
            self._solved,
            tuple(self._failed),
            self.changes,
            (*self._notes, *own.problems),
        )

    def finish(self) -> None:
        """End the run: all that it stored has been reported."""
        self._history.recorder.finish_run(
            self._run,
            images=self._total,
            solved=self._solved,
            moved=sum(1 for causes in self._causes.values() if causes),
            failed=tuple(self._failed),
        )

    def _names_of(self, key: ImageKey) -> frozenset[str]:
        names = self._names.get(key)
        if names is None:
            contents: Contents = self._history.contents(key, links=False)
            names = self._names[key] = frozenset(m.nevra.name for m in contents.members)
        return names


def _described(configuration: Configuration, key: ImageKey) -> DocumentedImage:
    environment = self_request(configuration, key.environment, key.repository, key.arch, ())
    return DocumentedImage(
        configuration.workloads[key.workload].maintainer, requests_of(environment)
    )


def _silent(done: int, total: int) -> None:
    """Ignore the progress."""


@contextmanager
def _alone(history: History) -> Iterator[None]:
    """Exclude other runs; the store's own lock is free between its transactions."""
    path = history.store.path.with_name("track.lock")
    with free_lock(path) as is_free:
        if not is_free:
            raise SurroundingsError(
                f"Another `minimize track` writes to {history.store.path}: {holder(path)}.",
                "Wait until it is done.",
            )
        yield


# The fields that come from the file's name, then the texts that a maintainer may reword at the same
# time.
_NAMES = (frozenset({"id"}), frozenset({"id", "name", "description"}))


def renamed(before: Mapping[str, Heading], after: Mapping[str, Heading]) -> dict[str, str]:
    """Return the former id of each objective with a new one in `after`, by the new id.

    Both are history's headings by id. A removed objective and a new one are the same if their
    documents differ only in the id, or only in the words, and no other document does.
    """
    renames: dict[str, str] = {}
    for names in _NAMES:
        removed = _by_promise({i: h for i, h in before.items() if i not in after}, names)
        new = _by_promise({i: h for i, h in after.items() if i not in before}, names)
        for promise, ids in new.items():
            old_ids = removed.get(promise, [])
            if (
                len(ids) == len(old_ids) == 1
                and ids[0] not in renames
                and old_ids[0] not in renames.values()
            ):
                renames[ids[0]] = old_ids[0]
    return renames


def _by_promise(headings: Mapping[str, Heading], names: frozenset[str]) -> dict[str, list[str]]:
    by_promise: dict[str, list[str]] = {}
    for id_, heading in headings.items():
        rest = {name: value for name, value in heading.document.items() if name not in names}
        promise = json.dumps([rest, heading.place or ""], sort_keys=True)
        by_promise.setdefault(promise, []).append(id_)
    return by_promise


@dataclass(frozen=True, slots=True)
class OwnObjective:
    """An objective of a repository's branch; private if the repository is."""

    document: ObjectiveDocument
    place: Place
    branch: str
    private: bool


@dataclass(frozen=True, slots=True)
class OwnObjectives:
    """The objectives of all repositories, and sentences about invalid files."""

    objectives: tuple[OwnObjective, ...]
    problems: tuple[str, ...] = ()


def objective_id(own: str, forge: str, repository: str, branch: str, name: str) -> str:
    """Return the id of an objective in history.

    A document has its own; one of a `.minimize.yaml` has repository, branch and name in it, so that
    equal names of two repositories stay apart.
    """
    if not own.startswith(REPOSITORY_FILE):
        return own
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{repository}-{branch}-{name}").strip("-")[:80]
    exact = hashlib.sha256("\0".join((forge, repository, branch, name)).encode()).hexdigest()
    return f"{readable}-{exact[:10]}"


def own_objectives(files: Iterable[BranchFile], configuration: Configuration) -> OwnObjectives:
    """Return the objectives of the files, each for its branch's repository documents.

    One that names a repository document itself covers only that. An invalid file is left out, with
    a sentence about it.
    """
    objectives: list[OwnObjective] = []
    problems: list[str] = []
    for file in files:
        if file.content is None:
            continue
        where = f"{file.forge}:{file.repository} ({file.branch})"
        try:
            objectives += _of(file, configuration)
        except UsageError as error:
            problems.append(f"{where}: {error}")
    return OwnObjectives(tuple(objectives), tuple(problems))


def with_own(configuration: Configuration, own: OwnObjectives) -> Configuration:
    """Return the configuration with the repositories' objectives beside the documents'."""
    documents = {
        f"{objective.document.id} {objective.document.repository}": objective.document
        for objective in own.objectives
    }
    return replace(configuration, objectives={**configuration.objectives, **documents})


def own_places(own: OwnObjectives) -> dict[str, tuple[str, bool]]:
    """Return the place of each objective, and whether it is private, by its id."""
    return {
        objective.document.id: (
            f"{objective.place.forge}:{objective.place.repository}",
            objective.private,
        )
        for objective in own.objectives
    }


def _of(file: BranchFile, configuration: Configuration) -> list[OwnObjective]:
    from bot.check.repository_file import read_repository_file

    parsed = read_repository_file((file.content or "").encode())
    # As in checks: without a rule or a choice all default documents count.
    ids = parsed.repositories_of(file.branch) or file.documents
    ids = ids or tuple(document.id for document in chosen_documents(configuration, ()))
    place = Place(file.forge, file.repository)
    objectives = []
    images = {image.name for image in written_images(file)}
    for objective in parsed.objectives:
        name = tracked_name(file.repository, objective.workload)
        place_name = f"{file.forge}:{file.repository}"
        tracked = replace(
            objective,
            workload=name if name in images else objective.workload,
            id=objective_id(objective.id, file.forge, file.repository, file.branch, objective.name),
            name=f"{objective.name} ({place_name}, {file.branch})",
            maintainer=objective.maintainer or place_name,
        )
        for repository in ids:
            if objective.repository in (None, repository):
                document = replace(tracked, repository=repository)
                objectives.append(OwnObjective(document, place, file.branch, file.private))
    return objectives
