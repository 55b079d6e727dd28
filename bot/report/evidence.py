"""The sections of a report on problems, unchanged images, builds and evidence."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

from bot.model.architecture import RPM_ARCHITECTURES
from bot.model.closure import RepositoryState
from bot.model.result import BuildNote, CheckResult
from bot.report.blocks import (
    Bullets,
    Detail,
    Paragraph,
    Section,
    Table,
    bullets,
    section,
    truncated,
    truncated_listing,
)
from bot.report.causes import why_unsolvable
from bot.report.grouping import arch_order, architecture_rows, row_phrase
from bot.report.phrase import Phrase, code, joined, link, listing, message, plain
from bot.report.sizes import plural
from bot.report.template import say, sentences


def not_evaluated(result: CheckResult, detail: Detail) -> Section | None:
    """Problems, and images that could not be installed before the change either."""
    items = [message(problem) for problem in result.problems]
    if len(items) == 1 and not any(image.changed for image in result.images):
        items = []  # the headline has it
    for row in architecture_rows(image for image in result.images if not image.changed):
        if row.first.base.status != "ok":
            own = row.first.reason
            why = message(own.rstrip(".")) if own else why_unsolvable(row.first.base)
            items.append(say.not_before_either(image=row_phrase(row), reason=why))
    if result.interrupted:
        items.append(say.interrupted())
    return section("Not evaluated", bullets(items, detail.lines, "problem"))


def unchanged(result: CheckResult, detail: Detail) -> Section | None:
    """The images that were checked and stay as they are."""
    rows = architecture_rows(image for image in result.images if not image.changed)
    items = [row_phrase(row) for row in rows if row.first.base.status == "ok"]
    title = f"Checked and not changed ({plural(len(items), 'image')})"
    return section(title, bullets(items, detail.rows, "image"), folded=True)


def builds(result: CheckResult, detail: Detail) -> Section | None:
    """The outcome of each side's build, with its log."""
    ordered = sorted(result.builds, key=lambda b: (b.spec, arch_order(b.arch), b.side))
    if not ordered:
        return None
    rows = tuple(
        (code(build.spec), plain(build.side), _arch(build.arch), _outcome(build), _log(build))
        for build in ordered[: detail.rows]
    )
    head = ("Spec", "Side", "Architecture", "Outcome", "Log")
    done = all(build.outcome in ("built", "cached") for build in ordered)
    return section("Builds", [Table(head, rows)], folded=done)


def evidence(result: CheckResult, detail: Detail) -> Section | None:
    """The origin of the figures, and those that are not known, in a line or two."""
    found = _evidence(result)
    found += truncated([message(note) for note in result.notes], detail.lines, "note")
    if len(found) > 2:
        return section("How this is known", [Bullets(tuple(found))], folded=True)
    return section("", [Paragraph(joined(found, " "))] if found else [])


def footer(result: CheckResult) -> tuple[Phrase, ...]:
    """The commits, and the age of the repositories' metadata."""
    compared = say.compared(base=result.merge_base, head=result.head)
    snapshots = _snapshots(result)
    return (compared, snapshots) if snapshots else (compared,)


def _evidence(result: CheckResult) -> list[Phrase]:
    kinds: dict[str, set[str]] = {}
    for image in result.images:
        kinds.setdefault(image.evidence, set()).add(image.key.arch)
    if not kinds:
        return []
    if set(kinds) == {"predicted"}:
        return [say.all_predicted_yet() if result.stage == "predicted" else say.all_predicted()]
    clauses = [
        say[f"evidence_{kind}"](arches=listing(map(plain, sorted(kinds[kind], key=arch_order))))
        for kind in ("rebuilt", "external", "transferred", "predicted")
        if kind in kinds
    ]
    first, *others = joined(clauses, ", ")
    capital = replace(first, text=first.text[0].upper() + first.text[1:])
    return [(capital, *others, *plain("."))]


def _arch(arch: str) -> Phrase:
    return plain(arch) if arch in (*RPM_ARCHITECTURES, "noarch") else code(arch)


def _outcome(build: BuildNote) -> Phrase:
    took = build.seconds is not None and build.outcome != "cached"
    return say.outcome(
        outcome=say[f"outcome_{build.outcome.replace('-', '_')}"](),
        seconds=f"{build.seconds:.0f} s" if took else "",
        message=build.message,
    )


def _log(build: BuildNote) -> Phrase:
    if not build.log:
        return ()
    linked = link("log", build.log)
    return linked if linked[0].style == "link" else code(build.log)


def _snapshots(result: CheckResult) -> Phrase:
    """The newest metadata of each repository, oldest first where architectures differ."""
    dates: dict[tuple[str, str], set[str]] = {}
    stale: dict[str, str] = {}
    for image in result.images:
        for repository in image.snapshot.repositories:
            dates.setdefault((image.key.repository, repository.id), set()).add(_date(repository))
            if repository.stale:
                stale.setdefault(repository.id, repository.stale)
    if not dates:
        return ()
    entries = [
        say.metadata_of(repository=repository, days=" to ".join(sorted({min(days), max(days)})))
        for (_, repository), days in sorted(dates.items())
    ]
    old = [
        say.stale(repository=repository, reason=reason.rstrip("."))
        for repository, reason in sorted(stale.items())
    ]
    metadata = say.metadata(repositories=truncated_listing(entries, 8, "repository"))
    if result.unverified:
        old.append(say.unverified(repositories=listing(map(code, result.unverified))))
    return sentences(metadata, *old)


def _date(repository: RepositoryState) -> str:
    """The day of a timestamp; repomd.xml has seconds since 1970, results RFC 3339."""
    text = repository.timestamp
    if text.isdecimal() and len(text) < 12:
        return datetime.fromtimestamp(int(text), UTC).strftime("%Y-%m-%d")
    return text[:10] if re.match(r"\d{4}-\d\d-\d\d", text) else "an unknown day"
