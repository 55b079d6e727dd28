"""The server's settings: one YAML file, checked with its places; secrets are references only.

`config/bot.yaml` is the example that shows every field. Paths are relative to the settings file.
"""

from __future__ import annotations

import os
import socket
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bot.errors import UsageError

# The forges that there is a module for in bot/forge; one row each.
FORGE_TYPES = ("github", "gitlab")
# Where each is when the settings do not say: its API (for GitLab with or without /api/v4).
_PUBLIC = {"github": "https://api.github.com", "gitlab": "https://gitlab.com"}
_MAX_BYTES = 1_000_000


class SettingsError(UsageError):
    """The settings file is wrong; `problems` are `file:line: field: what`, one for each place."""

    def __init__(self, path: Path, problems: tuple[str, ...]) -> None:
        super().__init__(
            f"The settings in {path} are not right:\n  " + "\n  ".join(problems),
            "\nconfig/bot.yaml shows every field.",
        )
        self.problems = problems


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, populate_by_name=True
    )


class SecretReference(_Strict):
    """Where a secret is: `{env: NAME}` or `{file: PATH}`. The secret itself is never here."""

    env: str | None = None
    file: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _never_the_secret_itself(cls, value: Any) -> Any:
        if not isinstance(value, dict | SecretReference):
            # pydantic tells ValueErrors with their place, TypeErrors it lets through.
            raise ValueError(  # noqa: TRY004
                "a secret is a reference, {env: NAME} or {file: PATH}, never itself"
            )
        return value

    @field_validator("file")
    @classmethod
    def _beside_the_settings(cls, value: str | None, info: ValidationInfo) -> str | None:
        base: Path | None = (info.context or {}).get("base")
        return str(base / value) if value is not None and base is not None else value

    @model_validator(mode="after")
    def _exactly_one(self) -> SecretReference:
        if (self.env is None) == (self.file is None):
            raise ValueError("give one of env and file")
        return self

    def value(self) -> str:
        """The secret; UsageError (naming the reference, not the secret) if it is not there."""
        if self.env is not None:
            found = os.environ.get(self.env)
            where = f"The environment variable {self.env}"
        else:
            path = Path(self.file or "")
            where = f"The file {path}"
            try:
                found = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{where} with a secret cannot be read: {error}.") from error
        if found is None or not found.strip():
            raise UsageError(
                f"{where} should hold a secret and is empty or not there.",
                "Set it before the bot starts.",
            )
        return found.strip()


def _absolute_url(value: str) -> str:
    if not value.startswith(("http://", "https://")) or "?" in value or "@" in value:
        raise ValueError("expected a URL such as https://minimize.example.org")
    return value.rstrip("/")


def _place_of_repositories(value: str) -> str:
    parts = urlsplit(_absolute_url(value))
    steps = [step for step in parts.path.split("/")[1:] if step]
    if not parts.hostname or parts.fragment or any(s in (".", "..") for s in steps):
        raise ValueError("expected a URL such as https://download.example.org/results/")
    return "/".join([f"{parts.scheme}://{parts.netloc}", *steps, ""])


Url = Annotated[str, AfterValidator(_absolute_url)]
PlaceOfRepositories = Annotated[str, AfterValidator(_place_of_repositories)]
IssuePlace = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+:[^/:\s]+(/[^/:\s]+)+$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, strict=False)]
Place = Annotated[Path, Field(strict=False)]


