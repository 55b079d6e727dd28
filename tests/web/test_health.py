"""`/health/ready`: parts that fail, hang or come back, within a second."""

import asyncio
import math
from functools import partial
from pathlib import Path

import pytest
from aiohttp import ClientTimeout, web

from bot.demo.run.setup import free_port
from bot.distro.online import RepositoryAnswer
from bot.errors import SurroundingsError
from bot.settings.values import Settings
from bot.store.store import open_store
from bot.web import health as module
from bot.web.health import Health, Probe

SECRET = {"env": "SECRET"}
FORGE = {"type": "github", "token": SECRET, "webhook_secrets": [SECRET]}
RULES = [{"match": "*", "documents": ["centos-stream-9"]}]


@pytest.fixture
def health(tmp_path: Path):
    store = open_store(tmp_path)
    health = Health(store, tmp_path, launched=True)
    yield health
    health.stop()
    store.close()


class Part:
    """A part whose answer the test gives; it hangs while `free` is not set."""

    def __init__(self) -> None:
        self.answer = ""
        self.asked = 0
        self.free = asyncio.Event()
        self.free.set()

    async def ask(self) -> str:
        self.asked += 1
        await self.free.wait()
        return self.answer


async def test_a_part_that_does_not_answer_is_a_problem_within_a_second(health: Health) -> None:
    hanging, well = Part(), Part()
    hanging.free.clear()
    health.probes = [Probe("The store", hanging.ask), Probe("The disk", well.ask)]
    assert module._SECONDS < 1.0
    for _ in range(2):
        found = await asyncio.wait_for(health.readiness(), 60)
        assert found.problems == ("The store does not answer.",)
        assert found.parts == {"The store": "The store does not answer.", "The disk": ""}
    assert (hanging.asked, well.asked) == (1, 2)  # not again while it is being asked
    hanging.free.set()
    await asyncio.sleep(0)
    assert (await health.readiness()).problems == ()


async def test_an_error_of_a_part_is_its_sentence(health: Health) -> None:
    async def ask() -> str:
        raise SurroundingsError("The database is locked.")

    health.probes = [Probe("The engine's database", ask)]
    assert (await health.readiness()).problems == ("The database is locked.",)


async def test_a_forge_that_is_away_is_a_problem_after_a_minute(health: Health) -> None:
    part = Part()
    part.answer = "The forge gh cannot be reached."
    health.probes = [Probe("The forge gh", part.ask, 15.0, 60.0)]
    for moment, problems in ((0.0, 0), (10.0, 0), (59.0, 0), (60.0, 1), (61.0, 1)):
        readiness = await health.readiness(partial(float, moment))
        assert len(readiness.problems) == problems, moment
        assert readiness.parts["The forge gh"] == part.answer
    assert part.asked == 2  # at 0 and at 59: its answer was fresh in between
    part.answer = ""
    assert (await health.readiness(lambda: 80.0)).parts == {"The forge gh": ""}
    part.answer = "The forge gh answers 500."
    assert (await health.readiness(lambda: 100.0)).problems == ()


async def test_repositories_that_are_away_are_said_and_no_problem(health: Health) -> None:
    part = Part()
    part.answer = "Repositories that cannot be read: a/b x86_64."
    health.probes = [Probe("The repositories", part.ask, 600.0, math.inf)]
    for moment in (0.0, 90_000.0):
        readiness = await health.readiness(partial(float, moment))
        assert (readiness.problems, list(readiness.parts.values())) == ((), [part.answer])


async def test_the_address_of_a_forge_is_asked_without_a_credential(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_FORGE_TIMEOUT", ClientTimeout(total=90))  # of a busy machine
    seen: list[str | None] = []
    status = 401

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(status=status)

    application, port = web.Application(), free_port()
    application.router.add_get("/api/v3", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    ask = module._forge_question("gh", f"http://127.0.0.1:{port}/api/v3")
    try:
        assert await ask() == ""
        status = 502
        assert await ask() == "The forge gh answers 502."
    finally:
        await runner.cleanup()
    assert seen == [None, None]
    assert "cannot be reached" in await ask()


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module._disk_problem((tmp_path, tmp_path / "not" / "there")) == ""
    monkeypatch.setattr(module, "_FEWEST_BYTES", 10**18)
    assert module._disk_problem((tmp_path,)) == f"The disk of {tmp_path} is almost full."


@pytest.mark.parametrize(
    ("reachable", "said"),
    [
        ((True, True), ""),
        ((True, False), "Repositories that cannot be read: d/r1 x86_64."),
        ((False, False), "No repository can be read: not d/r0 x86_64, d/r1 x86_64."),
    ],
)
async def test_readiness_says_whether_any_repository_is_reachable(
    reachable: tuple[bool, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [
        RepositoryAnswer("d", f"r{n}", "x86_64", error=None if one else "away")
        for n, one in enumerate(reachable)
    ]
    monkeypatch.setattr("bot.distro.online.ask_repositories", lambda _: answers)
    settings = Settings.model_validate({"forges": {"gh": FORGE}, "repositories": RULES}).model_copy(
        update={"config": Path(__file__).parents[2] / "config", "cache": tmp_path}
    )
    assert await module._repositories_question(settings)() == said
