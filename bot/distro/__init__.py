"""Configuration documents, repositories, snapshots, download and cache.

Names are imported when they are first used: a cold command must not pay for pydantic or urllib3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.distro.cache import Cache
    from bot.distro.documents import (
        BuildrootDocument,
        Configuration,
        Document,
        EnvironmentDocument,
        Growth,
        LabelDocument,
        ObjectiveDocument,
        Placeholder,
        PlaceholderRpm,
        RepositoryDocument,
        RepoSource,
        Sizes,
        Target,
        UnwantedDocument,
        ViewDocument,
        WorkloadDocument,
    )
    from bot.distro.eviction import Evicted, evict, in_use, tidy
    from bot.distro.images import (
        chosen_documents,
        environment_keys,
        environment_of,
        image_keys,
        image_request,
        repository_of,
        self_request,
    )
    from bot.distro.keys import key_urls, read_keys
    from bot.distro.load import (
        ConfigurationError,
        ConfigurationReport,
        DocumentProblem,
        check_configuration,
        check_together,
        documents_in,
        load_configuration,
    )
    from bot.distro.objectives import objective_from_data
    from bot.distro.packages import fetch_header, fetch_package, fetch_packages, read_header
    from bot.distro.repomd import Record
    from bot.distro.sizes import parse_size
    from bot.distro.snapshot import (
        Snapshot,
        SnapshotRepository,
        open_snapshot,
        repository_file,
    )
    from bot.distro.transfer import AbsentError, obtain
    from bot.distro.unpack import RefusedFileError

__all__ = [
    "AbsentError",
    "BuildrootDocument",
    "Cache",
    "Configuration",
    "ConfigurationError",
    "ConfigurationReport",
    "Document",
    "DocumentProblem",
    "EnvironmentDocument",
    "Evicted",
    "Growth",
    "LabelDocument",
    "ObjectiveDocument",
    "Placeholder",
    "PlaceholderRpm",
    "Record",
    "RefusedFileError",
    "RepoSource",
    "RepositoryDocument",
    "Sizes",
    "Snapshot",
    "SnapshotRepository",
    "Target",
    "UnwantedDocument",
    "ViewDocument",
    "WorkloadDocument",
    "check_configuration",
    "check_together",
    "chosen_documents",
    "documents_in",
    "environment_keys",
    "environment_of",
    "evict",
    "fetch_header",
    "fetch_package",
    "fetch_packages",
    "image_keys",
    "image_request",
    "in_use",
    "key_urls",
    "load_configuration",
    "objective_from_data",
    "obtain",
    "open_snapshot",
    "parse_size",
    "read_header",
    "read_keys",
    "repository_file",
    "repository_of",
    "self_request",
    "tidy",
]

_MODULES = {
    "cache": ("Cache",),
    "eviction": ("Evicted", "evict", "in_use", "tidy"),
    "images": (
        "chosen_documents",
        "environment_keys",
        "environment_of",
        "image_keys",
        "image_request",
        "repository_of",
        "self_request",
    ),
    "keys": ("key_urls", "read_keys"),
    "load": (
        "ConfigurationError",
        "ConfigurationReport",
        "DocumentProblem",
        "check_configuration",
        "check_together",
        "check_together",
        "documents_in",
        "load_configuration",
    ),
    "objectives": ("objective_from_data",),
    "packages": ("fetch_header", "fetch_package", "fetch_packages", "read_header"),
    "repomd": ("Record",),
    "sizes": ("parse_size",),
    "snapshot": ("Snapshot", "SnapshotRepository", "open_snapshot", "repository_file"),
    "transfer": ("AbsentError", "obtain"),
    "unpack": ("RefusedFileError",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    # What is not listed above is a document.
    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'documents')}"), name)
