"""The builder `mock`, where mock is installed, with its chroot, isolation and configuration."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from bot.build.build_cache import MoreRequirements
from bot.build.builder import BuildFailed, BuildOutcome, BuildRequest
from bot.build.builders import build_environment, log_tail
from bot.build.buildroot import base_packages
from bot.build.prepare import (
    CachingBuilder,
    Options,
    PreparedBuild,
    prepare,
)
from bot.build.tree import scratch_directory
from bot.distro.connections import read_path
from bot.distro.variables import expanded
from bot.errors import SurroundingsError, UsageError
from bot.outbound.authorities import authorities_file
from bot.outbound.proxies import proxy_for
from bot.sandbox.cancellation import current_cancellation
from bot.sandbox.disk import DiskRoom

if TYPE_CHECKING:
    from bot.distro.cache import Cache
    from bot.distro.documents import RepoSource
    from bot.distro.snapshot import Snapshot

# mock's exit statuses (its exception.py): a fault of the package, and of the package manager.
_BUILD_FAILED = (10, 40)
_PACKAGE_MANAGER = 30
# dnf's messages about a missing build requirement.
_MISSING = re.compile(
    r"(?:No matching package to install: |No match for argument: |nothing provides )"
    r"'?([^'\n]+?)'?(?: needed by .*)?$",
    re.MULTILINE,
)
_TIMED_OUT = 11
_TAIL_LINES = 30
_LONGEST_LINE = 500
_GRACE = 60.0  # seconds for mock to unmount its file systems
_LOOK = 0.2  # seconds between two checks for cancellation
_ROOTS = Path("/var/lib/mock")
_NOTE = "mock read the repositories as they were at the time of the build, not the snapshot."


class MockBuilder(CachingBuilder):
    """Builds with mock, which reads the repositories of the request's document itself.

    `program` is the command; the user of this process must be in the group `mock`. Of `limits` mock
    enforces only the time.
    """

    name = "mock"

    def __init__(self, cache: Cache, *, program: str = "mock", **options: Unpack[Options]) -> None:
        super().__init__(cache, **options)
        self._program = program

    def _outcome(self, request: BuildRequest) -> BuildOutcome:
        prepared = prepare(request, self._sources)

        def run(key: str) -> BuildOutcome:
            with scratch_directory(self._cache) as scratch:
                return self._run(prepared, key, scratch)

        outcome = self._cached_or(prepared, request.pool.snapshot.id, run)
        assert not isinstance(outcome, MoreRequirements)  # mock resolves them itself
        return outcome

    def _run(self, prepared: PreparedBuild, key: str, scratch: Path) -> BuildOutcome:
        program = shutil.which(self._program)
        if program is None:
            raise SurroundingsError(
                f"The builder mock is chosen, and there is no command {self._program}.",
                "Install mock (dnf install mock), or choose the builder rpmbuild.",
            )
        request = prepared.request
        scratch.chmod(0o755)  # mock reads it as another user
        prepared.tree.put_into(scratch / "SPECS", scratch / "SOURCES")
        config = scratch / "minimize.cfg"
        config.write_text(
            mock_config(
                name=f"minimize-{request.document.id}-{request.arch}",
                snapshot=request.pool.snapshot,
                packages=base_packages(request.pool, request.document.base_buildroot_override),
                definitions=prepared.definitions,
                environment=build_environment(os.cpu_count() or 1),
            )
        )
        log = scratch / "build.log"
        common = [program, "-r", str(config), "--uniqueext", key[:16]]
        common += [f"--rpmbuild_timeout={int(self._limits.seconds)}"]
        if not request.check:
            common.append("--nocheck")
        source = scratch / "source"
        spec, files = scratch / "SPECS" / prepared.tree.spec_name, scratch / "SOURCES"
        command = [*common, "--resultdir", str(source), "--buildsrpm"]
        command += ["--spec", str(spec), "--sources", str(files)]
        failed = self._mock(command, source, log, key)
        if failed is not None:
            return failed
        result = scratch / "result"
        srpms = sorted(source.glob("*.src.rpm"))
        if not srpms:
            return BuildFailed("failed", "mock made no source package.", self._keep_log(key, log))
        failed = self._mock(
            [*common, "--resultdir", str(result), "--rebuild", str(srpms[0])], result, log, key
        )
        if failed is not None:
            return failed
        return self._collected(request, key, result, log, (_NOTE,))

    def _mock(
        self, command: Sequence[str], result: Path, log: Path, key: str
    ) -> BuildFailed | None:
        """Run mock and append its logs to `log`; None if it succeeded."""
        result.mkdir()
        with log.open("ab") as output:
            # The reserve of the disks stays free; mock's own directories have no quota.
            room = DiskRoom([path for path in (result, _ROOTS) if path.is_dir()], None)
            room.check()
            status = run_within_limits(command, output.fileno(), self._limits.seconds, room)
            for name in ("root.log", "build.log"):
                # Written by processes of the build: plain files only.
                if (result / name).is_file() and not (result / name).is_symlink():
                    with (result / name).open("rb") as part:
                        shutil.copyfileobj(part, output)
                    output.write(b"\n")
        if status == 0:
            return None
        text = log_tail(log)
        cached = self._keep_log(key, log)
        if status == "disk":
            message = "The build was ended: it filled the disk up to the reserve."
            return BuildFailed("limit", message, cached)
        if status in ("time", _TIMED_OUT):
            message = f"The build took longer than {self._limits.seconds:.0f} s."
            return BuildFailed("limit", message, cached)
        tail = "\n".join(text.splitlines()[-_TAIL_LINES:])
        message = f"mock ended with status {status}. Its last lines:\n{tail}"
        if status in _BUILD_FAILED:
            return BuildFailed("failed", message, cached)
        missing = _missing(text) if status == _PACKAGE_MANAGER else ()
        if missing:
            message = f"The buildroot cannot be installed: nothing provides {', '.join(missing)}."
            return BuildFailed("missing-requirement", message, cached, missing)
        return BuildFailed("surroundings", message, cached)

    def _keep_log(self, key: str, log: Path) -> Path:
        return self._cached.failed_log(key, log)


# Options of a section of dnf.conf.
_Options = dict[str, str | int | Path]


def _missing(log: str) -> tuple[str, ...]:
    """Return the build requirements that dnf reports as missing."""
    lines = (line[:_LONGEST_LINE] for line in log.splitlines())
    return tuple(dict.fromkeys(_MISSING.findall("\n".join(lines))))


def run_within_limits(
    command: Sequence[str], output: int, seconds: float, room: DiskRoom
) -> int | Literal["time", "disk"]:
    """Return the exit status of `command`, or the limit that ended it.

    It writes to the descriptor `output`, and sees no environment (secrets) except what mock needs.
    Raises WorkCancelled, after the command has ended, where the work is cancelled.
    """
    environment: Mapping[str, str] = {
        name: os.environ[name] for name in ("HOME", "PATH", "USER", "LOGNAME") if name in os.environ
    }
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**environment, "LANG": "C.UTF-8"},
        start_new_session=True,
    )
    cancellation = current_cancellation()
    deadline = time.monotonic() + seconds
    try:
        while process.poll() is None and time.monotonic() < deadline:
            cancellation.check()
            if room.short() is not None:
                return "disk"
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(min(_LOOK, room.pause()))
        return "time" if process.poll() is None else process.returncode
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End mock with SIGTERM, so that it unmounts and ends its children, or else with SIGKILL."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def mock_config(
    *,
    name: str,
    snapshot: Snapshot,
    packages: Sequence[str],
    definitions: Mapping[str, str],
    environment: Mapping[str, str],
) -> str:
    """Return the text of a `.cfg` file, as mock's documentation (site-defaults.cfg) describes it.

    `packages` are those of every chroot, `definitions` macros without `%`, `environment` variables
    of the build. The repositories are the snapshot's, at the mirrors from which it was read.
    """
    arch = snapshot.arch
    macros = {
        "debug_package": "%{nil}",
        "_buildhost": "minimize",
        "use_source_date_epoch_as_buildtime": "1",
        **definitions,
    }
    options: Mapping[str, object] = {
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
    main: _Options = {
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
        values: _Options = {
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
            values |= _access(source, repository.base_urls[0])
        sections.append(_section(repository.id, values))
    return "\n".join(sections)


def _signature(source: RepoSource | None) -> _Options:
    if source is None or not source.gpgkey:
        return {}
    return {"gpgcheck": 1, "gpgkey": " ".join(source.gpgkey)}


def _access(source: RepoSource, url: str) -> _Options:
    """Return dnf's options for the repository's servers, one of which is at `url`.

    UsageError where they would contain a password: builds see the environment's proxy too.
    """
    access = source.access
    if access.username or access.proxy_username:
        raise UsageError(
            f"mock cannot use the repository `{source.id}`: its password would be in mock's"
            " configuration.",
            "Build with `builder: rpmbuild`.",
        )
    values: _Options = {
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
    elif (proxy := proxy_for(url)) is not None:
        if proxy.headers:
            raise UsageError(
                f"mock cannot use the proxy {proxy.address}: its password would be in mock's"
                " configuration.",
                "Build with `builder: rpmbuild`.",
            )
        values["proxy"] = proxy.address
    if access.sslcacert is None and (authorities := authorities_file()) is not None:
        values["sslcacert"] = authorities
    return values


def _section(name: str, values: _Options) -> str:
    # One line for each value, whatever a document says.
    lines = [f"{key}={' '.join(str(value).split())}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])
