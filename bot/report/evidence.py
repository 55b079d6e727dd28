"""The parts of a report on its evidence: problems, architectures, builds, metadata, commits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from bot.model.architecture import RPM_ARCHITECTURES, architecture_order
from bot.model.closure import RepositoryState
from bot.model.result import CheckResult, ImageResult
from bot.model.spec import BuildNote
from bot.report.blocks import Detail, Section, bullets, section, table, truncated_listing
from bot.report.causes import why_unsolvable
from bot.report.grouping import Row, architecture_rows, lead_rows, row_phrase
from bot.report.phrase import Phrase, capitalised, code, joined, link, listing, message, plain
from bot.report.sizes import short_delta, short_size
from bot.report.template import say, sentences

_EVIDENCE = {
    "rebuilt": "rebuilt",
    "emulated": "rebuilt under emulation",
    "external": "built elsewhere",
    "predicted": "predicted from the spec",
    "requested": "solved with the published packages",
}


def not_evaluated(result: CheckResult, detail: Detail) -> Section | None:
    """Return problems, and images that could not be installed before the change either."""
    items = [message(problem) for problem in result.problems]
    for row in architecture_rows(image for image in result.images if not image.changed):
        if row.first.base.status != "ok":
            items.append(say.not_before_either(image=row_phrase(row), reason=not_before(row)))
    if len(items) == 1 and not any(image.changed for image in result.images):
        items = []  # the headline has the limit
    return section("What went wrong", bullets(items, detail.lines, "problem"))


def not_before(row: Row) -> Phrase:
    """Return the reason why images could not be installed before the change either."""
    own = row.first.reason
    return (
        message(own[0].lower() + own[1:].rstrip("."))
        if own
        else why_unsolvable(row.first.base, row.first.base.more_causes)
    )


def architectures_line(rows: Sequence[Row], result: CheckResult) -> Phrase:
    """Return the evidence of the figures.

    `x86_64, rebuilt. aarch64 +102 MB, carried over from x86_64.` The first architecture is the
    headline's; for several images the sums are given.
    """
    rows = [row for row in rows if row.first.head.status == "ok"]
    leads = lead_rows(rows)
    if not leads:
        return ()
    emulated = {build.arch for build in result.builds if build.emulated}

    def kind_of(image: ImageResult) -> str:
        built = image.evidence == "rebuilt" and image.key.arch in emulated
        return "emulated" if built else image.evidence

    first = leads[0].lead
    compared = any(row.comparable for row in rows)
    moves: dict[str, list[int]] = {}
    evidence: dict[str, str] = {}
    for row in rows:
        for image in row.images:
            # New or repaired images have no difference: their sizes are given.
            move = image.known_delta if compared else image.head.known_size or 0
            moves.setdefault(image.key.arch, []).append(move)
            evidence.setdefault(image.key.arch, kind_of(image))
    write = short_delta if compared else short_size
    sums = {arch: write(sum(moved)) for arch, moved in moves.items()}
    own = first.key.arch
    by_evidence: dict[str, list[str]] = {kind_of(first): []}
    for arch in sorted(sums.keys() - {own}, key=architecture_order):
        by_evidence.setdefault(evidence[arch], []).append(arch)
    (kind, same), *different = by_evidence.items()
    words, others = _evidence_words(kind, own), _with_deltas(same, sums, sums[own])
    lead = (
        say.all_architectures(arch=own, others=others, evidence=words)
        if others
        else say.one_architecture(arch=own, evidence=words)
    )
    return sentences(
        lead,
        *(
            say.other_architectures(
                arches=_with_deltas(arches, sums, sums[own], begins=True),
                evidence=_evidence_words(kind, own),
            )
            for kind, arches in different
        ),
    )


def _with_deltas(
    arches: Sequence[str], sums: Mapping[str, str], own: str, *, begins: bool = False
) -> Phrase:
    """Return `aarch64 +102 MB, ppc64le +108 MB`; `the same on aarch64 and s390x` if equal."""
    if not arches:
        return ()
    if {sums[arch] for arch in arches} == {own}:
        same = say.the_same_on(arches=listing(map(plain, arches)))
        return capitalised(same) if begins else same
    return joined([say.arch_delta(arch=arch, delta=sums[arch]) for arch in arches], ", ")


def _evidence_words(kind: str, own: str) -> str:
    return f"carried over from {own}" if kind == "transferred" else _EVIDENCE[kind]


def caveat(result: CheckResult) -> Phrase:
    """Return what a prediction leaves open, and the running builds; else nothing."""
    if result.awaited:
        return say.awaited(arches=listing(map(plain, result.awaited)))
    if not result.images or any(image.evidence != "predicted" for image in result.images):
        return ()
    return say.build_follows() if result.stage == "predicted" else say.only_predicted()


def builds(result: CheckResult, detail: Detail) -> Section | None:
    """Return the outcome of each side's build with its log, notes, and the age of the metadata."""
    ordered = sorted(result.builds, key=lambda b: (b.spec, architecture_order(b.arch), b.side))
    rows = [
        (code(build.spec), plain(build.side), arch_phrase(build.arch), _outcome(build), _log(build))
        for build in ordered
    ]
    head = ("Spec", "Side", "Architecture", "Outcome", "Log")
    notes = [*map(message, result.notes), *_snapshots(result)]
    blocks = [*table(head, rows, (), detail.rows, "build"), *bullets(notes, detail.lines, "note")]
    return section("Builds and metadata" if rows else "Notes and metadata", blocks, folded=True)


