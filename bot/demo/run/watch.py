"""Collecting, checking and showing the bot's comments, suggestions and status on the forge."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Change, CheckRun, Comment, CommitStatus, Pull
from bot.demo.run.setup import BotProcess
from bot.errors import SurroundingsError
from bot.model.nevra import parse_nevra
from bot.report.objectives import limits_phrase, metric_text
from bot.report.phrase import to_plain

FIRST_SECONDS = 300.0
WHOLE_SECONDS = 20 * 60.0
# Seconds to wait for the comment's last edit after the status: the reconciler writes both at the
# same time, and a busy machine takes long for one of them.
AFTERWARDS_SECONDS = 60.0
STATUS = "minimize"
# Seconds to wait for suggestions, which the reconciler writes beside the comment.
SECONDS = 60.0

_CONCLUSIONS = {"success": "success", "failed": "failure", "failure": "failure"}
# An answer of the bot's own API, as its OpenAPI description has it.
Json = Mapping[str, Any]
Timeline = Callable[[float, str], None]


@dataclass(slots=True)
class Observations:
    """The observations: each text of the comment with its time, and the status at the end. Times
    are in seconds since the webhook.

    Without `edits` the forge's API cannot edit comments: there is one, at the end.
    """

    start: datetime
    texts: list[tuple[float, str]] = field(default_factory=list)
    comments: set[int] = field(default_factory=set)
    run: CheckRun | CommitStatus | None = None
    done: float | None = None
    status: str = ""
    edits: bool = True

    @property
    def conclusion(self) -> str | None:
        """The conclusion of the status, by GitHub's names; None while it has none."""
        if isinstance(self.run, CommitStatus):
            return _CONCLUSIONS.get(self.run.state)
        return None if self.run is None else self.run.conclusion

    @property
    def check(self) -> str | None:
        """The id of the check, from the status."""
        if isinstance(self.run, CommitStatus):
            return (self.run.target_url or "").rpartition("/")[2] or None
        return None if self.run is None else self.run.fields.get("external_id")


def headline(comment: str) -> str:
    """A comment's first visible line, without Markdown markup."""
    for line in comment.splitlines():
        if line.strip() and not line.startswith("<!--"):
            return re.sub(r"\\(.)|\*\*", r"\1", line.lstrip("# ")).strip()
    return ""


class Watch:
    """Collector of changes on the forge since its construction, in order."""

    def __init__(self, forge: LocalForge, *, edits: bool = True) -> None:
        self._edits = edits
        self._changes: asyncio.Queue[Change] = asyncio.Queue()
        self._forge = forge
        forge.state.listeners.append(self._changes.put_nowait)

    async def until_done(
        self, pull: Pull, start: datetime, bot: BotProcess, line: Timeline, *, texts: int = 2
    ) -> Observations:
        """Wait for the conclusion and the comment's last edit; print a line for each change.
        `texts` is the expected number of the comment's texts.

        Raises SurroundingsError if the bot ends, or if nothing comes for too long.
        """
        observations = Observations(start, edits=self._edits)
        while True:
            limit = self._limit(observations)
            elapsed = (datetime.now(start.tzinfo) - start).total_seconds()
            if elapsed >= limit:
                if observations.done is not None:
                    return observations
                what = "finish the check" if observations.texts else "comment"
                raise SurroundingsError(f"The bot did not {what} within {limit:.0f} s.", bot.tail())
            try:
                async with asyncio.timeout(min(0.5, limit - elapsed)):
                    change = await self._changes.get()
            except TimeoutError:
                bot.check()
                continue
            self._take(change, pull, observations, line)
            if observations.done is not None and len(observations.texts) >= (
                texts if self._edits else 1
            ):
                return observations

    @staticmethod
    def _limit(observations: Observations) -> float:
        if observations.done is not None:
            return observations.done + AFTERWARDS_SECONDS
        return WHOLE_SECONDS if observations.texts or observations.run else FIRST_SECONDS

    @staticmethod
    def _take(change: Change, pull: Pull, observations: Observations, line: Timeline) -> None:
        second = (change.at - observations.start).total_seconds()
        subject = change.subject
        if isinstance(subject, Comment) and subject.line is not None:
            return
        if isinstance(subject, Comment) and subject.pull is pull and not subject.deleted:
            first = not observations.texts
            observations.comments.add(subject.id)
            if observations.texts and observations.texts[-1][1] == subject.body:
                return
            observations.texts.append((second, subject.body))
            what = "first comment (predicted)" if first else "comment edited (rebuilt)"
            if not observations.edits:
                what = "comment (rebuilt)"
            line(second, f"{what}: {headline(subject.body)}")
        elif isinstance(subject, CheckRun) and subject.name == STATUS:
            title = (subject.fields.get("output") or {}).get("title") or ""
            observations.run = subject
            Watch._status(
                observations, second, f"{subject.conclusion or subject.status}: {title}", line
            )
        elif isinstance(subject, CommitStatus) and subject.context == STATUS:
            observations.run = subject
            Watch._status(
                observations, second, f"{subject.state}: {subject.description or ''}", line
            )

    @staticmethod
    def _status(observations: Observations, second: float, state: str, line: Timeline) -> None:
        status = f"status {state}"
        if status != observations.status:
            line(second, status)
        observations.status = status
        observations.done = second if observations.conclusion is not None else None


