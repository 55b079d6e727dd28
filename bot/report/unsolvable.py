"""The causes that keep images from being installed, as clauses, the root first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.model.closure import Edge, UnsolvableCause
from bot.model.nevra import Nevra
from bot.model.result import ImageResult
from bot.report.architecture_grouping import cause_key, essential_causes, on_any_architecture
from bot.report.phrase import Phrase, code, joined, plain, prose
from bot.report.reasons import line_phrase, line_place

# The causes that one sentence names; more are counted.
MOST_CAUSES = 3


def cause_phrase(cause: UnsolvableCause) -> Phrase:
    """`nothing provides libnothere >= 3, which openssl requires (openssl.spec line 31)`: a clause.

    The line of the change is quoted where its text differs from the capability.
    """
    line: Phrase = ()
    if cause.spec is not None and cause.capability in cause.spec.text:
        line = (*plain(" ("), *line_place(cause.spec), *plain(")"))
    elif cause.spec is not None:
        line = (*plain(" because of "), *line_phrase(cause.spec))
    if cause.incompatible is not None:
        return (*code(str(cause.incompatible)), *plain(", which the image requests, is of an"
                " architecture that it cannot install"), *line)  # fmt: skip
    if cause.needed_by is None:
        return (*plain("nothing provides "), *code(cause.capability),
                *plain(", which the image requests"), *line)  # fmt: skip
    needed_by = code(_short(cause.needed_by, cause))
    if cause.kind == "missing":
        return (*plain("nothing provides "), *code(cause.capability), *plain(", which "),
                *needed_by, *plain(" requires"), *line)  # fmt: skip
    other = cause.conflicts_with
    if other is None or other == cause.needed_by:
        return (*needed_by, *plain(" conflicts with "), *code(cause.capability), *line)
    if (other.name, cause.capability) == (cause.needed_by.name,) * 2:
        return (*code(str(cause.needed_by)), *plain(" cannot be installed beside "),
                *code(str(other)), *line)  # fmt: skip
    beside = code(_short(other, cause))
    through = () if other.name == cause.capability else (
        *plain(" through "), *code(cause.capability))  # fmt: skip
    return (*needed_by, *plain(" excludes "), *beside, *through, *line)


class UnsolvableAnswer(Protocol):
    """An answer of the solver: causes as data, and its texts."""

    @property
    def causes(self) -> tuple[UnsolvableCause, ...]:
        """The causes, the root first."""

    @property
    def problems(self) -> tuple[str, ...]:
        """The solver's texts."""


def why_unsolvable(answer: UnsolvableAnswer) -> Phrase:
    """The reason why an image cannot be installed; empty where it is not known."""
    causes = essential_causes(answer.causes)
    if causes:
        return causes_phrase(causes)
    # Results that an earlier release stored have the solver's texts alone.
    return prose(answer.problems[0].rstrip(".")) if answer.problems else ()


def causes_phrase(causes: Sequence[UnsolvableCause]) -> Phrase:
    """The first causes as clauses, and the number of the others."""
    clauses = joined([cause_phrase(cause) for cause in causes[:MOST_CAUSES]], "; ")
    others = len(causes) - MOST_CAUSES
    if others <= 0:
        return clauses
    return (*clauses, *plain(f"; and {others} more {'cause' if others == 1 else 'causes'}"))


def way_phrase(cause: UnsolvableCause) -> Phrase:
    """`openssh-server → pam → openssl`; empty where a requested package has the cause itself."""
    names = _names(cause.chain)
    return joined([code(name) for name in names], " \N{RIGHTWARDS ARROW} ") if names else ()


def _names(chain: Iterable[Edge]) -> list[str]:
    edges = list(chain)
    return [edges[0].source.name, *(edge.target.name for edge in edges)] if edges else []


def _short(nevra: Nevra, cause: UnsolvableCause) -> str:
    """A package's name, with its architecture where a foreign one is meant."""
    return f"{nevra.name}.{nevra.arch}" if cause.arch_only else nevra.name


@dataclass(frozen=True, slots=True)
class Breakage:
    """A reason why images can no longer be installed, and these images, in their order.

    `way` is the chain from a requested package to the one that fails, empty if they are the same.
    """

    phrase: Phrase
    way: Phrase
    images: tuple[ImageResult, ...]


def why_broken(images: Iterable[ImageResult]) -> tuple[Breakage, ...]:
    """The causes at which the heads of `images` fail, that of most images first.

    An image counts for each of its causes.
    """
    found: dict[object, list[tuple[ImageResult, Phrase, Phrase]]] = {}
    for image in images:
        causes = essential_causes(image.head.causes)
        for cause in causes:
            key: object = cause_key(cause, image.key.arch)
            found.setdefault(key, []).append((image, cause_phrase(cause), way_phrase(cause)))
        # Results that an earlier release stored have the solver's texts alone.
        for problem in () if causes else image.head.problems:
            key = on_any_architecture(problem, image.key.arch)
            found.setdefault(key, []).append((image, prose(problem.rstrip(".")), ()))
    breakages = []
    for key, hits in found.items():
        # The text of several images is shown without the marks of their architectures.
        shared = isinstance(key, str) and len(hits) > 1
        phrase = prose(str(key).rstrip(".")) if shared else hits[0][1]
        way = next((way for *_, way in hits if way), ())
        breakages.append(Breakage(phrase, way, tuple(image for image, *_ in hits)))
    return tuple(sorted(breakages, key=lambda b: -len(b.images)))
