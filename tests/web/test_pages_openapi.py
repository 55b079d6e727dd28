"""Requests by schemathesis, within the API's description and beyond it.

It is given existing names and dates: otherwise nearly all responses would be 404.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from bot.model.result import CheckResult
from bot.model.result_json import check_from_json
from bot.store.records import CheckRecord
from bot.web.openapi import describe
from bot.web.pages import PAGES
from bot.web.responses.checks import check_data
from tests.model.test_result import RESULTS, STORED
from tests.web.seeded import HOSTILE, NAMES
from tests.web.sites import prepare, serving

DAYS = 6
CHECK = CheckRecord("one", "github", "rpms/nginx", 1, "a" * 40)


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
    # The site's one opportunity: by repository document, package and capability.
    opportunity = hashlib.sha256("\0".join(("reference", "nginx", HOSTILE)).encode()).hexdigest()[
        :12
    ]
    objectives = ["nginx-stays-small", "curl", opportunity]
    values = known() | {"id": objectives if of_objectives else ["over", "open"]}
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
    async with serving(prepare(tmp_path, days=DAYS)) as server:
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
            # A busy machine draws and answers slowly: by default 10 s for a request.
            "--request-timeout=300", "--wait-for-schema=300", "--suppress-health-check=too_slow",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asking.communicate()
    assert asking.returncode == 0, output.decode()
    # Its note where an operation gave nothing but 404.
    assert names == "any" or "missing test data" not in output.decode().lower()


def check_errors(record: CheckRecord, result: CheckResult | None) -> list[str]:
    """The places where a check's JSON is not as the API's description says."""
    description = describe()
    (page,) = [page for page in PAGES if page.path == "/checks/{id}"]
    answer = description["paths"][f"/api{page.path}"]["get"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    written = json.loads(TypeAdapter(page.data).dump_json(check_data(record, result)))
    validator = Draft202012Validator({**schema, "components": description["components"]})
    return [error.json_path for error in validator.iter_errors(written)]


@settings(max_examples=10, deadline=None)
@given(RESULTS)
def test_any_check_is_as_described(result: CheckResult) -> None:
    assert check_errors(CHECK, result) == []


def test_a_check_without_a_result_is_as_described() -> None:
    assert check_errors(CHECK, None) == []


@pytest.mark.parametrize("stored", sorted(STORED.iterdir()), ids=lambda path: path.stem)
def test_a_check_that_an_older_release_stored_is_as_described(stored: Path) -> None:
    assert check_errors(CHECK, check_from_json(json.loads(stored.read_text()))) == []


def test_the_description_has_no_schema_that_nothing_uses() -> None:
    described = describe()["components"]["schemas"]
    assert {"Check", "ImageResult", "Edge"} <= described.keys()
    assert not {"Dependency", "Location", "RepositoryAccess"} & described.keys()
