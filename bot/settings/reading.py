"""Reading the settings file: every place that is wrong is named, and no secret is shown."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from bot.errors import UsageError
from bot.settings.values import Settings
from bot.yamltext import YamlError, YamlText, parse_yaml

_MAX_BYTES = 1_000_000


class SettingsError(UsageError):
    """The settings file is wrong; `problems` are `file:line: field: what`, one for each place."""

    def __init__(self, path: Path, problems: tuple[str, ...]) -> None:
        super().__init__(
            f"The settings in {path} are invalid:\n  " + "\n  ".join(problems),
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
    try:
        text = parse_yaml(content, most=_MAX_BYTES, typed=True)
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
        raise SettingsError(path, tuple(_places(path, text, error))) from None
    places = {
        name: (given.resolve() if given is not None else base / getattr(settings, name))
        for name, given in (("config", config), ("data", data), ("cache", cache))
    }
    return settings.model_copy(update=places)


# pydantic names the branches of a union in an error's place; the file has no such fields.
_UNION_BRANCHES = {"path", "SecretReference", "function-before[_never_the_secret_itself()]"}


def _places(path: Path, text: YamlText, error: ValidationError) -> list[str]:
    """One line for each problem; never the value, which may be a secret written by mistake."""
    lines: dict[str, None] = {}
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        steps = [s for s in item["loc"] if not (isinstance(s, str) and s in _UNION_BRANCHES)]
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "unknown field"
        field = ".".join(str(s) for s in steps) or "the file"
        lines[f"{path}:{text.line_of(tuple(steps))}: {field}: {message}"] = None
    return list(lines)
