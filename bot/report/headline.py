"""The one sentence that a person can act on, and the short title of a status."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model import CheckResult, ImageResult, ObjectiveResult
from bot.report.fold import Row, fold, known_delta, on_architectures
from bot.report.phrase import (
    Phrase,
    code,
    joined,
    name,
    plain,
    prose,
    strong,
    to_plain,
    visible,
)
from bot.report.reasons import arrivals, behind
from bot.report.sizes import MINUS, count_span, format_delta, format_size, plural, span

NOTHING_ANY_MORE = "No image changes any more."
NO_SPEC = "No spec file changed."


def changed_rows(result: CheckResult) -> tuple[Row, ...]:
    """The rows of images that the change changes, those that it breaks first."""
    rows = fold(image for image in result.images if image.changed)
    return tuple(sorted(rows, key=lambda row: (not row.broken, -row.largest)))


def newly_broken(result: CheckResult) -> tuple[tuple[ImageResult, ObjectiveResult], ...]:
    """The objectives that this change breaks or makes worse, with the worst image of each."""
    seen: dict[tuple[str, str], tuple[ImageResult, ObjectiveResult]] = {}
    for image in result.images:
        for objective in image.objectives:
            if objective.worse:
                known = seen.setdefault((objective.name, objective.metric), (image, objective))
                if (objective.value or 0) > (known[1].value or 0):
                    seen[objective.name, objective.metric] = image, objective
    return tuple(seen.values())


def headline(result: CheckResult) -> Phrase:
    """What the change does, to which images, because of which line; one sentence or two."""
    return _first_sentence(result, changed_rows(result))


def verdict_sentences(result: CheckResult) -> tuple[Phrase, ...]:
    """Which objectives the change breaks or moves further off, one sentence for each; then who
    accepted that, and why."""
    by_name: dict[str, list[ObjectiveResult]] = {}
    for _, objective in newly_broken(result):
        by_name.setdefault(objective.name, []).append(objective)
    sentences = []
    for title_, harmed in by_name.items():
        verb = "moves further from" if all(map(was_broken, harmed)) else "breaks"
        values = joined([objective_value(objective) for objective in harmed], "; ")
        said = (*plain(f"This {verb} the objective "), *quoted(title_), *plain(": "))
        sentences.append((*said, *values, *plain(".")))
    accepted = result.accepted
    if accepted is not None:
        who = (*strong("Accepted"), *plain(" for this commit by "), *name(accepted.user))
        day = plain(f" on {accepted.time[:10]}: ")
        sentences.append((*who, *day, *prose(accepted.reason, 2000)))
    return tuple(sentences)


def was_broken(objective: ObjectiveResult) -> bool:
    """Whether the objective was beyond its limit, or a target that is due, before this change."""
    before, bound = objective.before, objective.bound
    return before is not None and bound is not None and before > bound


def title(result: CheckResult, longest: int = 140) -> str:
    """The same in at most `longest` characters without markup, for a commit status."""
    text = _title(result, changed_rows(result))
    proposed = result.configuration
    if proposed is not None and (proposed.problems or not result.specs):
        state = "is not valid" if proposed.problems else "changes"
        text = f"{proposed.path} {state}. {text}"
    if result.accepted is not None:
        text = f"Accepted by {visible(result.accepted.user, 40)}: {text}"
    if result.stage == "predicted" and result.verdict != "neutral":
        text = f"{text} (predicted)"
    if result.verdict == "neutral" and any(image.changed for image in result.images):
        text = f"Not all evaluated. {text}"
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def image_name(row: Row) -> Phrase:
    """The workload of a row, with emphasis."""
    return workload_name(row.place[0], strong=True)


def workload_name(workload: str, *, strong: bool = False) -> Phrase:
    """A workload; `@self` and `@self:NAME` are packages that no workload holds."""
    itself, _, package = workload.partition(":")
    if itself != "@self":
        return name(workload, strong=strong)
    if not package:
        return plain("the package itself")
    return (*name(package, strong=strong), *plain(" itself"))


def where(row: Row) -> str:
    """On which architectures, in a sentence."""
    return on_architectures(row.arches, row.checked)


def metric_text(metric: str, value: int | None) -> str:
    """The value of an objective's metric, with its unit."""
    if value is None:
        return "not known"
    if metric == "packages":
        return plural(value, "package")
    if metric.startswith("unwanted:"):
        return "present" if value else "absent"
    return format_delta(value) if metric == "growth" else format_size(value)


