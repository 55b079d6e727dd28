"""A history made day by day: one image of an application and what it brings, one objective."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.distro.objectives import Limits, ObjectiveDocument
from bot.model.closure import Link, RepositoryState, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.objectives.attribution import attribute
from bot.objectives.status import headings, states
from bot.objectives.tracking import renamed
from bot.store.history.history import History, open_history
from bot.store.history.recording import MovedImage
from bot.store.history.values import Cause, ClosureFacts, DocumentedImage, EvaluatedImage, Member

KEY = ImageKey("web", "minimal", "fedora", "x86_64")
START = datetime(2026, 11, 2, 6, tzinfo=UTC)
SMALL = ObjectiveDocument(
    "web-small", "web stays small", "Why it is kept", "web-sig", "web", limits=Limits(packages=2)
)


def member(name: str, version: str = "1", size: int = 1_000_000, **more: Any) -> Member:
    nevra = Nevra(name, 0, version, "1", "x86_64")
    return Member(nevra, more.pop("source", name), "base", size, None, None, **more)


class DailyHistory:
    """One run a day; `day` says what is in the image besides the application, in which version."""

    def __init__(self, where: Path) -> None:
        self.history: History = open_history(where)
        self.objectives = [SMALL]
        self.own: dict[str, dict[str, str]] = {}
        self.days = 0

    def close(self) -> None:
        self.history.close()
        self.history.store.close()

    def day(
        self,
        *brought: str,
        app: str = "1",
        solvable: bool = True,
        broke: Cause | None = None,
        known: bool = True,
    ) -> int:
        """The run's number. `broke` is why it cannot be solved; sizes may be not `known`."""
        recorder = self.history.recorder
        started = START + timedelta(days=self.days)
        self.days += 1
        run = recorder.begin_run(started.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        members = [member("app", app, requested=True), *(
            member(name, size=3_000_000, requested=False) for name in brought
        )]  # fmt: skip
        if not solvable:
            members = []
        links = tuple(Link(0, name, number, "requires") for number, name in enumerate(brought, 1))
        facts = (
            ClosureFacts("ok", len(members), *[sum(m.installed_size or 0 for m in members)] * 2)
            if solvable
            else ClosureFacts(
                "unsolvable",
                None,
                None,
                None,
                problems=("nothing provides requested app",),
                missing=("app",),
            )
            if broke is None
            else ClosureFacts(
                "unsolvable",
                None,
                None,
                None,
                problems=("nothing provides libx.so.1 needed by app-2-1",),
            )
        )
        if not known:
            facts = replace(facts, installed_size=None)
        snapshot = SnapshotState(f"s{self.days}", (RepositoryState("base", "1", 0),))
        now = EvaluatedImage(
            KEY, snapshot, f"{self.days}", f"{facts} {app} {brought}", facts, ("app",), False,
            tuple(members), links if solvable else (),
        )  # fmt: skip
        before = self.history.contents(KEY)
        changes = self.history.waiting_changes("")
        step = attribute(before, now, changes) if before.members and solvable else None
        causes = step.causes if step else ()
        causes = (broke,) if broke is not None else causes
        landed = [(change, KEY) for change in step.landed] if step else []
        recorder.record(run, [MovedImage(now, causes)], landed)
        names = frozenset(m.nevra.name for m in members)
        found = states(self.objectives, {KEY: facts}, lambda _: names, {}, started.date())
        reported = headings(self.objectives)
        headed = {i: replace(h, **self.own.get(i, {})) for i, h in reported.items()}
        before = {heading.id: heading for heading in self.history.objective_headings(private=True)}
        recorder.settle_run(
            run, {KEY: DocumentedImage("web-sig", ())}, headed, found, renamed(before, headed)
        )
        recorder.finish_run(run, images=1, solved=1, moved=int(bool(causes)))
        return run
