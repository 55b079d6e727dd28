"""Situations of a pull request, as results: what the gallery shows and its test measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from bot.model.advice import Evidence
from bot.model.architecture import DEFAULT_ARCHITECTURES as ARCHITECTURES
from bot.model.closure import (
    Broken,
    Edge,
    GeneratedRequirement,
    RepositoryState,
    SnapshotState,
    UnsolvableCause,
)
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.model.result import (
    Acceptance,
    Added,
    ChangedPackage,
    CheckResult,
    ConfigurationChange,
    FieldChange,
    FileChange,
    ImageResult,
    LayerSize,
    ObjectiveResult,
    Side,
    Without,
)
from bot.model.spec import BuildNote, SpecLine
from bot.model.suggestion import DiffLine, Saving, Suggestion
from bot.model.surface import Surface

BASE, HEAD = "20622be1e6e6b22733a2d7cc942e0febb5c58767", "c4267a74fb756297d9e49fc83d9868d376de48e5"
SNAPSHOT = SnapshotState("sha256:0f3c", (RepositoryState("baseos", "9", "2026-11-27T04:00:00Z"),))
# Figures differ a little between architectures.
SCALE = {"x86_64": 1.0, "aarch64": 1.02, "ppc64le": 1.08, "s390x": 1.01}
MB = 1_000_000

REQUIRES = SpecLine("nginx.spec", 19, "Requires:       perl")
DEVEL = SpecLine("nginx.spec", 14, "BuildRequires:  libxslt-devel")
PERL = {"perl": 0.6, "perl-libs": 29.1, "perl-modules": 17.4, "perl-base": 7.4, "libdb": 1.9}
XSLT = {"libxslt": 0.5, "libxml2": 1.8, "libicu": 37.0, "libstdc++": 2.3, "libgcrypt": 1.6}


def nevra(name: str, arch: str, version: str = "1.0") -> Nevra:
    return Nevra(name, 0, version, "2", arch)


def package(name: str, arch: str, mb: float | None) -> Package:
    size = None if mb is None else round(mb * SCALE[arch] * MB)
    return Package(nevra(name, arch), name, "baseos", installed_size=size)


def brought(
    arch: str,
    packages: dict[str, float],
    by: str,
    spec: SpecLine | None,
    generated: GeneratedRequirement | None = None,
) -> tuple[Added, ...]:
    """Packages that one requirement of `by` brings, the first of them directly."""
    first, *_ = packages
    capability = generated.capability if generated else first
    entry = Edge(nevra(by, arch), capability, nevra(first, arch), "requires")
    named_packages = []
    for name, mb in packages.items():
        chain = (entry,)
        if name != first:
            needs = f"{name}.so.1()(64bit)" if name.startswith("lib") else name
            chain = (entry, Edge(nevra(first, arch), needs, nevra(name, arch), "requires"))
        lines = (spec,) if spec is not None else ()
        named_packages.append(
            Added(package(name, arch, mb), False, (chain,), spec, lines, generated=generated)
        )
    return tuple(named_packages)


def key(arch: str, workload: str = "nginx") -> ImageKey:
    return ImageKey(workload, "minimal", "centos-stream-9", arch)


def side(packages: int, size: int, *, layer: int = 0, surface: Surface | None = None) -> Side:
    weight = LayerSize(size, layer, layer) if layer else None
    return Side(
        "ok", packages=packages, installed_size=size, known_size=size, layer=weight, surface=surface
    )


def image(
    arch: str, added: Sequence[Added] = (), base_mb: float = 43.9, **others: Any
) -> ImageResult:
    """An image that grows by what is added, measured without each line and finding."""
    base = round(base_mb * SCALE[arch] * MB)
    head = base + sum(a.package.installed_size or 0 for a in added)
    values: dict[str, Any] = {
        "key": key(arch),
        "snapshot": SNAPSHOT,
        "changed": True,
        "evidence": "rebuilt" if arch == "x86_64" else "transferred",
        "base": side(20, base, layer=base // 4),
        "head": side(20 + len(added), head, layer=head // 3),
        "added": tuple(added),
        "without": without(added, head),
    }
    return ImageResult(**{**values, **others})


def without(added: Sequence[Added], head: int) -> tuple[Without, ...]:
    groups: dict[object, list[Added]] = {}
    for package in added:
        groups.setdefault(
            (package.leaves_with, package.generated and package.generated.group), []
        ).append(package)
    causes = []
    for members in groups.values():
        first = members[0]
        size = head - sum(a.package.installed_size or 0 for a in members)
        capabilities = (first.generated.capability,) if first.generated else ()
        if first.leaves_with or capabilities:
            causes.append(Without(first.leaves_with, capabilities, 20, size))
    if len(causes) > 1:
        size = head - sum(a.package.installed_size or 0 for a in added)
        lines = tuple(line for cause in causes for line in cause.lines)
        causes.append(
            Without(lines, tuple(c for cause in causes for c in cause.generated), 20, size)
        )
    return tuple(causes)


def objective(image_: ImageResult, limit_mb: float, name: str = "nginx stays small") -> ImageResult:
    before, value = image_.base.installed_size, image_.head.installed_size
    limit = round(limit_mb * MB)
    assert before is not None and value is not None
    held = ObjectiveResult(
        name=name, metric="installed_size", before=before, value=value, limit=limit,
        met=value <= limit, worse=value > limit and value > before,
    )  # fmt: skip
    return replace(image_, objectives=(*image_.objectives, held))


def result(*images: ImageResult, **others: Any) -> CheckResult:
    values: dict[str, Any] = {
        "base": BASE,
        "head": HEAD,
        "merge_base": BASE,
        "specs": ("nginx.spec",),
        "sources": {"nginx": "1.26-2"},
        "verdict": "success",
        "images": images,
    }
    return CheckResult(**{**values, **others})


def perl(arch: str) -> tuple[Added, ...]:
    return brought(arch, PERL, "nginx", REQUIRES)


def xslt(arch: str) -> tuple[Added, ...]:
    requirement = GeneratedRequirement(
        "nginx", "libxslt.so.1()(64bit)", ("/usr/sbin/nginx",), DEVEL
    )
    return brought(arch, XSLT, "nginx", None, requirement)


def weaker(images: Sequence[ImageResult]) -> Suggestion:
    saves = tuple(Saving(i.key, 5, round(56.4 * MB)) for i in images)
    return Suggestion(REQUIRES, "Recommends: perl", saves, ("weaken:nginx:perl",))


def one_image() -> CheckResult:
    images = [objective(image(arch, perl(arch) + xslt(arch)), 70) for arch in ARCHITECTURES]
    notes = tuple(
        BuildNote(s, "nginx.spec", "x86_64", "built", seconds=41.0) for s in ("base", "head")
    )
    files = (FileChange("libicu", "/usr/lib64/libicudata.so.72", None, 31_300_000),)
    shells = tuple(
        replace(
            i,
            base=replace(i.base, surface=Surface(interpreters=("sh",))),
            head=replace(i.head, surface=Surface(interpreters=("perl", "sh"))),
            files=files,
        )
        for i in images
    )
    return result(
        *shells, verdict="failure", only_limits=True, suggestions=(weaker(images),), builds=notes
    )


def predicted() -> CheckResult:
    images = [image(arch, perl(arch), evidence="predicted") for arch in ARCHITECTURES]
    images = [
        replace(i, base=replace(i.base, layer=None), head=replace(i.head, layer=None))
        for i in images
    ]
    return result(*images, stage="predicted", suggestions=(weaker(images),))


def suggests_on_the_line() -> CheckResult:
    """The files of what leaves were looked for in what stays, and the image's test ran."""
    images = [image(arch, perl(arch)) for arch in ARCHITECTURES]
    without_trace = Evidence(use=(), integrity=True, runs=True, looked_into="files")
    offer = replace(weaker(images), evidence=without_trace, diff_line=DiffLine("nginx.spec", None))
    return result(*images, suggestions=(offer,))


