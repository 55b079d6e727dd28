"""The headline's claims, worked out again from the report's data: true of every image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.architecture import DEFAULT_ARCHITECTURES as ARCHITECTURES
from bot.model.closure import Edge, SnapshotState, UnsolvableCause
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.model.result import Added, ChangedPackage, CheckResult, ImageResult, ObjectiveResult, Side
from bot.model.spec import SpecLine
from bot.report.causes import cause_phrase
from bot.report.grouping import essential_causes
from bot.report.headline import headline
from bot.report.phrase import to_plain
from bot.report.render import render_comment, status_line
from bot.report.sizes import short_delta, short_span
from tests.report.conftest import broken_objective

LINE = SpecLine("a.spec", 7, "Requires: perl")
OTHER = SpecLine("a.spec", 8, "Requires: tcl")
GONE = Side("unsolvable", ("nothing provides x needed by a-0:1-1.{arch}",))


def nevra(name: str, arch: str) -> Nevra:
    return Nevra(name, 0, "1", "1", arch)


def image(
    key: tuple[str, str, str],
    came: Sequence[tuple[str, int | None, SpecLine | None]] = (),
    went: Sequence[tuple[str, int]] = (),
    moved: int = 0,
    *,
    base: str = "ok",
    head: str = "ok",
    known: bool = True,
) -> ImageResult:
    """An image of 50 MB; `moved` is what its other packages gain, `known` whether base's is."""
    workload, environment, arch = key
    added = tuple(
        Added(Package(nevra(n, arch), n, "r", installed_size=size), False, (), line)
        for n, size, line in came
    )
    removed = tuple(Package(nevra(n, arch), n, "r", installed_size=s) for n, s in went)
    after = 50_000_000 + moved + sum(s or 0 for _, s, _ in came) - sum(s for _, s in went)
    complete = known and all(size is not None for _, size, _ in came)
    sides = {
        "ok": Side(
            "ok",
            (),
            packages=10,
            installed_size=50_000_000 if known else None,
            known_size=50_000_000,
        ),
        "unsolvable": replace(GONE, problems=(GONE.problems[0].format(arch=arch),)),
    }
    new = Side(
        "ok",
        (),
        packages=10 + len(came) - len(went),
        installed_size=after if complete else None,
        known_size=after,
    )
    both = base == head == "ok"
    return ImageResult(
        key=ImageKey(workload, environment, "demo", arch),
        snapshot=SnapshotState("s", ()),
        changed=base != head or (both and (bool(came or went) or abs(moved) > 100_000)),
        evidence="predicted",
        base=sides[base],
        head=new if head == "ok" else sides[head],
        added=added if both else (),
        removed=removed if both else (),
        changed_packages=(ChangedPackage("a", arch, nevra("a", arch), nevra("a", arch), moved),)
        if both and moved
        else (),
    )


def report(*images: ImageResult, **others: object) -> CheckResult:
    values: dict[str, object] = {"verdict": "success", "specs": ("a.spec",), "images": images}
    return CheckResult(base="b" * 40, head="c" * 40, merge_base="b" * 40, **{**values, **others})  # type: ignore[arg-type]


PLACES = st.tuples(st.sampled_from(["nginx", "curl", "git"]), st.sampled_from(["minimal", "ubi"]))
SIZE = st.sampled_from([40_000, 600_000, 600_000, 9_000_000, None])
CAME = st.lists(
    st.tuples(st.sampled_from(["perl", "tcl", "zlib"]), SIZE, st.sampled_from([LINE, OTHER, None])),
    max_size=3,
    unique_by=lambda came: came[0],
)
WENT = st.lists(
    st.tuples(st.sampled_from(["awk", "sed"]), st.sampled_from([50_000, 7_000_000])),
    max_size=2,
    unique_by=lambda went: went[0],
)
STATUS = st.sampled_from(["ok"] * 5 + ["unsolvable"])
EFFECT = st.builds(
    dict,
    came=CAME,
    went=WENT,
    moved=st.sampled_from([0, 0, 0, 4096, 30_000_000, -30_000_000]),
    base=STATUS,
    head=STATUS,
    known=st.sampled_from([True, True, True, False]),
)
# Few different effects over many images, as one change makes them.
REPORTS = st.lists(EFFECT, min_size=1, max_size=3).flatmap(
    lambda kinds: st.dictionaries(
        st.tuples(PLACES, st.sampled_from(ARCHITECTURES)), st.sampled_from(kinds), max_size=10
    ).map(
        lambda chosen: report(
            *(image((*place, arch), **effect) for (place, arch), effect in chosen.items())
        )
    )
)


