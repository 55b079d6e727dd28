"""Objectives that stand elsewhere than in a document: in a repository's `.minimize.yaml`."""

from __future__ import annotations

from typing import Any

from bot.distro.documents import ObjectiveDocument
from bot.errors import UsageError


def objective_from_data(id_: str, data: Any) -> ObjectiveDocument:
    """The objective that `data` describes: what an objective document has below its `data`.

    `data` is parsed YAML, numbers and dates as such or as text; description and maintainer may be
    left out, since the repository has both. Raises UsageError naming each wrong field and what is
    expected there.
    """
    from bot.distro.check import check_data
    from bot.distro.plain import document_from

    if isinstance(data, dict):
        data = {"description": "", "maintainer": "", **data}
    plain, errors = check_data("objective", data)
    if plain is None:
        listed = "; ".join(f"{'.'.join(map(str, place))}: {message}" for place, message in errors)
        raise UsageError(f"The objective {id_} is not right: {listed}.")
    document = document_from("objective", id_, plain)
    assert isinstance(document, ObjectiveDocument)
    return document
