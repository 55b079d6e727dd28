"""Builds on several architectures become one result: which image is taken from which."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from bot.check.architectures import ArchitectureResult, merged_result
from bot.model.closure import Broken, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Evidence
from bot.model.result import CheckResult, ImageResult, ObjectiveResult, Side
from bot.model.spec import BuildNote, SpecLine
from bot.model.suggestion import Saving, Suggestion

ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")


def image(
    arch: str, evidence: Evidence, size: int = 1, *, over: bool = False, head: str = "ok"
) -> ImageResult:
    limit = ObjectiveResult(
        name="small", metric="packages", before=1, value=size, limit=1, met=not over, worse=over
    )
    return ImageResult(
        key=ImageKey("nginx", "minimal", "demo", arch),
        changed=True,
        evidence=evidence,
        snapshot=SnapshotState("s", ()),
        base=Side("ok", packages=1, installed_size=1, known_size=1),
        head=Side(head, packages=size, installed_size=size, known_size=size),  # type: ignore[arg-type]
        objectives=(limit,),
    )


def check(*images: ImageResult, **more: object) -> CheckResult:
    worse = any(o.worse for i in images for o in i.objectives)
    values = {"verdict": "failure" if worse else "success", "only_limits": worse, **more}
    return CheckResult(
        base="b", head="h", merge_base="b", specs=("a.spec",), images=images, **values
    )  # type: ignore[arg-type]


PREDICTED = check(*(image(arch, "predicted") for arch in ARCHES), stage="predicted")


def built_on(
    arch: str, size: int = 2, *, transfers: tuple[str, ...] = (), **more: object
) -> ArchitectureResult:
    """The result of a build: its own images rebuilt, the others transferred, sizes its own."""
    images = (image(a, "rebuilt" if a == arch else "transferred", size) for a in ARCHES)
    notes = tuple(BuildNote(side, "a.spec", arch, "built") for side in ("base", "head"))  # type: ignore[arg-type]
    more = {"builds": notes, "notes": (f"of {arch}",), **more}
    return ArchitectureResult(arch, check(*images, **more), transfers)


def not_built(arch: str) -> ArchitectureResult:
    note = BuildNote("base", "a.spec", arch, "not-built", "The mirror hangs.\nfor long")
    result = replace(PREDICTED, builds=(note,), interrupted=True, verdict="neutral", stage="final")
    return ArchitectureResult(arch, result)


def images_by_arch(result: CheckResult) -> dict[str, tuple[str, int | None]]:
    return {i.key.arch: (i.evidence, i.head.packages) for i in result.images}


def test_an_architecture_that_was_built_for_has_its_own_the_others_the_firsts() -> None:
    merged = merged_result(PREDICTED, [built_on("x86_64", 2), built_on("aarch64", 3)])
    assert images_by_arch(merged) == {
        "x86_64": ("rebuilt", 2),
        "aarch64": ("rebuilt", 3),
        "ppc64le": ("transferred", 2),
        "s390x": ("transferred", 2),
    }
    assert (merged.stage, merged.verdict, merged.awaited) == ("final", "success", ())
    assert [(note.arch, note.side) for note in merged.builds] == [
        ("x86_64", "base"),
        ("x86_64", "head"),
        ("aarch64", "base"),
        ("aarch64", "head"),
    ]


def test_one_alone_is_as_it_is() -> None:
    alone = built_on("x86_64", transfers=("s390x: predicted.",))
    merged = merged_result(PREDICTED, [alone])
    assert merged == replace(alone.result, notes=("of x86_64", "s390x: predicted."))


def test_while_a_build_goes_on_the_result_is_not_the_final_one() -> None:
    merged = merged_result(PREDICTED, [built_on("x86_64", 2)], awaited=["aarch64"])
    assert (merged.stage, merged.awaited) == ("predicted", ("aarch64",))
    assert images_by_arch(merged)["aarch64"] == ("transferred", 2)


def test_only_the_first_says_how_it_was_transferred() -> None:
    parts = [built_on("x86_64", transfers=("one",)), built_on("aarch64", transfers=("two",))]
    assert merged_result(PREDICTED, parts).notes == ("of x86_64", "of aarch64", "one")


def test_what_could_not_be_built_for_reasons_around_it_is_transferred_in_words() -> None:
    merged = merged_result(PREDICTED, [built_on("x86_64", 2), not_built("aarch64")])
    assert images_by_arch(merged)["aarch64"] == ("transferred", 2)
    why = "aarch64: not built, so it is transferred from x86_64: The mirror hangs."
    assert why in merged.notes
    assert (merged.verdict, merged.interrupted) == ("success", False)
    other = merged_result(PREDICTED, [not_built("x86_64"), built_on("aarch64", 3)])
    assert images_by_arch(other)["x86_64"] == ("transferred", 3)
    assert [note.outcome for note in other.builds] == ["not-built", "built", "built"]


def test_a_lost_worker_is_told_and_nothing_built_at_all_is_neutral() -> None:
    lost = {"aarch64": "There is no worker for aarch64 any more."}
    merged = merged_result(PREDICTED, [built_on("x86_64")], lost=lost)
    assert merged.notes[-1] == (
        "aarch64: not built, so it is transferred from x86_64: There is no worker for aarch64 any"
        " more."
    )
    none = merged_result(PREDICTED, [], lost={**lost, "x86_64": "It took too long."})
    assert (none.verdict, none.interrupted, none.stage) == ("neutral", True, "final")
    assert (
        none.notes[-1]
        == "x86_64: not built, so its figures are still predictions: It took too long."
    )


def test_a_head_that_does_not_build_on_one_architecture_is_not_transferred_there() -> None:
    failed = BuildNote("head", "a.spec", "aarch64", "head-failed", "no such file")
    images = tuple(image(arch, "predicted") for arch in ARCHES)
    part = ArchitectureResult("aarch64", check(*images, builds=(failed,), problems=("It fails.",)))
    merged = merged_result(PREDICTED, [built_on("x86_64"), part])
    assert images_by_arch(merged)["aarch64"] == ("predicted", 1)
    assert merged.problems == ("It fails.",)


def test_a_limit_that_one_architecture_alone_breaks_fails_the_change() -> None:
    part = built_on("aarch64", 3)
    images = tuple(
        image("aarch64", "rebuilt", 3, over=True) if i.key.arch == "aarch64" else i
        for i in part.result.images
    )
    broken = ArchitectureResult("aarch64", check(*images, notes=(), builds=part.result.builds))
    merged = merged_result(PREDICTED, [built_on("x86_64"), broken])
    assert (merged.verdict, merged.only_limits) == ("failure", True)
    # The first's transfer had it broken there, the architecture's own build does not.
    wrong = tuple(
        image(i.key.arch, i.evidence, 2, over=i.key.arch == "aarch64")
        for i in built_on("x86_64").result.images
    )
    first = ArchitectureResult("x86_64", check(*wrong))
    assert merged_result(PREDICTED, [first, part]).verdict == "success"
    assert merged_result(PREDICTED, [first], awaited=["aarch64"]).verdict == "failure"


def test_a_spec_at_fault_stays_at_fault() -> None:
    parts = [
        ArchitectureResult(p.arch, replace(p.result, verdict="failure", only_limits=False))
        for p in (built_on("x86_64"), built_on("aarch64"))
    ]
    merged = merged_result(PREDICTED, parts)
    assert (merged.verdict, merged.only_limits) == ("failure", False)


def test_suggestions_and_broken_packages_are_each_architectures_own() -> None:
    line = SpecLine("a.spec", 3, "Requires: perl")

    def of(arch: str, saves: int) -> ArchitectureResult:
        part = built_on(arch)
        saved = tuple(Saving(i.key, 1, saves) for i in part.result.images)
        broken = tuple(
            Broken("demo", a, Nevra("p", 0, "1", "1", "noarch"), f"by {arch}", "demo")
            for a in ARCHES
        )
        suggestion = Suggestion(line, "Recommends: perl", saved)
        return replace(part, result=replace(part.result, suggestions=(suggestion,), broken=broken))

    merged = merged_result(PREDICTED, [of("x86_64", 10), of("aarch64", 20)])
    (suggestion,) = merged.suggestions
    assert {s.key.arch: s.installed_size for s in suggestion.saves} == {
        "x86_64": 10,
        "aarch64": 20,
        "ppc64le": 10,
        "s390x": 10,
    }
    assert {b.arch: b.capability for b in merged.broken} == {
        "x86_64": "by x86_64",
        "aarch64": "by aarch64",
        "ppc64le": "by x86_64",
        "s390x": "by x86_64",
    }


@given(st.permutations(ARCHES[1:]), st.sets(st.sampled_from(ARCHES)))
def test_the_others_order_moves_no_figure_and_every_image_stays(
    others: list[str], missing: set[str]
) -> None:
    sizes = {arch: 2 + number for number, arch in enumerate(ARCHES)}
    built = [arch for arch in ("x86_64", *others) if arch not in missing]
    parts = [built_on(arch, sizes[arch]) for arch in built]
    merged = merged_result(PREDICTED, parts)
    assert {i.key for i in merged.images} == {i.key for i in PREDICTED.images}
    first = built[0] if built else None
    for arch, (evidence, size) in images_by_arch(merged).items():
        if arch in built:
            assert (evidence, size) == ("rebuilt", sizes[arch])
        elif first is not None:
            assert (evidence, size) == ("transferred", sizes[first])
        else:
            assert (evidence, size) == ("predicted", 1)
    if first is not None:
        for order in permutations(parts[1:]):
            assert merged_result(PREDICTED, [parts[0], *order]).images == merged.images
