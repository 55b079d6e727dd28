"""A build that somebody else makes, on a forge that is real to the bot: `minimize serve` predicts,
waits for the check, and takes the packages. Every API; real RPM files, over HTTP."""

import asyncio
import contextlib
import functools
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aiohttp
import pytest
import yaml

from bot.demo.distribution.reference import write_repository
from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import App, Pull
from bot.demo.run.setup import (
    BotPlaces,
    BotProcess,
    free_port,
    github_settings,
    serve_command,
    token_settings,
)
from tests.check.tiny import TOOL, make_repositories, workload, write_documents
from tests.demo_forge.foreign_checks import (
    report_check_run,
    report_flag,
    report_forgejo_status,
    report_gitlab_status,
)
from tests.distro.servers import running
from tests.forges import ABILITIES, BOT, KINDS, add_hook
from tests.specs import build

NAME = "rpm-build:fedora-x86_64"
HEAVY = TOOL.replace("Version: 1", "Version: 2").replace(
    "%description\n%files\n",
    "%description\n%install\nmkdir -p %{buildroot}/usr/share\n"
    "head -c 700000 /dev/zero >%{buildroot}/usr/share/big\n%files\n/usr/share/big\n",
    1,
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The build service's files."""
    folder.mkdir(parents=True, exist_ok=True)
    with running(
        ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    ) as url:
        yield f"{url}/"


@dataclass
class World:
    local: LocalForge
    pull: Pull
    bot: BotProcess
    results: Path
    kind: str
    packit: App | None

    async def report(self, word: str) -> None:
        """The build service says how its build stands; the forge tells the bot."""
        url = "https://build.example.org/9"
        if self.kind == "pagure":
            await report_flag(self.local, self.pull, NAME, word, url)
        elif self.kind == "forgejo":
            await report_forgejo_status(self.local, self.pull, NAME, word, url)
        elif self.kind == "gitlab":
            await report_gitlab_status(self.local, self.pull, NAME, word, url)
        else:
            assert self.packit is not None
            await report_check_run(self.local, self.pull, self.packit, NAME, word, url)

    def publish(self, spec: str = HEAVY) -> None:
        """The packages, where the template leads."""
        where = self.results / f"results/rpms-tool-{self.pull.number}/fedora-x86_64"
        build(spec, "x86_64", self.results.parent / "work", where)
        write_repository(where, sorted(where.rglob("*.rpm")), revision=9)

    def reasons(self) -> list[str]:
        """What the bot says that it made of each delivery."""
        with contextlib.closing(sqlite3.connect(self.bot.places.store)) as store:
            return [one or "" for (one,) in store.execute("select reason from deliveries")]

    def comments(self) -> list[str]:
        return [c.body for c in self.local.state.comments_of(self.pull)]

    def status(self) -> tuple[str, str]:
        """Our status of the head: its state, and all that it says."""
        if self.kind == "github":
            runs = self.local.state.runs_of(self.pull.repository, self.pull.head_sha)
            own = [r for r in runs if r.name == "minimize"]
            output = (own[-1].fields.get("output") or {}) if own else {}
            said = f"{output.get('title')} {output.get('summary')}"
            return (own[-1].conclusion or "pending", said) if own else ("", "")
        made = self.local.state.statuses.get(self.pull.repository.id, [])
        mine = [s for s in made if s.context == "minimize"]
        return (mine[-1].state, mine[-1].description or "") if mine else ("", "")

    async def result(self) -> dict:
        """What the check's page tells, once the check is over."""
        deadline = time.monotonic() + 120
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"{self.bot.places.url}/api/checks") as answer:
                    (check,) = (await answer.json())["checks"]
                url = f"{self.bot.places.url}/api/checks/{check['id']}"
                async with session.get(url) as answer:
                    document = await answer.json()
                if document.get("stage") == "final":
                    return document
                assert time.monotonic() < deadline, document
                await asyncio.sleep(0.1)

    async def until(self, true: Callable[[], bool], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            self.bot.check()
            assert time.monotonic() < deadline, (self.status(), self.bot.tail())
            await asyncio.sleep(0.05)


@asynccontextmanager
async def world(home: Path, kind: str, *, allowed: bool = True) -> AsyncIterator[World]:
    make_repositories(home / "tiny")
    config = write_documents(home / "config", home / "tiny", web=workload("tool"))
    results = home / "service"
    places = BotPlaces(home, config, home / "cache", free_port())
    with served(results) as url:
        template = url + "results/{owner}-{repo}-{number}/{chroot}/"
        own = {
            "builder": "external",
            "external": {
                "check": "rpm-build:*x86_64",
                "repository": template,
                "chroots": {"x86_64": "fedora-x86_64"},
                "deadline": "10 min",
            },
        }
        async with LocalForge(home / "forge") as local:
            repository = local.add_repository("rpms/tool")
            # A stranger's change that was not built would wait for somebody to allow it.
            local.set_role(repository, "jonas", "write")
            files = {"tool.spec": TOOL, "data.txt": "x", ".minimize.yaml": yaml.safe_dump(own)}
            repository.git.commit("main", files, "Start")
            repository.git.commit("topic", {"tool.spec": HEAVY}, "Big", start="main")
            hook = f"{places.url}/webhook/{kind}"
            packit = None
            if kind == "github":
                app = local.add_app("minimize", hook_url=hook)
                packit = local.add_app("packit")
                local.install(app, "rpms")
                forge = github_settings(places.home, local, app)
            else:
                local.set_role(repository, BOT, ABILITIES[kind].role)
                events = ("merge_request", "note", "pipeline", "status")
                made = add_hook(local, kind, hook, events)
                forge = token_settings(places, kind, local.token(BOT), made, local.url)
            settings = {
                "listen": {"port": places.port},
                "public_url": places.url,
                "forges": {kind: forge},
                "build": {"external": [url + ("results/" if allowed else "other/")]},
            }
            places.settings.write_text(yaml.safe_dump(settings))
            async with BotProcess(places, serve_command(places)) as bot:
                await bot.ready()
                pull = await local.open_pull(repository, "topic", user="jonas", title="Big")
                yield World(local, pull, bot, results, kind, packit)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_green_check_gives_one_comment_with_what_was_built(
    tmp_path: Path, kind: str
) -> None:
    async with world(tmp_path, kind) as w:
        # Before it is waited for: building takes as long as the pause to the next look, or longer.
        w.publish()
        await w.until(lambda: "waits for rpm-build:" in w.status()[1])
        # No image changes by what the spec says: nothing to comment on yet.
        assert w.comments() == []
        await w.report("pending")
        await w.report("success")
        # Woken by the hook, not by the end of the pause between looks.
        await w.until(lambda: any("looks at the check" in reason for reason in w.reasons()))
        # The comment is written beside the status, before it or after it.
        await w.until(lambda: w.status()[0] == "success" and bool(w.comments()))
        (comment,) = w.comments()
        assert "x86_64, built elsewhere." in comment
        assert "carried over from x86_64" in comment
        assert "700 kB" in comment
        folded = "compared with `1-1` as published"
        assert (folded in comment) is ABILITIES[kind].folds
        result = await w.result()
        by_arch = {image["arch"]: image for image in result["images"]}
        assert by_arch["x86_64"]["evidence"] == "external"
        assert by_arch["x86_64"]["head"]["layer"]["gzip"] > 0
        grown = by_arch["x86_64"]["head"]["installed_size"]
        assert grown - by_arch["x86_64"]["base"]["installed_size"] >= 700_000
        assert by_arch["aarch64"]["evidence"] == "transferred"
        # A question is answered on the packages that were taken, not on the prediction.
        await w.local.comment(w.pull, "/minimize why tool-libs", user="jonas")
        await w.until(lambda: any("as they were built" in body for body in w.comments()))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_red_check_leaves_the_prediction(tmp_path: Path, kind: str) -> None:
    async with world(tmp_path, kind) as w:
        await w.until(lambda: "waits for rpm-build:" in w.status()[1])
        await w.report("failure")
        await w.until(lambda: w.status()[0] == "success")
        assert w.comments() == []  # the prediction changes no image
        log = w.bot.places.log.read_text()
        assert "Traceback" not in log
        result = await w.result()
        assert {image["evidence"] for image in result["images"]} == {"predicted"}
        assert "The external build failed" in result["problems"][0]
        assert result["builds"][0]["log"] == "https://build.example.org/9"


async def test_a_place_that_the_server_does_not_name_is_not_waited_for(tmp_path: Path) -> None:
    async with world(tmp_path, "github", allowed=False) as w:
        await w.until(lambda: w.status()[0] == "success")
        result = await w.result()
        assert result["builds"] == []
        said = " ".join(result["notes"])
        assert "Predicted, not rebuilt: Packages are not taken from http://127.0.0.1" in said
        assert "/other/" in said
