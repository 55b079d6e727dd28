"""Buildroots: the distribution's own packages in a directory, installed once, cached by content.

The host's rpm installs them, in the sandbox: their scriptlets run (some linkers exist only after
one), without a network and without secrets. A cached buildroot is not changed any more; its name is
the content of its packages, so that specs with the same needs share it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from bot import limits
from bot.distro.cache import SweptFiles, limit_wanted, size_on_disk, sweep_paths
from bot.errors import ChangeError, SurroundingsError
from bot.locks import BUILD_LIMIT, free_lock, locked
from bot.model.package import Package
from bot.sandbox.run import require_sandbox, run_sandboxed
from bot.sandbox.values import Bind, Limits

if TYPE_CHECKING:
    from bot.closure.pool import Pool
    from bot.distro.cache import Cache
    from bot.spec.macrofiles import VerifiedFiles

LOG = logging.getLogger(__name__)
# The directories of the cache that contain roots.
RootKind = Literal["buildroots", "rpm-roots"]
ROOT_KINDS: tuple[RootKind, ...] = get_args(RootKind)
# The directory of a build's files in every buildroot.
BUILD_DIRECTORY = "/builddir"
_FORMAT = "3"
_MOST_PROBLEMS = 5
_HALF_MADE = 24 * 3600.0  # seconds
_SHARE_OF_CACHE = 0.5
_GIBIBYTE = 1024**3
_INSTALL = Limits(
    seconds=900.0,
    memory=2 * _GIBIBYTE,
    processes=1024,
    output=limits.INSTALL_LOG,
    file_size=8 * _GIBIBYTE,
    tmp=_GIBIBYTE // 4,
    disk=20 * _GIBIBYTE,
)

# The packages of every buildroot if a document names none: the build groups of Fedora, CentOS and
# Azure Linux. A name that the repositories do not have is left out.
DEFAULT_PACKAGES = (
    "bash",
    "bzip2",
    "coreutils",
    "cpio",
    "diffutils",
    "findutils",
    "gawk",
    "glibc-minimal-langpack",
    "grep",
    "gzip",
    "info",
    "make",
    "patch",
    "redhat-rpm-config",
    "azurelinux-rpm-macros",
    "fedora-release",
    "centos-stream-release",
    "rpm-build",
    "sed",
    "shadow-utils",
    "tar",
    "unzip",
    "util-linux",
    "which",
    "xz",
)

# /checkout and /minimize are for the files of an evaluation (bot.spec.evaluate), which sees the
# root read-only. Signatures were checked with the repository's keys (`VerifiedFiles`), which rpm
# does not have here. A signature is of the header, which has the payload's digest: that is checked
# here. $1 is the list of RPM files, $2 a script that runs inside at the end. The database is
# outside the root at first: only the buildroot's own rpm knows its place. /proc and /dev are mounts
# here, whose owners rpm must not change.
_INSTALL_SCRIPT = """
set -eu
rpm --root /buildroot --dbpath /.database --noplugins \
    --define '_netsharedpath /proc:/dev:/sys' --define '_pkgverify_level digest' \
    --define '_tmppath /tmp' \
    --install --nodeps --nosignature --ignorearch --excludedocs --nocontexts \
    --replacefiles --oldpackage "$1"
