"""The JSON of a check's result: written, stored with a version, and read again.

The fields are those of the values in `model/result.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from bot.errors import MinimizeError
from bot.model.result import CheckResult

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Json = dict[str, Any]
# The version of stored results. An added field has a default and needs no new version; any other
# change does, and a step below that reads the version before. Results of 0.1.0 have no number and
# count as 1.
VERSION = 2


def _objective_ids(value: Json) -> Json:
    """Convert version 1: objectives in `configuration` get their ids too."""
    change = value.get("configuration")
    if change is None:
        return value
    ids = {o["name"]: o.get("id", "") for i in value["images"] for o in i["objectives"]}
    images = [
        {**i, "objectives": [{"id": ids.get(o["name"], ""), **o} for o in i["objectives"]]}
        for i in change["images"]
    ]
    return {**value, "configuration": {**change, "images": images}}


_UPGRADES: Mapping[int, Callable[[Json], Json]] = {1: _objective_ids}


def check_to_json(result: CheckResult) -> Json:
    """Return CONTRACT's `check` object.

    Packages have only their names, origins and sizes there, no dependencies and files.
    """
    written: Json = _check_adapter().dump_python(result, mode="json")
    return written


def check_to_store(result: CheckResult) -> Json:
    """Return CONTRACT's `check` object with its `version`, for `check_from_json`."""
    return {"version": VERSION, **check_to_json(result)}


def check_from_json(value: Mapping[str, Any]) -> CheckResult:
    """Return the result in `value`, written by this release or an older one.

    MinimizeError if a newer release wrote it.
    """
    version = value.get("version", 1)
    if version > VERSION:
        raise MinimizeError(
            f"A check's result has version {version}, and this minimize reads {VERSION} at most.",
            "Run the release that wrote it, or a later one.",
        )
    current = dict(value)
    for step in range(version, VERSION):
        current = _UPGRADES[step](current)
    return _check_adapter().validate_python(current)


@cache
def _check_adapter() -> TypeAdapter[CheckResult]:
    # Imported here: commands that print text start faster without it.
    from pydantic import TypeAdapter

    return TypeAdapter(CheckResult)