def _first_sentence(result: CheckResult, rows: Sequence[Row]) -> Phrase:
    if not rows:
        return _nothing_sentence(result)
    lead = rows[0]
    if lead.broken:
        return _broken_sentence(rows)
    if lead.repaired:
        return (*image_name(lead), *plain(f" {where(lead)} can be installed again."))
    if len({row.place for row in rows}) > 1:
        return _many_sentence(rows)
    return _one_sentence(rows)


def _nothing_sentence(result: CheckResult) -> Phrase:
    at_fault = result.verdict == "failure"
    if at_fault and newly_broken(result):
        return plain("No image changes by much, but an objective is harmed.")
    if result.problems and result.verdict != "success":
        start = "This change cannot be evaluated: " if at_fault else "Not evaluated: "
        return (*plain(start), *prose(result.problems[0]))
    broken = [row for row in fold(result.images) if row.first.base.status != "ok"]
    if result.verdict == "neutral" and broken:
        row = broken[0]
        return (
            *plain("Not evaluated: "), *image_name(row),
            *plain(f" {where(row)} could not be installed before this change either."),
        )  # fmt: skip
    if not result.specs and result.configuration is None:
        return plain(NO_SPEC)
    return plain("No image changes.")


def _broken_sentence(rows: Sequence[Row]) -> Phrase:
    lead = rows[0]
    broken = {row.place for row in rows if row.broken}
    others = len(broken) - 1
    subject = image_name(lead)
    if others:
        subject = (*subject, *plain(f" and {plural(others, 'more image')}"))
    problems = lead.first.head.problems
    reason = (*plain(": "), *prose(problems[0].rstrip("."))) if problems else ()
    on = "" if others else f" {where(lead)}"
    return (*subject, *plain(f"{on} can no longer be installed"), *reason, *plain("."))


def _one_sentence(rows: Sequence[Row]) -> Phrase:
    lead = rows[0]
    subject, on = image_name(lead), where(lead)
    added = _counts([len(image.added) for image in lead.images])
    removed = _counts([len(image.removed) for image in lead.images])
    because = behind(arrivals([lead]))
    reason = (*plain(", "), *because) if because else ()
    differs = [row for row in rows[1:] if row.place == lead.place]
    other = (
        plain(" It differs " + on_architectures([a for r in differs for a in r.arches], ()) + ".")
        if differs
        else ()
    )
    grows = max(known_delta(image) for image in lead.images)
    amount = _amount(lead)
    if added and removed:
        balance = (
            ""
            if amount is None or not grows
            else (f": {amount} larger" if grows > 0 else f": {amount} smaller")
        )
        words = (
            *plain(f"This change adds {added} to "), *subject,
            *plain(f" {on} and removes {removed}{balance}"),
        )  # fmt: skip
    elif added:
        size = "of unknown size" if amount is None else f"and {amount}"
        words = (*plain(f"This change adds {added} {size} to "), *subject, *plain(f" {on}"))
    elif removed:
        size = "" if amount is None or grows >= 0 else f"{amount} and "
        words = (
            *plain("This change lets "), *subject,
            *plain(f" shrink by {size}{removed} {on}"),
        )  # fmt: skip
        reason = ()
    elif grows and amount is not None:
        way = "larger" if grows > 0 else "smaller"
        words = (
            *plain("This change makes "), *subject,
            *plain(f" {amount} {way} {on}, with the same packages"),
        )  # fmt: skip
        reason = ()
    else:
        words = (*plain("This change changes packages of "), *subject, *plain(f" {on}"))
        reason = ()
    return (*words, *reason, *plain("."), *other)


def _many_sentence(rows: Sequence[Row]) -> Phrase:
    images = len({row.place for row in rows})
    added = max(len(image.added) for row in rows for image in row.images)
    removed = max(len(image.removed) for row in rows for image in row.images)
    most, least = max(r.largest for r in rows), min(known_delta(i) for r in rows for i in r.images)
    because = behind(arrivals(rows))
    reason = (*plain(", "), *because) if because else ()
    if most > 0 or (added and not removed):
        words = _many_grow(rows, added, most, images)
    elif removed or least < 0:
        packages = f" and {plural(removed, 'package')}" if removed else ""
        words = plain(f"This change lets {images} images shrink by up to {format_size(-least)}")
        words = (*words, *plain(packages))
        reason = ()
    else:
        words, reason = plain(f"This change changes packages of {images} images"), ()
    return (*words, *reason, *plain("."))


