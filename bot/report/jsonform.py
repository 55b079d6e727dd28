"""Results as JSON values: CONTRACT's names, types and units; dictionaries ready for `json`.

Everything is sorted, so the same result gives the same bytes. Fields beyond CONTRACT's: `stage`,
`interrupted`, `incomplete`, `only_limits`, `accepted`, `sources`, `notes` and `builds` of a check,
`id`, `worse`, `reason`, `target`, `target_by` and `due` of an objective, `stale` of a repository,
`source`, `from` and the other sizes of a package, `known_size` of totals, `problems` of a what-if,
`conflicts_with` and `conflicts_with_chain` of a cause, `alternatives`, `together_with`, `stays_by`,
`instead` of an added package, `files` of an edge, `come` of a saving.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bot.closure.packages import totals
from bot.model.closure import Closure, Edge, SnapshotState, UnsolvableCause, WhatIf, Why
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.model.result import Acceptance, BuildNote, CheckResult, ImageResult, Side, Suggestion
from bot.model.spec import SpecLine
from bot.report import configuration

if TYPE_CHECKING:
    from bot.distro.load import ConfigurationReport, DocumentProblem

Json = dict[str, Any]


def json_text(value: Json) -> str:
    """`value` as one line of ASCII JSON with a line end.

    No indentation: only then does Python's fast encoder work (tens of thousands of packages).
    """
    return json.dumps(value, allow_nan=False) + "\n"


def check_to_json(result: CheckResult) -> Json:
    """CONTRACT's `check` object; `check_from_json` reads it back."""
    return {
        "base": result.base,
        "head": result.head,
        "merge_base": result.merge_base,
        "specs": list(result.specs),
        "sources": dict(result.sources),
        "verdict": result.verdict,
        "stage": result.stage,
        "interrupted": result.interrupted,
        "incomplete": result.incomplete,
        "only_limits": result.only_limits,
        "accepted": _accepted(result.accepted),
        "problems": list(result.problems),
        "notes": list(result.notes),
        "images": [_image(image) for image in sorted(result.images, key=lambda i: i.key)],
        "suggestions": [_suggestion(suggestion) for suggestion in result.suggestions],
        "builds": [_build(build) for build in result.builds],
        "configuration": configuration.to_json(result.configuration),
    }


def _accepted(acceptance: Acceptance | None) -> Json | None:
    if acceptance is None:
        return None
    return {"user": acceptance.user, "reason": acceptance.reason, "time": acceptance.time}


def closures_to_json(closures: Iterable[Closure]) -> Json:
    """CONTRACT's `closure` object, images sorted by key."""
    return {"images": [_closure(closure) for closure in sorted(closures, key=lambda c: c.key)]}


def why_to_json(whys: Iterable[Why]) -> Json:
    """CONTRACT's `why` object, images sorted by key."""
    return {
        "images": [
            {
                **_key(why.key),
                "nevra": None if why.nevra is None else str(why.nevra),
                "roots": [str(root) for root in why.roots],
                "chains": [chain_json(chain) for chain in why.chains],
                "leaves_with": [
                    {"nevra": str(leaving.nevra), "capability": leaving.capability}
                    for leaving in why.leaves_with
                ],
            }
            for why in sorted(whys, key=lambda w: w.key)
        ]
    }


def what_if_to_json(answers: Iterable[WhatIf]) -> Json:
    """CONTRACT's `what-if` object, images sorted by key."""
    return {
        "images": [
            {
                **_key(answer.key),
                "status": answer.status,
                "problems": list(answer.problems),
                "causes": [unsolvable_cause(cause) for cause in answer.causes],
                "removed": [_package(package) for package in answer.removed],
                "added": [_package(package) for package in answer.added],
                "saved": answer.saved,
            }
            for answer in sorted(answers, key=lambda a: a.key)
        ]
    }


def configuration_to_json(report: ConfigurationReport) -> Json:
    """CONTRACT's `config check` object."""
    return {
        "documents": report.documents,
        "errors": [_problem(error) for error in report.errors],
        "unused": [_problem(unused) for unused in report.unused],
    }


def _problem(problem: DocumentProblem) -> Json:
    return {
        "file": problem.file,
        "line": problem.line,
        "field": problem.field,
        "message": problem.message,
    }


def _key(key: ImageKey) -> Json:
    return {
        "workload": key.workload,
        "environment": key.environment,
        "repository": key.repository,
        "arch": key.arch,
    }


def _snapshot(snapshot: SnapshotState) -> Json:
    return {
        "id": snapshot.id,
        "repositories": [
            {"id": r.id, "revision": r.revision, "timestamp": r.timestamp, "stale": r.stale}
            for r in snapshot.repositories
        ],
    }


