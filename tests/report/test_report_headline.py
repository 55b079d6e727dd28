"""The headline's claims, worked out again from the report's data: true of every image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

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
from bot.report.sizes import count_span, format_size, plural, size_span
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
        st.tuples(PLACES, st.sampled_from(ARCHITECTURES)),
        st.sampled_from(kinds),
        max_size=10,
    ).map(
        lambda chosen: report(
            *(image((*place, arch), **effect) for (place, arch), effect in chosen.items())
        )
    )
)


def grown(one: ImageResult) -> int:
    if "unsolvable" in (one.base.status, one.head.status):
        return 0
    return (one.head.known_size or 0) - (one.base.known_size or 0)


def certain(one: ImageResult) -> bool:
    return None not in (one.base.installed_size, one.head.installed_size)


def place(one: ImageResult) -> tuple[str, str]:
    return one.key.workload, one.key.environment


def named_arches(text: str, checked: set[str]) -> set[str]:
    """`all four architectures` or names, as architectures; all four only if they were checked."""
    if text == "all four architectures":
        assert checked == set(ARCHITECTURES)
        return checked
    return set(re.split(", | and ", text))


NAMES = "|".join(ARCHITECTURES)
ON = rf"on (all four architectures|(?:{NAMES})(?:(?:, | and )(?:{NAMES}))*)"
AMOUNT = r"[\d.]+(?: [kM]?B)?(?: to [\d.]+)? [kM]?B"
SUBJECT = r"(nginx|curl|git)(?: \((minimal|ubi)\))?"


def about(text: str, result: CheckResult) -> list[ImageResult]:
    """The images that a first sentence is about."""
    each = re.search(r"each of (\d+) images", text)
    where = re.search(ON, text)
    assert where is not None
    changed = [i for i in result.images if i.changed]
    if each:
        assert len({place(i) for i in changed}) == int(each[1])
        for one in {place(i) for i in changed}:
            checked = {i.key.arch for i in result.images if place(i) == one}
            named_here = named_arches(where[1], checked)
            assert {i.key.arch for i in changed if place(i) == one} == named_here
        return changed
    named = re.search(SUBJECT, text)
    assert named is not None
    fitting = [
        i for i in result.images
        if i.key.workload == named[1] and named[2] in (None, i.key.environment)
    ]  # fmt: skip
    assert len({place(i) for i in fitting}) == 1, "it is clear which image is meant"
    arches = named_arches(where[1], {i.key.arch for i in fitting})
    found = [i for i in fitting if i.key.arch in arches]
    assert {i.key.arch for i in found} == arches
    return found


def assert_counts(text: str, pattern: str, counts: list[int]) -> None:
    match = re.search(pattern, text)
    if not max(counts):
        assert match is None
        return
    assert match is not None
    assert match[1] == count_span(counts)


def assert_sizes(text: str, images: list[ImageResult]) -> None:
    """The size that the text gives for the whole image is right."""
    deltas = sorted(grown(i) for i in images)
    size = rf"((?:at least )?{AMOUNT})"
    ways = (
        rf"adds \S+(?: to \d+)? packages? and {size} to",
        rf"shrink by {size}",
        rf"makes .*? {size} (?:larger|smaller)",
        rf"in all (?:it|each) is {size} (?:larger|smaller)",
    )
    found = re.search("|".join(ways), text)
    if "moves by a size that is not known" in text or "of unknown size" in text:
        assert set(deltas) == {0} and not any(map(certain, images))
    elif "keeps its size" in text:
        assert set(deltas) == {0} and all(map(certain, images))
    else:
        assert found is not None, text
        size_text = next(group for group in found.groups() if group)
        if size_text.startswith("at least"):
            assert size_text == f"at least {format_size(deltas[0])}"
            assert all(i.base.installed_size is not None for i in images)
        else:
            assert size_text == size_span(map(abs, deltas))
            assert all(map(certain, images)) != ("as far as is known" in text)
        smaller = "smaller" in text or "shrink by" in text
        assert all(delta < 0 for delta in deltas) if smaller else all(d > 0 for d in deltas)


def assert_causes(text: str, images: list[ImageResult]) -> None:
    """The named line brings all added packages, or the stated number of them."""
    if "because of" not in text:
        assert not any(a.spec for i in images for a in i.added)
        return
    lines = {line for line in (LINE, OTHER) if line.text in text}
    counts = [sum(a.spec in lines for a in i.added) for i in images]
    part = re.search(r"(\d+(?: to \d+)?) of them because", text)
    if part:
        assert part[1] == count_span(counts)
    else:
        assert counts == [len(i.added) for i in images]
    if re.search(r"packages? and .* to ", text):
        # The text attributes the whole size to it: to within a hundredth.
        for one in images:
            brought = sum(a.package.installed_size or 0 for a in one.added)
            assert abs(grown(one) - brought) <= max(100_000, abs(grown(one)) * 0.01)


@settings(max_examples=300, deadline=None)
@given(REPORTS)
def test_the_first_sentence_is_true_of_every_image_it_is_about(result: CheckResult) -> None:
    text = to_plain(headline(result))
    changed = [i for i in result.images if i.changed]
    lost = [i for i in changed if i.head.status != "ok"]
    back = [i for i in changed if i.base.status != "ok"]
    if not changed:
        assert text == "No image changes."
        return
    first = re.split(r"\. (?=It |Besides|\d)", text)[0]
    if lost or back:
        what = "can no longer be installed" if lost else "can be installed again"
        assert what in first
        more = re.search(r"and (\d+) more image", first)
        assert len({place(i) for i in lost or back}) == 1 + (int(more[1]) if more else 0)
        assert set(about(first, result)) <= set(lost or back)
        return
    images = about(first, result)
    assert all(i.changed for i in images)
    assert max(abs(grown(i)) for i in images) == max(abs(grown(i)) for i in changed)
    assert_counts(first, r"adds (\d+(?: to \d+)?) packages?", [len(i.added) for i in images])
    assert_counts(
        first,
        r"(?:removes|takes|shrink by .* and) (\d+(?: to \d+)?) packages?",
        [len(i.removed) for i in images],
    )
    assert_sizes(first, images)
    assert_causes(first, images)


@settings(max_examples=300, deadline=None)
@given(REPORTS)
def test_what_changes_beside_it_is_counted_and_each_count_is_true(result: CheckResult) -> None:
    text = to_plain(headline(result))
    changed = [i for i in result.images if i.changed]
    if not changed:
        return
    first, *rest = re.split(r"\. (?=It |Besides|\d)", text)
    if any("unsolvable" in (i.base.status, i.head.status) for i in changed):
        return
    described = about(first, result)
    places = {place(i) for i in described}
    own = {i.key.arch for i in changed if place(i) in places} - {i.key.arch for i in described}
    differs = [r for r in rest if r.startswith("It ")]
    assert bool(differs) == bool(own)
    if differs:
        on = re.search(ON, differs[0])
        assert on is not None and named_arches(on[1], set()) == own
    others: dict[tuple[str, str], list[int]] = {}
    for one in changed:
        if place(one) not in places:
            others.setdefault(place(one), []).append(grown(one))
    counted = [r for r in rest if not r.startswith("It ")]
    assert bool(counted) == bool(others)
    if not counted:
        return
    assert counted[0].startswith(plural(len(others), "more image"))
    larger = [deltas for deltas in others.values() if min(deltas) > 0]
    smaller = [deltas for deltas in others.values() if max(deltas) < 0]
    for found, verb in ((larger, "grow"), (smaller, "shrink")):
        match = re.search(rf"(\d+)(?: more images?)? {verb}s? by (?:up to )?({AMOUNT})", counted[0])
        assert bool(match) == bool(found)
        if match:
            assert int(match[1]) == len(found)
            most = max(abs(d) for deltas in found for d in deltas)
            assert match[2].endswith(format_size(most))


@settings(max_examples=200, deadline=None)
@given(REPORTS)
def test_the_title_names_images_architectures_and_sizes_as_they_are(result: CheckResult) -> None:
    title, _ = status_line(result)
    changed = [i for i in result.images if i.changed]
    if not changed or any("unsolvable" in (i.base.status, i.head.status) for i in changed):
        return
    if "each of" in title:
        assert len({i.key.arch for i in changed}) >= 1
        assert {place(i) for i in about(title, result)} == {place(i) for i in changed}
        return
    images = about(title, result)
    assert max(abs(grown(i)) for i in images) == max(abs(grown(i)) for i in changed)
    assert_counts(title, r"\+(\d+(?: to \d+)?) packages?", [len(i.added) for i in images])


def test_packages_that_come_while_the_image_shrinks_are_no_growth() -> None:
    one = image(("nginx", "minimal", "x86_64"), [("perl", 600_000, LINE)], moved=-30_000_000)
    assert to_plain(headline(report(one))) == (
        "This change adds 1 package (600 kB) to nginx on x86_64, because of Requires: perl"
        " (a.spec line 7); in all it is 29.4 MB smaller."
    )


def test_a_line_is_not_shown_as_behind_what_other_packages_gain() -> None:
    one = image(("nginx", "minimal", "x86_64"), [("perl", 600_000, LINE)], moved=30_000_000)
    assert to_plain(headline(report(one))) == (
        "This change adds 1 package (600 kB) to nginx on x86_64, because of Requires: perl"
        " (a.spec line 7); in all it is 30.6 MB larger."
    )


def test_a_line_is_shown_as_behind_its_own_packages_alone() -> None:
    came = [("perl", 600_000, LINE), ("tcl", 900_000, None)]
    assert "adds 2 packages and 1.5 MB to nginx on x86_64, 1 of them because of Requires: perl" in (
        to_plain(headline(report(image(("nginx", "minimal", "x86_64"), came))))
    )


def test_images_that_move_in_two_directions_are_distinguished() -> None:
    images = [image((w, "minimal", "x86_64"), moved=m) for w, m in
              (("nginx", 3_000_000), ("curl", -40_000_000), ("git", 2_000_000))]  # fmt: skip
    assert to_plain(headline(report(*images))) == (
        "This change makes curl 40 MB smaller on x86_64, with the same packages."
        " 2 more images grow by up to 3 MB."
    )


def test_an_image_that_shrinks_on_one_architecture_alone_is_not_called_larger_there() -> None:
    moves = dict.fromkeys(ARCHITECTURES, 3_000_000) | {"s390x": -200_000}
    images = [image(("nginx", "minimal", arch), moved=m) for arch, m in moves.items()]
    assert to_plain(headline(report(*images))) == (
        "This change makes nginx 3 MB larger on x86_64, aarch64 and ppc64le, with the same"
        " packages. It differs on s390x."
    )


def test_what_can_be_installed_again_does_not_hide_what_changes_beside_it() -> None:
    again = image(("nginx", "minimal", "x86_64"), base="unsolvable")
    other = image(("curl", "minimal", "x86_64"), moved=-30_000_000)
    assert to_plain(headline(report(again, other))) == (
        "nginx on x86_64 can be installed again. 1 more image shrinks by 30 MB."
    )


def test_a_problem_that_is_the_same_on_several_architectures_is_shown_for_none_of_them() -> None:
    images = [image(("nginx", "minimal", a), head="unsolvable") for a in ARCHITECTURES]
    assert to_plain(headline(report(*images))) == (
        "nginx on all four architectures can no longer be installed: nothing provides x needed by"
        " a-0:1-1."
    )


def test_an_environment_is_named_where_the_workload_is_in_several() -> None:
    images = [image(("nginx", e, "x86_64"), moved=m) for e, m in
              (("minimal", 3_000_000), ("ubi", 0))]  # fmt: skip
    assert "makes nginx (minimal) 3 MB larger" in to_plain(headline(report(*images)))


def violated(name: str, id_: str, limit: int, value: int) -> ObjectiveResult:
    return broken_objective(name, "installed_size", 1, value, limit, id=id_)


@pytest.mark.parametrize("ids", [("a", "b"), ("", "")])
def test_two_objectives_of_one_name_are_both_shown(ids: tuple[str, str]) -> None:
    images = [
        replace(
            image((workload, "minimal", "x86_64"), moved=30_000_000),
            objectives=(violated("small", id_, limit, 80_000_000),),
        )
        for workload, id_, limit in (("nginx", ids[0], 60_000_000), ("curl", ids[1], 70_000_000))
    ]
    text = render_comment(report(*images, verdict="failure"))
    assert "for **nginx** on x86_64: installed size 80 MB, the limit is 60 MB" in text
    assert "for **curl** on x86_64: installed size 80 MB, the limit is 70 MB" in text


def test_an_objective_long_broken_on_one_image_is_not_shown_as_newly_broken_there() -> None:
    old = replace(violated("small", "a", 40_000_000, 80_000_000), before=50_000_000)
    new = violated("small", "a", 60_000_000, 80_000_000)
    images = [
        replace(image((w, "minimal", "x86_64"), moved=30_000_000), objectives=(o,))
        for w, o in (("nginx", old), ("curl", new))
    ]
    text = render_comment(report(*images, verdict="failure"))
    assert "This moves further from the objective “small” for **nginx** on x86_64" in text
    assert "This breaks the objective “small” for **curl** on x86_64" in text


def test_a_library_is_linked_anew_only_by_a_package_that_is_not_as_it_was(
    samples: SimpleNamespace,
) -> None:
    built = samples.image("x86_64", samples.xslt("x86_64"), "rebuilt")
    assert "because the build now links" in to_plain(headline(samples.result(built)))
    same = replace(built, changed_packages=())
    assert "because" not in to_plain(headline(samples.result(same)))
    assert isinstance(built.added[0].chains[0][0], Edge)


def test_what_is_behind_it_beside_the_two_largest_is_counted_by_its_kind() -> None:
    lines = [SpecLine("a.spec", n, f"Requires: p{n}") for n in range(4)]
    came = [(f"p{n}", 900_000 - n, line) for n, line in enumerate(lines)]
    text = to_plain(headline(report(image(("nginx", "minimal", "x86_64"), came))))
    assert text.endswith("`Requires: p1` (`a.spec` line 1) and 2 more lines.".replace("`", ""))


def test_a_number_of_packages_is_shown_once() -> None:
    over = replace(violated("small", "a", 25, 28), metric="packages")
    one = replace(image(("nginx", "minimal", "x86_64"), moved=30_000_000), objectives=(over,))
    result = report(one, verdict="failure")
    assert "for **nginx** on x86_64: 28 packages, the limit is 25 packages." in (
        render_comment(result)
    )
    assert (
        status_line(result)[0] == "nginx on x86_64: 28 packages, the limit is 25 packages (small)"
    )


def broken_by(cause: UnsolvableCause, workload: str, arch: str = "x86_64") -> ImageResult:
    found = image((workload, "minimal", arch), head="unsolvable")
    return replace(found, head=replace(found.head, causes=(cause,)))


def openssl_needs(arch: str, root: str = "") -> UnsolvableCause:
    """`libnothere >= 3` of openssl, which `root` leads to, and of an i686 build of root."""
    openssl = nevra("openssl", arch)
    way = (Edge(nevra(root, arch), "openssl", openssl, "requires"),) if root else ()
    return UnsolvableCause("missing", "libnothere >= 3", openssl, way, LINE)


def test_one_cause_that_breaks_33_images_is_one_sentence_up_front() -> None:
    images = [
        broken_by(openssl_needs(arch, f"tool{n}"), f"tool{n}", arch)
        for n in range(33)
        for arch in ARCHITECTURES
    ]
    result = report(*images, verdict="failure")
    assert to_plain(headline(result)) == (
        "tool0 and 32 more images can no longer be installed on all four architectures: nothing"
        " provides libnothere >= 3, which openssl requires because of Requires: perl (a.spec line"
        " 7)."
    )
    text = render_comment(result)
    # In the headline, and once more where the images are listed.
    assert text.count("libnothere") == 2
    assert "`tool0` \N{RIGHTWARDS ARROW} `openssl`" in text


def test_what_one_image_lacks_is_shown_in_full_in_the_headline_alone() -> None:
    result = report(broken_by(openssl_needs("x86_64"), "nginx"), verdict="failure")
    assert render_comment(result).count("libnothere") == 1


def test_different_causes_are_counted_with_their_images() -> None:
    other = UnsolvableCause("missing", "gone", nevra("b", "x86_64"))
    images = [broken_by(openssl_needs("x86_64"), name) for name in ("curl", "git")]
    result = report(*images, broken_by(other, "nginx"), verdict="failure")
    assert to_plain(headline(result)) == (
        "curl and 2 more images can no longer be installed on x86_64: nothing provides libnothere"
        " >= 3, which openssl requires because of Requires: perl (a.spec line 7) (2 images), and 1"
        " more cause."
    )


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
