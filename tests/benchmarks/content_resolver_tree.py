"""A tree shaped as content-resolver-input is, with every odd case of the real one, and repositories
of 20,000 packages for four architectures that its workloads can be evaluated on.

    python -m tests.benchmarks.content_resolver_tree DIR
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.demo.distribution.reference import write_metadata
from bot.distro.repomd import createrepo

ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")
PACKAGES = 20_000
WORKLOADS = 441
REVISION = 1_775_000_000
_CORE = 40


@dataclass(frozen=True)
class Tree:
    """`config_dir` is what `--config` or `minimize import content-resolver` takes."""

    root: Path
    config_dir: Path
    repositories: Path


def name(number: int) -> str:
    return f"pkg{number:05d}"


def write_tree(
    root: Path,
    *,
    packages: int = PACKAGES,
    workloads: int = WORKLOADS,
    arches: Sequence[str] = ARCHES,
    bumped: frozenset[int] = frozenset(),
    alternatives: bool = False,
) -> Tree:
    """Documents and repositories below `root`; packages in `bumped` are one release newer.

    With `alternatives` some packages do what the one before does too, smaller, and some need one or
    the other of two, or somebody wrote a requirement of theirs by name.
    """
    tree = Tree(root, root / "configs", root / "repositories")
    for arch in arches:
        write_packages(tree.repositories / arch, arch, packages, bumped, alternatives)
    write_documents(tree.config_dir, tree.repositories.as_uri(), packages, workloads)
    return tree


def write_packages(
    root: Path,
    arch: str,
    count: int,
    bumped: frozenset[int] = frozenset(),
    alternatives: bool = False,
) -> None:
    """A repository in which every package needs some with lower numbers, most of them very low."""

    def packages() -> Iterator[Any]:
        rolls = random.Random(5)
        for number in range(count):
            package = _package(number, arch, rolls, number in bumped)
            yield _with_alternatives(package, number) if alternatives else package

    write_metadata(root, packages, count, REVISION + len(bumped))


def _package(number: int, arch: str, rolls: random.Random, newer: bool) -> Any:
    package = createrepo().Package()
    title = name(number)
    package.name, package.arch = title, arch
    release = "2" if newer else "1"
    package.epoch, package.version, package.release = "0", f"1.{number % 7}", release
    package.summary = package.description = f"Package {number}"
    package.rpm_license, package.url = "MIT", "https://example.org/"
    package.rpm_sourcerpm = f"src{number // 3:05d}-1.{number % 7}-{release}.src.rpm"
    package.pkgId, package.checksum_type = f"{number:063x}{release}", "sha256"
    size = int(rolls.paretovariate(1.1) * 20_000) % 90_000_000
    package.size_package, package.size_installed = size // 3, size + (1000 if newer else 0)
    package.size_archive = size
    package.time_file = package.time_build = REVISION
    package.location_href = f"Packages/{title}-{release}.{arch}.rpm"
    package.rpm_header_start, package.rpm_header_end = 4000, 14_000
    wanted = sorted({int(number * rolls.random() ** 4) for _ in range(rolls.randrange(2, 7))})
    needs: list[tuple[str, str | None, str | None, str | None, str | None, bool]] = []
    for target in wanted if number else ():
        needs += [_bare(f"lib{name(target)}.so.1()(64bit)")]
        needs += [_bare(f"lib{name(target)}.so.1(V_1)(64bit)")]
    if number > _CORE and rolls.random() < 0.3:
        needs.append(_bare("/bin/sh"))
    if number % 50 == 49:
        needs.append(_bare(f"({name(number - 1)} if {name(number - 2)})"))
    package.requires = needs[::-1]
    package.provides = [
        (title, "EQ", "0", package.version, package.release, False),
        _bare(f"lib{title}.so.1()(64bit)"),
        _bare(f"lib{title}.so.1(V_1)(64bit)"),
    ][::-1]
    files = [("", "/usr/bin/", title), ("", f"/usr/share/doc/{title}/", "README")]
    if number == 3:
        files.append(("", "/bin/", "sh"))
    package.files = files[::-1]
    return package


def _with_alternatives(package: Any, number: int) -> Any:
    """createrepo_c's lists are copies, and its setters reverse."""
    if number % 40 == 39:
        other = name(number - 1)
        more = [_bare(f"lib{other}.so.1()(64bit)"), _bare(f"lib{other}.so.1(V_1)(64bit)")]
        package.provides = [*package.provides, *more][::-1]
        if number > 5000 and number % 1000 == 999:
            package.conflicts = [_bare(other)]
    if number > _CORE and number % 7 == 0:
        first, second = name(number // 5), name(number // 3)
        needs = [_bare(f"({first} or {second})"), _bare(name(number // 2))]
        package.requires = [*package.requires, *needs][::-1]
    return package


def _bare(text: str) -> tuple[str, None, None, None, None, bool]:
    return (text, None, None, None, None, False)


# -- documents ----------------------------------------------------------------------------------


def write_documents(directory: Path, base: str, packages: int, workloads: int) -> None:
    """519 documents where `workloads` is 441, and a script that lies among the real ones."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "modules.sh").write_text("#!/bin/sh\necho not a document\n")
    for number in range(3):
        _write(directory, f"repo-{number}", _repository(base, number))
        _write(directory, f"env-{number}", _environment(number))
    rolls = random.Random(7)
    for number in range(workloads):
        _write(directory, f"workload-{number:03d}", _workload(number, rolls, packages))
    for number in range(69):
        _write(directory, f"unwanted-{number:02d}", _unwanted(number))
    for number in range(2):
        _write(directory, f"view-{number}", _view(number))
    _write(directory, "view-addon", _ADDON)


def _write(directory: Path, id_: str, text: str) -> None:
    (directory / f"{id_}.yaml").write_text(text)


def _repository(base: str, number: int) -> str:
    limit = "        limit_arches: [x86_64, aarch64, ppc64le, s390x]\n"
    if number == 1:
        limit = "        limit_arches:\n" + "".join(f"        - {arch}\n" for arch in ARCHES)
    anchor = (
        "        exclude: &excludes\n"
        "        # Comments lie between the items of the real one.\n"
        "        - nothing-like-this-*\n"
        "        # And here.\n"
        "        - neither-this\n"
    )
    return (
        "---\ndocument: feedback-pipeline-repository\nversion: 2\ndata:\n"
        f"  name: Repository {number}\n  description: d\n  maintainer: m\n"
        '  source:\n    releasever: "10"\n    composeinfo: https://example.org/composeinfo.json\n'
        "    architectures: [aarch64, ppc64le, s390x, x86_64]\n    repos:\n"
        f"      Main:\n        baseurl: {base}/$basearch/\n        priority: {1 + number}\n"
        "        koji_api_url: https://koji.example.org/kojihub\n"
        "        koji_files_url: https://koji.example.org\n"
        f"{limit}{anchor if number == 0 else ''}"
    )


def _environment(number: int) -> str:
    listed = "".join(f"  - {name(n)}\n" for n in range(8))
    # All workloads of the measured tree meet the first; the other two have no workload of theirs.
    return (
        "---\ndocument: feedback-pipeline-environment\nversion: 1\ndata:\n"
        f"  name: Environment {number}\n  description: d\n  maintainer: m\n"
        f"  repositories:\n  - repo-{number}\n  packages:\n{listed}"
        f"  labels:\n  - label-{number}\n  groups: []\n  arch_packages:\n    x86_64: []\n"
    )


def _workload(number: int, rolls: random.Random, packages: int) -> str:
    head = (
        "---\ndocument: feedback-pipeline-workload\nversion: 1\ndata:\n"
        f"  name: Workload {number}\n  description: d\n  maintainer: sst_{number % 40}\n"
        "  labels:\n  - label-0\n"
    )
    wanted = [name(rolls.randrange(packages)) for _ in range(rolls.randrange(1, 20))]
    if number < 14:
        body = ""
    elif number < 51:
        body = "  packages: []\n"
    elif number == 51:
        body = "  packages:\n"
    elif number == 52:
        body = f"  packages:\n  - 'lib{name(7)}.so.1()(64bit)'\n"
    else:
        body = "  packages:\n" + "".join(f"  - {one}\n" for one in wanted)
    if number % 441 < 97:
        body += f"  arch_packages:\n    x86_64:\n    - {name(9)}\n    s390x:\n    ppc64le: []\n"
    if 100 <= number < 121:
        body += _placeholder(number)
    if 130 <= number < 134:
        body += "  options:\n  - include-weak-deps\n"
    if number % 10 == 0:
        body += "  groups: []\n"
    return head + body


def _placeholder(number: int) -> str:
    if number == 100:
        return "  package_placeholders: {}\n"
    inner = f"      build_dependencies: [{name(5)}]\n" if number % 4 == 0 else ""
    return (
        "  package_placeholders:\n"
        f"  - srpm_name: future-{number}\n    build_dependencies: [{name(4)}]\n    limit_arches:\n"
        f"    rpms:\n    - rpm_name: future-{number}-libs\n      description: not there yet\n"
        f"      dependencies: [{name(11)}]\n      limit_arches: [x86_64, aarch64]\n{inner}"
    )


def _unwanted(number: int) -> str:
    more = "  unwanted_arch_source_packages:\n    x86_64: [src00001]\n" if number == 0 else ""
    return (
        "---\ndocument: feedback-pipeline-unwanted\nversion: 1\ndata:\n"
        f"  name: Unwanted {number}\n  description: d\n  maintainer: m\n  labels: [label-0]\n"
        f"  unwanted_packages: [{name(number)}]\n  unwanted_source_packages: []\n{more}"
    )


def _view(number: int) -> str:
    return (
        "---\ndocument: feedback-pipeline-compose-view\nversion: 1\ndata:\n"
        f"  name: View {number}\n  description: d\n  maintainer: m\n  labels: [label-{number}]\n"
        f"  repository: repo-{number}\n  buildroot_strategy: root_logs\n"
        "  unwanted_packages: []\n"
    )


_ADDON = (
    "---\ndocument: feedback-pipeline-view-addon\nversion: 1\ndata:\n"
    "  name: Extras\n  description: d\n  maintainer: m\n  labels: [label-1]\n"
    "  base_view_id: view-0\n  repository: repo-0\n  buildroot_strategy: root_logs\n"
)


if __name__ == "__main__":
    made = write_tree(Path(sys.argv[1]).absolute())
    sys.stdout.write(f"{made.config_dir}\n")