def grows_within_limit() -> CheckResult:
    images = [
        objective(
            image(
                a,
                brought(a, {"libzstd": 0.8}, "nginx", replace(REQUIRES, text="Requires: libzstd")),
            ),
            70,
        )
        for a in ARCHITECTURES
    ]
    return result(*images)


OPENSSL = SpecLine("openssl.spec", 31, "Requires: crypto-policies-scripts")
# What a line brings to images that have more or less of it already.
SCRIPTS = {"crypto-policies-scripts": 0.3, "python3": 0.1, "python3-libs": 32.2, "libffi": 0.1}
# fmt: off
WORKLOADS = (
    "389-ds", "bind", "caddy", "chrony", "curl", "dhcp", "dovecot", "git", "go-toolset",
    "haproxy", "httpd", "java", "keycloak", "mariadb", "memcached", "minio", "mysql", "nginx",
    "node", "openldap", "openssh", "perl", "php", "podman", "postfix", "postgresql", "python",
    "redis", "ruby", "rsyslog", "samba", "squid", "tomcat", "varnish",
)
# fmt: on


def library() -> CheckResult:
    """A library in 34 images on four architectures; two are beyond their limit then."""
    images = []
    for number, workload in enumerate(WORKLOADS):
        for arch in ARCHITECTURES:
            names = list(SCRIPTS)
            added_names = names[:] if number % 3 else names[:1] if number % 9 else names[:2]
            added = brought(arch, {n: SCRIPTS[n] for n in added_names}, "openssl", OPENSSL)
            base = 60 + 3.5 * number
            image_result = replace(
                image(arch, added, base, evidence="predicted"), key=key(arch, workload)
            )
            image_result = replace(
                image_result,
                base=replace(image_result.base, layer=None),
                head=replace(image_result.head, layer=None),
            )
            images.append(
                objective(image_result, base + 25, f"{workload} stays small")
                if number in (4, 17)
                else image_result
            )
    return result(
        *images, specs=("openssl.spec",), sources={"openssl": "3.2-4"}, verdict="failure",
        only_limits=True, stage="predicted",
    )  # fmt: skip


