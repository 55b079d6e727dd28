"""Parts of comments and statuses beside the report: annotations, addresses of logs, narrowing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.forge.values import Annotation
from bot.model.result import CheckResult
from bot.model.spec import SpecLine
from bot.report.phrase import Phrase, code, joined, listing, plain, strong

_NAMES = 12  # packages or images that a remark lists by name


def annotations_of(result: CheckResult) -> tuple[Annotation, ...]:
    """The errors in `.minimize.yaml`; then one annotation for each line of the head's specs that
    brings packages, by path and line."""
    packages: defaultdict[SpecLine, set[str]] = defaultdict(set)
    images: defaultdict[SpecLine, set[str]] = defaultdict(set)
    for image in result.images:
        for added in image.added:
            if added.spec is not None and added.spec.line > 0:
                packages[added.spec].add(added.package.nevra.name)
                images[added.spec].add(f"{image.key.workload} on {image.key.environment}")
    lines = tuple(
        Annotation(
            path=line.path,
            line=line.line,
            title=f"minimize: {_count(len(packages[line]), 'package')} more",
            message=f"{line.text.strip()}\nbrings {_listed(packages[line])}"
            f"\nto {_listed(images[line])}.",
        )
        for line in sorted(packages, key=lambda one: (one.path, one.line))
    )
    return (*_wrong_lines(result), *lines)


def _wrong_lines(result: CheckResult) -> tuple[Annotation, ...]:
    """The errors in the head's `.minimize.yaml`, at their lines."""
    proposed = result.configuration
    if proposed is None:
        return ()
    return tuple(
        Annotation(
            path=proposed.path,
            line=problem.line,
            title="minimize: not valid",
            message=f"{problem.field}: {problem.message}" if problem.field else problem.message,
            level="warning",
        )
        for problem in proposed.problems
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listed(names: set[str]) -> str:
    shown = sorted(names)
    more = len(shown) - _NAMES
    return ", ".join(shown[:_NAMES]) + (f" and {more} more" if more > 0 else "")


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


def narrowed_to(workloads: Sequence[str], arches: Sequence[str], found: CheckResult) -> Phrase:
    """`Checked alone, as requested: the workload nginx, on s390x.`

    Requested images that are not affected are named as well. `found` is the result, which has no
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
    phrase = (
        *strong("Checked alone, as requested:"),
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
