"""Renamed objectives, which keep their history and their issue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Heading = Mapping[str, Any]
# What of a document its file's name says; then what a maintainer words anew at the same time.
_NAMES = (frozenset({"id"}), frozenset({"id", "name", "description"}))


def renamed(before: Mapping[str, Heading], after: Mapping[str, Heading]) -> dict[str, str]:
    """The former id of each objective that `after` has under a new one, by the new id.

    Both are history's headings by id. An objective that is gone and one that is new are the same
    if their documents are equal but for the id, or but
    for the words, and no other is.
    """
    found: dict[str, str] = {}
    for names in _NAMES:
        gone = _by_promise({i: h for i, h in before.items() if i not in after}, names)
        new = _by_promise({i: h for i, h in after.items() if i not in before}, names)
        for promise, ids in new.items():
            olds = gone.get(promise, [])
            if len(ids) == len(olds) == 1 and ids[0] not in found and olds[0] not in found.values():
                found[ids[0]] = olds[0]
    return found


def _by_promise(headings: Mapping[str, Heading], names: frozenset[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for id_, heading in headings.items():
        document = heading["document"]
        fields = json.loads(document) if isinstance(document, str) else document
        rest = {name: value for name, value in fields.items() if name not in names}
        promise = json.dumps([rest, heading.get("place") or ""], sort_keys=True)
        found.setdefault(promise, []).append(id_)
    return found