class Listen(_Strict):
    """The address the server listens on; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: Port = 8080


class GitHubApp(_Strict):
    """A GitHub App: its id and its private key in PEM."""

    id: Annotated[int, Field(gt=0)]
    private_key: SecretReference


class ForgeSettings(_Strict):
    """One forge. `web_url` is where its pages and repositories are, if not the usual place.

    `app` and `check_runs` are GitHub's alone. On pull requests of bots there is no comment, only
    the status, unless `comment_on_bots`.
    """

    type: Literal["github", "gitlab"]
    api_url: Url
    web_url: Url | None = None
    token: SecretReference | None = None
    app: GitHubApp | None = None
    webhook_secrets: Annotated[tuple[SecretReference, ...], Field(strict=False, min_length=1)]
    check_runs: Literal["auto", "always", "never"] = "auto"
    comment_on_bots: bool = False

    @model_validator(mode="before")
    @classmethod
    def _usual_place(cls, value: Any) -> Any:
        if isinstance(value, dict) and "api_url" not in value and "type" in value:
            return {**value, "api_url": _PUBLIC.get(str(value["type"]), "https://forge.invalid")}
        return value

    @field_validator("type", mode="before")
    @classmethod
    def _known_type(cls, value: Any) -> Any:
        if value not in FORGE_TYPES:
            raise ValueError(
                f"no forge of this type is built in; there is: {', '.join(FORGE_TYPES)}"
            )
        return value

    @model_validator(mode="after")
    def _one_credential(self) -> ForgeSettings:
        if self.type == "gitlab" and (self.app is not None or self.check_runs != "auto"):
            raise ValueError("app and check_runs are GitHub's; GitLab takes a token")
        if (self.token is None) == (self.app is None):
            raise ValueError("give one of token and app" if self.type == "github" else "give token")
        return self

    @property
    def clone_url(self) -> str:
        """Where git repositories are, without the last slash."""
        if self.web_url is not None:
            return self.web_url
        if self.api_url == "https://api.github.com":
            return "https://github.com"
        # GitHub Enterprise Server has its API below the same host's /api/v3, GitLab below /api/v4.
        return self.api_url.removesuffix("/api/v3" if self.type == "github" else "/api/v4")


class EngineSettings(_Strict):
    """DBOS. `database` is an SQLite path, or a reference to a Postgres URL with its password.

    `executor_id` names this process to the engine: unique, and the same after a restart.
    """

    database: Place | SecretReference | None = None
    builds: Annotated[int, Field(ge=0, le=64)] = 1
    predictions: Annotated[int, Field(ge=0, le=64)] = 4
    executor_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None
    application_version: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    keep_days: Annotated[int, Field(ge=1)] = 14
    attempts: Annotated[int, Field(ge=1, le=20)] = 5

    @field_validator("database", mode="before")
    @classmethod
    def _path_or_reference(cls, value: Any) -> Any:
        if isinstance(value, str) and "://" in value:
            raise ValueError("a database URL holds a password: give {env: NAME} or {file: PATH}")
        return value


class Limits(_Strict):
    """Seconds for the parts of a check, and what the server takes at all."""

    prediction_seconds: Seconds = 300.0
    build_seconds: Seconds = 3600.0
    fetch_seconds: Seconds = 300.0
    waiting_checks: Annotated[int, Field(ge=1)] = 10_000
    webhook_bytes: Annotated[int, Field(ge=1024)] = 25_000_000


class BuildSettings(_Strict):
    """Whether changes are rebuilt, with which builder, and whose.

    A change is rebuilt when its author has the triage role or above in the repository, or is one
    of `trusted` (user names; `*` is everybody; a name with a slash is a team, `organisation/team`
    on GitHub, or a group's path on GitLab), or somebody with the write role allows it for the
    commit. All changes are predicted.

    `external` are the places, URLs, below which the repositories of the builder `external` may be:
    what a repository's .minimize.yaml names elsewhere is not read.
    """

    enabled: bool = True
    builder: Literal["auto", "rpmbuild", "mock"] = "auto"
    trusted: Annotated[tuple[str, ...], Field(strict=False)] = ()
    external: Annotated[tuple[PlaceOfRepositories, ...], Field(strict=False)] = ()


class RepositoryRule(_Strict):
    """Which `repository` documents the branches of a forge's repositories stand for.

    `match` is a glob on owner/name, `branch` one on the base branch; the first rule that fits
    counts, and the repository's own .minimize.yaml goes before them all.
    """

    match: str
    branch: str = "*"
    forge: str | None = None
    documents: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class PrivatePages(_Strict):
    """Signed links to the checks of private repositories: the comment and the status have them.

    The first of `keys` signs, all are taken, so that one can be rotated; a link is good for `days`.
    """

    keys: Annotated[tuple[SecretReference, ...], Field(strict=False, min_length=1)]
    days: Annotated[int, Field(ge=1, le=366)] = 30


class IssueSettings(_Strict):
    """Where `minimize track` writes issues; a place is `FORGE:REPOSITORY`.

    `objectives` maps ids of objectives, or globs of them, to the place for those that drift broke;
    the first that fits counts. Objectives of a repository's own .minimize.yaml go to that
    repository, unless `own` is false. `weekly` maps maintainers, as documents name them, to the
    place of their weekly summary.
    """

    objectives: dict[str, IssuePlace] = {}
    own: bool = True
    weekly: dict[str, IssuePlace] = {}

    def place_for(self, objective: str) -> tuple[str, str] | None:
        """Forge and repository for a document's objective, or None."""
        for pattern, place in self.objectives.items():
            if fnmatchcase(objective, pattern):
                forge, _, repository = place.partition(":")
                return forge, repository
        return None


class SnapshotSettings(_Strict):
    """How old the repositories' metadata may be before it is asked for again, in seconds."""

    max_age: Annotated[float, Field(ge=0, strict=False)] = 3600.0


class Settings(_Strict):
    """The whole file. `data`, `config` and `cache` are absolute once loaded."""

    listen: Listen = Listen()
    public_url: Url | None = None
    data: Place = Path("data")
    config: Place = Path("config")
    cache: Place = Path("cache")
    forges: Annotated[dict[str, ForgeSettings], Field(min_length=1)]
    engine: EngineSettings = EngineSettings()
    limits: Limits = Limits()
    build: BuildSettings = BuildSettings()
    repositories: Annotated[tuple[RepositoryRule, ...], Field(strict=False)] = ()
    snapshots: SnapshotSettings = SnapshotSettings()
    issues: IssueSettings = IssueSettings()
    private_pages: PrivatePages | None = None

    @field_validator("forges")
    @classmethod
    def _plain_names(cls, value: dict[str, ForgeSettings]) -> dict[str, ForgeSettings]:
        for name in value:
            if not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"{name!r} is no name: letters, digits, - and _")
        return value

    @model_validator(mode="after")
    def _rules_name_forges(self) -> Settings:
        for place in (*self.issues.objectives.values(), *self.issues.weekly.values()):
            if place.partition(":")[0] not in self.forges:
                raise ValueError(f"issues: no forge is called {place.partition(':')[0]!r}")
        for rule in self.repositories:
            if rule.forge is not None and rule.forge not in self.forges:
                raise ValueError(f"repositories: no forge is called {rule.forge!r}")
        return self

    def documents_for(
        self, forge: str, repository: str, branch: str, *, default: str = ""
    ) -> tuple[str, ...]:
        """Ids of the `repository` documents by the first rule that fits; empty if none does.

        Where the repository's `default` branch is given, `*` as a rule's branch means that one.
        """
        for rule in self.repositories:
            if default and rule.branch == "*" and branch != default:
                continue
            if (
                rule.forge in (None, forge)
                and fnmatchcase(repository, rule.match)
                and fnmatchcase(branch, rule.branch)
            ):
                return rule.documents
        return ()

    def engine_database(self) -> Path | str:
        """The engine's SQLite file (absolute), or its Postgres URL; UsageError without it."""
        database = self.engine.database
        if isinstance(database, SecretReference):
            return database.value()
        return self.data / (database or "engine.sqlite")

    def executor_id(self, role: Literal["server", "worker"]) -> str:
        """What this process is called in the engine: stable over restarts on one machine."""
        return self.engine.executor_id or f"{role}-{socket.gethostname()}"[:64]


