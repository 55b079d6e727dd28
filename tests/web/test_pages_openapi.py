"""schemathesis asks everything that the description allows, and much that it does not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.model import (
    CheckResult,
    ConfigurationChange,
    FieldChange,
    FileProblem,
    ImageKey,
    JudgedImage,
    ObjectiveResult,
)
from bot.report import check_to_json
from bot.store.history import open_history
from bot.web import Health, Intake, make_application
from bot.web.metrics import Metrics
from bot.web.shapes.checks import ProposedFile
from tests.web.seeded import seed

KEY = ImageKey("w", "e", "r", "x86_64")


async def test_no_question_breaks_the_api_or_its_description(tmp_path) -> None:
    history = open_history(tmp_path)
    seed(history, days=6)
    store = history.store
    application: web.Application = make_application(
        forges={}, intake=Intake(store), store=store, history=history, logs=tmp_path,
        metrics=Metrics(), health=Health(store, tmp_path), engine=None, webhook_bytes=1000,
    )  # fmt: skip
    async with TestServer(application) as server:
        asking = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("schemathesis"), "run",
            str(server.make_url("/api/openapi.json")), "--max-examples=8", "--seed=5",
            "--phases=examples,coverage,fuzzing", "--checks=all", "--no-color",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asking.communicate()
    history.close()
    store.close()
    assert asking.returncode == 0, said.decode()


def test_what_a_changed_file_would_do_is_as_it_is_described() -> None:
    change = ConfigurationChange(
        ".minimize.yaml",
        "changed",
        (FileProblem(1, "dist", "wrong"),),
        (FieldChange("dist", None, ".x"),),
        (KEY,),
        (KEY,),
        "success",
        (JudgedImage(KEY, True, (ObjectiveResult("o", "packages", 1, 2, 3, True),)),),
        ("note",),
    )
    result = CheckResult("b", "a", "b", (), "success", configuration=change)
    told = check_to_json(result)["configuration"]
    assert ProposedFile.model_validate(told).model_dump(by_alias=True) == told
