"""Steps in a size, and their causes: as rows of a table, and in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.report.causes import blame_url, blame_words, cause_words, chain_words
from bot.web.links import image_url, key_of, package_url
from bot.web.tables import Column, Row, Table

Json = dict[str, Any]


def largest(step: Mapping[str, Any]) -> Json | None:
    """The cause that did most, or null where none is known."""
    causes = step["steps"]
    return max(causes, key=lambda cause: abs(cause["delta"] or 0)) if causes else None


def in_words(step: Mapping[str, Any]) -> str:
    """`perl came (pull request o/r#7) and 7 more`."""
    cause = largest(step)
    if cause is None:
        return "cause not known"
    others = len(step["steps"]) - 1
    more = f" and {others} more" if others else ""
    return f"{cause_words(cause)}{more}"


def steps_table(steps: Sequence[Json]) -> Table:
    """An image's steps, each with its largest cause; the pull request that it was is linked."""
    columns = (
        Column("evaluated", "When (UTC)", "time", link=_then),
        Column("known_delta", "Bytes", "delta"),
        Column("packages_delta", "Packages", "change"),
        Column("cause", "Cause", value=in_words, link=step_url, also=_way),
    )
    return Table("Steps and their causes", columns, steps)


def step_url(step: Row) -> str | None:
    """The pull request or commit that a step's largest cause is laid to."""
    cause = largest(step)
    return blame_url(cause["cause"]) if cause else None


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
            "chain": chain_words(cause["cause"]["chain"]),
        }
        for step in steps
        for cause in step["steps"]
    ]


def causes_table(caption: str, rows: list[Json], *, with_image: bool) -> Table:
    """Causes, each with its package, its bytes, and who it was."""
    image = (
        Column(
            "workload",
            "Image",
            link=lambda row: image_url(key_of(row)),
            also=lambda row: f"{row['environment']}, {row['repository']}, {row['arch']}",
        ),
        Column("arch", "Architecture"),
    )
    columns = (
        Column("package", "Package", link=lambda row: package_url(row["package"])),
        *(image if with_image else ()),
        Column("evaluated", "When (UTC)", "time", link=_then),
        Column("step", "The step", "delta"),
        Column("delta", "Its part", "delta"),
        Column("change", "What", also=lambda row: row["chain"]),
        Column("by", "Cause", link=safe_url, also=_mover),
        Column("from", "From", "code", value=lambda row: version(row["from"])),
        Column("to", "To", "code", value=lambda row: version(row["to"])),
    )
    return Table(caption, columns, rows)


def version(nevra: str | None) -> str | None:
    """`1.26-2.el9` of a NEVRA, with its epoch where that is not 0."""
    if nevra is None:
        return None
    evr, release = nevra.rsplit("-", 2)[1:]
    return f"{evr.removeprefix('0:')}-{release.rsplit('.', 1)[0]}"


def safe_url(row: Row) -> str | None:
    """The URL of a row, if it is one of the web."""
    url = row["url"]
    return url if url and url.startswith(("https://", "http://")) else None


def _way(step: Row) -> str | None:
    cause = largest(step)
    return chain_words(cause["cause"]["chain"]) if cause else None


def _then(row: Row) -> str:
    return image_url(key_of(row), date=row["evaluated"])


def _mover(row: Row) -> str | None:
    mover = row["mover"]
    return f"through {mover}" if mover and mover not in (row["from"], row["to"]) else None
