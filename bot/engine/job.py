"""The subjects of runs, and the interface of the checker that computes results."""

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

    `name` is what reports call it; `allowed` is who allowed to build this commit, "" for nobody.
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
    """One head commit of one pull request, requested by one delivery.

    `base_sha` is the tip of the base branch; `documents` are the ids of the repository documents
    that the settings name for it, empty if they name none. `allowed` is who allowed to build this
    commit, "" for nobody; `pusher` who pushed it, "" where no delivery told; `acceptance` who
    accepted its going over a limit. `workloads` and `arches` narrow the check, `others` are checked
    together with it; it then answers in a comment of its own, found by the hidden marker `answers`,
    and is no answer for the commit. `declined` are edits that are not wanted in the repository.
    `delivery` is the id of the delivery that asked for it. `urgency` is in whose turn it runs:
    changes of programs' accounts (a mass rebuild, an updater) come after those of people.
    `tracked`: repositories are built from the base branch, so its objectives are tracked. `links`
    are those to the builds of a service that a run has waited for.
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
        """Return whether it looks at some images alone, or at other changes too."""
        return bool(self.workloads or self.arches or self.others)

    @property
    def key(self) -> PullRequestKey:
        """The pull request."""
        return PullRequestKey(self.forge, self.repository, self.number)


def job_of_head(run: str, key: PullRequestKey, head: PullRequest | CheckRecord) -> CheckJob:
    """The job `run` about the head commit that a pull request has, or that a check was about."""
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
    """A command line with its `answer`; an empty one is computed from the line."""

    text: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the comment with the id `comment`, of `user`, at `url`.

    `marker` finds the answer again; `react`: a command was taken.
    """

    comment: str
    user: str
    url: str
    marker: str
    react: bool
    lines: tuple[Line, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        """The lines that need the images to be answered."""
        parsed = [parse_line(line.text) for line in self.lines if not line.answer]
        return tuple(q for q in parsed if isinstance(q, Question) and q.name != "help")


def run_id(key: PullRequestKey, head_sha: str, delivery: str) -> str:
    """The id of a run, and of its page.

    The delivery is part of it: a force-push A, B, A must not attach to A's cancelled run.
    """
    readable = f"{run_prefix(key)}{key.number}"[:100]
    exact = hashlib.sha256(f"{key}\0{head_sha}\0{delivery}".encode()).hexdigest()
    return f"{readable}-{head_sha[:10]}-{exact[:10]}"


def run_prefix(key: PullRequestKey) -> str:
    """The beginning of the ids of a repository's runs."""
    names = "-".join([key.forge, *key.repository.split("/")])
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{names}-")[:100]


@dataclass(frozen=True, slots=True)
class PredictedCheck:
    """A prediction, and whether a rebuild could say more.

    `external` is the plan of a build that somebody else makes; `why_not` says why nothing is built
    where the settings require it. `read`: evaluation or a build reads a file that changed. `arches`
    are the architectures that a build would be for.
    """

    result: CheckResult
    worth_building: bool = True
    external: ExternalPlan | None = None
    why_not: str = ""
    read: bool = True
    arches: tuple[str, ...] = ()


class Checker(Protocol):
    """The interface that evaluates, builds and solves. Called in a process of its own, may take
    long.

    Both raise SurroundingsError where another try may help, UsageError and ChangeError where it
    would not. `git` has every commit between the job's base and head.
    """

    def predict(
        self, job: CheckJob, git: GitRepository, others: Sequence[GitRepository] = ()
    ) -> PredictedCheck:
        """The result from the spec files alone, `stage` predicted; `others` have the commits of the
        job's others."""
        ...

    def finish(
        self, job: CheckJob, git: GitRepository, others: Sequence[GitRepository] = ()
    ) -> CheckResult:
        """The result from the rebuilt packages, `stage` final."""
        ...

    def build(
        self, job: CheckJob, git: GitRepository, arch: str, arches: Sequence[str]
    ) -> ArchitectureResult:
        """The result of building for `arch`, one of the `arches` that are built for."""
        ...

    def locate(self, plan: ExternalPlan) -> ExternalProgress:
        """Which packages of a build elsewhere are there by now."""
        ...

    def ask(
        self, job: CheckJob, git: GitRepository, questions: Sequence[Question]
    ) -> tuple[ChatFinding, ...]:
        """The answers to questions about the images, each in its turn; builds nothing."""
        ...

    def warm_up(self) -> None:
        """Load what is available; a check that needs the rest reports its absence."""
        ...

    def drop_idle(self) -> int:
        """Release what was not used lately; return how much."""
        ...