REQUIRED = "perl"  # a line of the spec names it
LINKED = "libxslt"  # no line names it: only the build finds it
PROBLEMS = ("base-failed", "head-failed", "missing-requirement", "not-built")


def problems_of(observations: Observations, result: Json) -> list[str]:
    """The errors, a sentence each."""
    problems = []
    if not observations.texts:
        return ["The bot did not comment."]
    first, last = observations.texts[0][1], observations.texts[-1][1]
    if REQUIRED not in first:
        problems.append(f"The predicted comment does not name {REQUIRED}.")
    if not observations.edits and LINKED not in last:
        problems.append(f"The comment does not name {LINKED}.")
    elif observations.edits and LINKED in first:
        problems.append(f"The predicted comment names {LINKED}, which only a build can find.")
    if len(observations.texts) == 1 and observations.edits:
        problems.append("The comment was not edited after the rebuild.")
    elif REQUIRED not in last:
        problems.append(f"The rebuilt comment does not name {REQUIRED}.")
    if len(observations.texts) > 1 and LINKED not in last:
        problems.append(f"The rebuilt comment does not name {LINKED}.")
    if len(observations.comments) != 1:
        problems.append(f"The bot wrote {len(observations.comments)} comments; one was expected.")
    if observations.conclusion not in ("success", "failure"):
        problems.append(f"The status has the conclusion {observations.conclusion}.")
    for build in result.get("builds", ()):
        if build["outcome"] in PROBLEMS:
            problems.append(f"Build of {build['side']}: {build['outcome']}: {build['message']}")
    return problems


def timeline_line(console: Console, second: float, text: str) -> None:
    """One line of the timeline: seconds since the webhook, what happened."""
    line = Text(f"{second:7.2f} s  ", style="bold cyan")
    console.print(line.append(text, style="default not bold"), soft_wrap=True)


def comment_panel(title: str, body: str) -> Panel:
    """A comment for a terminal: folded parts are named, not shown."""
    return Panel(Markdown(without_html(body)), title=title, title_align="left")


def without_html(body: str) -> str:
    """A comment's Markdown without parts for browsers: folds, hidden notes, graphs."""
    text = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    text = re.sub(
        r"<details>\s*<summary>(.*?)</summary>.*?</details>",
        lambda match: f"\u25b8 *{match[1].strip()}* (folded)\n",
        text,
        flags=re.DOTALL,
    )
    text = re.sub(r"```mermaid\n.*?```", "\u25b8 *graph*\n", text, flags=re.DOTALL)
    return re.sub(r"</?(sub|br)>", "", text).strip()


def added_names(result: Json, arch: str, workload: str) -> dict[str, int | None]:
    """The packages that a check's result adds to an image: names to installed sizes in bytes."""
    return {
        parse_nevra(added["nevra"]).name: added["installed_size"]
        for image in result["images"]
        if image["arch"] == arch and image["workload"] == workload
        for added in image["added"]
    }


def only_built(result: Json, arch: str, workload: str, predicted: str) -> dict[str, int | None]:
    """The added packages of a result without a row in the predicted comment's tables."""
    rows = set(re.findall(r"^\| `([^`]+)` \|", predicted, flags=re.MULTILINE))
    return {
        name: size for name, size in added_names(result, arch, workload).items() if name not in rows
    }


