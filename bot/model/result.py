"""The result of a check: its values, whose fields are those of its JSON.

The fields are CONTRACT's, in its order; `alias` is a field's name in JSON if that differs.
`model/result_json.py` and the OpenAPI description are derived from them. Lists are sorted when a
value is made, so that equal results give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

from bot.model.amount import Amount
from bot.model.closure import Broken, Edge, GeneratedRequirement, SnapshotState, UnsolvableCause
from bot.model.image import ImageKey, inline
from bot.model.nevra import JSON, Nevra
from bot.model.opportunity import MadeEdit
from bot.model.package import Evidence, Package
from bot.model.spec import BuildNote, RefusedLine, SpecLine
from bot.model.suggestion import LineAdvice, Suggestion
from bot.model.surface import Surface

# `action_required`: the change's author is not trusted, and it was not built.
Verdict = Literal["success", "failure", "neutral", "action_required"]
# The file of a repository's own configuration.
REPOSITORY_FILE = ".minimize.yaml"


@dataclass(frozen=True, slots=True)
class LayerSize:
    """Sizes in bytes of a composed layer."""

    uncompressed: int
    gzip: int
    zstd: int


@dataclass(frozen=True, slots=True)
class Side:
    """One side of an image.

    `packages` and sizes are null if it is unsolvable, `layer` and `surface` until it is composed.
    `problems` are the solver's texts; `causes` are the same as data, the root first. Both have the
    first hundred; `more_causes` is the number of the other causes. `beneath_packages` and
    `beneath_size` (bytes, null if unknown) are those of the image that it is built on, which no
    other figure includes.
    """

    status: Literal["ok", "unsolvable", "absent"]
    problems: tuple[str, ...] = ()
    causes: tuple[UnsolvableCause, ...] = ()
    _: KW_ONLY
    more_causes: int = 0
    packages: int | None = None
    installed_size: int | None = None
    known_size: int | None = None
    beneath_packages: int = 0
    beneath_size: int | None = None
    layer: LayerSize | None = None
    surface: Surface | None = None


@inline("package")
@dataclass(frozen=True, slots=True)
class Added:
    """A package that the change adds to an image.

    `chains`: for each requested package that leads to it the shortest chain of requirements that
    base did not already meet (of several, the first by NEVRA). `spec`: the line of this change that
    brings it in, or null.

    `leaves_with`: the smallest set of this change's lines whose removal takes the package out. This
    and the next four are proved by solving again. `alternatives`: other lines of that set, each of
    which brings the package in without `spec`. `together_with`: lines without which `spec` does not
    bring it in. `stays_by`: the chain by which it comes even without any of the lines, if `spec`
    alone would bring it in too. `instead`: packages that come in when the lines `leaves_with` are
    removed. `generated`: the requirement, found by the build, that brings it in where no line does.
    """

    __pydantic_config__ = JSON
    package: Package
    requested: bool
    chains: tuple[tuple[Edge, ...], ...] = ()
    spec: SpecLine | None = None
    leaves_with: tuple[SpecLine, ...] = ()
    alternatives: tuple[SpecLine, ...] = ()
    together_with: tuple[SpecLine, ...] = ()
    stays_by: tuple[Edge, ...] = ()
    instead: tuple[Nevra, ...] = ()
    generated: GeneratedRequirement | None = None


@dataclass(frozen=True, slots=True)
class Without:
    """The head of an image without one cause of added packages, or without all, solved again.

    `lines` are lines of the change, `generated` capabilities that the build would not find;
    `packages` and `installed_size` (bytes, null if unknown) are those of the whole image.
    """

    lines: tuple[SpecLine, ...]
    generated: tuple[str, ...]
    packages: int
    installed_size: int | None


@dataclass(frozen=True, slots=True)
class ChangedPackage:
    """A package of one name and architecture on both sides, with another version, size or
    dependencies; `delta` is bytes of installed size, null where a side is unknown."""

    __pydantic_config__ = JSON
    name: str
    arch: str
    before: Nevra = field(metadata={"alias": "from"})
    after: Nevra = field(metadata={"alias": "to"})
    delta: int | None = field(metadata={"alias": "installed_size_delta"})


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that a change adds, removes, or makes larger or smaller; sizes in bytes or null.

    `package` is the name of its package (the head's, if the file is there).
    """

    package: str
    path: str
    before: int | None
    after: int | None

    @property
    def delta(self) -> int:
        """The bytes by which it changes the image."""
        return (self.after or 0) - (self.before or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveResult:
    """The value of one metric of an objective, null where it could not be measured.

    `id` is the objective's. `metric`: `packages`, `installed_size`, `layer_size`, `growth`,
    `unwanted:NAME` or a kind of attack surface: for the last, `before`, `value` and `limit` are
    lists, of what is there and what is allowed. `worse` is true if this change newly violates it,
    or moves it further beyond its limit. `target` is to be met by the end of the day `target_by`
    (`2027-03-01`), both null if there is none; it counts for `met` and `worse` once it is `due`:
    that day is over.
    """

    name: str
    id: str = ""
    metric: str
    before: Amount | None
    value: Amount | None
    limit: Amount | None
    met: bool | None
    worse: bool = False
    reason: str = ""
    target: int | None = None
    target_by: str | None = None
    due: bool = False

    @property
    def bound(self) -> Amount | None:
        """The limit that applies today: the limit, a target that is due, or the smaller of both."""
        if isinstance(self.limit, tuple):
            return self.limit
        bounds = (self.limit, self.target if self.due else None)
        return min((bound for bound in bounds if bound is not None), default=None)


@dataclass(frozen=True, slots=True)
class OtherChange:
    """A change that is checked together with another one.

    `name` is as it was written: `REPO:REV`, `OWNER/REPO#N`, `GROUP/PROJECT!N`. Paths of its files
    begin with it. `base`, `head` and `merge_base` are commit ids, `specs` the paths of its changed
    specs, `sources` their source packages, as in a check.
    """

    name: str
    base: str
    head: str
    merge_base: str
    specs: tuple[str, ...] = ()
    sources: dict[str, str | None] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class OnlyTogether:
    """The packages that all changes together add to an image or remove, and none of them alone."""

    added: tuple[Nevra, ...] = ()
    removed: tuple[Nevra, ...] = ()


@inline("key")
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """The effect of the change on one image on one architecture.

    `files` are the ten files that change the size most, known once the layers are composed.
    `reason` says why neither side can be installed if the published packages can; else null.
    `without` is the head without each cause of the added packages, and, of several, without all. In
    a check with other changes, `alone` is the head with this change alone, `alone_with` with each
    of the others alone, in their order; else null and empty.
    """

    key: ImageKey
    changed: bool
    evidence: Evidence
    snapshot: SnapshotState
    base: Side
    head: Side
    reason: str | None = None
    added: tuple[Added, ...] = ()
    removed: tuple[Package, ...] = ()
    changed_packages: tuple[ChangedPackage, ...] = ()
    objectives: tuple[ObjectiveResult, ...] = ()
    files: tuple[FileChange, ...] = ()
    without: tuple[Without, ...] = ()
    alone: Side | None = None
    alone_with: tuple[Side, ...] = ()
    only_together: OnlyTogether | None = None

    def __post_init__(self) -> None:
        _sort(self, "added", lambda added: added.package.nevra)
        _sort(self, "removed", lambda package: package.nevra)
        _sort(self, "changed_packages", lambda pair: (pair.name, pair.arch, pair.after))
        _sort(self, "objectives", lambda objective: (objective.name, objective.metric))

    @property
    def size_delta(self) -> int | None:
        """Head's installed size less base's, in bytes; null where a side is not wholly known."""
        if self.base.installed_size is None or self.head.installed_size is None:
            return None
        return self.head.installed_size - self.base.installed_size

    @property
    def known_delta(self) -> int:
        """The difference of the known sizes, in bytes; 0 where a side cannot be installed."""
        if self.base.status != "ok" or self.head.status != "ok":
            return 0
        return (self.head.known_size or 0) - (self.base.known_size or 0)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A person's acceptance of limits that this head commit exceeds; `time` is RFC 3339 UTC."""

    user: str
    reason: str
    time: str


@dataclass(frozen=True, slots=True)
class FileProblem:
    """An error in a configuration file: the line (from 1, null for the file as a whole), the field,
    what is expected."""

    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        """The file, the line, the field, and the error."""
        field = f"{self.field}: " if self.field else ""
        place = REPOSITORY_FILE if self.line is None else f"{REPOSITORY_FILE}:{self.line}"
        return f"{place}: {field}{self.message}"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field on both sides; null where a side does not have it."""

    field: str
    before: str | None
    after: str | None


@inline("key")
@dataclass(frozen=True, slots=True)
class JudgedImage:
    """An image as judged by the changed file; `changed` by its thresholds."""

    key: ImageKey
    changed: bool
    objectives: tuple[ObjectiveResult, ...]


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """The effect of a changed configuration file, which begins with the merge.

    The check itself uses the base's file. With `problems` the head's file is invalid, and nothing
    else is known. `more` and `fewer` are images that would be checked only after the merge, or no
    longer. `verdict` is this change's verdict under the head's file, null if no spec changed;
    `images` are those with another verdict then, or only then. `notes` are sentences.
    """

    __pydantic_config__ = JSON
    path: str
    action: Literal["added", "changed", "removed"]
    problems: tuple[FileProblem, ...] = ()
    fields: tuple[FieldChange, ...] = ()
    more: tuple[ImageKey, ...] = field(default=(), metadata={"alias": "images_more"})
    fewer: tuple[ImageKey, ...] = field(default=(), metadata={"alias": "images_fewer"})
    verdict: Verdict | None = None
    images: tuple[JudgedImage, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How the same check is made elsewhere, in a clone of the repository.

    `fetch` is the URL that has the commits, and the refs or commits to fetch from there; empty if
    the commits are not to be fetched. `arguments` are those of `minimize check` besides the
    commits: which documents it stands on, and what narrows it.
    """

    fetch: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The whole result of a check.

    `problems` are sentences: what was not evaluated, and why. `base`, `head` and `merge_base` are
    commit ids (`head` may be the text `working tree`); `specs` are the paths of the changed specs,
    `requests` those of files that say what images request; `sources` are the source packages of the
    specs, each with the version-release to which this change updates it, or null; `rpm_versions`
    are the versions (`4.20`) of the rpm that evaluated the specs, by repository document, null if
    unknown; `unverified` are the repositories without a key, whose packages are executed unchecked
    (macros, the distribution's rpm, buildroots); `notes` are facts about the evidence; `awaited`
    are architectures whose own build has not ended yet.

    `spec_edits` are suggestions for lines of the changed specs that are not the change's own.
    `edits` are the changes to its packages' dependencies, by which opportunities are recognised.
    `broken` are packages that it makes uninstallable by what it drops. `advice` is on lines of the
    files in `requests`. `interrupted`: something outside the change failed, and another try may
    succeed; `incomplete`: something was not evaluated, without a fault of the change.
    `only_limits`: it fails only by objectives, so it may be accepted; `accepted` is the acceptance,
    and the verdict is then the one without objectives. `predicted_verdict` is the verdict for a
    trusted author where it is `action_required`, else null. `others` were checked together with
    this one; paths of theirs begin with their names. `refused` are lines for which the change's
    files cannot be evaluated, by the change's fault. `configuration` is the effect of a change to
    `.minimize.yaml`, which begins with the merge. `reproduction` is null where no command line
    elsewhere gives the same.
    """

    __pydantic_config__ = JSON
    base: str
    head: str
    merge_base: str
    specs: tuple[str, ...]
    requests: tuple[str, ...] = ()
    others: tuple[OtherChange, ...] = field(default=(), metadata={"alias": "with"})
    sources: dict[str, str | None] = field(default_factory=dict, hash=False)
    rpm_versions: dict[str, str | None] = field(default_factory=dict, hash=False)
    unverified: tuple[str, ...] = ()
    verdict: Verdict
    predicted_verdict: Verdict | None = None
    stage: Literal["predicted", "final"] = "final"
    awaited: tuple[str, ...] = ()
    interrupted: bool = False
    incomplete: bool = False
    only_limits: bool = False
    accepted: Acceptance | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    images: tuple[ImageResult, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    advice: tuple[LineAdvice, ...] = ()
    spec_edits: tuple[Suggestion, ...] = ()
    edits: tuple[MadeEdit, ...] = ()
    broken: tuple[Broken, ...] = ()
    refused: tuple[RefusedLine, ...] = ()
    builds: tuple[BuildNote, ...] = ()
    configuration: ConfigurationChange | None = None
    reproduction: Reproduction | None = None

    def __post_init__(self) -> None:
        _sort(self, "images", lambda image: image.key)

    @property
    def judged(self) -> Verdict:
        """The verdict on the findings, whoever the author is."""
        return self.predicted_verdict or self.verdict


def _sort(value: object, name: str, key: Callable[[Any], Any]) -> None:
    """Sort a tuple of a frozen value that is being made."""
    object.__setattr__(value, name, tuple(sorted(getattr(value, name), key=key)))
