"""The results of one change's builds on several architectures, as one result.

Each build gives a whole result: its own architecture's images on what it built, the others' on what
that tells of them. Which image is taken from which is decided here, and by nothing but the results.
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
    """The result of building on `arch`; `transfers` are sentences on architectures that have no
    build of their own, which count where the others are transferred from this one."""

    arch: str
    result: CheckResult
    transfers: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Return whether its figures stand for a build, or for a failure of the change: not where
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
    """The result of a change that was built on several architectures.

    `parts` are what is there, the first the one that the others are transferred from. `awaited` are
    architectures whose build has not ended: then the result is not the final one. `lost` has a
    sentence for each architecture whose build cannot be had.
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
        *(_lost(arch, why, first) for arch, why in sorted((lost or {}).items())),
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
        refused=tuple(sorted({line for result in results for line in result.refused})),
        interrupted=interrupted,
        incomplete=incomplete,
    )
    return _judged(whole, results)


def _images(
    results: Iterable[CheckResult], chosen: Callable[[str], CheckResult]
) -> Iterator[ImageResult]:
    """Each image once, from the result that is chosen for its architecture; from the last that has
    it where that one does not."""
    keys = {image.key: image for result in results for image in result.images}
    for key, known in sorted(keys.items()):
        own = {image.key: image for image in chosen(key.arch).images}
        yield own.get(key, known)


def _judged(whole: CheckResult, results: Iterable[CheckResult]) -> CheckResult:
    """With the verdict on the images that were taken."""
    if any(_fault_of_the_change(result) for result in results):
        return replace(whole, verdict="failure", only_limits=False)
    unknown = whole.interrupted or whole.incomplete
    return replace(
        whole,
        verdict=verdict(whole.images, (), unknown),
        only_limits=only_limits(whole.images, (), unknown),
    )


def _fault_of_the_change(result: CheckResult) -> bool:
    """Return whether a failure lies in a spec file itself, and in none of the images."""
    unknown = result.interrupted or result.incomplete
    return result.judged == "failure" and verdict(result.images, (), unknown) != "failure"


def _suggestions(
    images: Iterable[ImageResult],
    chosen: Callable[[str], CheckResult],
    of: Callable[[CheckResult], tuple[Suggestion, ...]],
) -> Iterator[Suggestion]:
    """Each suggestion once, with what it saves in the images as they were taken; its evidence is
    that of the first architecture that has some."""
    keys = {image.key for image in images}
    merged: dict[tuple[SpecLine, str], Suggestion] = {}
    for arch in sorted({key.arch for key in keys}):
        for one in of(chosen(arch)):
            own = tuple(s for s in one.saves if s.key.arch == arch and s.key in keys)
            known = merged.get((one.spec, one.replace_with))
            if own:
                before = known.saves if known is not None else ()
                looked_into = known if known is not None and known.evidence is not None else one
                merged[one.spec, one.replace_with] = replace(looked_into, saves=(*before, *own))
    yield from merged.values()


def _broken(
    results: Iterable[CheckResult], chosen: Callable[[str], CheckResult]
) -> Iterator[Broken]:
    """The packages that become uninstallable: of each architecture as its own result has it."""
    for package in {one for result in results for one in result.broken}:
        if package in chosen(package.arch).broken:
            yield package


def _not_used(part: ArchitectureResult, first: ArchitectureResult | None) -> str:
    why = next(n.message for n in part.result.builds if n.outcome == "not-built")
    return _lost(part.arch, why, first)


def _lost(arch: str, why: str, first: ArchitectureResult | None) -> str:
    fallback = (
        "its figures are still predictions"
        if first is None
        else f"it is transferred from {first.arch}"
    )
    reason = why.strip().split("\n", maxsplit=1)[0].rstrip(".")
    return f"{arch}: not built, so {fallback}: {reason}."


def _unique(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))
