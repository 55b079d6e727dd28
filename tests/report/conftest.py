"""Results as of the demo and of real changes, small enough to read."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from bot.model.architecture import DEFAULT_ARCHITECTURES as ARCHITECTURES
from bot.model.closure import Edge, GeneratedRequirement, RepositoryState, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.model.result import (
    Added,
    ChangedPackage,
    CheckResult,
    ImageResult,
    ObjectiveResult,
    Side,
    Without,
)
from bot.model.spec import BuildNote, RefusedLine, SpecLine
from bot.model.suggestion import Saving, Suggestion

SPEC = SpecLine("nginx.spec", 31, "Requires:       perl")
BASE, HEAD = "1f" * 20, "e2" * 20
SNAPSHOT = SnapshotState(
    "sha256:0f3c",
    (
        RepositoryState("baseos", "9-stream", "2024-05-06T04:00:00Z"),
        RepositoryState("appstream", "9-stream", "1715040000"),
    ),
)


def nevra(name: str, arch: str, version: str = "1.0", epoch: int = 0) -> Nevra:
    return Nevra(name, epoch, version, "2", arch)


def package(name: str, arch: str, size: int | None, version: str = "1.0") -> Package:
    return Package(nevra(name, arch, version), name, "appstream", installed_size=size)


def side(packages: int, size: int, known: bool = True) -> Side:
    return Side(
        "ok", (), packages=packages, installed_size=size if known else None, known_size=size
    )


def edge(source: str, capability: str, target: str, arch: str) -> Edge:
    return Edge(nevra(source, arch), capability, nevra(target, arch), "requires")


def perl(arch: str) -> tuple[Added, ...]:
    """Return the five packages that `Requires: perl` adds."""
    first = edge("nginx", "perl", "perl-interpreter", arch)
    sizes = {"x86_64": 0, "aarch64": -310_000, "ppc64le": 420_000, "s390x": -120_000}
    chains = {
        "perl-interpreter": (first,),
        "perl-libs": (
            first,
            edge("perl-interpreter", "libperl.so.5.36()(64bit)", "perl-libs", arch),
        ),
        "perl-modules": (first, edge("perl-interpreter", "perl(strict)", "perl-modules", arch)),
        "gdbm-libs": (first, edge("perl-interpreter", "libgdbm.so.6()(64bit)", "gdbm-libs", arch)),
        "libdb": (first, edge("perl-interpreter", "libdb-5.3.so()(64bit)", "libdb", arch)),
    }
    bytes_ = {
        "perl-interpreter": 240_000,
        "perl-libs": 9_420_000 + sizes.get(arch, 0),
        "perl-modules": 19_312_000,
        "gdbm-libs": 130_000,
        "libdb": 1_900_000,
    }
    return tuple(
        Added(package(name, arch, bytes_[name]), False, (chain,), SPEC, (SPEC,))
        for name, chain in chains.items()
    )


DEVEL = SpecLine("nginx.spec", 14, "BuildRequires:  libxslt-devel")


def xslt(arch: str, line: SpecLine | None = DEVEL) -> tuple[Added, ...]:
    """Return two libraries that only the build finds, caused by a line of `BuildRequires`."""
    requirement = GeneratedRequirement("nginx", "libxslt.so.1()(64bit)", ("/usr/sbin/nginx",), line)
    first = edge("nginx", "libxslt.so.1()(64bit)", "libxslt", arch)
    second = edge("libxslt", "libxml2.so.2(LIBXML2_2.4.30)(64bit)", "libxml2", arch)
    return (
        Added(package("libxslt", arch, 570_000), False, ((first,),), generated=requirement),
        Added(
            package("libxml2", arch, 2_010_000), False, ((first, second),), generated=requirement
        ),
    )


def key(arch: str, workload: str = "nginx", environment: str = "minimal") -> ImageKey:
    return ImageKey(workload, environment, "centos-stream-9", arch)


def image(
    arch: str, added: tuple[Added, ...], evidence: str = "predicted", **others: object
) -> ImageResult:
    base = 57_000_000 + 900_000 * ARCHITECTURES.index(arch)
    grown = sum(a.package.installed_size or 0 for a in added)
    known = all(a.package.installed_size is not None for a in added)
    values = {
        "key": key(arch),
        "snapshot": SNAPSHOT,
        "changed": True,
        "evidence": evidence,
        "base": side(85, base),
        "head": side(85 + len(added), base + grown, known),
        "added": tuple(sorted(added, key=lambda a: a.package.nevra)),
        "changed_packages": (
            ChangedPackage(
                "nginx", arch, nevra("nginx", arch, "1.26"), nevra("nginx", arch, "1.26"), 4096
            ),
        ),
    }
    return ImageResult(**{**values, **others})  # type: ignore[arg-type]


def grown(added: tuple[Added, ...]) -> int:
    return sum(package.package.installed_size or 0 for package in added)


def result(*images: ImageResult, **others: object) -> CheckResult:
    values = {
        "base": BASE,
        "head": HEAD,
        "merge_base": BASE,
        "specs": ("nginx.spec",),
        "verdict": "success",
        "images": tuple(sorted(images, key=lambda i: i.key)),
    }
    return CheckResult(**{**values, **others})  # type: ignore[arg-type]


def broken_objective(
    name: str, metric: str, before: int, value: int, limit: int, **others: str
) -> ObjectiveResult:
    """Return an objective that a change breaks or makes worse."""
    sides = {"before": before, "value": value}
    return ObjectiveResult(
        name=name, metric=metric, limit=limit, met=False, worse=True, **sides, **others
    )


def predicted() -> CheckResult:
    """Return the result of the demo's first comment: a line that requires perl."""
    return result(*(image(arch, perl(arch)) for arch in ARCHITECTURES), stage="predicted")


