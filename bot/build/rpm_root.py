"""The distribution's own rpm for the evaluation of spec files, in a root made from its packages.

A spec file is written for the rpm of its distribution. If this host's rpm has another minor
version, either may refuse what the other accepts. Then the distribution's own rpm always evaluates,
and not only after a refusal: of 100 specs of Fedora Rawhide (seed 9), each rpm with its own macros,
4.16 refuses 20 that 4.20 accepts (18 have `%bcond`, two `%autosetup -C`), 4.18 four of 200
(`%autosetup -C`), and 6.1 none. With the same minor version the host's rpm is used.

An evaluation takes as long in the root as on the host (those 200 specs: 0.43 s each, both). Making
the root takes time once for each set of packages: with CentOS Stream 9 (rpm 4.16) 98 packages, 48
MB to fetch, 143 MB installed; with the reference distribution 95 packages, 77 MB, 9 s on two busy
cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bot.build.buildroot import (
    Buildroots,
    InstallError,
    MissingRequirementError,
    RootKind,
    root_key,
    solve_buildroot,
)
from bot.distro.keys import key_urls
from bot.errors import SurroundingsError
from bot.model.package import Package
from bot.sandbox.emulation import native_architecture
from bot.sandbox.run import require_sandbox
from bot.spec.macrofiles import VerifiedFiles
from bot.spec.rpm_version import DistributionRpm, RpmVersion, host_rpm, published_rpm

if TYPE_CHECKING:
    from bot.closure.pool import Pool
    from bot.distro.cache import Cache
    from bot.distro.documents import RepositoryDocument

_KIND: RootKind = "rpm-roots"
_MOST_ROOTS = 8
# The names of rpm's Python module in distributions; the capability is the generator's.
_PYTHON_MODULE = ("python3-rpm", "python3dist(rpm)")
# Programs that spec files call during evaluation (`%(date +%%Y | cut -c1-2)`), where available: of
# 23,184 specs of Fedora some 900 call one of these, 160 pkg-config, 30 perl, no other ten.
_TOOLS = (
    "/bin/sh",
    "/usr/bin/sh",
    "bash",
    "coreutils",
    "diffutils",
    "findutils",
    "gawk",
    "grep",
    "sed",
    "tar",
    "/usr/bin/pkg-config",
)
# The file that says which Python of a root has its rpm module and can run bot/spec/inside.
# Enterprise Linux 8 has its own outside the path. It is found as root, once, which also compiles
# Python's modules: a third of an evaluation's time.
_PYTHON = "minimize/python"
_FIND_PYTHON = """
for python in /usr/bin/python3 /usr/libexec/platform-python /usr/bin/python3.*; do
  if "$python" -I -c '
import json, pathlib, sys, typing, rpm
sys.exit(sys.version_info < (3, 6) or not rpm.spec)
' 2>/dev/null; then
    echo "$python" > /minimize/python
    break
  fi
done
"""


class _UnusableError(SurroundingsError):
    """rpm does not work in the root that was made."""


@contextmanager
def distribution_rpm(
    document: RepositoryDocument,
    loaded: Mapping[str, Pool],
    open_pool: Callable[[str], Pool],
    cache: Cache,
) -> Iterator[DistributionRpm]:
    """Open the rpm to evaluate a document's spec files with; its root exists while this is open.

    `loaded` are its pools by architecture; `open_pool` opens the one of this machine's architecture
    if needed. No root is made where the host's rpm has the same version, or the repositories have
    no package `rpm`. Where a root is needed and cannot be made, `problem` says why.
    """
    version = published_rpm(next(iter(loaded.values())))
    host = host_rpm()
    if version is None or host is None or version == host:
        yield DistributionRpm(version)
        return
    with ExitStack() as stack:
        try:
            require_sandbox()
            native = _native(document)
            pool = loaded[native] if native in loaded else open_pool(native)
            files = VerifiedFiles(cache, key_urls(document, native))
            roots = _Roots(cache, files, host)
            root = stack.enter_context(roots.hold(_packages(pool)))
            rpm = DistributionRpm(version, root, _python(root))
        except (SurroundingsError, MissingRequirementError) as error:
            rpm = DistributionRpm(version, problem=error.what.rstrip("."))
        yield rpm


class _Roots:
    """Cached roots, and those that the host's rpm could not install: they are not tried again."""

    def __init__(self, cache: Cache, files: VerifiedFiles, host: RpmVersion) -> None:
        self._cache = cache
        self._files = files
        self._host = host
        self._roots = Buildroots(cache, files, most=_MOST_ROOTS, kind=_KIND, finish=_FIND_PYTHON)

    @contextmanager
    def hold(self, packages: Sequence[Package]) -> Iterator[Path]:
        """Open the root of `packages`; it is not removed while open. Raises SurroundingsError."""
        key = f"{root_key(packages, self._files)}-{self._host}"
        refusal = self._cache.addressed("rpm-roots-refused", key)
        if refusal.exists():
            raise InstallError(refusal.read_text())
        with ExitStack() as stack:
            try:
                root = stack.enter_context(self._roots.hold(packages))
            except InstallError as error:
                self._cache.write(refusal, error.what.encode())
                raise
            yield root


def _native(document: RepositoryDocument) -> str:
    native = native_architecture()
    if native not in document.architectures:
        raise SurroundingsError(f"this host is {native}, and {document.id} is not for {native}")
    return native


def _packages(pool: Pool) -> tuple[Package, ...]:
    module = next((name for name in _PYTHON_MODULE if pool.provides(name)), _PYTHON_MODULE[0])
    tools = [name for name in _TOOLS if pool.provides(name)]
    try:
        return solve_buildroot(pool, ("rpm", module, *tools))
    except MissingRequirementError:
        # A tool may conflict with a dependency of rpm (coreutils-single): then without tools.
        return solve_buildroot(pool, ("rpm", module))


def _python(root: Path) -> str:
    try:
        return (root / _PYTHON).read_text().strip()
    except FileNotFoundError:
        raise _UnusableError("no Python from 3.6 on in its packages has the module rpm") from None
