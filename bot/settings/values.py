"""The server's settings as values, and reading them with all errors and their places.

No error shows a secret.
"""

from __future__ import annotations

import os
import platform
import socket
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from bot import limits
from bot.errors import UsageError
from bot.settings.forges import ForgeSettings, SecretReference, Strict, Url
from bot.settings.operation import (
    Architecture,
    BuildSettings,
    Listen,
    LogSettings,
    MetricsSettings,
    RetentionRule,
    RetentionSettings,
    SandboxSettings,
    TraceSettings,
)
from bot.yamltext import YamlError, YamlText, parse_yaml

IssuePlace = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+:[^/:\s]+(/[^/:\s]+)+$")]
Seconds = Annotated[float, Field(gt=0, strict=False)]
Place = Annotated[Path, Field(strict=False)]
Mode = Literal["silent", "comment", "enforce"]


class EngineSettings(Strict):
    """The engine, DBOS.

    `database` is an SQLite path, or a reference to a Postgres URL with its password. `keep_days` is
    the older name of retention.runs.days. `executor_id` names this process to the engine: unique,
    and the same after a restart. `architectures` are those that it builds for; by default its
    machine's. A build that waits `wait_for_worker` seconds without a process for its architecture
    goes to another place, or ends.
    """

    database: Place | SecretReference | None = None
    builds: Annotated[int, Field(ge=0, le=64)] = 1
    predictions: Annotated[int, Field(ge=0, le=64)] = 4
    executor_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None
    application_version: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    keep_days: Annotated[int, Field(ge=1)] | None = None
    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    architectures: Annotated[tuple[Architecture, ...], Field(strict=False)] = ()
    wait_for_worker: Seconds = 60.0

    @field_validator("database", mode="before")
    @classmethod
    def _path_or_reference(cls, value: Any) -> Any:
        if isinstance(value, str) and "://" in value:
            raise ValueError("a database URL holds a password: give {env: NAME} or {file: PATH}")
        return value


class Limits(Strict):
    """Limits of the server.

    Seconds for the parts of a check, bytes of memory for a process that computes one (builds have
    limits of their own), and numbers of requests accepted. `specs` are the spec files of one
    change; `author_checks`, `repository_checks` and `user_questions` are counted within an hour.
    """

    prediction_seconds: Seconds = 300.0
    build_seconds: Seconds = 3600.0
    emulated_build_seconds: Seconds = 7200.0
    fetch_seconds: Seconds = 300.0
    process_bytes: Annotated[int, Field(ge=200_000_000)] = 4_000_000_000
    waiting_checks: Annotated[int, Field(ge=1)] = 10_000
    specs: Annotated[int, Field(ge=1)] = 100
    author_checks: Annotated[int, Field(ge=1)] = 120
    repository_checks: Annotated[int, Field(ge=1)] = 600
    user_questions: Annotated[int, Field(ge=1)] = 60
    webhook_bytes: Annotated[int, Field(ge=1024)] = 25_000_000


Owners = dict[str, str | Annotated[tuple[str, ...], Field(strict=False)]]


class RepositoryRule(Strict):
    """The `repository` documents for branches of a forge's repositories.

    `match` is a glob on owner/name, `branch` one on the base branch; the first matching rule
    counts, but the repository's own .minimize.yaml takes precedence over all. `mode`: `silent`
    records checks and writes nothing on the forge, including issues; `comment` writes comments and
    a status that never fails; `enforce` writes all. Branches without a rule are enforced. Without
    `suggestions` no suggestions are made for lines of a pull request.
    """

    match: str
    branch: str = "*"
    forge: str | None = None
    documents: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    mode: Mode = "enforce"
    suggestions: bool = True


class BaseImageRow(Strict):
    """A row of the table of base images: what a `FROM` that matches the glob `image` stands for.

    `weak_dependencies` and `documentation`: whether its dnf.conf installs them by default. `files`
    is a folder on this machine with the image's files, or with its OCI layout: its packages are
    read from its rpm database; on architectures that it lacks they are the environment's.
    """

    image: str
    repository: str
    environment: str
    weak_dependencies: bool = True
    documentation: bool = True
    files: str = ""

    @field_validator("files")
    @classmethod
    def _beside_the_settings(cls, value: str, info: ValidationInfo) -> str:
        base: Path | None = (info.context or {}).get("base")
        return str(base / value) if value and base is not None else value


class PrivatePages(Strict):
    """Signed links to checks of private repositories, used in comments and statuses.

    The first of `keys` signs, all are accepted, so that keys can be rotated; a link is valid for
    `days`.
    """

    keys: Annotated[tuple[SecretReference, ...], Field(strict=False, min_length=1)]
    days: Annotated[int, Field(ge=1, le=366)] = 30