def missing(capability: str, by: str, arch: str, *way: str, spec: SpecLine | None) -> Side:
    names = (*way, by)
    chain = tuple(Edge(nevra(a, arch), b, nevra(b, arch), "requires") for a, b in pairwise(names))
    cause = UnsolvableCause("missing", capability, nevra(by, arch), chain, spec)
    problem = f"nothing provides {capability} needed by {by}-1.0-2.{arch}"
    return Side("unsolvable", (problem,), (cause,))


NOTHERE = SpecLine("openssl.spec", 33, "Requires: libnothere >= 3")


def unsolvable() -> CheckResult:
    """Twelve images and one root cause."""
    images = [
        image(
            arch,
            key=key(arch, w),
            head=missing("libnothere >= 3", "openssl", arch, w, "pam", spec=NOTHERE),
        )
        for w in WORKLOADS[:12]
        for arch in ARCHITECTURES
    ]
    return result(*images, specs=("openssl.spec",), sources={"openssl": "3.2-4"}, verdict="failure")


def breaks_on_one_architecture() -> CheckResult:
    line = replace(NOTHERE, path="nginx.spec")
    images = [image(arch, changed=False) for arch in ARCHITECTURES[:3]]
    head = missing("libnothere >= 3", "nginx", "s390x", spec=line)
    return result(*images, image("s390x", head=head), verdict="failure")


def repairs() -> CheckResult:
    was = {a: missing("libold.so.1()(64bit)", "nginx", a, spec=None) for a in ARCHITECTURES}
    return result(*(image(arch, base=was[arch]) for arch in ARCHITECTURES))


