"""Parts of comments and statuses beside the report: annotations, addresses of logs, narrowing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.model.result import CheckResult
from bot.report.phrase import Phrase, code, joined, listing, plain, strong


def with_log_addresses(result: CheckResult, address: Callable[[int], str | None]) -> CheckResult:
    """`result` with the logs where `address` says that the build of this number has its own.

    Where a log lies on this machine is nothing for a comment. One that somebody else keeps, for a
    build elsewhere, has its own address.
    """

    def own(number: int, log: str | None) -> str | None:
        elsewhere = log is None or log.startswith(("https://", "http://"))
        return log if elsewhere else address(number)

    builds = (replace(b, log=own(n, b.log)) for n, b in enumerate(result.builds))
    return replace(result, builds=tuple(builds))


def narrowed_to(
    workloads: Sequence[str],
    arches: Sequence[str],
    found: CheckResult,
    others: Sequence[str] = (),
) -> Phrase:
    """`Checked alone, as requested: the workload nginx, on s390x.`

    `others` are the names of the changes that were checked together with this one. Requested images
    that are not affected are named as well. `found` is the result, which has no
    image of a workload or architecture that the change does not reach.
    """
    images = [image.key for image in found.images]
    wanted: list[Phrase] = []
    if workloads:
        noun = "the workload " if len(workloads) == 1 else "the workloads "
        wanted.append((*plain(noun), *listing(code(workload) for workload in workloads)))
    if arches:
        every = "" if workloads else "every image "
        wanted.append((*plain(f"{every}on "), *listing(map(plain, arches))))
    if others:
        wanted.append((*plain("with "), *listing(code(other) for other in others)))
    phrase = (
        *strong(f"Checked {'together' if others else 'alone'}, as requested:"),
        *plain(" "),
        *joined(wanted, ", "),
        *plain("."),
    )
    if found.verdict == "success" and found.specs:
        # Where something went wrong, that an image is missing says nothing about the change.
        untouched = [w for w in workloads if w not in {key.workload for key in images}]
        away = [arch for arch in arches if arch not in {key.arch for key in images}]
        if untouched:
            of = listing(code(workload) for workload in untouched)
            phrase = (*phrase, *plain(" The change touches no image of "), *of, *plain("."))
        elif away:
            on = listing(map(plain, away))
            phrase = (*phrase, *plain(" The change touches no such image on "), *on, *plain("."))
    return (*phrase, *plain(" The status of the commit is that of the whole check."))
