"""The result of a change that was built on several architectures, merged from one per build.

Each build gives a whole result: the images of its own architecture from what it built, the others'
from that by transfer. Here each image is taken from one of these results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.check.verdict import only_limits, verdict
from bot.model.closure import Broken
from bot.model.result import CheckResult, ImageResult
from bot.model.spec import SpecLine
from bot.model.suggestion import Suggestion


@dataclass(frozen=True, slots=True)
class ArchitectureResult:
    """The result of building on `arch`. `transfers` are sentences on architectures without a build
    of their own; they count where these are transferred from this result."""

    arch: str
    result: CheckResult
    transfers: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Return whether the result has figures of a build, or a failure of the change; false if
        something around the build failed."""
        return not any(
            note.outcome == "not-built" and note.arch == self.arch for note in self.result.builds
        )


def merged_result(
    predicted: CheckResult,
    parts: Sequence[ArchitectureResult],
    *,
    awaited: Iterable[str] = (),
    lost: Mapping[str, str] | None = None,
) -> CheckResult:
    """Merge the results of a change that was built on several architectures.

    `parts` are the results so far; architectures without a build take the first usable one, or stay
    predicted. `awaited` are architectures whose build has not ended: the merged result is not final
    then. `lost` has, by architecture, a sentence on why there is no build.
    """
    usable = [part for part in parts if part.usable]
    own = {part.arch: part.result for part in usable}
    first = usable[0] if usable else None

    def chosen(arch: str) -> CheckResult:
        return own.get(arch) or (predicted if first is None else first.result)

    images = tuple(_images((predicted, *(part.result for part in usable)), chosen))
    results = [part.result for part in usable] or [predicted]
    notes = [
        *(note for result in results for note in result.notes),
        *(() if first is None else first.transfers),
        *(_not_used(part, first) for part in parts if not part.usable),
        *(_not_built(arch, why, first) for arch, why in sorted((lost or {}).items())),
    ]
    interrupted = any(result.interrupted for result in results) or not usable
    incomplete = any(result.incomplete for result in results)
    awaited = tuple(awaited)
    whole = replace(
        results[0],
        accepted=None,
        predicted_verdict=None,
        stage="predicted" if awaited else "final",
        awaited=awaited,
        images=images,
        builds=tuple(note for part in parts for note in part.result.builds),
        problems=_unique(problem for result in results for problem in result.problems),
        notes=_unique(notes),
        suggestions=tuple(_suggestions(images, chosen, lambda result: result.suggestions)),
        spec_edits=tuple(_suggestions(images, chosen, lambda result: result.spec_edits)),
        broken=tuple(sorted(_broken(results, chosen))),
        refused=tuple(
            sorted(
                {line for result in results for line in result.refused}, key=lambda line: line.order
            )
        ),
        interrupted=interrupted,
        incomplete=incomplete,
        reproduction=predicted.reproduction,
    )
    return _with_verdict(whole, results)


def _images(
    results: Iterable[CheckResult], result_for: Callable[[str], CheckResult]
) -> Iterator[ImageResult]:
    """Each image once, from the result chosen for its architecture; if that has no such image, from
    the last result that has it."""
    keys = {image.key: image for result in results for image in result.images}
    for key, image in sorted(keys.items()):
        own = {image.key: image for image in result_for(key.arch).images}
        yield own.get(key, image)


def _with_verdict(whole: CheckResult, results: Iterable[CheckResult]) -> CheckResult:
    """The result with the verdict on its images."""
    if any(_fault_of_the_change(result) for result in results):
        return replace(whole, verdict="failure", only_limits=False)
    unknown = whole.interrupted or whole.incomplete
    return replace(
        whole,
        verdict=verdict(whole.images, (), unknown),
        only_limits=only_limits(whole.images, (), unknown),
    )


def _fault_of_the_change(result: CheckResult) -> bool:
    """Return whether a spec file makes the result a failure, and no image does."""
    unknown = result.interrupted or result.incomplete
    return result.judged == "failure" and verdict(result.images, (), unknown) != "failure"


def _suggestions(
    images: Iterable[ImageResult],
    result_for: Callable[[str], CheckResult],
    of: Callable[[CheckResult], tuple[Suggestion, ...]],
) -> Iterator[Suggestion]:
    """Each suggestion once, with its savings in the merged images. Its evidence is that of the
    first architecture that has any."""
    keys = {image.key for image in images}
    merged: dict[tuple[SpecLine, str], Suggestion] = {}
    for arch in sorted({key.arch for key in keys}):
        for suggestion in of(result_for(arch)):
            own = tuple(s for s in suggestion.saves if s.key.arch == arch and s.key in keys)
            previous = merged.get((suggestion.spec, suggestion.replace_with))
            if own:
                before = previous.saves if previous is not None else ()
                looked_into = (
                    previous
                    if previous is not None and previous.evidence is not None
                    else suggestion
                )
                merged[suggestion.spec, suggestion.replace_with] = replace(
                    looked_into, saves=(*before, *own)
                )
    yield from merged.values()


def _broken(
    results: Iterable[CheckResult], result_for: Callable[[str], CheckResult]
) -> Iterator[Broken]:
    """The packages that become uninstallable, each from the result chosen for its architecture."""
    for package in {broken for result in results for broken in result.broken}:
        if package in result_for(package.arch).broken:
            yield package


def _not_used(part: ArchitectureResult, first: ArchitectureResult | None) -> str:
    why = next(n.message for n in part.result.builds if n.outcome == "not-built")
    return _not_built(part.arch, why, first)


def _not_built(arch: str, why: str, first: ArchitectureResult | None) -> str:
    fallback = (
        "its figures are still predictions"
        if first is None
        else f"it is transferred from {first.arch}"
    )
    reason = why.strip().split("\n", maxsplit=1)[0].rstrip(".")
    return f"{arch}: not built, so {fallback}: {reason}."


def _unique(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))
