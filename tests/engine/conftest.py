"""A fake forge and a fake checker, set up by the test, on a real git repository and engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.chat.questions import ChatFinding
from bot.check.architectures import ArchitectureResult
from bot.check.external import ExternalPlan, ExternalProgress
from bot.engine.collector import Collector
from bot.engine.database import prepared_url
from bot.engine.dispatcher import Dispatcher
from bot.engine.engine import Engine
from bot.engine.job import PredictedCheck
from bot.engine.merged import MergedChanges
from bot.engine.outbox import Outbox
from bot.engine.publishing import Publisher
from bot.engine.reconciler import Pauses, Reconciler, record_comment
from bot.engine.results import open_results
from bot.engine.steps import CheckSteps
from bot.forge.events import ChecksEvent, CommentEvent
from bot.forge.values import (
    Comment,
    CommitCheck,
    ForgeFile,
    IgnoredEvent,
    LineSuggestion,
    OpenPull,
    PullRequest,
    PullRequestEvent,
    PullRequestKey,
    Source,
    StatusReport,
)
from bot.model.closure import SnapshotState, WhatIf, Why
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.result import CheckResult, ImageResult, Side
from bot.model.spec import BuildNote
from bot.settings.values import Settings
from bot.store.history.history import open_history
from bot.store.records import NewDelivery
from bot.store.repositories import Repositories
from bot.store.store import Store, now, open_store
from tests import forges
from tests.databases import every_database_is_closed  # noqa: F401 - of all tests here
from tests.engine.threads import InThread
from tests.report.conftest import broken_objective

KEY = PullRequestKey("gh", "o/r", 7)


class Repository:
    """A git repository; `commit` adds a commit to a branch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "uploadpack.allowFilter", "true")
        self.base = self.commit("main", {"nginx/nginx.spec": "Name: nginx\n", "README": "r\n"})

    def git(self, *arguments: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.path)}
        for who in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{who}_NAME": "A", f"GIT_{who}_EMAIL": "a@example.org"}
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=environment, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def commit(self, branch: str, files: dict[str, str], start: str = "main") -> str:
        branches = self.git("branch", "--format=%(refname:short)").split()
        if branch in branches:
            self.git("switch", "-q", branch)
        elif branches:
            self.git("switch", "-q", "-c", branch, start)
        for name, text in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")
        return self.git("rev-parse", "HEAD")


def pull_request(base: str, head: str = "") -> PullRequest:
    found = {"base_sha": base, "head_sha": head, "url": "https://forge/7"}
    return forges.pull_request(KEY, title="Add perl", **found)