class IssueSettings(Strict):
    """The places where `minimize track` writes issues, each `FORGE:REPOSITORY`.

    `objectives` maps ids of objectives, or globs of them, to the place for those broken by drift;
    the first match counts. Objectives of a repository's own .minimize.yaml go to that repository,
    unless `own` is false. `weekly` maps maintainers, as documents name them, to the place of their
    weekly summary.
    """

    objectives: dict[str, IssuePlace] = Field(default_factory=dict)
    own: bool = True
    weekly: dict[str, IssuePlace] = Field(default_factory=dict)

    def place_for(self, objective: str) -> tuple[str, str] | None:
        """The forge and repository for a document's objective, or None."""
        for pattern, place in self.objectives.items():
            if fnmatchcase(objective, pattern):
                forge, _, repository = place.partition(":")
                return forge, repository
        return None


class SnapshotSettings(Strict):
    """The seconds for which repositories' metadata is used before it is requested again."""

    max_age: Annotated[float, Field(ge=0, strict=False)] = 3600.0


class Settings(Strict):
    """The whole file.

    `data`, `config` and `cache` are absolute once loaded. `ca_file` has certificate authorities
    (PEM) that are trusted in addition to the system's. `maintainers` are those of source packages,
    by names or globs, or a file of the kinds that `minimize advise --maintainers` reads. `accept`:
    who may accept that a change exceeds a limit: `others` than its author and the pusher of its
    head, or `anyone` with the role. `share_documents`: anybody may read the configuration
    documents, so that checks can be made again elsewhere; they hold addresses and paths.
    """

    listen: Listen = Listen()
    public_url: Url | None = None
    ca_file: Place | None = None
    maintainers: Place | Owners | None = None
    data: Place = Path("data")
    config: Place = Path("config")
    cache: Place = Path("cache")
    forges: Annotated[dict[str, ForgeSettings], Field(min_length=1)]
    engine: EngineSettings = EngineSettings()
    limits: Limits = Limits()
    build: BuildSettings = BuildSettings()
    sandbox: SandboxSettings = SandboxSettings()
    accept: Literal["others", "anyone"] = "others"
    share_documents: bool = False
    repositories: Annotated[tuple[RepositoryRule, ...], Field(strict=False)] = ()
    base_images: Annotated[tuple[BaseImageRow, ...], Field(strict=False)] = ()
    snapshots: SnapshotSettings = SnapshotSettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings | None = None
    traces: TraceSettings | None = None
    issues: IssueSettings = IssueSettings()
    private_pages: PrivatePages | None = None

    @field_validator("forges")
    @classmethod
    def _plain_names(cls, value: dict[str, ForgeSettings]) -> dict[str, ForgeSettings]:
        for name in value:
            if not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"`{name}` is not a name: use letters, digits, - and _")
        return value

    @model_validator(mode="after")
    def _rules_name_forges(self) -> Settings:
        for place in (*self.issues.objectives.values(), *self.issues.weekly.values()):
            if place.partition(":")[0] not in self.forges:
                raise ValueError(f"issues: no forge is called `{place.partition(':')[0]}`")
        for rule in self.repositories:
            if rule.forge is not None and rule.forge not in self.forges:
                raise ValueError(f"repositories: no forge is called `{rule.forge}`")
        return self

    def documents_for(
        self, forge: str, repository: str, branch: str, *, default: str = ""
    ) -> tuple[str, ...]:
        """Ids of the `repository` documents by the first matching rule; empty if there is none.

        If the repository's `default` branch is given, `*` as a rule's branch means that one.
        """
        for rule in self.repositories:
            if default and rule.branch == "*" and branch != default:
                continue
            if _fits(rule, forge, repository, branch):
                return rule.documents
        return ()

    def has_rule_for(self, forge: str, repository: str) -> bool:
        """Return whether a rule is for branches of a repository."""
        return any(
            rule.forge in (None, forge) and fnmatchcase(repository, rule.match)
            for rule in self.repositories
        )

    def mode_for(self, forge: str, repository: str, branch: str) -> Mode:
        """The mode for a branch, by the first matching rule."""
        rule = self.rule_for(forge, repository, branch)
        return "enforce" if rule is None else rule.mode

    def is_silent(self, forge: str, repository: str) -> bool:
        """Return whether nothing is written about a repository: all its rules are silent.

        Rules after one for every branch are not considered.
        """
        modes: list[Mode] = []
        for rule in self.repositories:
            if _fits(rule, forge, repository, branch=rule.branch):
                modes.append(rule.mode)
                if rule.branch == "*":
                    break
        return bool(modes) and set(modes) == {"silent"}

    def rule_for(self, forge: str, repository: str, branch: str) -> RepositoryRule | None:
        """The first rule that fits a branch."""
        fitting = (r for r in self.repositories if _fits(r, forge, repository, branch))
        return next(fitting, None)

    @property
    def runs_rule(self) -> RetentionRule:
        """The retention of the engine's runs."""
        days, runs = self.engine.keep_days, self.retention.runs
        return runs if days is None else runs.model_copy(update={"days": days})

    def engine_database(self) -> Path | str:
        """The engine's SQLite file (absolute), or its Postgres URL; UsageError if the secret with
        the URL is missing."""
        database = self.engine.database
        if isinstance(database, SecretReference):
            return database.value()
        return self.data / (database or "engine.sqlite")

    def build_seconds(self, arch: str) -> float:
        """The limit in seconds of a build for `arch` on this machine."""
        limits = self.limits
        native = arch == platform.machine()
        return limits.build_seconds if native else limits.emulated_build_seconds

    def building_for(self, arches: tuple[str, ...]) -> Settings:
        """The settings of a process that builds for these architectures."""
        return self.model_copy(
            update={"engine": self.engine.model_copy(update={"architectures": arches})}
        )

    def executor_id(self, role: Literal["server", "worker"]) -> str:
        """The name of this process in the engine: the same after a restart on one machine."""
        return self.engine.executor_id or f"{role}-{socket.gethostname()}"[:64]


