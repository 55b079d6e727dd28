"""Objectives of repositories' own `.minimize.yaml`, tracked like documents.

The bot stores the file of each branch when it sees it; nothing here calls a forge.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bot.distro.documents import Configuration
from bot.distro.images import chosen_documents
from bot.distro.objectives import ObjectiveDocument
from bot.errors import UsageError
from bot.store.history.values import BranchFile, Place

FILE_NAME = ".minimize.yaml"


@dataclass(frozen=True, slots=True)
class OwnObjective:
    """An objective of a repository's branch; private where the repository is."""

    document: ObjectiveDocument
    place: Place
    branch: str
    private: bool


@dataclass(frozen=True, slots=True)
class OwnObjectives:
    """All of them, and sentences about files that could not be taken."""

    found: tuple[OwnObjective, ...]
    problems: tuple[str, ...] = ()


def objective_id(own: str, forge: str, repository: str, branch: str, name: str) -> str:
    """The id by which history knows an objective.

    A document has its own; one of a `.minimize.yaml` consists of repository, branch and name, so
    that equal names of two repositories do not mix.
    """
    if not own.startswith(FILE_NAME):
        return own
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{repository}-{branch}-{name}").strip("-")[:80]
    exact = hashlib.sha256("\0".join((forge, repository, branch, name)).encode()).hexdigest()
    return f"{readable}-{exact[:10]}"


def own_objectives(files: Iterable[BranchFile], configuration: Configuration) -> OwnObjectives:
    """The objectives of the files, each for the repository documents its branch stands for.

    One that names a repository document itself covers that one alone. An invalid file is left
    out, with a sentence about it.
    """
    found: list[OwnObjective] = []
    problems: list[str] = []
    for file in files:
        if file.content is None:
            continue
        where = f"{file.forge}:{file.repository} ({file.branch})"
        try:
            found += _of(file, configuration)
        except UsageError as error:
            problems.append(f"{where}: {error}")
    return OwnObjectives(tuple(found), tuple(problems))


def with_own(configuration: Configuration, own: OwnObjectives) -> Configuration:
    """The configuration with the repositories' objectives beside the documents'."""
    more = {f"{one.document.id} {one.document.repository}": one.document for one in own.found}
    return replace(configuration, objectives={**configuration.objectives, **more})


def own_headings(own: OwnObjectives) -> dict[str, dict[str, str]]:
    """The heading of each objective beyond its document's: its place, and whether it is private."""
    return {
        one.document.id: {
            "place": f"{one.place.forge}:{one.place.repository}",
            "private": "yes" if one.private else "",
        }
        for one in own.found
    }


def _of(file: BranchFile, configuration: Configuration) -> list[OwnObjective]:
    from bot.check.repository_file import read_repository_file

    parsed = read_repository_file((file.content or "").encode())
    # As for a check: no rule and no choice of its own means every default document.
    ids = parsed.repositories_of(file.branch) or file.documents
    ids = ids or tuple(document.id for document in chosen_documents(configuration, ()))
    place = Place(file.forge, file.repository)
    found = []
    for objective in parsed.objectives:
        own = f"{file.forge}:{file.repository}"
        named = replace(
            objective,
            id=objective_id(objective.id, file.forge, file.repository, file.branch, objective.name),
            name=f"{objective.name} ({own}, {file.branch})",
            maintainer=objective.maintainer or own,
        )
        for repository in ids:
            if objective.repository in (None, repository):
                document = replace(named, repository=repository)
                found.append(OwnObjective(document, place, file.branch, file.private))
    return found
