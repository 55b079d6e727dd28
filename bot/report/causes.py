"""Causes in words: why an image cannot be installed, and who changed one.

The words about a step (from its JSON, for terminal, page and issue) are unescaped and may be
foreign: the caller escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.model.closure import Edge, UnsolvableCause
from bot.model.nevra import Nevra, parse_nevra
from bot.model.result import ImageResult
from bot.report.grouping import cause_key, essential_causes, on_any_architecture
from bot.report.phrase import Phrase, code, joined
from bot.report.template import line_place, say

Json = Mapping[str, Any]
# The number of causes that a sentence names; the others are counted.
MOST_CAUSES = 3
_CHANGES = {
    "came": "came",
    "went": "left",
    "changed": "changed",
    "unsolvable": "made it unsolvable",
    "solvable": "made it solvable again",
}
_KINDS = {
    "distribution": "the distribution",
    "configuration": "the configuration",
    "unknown": "not known",
}


def cause_phrase(cause: UnsolvableCause) -> Phrase:
    """Return `nothing provides libnothere >= 3, which openssl requires (openssl.spec line 31)`.

    The line of the change is quoted if its text differs from the capability, and base's line that
    the change removes always.
    """
    clause = _clause(cause)
    if cause.spec is None:
        removed = cause.removed
        return say.cause_removed(cause=clause, line=removed) if removed is not None else clause
    if cause.capability in cause.spec.text:
        return say.cause_at(cause=clause, place=line_place(cause.spec))
    return say.cause_by(cause=clause, line=cause.spec)


def _clause(cause: UnsolvableCause) -> Phrase:
    if cause.incompatible is not None:
        return say.incompatible(package=str(cause.incompatible))
    if cause.needed_by is None:
        return say.nothing_provides_request(capability=cause.capability)
    package = _short(cause.needed_by, cause)
    if cause.kind == "missing":
        return say.nothing_provides(capability=cause.capability, package=package)
    conflicting = cause.conflicts_with
    if conflicting is None or conflicting == cause.needed_by:
        return say.conflicts(package=package, capability=cause.capability)
    if (conflicting.name, cause.capability) == (cause.needed_by.name,) * 2:
        return say.not_beside(package=str(cause.needed_by), other=str(conflicting))
    through = "" if conflicting.name == cause.capability else cause.capability
    return say.excludes(package=package, other=_short(conflicting, cause), capability=through)


class UnsolvableAnswer(Protocol):
    """An unsolvable answer of the solver: causes as data, and its texts."""

    @property
    def causes(self) -> tuple[UnsolvableCause, ...]:
        """The causes, the root first."""

    @property
    def problems(self) -> tuple[str, ...]:
        """The solver's texts."""


def why_unsolvable(answer: UnsolvableAnswer, others: int = 0) -> Phrase:
    """Return the reason why an image cannot be installed; empty if unknown.

    `others` is the number of causes that the answer does not contain.
    """
    causes = essential_causes(answer.causes)
    if causes:
        return causes_phrase(causes, others)
    # Results of earlier releases have only the solver's texts, which contain names.
    return code(answer.problems[0].rstrip(".")) if answer.problems else ()


def causes_phrase(causes: Sequence[UnsolvableCause], others: int = 0) -> Phrase:
    """Return the first causes as clauses, and the number of the rest and of `others`."""
    clauses = joined([cause_phrase(cause) for cause in causes[:MOST_CAUSES]], "; ")
    return say.causes(causes=clauses, others=max(len(causes) - MOST_CAUSES, 0) + others)


def way_phrase(cause: UnsolvableCause) -> Phrase:
    """Return `openssh-server → pam → openssl`; empty if a requested package has the cause."""
    names = _names(cause.chain)
    return joined([code(name) for name in names], " \N{RIGHTWARDS ARROW} ") if names else ()


def _names(chain: Iterable[Edge]) -> list[str]:
    edges = list(chain)
    return [edges[0].source.name, *(edge.target.name for edge in edges)] if edges else []


