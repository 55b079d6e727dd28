"""Lines of the changed specs that could be weaker, with evidence that packages are not needed.

Runs after the build: only then it is known what the files of the packages use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bot.check.lines import saving_of
from bot.check.objectives import needs_of
from bot.git.hunks import lines_of_change
from bot.model.advice import EditKind, Evidence
from bot.model.opportunity import edit_name
from bot.model.result import CheckResult
from bot.model.spec import SpecEvaluation, SpecLine
from bot.model.suggestion import DiffLine, Saving, Suggestion

if TYPE_CHECKING:
    from bot.advice.headers import HeaderFacts
    from bot.advice.programs import Opened
    from bot.check.change import Change
    from bot.check.evidence import EvaluatedSpec
    from bot.check.images import CheckedImage
    from bot.check.run import Prediction
    from bot.check.target import Target

# The most images of an architecture that are searched; with more, nothing is suggested.
MOST_IMAGES = 24
# The number of lines that the change did not bring, those that save most.
MOST_LINES = 3
_BUILT = ("rebuilt", "external")
_PLAIN = re.compile(r"^\s*Requires\s*:\s*(?P<rest>\S.*?)\s*$", re.IGNORECASE)
_OF_SCRIPTLETS = re.compile(r"^\s*Requires(?P<rest>\([a-z, ]+\)\s*:\s*\S.*?)\s*$", re.IGNORECASE)
# systemd's macros for packages with units (rpm/macros.systemd.in).
_SYSTEMD = re.compile(r"^\s*%\{?\??systemd_requires\}?\s*$")


@dataclass(frozen=True, slots=True)
class EditedLine:
    """A line that states requirements of the spec's packages, and its replacement.

    `needs` are pairs of package and capability name, none of which another line states too.
    """

    line: SpecLine
    kind: EditKind
    replace_with: str
    needs: frozenset[tuple[str, str]]

    @property
    def edits(self) -> tuple[str, ...]:
        """The names of its edits."""
        return tuple(sorted(edit_name(package, name) for package, name in self.needs))


@dataclass(frozen=True, slots=True)
class _Trial:
    """A weaker line that makes one image smaller, and the evidence for it."""

    line: EditedLine
    saving: Saving
    evidence: Evidence | None = None


def with_edits(change: Change, prediction: Prediction) -> Prediction:
    """The check with evidence for its suggestions, and with suggestions for other lines.

    Unchanged for several changes together, and if this machine has no optimiser, which the evidence
    needs.
    """
    if len(prediction.parts) > 1 or not prediction.file.suggestions or find_spec("pysat") is None:
        return prediction
    from bot.advice.headers import HeaderFacts

    headers = HeaderFacts(prediction.cache)
    trials: list[_Trial] = []
    places: dict[SpecLine, DiffLine] = {}
    for target in prediction.targets:
        for arch, sides in target.sides.items():
            if sides.head.evidence in _BUILT:
                lines = list(_lines(target, arch))
                trials += _trials(target, arch, lines, prediction, headers)
        for evaluated in target.specs:
            places |= _diff_lines(change, evaluated)
    return replace(prediction, result=_suggesting(prediction.result, trials, places))


def _lines(target: Target, arch: str) -> Iterator[EditedLine]:
    for evaluated in target.specs:
        head = evaluated.head.get(arch)
        if isinstance(head, SpecEvaluation):
            yield from edited_lines(head)


def edited_lines(evaluated: SpecEvaluation) -> Iterator[EditedLine]:
    """The lines of a spec that could be weaker: each alone states its requirements."""
    from bot.advice.edits import capability_name

    needs: dict[SpecLine, set[tuple[str, str | None]]] = {}
    stated: dict[tuple[str, str | None], set[SpecLine]] = {}
    for package in evaluated.packages:
        for stated_dependency in package.dependencies:
            if (
                stated_dependency.dependency.kind == "requires"
                and stated_dependency.origin is not None
            ):
                need = package.nevra.name, capability_name(stated_dependency.dependency.capability)
                needs.setdefault(stated_dependency.origin, set()).add(need)
                stated.setdefault(need, set()).add(stated_dependency.origin)
    for line, own in sorted(needs.items()):
        weaker = weaker_line(line.text)
        plain = {(package, name) for package, name in own if name is not None}
        if weaker is not None and plain == own and all(len(stated[need]) == 1 for need in plain):
            yield EditedLine(line, *weaker, frozenset(plain))


def weaker_line(text: str) -> tuple[EditKind, str] | None:
    """The edit and the text of the weaker line for one that requires; null for any other line."""
    if match := _PLAIN.match(text):
        return "weaken", f"Recommends: {match['rest']}"
    if match := _OF_SCRIPTLETS.match(text):
        return "order", f"OrderWithRequires{match['rest']}"
    return ("order", "%{?systemd_ordering}") if _SYSTEMD.match(text) else None


def _trials(
    target: Target,
    arch: str,
    lines: Sequence[EditedLine],
    prediction: Prediction,
    headers: HeaderFacts,
) -> list[_Trial]:
    """The weaker lines that make an image of an architecture smaller, for each image."""
    from bot.advice.evidence import Smaller, evidence_of, of_kind

    place = target.document.id, arch
    images = [
        image
        for image in prediction.images
        if (image.result.key.repository, image.result.key.arch) == place
        and image.pair.head.status == "ok"
    ]
    if not lines or len(images) > MOST_IMAGES:
        return []
    trials: list[_Trial] = []
    smaller: list[Smaller] = []
    for image in images:
        opened = _opened(target, image, prediction, headers)
        for line, numbers, saving in _savings(opened, image, lines, headers):
            trials.append(_Trial(line, saving))
            smaller.append(Smaller(opened.job, opened.candidates.now, numbers))
    evidences = evidence_of(smaller, headers)
    return [
        replace(
            trial, evidence=of_kind(evidence, trial.line.kind) if evidence is not None else None
        )
        for trial, evidence in zip(trials, evidences, strict=True)
    ]


def _opened(
    target: Target, image: CheckedImage, prediction: Prediction, headers: HeaderFacts
) -> Opened:
    from bot.advice.candidates import candidates_of
    from bot.advice.programs import Opened, packages_of, programs_of, purpose_of
    from bot.advice.requests import Job

    key, request = image.result.key, image.request
    workload = prediction.rules.configuration.workloads.get(key.workload)
    job = Job(
        target.pools[key.arch],
        request,
        target.sides[key.arch].head,
        needs=needs_of(prediction.plan.objectives, key),
        test=workload.test if workload is not None else "",
    )
    with job.pool.solved(request, job.overlay) as solved:
        candidates = candidates_of(solved, key.arch, request.requests)
        requested = solved.closure.requested
        # Their files tell which programs of other packages they run.
        purpose = purpose_of(
            solved.overlays, candidates, requested, job.needs, headers, called=False
        )
        programs = programs_of(solved.overlays, candidates.now)
        return Opened(job, candidates, purpose, programs, packages_of(solved, candidates))


def _savings(
    opened: Opened, image: CheckedImage, lines: Sequence[EditedLine], headers: HeaderFacts
) -> Iterator[tuple[EditedLine, frozenset[int], Saving]]:
    """The lines that make an image smaller, with the packages that it then has. It still can be
    installed and has every program of its purpose."""
    from bot.advice.edits import edits_of_requirements
    from bot.advice.plans import dropped
    from bot.advice.written import news_of

    job, candidates = opened.job, opened.candidates
    own = {package for line in lines for package, _ in line.needs}
    refused: set[tuple[str, str]] = set()
    for known in (None, headers):  # headers are read by what is planned, and change it
        planned = (e for e in edits_of_requirements([candidates], known) if e.package in own)
        news_of([opened], {edit: [frozenset()] for edit in planned}, headers, refused)
    edits = {
        (edit.package, edit.capability): edit
        for edit in edits_of_requirements([candidates], headers, refused)
        if edit.package in own and edit.written
    }
    numbers = {candidate.nevra: n for n, candidate in candidates.packages.items()}
    installed = {candidates.packages[n].nevra.name for n in candidates.now}
    for line in lines:
        if line.kind == "weaken" and job.request.weak:
            continue  # what is recommended is installed
        needs = [need for need in sorted(line.needs) if need[0] in installed]
        planned_edits = [edits[need] for need in needs if need in edits]
        if (
            not planned_edits
            or len(planned_edits) < len(needs)
            or {e.kind for e in planned_edits} != {line.kind}
        ):
            continue
        after = job.pool.solve(
            job.request,
            job.overlay,
            drop=dropped(candidates, planned_edits),
            settled=lambda _: True,
        )
        remaining = frozenset(numbers[p.nevra] for p in after.packages if p.nevra in numbers)
        saving = saving_of(image.result.key, image.pair.head, after)
        served = all(owners & remaining for owners in opened.purpose.programs.values())
        if after.status == "ok" and served and saving.packages > saving.come:
            yield line, remaining, saving


def _diff_lines(change: Change, evaluated: EvaluatedSpec) -> Mapping[SpecLine, DiffLine]:
    """The lines of head's spec that a forge shows in the diff."""
    spec, text = evaluated.spec, evaluated.texts.get("head")
    if spec.head_path is None or text is None or change.head == "working tree":
        return {}
    diff_lines = lines_of_change(
        change.git, change.merge_base, change.head, spec.base_path, spec.head_path
    )
    lines = text.split("\n")
    base_path = spec.base_path or spec.head_path
    return {
        SpecLine(spec.head_path, number, lines[number - 1].rstrip("\r")): DiffLine(base_path, base)
        for number, base in diff_lines.items()
        if number <= len(lines)
    }


