"""A check's result read back from its JSON, as the engine stores it.

The JSON is our own writing (`bot.report.jsonform`), not a stranger's: a missing field is a
programming error and raises KeyError. Packages come back with their names, origins and sizes, but
without dependencies and files, which no report needs and the JSON does not carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.model.closure import Edge, RepositoryState, SnapshotState, UnsolvableCause
from bot.model.image import ImageKey
from bot.model.nevra import Nevra, parse_nevra
from bot.model.package import Package
from bot.model.result import (
    Acceptance,
    Added,
    BuildNote,
    ChangedPackage,
    CheckResult,
    FileChange,
    ImageResult,
    LayerSize,
    ObjectiveResult,
    Saving,
    Side,
    Suggestion,
)
from bot.model.spec import SpecLine
from bot.report import configuration

Json = Mapping[str, Any]


def check_from_json(value: Json) -> CheckResult:
    """The CheckResult that `check_to_json` wrote as `value`."""
    return CheckResult(
        base=value["base"],
        head=value["head"],
        merge_base=value["merge_base"],
        specs=tuple(value["specs"]),
        verdict=value["verdict"],
        images=tuple(_image(image) for image in value["images"]),
        suggestions=tuple(_suggestion(suggestion) for suggestion in value["suggestions"]),
        problems=tuple(value["problems"]),
        notes=tuple(value["notes"]),
        builds=tuple(_build(build) for build in value["builds"]),
        stage=value["stage"],
        interrupted=value["interrupted"],
        # Results that an earlier release stored have none of these.
        incomplete=value.get("incomplete", False),
        only_limits=value.get("only_limits", False),
        accepted=_accepted(value.get("accepted")),
        sources=tuple(value.get("sources", {}).items()),
        configuration=configuration.from_json(value.get("configuration")),
    )


def _accepted(value: Json | None) -> Acceptance | None:
    return None if value is None else Acceptance(value["user"], value["reason"], value["time"])


def _key(value: Json) -> ImageKey:
    return ImageKey(value["workload"], value["environment"], value["repository"], value["arch"])


def _snapshot(value: Json) -> SnapshotState:
    return SnapshotState(
        value["id"],
        tuple(
            RepositoryState(r["id"], r["revision"], r["timestamp"], r["stale"])
            for r in value["repositories"]
        ),
    )


def _package(value: Json) -> Package:
    return Package(
        nevra=parse_nevra(value["nevra"]),
        source=value["source"],
        repository=value["from"],
        installed_size=value["installed_size"],
        installed_size_nodocs=value["installed_size_nodocs"],
        download_size=value["download_size"],
    )


def _chain(value: list[Json]) -> tuple[Edge, ...]:
    return tuple(
        Edge(
            parse_nevra(e["from"]),
            e["capability"],
            parse_nevra(e["to"]),
            e["kind"],
            tuple(e.get("files", ())),
        )
        for e in value
    )


def _line(value: Json) -> SpecLine:
    return SpecLine(value["path"], value["line"], value["text"])


def _side(value: Json) -> Side:
    layer = value["layer"]
    return Side(
        status=value["status"],
        problems=tuple(value["problems"]),
        packages=value["packages"],
        installed_size=value["installed_size"],
        known_size=value["known_size"],
        layer=None
        if layer is None
        else LayerSize(layer["uncompressed"], layer["gzip"], layer["zstd"]),
        # Results that an earlier release stored have none.
        causes=tuple(_cause(cause) for cause in value.get("causes", ())),
    )


def _cause(value: Json) -> UnsolvableCause:
    return UnsolvableCause(
        kind=value["kind"],
        capability=value["capability"],
        needed_by=_nevra(value["needed_by"]),
        chain=_chain(value["chain"]),
        spec=None if value["spec"] is None else _line(value["spec"]),
        arch_only=value["arch_only"],
        conflicts_with=_nevra(value["conflicts_with"]),
        conflicts_with_chain=_chain(value["conflicts_with_chain"]),
        incompatible=_nevra(value.get("incompatible")),
    )


def _nevra(value: str | None) -> Nevra | None:
    return None if value is None else parse_nevra(value)


def _added(value: Json) -> Added:
    return Added(
        package=_package(value),
        requested=value["requested"],
        chains=tuple(_chain(chain) for chain in value["chains"]),
        spec=None if value["spec"] is None else _line(value["spec"]),
        leaves_with=tuple(_line(line) for line in value["leaves_with"]),
        # Results that an earlier release stored have none of these.
        alternatives=tuple(_line(line) for line in value.get("alternatives", ())),
        together_with=tuple(_line(line) for line in value.get("together_with", ())),
        stays_by=_chain(value.get("stays_by", [])),
        instead=tuple(parse_nevra(text) for text in value.get("instead", ())),
    )


def _image(value: Json) -> ImageResult:
    return ImageResult(
        key=_key(value),
        snapshot=_snapshot(value["snapshot"]),
        changed=value["changed"],
        evidence=value["evidence"],
        base=_side(value["base"]),
        head=_side(value["head"]),
        reason=value.get("reason") or "",
        added=tuple(_added(added) for added in value["added"]),
        removed=tuple(_package(package) for package in value["removed"]),
        changed_packages=tuple(
            ChangedPackage(
                name=changed["name"],
                arch=changed["arch"],
                before=parse_nevra(changed["from"]),
                after=parse_nevra(changed["to"]),
                delta=changed["installed_size_delta"],
            )
            for changed in value["changed_packages"]
        ),
        objectives=tuple(
            ObjectiveResult(
                name=objective["name"],
                metric=objective["metric"],
                before=objective["before"],
                value=objective["value"],
                limit=objective["limit"],
                met=objective["met"],
                worse=objective["worse"],
                reason=objective["reason"],
                id=objective.get("id", ""),
                target=objective.get("target"),
                target_by=objective.get("target_by"),
                due=objective.get("due", False),
            )
            for objective in value["objectives"]
        ),
        files=tuple(
            FileChange(f["package"], f["path"], f["before"], f["after"])
            for f in value.get("files", ())
        ),
    )


def _suggestion(value: Json) -> Suggestion:
    return Suggestion(
        spec=_line(value["spec"]),
        replace_with=value["replace_with"],
        saves=tuple(
            Saving(
                _key(saving), saving["packages"], saving["installed_size"], saving.get("come", 0)
            )
            for saving in value["saves"]
        ),
    )


def _build(value: Json) -> BuildNote:
    return BuildNote(
        side=value["side"],
        spec=value["spec"],
        arch=value["arch"],
        outcome=value["outcome"],
        message=value["message"],
        log=value["log"],
        seconds=value["seconds"],
    )