def _short(nevra: Nevra, cause: UnsolvableCause) -> str:
    """Return a package's name, with its architecture if that is a foreign one."""
    return f"{nevra.name}.{nevra.arch}" if cause.arch_only else nevra.name


@dataclass(frozen=True, slots=True)
class Breakage:
    """A reason why images can no longer be installed, and these images in order.

    `way` is the chain from a requested package to the one that fails, empty if they are the same.
    """

    phrase: Phrase
    way: Phrase
    images: tuple[ImageResult, ...]


def why_broken(images: Iterable[ImageResult]) -> tuple[Breakage, ...]:
    """Return the causes by which heads of `images` fail, those of most images first.

    An image counts for each of its causes.
    """
    hits_by_key: dict[object, list[tuple[ImageResult, Phrase, Phrase]]] = {}
    for image in images:
        causes = essential_causes(image.head.causes)
        for cause in causes:
            key: object = cause_key(cause, image.key.arch)
            hits_by_key.setdefault(key, []).append((image, cause_phrase(cause), way_phrase(cause)))
        # Results of earlier releases have only the solver's texts, which contain names.
        for problem in () if causes else image.head.problems:
            key = on_any_architecture(problem, image.key.arch)
            hits_by_key.setdefault(key, []).append((image, code(problem.rstrip(".")), ()))
    breakages = []
    for key, hits in hits_by_key.items():
        # The text for several images has no architecture marks.
        shared = isinstance(key, str) and len(hits) > 1
        phrase = code(str(key).rstrip(".")) if shared else hits[0][1]
        way = next((way for *_, way in hits if way), ())
        breakages.append(Breakage(phrase, way, tuple(image for image, *_ in hits)))
    return tuple(sorted(breakages, key=lambda b: -len(b.images)))


def more_causes(images: Iterable[ImageResult]) -> int:
    """Return the number of causes that the results leave out.

    A change does the same in all its images, so it is the largest number of an image.
    """
    return max((image.head.more_causes for image in images), default=0)


def change_words(about: Json) -> str:
    """Return the verb for a package: `came`, `left`, `changed`."""
    return _CHANGES.get(about["change"], str(about["change"]))


def blame_words(about: Json) -> str:
    """Return the origin: `pull request o/r#7`, `commit 1a2b3c4d5e6f pushed to main of o/r`, the
    distribution, the configuration."""
    pull, commit = about["pull_request"], about.get("commit")
    if pull:
        if pull.get("private"):
            return "a private pull request"
        return f"pull request {pull['repository']}#{pull['number']}"
    if commit:
        if commit["private"]:
            return "a commit in a private repository"
        return (
            f"commit {commit['commit'][:12]} pushed to {commit['branch']} of {commit['repository']}"
        )
    return _KINDS.get(about["kind"], str(about["kind"]))


def short_blame_words(about: Json) -> str:
    """Return the pull request or commit in short: `o/r#7`, `o/r@1a2b3c4`; else ""."""
    pull, commit = about["pull_request"], about.get("commit")
    if (pull or commit or {}).get("private"):
        return blame_words(about)
    if pull:
        return f"{pull['repository']}#{pull['number']}"
    return f"{commit['repository']}@{commit['commit'][:7]}" if commit else ""


def blame_url(about: Json) -> str | None:
    """Return the URL of the pull request or commit if it is http(s), else None."""
    url = str((about["pull_request"] or about.get("commit") or {}).get("url") or "")
    return url if url.startswith(("https://", "http://")) else None


def chain_words(chain: Iterable[Mapping[str, str]]) -> str:
    """Return a chain in one line: `nginx → perl → libperl5.36`, by name."""
    edges = list(chain)
    if not edges:
        return ""
    names = [edges[0]["from"], *(edge["to"] for edge in edges)]
    return " \N{RIGHTWARDS ARROW} ".join(parse_nevra(name).name for name in names)