def _closure(closure: Closure) -> Json:
    head = {
        **_key(closure.key),
        "status": closure.status,
        "problems": list(closure.problems),
        "causes": [unsolvable_cause(cause) for cause in closure.causes],
        "missing": list(closure.missing),
        "snapshot": _snapshot(closure.snapshot),
    }
    if closure.status != "ok":
        return {**head, "totals": None, "packages": None}
    sums = totals(closure)
    names = {package.nevra: str(package.nevra) for package in closure.packages}
    required_by: dict[Nevra, list[Json]] = {nevra: [] for nevra in names}
    for edge in closure.edges:
        required_by[edge.target].append(
            {"nevra": names[edge.source], "capability": edge.capability, "kind": edge.kind}
        )
    return {
        **head,
        "totals": {
            "packages": sums.packages,
            "installed_size": sums.installed_size,
            "known_size": sums.known_size,
            "installed_size_nodocs": sums.installed_size_nodocs,
            "download_size": sums.download_size,
        },
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


def _package(package: Package) -> Json:
    return {
        "nevra": str(package.nevra),
        "source": package.source,
        "from": package.repository,
        "installed_size": package.installed_size,
        "installed_size_nodocs": package.installed_size_nodocs,
        "download_size": package.download_size,
    }


def chain_json(chain: Iterable[Edge]) -> list[Json]:
    """A chain as CONTRACT writes it."""
    return [
        {
            "from": str(edge.source),
            "capability": edge.capability,
            "to": str(edge.target),
            "kind": edge.kind,
            **({"files": list(edge.files)} if edge.files else {}),
        }
        for edge in chain
    ]


def _line(line: SpecLine) -> Json:
    return {"path": line.path, "line": line.line, "text": line.text}


def unsolvable_cause(cause: UnsolvableCause) -> Json:
    """A cause as CONTRACT writes it."""
    return {
        "kind": cause.kind,
        "capability": cause.capability,
        "needed_by": None if cause.needed_by is None else str(cause.needed_by),
        "chain": chain_json(cause.chain),
        "spec": None if cause.spec is None else _line(cause.spec),
        "arch_only": cause.arch_only,
        "conflicts_with": None if cause.conflicts_with is None else str(cause.conflicts_with),
        "conflicts_with_chain": chain_json(cause.conflicts_with_chain),
        "incompatible": None if cause.incompatible is None else str(cause.incompatible),
    }


def _side(side: Side) -> Json:
    layer = side.layer
    return {
        "status": side.status,
        "problems": list(side.problems),
        "causes": [unsolvable_cause(cause) for cause in side.causes],
        "packages": side.packages,
        "installed_size": side.installed_size,
        "known_size": side.known_size,
        "layer": None
        if layer is None
        else {"uncompressed": layer.uncompressed, "gzip": layer.gzip, "zstd": layer.zstd},
    }


def _image(image: ImageResult) -> Json:
    return {
        **_key(image.key),
        "changed": image.changed,
        "evidence": image.evidence,
        "snapshot": _snapshot(image.snapshot),
        "base": _side(image.base),
        "head": _side(image.head),
        "reason": image.reason or None,
        "added": [
            {
                **_package(added.package),
                "requested": added.requested,
                "chains": [chain_json(chain) for chain in added.chains],
                "spec": None if added.spec is None else _line(added.spec),
                "leaves_with": [_line(line) for line in added.leaves_with],
                "alternatives": [_line(line) for line in added.alternatives],
                "together_with": [_line(line) for line in added.together_with],
                "stays_by": chain_json(added.stays_by),
                "instead": [str(nevra) for nevra in added.instead],
            }
            for added in sorted(image.added, key=lambda a: a.package.nevra)
        ],
        "removed": [_package(p) for p in sorted(image.removed, key=lambda p: p.nevra)],
        "changed_packages": [
            {
                "name": changed.name,
                "arch": changed.arch,
                "from": str(changed.before),
                "to": str(changed.after),
                "installed_size_delta": changed.delta,
            }
            for changed in sorted(image.changed_packages, key=lambda c: (c.name, c.arch, c.after))
        ],
        "objectives": [
            {
                "name": objective.name,
                "id": objective.id,
                "metric": objective.metric,
                "before": objective.before,
                "value": objective.value,
                "limit": objective.limit,
                "met": objective.met,
                "worse": objective.worse,
                "reason": objective.reason,
                "target": objective.target,
                "target_by": objective.target_by,
                "due": objective.due,
            }
            for objective in sorted(image.objectives, key=lambda o: (o.name, o.metric))
        ],
        "files": [
            {"package": f.package, "path": f.path, "before": f.before, "after": f.after}
            for f in image.files
        ],
    }


def _suggestion(suggestion: Suggestion) -> Json:
    return {
        "spec": _line(suggestion.spec),
        "replace_with": suggestion.replace_with,
        "saves": [
            {
                **_key(saving.key),
                "packages": saving.packages,
                "installed_size": saving.installed_size,
                "come": saving.come,
            }
            for saving in sorted(suggestion.saves, key=lambda s: s.key)
        ],
    }


def _build(build: BuildNote) -> Json:
    return {
        "side": build.side,
        "spec": build.spec,
        "arch": build.arch,
        "outcome": build.outcome,
        "message": build.message,
        "log": build.log,
        "seconds": build.seconds,
    }
