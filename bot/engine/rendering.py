"""Rendering beside the report: suggestions on lines, addresses of logs, narrowed checks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bot.forge.values import LineSuggestion
from bot.model.result import CheckResult
from bot.model.suggestion import Suggestion
from bot.report.phrase import Phrase, code, joined, listing, plain
from bot.report.suggestion import suggestion_markdown
from bot.report.template import Sentences

say = Sentences(Path(__file__).with_name("sentences.toml"))


def with_log_addresses(result: CheckResult, address: Callable[[int], str | None]) -> CheckResult:
    """`result` with addresses of logs, by the build's number, in place of local paths.

    The log of an external build keeps its own address.
    """

    def own(number: int, log: str | None) -> str | None:
        elsewhere = log is None or log.startswith(("https://", "http://"))
        return log if elsewhere else address(number)

    builds = (replace(b, log=own(n, b.log)) for n, b in enumerate(result.builds))
    return replace(result, builds=tuple(builds))


def narrowed_to(
    workloads: Sequence[str],
    arches: Sequence[str],
    result: CheckResult,
    others: Sequence[str] = (),
) -> Phrase:
    """`Checked alone, as requested: the workload nginx, on s390x.`

    A sentence such as the above. `others` are the names of the changes checked together with this
    one; `result` is the check's result. Requested workloads and architectures that the change does
    not affect are named as well.
    """
    parts: list[Phrase] = []
    if workloads:
        names = listing(map(code, workloads))
        parts.append(say.narrowed_workloads(count=len(workloads), workloads=names))
    if arches:
        every = "" if workloads else "every image"
        parts.append(say.narrowed_arches(every=every, arches=listing(map(plain, arches))))
    if others:
        parts.append(say.narrowed_others(others=listing(map(code, others))))
    untouched: list[Phrase] = []
    away: list[Phrase] = []
    if result.verdict == "success" and result.specs:
        # After a problem a missing image does not mean that the change does not affect it.
        images = [image.key for image in result.images]
        untouched = [code(w) for w in workloads if w not in {key.workload for key in images}]
        away = [plain(arch) for arch in arches if arch not in {key.arch for key in images}]
    return say.narrowed(
        how=say.checked_together() if others else say.checked_alone(),
        wanted=joined(parts, ", "),
        untouched=listing(untouched),
        away=() if untouched else listing(away),
    )


def line_suggestion(suggestion: Suggestion) -> LineSuggestion:
    """The suggestion for a line of the diff; its name is made from its edits."""
    place = suggestion.diff_line
    assert place is not None  # it is offered there alone
    identity = "\0".join((suggestion.spec.path, *suggestion.edits))
    return LineSuggestion(
        hashlib.sha256(identity.encode()).hexdigest()[:12],
        suggestion.spec.path,
        suggestion.spec.line,
        suggestion_markdown(suggestion),
        suggestion.replace_with,
        place.base_path,
        place.base_line,
        suggestion.edits,
    )
