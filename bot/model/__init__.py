"""The values that every room shares. They import nothing of the rooms.

Names are imported when they are first used: a cold command must not pay for what it does not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.model.architecture import (
        DEFAULT_ARCHITECTURES,
        RPM_ARCHITECTURES,
        all_architectures,
        architecture_order,
        basearch,
        isa,
        native_arches,
    )
    from bot.model.closure import (
        Closure,
        Edge,
        EdgeKind,
        Leaving,
        RepositoryState,
        SnapshotState,
        Totals,
        UnsolvableCause,
        WhatIf,
        Why,
    )
    from bot.model.configuration import (
        REPOSITORY_FILE,
        ConfigurationChange,
        FieldChange,
        FileProblem,
        JudgedImage,
    )
    from bot.model.image import ImageKey, ImageRequest, PlaceholderPackage
    from bot.model.nevra import Nevra, parse_evr, parse_nevra
    from bot.model.overlay import Evidence, Overlay
    from bot.model.package import (
        DEPENDENCY_KINDS,
        Dependency,
        DependencyKind,
        Location,
        Package,
    )
    from bot.model.result import (
        Acceptance,
        Added,
        BuildNote,
        ChangedPackage,
        CheckResult,
        ClosurePair,
        FileChange,
        ImageResult,
        LayerSize,
        Saving,
        Side,
        Suggestion,
    )
    from bot.model.spec import (
        FailureCause,
        SpecDependency,
        SpecEvaluation,
        SpecFailure,
        SpecLine,
        SpecPackage,
        SpecSource,
        Unexpanded,
    )
    from bot.model.verdict import ObjectiveResult, Verdict

__all__ = [
    "DEFAULT_ARCHITECTURES",
    "DEPENDENCY_KINDS",
    "REPOSITORY_FILE",
    "RPM_ARCHITECTURES",
    "Acceptance",
    "Added",
    "BuildNote",
    "ChangedPackage",
    "CheckResult",
    "Closure",
    "ClosurePair",
    "ConfigurationChange",
    "Dependency",
    "DependencyKind",
    "Edge",
    "EdgeKind",
    "Evidence",
    "FailureCause",
    "FieldChange",
    "FileChange",
    "FileProblem",
    "ImageKey",
    "ImageRequest",
    "ImageResult",
    "JudgedImage",
    "LayerSize",
    "Leaving",
    "Location",
    "Nevra",
    "ObjectiveResult",
    "Overlay",
    "Package",
    "PlaceholderPackage",
    "RepositoryState",
    "Saving",
    "Side",
    "SnapshotState",
    "SpecDependency",
    "SpecEvaluation",
    "SpecFailure",
    "SpecLine",
    "SpecPackage",
    "SpecSource",
    "Suggestion",
    "Totals",
    "Unexpanded",
    "UnsolvableCause",
    "Verdict",
    "WhatIf",
    "Why",
    "all_architectures",
    "architecture_order",
    "basearch",
    "isa",
    "native_arches",
    "parse_evr",
    "parse_nevra",
]

_MODULES = {
    "architecture": (
        "DEFAULT_ARCHITECTURES",
        "RPM_ARCHITECTURES",
        "all_architectures",
        "architecture_order",
        "basearch",
        "isa",
        "native_arches",
    ),
    "closure": (
        "Closure",
        "Edge",
        "EdgeKind",
        "Leaving",
        "RepositoryState",
        "SnapshotState",
        "Totals",
        "UnsolvableCause",
        "WhatIf",
        "Why",
    ),
    "configuration": (
        "ConfigurationChange",
        "FieldChange",
        "REPOSITORY_FILE",
        "FileProblem",
        "JudgedImage",
    ),
    "image": (
        "ImageKey",
        "ImageRequest",
        "PlaceholderPackage",
    ),
    "nevra": (
        "Nevra",
        "parse_evr",
        "parse_nevra",
    ),
    "overlay": (
        "Evidence",
        "Overlay",
    ),
    "package": (
        "DEPENDENCY_KINDS",
        "Dependency",
        "DependencyKind",
        "Location",
        "Package",
    ),
    "result": (
        "Acceptance",
        "Added",
        "BuildNote",
        "ChangedPackage",
        "CheckResult",
        "ClosurePair",
        "FileChange",
        "ImageResult",
        "LayerSize",
        "Saving",
        "Side",
        "Suggestion",
    ),
    "spec": (
        "FailureCause",
        "SpecDependency",
        "SpecEvaluation",
        "SpecFailure",
        "SpecLine",
        "SpecPackage",
        "SpecSource",
        "Unexpanded",
    ),
    "verdict": (
        "ObjectiveResult",
        "Verdict",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
