"""From checked plain data (what `schema` dumps, and the cache keeps as JSON) to documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from bot.distro.documents import (
    BuildrootDocument,
    ByArch,
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
from bot.model.package import Reference, RepositoryAccess

Plain = Mapping[str, Any]


def document_from(kind: str, id_: str, plain: Plain) -> Document:
    """The document of `kind` (`workload`, `view-addon`, ...) that `plain` describes."""
    return _MAKERS[kind](id_, plain)


def _texts(values: Any) -> tuple[str, ...]:
    """Without repeats, in their order."""
    return tuple(dict.fromkeys(values))


def _by_arch(values: Mapping[str, list[str]]) -> ByArch:
    return {arch: _texts(names) for arch, names in values.items() if names}


def _who(id_: str, plain: Plain) -> dict[str, Any]:
    return {
        "id": id_,
        "name": plain["name"],
        "description": plain["description"].strip(),
        "maintainer": plain["maintainer"],
    }


def _repository(id_: str, plain: Plain) -> RepositoryDocument:
    source = plain["source"]
    return RepositoryDocument(
        **_who(id_, plain),
        releasever=source["releasever"],
        architectures=_texts(source["architectures"]),
        repos=tuple(
            RepoSource(
                id=repo_id,
                name=repo["name"] or repo_id,
                baseurl=_texts(repo["baseurl"]),
                metalink=repo["metalink"],
                mirrorlist=repo["mirrorlist"],
                gpgkey=_texts(repo["gpgkey"]),
                repo_gpgcheck=repo["repo_gpgcheck"],
                priority=repo["priority"],
                exclude=_texts(repo["exclude"]),
                limit_arches=_texts(repo["limit_arches"]),
                module_hotfixes=repo["module_hotfixes"],
                include=_texts(repo["include"]),
                skip_if_unavailable=repo["skip_if_unavailable"],
                access=_access(repo),
            )
            for repo_id, repo in source["repos"].items()
        ),
        modules=_texts(source["modules"] or plain["modules"]),
        module_platform=source["module_platform"] or plain["module_platform"],
        dist=source["dist"] or plain["dist"],
        buildroot_packages=_texts(source["base_buildroot_override"]),
        variables=dict(source["variables"]),
        default=plain["default"],
    )


def _access(repo: Plain) -> RepositoryAccess:
    return RepositoryAccess(
        sslverify=repo["sslverify"],
        sslcacert=_path(repo["sslcacert"]),
        sslclientcert=_path(repo["sslclientcert"]),
        sslclientkey=_path(repo["sslclientkey"]),
        username=_reference(repo["username"]),
        password=_reference(repo["password"]),
        proxy=repo["proxy"],
        proxy_username=_reference(repo["proxy_username"]),
        proxy_password=_reference(repo["proxy_password"]),
    )


def _path(value: str | Plain | None) -> str | Reference | None:
    return value if value is None or isinstance(value, str) else Reference("env", value["env"])


def _reference(value: Plain | None) -> Reference | None:
    if value is None:
        return None
    if value["repofile"]:
        return Reference("repofile", value["repofile"], value["section"], value["option"])
    return Reference("env", value["env"]) if value["env"] else Reference("file", value["file"])


def _environment(id_: str, plain: Plain) -> EnvironmentDocument:
    return EnvironmentDocument(
        **_who(id_, plain),
        repositories=_texts(plain["repositories"]),
        labels=_texts(plain["labels"]),
        packages=_texts(plain["packages"]),
        arch_packages=_by_arch(plain["arch_packages"]),
        groups=_texts(plain["groups"]),
        options=_texts(plain["options"]),
        rpmdb=plain.get("rpmdb", "keep"),
    )


def _placeholder(plain: Plain) -> Placeholder:
    return Placeholder(
        srpm_name=plain["srpm_name"],
        build_dependencies=_texts(plain["build_dependencies"]),
        limit_arches=_texts(plain["limit_arches"]),
        rpms=tuple(
            PlaceholderRpm(
                name=rpm["rpm_name"],
                description=rpm["description"] or "Description not provided.",
                dependencies=_texts(rpm["dependencies"]),
                limit_arches=_texts(rpm["limit_arches"]),
            )
            for rpm in plain["rpms"]
            if rpm["rpm_name"]
        ),
    )


def _workload(id_: str, plain: Plain) -> WorkloadDocument:
    return WorkloadDocument(
        **_who(id_, plain),
        labels=_texts(plain["labels"]),
        packages=_texts(plain["packages"]),
        arch_packages=_by_arch(plain["arch_packages"]),
        groups=_texts(plain["groups"]),
        options=_texts(plain["options"]),
        placeholders=tuple(
            _placeholder(p) for p in plain["package_placeholders"] if p["srpm_name"]
        ),
    )


def _unwanted(id_: str, plain: Plain) -> UnwantedDocument:
    return UnwantedDocument(
        **_who(id_, plain),
        labels=_texts(plain["labels"]),
        packages=_texts(plain["unwanted_packages"]),
        arch_packages=_by_arch(plain["unwanted_arch_packages"]),
        source_packages=_texts(plain["unwanted_source_packages"]),
        arch_source_packages=_by_arch(plain["unwanted_arch_source_packages"]),
    )


def _label(id_: str, plain: Plain) -> LabelDocument:
    return LabelDocument(**_who(id_, plain))


def _view(id_: str, plain: Plain) -> ViewDocument:
    return ViewDocument(
        **_who(id_, plain),
        labels=_texts(plain["labels"]),
        repository=plain["repository"],
        buildroot_strategy=plain["buildroot_strategy"],
        architectures=_texts(plain["architectures"]),
        base_view=plain.get("base_view_id"),
    )


def _buildroot(id_: str, plain: Plain) -> BuildrootDocument:
    return BuildrootDocument(id_, plain["maintainer"], plain["view_id"])


def _sizes(plain: Plain) -> Sizes:
    return Sizes(plain["packages"], plain["installed_size"], plain["layer_size"])


def _objective(id_: str, plain: Plain) -> ObjectiveDocument:
    growth, target = plain["growth"], plain["target"]
    return ObjectiveDocument(
        **_who(id_, plain),
        workload=plain["workload"],
        environment=plain["environment"],
        repository=plain["repository"],
        architectures=_texts(plain["architectures"]),
        limits=_sizes(plain["limits"]),
        growth=Growth(growth["bytes"], growth["percent"]) if growth else None,
        unwanted=dict(plain["unwanted"]),
        target=Target(_sizes(target), date.fromisoformat(target["by"])) if target else None,
    )


_MAKERS: Mapping[str, Callable[[str, Plain], Document]] = {
    "repository": _repository,
    "environment": _environment,
    "workload": _workload,
    "unwanted": _unwanted,
    "label": _label,
    "view": _view,
    "view-addon": _view,
    "buildroot": _buildroot,
    "objective": _objective,
}
