"""Requests by schemathesis, within the API's description and beyond it.

It is given existing names and dates: otherwise nearly all responses would be 404.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.model.image import ImageKey
from bot.model.result import (
    CheckResult,
    ConfigurationChange,
    FieldChange,
    FileProblem,
    JudgedImage,
    ObjectiveResult,
    check_to_json,
)
from bot.web.openapi import describe
from bot.web.schemas.checks import ProposedFile
from tests.web.seeded import HOSTILE, NAMES
from tests.web.sites import served

DAYS = 6
KEY = ImageKey("w", "e", "r", "x86_64")


def known() -> dict[str, list[str]]:
    """Existing values, by the parameter's name."""
    then = datetime.now(UTC) - timedelta(days=2)
    dates = [then.strftime("%Y-%m-%d"), then.strftime("%Y-%m-%dT%H:%M:%SZ"), "1999-01-01"]
    return {
        "repository": ["reference"],
        "environment": ["minimal"],
        "workload": list(NAMES),
        "arch": ["x86_64", "s390x"],
        "name": ["glibc", "zlib", HOSTILE],
        "package": ["glibc", HOSTILE],
        "metric": ["installed_size", "packages"],
        "date": dates,
        "since": dates,
        "from": dates,
        "to": dates,
        "with": ["aarch64"],
        "q": ["nginx", "gl"],
        "window": ["month", "all"],
        "outlook": ["met", "broken"],
        "theme": ["dark"],
        "width": ["narrow"],
    }


def description_of(of_objectives: bool) -> dict[str, Any]:
    """The description with existing names; `id` is an objective's or a check's."""
    description = describe()
    values = known() | {"id": ["nginx-stays-small", "curl"] if of_objectives else ["over", "open"]}
    paths = {}
    for path, item in description["paths"].items():
        if ("/checks" in path) == of_objectives:
            continue
        paths[path] = item
        for parameter in item["get"]["parameters"]:
            if parameter["name"] in values:
                some = {"type": "string", "enum": values[parameter["name"]]}
                parameter["schema"] = some
                parameter.pop("example", None)
    return {**description, "paths": paths}


@pytest.mark.parametrize("names", ["any", "known", "known checks"])
async def test_no_request_breaks_the_api_or_its_description(tmp_path, names) -> None:
    async with served(tmp_path, days=DAYS) as server:
        place = str(server.make_url("/api/openapi.json"))
        # Values that are generated to be wrong are accepted as unknown names.
        checks = ["--checks=all"]
        if names != "any":
            place = str(tmp_path / "description.json")
            description = description_of(names == "known")
            (tmp_path / "description.json").write_text(json.dumps(description))
            checks = ["--checks=not_a_server_error,status_code_conformance,"
                      "content_type_conformance,response_schema_conformance",
                      f"--url={server.make_url('/')}", "--mode=positive"]  # fmt: skip
        asking = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("schemathesis"), "run", place, "--max-examples=8",
            "--seed=5", "--phases=examples,coverage,fuzzing", *checks, "--no-color",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asking.communicate()
    assert asking.returncode == 0, output.decode()
    # Its note where an operation gave nothing but 404.
    assert names == "any" or "missing test data" not in output.decode().lower()


def test_a_proposed_file_fits_its_schema() -> None:
    change = ConfigurationChange(
        ".minimize.yaml",
        "changed",
        (FileProblem(1, "dist", "wrong"),),
        (FieldChange("dist", None, ".x"),),
        (KEY,),
        (KEY,),
        "success",
        (
            JudgedImage(
                KEY,
                True,
                (
                    ObjectiveResult(
                        name="o", metric="packages", before=1, value=2, limit=3, met=True
                    ),
                ),
            ),
        ),
        ("note",),
    )
    result = CheckResult(
        base="b", head="a", merge_base="b", specs=(), verdict="success", configuration=change
    )
    written = check_to_json(result)["configuration"]
    assert ProposedFile.model_validate(written).model_dump(by_alias=True) == written
