"""To which architectures a build's findings may be transferred, by the evaluated spec files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bot.check.evidence import EvaluatedSpec
from bot.model.architecture import architecture_order
from bot.model.spec import SpecEvaluation
from bot.spec.architecture_difference import unlike, used_unlike


def obstacles(
    specs: Sequence[EvaluatedSpec], native: str, others: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """The architectures among `others` on which the change is not what it is on `native`, and in
    what it differs there."""
    found: dict[str, tuple[str, ...]] = {}
    for arch in others:
        differences = tuple(d for one in specs for d in _differences(one, native, arch))
        if differences:
            found[arch] = differences
    return found


def _differences(one: EvaluatedSpec, native: str, other: str) -> Iterator[str]:
    here, there = _sides(one, native), _sides(one, other)
    yield from unlike(here, there)
    for first, second in zip(here, there, strict=True):
        if first is not None and second is not None:
            yield from used_unlike(first, second, one.spec.beside)


def obstacle_notes(found: dict[str, tuple[str, ...]]) -> list[str]:
    """A sentence for each reason, the architectures that share it together."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for arch in sorted(found, key=architecture_order):
        shared.setdefault(found[arch], []).append(arch)
    return [
        f"Not transferred to {' and '.join(', '.join(arches).rsplit(', ', 1))}: this change differs"
        f" there ({'; '.join(differences)}), so it is predicted."
        for differences, arches in shared.items()
    ]


def _sides(one: EvaluatedSpec, arch: str) -> tuple[SpecEvaluation | None, SpecEvaluation | None]:
    base, head = one.base.get(arch), one.head.get(arch)
    return (
        base if isinstance(base, SpecEvaluation) else None,
        head if isinstance(head, SpecEvaluation) else None,
    )