def smaller() -> CheckResult:
    """A line goes, and five packages with it."""
    images = []
    for arch in ARCHITECTURES:
        removed_packages = tuple(package(name, arch, mb) for name, mb in PERL.items())
        base = round(100.3 * SCALE[arch] * MB)
        head = base - sum(p.installed_size or 0 for p in removed_packages)
        sides = {"base": side(25, base, layer=base // 4), "head": side(20, head, layer=head // 4)}
        images.append(objective(image(arch, removed=removed_packages, **sides), 70))
    return result(*images)


def same_packages_grow() -> CheckResult:
    images = []
    for arch in ARCHITECTURES:
        grown = ChangedPackage(
            "nginx", arch, nevra("nginx", arch), nevra("nginx", arch, "1.1"), 4_200_000
        )
        image_result = image(arch, changed_packages=(grown,))
        size = (image_result.base.installed_size or 0) + 4_200_000
        images.append(replace(image_result, head=side(20, size, layer=size // 4)))
    return result(*images)


def invalid_spec() -> CheckResult:
    problem = (
        "nginx.spec line 12: `Unknown tag: Requirs: perl`. On x86_64, aarch64, ppc64le and s390x."
    )
    return result(verdict="failure", problems=(problem,))


def unexpanded() -> CheckResult:
    problem = (
        "nginx.spec: `Requires: perl%{perl_suffix}` has the macro `%{perl_suffix}`, which nothing"
        " defines (line 19)."
    )
    return result(verdict="neutral", problems=(problem,), incomplete=True)


def neutral_base() -> CheckResult:
    both = missing("libold.so.1()(64bit)", "nginx", "x86_64", spec=None)
    image_result = image("x86_64", base=both, head=both, changed=False, without=())
    return result(image_result, verdict="neutral")


def surroundings() -> CheckResult:
    problem = "centos-stream-9 x86_64: not evaluated: mirror.example answers 503."
    return result(verdict="neutral", problems=(problem,), interrupted=True)


def two_specs() -> CheckResult:
    """Two specs bring the same package, each enough."""
    other = SpecLine("nginx-mod-geoip.spec", 22, "Requires: perl")
    images = []
    for arch in ARCHITECTURES:
        both = (REQUIRES, other)
        added = tuple(
            replace(a, leaves_with=both, alternatives=(other,))
            for a in brought(arch, PERL, "nginx", REQUIRES)
        )
        images.append(image(arch, added))
    return result(
        *images, specs=("nginx-mod-geoip.spec", "nginx.spec"),
        sources={"nginx": "1.26-2", "nginx-mod-geoip": "3-1"},
    )  # fmt: skip


def stranger() -> CheckResult:
    result = predicted()
    return replace(result, verdict="action_required", predicted_verdict="success", stage="final")


def accepted() -> CheckResult:
    who = Acceptance(
        "maria", "The module is wanted, and removed again in 1.28.", "2026-11-28T04:00:00Z"
    )
    return replace(one_image(), verdict="success", accepted=who, only_limits=False)


def alone() -> CheckResult:
    """A package that no workload holds."""
    line = SpecLine("htop.spec", 9, "Requires: python3")
    images = [
        replace(
            image(a, brought(a, {"python3": 0.1, "python3-libs": 32.2}, "htop", line)),
            key=key(a, "@self"),
        )
        for a in ARCHITECTURES
    ]
    return result(*images, specs=("htop.spec",), sources={"htop": "3-1"})


def new_package() -> CheckResult:
    images = [
        replace(image(a), key=key(a, "@self"), base=Side("absent"), evidence="predicted")
        for a in ARCHITECTURES
    ]
    return result(*images, specs=("htop.spec",), sources={"htop": "3-1"})


def drops_a_subpackage() -> CheckResult:
    """Nothing moves in the image that is tracked, and packages of the repository break."""
    broken = tuple(
        Broken("centos-stream-9", arch, nevra(name, arch), "nginx-filesystem", "appstream")
        for arch in ARCHITECTURES[:2]
        for name in ("munin-nginx", "php-fpm")
    )
    return replace(smaller(), broken=broken)


def build_fails() -> CheckResult:
    failed = BuildNote(
        "head",
        "nginx.spec",
        "x86_64",
        "head-failed",
        "configure: error: no pcre",
        "https://minimize.example/logs/2",
        12.0,
    )
    problem = (
        "nginx.spec (head, x86_64): This change does not build, so the figures are still"
        " predictions: `configure: error: no pcre`."
    )
    return replace(predicted(), stage="final", builds=(failed,), problems=(problem,))


def differs_by_architecture() -> CheckResult:
    images = [image(a, perl(a), evidence="predicted") for a in ARCHITECTURES[:3]]
    return result(*images, image("s390x", perl("s390x")[:2], evidence="predicted"))


def configuration() -> CheckResult:
    """A change to .minimize.yaml beside the spec."""
    change = ConfigurationChange(
        ".minimize.yaml", "changed", fields=(FieldChange("thresholds.percent", "1", "5"),),
        fewer=(key("s390x", "php"),),
    )  # fmt: skip
    return replace(predicted(), configuration=change, stage="final")


SITUATIONS: dict[str, tuple[str, Callable[[], CheckResult]]] = {
    "one-image": ("A line and a linked library make one image larger than its limit", one_image),
    "predicted": ("The first answer, seconds after the push", predicted),
    "suggestion": ("A line that could be weaker, with a click", suggests_on_the_line),
    "within-limit": ("An image grows, and stays within its limit", grows_within_limit),
    "library": ("A library in 34 images on four architectures", library),
    "unsolvable": ("Twelve images can no longer be installed", unsolvable),
    "one-architecture": ("An image breaks on one architecture", breaks_on_one_architecture),
    "repair": ("An image can be installed again", repairs),
    "smaller": ("A line goes, and five packages with it", smaller),
    "same-packages": ("No package comes in, and one grows", same_packages_grow),
    "invalid-spec": ("A spec file that rpm refuses", invalid_spec),
    "unexpanded": ("A macro that nothing defines", unexpanded),
    "broken-base": ("The image could not be installed before either", neutral_base),
    "surroundings": ("A mirror does not answer", surroundings),
    "two-specs": ("Two spec files that bring the same", two_specs),
    "stranger": ("A change by somebody who is not trusted", stranger),
    "accepted": ("A broken limit that a maintainer accepted", accepted),
    "alone": ("A package that no workload has", alone),
    "new-package": ("A package that is new with the change", new_package),
    "subpackage-dropped": ("Packages of the repository lose what they require", drops_a_subpackage),
    "build-fails": ("The change does not build", build_fails),
    "architectures": ("An architecture on which less comes in", differs_by_architecture),
    "configuration": ("A change to .minimize.yaml beside the spec", configuration),
}
