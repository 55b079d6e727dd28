"""What only the build finds: the line that made each requirement possible, what goes with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from bot.check.evidence import Sides
from bot.check.generated import generated_requirements, overlay_without_generated, with_generated
from bot.check.lines import Explained
from bot.check.stated_lines import AddedDependency
from bot.model.closure import Closure, Edge, GeneratedRequirement, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Dependency, Overlay, Package
from bot.model.result import Added, ImageResult, Side, Without
from bot.model.spec import SpecDependency, SpecLine

KEY = ImageKey("web", "minimal", "repo", "x86_64")
WEB = Nevra("web", 0, "1", "2", "x86_64")
XSLT = Nevra("libxslt", 0, "1", "1", "x86_64")
PERL = Nevra("perl", 0, "5", "1", "x86_64")
SONAME = "libxslt.so.1()(64bit)"
REQUIRES = SpecLine("web.spec", 10, "Requires: perl")
DEVEL = SpecLine("web.spec", 5, "BuildRequires: libxslt-devel")
FOUND = GeneratedRequirement("web", SONAME, ("/usr/bin/web",), DEVEL)
# What a build root has for a request.
BUILD_ROOT = {"gcc": {"gcc", "zlib"}, "libxslt-devel": {"libxslt-devel", "libxslt", "zlib"}}


def requires(text: str, *files: str) -> Dependency:
    return Dependency("requires", text, generated=bool(files) or None, files=files)


def package(nevra: Nevra, *needs: Dependency) -> Package:
    return Package(nevra, nevra.name, "repo", dependencies=needs, installed_size=100)


def overlay(*needs: Dependency, evidence: Any = "rebuilt") -> Overlay:
    return Overlay("x86_64", frozenset({"web"}), (package(WEB, *needs),), evidence)


def closure(*nevras: Nevra) -> Closure:
    return Closure(KEY, SnapshotState("s", ()), "ok", tuple(map(package, nevras)))


def pool(providers: dict[str, str]) -> Any:
    """A pool in which capabilities have these providers, and build roots are those above."""

    def solve_names(names: Iterable[str], settled: object) -> Closure:
        packages = {package for name in names for package in BUILD_ROOT.get(name, ())}
        return closure(*(replace(WEB, name=name) for name in sorted(packages)))

    def selects(capability: str) -> tuple[Nevra, ...]:
        name = providers.get(capability)
        return () if name is None else (replace(WEB, name=name),)

    return SimpleNamespace(solve_names=solve_names, selects=selects)


def sides(*needs: Dependency, **others: Any) -> Sides:
    build = SpecDependency(Dependency("requires", "libxslt-devel"), DEVEL)
    values: dict[str, Any] = {
        "base": overlay(requires("libc.so.6")),
        "head": overlay(requires("libc.so.6"), *needs),
        "lines": (AddedDependency(WEB, requires("perl"), REQUIRES),),
        "build_requires": (build,),
        "base_build_requires": ("gcc",),
    }
    return Sides(**{**values, **others})


def test_a_new_requirement_without_a_line_has_the_build_requirement_that_made_it_possible() -> None:
    both = sides(requires("perl"), requires(SONAME, "/usr/bin/web"))
    assert generated_requirements(pool({SONAME: "libxslt"}), both) == (FOUND,)


def test_what_base_could_link_too_has_no_line() -> None:
    both = sides(requires("libz.so.1", "/usr/bin/web"))
    (requirement,) = generated_requirements(pool({"libz.so.1": "zlib"}), both)
    assert requirement.build_requires is None


def test_a_prediction_found_nothing() -> None:
    both = sides(head=overlay(requires(SONAME, "/usr/bin/web"), evidence="predicted"))
    assert generated_requirements(pool({SONAME: "libxslt"}), both) == ()


def test_the_overlay_without_a_finding_keeps_all_else() -> None:
    left = overlay_without_generated(
        overlay(requires("perl"), requires(SONAME)), frozenset({FOUND})
    )
    assert [d.capability for d in left.packages[0].dependencies] == ["perl"]


def test_an_image_is_measured_without_each_cause_and_without_all() -> None:
    added = (
        Added(
            package(PERL), False, ((Edge(WEB, "perl", PERL, "requires"),),), REQUIRES, (REQUIRES,)
        ),
        Added(package(XSLT), False, ((Edge(WEB, SONAME, XSLT, "requires"),),)),
    )
    image = ImageResult(
        key=KEY, snapshot=SnapshotState("s", ()), changed=True, evidence="rebuilt",
        base=Side("ok"), head=Side("ok"), added=added,
    )  # fmt: skip
    solved = {frozenset({REQUIRES}): closure(WEB, XSLT)}

    def solve(lines: frozenset[SpecLine], generated: frozenset[GeneratedRequirement]) -> Closure:
        assert generated == {FOUND}
        return closure(WEB) if lines else closure(WEB, PERL)

    result = with_generated(Explained(image, {}, solved), (FOUND,), solve)
    assert {package.package.nevra.name: package.generated for package in result.added} == {
        "libxslt": FOUND,
        "perl": None,
    }
    assert result.without == (
        Without((), (SONAME,), 2, 200),
        Without((REQUIRES,), (), 2, 200),
        Without((REQUIRES,), (SONAME,), 1, 100),
    )
