"""mock's configuration file for one repository document, snapshot and architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bot.distro.connections import read_path
from bot.distro.variables import expanded
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.distro.documents import RepoSource
    from bot.distro.snapshot import Snapshot


def mock_config(
    *,
    name: str,
    snapshot: Snapshot,
    packages: Sequence[str],
    definitions: Mapping[str, str],
    environment: Mapping[str, str],
) -> str:
    """The text of a `.cfg` file, as mock's documentation (site-defaults.cfg) describes it.

    `packages` are what every chroot holds, `definitions` macros without `%`, `environment`
    variables of the build. The repositories are the snapshot's, by the mirrors that it was read
    from.
    """
    arch = snapshot.arch
    macros = {
        "debug_package": "%{nil}",
        "_buildhost": "minimize",
        "use_source_date_epoch_as_buildtime": "1",
        **definitions,
    }
    options: dict[str, Any] = {
        "root": name,
        "target_arch": arch,
        "legal_host_arches": (arch,),
        "chroot_setup_cmd": f"install {' '.join(packages)}",
        "releasever": snapshot.document.releasever,
        "rpmbuild_networking": False,
        "use_host_resolv": False,
        "dnf.conf": _dnf_conf(snapshot),
    }
    lines = [f"config_opts[{key!r}] = {value!r}" for key, value in options.items()]
    lines.append("config_opts['plugin_conf']['ccache_enable'] = False")
    if snapshot.document.modules:
        commands = [("enable", stream) for stream in snapshot.document.modules]
        lines.append(f"config_opts['module_setup_commands'] = {commands!r}")
    lines += [f"config_opts['macros'][{f'%{key}'!r}] = {text!r}" for key, text in macros.items()]
    lines += [
        f"config_opts['environment'][{key!r}] = {text!r}"
        for key, text in environment.items()
        if key not in {"HOME", "TMPDIR"}
    ]
    return "\n".join(lines) + "\n"


def _dnf_conf(snapshot: Snapshot) -> str:
    main: dict[str, Any] = {
        "keepcache": 1,
        "reposdir": "/dev/null",
        "obsoletes": 1,
        "gpgcheck": 0,
        "assumeyes": 1,
        "install_weak_deps": 0,
        "best": 1,
        "protected_packages": "",
    }
    if snapshot.document.module_platform:
        main["module_platform_id"] = snapshot.document.module_platform
    sections = [_section("main", main)]
    sources = {
        source.id: expanded(source, snapshot.document, snapshot.arch)
        for source in snapshot.document.repos
    }
    for repository in snapshot.repositories:
        if not repository.base_urls:
            continue  # skipped, as its document allows
        values: dict[str, Any] = {
            "name": repository.name,
            "baseurl": " ".join(repository.base_urls),
            "priority": repository.priority,
            "skip_if_unavailable": 0,
            "module_hotfixes": int(repository.module_hotfixes),
        }
        if repository.exclude:
            values["excludepkgs"] = " ".join(repository.exclude)
        if repository.include:
            values["includepkgs"] = " ".join(repository.include)
        source = sources.get(repository.id)
        values |= _signature(source)
        if source is not None:
            values |= _access(source)
        sections.append(_section(repository.id, values))
    return "\n".join(sections)


def _signature(source: RepoSource | None) -> Mapping[str, Any]:
    if source is None or not source.gpgkey:
        return {}
    return {"gpgcheck": 1, "gpgkey": " ".join(source.gpgkey)}


def _access(source: RepoSource) -> Mapping[str, Any]:
    """dnf's options for the repository's servers; UsageError where they would hold a password."""
    access = source.access
    if access.username or access.proxy_username:
        raise UsageError(
            f"mock cannot use the repository `{source.id}`: its password would stand in mock's"
            " configuration.",
            "Build with `builder: rpmbuild`.",
        )
    values: dict[str, Any] = {
        option: read_path(value)
        for option, value in (
            ("sslcacert", access.sslcacert),
            ("sslclientcert", access.sslclientcert),
            ("sslclientkey", access.sslclientkey),
        )
        if value is not None
    }
    if not access.sslverify:
        values["sslverify"] = 0
    if access.proxy is not None:
        values["proxy"] = access.proxy or "_none_"
    return values


def _section(name: str, values: Mapping[str, Any]) -> str:
    # One line for each value, whatever a document says.
    lines = [f"{key}={' '.join(str(value).split())}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])
