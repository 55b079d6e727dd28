"""The sections of a report on problems, unchanged images, builds and evidence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.model.architecture import RPM_ARCHITECTURES
from bot.model.closure import RepositoryState
from bot.model.result import BuildNote, CheckResult
from bot.report.architecture_grouping import arch_order, architecture_rows, architectures
from bot.report.blocks import Block, Bullets, Detail, Paragraph, Section, Table, section, truncated
from bot.report.phrase import Phrase, code, joined, link, listing, name, plain, prose
from bot.report.sizes import plural
from bot.report.table_cells import image_phrase
from bot.report.unsolvable import why_unsolvable

_OUTCOMES = {
    "built": "built",
    "cached": "from the cache",
    "base-failed": "the base does not build",
    "head-failed": "the change does not build",
    "missing-requirement": "a build requirement is missing",
    "not-built": "not built",
}


def not_evaluated(result: CheckResult, detail: Detail) -> Section | None:
    """Problems, and images that could not be installed before the change either."""
    items = [prose(problem) for problem in result.problems]
    if len(items) == 1 and not any(image.changed for image in result.images):
        items = []  # the headline has it
    for row in architecture_rows(image for image in result.images if not image.changed):
        if row.first.base.status != "ok":
            own = prose(row.first.reason.rstrip("."))
            why = own if row.first.reason else why_unsolvable(row.first.base)
            reason = (*plain(": "), *why) if why else ()
            arches = architectures(row.arches, row.checked)
            items.append(
                (*image_phrase(row.place),
                 *plain(f" ({arches}) could not be installed before this change either"), *reason)
            )  # fmt: skip
    if result.interrupted:
        items.append(plain("Something around the check failed, not the change: try again."))
    blocks = [Bullets(truncated(items, detail.lines, "problem"))] if items else []
    return section("Not evaluated", blocks)


def unchanged(result: CheckResult, detail: Detail) -> Section | None:
    """The images that were checked and stay as they are."""
    rows = [
        row
        for row in architecture_rows(image for image in result.images if not image.changed)
        if row.first.base.status == "ok"
    ]
    items = [
        (*image_phrase(row.place), *plain(f" ({architectures(row.arches, row.checked)})"))
        for row in rows
    ]
    blocks = [Bullets(truncated(items, detail.rows, "image"))] if items else []
    return section(f"Checked and not changed ({plural(len(items), 'image')})", blocks, folded=True)


def builds(result: CheckResult, detail: Detail) -> Section | None:
    """The outcome of each side's build, with its log."""
    if not result.builds:
        return None
    ordered = sorted(result.builds, key=lambda b: (b.spec, arch_order(b.arch), b.side))
    table = tuple(
        (
            code(build.spec),
            plain(build.side),
            _arch(build.arch),
            _outcome(build),
            _log(build),
        )
        for build in ordered[: detail.rows]
    )
    head = ("Spec", "Side", "Architecture", "Outcome", "Log")
    blocks: list[Block] = [Table(head, table)]
    return section("Builds", blocks, folded=all(b.outcome in ("built", "cached") for b in ordered))


def evidence(result: CheckResult, detail: Detail) -> Section | None:
    """The origin of the figures, and those that are not known, in a line or two."""
    sentences = [plain(text) for text in _evidence(result)]
    sentences += [prose(note) for note in result.notes[: detail.lines]]
    if len(result.notes) > detail.lines:
        more = plural(len(result.notes) - detail.lines, "more note")
        sentences.append(plain(f"\u2026 and {more}."))
    if len(sentences) > 2:
        return section("How this is known", [Bullets(tuple(sentences))], folded=True)
    return section("", [Paragraph(joined(sentences, " "))] if sentences else [])


def footer(result: CheckResult) -> tuple[Phrase, ...]:
    """The commits, and the age of the repositories' metadata."""
    lines = [
        (*plain("Compared: "), *_commit(result.merge_base), *plain(" (merge base) with "),
         *_commit(result.head), *plain(" (head)."))
    ]  # fmt: skip
    snapshots = _snapshots(result)
    return (*lines, snapshots) if snapshots else tuple(lines)


def _evidence(result: CheckResult) -> list[str]:
    kinds: dict[str, set[str]] = {}
    for image in result.images:
        kinds.setdefault(image.evidence, set()).add(image.key.arch)
    if not kinds:
        return []
    arches = {kind: _and(sorted(found, key=arch_order)) for kind, found in kinds.items()}
    if set(kinds) == {"predicted"}:
        follows = "; the real build follows and edits this comment" * (result.stage == "predicted")
        return [
            "Predicted from the spec: the change's dependency lines, applied to the published "
            f"packages. What only a build finds is not in it{follows}."
        ]
    texts = []
    if "rebuilt" in kinds:
        texts.append(f"both sides rebuilt on {arches['rebuilt']}")
    if "external" in kinds:
        texts.append(f"built elsewhere for {arches['external']}")
    if "transferred" in kinds:
        texts.append(f"the difference transferred to {arches['transferred']}")
    if "predicted" in kinds:
        texts.append(f"predicted from the spec for {arches['predicted']}")
    sentence = ", ".join(texts)
    return [f"{sentence[0].upper()}{sentence[1:]}."]


def _and(words: Sequence[str]) -> str:
    return " and ".join(", ".join(words).rsplit(", ", 1))


def _arch(arch: str) -> Phrase:
    return plain(arch) if arch in (*RPM_ARCHITECTURES, "noarch") else code(arch)


def _outcome(build: BuildNote) -> Phrase:
    took = (
        "" if build.seconds is None or build.outcome == "cached" else f" in {build.seconds:.0f} s"
    )
    text = plain(f"{_OUTCOMES[build.outcome]}{took}")
    return (*text, *plain(": "), *prose(build.message)) if build.message else text


def _log(build: BuildNote) -> Phrase:
    if not build.log:
        return ()
    linked = link("log", build.log)
    return linked if linked[0].style == "link" else code(build.log)


def _commit(revision: str) -> Phrase:
    """A commit id without markup: both forges shorten it and link it."""
    if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", revision):
        return plain(revision)
    return name(revision) if revision.isalpha() else code(revision)


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
        (*name(repository), *plain(f" {' to '.join(sorted({min(found), max(found)}))}"))
        for (_, repository), found in sorted(dates.items())
    ]
    old = [
        (
            *plain(" "),
            *name(repository),
            *plain(" is stale: "),
            *prose(text.rstrip(".")),
            *plain("."),
        )
        for repository, text in sorted(stale.items())
    ]
    shown = listing(truncated(entries, 8, "repository", lead=""))
    return (*plain("Both sides on the repositories' metadata of "), *shown, *plain("."),
            *joined(old, ""))  # fmt: skip


def _date(repository: RepositoryState) -> str:
    """The day of a timestamp; repomd.xml has seconds since 1970, results RFC 3339."""
    text = repository.timestamp
    if text.isdecimal() and len(text) < 12:
        return datetime.fromtimestamp(int(text), UTC).strftime("%Y-%m-%d")
    return text[:10] if re.match(r"\d{4}-\d\d-\d\d", text) else "an unknown day"