def grown(result: ImageResult) -> int:
    if "unsolvable" in (result.base.status, result.head.status):
        return 0
    return (result.head.known_size or 0) - (result.base.known_size or 0)


def place(result: ImageResult) -> tuple[str, str]:
    return result.key.workload, result.key.environment


def leads(result: CheckResult) -> dict[tuple[str, str], ImageResult]:
    """The changed image of each place that the report speaks of: its first architecture."""
    ordered = sorted(result.images, key=lambda i: ARCHITECTURES.index(i.key.arch), reverse=True)
    return {place(result): result for result in ordered if result.changed}


@settings(max_examples=300, deadline=None)
@given(REPORTS)
def test_the_first_sentence_is_true_of_every_image_it_is_about(result: CheckResult) -> None:
    text = to_plain(headline(result))
    changed = [i for i in result.images if i.changed]
    lost = [i for i in changed if i.head.status != "ok"]
    back = [i for i in changed if i.base.status != "ok"]
    if not changed:
        assert text.endswith(" No image changes.")
    elif lost or back:
        what = "can no longer be installed" if lost else "can be installed again"
        places = {place(i) for i in lost or back}
        first = text.partition(what)[0]
        assert what in text
        if len(places) > 2:
            assert f"{len(places)} images" in first
        else:
            assert all(workload in first for workload, _ in places)
    else:
        assert_sizes(text, leads(result), {i.key.arch for i in result.images})


def assert_sizes(text: str, images: dict[tuple[str, str], ImageResult], checked: set[str]) -> None:
    deltas = sorted(map(grown, images.values()))
    if len(images) == 1:
        (result,) = images.values()
        before, after = result.base.known_size or 0, result.head.known_size or 0
        sure = None not in (result.base.installed_size, result.head.installed_size)
        if not sure and after <= before:
            assert "by a size that is not known" in text
        elif after == before:
            assert "keeps its size" in text
        else:
            verb = "grows" if after > before else "shrinks"
            assert f"{verb}" in text and f"from {short_span((before, after))} (" in text
            assert ("at least " in text) == (not sure)
            assert short_delta(after - before) in text
        return
    assert f"{len(images)} images " in text
    if any(deltas):
        assert f"{short_delta(sum(deltas))} in all" in text
        for sign, verb in ((1, "grow"), (-1, "shrink")):
            count = sum(delta * sign > 0 for delta in deltas)
            match = re.search(rf"(\d+) (?:images )?{verb}", text)
            assert (match is not None and int(match[1]) == count) == bool(count)


@settings(max_examples=200, deadline=None)
@given(REPORTS)
def test_a_title_fits_and_is_the_headline_without_its_glyph(result: CheckResult) -> None:
    title, summary = status_line(result)
    assert len(title) <= 140
    words = title.removesuffix(" (predicted)").removesuffix("\N{HORIZONTAL ELLIPSIS}")
    assert words.split()[0] in to_plain(headline(result))
    assert summary


def test_a_glyph_tells_bad_from_good_news() -> None:
    grows = image(("nginx", "minimal", "x86_64"), moved=30_000_000)
    shrinks = image(("nginx", "minimal", "x86_64"), moved=-30_000_000)
    for result, glyph in (
        (report(grows), "\N{UPWARDS BLACK ARROW}"),
        (report(shrinks), "\N{WHITE HEAVY CHECK MARK}"),
        (report(grows, verdict="failure"), "\N{CROSS MARK}"),
        (report(grows, verdict="neutral"), "\N{WARNING SIGN}"),
        (report(), "\N{WHITE HEAVY CHECK MARK}"),
    ):
        assert to_plain(headline(result)).startswith(glyph)


def test_what_is_built_leads_and_not_the_first_architecture() -> None:
    image_result = image(("nginx", "minimal", "x86_64"), moved=30_000_000)
    built = image(("nginx", "minimal", "s390x"), moved=9_000_000)
    result = report(image_result, replace(built, evidence="rebuilt"))
    assert "from 50 to 59 MB (+9 MB)" in to_plain(headline(result))


def test_a_problem_that_is_the_same_on_all_architectures_is_shown_for_none_of_them() -> None:
    images = [image(("nginx", "minimal", a), head="unsolvable") for a in ARCHITECTURES]
    assert to_plain(headline(report(*images, verdict="failure"))) == (
        "\N{CROSS MARK} nginx can no longer be installed: nothing provides x needed by a-0:1-1."
    )


