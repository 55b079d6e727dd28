"""What a narrowed check was narrowed to, in a sentence above its answer."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.result import CheckResult
from bot.report.phrase import Phrase, code, joined, listing, plain, strong


def narrowed_to(workloads: Sequence[str], arches: Sequence[str], found: CheckResult) -> Phrase:
    """`Checked alone, as asked: the workload nginx, on s390x.`; what was asked and is not touched.

    `found` is the result, which has no image of a workload or architecture that the change does
    not reach.
    """
    images = [image.key for image in found.images]
    wanted: list[Phrase] = []
    if workloads:
        noun = "the workload " if len(workloads) == 1 else "the workloads "
        wanted.append((*plain(noun), *listing(code(workload) for workload in workloads)))
    if arches:
        every = "" if workloads else "every image "
        wanted.append((*plain(f"{every}on "), *listing(map(plain, arches))))
    said = (*strong("Checked alone, as asked:"), *plain(" "), *joined(wanted, ", "), *plain("."))
    if found.verdict == "success" and found.specs:
        # Where something went wrong, that an image is missing says nothing about the change.
        untouched = [w for w in workloads if w not in {key.workload for key in images}]
        away = [arch for arch in arches if arch not in {key.arch for key in images}]
        if untouched:
            of = listing(code(workload) for workload in untouched)
            said = (*said, *plain(" The change touches no image of "), *of, *plain("."))
        elif away:
            on = listing(map(plain, away))
            said = (*said, *plain(" The change touches no such image on "), *on, *plain("."))
    return (*said, *plain(" The status of the commit is that of the whole check."))