def _many_grow(rows: Sequence[Row], added: int, most: int, images: int) -> Phrase:
    every = [image for row in rows for image in row.images]
    same_count = len({len(image.added) for image in every}) == 1
    same_size = len({known_delta(image) for image in every}) == 1
    packages = f"{'' if same_count else 'up to '}{plural(added, 'package')} and " if added else ""
    size = f"{'' if same_size else 'up to '}{format_size(most)}"
    if same_size and same_count:
        return plain(f"This change adds {packages}{size} to each of {images} images")
    lead = max(rows, key=lambda row: row.largest)
    words = plain(f"This change adds {packages}{size} to {images} images, most to ")
    return (*words, *image_name(lead))


def quoted(text: str) -> Phrase:
    """A foreign title in quotation marks."""
    left, right = "\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}"
    return (*plain(left), *prose(text), *plain(right))


def objective_value(objective: ObjectiveResult) -> Phrase:
    """`91.3 MB, the limit is 60 MB`; of a target that is due `51.3 MB, the target by
    2027-03-01 is 45 MB`; for an unwanted package its name and the reason."""
    if objective.metric.startswith("unwanted:"):
        unwanted = objective.metric.removeprefix("unwanted:")
        reason = (*plain(" ("), *prose(objective.reason), *plain(")")) if objective.reason else ()
        state = " is present" if objective.value else " is absent"
        return (*code(unwanted), *plain(state), *reason)
    value = metric_text(objective.metric, objective.value)
    bound = objective.bound
    if bound is not None:
        limit = metric_text(objective.metric, bound)
        over = (objective.value or 0) - bound
        # Of two that are the same in words only the difference says something.
        value = (
            f"{metric_text(objective.metric, over)} over the {_bound_words(objective)} of {limit}"
            if value == limit and over > 0
            else f"{value}, the {_bound_words(objective)} is {limit}"
        )
    reason = (*plain(" ("), *prose(objective.reason), *plain(")")) if objective.reason else ()
    return (*plain(value), *reason)


def _bound_words(objective: ObjectiveResult) -> str:
    if objective.limit is not None and objective.bound == objective.limit:
        return "limit"
    return f"target by {objective.target_by}"


def _title(result: CheckResult, rows: Sequence[Row]) -> str:
    broken = newly_broken(result)
    lost = any(row.broken for row in rows)
    if (not rows or rows[0].broken or rows[0].repaired) and not (broken and not lost):
        return to_plain(_first_sentence(result, rows)).removesuffix(".")
    if broken:
        image, objective = broken[0]
        value = to_plain(objective_value(objective))
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        return f"{image.key.workload}: {value} ({objective.name}){more}"
    lead = max(rows, key=lambda row: abs(row.largest))
    images = len({row.place for row in rows})
    parts = []
    added = _counts([len(image.added) for image in lead.images])
    removed = _counts([len(image.removed) for image in lead.images])
    parts += [f"+{added}"] if added else []
    parts += [f"{MINUS}{removed}"] if removed else []
    size = format_delta(lead.largest)
    parts.append(size if _amount(lead) is not None else f"{size} known")
    subject = to_plain(image_name(lead))
    text = f"{subject}: {', '.join(parts)}"
    return f"{text}, {plural(images, 'image')} changed" if images > 1 else f"{text} {where(lead)}"


def _counts(counts: Sequence[int]) -> str:
    """`5 packages`, `4 to 5 packages`; empty for none."""
    if not max(counts):
        return ""
    return (
        plural(counts[0], "package")
        if len(set(counts)) == 1
        else (f"{count_span(counts)} packages")
    )


def _amount(row: Row) -> str | None:
    """By how much the row's images grow or shrink, without a sign; null if nothing is known."""
    if not row.comparable:
        return None
    if None not in row.deltas:
        deltas = sorted(delta for delta in row.deltas if delta is not None)
        if deltas[0] < 0 < deltas[-1]:
            return span(format_delta(delta) for delta in deltas)
        return span(format_size(amount) for amount in sorted(map(abs, deltas)))
    known = max((known_delta(image) for image in row.images), key=abs)
    if known == 0:
        return None
    base_known = all(image.base.installed_size is not None for image in row.images)
    return (
        f"at least {format_size(abs(known))}"
        if base_known and known > 0
        else (f"{format_size(abs(known))} as far as is known")
    )