def test_an_environment_is_named_where_the_workload_is_in_several() -> None:
    images = [image(("nginx", e, "x86_64"), moved=m) for e, m in
              (("minimal", 3_000_000), ("ubi", 0))]  # fmt: skip
    assert "nginx (minimal) grows from 50 to 53 MB" in to_plain(headline(report(*images)))


def test_what_can_be_installed_again_does_not_hide_what_changes_beside_it() -> None:
    back = image(("nginx", "minimal", "x86_64"), base="unsolvable")
    more = image(("curl", "minimal", "x86_64"), moved=30_000_000)
    text = to_plain(headline(report(back, more)))
    assert "nginx can be installed again: 10 packages, 50 MB." in text
    assert "Besides, 1 image changes (+30 MB)." in text


def test_figures_that_round_alike_are_written_out() -> None:
    result = image(("nginx", "minimal", "x86_64"), moved=200_000)
    result = replace(result, changed=True)
    assert "from 50 to 50.2 MB (+200 kB)" in to_plain(headline(report(result)))


def violated(name: str, id_: str, limit: int, value: int) -> ObjectiveResult:
    return broken_objective(name, "installed_size", 1, value, limit, id=id_)


def over(workload: str, *objectives: ObjectiveResult) -> ImageResult:
    result = image((workload, "minimal", "x86_64"), moved=30_000_000)
    return replace(result, objectives=objectives)


def test_the_limit_that_is_exceeded_most_is_named_and_other_images_are_counted() -> None:
    images = [
        over(workload, violated("small", "a", limit, 80_000_000))
        for workload, limit in (("nginx", 60_000_000), ("curl", 70_000_000))
    ]
    assert to_plain(headline(report(*images, verdict="failure"))).endswith(
        "\N{LEFT DOUBLE QUOTATION MARK}small\N{RIGHT DOUBLE QUOTATION MARK} allows 60 MB; nginx has"
        " 80 MB; curl is beyond a limit too."
    )


def test_a_size_matters_more_than_a_number_of_packages_and_that_more_than_a_name() -> None:
    unwanted = replace(violated("clean", "b", 0, 1), metric="unwanted:perl", before=0)
    packages = replace(violated("few", "c", 25, 28), metric="packages")
    size = violated("small", "a", 60_000_000, 80_000_000)

    def headline_text(*objectives: ObjectiveResult) -> str:
        return to_plain(headline(report(over("nginx", *objectives), verdict="failure")))

    assert "allows 60 MB; it was" not in headline_text(unwanted, packages, size)
    assert headline_text(unwanted, packages, size).endswith("allows 60 MB.")
    assert headline_text(unwanted, packages).endswith("allows 25 packages.")
    assert headline_text(unwanted).endswith("does not want perl.")


def test_a_limit_that_was_broken_before_is_not_called_newly_broken() -> None:
    old = replace(violated("small", "a", 40_000_000, 80_000_000), before=50_000_000)
    text = to_plain(headline(report(over("nginx", old), verdict="failure")))
    assert text.endswith("allows 40 MB; it was broken before.")


def test_a_value_that_rounds_to_its_limit_says_by_how_much_it_is_more() -> None:
    near = violated("small", "a", 60_000_000, 60_010_000)
    text = to_plain(headline(report(over("nginx", near), verdict="failure")))
    assert text.endswith("allows 60 MB (10 kB more).")


def test_an_image_within_its_limit_says_so() -> None:
    held = replace(violated("small", "a", 90_000_000, 80_000_000), met=True, worse=False)
    assert "Within the limit of 90 MB (" in to_plain(headline(report(over("nginx", held))))


def broken_by(cause: UnsolvableCause, workload: str, arch: str = "x86_64") -> ImageResult:
    result = image((workload, "minimal", arch), head="unsolvable")
    return replace(result, head=replace(result.head, causes=(cause,)))


def openssl_needs(arch: str, root: str = "") -> UnsolvableCause:
    """`libnothere >= 3` of openssl, which `root` leads to, and of an i686 build of root."""
    openssl = nevra("openssl", arch)
    way = (Edge(nevra(root, arch), "openssl", openssl, "requires"),) if root else ()
    return UnsolvableCause("missing", "libnothere >= 3", openssl, way, LINE)