def load_settings(
    path: Path,
    *,
    config: Path | None = None,
    data: Path | None = None,
    cache: Path | None = None,
) -> Settings:
    """The settings in the YAML file `path`; `config`, `data`, `cache` replace what it says.

    SettingsError with every place that is wrong: unknown keys, wrong types, literal secrets.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The settings file {path} cannot be read: {error.strerror}.",
            "Name one with --settings; config/bot.yaml is an example.",
        ) from error
    if len(content) > _MAX_BYTES:
        raise SettingsError(path, (f"{path}: larger than {_MAX_BYTES} bytes",))
    try:
        node = yaml.compose(content, Loader=yaml.SafeLoader)
        document = yaml.safe_load(content)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        message = getattr(error, "problem", None) or "no YAML"
        raise SettingsError(path, (f"{path}:{line}: {message}",)) from error
    if not isinstance(document, dict):
        raise SettingsError(path, (f"{path}:1: expected fields such as forges",))
    repeated = tuple(f"{path}:{line}: {key}: stands twice" for key, line in _repeated(node))
    if repeated:
        raise SettingsError(path, repeated)
    base = path.resolve().parent
    try:
        settings = Settings.model_validate(document, context={"base": base})
    except ValidationError as error:
        raise SettingsError(path, tuple(_places(path, node, error))) from None
    places = {
        name: (given.resolve() if given is not None else base / getattr(settings, name))
        for name, given in (("config", config), ("data", data), ("cache", cache))
    }
    return settings.model_copy(update=places)


def _places(path: Path, node: Any, error: ValidationError) -> list[str]:
    """One line for each problem; never the value, which may be a secret written by mistake."""
    lines: dict[str, None] = {}
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        steps = [s for s in item["loc"] if not (isinstance(s, str) and s in _UNION_BRANCHES)]
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "unknown field"
        field = ".".join(str(s) for s in steps) or "the file"
        lines[f"{path}:{_line_of(node, steps)}: {field}: {message}"] = None
    return list(lines)


# pydantic names the branches of a union in an error's place; the file has no such fields.
_UNION_BRANCHES = {"path", "SecretReference", "function-before[_never_the_secret_itself()]"}


def _line_of(node: Any, steps: list[Any]) -> int:
    line: int = node.start_mark.line + 1
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(step)]
            if not found:
                break
            line, node = found[-1][0].start_mark.line + 1, found[-1][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def _repeated(node: Any) -> list[tuple[str, int]]:
    """Keys that stand twice in one mapping: YAML would silently keep the last."""
    found: list[tuple[str, int]] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                found.append((key.value, key.start_mark.line + 1))
            seen.add(key.value)
            found += _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            found += _repeated(value)
    return found
