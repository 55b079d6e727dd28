"""The JSON of a check's result: written, stored with a version, and read again.

The fields are those of the values in `model/result.py`; nothing is stated here twice.
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
# The version of stored results. A field that is added has a default and needs no new one; any other
# change does, and a step below from the version before. 1 is without number: that of 0.1.0.
VERSION = 2


def _objective_ids(value: Json) -> Json:
    """2 has the ids of the objectives in `configuration` too."""
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
    """CONTRACT's `check` object.

    Packages have their names, origins and sizes there, not their dependencies and files.
    """
    written: Json = _check_adapter().dump_python(result, mode="json")
    return written


def check_to_store(result: CheckResult) -> Json:
    """CONTRACT's `check` object with its `version`: what `check_from_json` can always read."""
    return {"version": VERSION, **check_to_json(result)}


def check_from_json(value: Mapping[str, Any]) -> CheckResult:
    """The result that a release up to this one wrote as `value`; MinimizeError if a later one."""
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
    # Here, because a command that prints text is faster without it.
    from pydantic import TypeAdapter

    return TypeAdapter(CheckResult)
