"""The edits that a change makes, by which opportunities are recognised."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from bot.check.evidence import Sides
from bot.check.made_edits import edits_of_sides, made_edits
from bot.model.advice import Change
from bot.model.image import ImageKey, ImageRequest
from bot.model.nevra import Nevra
from bot.model.opportunity import MadeEdit, Opportunity, makes_edit, named_opportunities
from bot.model.package import Dependency, DependencyKind, Overlay, Package
from bot.requests.values import RequestedImage


def overlay(arch: str, *texts: str, name: str = "app") -> Overlay:
    """A package with dependencies such as `requires perl >= 5`."""
    dependencies = []
    for text in texts:
        kind, capability = text.split(" ", 1)
        kind_: DependencyKind = "requires" if kind == "requires" else "suggests"
        dependencies.append(Dependency(kind_, capability))
    package = Package(Nevra(name, 0, "1", "1", arch), "app", "r", dependencies=tuple(dependencies))
    return Overlay(arch, frozenset({"app"}), (package,), "predicted")


def edits(**sides: tuple[Overlay, Overlay]) -> list[MadeEdit]:
    sides_of = {arch: Sides(base, head, ()) for arch, (base, head) in sides.items()}
    return list(edits_of_sides("c9", sides_of))


def test_a_requirement_that_is_nowhere_any_more_is_an_edit() -> None:
    before = ("requires perl >= 5", "requires perl", "requires libz.so.1()(64bit)")
    base = {arch: overlay(arch, *before) for arch in ("x86_64", "aarch64")}
    less = {arch: overlay(arch, before[2]) for arch in base}
    assert edits(
        x86_64=(base["x86_64"], less["x86_64"]), aarch64=(base["aarch64"], less["aarch64"])
    ) == [MadeEdit("c9", "app", ("perl",))]
    # Another version of it is left, or one architecture has it yet.
    assert edits(x86_64=(base["x86_64"], overlay("x86_64", "requires perl", before[2]))) == []
    both = {"x86_64": (base["x86_64"], less["x86_64"]), "aarch64": (base["aarch64"],) * 2}
    assert edits(**both) == []
    # A split moves what was generated.
    assert edits(x86_64=(base["x86_64"], overlay("x86_64", *before[:2]))) == [
        MadeEdit("c9", "app", ("libz.so.1()(64bit)",))
    ]
    # A generated requirement of another version is the same requirement.
    versions = [
        overlay("x86_64", f"requires config(app) = {v}", "requires ext(x) >= 1") for v in "12"
    ]
    assert edits(x86_64=(versions[0], versions[1])) == []
    assert edits(x86_64=(versions[0], overlay("x86_64", "requires config(app) = 1"))) == [
        MadeEdit("c9", "app", ("ext(x)",))
    ]
    symbols = "requires libc.so.6(GLIBC_2.34)(64bit)"
    assert edits(x86_64=(overlay("x86_64", symbols), overlay("x86_64"))) == [
        MadeEdit("c9", "app", ("libc.so.6()(64bit)",))
    ]
    # Of a package that is new or gone nothing is known.
    assert edits(x86_64=(base["x86_64"], overlay("x86_64", name="other"))) == []


def test_a_suggestion_that_every_architecture_gains_is_an_edit() -> None:
    base = {arch: overlay(arch, "requires curl") for arch in ("x86_64", "aarch64")}
    head = {arch: overlay(arch, "requires curl", "suggests curl-minimal") for arch in base}
    assert edits(**{a: (base[a], head[a]) for a in base}) == [
        MadeEdit("c9", "app", (), ("curl-minimal",))
    ]
    assert edits(x86_64=(base["x86_64"], head["x86_64"]), aarch64=(base["aarch64"],) * 2) == []


def test_what_an_image_requests_instead_is_an_edit_of_the_request() -> None:
    request = ImageRequest(ImageKey("web", "minimal", "c9", "x86_64"), ("nginx", "bash"), (), False)
    image = RequestedImage(request.key, request, replace(request, requests=("nginx-core", "bash")))
    requests: Any = SimpleNamespace(images=(image, replace(image, base=None)))
    assert made_edits((), requests) == (MadeEdit("c9", "nginx", replaced_by=("nginx-core",)),)


def change(kind: Any, package: str, capability: str, to: str) -> Opportunity:
    return Opportunity("c9", Change(kind, package, "app", capability, True, to), "found", "", "")


def test_an_edit_is_one_of_the_same_document_package_capability_and_tag() -> None:
    edit = MadeEdit("c9", "app", ("perl",), ("curl-minimal",), ("app-core",))
    assert makes_edit(change("weaken", "app", "perl", "Recommends: perl"), [edit])
    assert makes_edit(change("prefer", "app", "curl", "Suggests: curl-minimal"), [edit])
    assert makes_edit(change("request", "app", "app", "app-core"), [edit])
    assert not makes_edit(change("weaken", "app", "lua", "Recommends: lua"), [edit])
    assert not makes_edit(change("weaken", "other", "perl", "Recommends: perl"), [edit])
    assert not makes_edit(change("prefer", "app", "perl", "Suggests: perl-tiny"), [edit])
    assert not makes_edit(change("request", "app", "app", "app-full"), [edit])
    elsewhere = replace(change("weaken", "app", "perl", "Recommends: perl"), repository="c10")
    assert not makes_edit(elsewhere, [edit])


def test_a_text_names_opportunities_by_a_line_or_their_address() -> None:
    first, second = "0123456789ab", "ba9876543210"
    text = (
        f"See https://min.example/opportunities/{first}.\n\nOpportunity: {second.upper()}\n{first}0"
    )
    assert named_opportunities("Do it", text, f"opportunity: {first}") == (first, second)
    assert named_opportunities(f"opportunity: {first}0", first, "") == ()
