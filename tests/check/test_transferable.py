"""A build is transferred only to the architectures on which the change is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.build.builder import BuildRequest, BuiltPackages
from bot.check.change import ChangedSpec
from bot.check.evidence import EvaluatedSpec, Sides
from bot.check.rebuild import BuildContext, obstacle_notes, obstacles, rebuild
from bot.model.nevra import Nevra
from bot.model.package import Dependency, Overlay, Package
from bot.model.spec import SpecDependency, SpecEvaluation, SpecPackage, Unexpanded

ARCHES = ("x86_64", "aarch64", "s390x")
XSLT = Dependency("requires", "libxslt.so.1()(64bit)", generated=True)
NEEDED = SpecDependency(Dependency("requires", "libxslt-devel"))


def evaluation(arch: str, package_arch: str = "") -> SpecEvaluation:
    own = Nevra("tool", 0, "1", "1", package_arch or arch)
    return SpecEvaluation("tool.spec", arch, "tool", (0, "1", "1"), (SpecPackage(own, ()),))


def spec(*with_xslt: str, package_arch: str = "") -> EvaluatedSpec:
    """A change that needs libxslt to be built, on some architectures."""
    base = {arch: evaluation(arch, package_arch) for arch in ARCHES}
    head = {
        arch: replace(evaluation, build_requires=(NEEDED,)) if arch in with_xslt else evaluation
        for arch, evaluation in base.items()
    }
    return EvaluatedSpec(ChangedSpec("tool.spec", "tool.spec", True), base, head)


def overlay(arch: str, package_arch: str = "") -> Overlay:
    package = Package(Nevra("tool", 0, "1", "1", package_arch or arch), "tool", "overlay")
    return Overlay(arch, frozenset({"tool"}), (package,), "predicted")


class FakeBuilder:
    """Finds that head is linked with libxslt."""

    name = "fake"

    def __init__(self, package_arch: str) -> None:
        self._arch = package_arch

    def build(self, request: BuildRequest) -> BuiltPackages:
        package = Package(Nevra("tool", 0, "1", "1", self._arch), "tool", "overlay")
        if request.side == "head":
            package = replace(package, dependencies=(XSLT,))
        return BuiltPackages((package,), (), Path("log"), False, 1.0)


def rebuilt(
    evaluated: EvaluatedSpec, package_arch: str = ""
) -> tuple[dict[str, Sides], tuple[str, ...]]:
    nothing: Any = None
    context = BuildContext(
        FakeBuilder(package_arch or "x86_64"),
        nothing,
        nothing,
        {"base": Path(), "head": Path()},
        {},
        None,
        "x86_64",
    )
    sides = {a: Sides(overlay(a, package_arch), overlay(a, package_arch), ()) for a in ARCHES}
    rebuilt_ = rebuild(context, (evaluated,), sides, lambda _: lambda _: True)
    return {**sides, **rebuilt_.sides}, rebuilt_.problems


def evidence(sides: dict[str, Sides]) -> dict[str, str]:
    return {arch: side.head.evidence for arch, side in sides.items()}


def test_a_change_that_is_the_same_everywhere_is_transferred() -> None:
    sides, problems = rebuilt(spec(*ARCHES))
    assert evidence(sides) == {
        "x86_64": "rebuilt",
        "aarch64": "transferred",
        "s390x": "transferred",
    }
    assert XSLT in sides["s390x"].head.packages[0].dependencies
    assert problems == ()


def test_a_change_for_one_architecture_stays_there_and_the_report_says_why() -> None:
    sides, problems = rebuilt(spec("x86_64"))
    assert evidence(sides) == {"x86_64": "rebuilt", "aarch64": "predicted", "s390x": "predicted"}
    assert sides["s390x"].head.packages[0].dependencies == ()
    assert problems == (
        "Not transferred to aarch64 and s390x: this change differs there (BuildRequires"
        " libxslt-devel only on x86_64), so it is predicted.",
    )


def test_a_change_for_two_architectures_is_transferred_to_the_other_of_them() -> None:
    sides, problems = rebuilt(spec("x86_64", "aarch64"))
    assert evidence(sides) == {"x86_64": "rebuilt", "aarch64": "transferred", "s390x": "predicted"}
    assert len(problems) == 1 and problems[0].startswith("Not transferred to s390x: ")


def test_a_noarch_package_is_taken_as_built_where_the_change_is_the_same() -> None:
    sides, _ = rebuilt(spec(*ARCHES, package_arch="noarch"), "noarch")
    assert evidence(sides)["s390x"] == "transferred"
    assert XSLT in sides["s390x"].head.packages[0].dependencies
    sides, _ = rebuilt(spec("x86_64", package_arch="noarch"), "noarch")
    assert evidence(sides)["s390x"] == "predicted"


def test_one_spec_of_two_that_differs_is_enough() -> None:
    differences = obstacles((spec(*ARCHES), spec("s390x")), "x86_64", ("aarch64", "s390x"))
    assert differences == {"s390x": ("BuildRequires libxslt-devel only on s390x",)}


def test_an_architecture_that_the_build_left_out_tells_of_no_other() -> None:
    evaluated = spec()
    left_out = {"x86_64": replace(evaluated.head["x86_64"], excluded=True, packages=())}
    evaluated = replace(evaluated, head={**evaluated.head, **left_out})
    differences = obstacles((evaluated,), "x86_64", ("s390x",))
    assert differences == {"s390x": ("it is not built on x86_64",)}
    assert "it is not built on x86_64" in obstacle_notes(differences)[0]


def test_a_spec_with_an_unexpanded_macro_is_not_built() -> None:
    evaluated = spec(*ARCHES)
    unknown = Unexpanded("%{no_such}", "Requires")
    head = {arch: replace(each, unexpanded=(unknown,)) for arch, each in evaluated.head.items()}
    nothing: Any = None
    trees: Any = {"base": Path(), "head": Path()}
    context = BuildContext(FakeBuilder("x86_64"), nothing, nothing, trees, {}, None, "x86_64")
    sides = {"x86_64": Sides(overlay("x86_64"), overlay("x86_64"), ())}
    both = (evaluated, replace(evaluated, head=head))
    rebuilt_ = rebuild(context, both, sides, lambda _: lambda _: True)
    assert [note.side for note in rebuilt_.builds] == ["base", "head"]


def test_a_source_that_one_side_did_not_build_is_there_as_predicted() -> None:
    """Of two specs one is new with the change, and its source is published."""
    evaluated = spec(*ARCHES)
    plain = {a: replace(e, path="new.spec", source="new") for a, e in evaluated.head.items()}
    new = EvaluatedSpec(ChangedSpec(None, "new.spec", True), {}, plain)
    published = Package(Nevra("new", 0, "1", "1", "x86_64"), "new", "overlay")

    class Both(FakeBuilder):
        def build(self, request: BuildRequest) -> BuiltPackages:
            built = super().build(request)
            if request.spec_path != "new.spec":
                return built
            nevra = replace(published.nevra, release="2")
            return replace(built, packages=(replace(published, nevra=nevra),))

    before = replace(
        overlay("x86_64"),
        sources=frozenset({"tool", "new"}),
        packages=(*overlay("x86_64").packages, published),
    )
    nothing: Any = None
    trees: Any = {"base": Path(), "head": Path()}
    context = BuildContext(Both("x86_64"), nothing, nothing, trees, {}, None, "x86_64")
    rebuilt_ = rebuild(
        context, (evaluated, new), {"x86_64": Sides(before, before, ())}, lambda _: bool
    )
    sides = rebuilt_.sides["x86_64"]
    assert [str(p.nevra) for p in sides.base.packages] == [
        "tool-0:1-1.x86_64",
        str(published.nevra),
    ]
    assert [p.nevra.release for p in sides.head.packages if p.source == "new"] == ["2"]
    assert sides.base.evidence == sides.head.evidence == "rebuilt"