def rebuilt() -> CheckResult:
    """Return the result of the demo's second comment: the build found a library; an objective
    breaks."""
    images = []
    for arch in ARCHITECTURES:
        image_result = image(
            arch, perl(arch) + xslt(arch), "rebuilt" if arch == "x86_64" else "transferred"
        )
        size = image_result.head.installed_size
        assert size is not None
        images.append(
            replace(
                image_result,
                without=(
                    Without((SPEC,), (), 87, size - grown(perl(arch))),
                    Without((), ("libxslt.so.1()(64bit)",), 90, size - grown(xslt(arch))),
                    Without(
                        (SPEC,), ("libxslt.so.1()(64bit)",), 85, image_result.base.installed_size
                    ),
                ),
                objectives=(
                    broken_objective(
                        "nginx stays small",
                        "installed_size",
                        image_result.base.installed_size,
                        size,
                        60_000_000,
                    ),
                    ObjectiveResult(
                        name="nginx stays small",
                        metric="packages",
                        before=85,
                        value=92,
                        limit=100,
                        met=True,
                    ),
                    broken_objective(
                        "nginx stays small",
                        "unwanted:perl-interpreter",
                        0,
                        1,
                        0,
                        reason="30 MB for one script",
                    ),
                ),
            )
        )
    return result(
        *images,
        verdict="failure",
        suggestions=(
            Suggestion(
                SPEC,
                "Recommends:     perl",
                tuple(Saving(key(arch), 5, 31_002_000) for arch in sorted(ARCHITECTURES)),
            ),
        ),
        builds=(
            BuildNote("base", "nginx.spec", "x86_64", "cached", log="https://bot/logs/1"),
            BuildNote("head", "nginx.spec", "x86_64", "built", log="/var/log/2", seconds=41.2),
        ),
    )


def one_differs() -> CheckResult:
    """Return a result in which two packages fewer are added on s390x."""
    images = [image(arch, perl(arch)) for arch in ARCHITECTURES[:3]]
    return result(*images, image("s390x", perl("s390x")[:3]))


def unsolvable() -> CheckResult:
    """Return a result whose head cannot be installed on s390x."""
    problem = "nothing provides libfoo.so.2()(64bit) needed by nginx-1:1.26-2.s390x"
    return result(
        *(image(arch, (), changed=False, changed_packages=()) for arch in ARCHITECTURES[:3]),
        image("s390x", (), head=Side("unsolvable", (problem,)), changed_packages=()),
        verdict="failure",
    )


def shrinks() -> CheckResult:
    """Return a result in which packages are only removed."""
    images = [
        image(
            arch,
            (),
            base=side(90, 91_000_000),
            head=side(85, 79_000_000),
            removed=tuple(package(f"perl-{n}", arch, 2_400_000) for n in range(5)),
        )
        for arch in ARCHITECTURES
    ]
    return result(*images)


def many_images(count: int = 25) -> CheckResult:
    """Return the result of a change of a library that is in many images."""
    images = [
        replace(image(arch, xslt(arch)[:1]), key=key(arch, f"workload{n:02}"))
        for n in range(count)
        for arch in ARCHITECTURES
    ]
    others = [
        replace(image(arch, (), changed=False), key=key(arch, "curl")) for arch in ARCHITECTURES
    ]
    return result(*images, *others)


def many_packages(count: int = 300) -> CheckResult:
    """Return a result in which one line adds three hundred packages by a long chain."""
    images = []
    for arch in ARCHITECTURES:
        chain = [edge("nginx", "texlive", "texlive-0", arch)]
        added = []
        for n in range(count):
            if n:
                chain = [*chain[-3:], edge(f"texlive-{n - 1}", f"tex({n})", f"texlive-{n}", arch)]
            texlive = package(f"texlive-{n}", arch, 100_000 + n)
            added.append(Added(texlive, False, (tuple(chain),), SPEC, (SPEC,)))
        images.append(image(arch, tuple(added)))
    return result(*images)


def not_evaluated() -> CheckResult:
    problem = "The sandbox does not work here: user namespaces are off (sysctl kernel.x = 0)."
    return result(verdict="neutral", problems=(problem,))


def bad_spec() -> CheckResult:
    problem = "nginx.spec line 12: Unknown tag: Requirs: perl (x86_64, aarch64)."
    refused = RefusedLine("nginx.spec", 12, "line 12: Unknown tag: Requirs: perl")
    return result(verdict="failure", problems=(problem,), refused=(refused,))


SAMPLES = {
    "predicted": predicted,
    "rebuilt": rebuilt,
    "one_differs": one_differs,
    "unsolvable": unsolvable,
    "shrinks": shrinks,
    "many_images": many_images,
    "many_packages": many_packages,
    "not_evaluated": not_evaluated,
    "bad_spec": bad_spec,
}


@pytest.fixture(scope="session")
def samples() -> SimpleNamespace:
    """The functions above by name; most return a CheckResult."""
    return SimpleNamespace(
        **SAMPLES, all=SAMPLES, result=result, image=image, package=package, edge=edge,
        key=key, nevra=nevra, side=side, perl=perl, xslt=xslt, SPEC=SPEC,
    )  # fmt: skip
