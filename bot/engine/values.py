"""The values that go through the engine: what steps take and return, and their JSON.

A check's result does not: it is stored once (`bot.engine.results`), and its id goes through.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from typing import Any, Generic, Literal, TypeVar

from dbos import PortableWorkflowError, Serializer
from pydantic import TypeAdapter

from bot.build.external import ExternalPlace
from bot.build.service_builds import NO_LINKS, BuildLinks
from bot.check.external import ExternalPlan
from bot.engine.job import CheckJob, Line, OtherHead, Reply
from bot.engine.trust import Trust
from bot.model.result import Acceptance, Verdict
from bot.store.records import CheckStage

T = TypeVar("T")
# The id and the address of a comment on a forge.
Comment = tuple[str, str]
OutcomeKind = Literal["ok", "again", "away", "died", "stop", "gone", "failed"]
WaitState = Literal["waiting", "failed", "late", "there"]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """The outcome of a step: `ok` with its value, or a sentence.

    `again` may help, as it may once where the process that computes `died`, and at any time where a
    forge is `away`; `stop` and `gone` would not, `failed` is a mistake of ours with a number under
    which the log has it. `wait` is how many seconds a forge requires to wait.
    """

    kind: OutcomeKind
    value: T | None = None
    what: str = ""
    hint: str = ""
    wait: float = 0.0

    @property
    def ok(self) -> bool:
        """Return whether the step did what it is for."""
        return self.kind == "ok"

    @property
    def returned(self) -> T:
        """The value of a step that did what it is for."""
        assert self.value is not None, self.sentence
        return self.value

    @property
    def sentence(self) -> str:
        """The error, and what to do about it."""
        return f"{self.what} {self.hint}".strip()


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A stored result: its id, its verdict, and its status's title and summary (Markdown)."""

    id: str
    verdict: Verdict
    title: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class BaseFile:
    """The `.minimize.yaml` at the tip of the base branch, null if there is none."""

    content: str | None


@dataclass(frozen=True, slots=True)
class Predicted:
    """A prediction, made at `time` (seconds since 1970).

    `changed`: some image changes. `worth_building`: a build could tell more, else `why_not` says
    why not where the settings require one. `read`: evaluation or a build reads what changed.
    `external` is the plan of a build elsewhere, `file` what a tracked branch has. `arches` are the
    architectures that a build would be for.
    """

    result: StoredResult
    time: float
    changed: bool = True
    worth_building: bool = True
    why_not: str = ""
    external: ExternalPlan | None = None
    file: BaseFile | None = None
    read: bool = True
    arches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildEnd:
    """The end of a build for one of several architectures: the id of its result, with sentences on
    those that it was transferred to; or the problem, a sentence."""

    arch: str
    result: str | None = None
    transfers: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class BuildDecision:
    """The decision to build a head commit, or why not.

    `trusted`: what is predicted counts by itself, without a build.
    """

    build: bool
    why: str = ""
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class Published:
    """The outcome of writing a comment, in runs of a release before the outbox."""

    comment: Comment | None = None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """The state of a build elsewhere, a sentence on it, a page, the seconds left to wait, and the
    links to builds of a service."""

    state: WaitState
    text: str
    url: str
    left: float
    links: BuildLinks = NO_LINKS


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run; null is not known yet. `result` is the id of a stored one, `predicted`
    seconds since 1970, `waiting` the glob on the checks that it waits for."""

    stage: CheckStage | None = None
    verdict: Verdict | None = None
    summary: str | None = None
    problem: str | None = None
    result: str | None = None
    predicted: float | None = None
    comment: Comment | None = None
    waiting: str | None = None
    file: BaseFile | None = None
    done: bool = False

    def then(self, later: Progress) -> Progress:
        """The progress after a second workflow's, which has the problem, if any is left."""
        if later == Progress():
            return self
        both = {f.name: (getattr(self, f.name), getattr(later, f.name)) for f in fields(self)}
        known = {name: before if new is None else new for name, (before, new) in both.items()}
        return Progress(**known | {"problem": later.problem, "done": self.done or later.done})


# Their names stand in the engine's database: a run in flight is read by them.
_TYPES: tuple[type[Any], ...] = (
    Acceptance,
    BaseFile,
    BuildDecision,
    BuildEnd,
    BuildLinks,
    CheckJob,
    ExternalPlace,
    ExternalPlan,
    Line,
    Look,
    OtherHead,
    Outcome,
    Predicted,
    Progress,
    Published,
    Reply,
    StoredResult,
    Trust,
)
_TAG = "@type"
_ERROR = "error"


class ValueSerializer(Serializer):
    """DBOS's values as JSON: a dataclass of ours has its name and the fields that are no defaults.

    JSON, not pickle: a shared database must not be able to run code here.
    """

    def __init__(self) -> None:
        self._adapters = {one.__name__: TypeAdapter(one) for one in _TYPES}

    def name(self) -> str:
        """The name that the engine's database has beside each value."""
        return "minimize"

    def serialize(self, data: Any) -> str:
        """`data` as JSON; TypeError if it is none of the engine's values."""
        return json.dumps(data, default=self._tagged, separators=(",", ":"), ensure_ascii=False)

    def deserialize(self, serialized_data: str) -> Any:
        """The value that `serialize` wrote; ValueError if it does not fit its type."""
        return json.loads(serialized_data, object_hook=self._restored)

    def _tagged(self, value: Any) -> dict[str, object]:
        if isinstance(value, BaseException):
            return {_TAG: _ERROR, "name": type(value).__name__, "message": str(value)}
        name = type(value).__name__
        if name not in self._adapters:
            raise TypeError(f"{name} does not go through the engine.")
        known = {f.name: (getattr(value, f.name), f.default) for f in fields(value)}
        return {_TAG: name} | {
            name: given
            for name, (given, default) in known.items()
            if default is MISSING or given != default
        }

    def _restored(self, found: dict[str, object]) -> object:
        name = found.pop(_TAG, None)
        if name is None:
            return found
        if name == _ERROR:
            return PortableWorkflowError(str(found["message"]), str(found["name"]))
        adapter = self._adapters.get(str(name))
        if adapter is None:
            raise ValueError(f"{name} is none of the engine's values: a newer release wrote it.")
        return adapter.validate_python(found)
