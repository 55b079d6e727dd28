"""The values that the engine stores: arguments and results of steps, and their JSON. A check's
result is stored elsewhere (`bot.engine.results`); the engine has its id."""

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
    """The outcome of a step: `ok` with its value, or an error.

    Kinds of errors: `again`, another try may help; `died`, the compute process ended, and one more
    try may help; `away`, the forge is unavailable; `stop` and `gone`, no try helps; `failed`, a
    bug, logged under a number in `what`. `wait` is the seconds that a forge asks to wait.
    """

    kind: OutcomeKind
    value: T | None = None
    what: str = ""
    hint: str = ""
    wait: float = 0.0

    @property
    def ok(self) -> bool:
        """Return whether the step succeeded."""
        return self.kind == "ok"

    @property
    def returned(self) -> T:
        """The value of a step that succeeded."""
        assert self.value is not None, self.sentence
        return self.value

    @property
    def sentence(self) -> str:
        """The error, and what to do about it."""
        return f"{self.what} {self.hint}".strip()


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A stored result: its id, its verdict, and the title and summary (Markdown) of its status."""

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

    `changed`: some image changes. `worth_building`: a build could refine it; else `why_not` may say
    why nothing is built. `read`: evaluation or a build reads what changed. `external` is the plan
    of an external build, `file` the `.minimize.yaml` of a tracked branch. `arches` are the
    architectures to build for.
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
    transfers to other architectures; or the problem, a sentence."""

    arch: str
    result: str | None = None
    transfers: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class BuildDecision:
    """The decision whether to build a head commit, and why not.

    `trusted`: the change is trusted, so that its prediction is valid without a build.
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
    """The state of an external build, a sentence on it, a page, the seconds left to wait, and the
    links to builds of a build service."""

    state: WaitState
    text: str
    url: str
    left: float
    links: BuildLinks = NO_LINKS


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run; null is not known yet. `result` is the id of a stored result,
    `predicted` is in seconds since 1970, `waiting` is the glob of the check names that it waits
    for."""

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
        """The progress after that of a `later` workflow, whose problem replaces this one's."""
        if later == Progress():
            return self
        both = {f.name: (getattr(self, f.name), getattr(later, f.name)) for f in fields(self)}
        newest = {name: before if new is None else new for name, (before, new) in both.items()}
        return Progress(**newest | {"problem": later.problem, "done": self.done or later.done})


# Their names are stored in the engine's database, so renaming one breaks runs in flight.
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
    """The serializer of DBOS's values: JSON, with a dataclass as its name and its fields that
    differ from the defaults. Not pickle, by which a shared database could run code here."""

    def __init__(self) -> None:
        self._adapters = {type_.__name__: TypeAdapter(type_) for type_ in _TYPES}

    def name(self) -> str:
        """The name of this serializer, which the engine's database stores beside each value."""
        return "minimize"

    def serialize(self, data: Any) -> str:
        """The JSON of `data`; TypeError if it is none of the engine's values."""
        return json.dumps(data, default=self._tag, separators=(",", ":"), ensure_ascii=False)

    def deserialize(self, serialized_data: str) -> Any:
        """The value that `serialize` wrote; ValueError if it does not fit its type."""
        return json.loads(serialized_data, object_hook=self._restore)

    def _tag(self, value: Any) -> dict[str, object]:
        if isinstance(value, BaseException):
            return {_TAG: _ERROR, "name": type(value).__name__, "message": str(value)}
        name = type(value).__name__
        if name not in self._adapters:
            raise TypeError(f"{name} does not go through the engine.")
        values = {f.name: (getattr(value, f.name), f.default) for f in fields(value)}
        return {_TAG: name} | {
            name: content
            for name, (content, default) in values.items()
            if default is MISSING or content != default
        }

    def _restore(self, document: dict[str, object]) -> object:
        name = document.pop(_TAG, None)
        if name is None:
            return document
        if name == _ERROR:
            return PortableWorkflowError(str(document["message"]), str(document["name"]))
        adapter = self._adapters.get(str(name))
        if adapter is None:
            raise ValueError(f"{name} is none of the engine's values: a newer release wrote it.")
        return adapter.validate_python(document)