def failed_builds(result: CheckResult, detail: Detail) -> Section | None:
    """Return the builds that failed, unless a problem says so already."""
    failed = [b for b in result.builds if b.outcome not in ("built", "cached")]
    items = [
        say.failed_build(spec=b.spec, arch=arch_phrase(b.arch), outcome=_outcome(b), log=_log(b))
        for b in sorted(failed, key=lambda b: (b.spec, architecture_order(b.arch), b.side))
    ]
    return section("", bullets(items if not result.problems else [], detail.lines, "build"))


def footer(result: CheckResult) -> tuple[Phrase, ...]:
    """Return the compared commits, and stale metadata."""
    return (say.compared(base=result.merge_base, head=result.head), *_stale(result))


def arch_phrase(arch: str) -> Phrase:
    """Return an architecture: as a word if rpm knows it, otherwise as code."""
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


def _snapshots(result: CheckResult) -> list[Phrase]:
    """Return sentences on each repository's metadata (the days of the oldest and the newest of all
    architectures), and on repositories without keys.
    """
    dates: dict[tuple[str, str], set[str]] = {}
    for image in result.images:
        for repository in image.snapshot.repositories:
            dates.setdefault((image.key.repository, repository.id), set()).add(_date(repository))
    entries = [
        say.metadata_of(repository=repository, days=" to ".join(sorted({min(days), max(days)})))
        for (_, repository), days in sorted(dates.items())
    ]
    phrases = []
    if entries:
        phrases.append(say.metadata(repositories=truncated_listing(entries, 8, "repository")))
    if result.unverified:
        phrases.append(say.unverified(repositories=listing(map(code, result.unverified))))
    return phrases


def _stale(result: CheckResult) -> list[Phrase]:
    stale = {
        repository.id: repository.stale
        for image in result.images
        for repository in image.snapshot.repositories
        if repository.stale
    }
    return [
        say.stale(repository=repository, reason=reason.rstrip("."))
        for repository, reason in sorted(stale.items())
    ]


def _date(repository: RepositoryState) -> str:
    """Return the day of a timestamp: repomd.xml has seconds since 1970, results RFC 3339."""
    text = repository.timestamp or ""
    if text.isdecimal() and len(text) < 12:
        return datetime.fromtimestamp(int(text), UTC).strftime("%Y-%m-%d")
    return text[:10] if re.match(r"\d{4}-\d\d-\d\d", text) else "an unknown day"
