"""The demo's output in the terminal: the timeline, both comments, their difference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.model.nevra import parse_nevra
from bot.report.objectives import limits_phrase, metric_text
from bot.report.phrase import to_plain

Json = Mapping[str, Any]


def timeline_line(console: Console, second: float, text: str) -> None:
    """One line of the timeline: seconds since the webhook, what happened."""
    line = Text(f"{second:7.2f} s  ", style="bold cyan")
    console.print(line.append(text, style="default not bold"), soft_wrap=True)


def comment_panel(title: str, body: str) -> Panel:
    """A comment as a terminal can show it: folded parts are named, not opened."""
    return Panel(Markdown(without_html(body)), title=title, title_align="left")


def without_html(body: str) -> str:
    """A comment's Markdown without what only a browser shows: folds, hidden notes, graphs."""
    text = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    text = re.sub(
        r"<details>\s*<summary>(.*?)</summary>.*?</details>",
        lambda found: f"\u25b8 *{found[1].strip()}* (folded)\n",
        text,
        flags=re.DOTALL,
    )
    text = re.sub(r"```mermaid\n.*?```", "\u25b8 *graph*\n", text, flags=re.DOTALL)
    return re.sub(r"</?(sub|br)>", "", text).strip()


def added_names(result: Json, arch: str, workload: str) -> dict[str, int | None]:
    """The packages that a check's result adds to an image: name to installed size in bytes."""
    return {
        parse_nevra(added["nevra"]).name: added["installed_size"]
        for image in result["images"]
        if image["arch"] == arch and image["workload"] == workload
        for added in image["added"]
    }


def only_built(result: Json, arch: str, workload: str, predicted: str) -> dict[str, int | None]:
    """Of the packages that a result adds, those without a row in the predicted comment's tables."""
    rows = set(re.findall(r"^\| `([^`]+)` \|", predicted, flags=re.MULTILINE))
    return {
        name: size for name, size in added_names(result, arch, workload).items() if name not in rows
    }


def difference(found: Mapping[str, int | None], arch: str) -> Group:
    """The packages that only the build found, as a table with sizes."""
    table = Table()
    table.add_column("package")
    table.add_column("installed size", justify="right")
    for name, size in sorted(found.items()):
        table.add_row(name, "not known" if size is None else f"{size / 1e6:.1f} MB")
    return Group(Text(f"Found only by the build ({arch}):"), table)


def objectives_table(result: Json, arch: str, workload: str) -> Table | None:
    """The objectives of one image before and after the pull request; None where it has none."""
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
    """Return whether the builds came from the cache, in a sentence."""
    listed = list(builds)
    words = {
        f"{build['side']}: from the cache"
        if build["outcome"] == "cached"
        else f"{build['side']}: {build['outcome']}{_seconds(build)}"
        for build in listed
    }
    if not listed:
        return "Nothing was built."
    if all(build["outcome"] == "cached" for build in listed):
        return "Both builds came from the cache; --rebuild builds them again."
    return f"Builds: {', '.join(sorted(words))}."


def _seconds(build: Json) -> str:
    seconds = build.get("seconds")
    return "" if seconds is None else f" in {seconds:.0f} s"


def failures_panel(problems: Iterable[str], log: str) -> Group:
    """The errors, and the end of the bot's log."""
    lines = [Text(f"\u2717 {problem}", style="bold red") for problem in problems]
    return Group(*lines, Text(log))