def _fits(rule: RepositoryRule, forge: str, repository: str, branch: str) -> bool:
    return (
        rule.forge in (None, forge)
        and fnmatchcase(repository, rule.match)
        and fnmatchcase(branch, rule.branch)
    )


class SettingsError(UsageError):
    """The settings file is invalid; `problems` has `file:line: field: message` for each place."""

    def __init__(self, path: Path, problems: tuple[str, ...]) -> None:
        super().__init__(
            f"The settings in {path} are invalid:\n  " + "\n  ".join(problems),
            "config/bot.yaml shows every field.",
        )
        self.problems = problems


def load_settings(
    path: Path,
    *,
    config: Path | None = None,
    data: Path | None = None,
    cache: Path | None = None,
) -> Settings:
    """Load the settings from the YAML file `path`; `config`, `data`, `cache` replace its values.

    Raises SettingsError with every place at fault: unknown keys, wrong types, literal secrets.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The settings file {path} cannot be read: {error.strerror}.",
            "Name one with --settings; config/bot.yaml is an example.",
        ) from error
    try:
        text = parse_yaml(content, most=limits.SETTINGS, typed=True)
    except YamlError as error:
        raise SettingsError(path, (f"{path}:{error.line}: {error}",)) from error
    if not isinstance(text.data, dict):
        raise SettingsError(path, (f"{path}:1: expected fields such as forges",))
    if text.repeated:
        twice = tuple(f"{path}:{line}: {key}: is repeated" for key, line in text.repeated)
        raise SettingsError(path, twice)
    base = path.resolve().parent
    try:
        settings = Settings.model_validate(text.data, context={"base": base})
    except ValidationError as error:
        raise SettingsError(path, tuple(_problem_lines(path, text, error))) from None
    places = {
        name: folder.resolve() if folder is not None else base / _place(settings, name, base)
        for name, folder in (("config", config), ("data", data), ("cache", cache))
    }
    if settings.ca_file is not None:
        places["ca_file"] = base / settings.ca_file
    if isinstance(settings.maintainers, Path):
        places["maintainers"] = base / settings.maintainers
    return settings.model_copy(update=places)


# systemd's variables for the folders of StateDirectory= and CacheDirectory= (systemd.exec(5)), and
# the folders that a system's service has.
_SERVICE_PLACES = {
    "data": ("STATE_DIRECTORY", Path("/var/lib/minimize")),
    "cache": ("CACHE_DIRECTORY", Path("/var/cache/minimize")),
}


def _place(settings: Settings, name: str, base: Path) -> Path:
    """A folder of the settings; by default one beside them, or one of the system if they are in
    /etc."""
    folder: Path = getattr(settings, name)
    if name in settings.model_fields_set or name not in _SERVICE_PLACES:
        return folder
    variable, usual = _SERVICE_PLACES[name]
    service_folder = os.environ.get(variable, "").partition(":")[0]
    if service_folder:
        return Path(service_folder)
    return usual if base.is_relative_to("/etc") else folder


# pydantic names the branches of a union in an error's place; the file has no such fields.
_UNION_BRANCHES = {"path", "SecretReference", "function-before[_never_the_secret_itself()]"}


def _problem_lines(path: Path, text: YamlText, error: ValidationError) -> list[str]:
    """One line for each problem, without the value, which may be a secret written by mistake."""
    lines: dict[str, None] = {}
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        steps = [s for s in item["loc"] if not (isinstance(s, str) and s in _UNION_BRANCHES)]
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "unknown field"
        elif item["type"] == "path_type":
            message = "expected a path"
        field = ".".join(str(s) for s in steps) or "the file"
        lines[f"{path}:{text.line_of(tuple(steps))}: {field}: {message}"] = None
    return list(lines)