@dataclass
class FakeForge(forges.QuietForge):
    """A forge that records what is written; `fail` has errors to raise first, by method."""

    repository: Repository
    pull: PullRequest
    name: str = "gh"
    roles: dict[str, Any] = field(default_factory=dict)
    comments: list[tuple[str, str]] = field(default_factory=list)
    statuses: list[tuple[str, StatusReport]] = field(default_factory=list)
    suggestions: list[tuple[str, tuple[LineSuggestion, ...]]] = field(default_factory=list)
    fail: dict[str, list[Exception]] = field(default_factory=dict)
    reactions: list[tuple[str, str]] = field(default_factory=list)
    teams: dict[str, list[str]] = field(default_factory=dict)
    files: tuple[ForgeFile, ...] = ()
    checks: list[CommitCheck] = field(default_factory=list)
    looks: int = 0
    others_comments: list[str] = field(default_factory=list)
    bots: tuple[str, ...] = ()
    pushers: dict[str, str] = field(default_factory=dict)
    events: dict[str, Any] = field(default_factory=dict)

    def answers(self) -> list[str]:
        """Return the newest text of each answer, without the comment of the check itself."""
        newest = {body.split("\n")[0]: body for _, body in self.comments}
        return [body for first, body in newest.items() if first.startswith("<!-- minimize:answer")]

    def _maybe_fail(self, method: str) -> None:
        if self.fail.get(method):
            raise self.fail[method].pop(0)

    def event(self, event: str, body: bytes) -> Any:
        if event in self.events:
            return self.events[event]
        data = json.loads(body)
        if event == "issue_comment":
            return CommentEvent(KEY, **data)
        if event == "status":
            return ChecksEvent("gh", KEY.repository, data["sha"], tuple(data["names"]))
        if event != "pull_request":
            return IgnoredEvent("not asked")
        action, merged = data.get("action", "opened"), data.get("merged", "")
        base = data.get("base", "")
        pusher = data.get("pusher", "")
        return PullRequestEvent(KEY, data["wish"], data["head"], action, merged, base, pusher)

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        self._maybe_fail("pull_request")
        return self.pull

    async def open_pulls(self, repository: str) -> tuple[OpenPull, ...]:
        self._maybe_fail("open_pulls")
        pull = OpenPull(KEY.number, self.pull.head_sha, self.pull.base_ref, now())
        return (pull,) if self.pull.open else ()

    async def comments_since(self, key: PullRequestKey, since: str) -> tuple[CommentEvent, ...]:
        return tuple(
            CommentEvent(key, str(number), "bob", "bob", False, body, "created", since)
            for number, body in enumerate(self.others_comments)
        )

    async def changed_files(self, key: PullRequestKey) -> tuple[ForgeFile, ...]:
        return self.files

    async def find_comment(self, key: PullRequestKey, marker: str) -> Comment | None:
        found = [body for _, body in self.comments if marker in body]
        return Comment("1", "u", found[-1]) if found else None

    async def put_comment(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        self._maybe_fail("put_comment")
        assert marker in body
        said = [text for _, text in self.comments if marker in text]
        if said[-1:] != [body]:
            self.comments.append((self.pull.head_sha, body))
        return Comment("1", "u", body)

    async def put_suggestions(
        self, key: PullRequestKey, sha: str, suggestions: Sequence[LineSuggestion]
    ) -> None:
        self._maybe_fail("put_suggestions")
        self.suggestions.append((sha, tuple(suggestions)))

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        self._maybe_fail("set_status")
        self.statuses.append((sha, report))

    async def checks_of(self, key: PullRequestKey, sha: str) -> tuple[CommitCheck, ...]:
        self.looks += 1
        self._maybe_fail("checks_of")
        return tuple(self.checks)

    async def role_of(self, key: PullRequestKey, user: str) -> Any:
        return self.roles.get(user, "write")

    async def pusher_of(self, key: PullRequestKey, sha: str) -> str | None:
        self._maybe_fail("pusher_of")
        return self.pushers.get(sha)

    async def is_member(self, key: PullRequestKey, group: str, user: str) -> bool:
        self._maybe_fail("is_member")
        return user in self.teams.get(group, ())

    async def is_bot(self, key: PullRequestKey, user: str) -> bool:
        return user in self.bots

    async def react(self, key: PullRequestKey, comment: str, reaction: Any) -> None:
        self._maybe_fail("react")
        if (comment, reaction) not in self.reactions:
            self.reactions.append((comment, reaction))

    async def source(self, key: PullRequestKey, base_ref: str) -> Source:
        return Source(f"file://{self.repository.path}", None, ())

    async def branch_source(self, repository: str, branch: str) -> Source:
        return Source(f"file://{self.repository.path}", None, ())

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        return 1

    def states(self, sha: str | None = None) -> list[str]:
        return [r.state for s, r in self.statuses if sha in (None, s)]


@dataclass
class FakeChecker:
    """A checker with results set by the test.

    `hold` blocks the prediction of a head until its event is set; `predicting`, `building` and
    `asking` are errors that the next calls raise.
    """

    changed: bool = True
    worth_building: bool = True
    read: bool = True
    predicting: list[Exception] = field(default_factory=list)
    building: list[Exception] = field(default_factory=list)
    asking: list[Exception] = field(default_factory=list)
    over: bool = False
    external: ExternalPlan | None = None
    there: list[bool] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    hold: dict[str, threading.Event] = field(default_factory=dict)
    arches: tuple[str, ...] = ()
    building_on: dict[str, Exception] = field(default_factory=dict)

    def drop_idle(self) -> int:
        return 0

    def predict(self, job: Any, git: Any, others: Any = ()) -> PredictedCheck:
        self.calls.append(("predict", job.head_sha))
        if job.head_sha in self.hold:
            self.hold[job.head_sha].wait(90)
        if self.predicting:
            raise self.predicting.pop(0)
        result = result_of(job, "predicted", self.changed, over=self.over)
        return PredictedCheck(
            result, self.worth_building, self.external, read=self.read, arches=self.arches
        )

    def locate(self, plan: Any) -> ExternalProgress:
        """Report by `there` whether packages are there: one value a call, then the last."""
        self.calls.append(("locate", plan.check))
        there = self.there.pop(0) if len(self.there) > 1 else self.there[0]
        places = plan.places
        return (
            ExternalProgress(places, ())
            if there
            else ExternalProgress((), ("Nothing is at https://b/.",))
        )

    def ask(self, job: Any, git: Any, asked: Any) -> tuple[ChatFinding, ...]:
        self.calls.append(("ask", job.head_sha))
        if self.asking:
            raise self.asking.pop(0)
        result = result_of(job, "final", self.changed)
        nevra = Nevra("perl", 0, "1", "1", "x86_64")
        key = result.images[0].key
        return tuple(
            ChatFinding(
                question,
                result,
                whys=(Why(key, nevra),) if question.name == "why" else (),
                what_ifs=(WhatIf(key, "ok"),) if question.name == "what-if" else (),
                workloads=("nginx",),
            )
            for question in asked
        )

    def finish(self, job: Any, git: Any, others: Any = ()) -> CheckResult:
        self.calls.append(("finish", job.head_sha))
        if self.building:
            raise self.building.pop(0)
        result = result_of(job, "final", self.changed, over=self.over)
        note = BuildNote("head", "nginx/nginx.spec", "x86_64", "built")
        return replace(result, builds=(note,))

    def build(self, job: Any, git: Any, arch: str, arches: Any) -> ArchitectureResult:
        """Build for `arch`; for builds the keys of `hold` and `building_on` are architectures."""
        self.calls.append((f"build {arch}", job.head_sha))
        if arch in self.hold:
            self.hold[arch].wait(90)
        if arch in self.building_on:
            raise self.building_on[arch]
        result = result_of(job, "final", self.changed)
        images = tuple(
            replace(
                result.images[0],
                key=replace(result.images[0].key, arch=one),
                evidence="rebuilt" if one == arch else "transferred",
            )
            for one in arches
        )
        note = BuildNote("head", "nginx/nginx.spec", arch, "built")
        return ArchitectureResult(arch, replace(result, images=images, builds=(note,)))


def result_of(job: Any, stage: Any, changed: bool, *, over: bool = False) -> CheckResult:
    limit = broken_objective("small", "packages", 10, 11, 10, id="small")
    image = ImageResult(
        key=ImageKey("nginx", "minimal", "demo", "x86_64"),
        snapshot=SnapshotState("s", ()),
        changed=changed,
        evidence="predicted" if stage == "predicted" else "rebuilt",
        base=Side("ok", (), packages=10, installed_size=1000, known_size=1000),
        head=Side("ok", (), packages=11, installed_size=900_000, known_size=900_000)
        if changed
        else Side("ok", (), packages=10, installed_size=1000, known_size=1000),
        objectives=(limit,) if over else (),
    )
    return CheckResult(
        base=job.base_sha,
        head=job.head_sha,
        merge_base=job.base_sha,
        specs=("nginx/nginx.spec",),
        sources={"nginx": "1-2"},
        verdict="failure" if over else "success",
        only_limits=over,
        images=(image,),
        stage=stage,
    )


class KilledProgram:
    """A program in a process of its own that records its steps in a journal in `folder`."""

    def __init__(self, script: str, folder: Path, *arguments: str) -> None:
        self.folder = folder
        command = [sys.executable, str(Path(__file__).parent / script), str(folder), *arguments]
        with (folder / "stderr").open("ab") as stderr:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)

    def wait_for(self, line: str, times: int = 1) -> None:
        deadline = time.monotonic() + 90
        while (found := journal(self.folder)).count(line) < times:
            # The program may have ended just after it wrote the line.
            if self.process.poll() is not None and journal(self.folder) == found:
                raise AssertionError((self.folder / "stderr").read_text())
            assert time.monotonic() < deadline, found
            time.sleep(0.02)

    def wait_until_settled(self) -> None:
        """Wait until the outbox has recorded that the forge has everything."""
        outbox = Outbox(prepared_url(settings_in(self.folder)), "reader")
        deadline = time.monotonic() + 90
        while not outbox.settled():
            assert time.monotonic() < deadline, journal(self.folder)
            time.sleep(0.02)
        outbox.close()

    def kill(self) -> None:
        """Kill it, and let the time pass after which its claims are free."""
        self.process.kill()
        self.process.wait()
        with closing(sqlite3.connect(self.folder / "engine.sqlite")) as database, database:
            database.execute("update minimize_outbox set held_until = 0")

    def ended(self) -> None:
        try:
            assert self.process.wait(90) == 0, (self.folder / "stderr").read_text()
        finally:
            self.process.kill()


