"""`/search`: packages, images, objectives and checked pull requests by their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from bot.report.sizes import plural
from bot.web.addresses import Parameters, check_url, image_url, objective_url, package_url
from bot.web.responses.archive import Archive, PageResponse
from bot.web.tables import Column, Table, columns

Kind = Literal["package", "image", "objective", "pull request"]
_OF_A_KIND = 25
_CHECKS = 2000  # the newest checks, whose pull requests are searched


@dataclass(frozen=True, slots=True)
class Hit:
    """A result whose name contains every word; `about` distinguishes it from others."""

    kind: Annotated[Kind, Column("What")]
    name: Annotated[str, Column("Name", link=lambda row, _: row.url)]
    about: Annotated[str, Column("About")]
    url: str


@dataclass(frozen=True, slots=True)
class Search:
    """`/api/search`: at most 25 of each kind; `counts` has the number of all."""

    q: str
    counts: dict[Kind, int]
    hits: list[Hit]


def search(archive: Archive, parameters: Parameters) -> PageResponse:
    """Everything whose name contains every word of `q`, in any case; exact names come first."""
    query = parameters.text("q")
    words = query.casefold().split()
    hits_by_kind: dict[Kind, list[Hit]] = {
        "package": _packages(archive, words),
        "image": _images(archive, words),
        "objective": _objectives(archive, words),
        "pull request": _checks(archive, words),
    }
    hits = [
        hit
        for kind in hits_by_kind.values()
        for hit in sorted(kind, key=lambda hit: hit.name.casefold() != query.casefold())[
            :_OF_A_KIND
        ]
    ]
    data = Search(
        query, {kind: len(hits_of_kind) for kind, hits_of_kind in hits_by_kind.items()}, hits
    )
    return PageResponse("search.html.j2", data, {"hits": Table("Found", _HITS, hits)})


def _matches(words: list[str], *texts: str) -> bool:
    text = " ".join(texts).casefold()
    return bool(words) and all(word in text for word in words)


def _packages(archive: Archive, words: list[str]) -> list[Hit]:
    return [
        Hit(
            "package",
            spread.name,
            f"from {spread.source}, in {plural(spread.images, 'image')}",
            package_url(spread.name),
        )
        for spread in sorted(archive.spread(), key=lambda s: (-s.images, s.name))
        if _matches(words, spread.name, spread.source)
    ]


def _images(archive: Archive, words: list[str]) -> list[Hit]:
    """The images, one for all of its architectures unless a word names one."""
    hits: dict[tuple[str, str, str], Hit] = {}
    for key in archive.evaluations():
        if _matches(words, key.workload, key.environment, key.repository, key.arch):
            about = f"{key.environment}, {key.repository}"
            place = (key.workload, key.environment, key.repository)
            hits.setdefault(place, Hit("image", key.workload, about, image_url(key)))
    return list(hits.values())


def _objectives(archive: Archive, words: list[str]) -> list[Hit]:
    return [
        Hit(
            "objective",
            heading.name,
            f"{heading.workload}, by {heading.maintainer}",
            objective_url(heading.id),
        )
        for heading in archive.history.objective_headings()
        if _matches(words, heading.name, heading.workload, heading.maintainer)
    ]


def _checks(archive: Archive, words: list[str]) -> list[Hit]:
    """The newest check of each pull request."""
    hits: dict[str, Hit] = {}
    for check in archive.store.recent_checks(_CHECKS):
        name = f"{check.repository}#{check.number}"
        if _matches(words, name, check.title, check.author):
            about = f"{check.title}, by {check.author}"
            hits.setdefault(name, Hit("pull request", name, about, check_url(check.id)))
    return list(hits.values())


_HITS = columns(Hit, "name", "kind", "about")
