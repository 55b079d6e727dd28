"""Builds of one change on several architectures: published one by one, moved, ended, cancelled."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bot.engine import engine as engine_module
from bot.engine.build_places import BuildPlace
from bot.engine.leases import Leases
from bot.errors import SurroundingsError
from tests.engine.conftest import Bot

X86, EMULATED, NATIVE = (
    BuildPlace("x86_64"),
    BuildPlace("aarch64", "emulated"),
    BuildPlace("aarch64"),
)


@pytest.fixture
async def bot_with(bot_of: Callable[..., Bot], monkeypatch: pytest.MonkeyPatch):
    """Makes and launches a bot that builds on these places."""

    async def make(*places: BuildPlace, **settings: Any) -> Bot:
        monkeypatch.setattr(engine_module, "places_here", lambda _: places)
        bot = bot_of(wait_for_worker=0.2, **settings)
        bot.checker.arches = ("aarch64", "x86_64")
        await bot.engine.launch()
        return bot

    return make


@contextmanager
def another_process(bot: Bot, *places: BuildPlace) -> Iterator[None]:
    """Another process of the engine that says that it builds there, until it is lost."""
    own = bot.engine._leases
    other = Leases(own.engine, "other", own.version, builds=places)
    other.start()
    yield
    other.stop()


async def lose(bot: Bot, place: BuildPlace) -> None:
    """Check what was pushed, and lose the other process at `place` once a comment is out."""
    with another_process(bot, place):
        await bot.deliver()
        await bot.until(lambda: len(bot.forge.comments) == 2)
    await bot.settled()


def built(bot: Bot) -> list[str]:
    return [what for what, _ in bot.checker.calls if what.startswith(("build", "finish"))]


def result(bot: Bot) -> dict[str, Any]:
    (check,) = bot.checks()
    found: dict[str, Any] = bot.store.check(check.id).result  # type: ignore[union-attr, assignment]
    return found


async def test_the_first_result_is_published_while_the_second_is_built(bot_with) -> None:
    bot = await bot_with(X86, EMULATED)
    held = bot.checker.hold["aarch64"] = threading.Event()
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    await bot.deliver()
    await bot.until(lambda: len(bot.forge.comments) == 2)
    assert "being built" in bot.forge.comments[1][1]
    await bot.until(lambda: "has not ended yet" in bot.forge.statuses[-1][1].summary)
    assert "success" not in bot.forge.states()
    assert bot.store.open_checks()
    held.set()
    await bot.settled()
    assert len(bot.forge.comments) == 3
    assert "being built" not in bot.forge.comments[2][1]
    assert bot.forge.states()[-1] == "success"
    document = result(bot)
    evidence = {image["arch"]: image["evidence"] for image in document["images"]}
    assert evidence == {"x86_64": "rebuilt", "aarch64": "rebuilt"}
    assert (document["stage"], document["awaited"]) == ("final", [])
    assert sorted(built(bot)) == ["build aarch64", "build x86_64"]


async def test_one_machine_alone_builds_as_before(bot_with) -> None:
    bot = await bot_with(X86)
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    await bot.deliver()
    await bot.settled()
    assert built(bot) == ["finish"]


async def test_an_emulating_machine_alone_builds_what_it_can(bot_with) -> None:
    bot = await bot_with(EMULATED)
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    await bot.deliver()
    await bot.settled()
    assert built(bot) == ["build aarch64"]
    assert bot.forge.states()[-1] == "success"


async def test_a_build_whose_worker_is_lost_goes_to_another(bot_with) -> None:
    bot = await bot_with(X86, EMULATED)
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    with another_process(bot, NATIVE):
        await bot.deliver()
        await bot.until(lambda: len(bot.forge.comments) == 2)
        assert built(bot) == ["build x86_64"]
    await bot.settled()
    assert built(bot) == ["build x86_64", "build aarch64"]
    assert bot.forge.states()[-1] == "success"


async def test_a_build_that_nobody_can_do_any_more_is_transferred_in_words(bot_with) -> None:
    bot = await bot_with(X86)
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    await lose(bot, NATIVE)
    assert built(bot) == ["build x86_64"]
    document = result(bot)
    why = "aarch64: not built, so it is transferred from x86_64: There is no worker for aarch64"
    assert any(note.startswith(why) for note in document["notes"]), document["notes"]
    assert {i["arch"]: i["evidence"] for i in document["images"]}["aarch64"] == "transferred"
    assert bot.forge.states()[-1] == "success"


async def test_the_first_that_is_lost_leaves_the_others(bot_with) -> None:
    bot = await bot_with(EMULATED)
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    await lose(bot, X86)
    document = result(bot)
    assert {i["arch"]: i["evidence"] for i in document["images"]} == {
        "aarch64": "rebuilt",
        "x86_64": "transferred",
    }
    assert "x86_64: not built, so it is transferred from aarch64" in " ".join(document["notes"])


async def test_what_fails_around_one_build_is_told_and_the_others_count(bot_with) -> None:
    bot = await bot_with(X86, EMULATED)
    bot.checker.building_on["aarch64"] = SurroundingsError("The mirror hangs.")
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    await bot.deliver()
    await bot.settled()
    assert built(bot).count("build aarch64") == 3  # attempts
    note = "aarch64: not built, so it is transferred from x86_64: The mirror hangs."
    assert note in result(bot)["notes"]
    assert bot.forge.states()[-1] == "success"


async def test_cancelling_ends_the_builds_on_every_architecture(bot_with) -> None:
    bot = await bot_with(X86, EMULATED)
    for arch in ("x86_64", "aarch64"):
        bot.checker.hold[arch] = threading.Event()
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    await bot.deliver()
    await bot.until(lambda: len(built(bot)) == 2)
    (check,) = bot.checks()
    await bot.deliver("stop")
    statuses = {
        workflow.workflow_id: workflow.status
        for workflow in await engine_module.DBOS.list_workflows_async(workflow_id_prefix=check.id)
    }
    ended = [f"{check.id}-build-aarch64", f"{check.id}-build-x86_64", f"{check.id}-final"]
    assert {statuses[workflow] for workflow in ended} == {"CANCELLED"}, json.dumps(statuses)
    assert check.id in bot.computing.ended
