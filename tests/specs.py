"""The texts of small spec files, and a pool of what they build."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from bot.closure.pool import Pool, open_pool
from bot.demo.distribution.reference import write_repository
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.snapshot import open_snapshot

# The sections that rpmbuild wants before it installs anything.
EMPTY_SECTIONS = "%description\nd\n%prep\n%build\n"


def tags(name: str, *lines: str, version: str = "1") -> str:
    """The tags that every package must have, in five lines, and `lines`."""
    must = (f"Name: {name}", f"Version: {version}", "Release: 1", f"Summary: {name}")
    return "".join(f"{line}\n" for line in (*must, "License: MIT", *lines))


def program(name: str, *lines: str, file: str = "", size: int = 9) -> str:
    """A spec file of one package with one file of `size` bytes, /usr/bin/NAME unless `file`."""
    path = Path(file or f"/usr/bin/{name}")
    installed = f"mkdir -p %{{buildroot}}{path.parent}; head -c {size} /dev/zero"
    return (
        f"{tags(name, *lines)}{EMPTY_SECTIONS}"
        f"%install\n{installed} > %{{buildroot}}{path}\n%files\n{path}\n"
    )


def shell() -> str:
    """The spec file of a package that scripts need."""
    return program("shell", "Provides: /bin/sh", file="/usr/bin/sh")


def build(spec: str, arch: str, work: Path, output: Path) -> None:
    """Build a spec file in `work`; the packages go to `output`."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / "it.spec"
    path.write_text(spec)
    (work / "data.txt").write_text("data\n")
    done = subprocess.run(
        [
            "rpmbuild", "-bb", "--quiet", "--target", arch, "--nodeps",
            "--define", f"_topdir {work}", "--define", f"_sourcedir {work}",
            "--define", f"_rpmdir {output}", "--define", "debug_package %{nil}", str(path),
        ],
        check=False,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def build_repository(root: Path, arch: str, specs: Mapping[str, str]) -> Path:
    """A repository of what the spec files build for an architecture, in its folder of `root`."""
    path = root / arch
    for name, spec in specs.items():
        build(spec, arch, root / "work" / arch / name, path)
    write_repository(path, sorted(path.rglob("*.rpm")), revision=1)
    return path


def built_pool(root: Path, specs: Mapping[str, str]) -> Pool:
    """A pool of the packages that the spec files build for x86_64; its cache is `root`/cache."""
    base = build_repository(root / "repository", "x86_64", specs).as_uri()
    source = RepoSource("base", "base", (f"{base}/",))
    document = RepositoryDocument("d", "D", "", "", "9", ("x86_64",), (source,))
    cache = Cache(root / "cache")
    return open_pool(open_snapshot(document, "x86_64", cache), cache)