chroot /buildroot /bin/sh -eu -c '
database=$(rpm --eval "%{_dbpath}" 2>/dev/null || echo /var/lib/rpm)
mkdir -p "$database" /var/tmp /sys /tmp /builddir /checkout /minimize /etc/rpm
mv /.database/* "$database/"
rm -rf /.database
chmod 1777 /tmp /var/tmp
grep -q ":1000:" /etc/passwd || echo "build:x:1000:1000:build:/builddir:/bin/sh" >> /etc/passwd
grep -q ":1000:" /etc/group || echo "build:x:1000:" >> /etc/group
[ -e /etc/hosts ] || echo "127.0.0.1 localhost" > /etc/hosts
ldconfig 2>/dev/null || :
'
chroot /buildroot /bin/sh -eu -c "$2"
"""


class MissingRequirementError(ChangeError):
    """A buildroot cannot be solved; `missing` are the requests that no package provides."""

    def __init__(self, what: str, missing: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.missing = missing


class InstallError(SurroundingsError):
    """The host's rpm refuses packages, or a scriptlet fails: another try would fail too."""


def solve_buildroot(pool: Pool, names: Sequence[str]) -> tuple[Package, ...]:
    """Return the packages of a buildroot with `names` (packages, capabilities).

    They are solved on `pool`'s snapshot, without weak dependencies. Raises MissingRequirementError.
    """
    closure = pool.solve_names(tuple(dict.fromkeys(names)), weak=False)
    packages: tuple[Package, ...] = closure.packages
    if closure.status == "ok":
        return packages
    if closure.missing:
        what = f"nothing provides {', '.join(closure.missing)}"
    else:
        surplus = len(closure.problems) - _MOST_PROBLEMS
        what = "; ".join(closure.problems[:_MOST_PROBLEMS])
        if surplus > 0:
            what += f"; and {surplus} more"
    raise MissingRequirementError(what, closure.missing)


def base_packages(pool: Pool, names: Sequence[str]) -> tuple[str, ...]:
    """Return the packages of a repository document's buildroots: `names`, or the default ones."""
    return tuple(names) or tuple(name for name in DEFAULT_PACKAGES if pool.provides(name))


def buildroot_key(packages: Iterable[Package]) -> str:
    """Return the name of a buildroot: a SHA-256 of the packages' checksums and our format."""
    lines = sorted(
        f"{package.location.checksum_type}:{package.location.checksum}"
        for package in packages
        if package.location is not None
    )
    return hashlib.sha256("\n".join([_FORMAT, *lines]).encode()).hexdigest()


def root_key(packages: Sequence[Package], files: VerifiedFiles) -> str:
    """Return the key of a cached root: of its packages and the keys that must have signed them."""
    key = buildroot_key(packages)
    trusted = sorted({url for package in packages for url in files.trust(package)})
    return hashlib.sha256("\n".join([key, *trusted]).encode()).hexdigest() if trusted else key


class Buildroots:
    """The cached buildroots: at most `most`, on at most half of the cache's limit.

    The least recently used are removed first. `files` returns packages' verified RPM files; roots
    made of files with other signing keys, or none, are different roots. `kind` is the directory of
    the cache: roots of one kind do not displace those of another. `finish` is a shell script that
    runs as root inside each new root.
    """

    def __init__(
        self,
        cache: Cache,
        files: VerifiedFiles,
        *,
        most: int = 6,
        kind: RootKind = "buildroots",
        finish: str = ":",
    ) -> None:
        self._cache = cache
        self._files = files
        self._most = most
        self._kind = kind
        self._finish = finish

    @contextmanager
    def hold(self, packages: Sequence[Package]) -> Iterator[Path]:
        """Open the buildroot of `packages`, making it if missing; it is not removed while open.

        Raises SurroundingsError where packages cannot be fetched or installed.
        """
        key = root_key(packages, self._files)
        directory = self._cache.directory(self._kind) / key
        while True:
            with locked(self._lock(key), shared=True, seconds=BUILD_LIMIT):
                if directory.is_dir():
                    os.utime(directory)
                    yield directory / "root"
                    return
            with locked(self._lock(key), seconds=BUILD_LIMIT):
                if not directory.is_dir():
                    self._make(packages, directory)
            self._remove_oldest(directory)

    def _lock(self, key: str) -> Path:
        return self._cache.lock_file(f"{self._kind}-{key[:40]}")

    def _make(self, packages: Sequence[Package], directory: Path) -> None:
        started = time.monotonic()
        LOG.debug("Fetching %d packages of a buildroot", len(packages))
        files = self._fetch_all(packages)
        LOG.debug("Installing %d packages into a buildroot", len(packages))
        draft = directory.with_name(f".making-{directory.name}")
        remove_tree(draft)
        root, rpms = draft / "root", draft / "rpms"
        for path in (root / "dev", root / "proc", rpms):
            path.mkdir(parents=True)
        paths = []
        for number, file in enumerate(files):
            name = f"{number:04}.rpm"
            _link(file, rpms / name)
            paths.append(f"/rpms/{name}")
        (rpms / "list").write_text("\n".join(paths) + "\n")
        try:
            self._install(root, rpms, len(files))
            shutil.rmtree(rpms)
            seconds = time.monotonic() - started
            (draft / "made").write_text(f"{len(files)} packages in {seconds:.1f} s\n")
            draft.rename(directory)
        finally:
            remove_tree(draft)

    def _fetch_all(self, packages: Sequence[Package]) -> list[Path]:
        """Return the files of `packages`; the first failure ends all downloads."""
        with ThreadPoolExecutor(8) as threads:
            futures = [threads.submit(self._files.fetch, package) for package in packages]
            try:
                return [future.result() for future in futures]
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def _install(self, root: Path, rpms: Path, count: int) -> None:
        require_sandbox("root")
        finished = run_sandboxed(
            ["/bin/sh", "-c", _INSTALL_SCRIPT, "install", "/rpms/list", self._finish],
            binds=[Bind(root, "/buildroot", writable=True), Bind(rpms, "/rpms")],
            limits=_INSTALL,
            user="root",
            chroots=["/buildroot"],
        )
        if finished.returncode != 0 or finished.limit is not None:
            output = (finished.stderr or finished.stdout).decode("utf-8", "replace").strip()
            reason = (
                f"limit of {finished.limit}"
                if finished.limit
                else "\n".join(output.splitlines()[-10:])
            )
            error_class = SurroundingsError if finished.limit else InstallError
            raise error_class(f"A buildroot of {count} packages cannot be installed: {reason}")

    def _remove_oldest(self, keep: Path) -> None:
        """Remove roots beyond `most` or the size limit, except those in use.

        Incomplete ones of killed processes are removed after a day.
        """
        roots = []
        for path in keep.parent.iterdir():
            with suppress(OSError):
                used = path.stat().st_mtime
                if not path.name.startswith("."):
                    roots += [(used, path)] if path != keep else []
                elif used < time.time() - _HALF_MADE:
                    remove_tree(path)
        excess = len(roots) + 1 - self._most
        sizes = {path: size_on_disk(path) for path in (keep, *(path for _, path in roots))}
        for _, path in sorted(roots):
            if excess <= 0 and sum(sizes.values()) <= limit_wanted() * _SHARE_OF_CACHE:
                return
            with free_lock(self._lock(path.name)) as is_free:
                if is_free:
                    remove_tree(path)
                    excess -= 1
                    del sizes[path]


def sweep_roots(cache: Cache, before: float, most: int, now: float) -> SweptFiles:
    """Remove roots of all kinds not used since `before`, then the least recently used.

    At most `most` bytes, or the roots' share of the cache's limit, are left. Roots in use stay.
    Times are seconds since 1970.
    """
    locks = {
        path: cache.lock_file(f"{kind}-{path.name[:40]}")
        for kind in ROOT_KINDS
        for path in (cache.root / kind).glob("[!.]*")
    }

    def remove(path: Path) -> bool:
        with free_lock(locks[path]) as is_free:
            if is_free:
                remove_tree(path)
        return is_free

    most = min(most, int(limit_wanted() * _SHARE_OF_CACHE))
    return sweep_paths(locks, before, most, now, remove)


def remove_tree(path: Path) -> None:
    """Remove a directory that sandboxed code may have written, whatever its modes.

    If this process is not root, files of the sandbox's own user ids are removed from inside a
    sandbox.
    """
    if not path.exists():
        return
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        script = "chmod -R u+rwX /gone; rm -rf /gone/* /gone/.[!.]*"
        binds = [Bind(path, "/gone", writable=True)]
        run_sandboxed(
            ["/bin/sh", "-c", script], binds=binds, user="root", limits=Limits(seconds=300.0)
        )
        shutil.rmtree(path, ignore_errors=True)


def _link(file: Path, target: Path) -> None:
    # A link needs no space; across file systems, or where links to others' files are refused, copy.
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
