"""Steps in a size, and their causes: as rows of a table, and in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.model.nevra import parse_nevra
from bot.report.causes import (
    blame_url,
    blame_words,
    chain_words,
    change_words,
    short_blame_words,
)
from bot.web.links import image_url, key_of, package_url
from bot.web.tables import Column, Row, Table, image_columns

Json = dict[str, Any]


def largest(step: Mapping[str, Any]) -> Json | None:
    """The cause with the largest difference, or null where none is known."""
    causes = step["steps"]
    return max(causes, key=lambda cause: abs(cause["delta"] or 0)) if causes else None


def in_words(step: Mapping[str, Any]) -> str:
    """`perl came with 5 more (pull request o/r#7), 2 more changed`.

    Of packages that came or went together it names the first on the way to the largest.
    """
    cause = largest(step)
    if cause is None:
        return "cause not known"
    together = _together(step, cause)
    others = len(step["steps"]) - len(together)
    more = f", {others} more changed" if others else ""
    if len(together) == 1:
        return f"{_cause_words(cause)}{more}"
    about, first = cause["cause"], _head(step, cause)
    return f"{first} {_change(about)} with {len(together) - 1} more ({blame_words(about)}){more}"


def in_few_words(step: Mapping[str, Any]) -> str:
    """`perl and 5 more, o/r#7`: for a chart; plain letters, for any font."""
    cause = largest(step)
    if cause is None:
        return "cause not known"
    about, others = cause["cause"], len(step["steps"]) - 1
    after = version(about["to"]) if about["change"] == "changed" and not others else None
    parts = [_head(step, cause), *([after] if after else [])]
    if others:
        parts.append(f"and {others} more")
    if about["change"] == "went" and not others:
        parts.append("left")
    who = short_blame_words(about)
    return " ".join(parts) + (f", {who}" if who else "")


def _cause_words(cause: Mapping[str, Any]) -> str:
    """`perl came (pull request o/r#7)`, `zlib 1.2-1 → 1.3-1 (distribution)`."""
    about = cause["cause"]
    return f"{cause['package']} {_change(about)} ({blame_words(about)})"


def _together(step: Mapping[str, Any], cause: Json) -> list[Json]:
    """The causes of `step` that came, or went, with `cause`."""
    change = cause["cause"]["change"]
    if change not in ("came", "went"):
        return [cause]
    return [one for one in step["steps"] if one["cause"]["change"] == change]


def _head(step: Mapping[str, Any], cause: Json) -> str:
    """The first package on a cause's way that came, or went, in the same step."""
    names = {one["package"] for one in _together(step, cause)}
    way = (parse_nevra(edge["to"]).name for edge in cause["cause"]["chain"])
    return next((name for name in way if name in names), str(cause["package"]))


def _change(about: Mapping[str, Any]) -> str:
    before, after = version(about["from"]), version(about["to"])
    if about["change"] == "changed" and before and after and before != after:
        return f"{before} \N{RIGHTWARDS ARROW} {after}"
    return change_words(about)


def steps_table(steps: Sequence[Row], caption: str = "Steps and their causes") -> Table:
    """An image's steps, each with its largest cause, linked to the change behind it."""
    columns = (
        Column("evaluated", "When (UTC)", "time", link=_then),
        Column("known_delta", "Bytes", "delta"),
        Column("cause", "What moved it", value=in_words, link=cause_url, also=who),
        Column("packages_delta", "Packages", "change"),
        Column("url", "Pull request", value=step_url, only="csv"),
        Column("before", "Before and after", value=_compared, link=_around, only="html"),
    )
    return Table(caption, columns, steps)


def step_url(step: Row) -> str | None:
    """The pull request or commit that a step's largest cause is attributed to."""
    cause = largest(step)
    return blame_url(cause["cause"]) if cause else None


def cause_url(step: Row) -> str | None:
    """The address for a step's largest cause: its pull request, or the package at that time."""
    cause = largest(step)
    if cause is None:
        return None
    about = {"change": cause["cause"]["change"], "evaluated": step["evaluated"]}
    return step_url(step) or _package_then({**about, "package": _head(step, cause)})


def who(step: Row) -> str | None:
    """The pull request's title and author, and the way to the package that came or went."""
    cause = largest(step)
    if cause is None:
        return None
    blamed, way = blamed_change(cause["cause"]) or {}, chain_words(cause["cause"]["chain"])
    title = [f"{blamed['title']}, by {blamed['author']}"] if blamed.get("title") else []
    return "; ".join(title + ([way] if way else [])) or None


def blamed_change(about: Mapping[str, Any]) -> Json | None:
    """The pull request or the commit of a cause, null if it has neither."""
    found: Json | None = about["pull_request"] or about.get("commit")
    return found


def _compared(_step: Row) -> str:
    return "compare"


def _around(step: Row) -> str:
    return image_url(
        key_of(step), "compare", **{"from": _before(step["evaluated"]), "to": step["evaluated"]}
    )


def _package_then(row: Row) -> str:
    """A package's page at a time when it was present: before the step if it went."""
    gone = row["change"] in ("went", "unsolvable")
    at = _before(row["evaluated"]) if gone else row["evaluated"]
    return package_url(row["package"], date=at)


def _before(evaluated: str) -> str:
    """The time one microsecond before `evaluated`."""
    then = datetime.fromisoformat(evaluated) - timedelta(microseconds=1)
    return then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def cause_rows(steps: Iterable[Mapping[str, Any]]) -> list[Json]:
    """One row for each cause of each step, the newest step first."""
    return [
        {
            **{n: step[n] for n in ("workload", "environment", "repository", "arch")},
            "evaluated": step["evaluated"],
            "step": step["known_delta"],
            "package": cause["package"],
            "delta": cause["delta"],
            **{n: cause["cause"][n] for n in ("change", "kind", "mover", "from", "to")},
            "by": blame_words(cause["cause"]),
            "url": blame_url(cause["cause"]),
            "author": (blamed_change(cause["cause"]) or {}).get("author"),
            "chain": chain_words(cause["cause"]["chain"]),
        }
        for step in steps
        for cause in step["steps"]
    ]


def causes_table(caption: str, rows: list[Json], *, with_image: bool) -> Table:
    """Causes, each with its package, its bytes and its origin."""
    columns = (
        Column("package", "Package", link=_package_then),
        *(image_columns(link=_then) if with_image else ()),
        Column("evaluated", "When (UTC)", "time", link=_then),
        Column("step", "The step", "delta"),
        Column("delta", "Its part", "delta"),
        Column("change", "What", also=lambda row: row["chain"]),
        Column("by", "Moved by", link=safe_url, also=_mover),
        Column("url", "Pull request", only="csv"),
        Column("from", "From", "code", value=lambda row: version(row["from"])),
        Column("to", "To", "code", value=lambda row: version(row["to"])),
    )
    return Table(caption, columns, rows)


def version(nevra: str | None) -> str | None:
    """`1.26-2.el9` of a NEVRA, with its epoch where that is not 0."""
    if nevra is None:
        return None
    return parse_nevra(nevra).rpm_evr


def safe_url(row: Row) -> str | None:
    """The URL of a row if it is http(s), else null."""
    url = row["url"]
    return url if url and url.startswith(("https://", "http://")) else None


def _then(row: Row) -> str:
    return image_url(key_of(row), date=row["evaluated"])


def _mover(row: Row) -> str | None:
    mover = row["mover"]
    through = [f"through {mover}"] if mover and mover not in (row["from"], row["to"]) else []
    return ", ".join(([row["author"]] if row["author"] else []) + through) or None
