"""Reading the settings file: every place that is wrong is named, and no secret is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bot.errors import UsageError
from bot.settings.values import Settings

_MAX_BYTES = 1_000_000


class SettingsError(UsageError):
    """The settings file is wrong; `problems` are `file:line: field: what`, one for each place."""

    def __init__(self, path: Path, problems: tuple[str, ...]) -> None:
        super().__init__(
            f"The settings in {path} are not right:\n  " + "\n  ".join(problems),
            "\nconfig/bot.yaml shows every field.",
        )
        self.problems = problems


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
