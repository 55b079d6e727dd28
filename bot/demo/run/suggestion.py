"""The suggestion on a line of the demo's pull request, with its evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Comment, Pull
from bot.demo.run.watch import without_html

# The reconciler writes it beside the comment: how long it is waited for.
SECONDS = 15.0
Json = Mapping[str, Any]


def expected(result: Json) -> list[Json]:
    """The suggestions of a check that a click may take over, by its JSON."""
    return [
        one
        for one in (*result.get("suggestions", ()), *result.get("spec_edits", ()))
        if one["diff_line"] is not None and _is_safe(one["evidence"])
    ]


def _is_safe(evidence: Json | None) -> bool:
    return (
        evidence is not None
        and evidence["use"] == []
        and evidence["looked_into"] == "files"
        and False not in (evidence["integrity"], evidence["runs"])
    )


async def written(forge: LocalForge, pull: Pull, count: int) -> list[Comment]:
    """The suggestions on the pull request's lines, once there are so many; what there is, after
    SECONDS."""
    for _ in range(int(SECONDS * 10)):
        if len(found := forge.state.line_comments_of(pull)) >= count:
            return found
        await asyncio.sleep(0.1)
    return forge.state.line_comments_of(pull)


def suggestion_panel(comment: Comment, evidence: Json, page: str) -> Panel:
    """A suggestion as a terminal can show it, and what speaks for it."""
    line = comment.line
    assert line is not None
    facts = "; ".join(_facts(evidence))
    where = f"{page}#discussion_r{comment.id}"
    return Panel(
        Group(
            Markdown(without_html(comment.body)),
            Text(f"Evidence: {facts}.\nA click commits it: {where}"),
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