def journal(folder: Path) -> list[str]:
    file = folder / "journal"
    return file.read_text().splitlines() if file.exists() else []


def stored_delivery(folder: Path, event: str, body: dict[str, Any]) -> None:
    store = open_store(folder)
    store.add_deliveries([NewDelivery("gh", event, f"guid-{event}", json.dumps(body).encode())])
    store.close()


class Writes:
    """A signal for the next committed change of the engine's database.

    A step writes its outcome after its effect on the forge: this is also when to look there.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._written = asyncio.Event()
        sa.event.listen(sa.Engine, "after_cursor_execute", self._executed)
        sa.event.listen(sa.Engine, "commit", self._committed)

    def close(self) -> None:
        sa.event.remove(sa.Engine, "after_cursor_execute", self._executed)
        sa.event.remove(sa.Engine, "commit", self._committed)

    async def next(self, seconds: float) -> None:
        """Wait for a change since the last call, at most `seconds`."""
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._written.wait()
        self._written.clear()

    def _executed(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE"):
            connection.info["written"] = True

    def _committed(self, connection: Any) -> None:
        if connection.info.pop("written", False) and self._loop is not None:
            self._loop.call_soon_threadsafe(self._written.set)


class EagerPublisher(Publisher):
    """A publisher that writes each desired state to the forge before the next one is recorded.

    If not `eager`, it works as on a server: a later state may replace one that is not written yet.
    """

    eager = True

    def __init__(self, bot: Bot) -> None:
        results = open_results(bot.settings, bot.store)
        super().__init__(bot.outbox, results, bot.settings, "https://min.example")
        self._bot = bot
        self._loop = asyncio.get_running_loop()

    async def _change(self, subject: Any, empty: Any, change: Any) -> None:
        await super()._change(subject, empty, change)
        if not self.eager:
            return
        writing = self._bot.write()
        if asyncio.get_running_loop() is self._loop:
            await writing
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(writing, self._loop))


class Bot:
    """Store, dispatcher, engine and collector on a fake forge; the test calls each of them."""

    def __init__(
        self, where: Path, computing: Any = None, forge: Any = FakeForge, **engine: Any
    ) -> None:
        self.repository = Repository(where / "upstream")
        self.pull = pull_request(self.repository.base)
        self.forge = forge(self.repository, self.pull)
        self.checker = FakeChecker()
        self.computing = computing or InThread(self.checker)
        self.settings = settings_in(where, engine)
        self.store: Store = open_store(where)
        self.history = open_history(self.store)
        self.deliveries = 0
        self.writes = Writes()
        self._writing = asyncio.Lock()
        self.outbox: Any = None
        self.make()

    def make(self) -> None:
        """Create outbox, engine, dispatcher and collector again, with the current settings."""
        if self.outbox is not None:
            self.outbox.close()
        forges: Any = {"gh": self.forge}
        self.outbox = Outbox(prepared_url(self.settings), "tester")
        self.publisher = EagerPublisher(self)
        steps = CheckSteps(forges, self.computing, self.settings, self.publisher)
        self.reconciler = Reconciler(
            self.outbox,
            forges,
            self.settings,
            on_comment=partial(record_comment, self.store),
            is_gone=Repositories(self.store).is_gone,
            pauses=Pauses(first=0.01, away=0.02, refused=0.02),
        )
        self.engine = Engine(steps, self.settings, "server", pause=0.01, away=3)
        merged_changes = MergedChanges(self.store, self.history, self.settings)
        self.dispatcher = Dispatcher(
            self.store, forges, self.engine, self.settings, merged_changes, lag=0.01
        )
        self.observed: list[tuple[str, str]] = []
        self.collector = Collector(
            self.store,
            self.engine,
            merged_changes,
            lambda what, check: self.observed.append((what, check.id)),
        )

    def push(self, files: dict[str, str], branch: str = "topic") -> str:
        head = self.repository.commit(branch, files)
        self.show(head)
        return head

    def show(self, head: str, **changes: Any) -> None:
        self.forge.pull = replace(self.forge.pull, head_sha=head, **changes)

    async def deliver(self, wish: str = "check", head: str | None = None, **more: Any) -> int:
        self.deliveries += 1
        body = {"wish": wish, "head": head or self.forge.pull.head_sha, **more}
        new = NewDelivery(
            "gh", "pull_request", f"guid-{self.deliveries}", json.dumps(body).encode()
        )
        self.store.add_deliveries([new])
        return await self.dispatcher.handle_new()

    def all_due(self) -> None:
        """Make the stored deliveries due that are postponed to a later try."""
        with self.store.writing() as db:
            db.execute("update deliveries set due = 0 where state = 'new'")

    async def comment(
        self, text: str, user: str = "maria", *, comment: str = "41", **more: Any
    ) -> tuple[str, str]:
        """Deliver a comment and return the state and reason of its delivery.

        `SHA` in its text is replaced by the head; `updated` is now unless given.
        """
        self.deliveries += 1
        text = text.replace("SHA", self.forge.pull.head_sha)
        body = {
            "comment": comment,
            "author": user,
            "sender": user,
            "author_is_bot": False,
            "body": text,
            "action": "created",
            "updated": now(),
            "url": f"https://forge/7#{comment}",
            **more,
        }
        new = NewDelivery(
            "gh", "issue_comment", f"guid-{self.deliveries}", json.dumps(body).encode()
        )
        (receipt,) = self.store.add_deliveries([new])
        await self.dispatcher.handle_new()
        (row,) = self.store.rows("select state, reason from deliveries where id = ?", [receipt.id])
        return row["state"], row["reason"]

    def postpone_nothing(self) -> None:
        """End the pauses before the next tries of all rows of the outbox."""
        with closing(sqlite3.connect(self.settings.data / "engine.sqlite")) as database, database:
            database.execute("update minimize_outbox set due = 0, held_until = 0")

    async def until(self, true: Callable[[], bool], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, (self.forge.statuses, self.checker.calls)
            await self.collector.collect()
            await self.write()
            if not true():
                await self.writes.next(0.1)

    async def write(self) -> None:
        """Write what is due to the forge. One at a time: a row that another has claimed and does
        not write yet would be passed over."""
        async with self._writing:
            await self.reconciler.reconcile()

    async def settled(self) -> None:
        """Wait until no check is open, no run has anything left to do (a check's last one reports
        that it is over before it is), and everything in the outbox is on the forge."""
        await self.until(
            lambda: not self.store.open_checks() and self.idle() and self.outbox.settled()
        )

    def idle(self) -> bool:
        """Return whether no run is queued or under way."""
        query = "select 1 from workflow_status where status in ('ENQUEUED', 'DELAYED', 'PENDING')"
        with self.engine.database.connect() as connection:
            return connection.exec_driver_sql(f"{query} limit 1").first() is None

    async def close(self) -> None:
        self.writes.close()
        for held in self.checker.hold.values():
            held.set()
        await self.engine.stop()
        self.outbox.close()
        self.history.close()
        self.store.close()

    def checks(self) -> list[Any]:
        return self.store.checks_of("gh", "o/r", 7)


def settings_in(where: Path, engine: dict[str, Any] | None = None) -> Settings:
    settings = Settings.model_validate(
        {
            "forges": {
                "gh": {
                    "type": "github",
                    "token": {"env": "T"},
                    "webhook_secrets": [{"env": "S"}],
                }
            },
            "engine": {"executor_id": "tester", "attempts": 3, **(engine or {})},
        }
    )
    return settings.model_copy(update={"data": where, "cache": where / "cache"})


@pytest.fixture
async def bot(stopped_bot: Bot):
    await stopped_bot.engine.launch()
    return stopped_bot


@pytest.fixture
async def stopped_bot(tmp_path: Path):
    """A bot whose engine the test launches."""
    bot = Bot(tmp_path)
    yield bot
    await bot.close()


@pytest.fixture
async def bot_of(tmp_path: Path):
    """A function that makes a bot with settings of its engine; the test launches the engine."""
    made: list[Bot] = []

    def make(**engine: Any) -> Bot:
        made.append(Bot(tmp_path, **engine))
        return made[-1]

    yield make
    for one in made:
        await one.close()