def _suggesting(
    result: CheckResult, trials: Iterable[_Trial], places: Mapping[SpecLine, DiffLine]
) -> CheckResult:
    by_line: dict[EditedLine, list[_Trial]] = {}
    for trial in trials:
        by_line.setdefault(trial.line, []).append(trial)
    by_spec = {
        edited.line: Suggestion(
            edited.line,
            edited.replace_with,
            tuple(trial.saving for trial in own),
            edited.edits,
            edited.kind,
            joined_evidence([trial.evidence for trial in own]),
            places.get(edited.line),
        )
        for edited, own in by_line.items()
    }
    suggestions = tuple(
        replace(suggestion, evidence=edited.evidence, diff_line=edited.diff_line)
        if (edited := by_spec.get(suggestion.spec)) is not None
        else suggestion
        for suggestion in result.suggestions
    )
    named = {
        line
        for suggestion in result.suggestions
        for line in (suggestion.spec, *suggestion.spec.feeds)
    }
    others = [
        suggestion for line, suggestion in by_spec.items() if line not in named and suggestion.safe
    ]
    others.sort(key=lambda suggestion: (-suggestion.most, suggestion.spec))
    return replace(result, suggestions=suggestions, spec_edits=tuple(others[:MOST_LINES]))


def joined_evidence(evidences: Sequence[Evidence | None]) -> Evidence | None:
    """The evidence of several images joined; null if one of them has none."""
    known_evidences = [evidence for evidence in evidences if evidence is not None]
    if len(known_evidences) < len(evidences) or not known_evidences:
        return None
    traces = [None if evidence.use is None else list(evidence.use) for evidence in known_evidences]
    return Evidence(
        None if None in traces else tuple(dict.fromkeys(t for own in traces for t in own or ())),
        _all_of([evidence.integrity for evidence in known_evidences]),
        # Only if a workload has a test, and on a machine that runs it.
        _all_of([evidence.runs for evidence in known_evidences if evidence.runs is not None]),
        looked_into="files"
        if all(evidence.looked_into == "files" for evidence in known_evidences)
        else "headers",
    )


def _all_of(outcomes: Sequence[bool | None]) -> bool | None:
    if False in outcomes:
        return False
    return True if outcomes and None not in outcomes else None
