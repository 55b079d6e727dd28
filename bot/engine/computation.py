"""The work of a run in a compute process, given a checker and a change's commits. Imports neither
the engine nor the store, which keeps compute processes small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.chat.parser import Question
from bot.chat.questions import ChatFinding
from bot.check.architectures import ArchitectureResult
from bot.check.change import touched_specs, touches_packaging
from bot.check.external import ExternalPlan, ExternalProgress
from bot.engine.job import Checker, CheckJob, PredictedCheck
from bot.git.mirror import GitMirror
from bot.model.result import REPOSITORY_FILE, CheckResult


def warm_up(checker: Checker) -> None:
    """Load what most checks need."""
    checker.warm_up()


@dataclass(frozen=True, slots=True)
class Commits:
    """The commits of a job in the object cache; `refs` are the forge's refs to fetch them by."""

    mirror: GitMirror
    refs: tuple[str, ...]
    head: str
    base: str

    def fetch(self) -> str:
        """Fetch missing commits; return the id of the merge base."""
        return self.mirror.fetch(self.head, self.base, refs=self.refs)


@dataclass(frozen=True, slots=True)
class FetchedChange:
    """A change whose commits are fetched; `packaging`: it touches files of a package; `specs`: the
    number of spec files it touches."""

    merge_base: str
    packaging: bool
    specs: int = 0


def fetch_change(_checker: Checker, commits: Commits) -> FetchedChange:
    """Fetch the commits and find whether the change touches a package.

    Uses git: forges truncate or refuse a list of thousands of files.
    """
    merge_base = commits.fetch()
    change = (commits.mirror, merge_base, commits.head)
    return FetchedChange(merge_base, touches_packaging(*change), touched_specs(*change))


def predict_change(
    checker: Checker, job: CheckJob, commits: Commits, others: Sequence[Commits] = ()
) -> PredictedCheck:
    """Predict from the spec files; `others` are the commits of changes checked together with it."""
    checker.drop_idle()
    commits.fetch()
    return checker.predict(job, commits.mirror, _fetch_mirrors(others))


def read_base_file(_checker: Checker, commits: Commits) -> str | None:
    """The `.minimize.yaml` at the tip of the base branch, null if there is none."""
    content = commits.mirror.read(commits.base, REPOSITORY_FILE)
    return None if content is None else content.decode("utf-8", "replace")


def finish_change(
    checker: Checker, job: CheckJob, commits: Commits, others: Sequence[Commits] = ()
) -> CheckResult:
    """Rebuild both sides and compare."""
    commits.fetch()
    return checker.finish(job, commits.mirror, _fetch_mirrors(others))


def _fetch_mirrors(others: Sequence[Commits]) -> list[GitMirror]:
    for commits in others:
        commits.fetch()
    return [commits.mirror for commits in others]


def build_change(
    checker: Checker, job: CheckJob, commits: Commits, arch: str, arches: Sequence[str]
) -> ArchitectureResult:
    """Rebuild both sides for one of several architectures."""
    commits.fetch()
    return checker.build(job, commits.mirror, arch, arches)


def answer_questions(
    checker: Checker, job: CheckJob, commits: Commits, questions: Sequence[Question]
) -> tuple[ChatFinding, ...]:
    """Answer questions about the images of the head commit."""
    commits.fetch()
    return checker.ask(job, commits.mirror, questions)


def locate_packages(checker: Checker, plan: ExternalPlan) -> ExternalProgress:
    """Find the packages of an external build that are available by now."""
    return checker.locate(plan)
