"""Answers as JSON values with CONTRACT's names, types and units: dictionaries for `json`.

Images are sorted, so that equal answers give equal bytes. A check's JSON is in `bot.model.result`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from bot.closure.packages import totals
from bot.model.closure import (
    Broken,
    Closure,
    Edge,
    ImageImpact,
    Impact,
    UnsolvableCause,
    WhatIf,
    Why,
)
from bot.model.nevra import Nevra
from bot.model.result_json import Json

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from bot.distro.load import ConfigurationReport
    from bot.distro.online import RepositoryAnswer


def json_text(value: Mapping[str, object]) -> str:
    """Return `value` as one line of ASCII JSON with a line end.

    It is not indented: Python's fast encoder works only without (tens of thousands of packages).
    """
    return json.dumps(value, allow_nan=False) + "\n"


def closures_to_json(closures: Iterable[Closure]) -> Json:
    """CONTRACT's `closure` object, images sorted by key."""
    return {"images": [_closure(closure) for closure in sorted(closures, key=lambda c: c.key)]}


def why_to_json(whys: Iterable[Why]) -> Json:
    """CONTRACT's `why` object, images sorted by key."""
    return {"images": _written(Why, sorted(whys, key=lambda why: why.key))}


def what_if_to_json(answers: Iterable[WhatIf]) -> Json:
    """CONTRACT's `what-if` object, images sorted by key."""
    return {"images": _written(WhatIf, sorted(answers, key=lambda answer: answer.key))}


def impact_to_json(impact: Impact) -> Json:
    """CONTRACT's `impact` object."""
    return {
        "images": _written(ImageImpact, impact.images),
        "broken": _written(Broken, impact.broken),
    }


def chain_json(chain: Iterable[Edge]) -> list[Json]:
    """A chain as CONTRACT writes it."""
    return _written(Edge, chain)


def causes_json(causes: Sequence[UnsolvableCause]) -> list[Json]:
    """The `causes` of something unsolvable."""
    return _written(UnsolvableCause, causes) if causes else []


def configuration_to_json(report: ConfigurationReport) -> Json:
    """CONTRACT's `config check` object."""
    return {
        "documents": report.documents,
        "errors": [asdict(error) for error in report.errors],
        "unused": [asdict(unused) for unused in report.unused],
    }


def repositories_to_json(answers: Sequence[RepositoryAnswer]) -> list[Json]:
    """CONTRACT's `repositories` of `config check --online`."""
    return [
        {
            **asdict(answer),
            "reachable": answer.reachable,
            "url": answer.url or None,
            "timestamp": answer.timestamp or None,
        }
        for answer in answers
    ]


def json_of(kind: Any, value: Any) -> Any:
    """Return a value of the model (or of a type made of such) as CONTRACT writes it."""
    return _adapter(kind).dump_python(value, mode="json")


def _written(of: Any, values: Iterable[Any]) -> list[Json]:
    return [json_of(of, value) for value in values]


@cache
def _adapter(of: Any) -> TypeAdapter[Any]:
    # Imported here: pydantic takes 0.1 s to import, and a large closure does not need it.
    from pydantic import TypeAdapter

    return TypeAdapter(of)


def _closure(closure: Closure) -> Json:
    snapshot = asdict(closure.snapshot)
    head = {
        **asdict(closure.key),
        "status": closure.status,
        "problems": list(closure.problems),
        "causes": causes_json(closure.causes),
        "missing": list(closure.missing),
        "snapshot": {**snapshot, "repositories": list(snapshot["repositories"])},
    }
    if closure.status != "ok":
        return {**head, "totals": None, "packages": None}
    names = {package.nevra: str(package.nevra) for package in closure.packages}
    required_by: dict[Nevra, list[Json]] = {nevra: [] for nevra in names}
    for edge in closure.edges:
        required_by[edge.target].append(
            {"nevra": names[edge.source], "capability": edge.capability, "kind": edge.kind}
        )
    return {
        **head,
        "totals": asdict(totals(closure)),
        "packages": [
            {
                "nevra": names[package.nevra],
                "name": package.nevra.name,
                "epoch": package.nevra.epoch,
                "version": package.nevra.version,
                "release": package.nevra.release,
                "arch": package.nevra.arch,
                "source": package.source,
                "from": package.repository,
                "installed_size": package.installed_size,
                "installed_size_nodocs": package.installed_size_nodocs,
                "download_size": package.download_size,
                "requested": package.nevra in closure.requested,
                "required_by": required_by[package.nevra],
            }
            for package in closure.packages
        ],
    }