def test_one_cause_that_breaks_33_images_is_said_once() -> None:
    images = [
        broken_by(openssl_needs(arch, f"tool{n}"), f"tool{n}", arch)
        for n in range(33)
        for arch in ARCHITECTURES
    ]
    result = report(*images, verdict="failure")
    assert to_plain(headline(result)) == (
        "\N{CROSS MARK} 33 images can no longer be installed: nothing provides libnothere >= 3,"
        " which openssl requires because of Requires: perl (a.spec line 7)."
    )
    text = render_comment(result)
    assert text.count("libnothere") == 1
    assert "By way of `tool0` \N{RIGHTWARDS ARROW} `openssl`" in text


def test_several_causes_are_a_table_with_their_images() -> None:
    other = UnsolvableCause("missing", "gone", nevra("b", "x86_64"))
    images = [broken_by(openssl_needs("x86_64"), name) for name in ("curl", "git")]
    result = report(*images, broken_by(other, "nginx"), verdict="failure")
    assert to_plain(headline(result)).endswith("(a.spec line 7), and 1 more cause.")
    text = render_comment(result)
    assert "| Root cause | Images | Chain |" in text
    assert "| nothing provides `gone`, which `b` requires | **nginx** on minimal, demo" in text


def test_foreign_and_older_causes_are_not_shown_beside_the_root() -> None:
    root = openssl_needs("x86_64")
    foreign = UnsolvableCause("missing", "libssl.so.3", nevra("b", "i686"), arch_only=True)
    newest, older = (Nevra("b", 0, version, "1", "x86_64") for version in ("2", "1"))
    causes = (
        root,
        UnsolvableCause("missing", "new", newest),
        UnsolvableCause("missing", "old", older),
        foreign,
    )
    assert [cause.capability for cause in essential_causes(causes)] == ["libnothere >= 3", "new"]
    assert essential_causes((foreign,)) == (foreign,)


@pytest.mark.parametrize(
    ("capability", "told"),
    [
        ("libldap.so.2(OPENLDAP_2.200)(64bit)", False),
        ("libldap.so.2(OPENLDAP_2.200)", True),  # of another architecture
        ("liblber.so.2(OPENLDAP_2.200)(64bit)", True),  # whose library is there
        ("perl(libldap.so.2)", True),
    ],
)
def test_versions_of_a_missing_library_are_not_shown_beside_it(capability: str, told: bool) -> None:
    library, versions = (
        UnsolvableCause("missing", text, nevra("squid", "x86_64"))
        for text in ("libldap.so.2()(64bit)", capability)
    )
    assert essential_causes((library, versions)) == (library, versions)[: 1 + told]


@pytest.mark.parametrize(
    ("cause", "clause"),
    [
        (UnsolvableCause("missing", "x", None), "nothing provides x, which the image requests"),
        (
            UnsolvableCause("missing", "x", nevra("a", "i686"), arch_only=True),
            "nothing provides x, which a.i686 requires",
        ),
        (
            UnsolvableCause(
                "conflict", "web < 3", nevra("a", "noarch"), conflicts_with=nevra("b", "noarch")
            ),
            "a excludes b through web < 3",
        ),
        (
            UnsolvableCause(
                "conflict", "b", nevra("a", "noarch"), conflicts_with=nevra("b", "noarch")
            ),
            "a excludes b",
        ),
        (
            UnsolvableCause(
                "conflict",
                "a",
                nevra("a", "noarch"),
                conflicts_with=Nevra("a", 0, "2", "1", "noarch"),
            ),
            "a-0:1-1.noarch cannot be installed beside a-0:2-1.noarch",
        ),
        (
            UnsolvableCause(
                "conflict", "x", nevra("a", "noarch"), conflicts_with=nevra("a", "noarch")
            ),
            "a conflicts with x",
        ),
    ],
)
def test_each_kind_of_cause_has_its_clause(cause: UnsolvableCause, clause: str) -> None:
    assert to_plain(cause_phrase(cause)) == clause


def test_causes_that_are_only_counted_are_among_the_others() -> None:
    image = broken_by(openssl_needs("x86_64"), "curl")
    head = replace(image.head, more_causes=18_900)
    result = report(replace(image, head=head), verdict="failure")
    assert to_plain(headline(result)).endswith("(a.spec line 7), and 18900 more causes.")
    other = UnsolvableCause("missing", "gone", nevra("b", "x86_64"))
    result = report(replace(image, head=head), broken_by(other, "nginx"), verdict="failure")
    assert "18900 more causes" in render_comment(result)
