"""Jobs of runs, and the interface of the checker that computes their results."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from bot.build.service_builds import NO_LINKS, BuildLinks
from bot.chat.parser import Question, parse_line
from bot.chat.questions import ChatFinding
from bot.forge.values import PullRequest, PullRequestKey
from bot.git.repository import GitRepository
from bot.model.result import Acceptance, CheckResult
from bot.store.records import CheckRecord

if TYPE_CHECKING:
    from bot.check.architectures import ArchitectureResult
    from bot.check.external import ExternalPlan, ExternalProgress


Urgency = Literal["chat", "push", "scheduled"]


@dataclass(frozen=True, slots=True)
class OtherHead:
    """The head commit of a pull request that is checked together with another one.

    `name` is its name in reports; `allowed` is the user who allowed to build this commit, or "".
    """

    name: str
    repository: str
    number: int
    base_ref: str
    base_sha: str
    head_sha: str
    author: str
    allowed: str = ""


@dataclass(frozen=True, slots=True)
class CheckJob:
    """A check of one head commit of a pull request, requested by one delivery.

    `base_sha` is the tip of the base branch; `documents` are the ids of the repository documents
    that the settings name for it. `allowed` is the user who allowed to build this commit, or "";
    `pusher` the user who pushed it, "" if no delivery named one; `acceptance` is the acceptance of
    a violated limit. `workloads` and `arches` narrow the check, `others` are checked together with
    it; it then answers in a comment of its own, found by the hidden marker `answers`, and sets no
    status. `declined` are edits that were declined in the repository. `delivery` is the id of the
    requesting delivery. `urgency` is its range of priorities: changes by programs' accounts (a mass
    rebuild, an updater) come after those of people. `tracked`: repositories are built from the base
    branch, so its objectives are tracked. `links` are the links to a build service's builds that a
    run has waited for.
    """

    id: str
    forge: str
    repository: str
    number: int
    base_ref: str
    base_sha: str
    head_sha: str
    author: str
    private: bool = False
    documents: tuple[str, ...] = ()
    allowed: str = ""
    acceptance: Acceptance | None = None
    workloads: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()
    answers: str = ""
    tracked: bool = False
    pusher: str = ""
    delivery: str = ""
    declined: tuple[str, ...] = ()
    others: tuple[OtherHead, ...] = ()
    urgency: Urgency = "push"
    links: BuildLinks = NO_LINKS

    @property
    def narrowed(self) -> bool:
        """Return whether the check is limited to some images, or includes other changes."""
        return bool(self.workloads or self.arches or self.others)

    @property
    def key(self) -> PullRequestKey:
        """The pull request."""
        return PullRequestKey(self.forge, self.repository, self.number)


def job_of_head(run: str, key: PullRequestKey, head: PullRequest | CheckRecord) -> CheckJob:
    """The job with the id `run` for the head commit of a pull request or of an earlier check."""
    return CheckJob(
        run,
        *key.parts,
        head.base_ref,
        head.base_sha,
        head.head_sha,
        head.author,
        head.private,
        pusher=head.pusher if isinstance(head, CheckRecord) else "",
        delivery=head.delivery if isinstance(head, CheckRecord) else "",
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A command line of a comment with its `answer`; an empty one is still to be computed."""

    text: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to the comment with the id `comment`, of `user`, at `url`.

    `marker`, hidden in the reply, finds it again; `react`: a command was taken, which gets a
    reaction.
    """

    comment: str
    user: str
    url: str
    marker: str
    react: bool
    lines: tuple[Line, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions that have to be computed on the images."""
        parsed = [parse_line(line.text) for line in self.lines if not line.answer]
        return tuple(q for q in parsed if isinstance(q, Question) and q.name != "help")


def run_id(key: PullRequestKey, head_sha: str, delivery: str) -> str:
    """The id of a run, and of its page.

    The delivery is part of it: the last of force-pushes A, B, A must not get A's cancelled run.
    """
    readable = f"{run_prefix(key)}{key.number}"[:100]
    exact = hashlib.sha256(f"{key}\0{head_sha}\0{delivery}".encode()).hexdigest()
    return f"{readable}-{head_sha[:10]}-{exact[:10]}"


def run_prefix(key: PullRequestKey) -> str:
    """The prefix of the ids of a repository's runs."""
    names = "-".join([key.forge, *key.repository.split("/")])
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{names}-")[:100]


@dataclass(frozen=True, slots=True)
class PredictedCheck:
    """A prediction, and whether a rebuild could refine it.

    `external` is the plan of an external build; `why_not` is the error if it could not be planned.
    `read`: evaluation or a build reads a file that changed. `arches` are the architectures to build
    for.
    """

    result: CheckResult
    worth_building: bool = True
    external: ExternalPlan | None = None
    why_not: str = ""
    read: bool = True
    arches: tuple[str, ...] = ()


class Checker(Protocol):
    """The interface that evaluates, builds and solves, in a compute process. May take minutes.

    Methods raise SurroundingsError if another try may help, UsageError and ChangeError if it would
    not. `git` has every commit between the job's base and head.
    """

    def predict(
        self, job: CheckJob, git: GitRepository, others: Sequence[GitRepository] = ()
    ) -> PredictedCheck:
        """The result from the spec files alone, with the stage `predicted`; `others` are the
        repositories of the commits of `job.others`."""
        ...

    def finish(
        self, job: CheckJob, git: GitRepository, others: Sequence[GitRepository] = ()
    ) -> CheckResult:
        """The result from the rebuilt packages, with the stage `final`."""
        ...

    def build(
        self, job: CheckJob, git: GitRepository, arch: str, arches: Sequence[str]
    ) -> ArchitectureResult:
        """The result of building for `arch`, one of the `arches` that are built for."""
        ...

    def locate(self, plan: ExternalPlan) -> ExternalProgress:
        """The packages of an external build that are available by now."""
        ...

    def ask(
        self, job: CheckJob, git: GitRepository, questions: Sequence[Question]
    ) -> tuple[ChatFinding, ...]:
        """The answers to questions about the images, in their order; builds nothing."""
        ...

    def warm_up(self) -> None:
        """Load the pools that most checks need, before the first one."""
        ...

    def drop_idle(self) -> int:
        """Release pools that were not used lately; return their number."""
        ...