def difference(sizes: Mapping[str, int | None], arch: str) -> Group:
    """A table of the packages that only the build found, with sizes."""
    table = Table()
    table.add_column("package")
    table.add_column("installed size", justify="right")
    for name, size in sorted(sizes.items()):
        table.add_row(name, "not known" if size is None else f"{size / 1e6:.1f} MB")
    return Group(Text(f"Found only by the build ({arch}):"), table)


def objectives_table(result: Json, arch: str, workload: str) -> Table | None:
    """A table of an image's objectives before and after the pull request; None if it has none."""
    rows = [
        objective
        for image in result["images"]
        if image["arch"] == arch and image["workload"] == workload
        for objective in image.get("objectives", ())
    ]
    if not rows:
        return None
    table = Table(title=f"Objectives of {workload} on {arch}", title_justify="left")
    for name, justify in (
        ("objective", "left"),
        ("metric", "left"),
        ("before", "right"),
        ("after", "right"),
        ("limit", "right"),
        ("state", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]  # rich's literals
    for row in rows:
        metric = row["metric"]
        targets = to_plain(limits_phrase(metric, row["limit"], row["target"], row["target_by"]))
        table.add_row(
            row["name"],
            metric.replace("_", " ").replace(":", ": "),
            metric_text(metric, row["before"]) if row["before"] is not None else "",
            metric_text(metric, row["value"]),
            "" if metric.startswith("unwanted:") else targets,
            _state(row),
        )
    return table


def _state(row: Json) -> Text:
    if row["met"] is None:
        return Text("not measured", style="dim")
    if row["met"]:
        return Text("met", style="green")
    return Text("broken by it" if row["worse"] else "broken before", style="red")


def builds_sentence(builds: Iterable[Json]) -> str:
    """A sentence on builds that came from the cache."""
    items = list(builds)
    words = {
        f"{build['side']}: from the cache"
        if build["outcome"] == "cached"
        else f"{build['side']}: {build['outcome']}{_seconds(build)}"
        for build in items
    }
    if not items:
        return "Nothing was built."
    if all(build["outcome"] == "cached" for build in items):
        return "Both builds came from the cache; --rebuild builds them again."
    return f"Builds: {', '.join(sorted(words))}."


def _seconds(build: Json) -> str:
    seconds = build.get("seconds")
    return "" if seconds is None else f" in {seconds:.0f} s"


def failures_panel(problems: Iterable[str], log: str) -> Group:
    """The errors, and the end of the bot's log."""
    lines = [Text(f"\u2717 {problem}", style="bold red") for problem in problems]
    return Group(*lines, Text(log))


def expected_suggestions(result: Json) -> list[Json]:
    """The suggestions of a check that a click can apply, from its JSON."""
    return [
        suggestion
        for suggestion in (*result.get("suggestions", ()), *result.get("spec_edits", ()))
        if suggestion["diff_line"] is not None and _is_safe(suggestion["evidence"])
    ]


def _is_safe(evidence: Json | None) -> bool:
    return (
        evidence is not None
        and evidence["use"] == []
        and evidence["looked_into"] == "files"
        and False not in (evidence["integrity"], evidence["runs"])
    )


async def suggestion_comments(forge: LocalForge, pull: Pull, count: int) -> list[Comment]:
    """The suggestions on the pull request's lines, once there are `count`, or after SECONDS those
    that are there."""
    for _ in range(int(SECONDS * 10)):
        if len(comments := forge.state.line_comments_of(pull)) >= count:
            return comments
        await asyncio.sleep(0.1)
    return forge.state.line_comments_of(pull)


def suggestion_panel(comment: Comment, evidence: Json, page: str) -> Panel:
    """A suggestion for a terminal, with its evidence."""
    line = comment.line
    assert line is not None
    facts = "; ".join(_facts(evidence))
    address = f"{page}#discussion_r{comment.id}"
    return Panel(
        Group(
            Markdown(without_html(comment.body)),
            Text(f"Evidence: {facts}.\nA click commits it: {address}"),
        ),
        title=f"On {line.path} line {line.number}",
        title_align="left",
    )


def _facts(evidence: Json) -> Iterable[str]:
    yield "no file that stays uses what leaves"
    if evidence["integrity"]:
        yield "libraries, interpreters, units and links resolve as before"
    if evidence["runs"]:
        yield "the workload's test succeeds in the smaller image, composed and run in the sandbox"
