"""Which line of a change brings a package, and which lines take it out together."""

from collections.abc import Callable

from bot.check.lines import Solving, explain, suggestions
from bot.check.stated_lines import AddedDependency, overlay_with, overlay_without
from bot.model.closure import Closure, Edge, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Dependency, Overlay, Package
from bot.model.result import Added, ImageResult, Side
from bot.model.spec import SpecLine
from bot.model.suggestion import Saving

KEY = ImageKey("web", "minimal", "repo", "x86_64")
SNAPSHOT = SnapshotState("s", ())
OWN = Nevra("web", 0, "1", "2", "x86_64")
PERL = Nevra("perl", 0, "5", "1", "x86_64")
LIBS = Nevra("perl-libs", 0, "5", "1", "x86_64")
FIRST = SpecLine("web.spec", 10, "Requires: perl")
SECOND = SpecLine("web.spec", 20, "Requires: /usr/bin/perl")


def package(nevra: Nevra, size: int | None = 100, *needs: Dependency) -> Package:
    return Package(nevra, nevra.name, "repo", dependencies=needs, installed_size=size)


def requires(text: str, generated: bool | None = None) -> Dependency:
    return Dependency("requires", text, generated=generated)


def overlay(*needs: Dependency) -> Overlay:
    return Overlay("x86_64", frozenset({"web"}), (package(OWN, 1, *needs),), "predicted")


def added(*chain: Edge) -> Added:
    target = chain[-1].target
    return Added(package(target), requested=False, chains=(chain,))


def image(*packages: Added) -> ImageResult:
    return ImageResult(
        key=KEY,
        snapshot=SNAPSHOT,
        changed=True,
        evidence="predicted",
        base=Side("ok"),
        head=Side("ok"),
        added=packages,
    )


def closure(*nevras: Nevra) -> Closure:
    return Closure(KEY, SNAPSHOT, "ok", tuple(package(n) for n in nevras))


def solver(
    needed_by: dict[Nevra, set[SpecLine]], calls: list[frozenset[SpecLine]]
) -> Callable[[frozenset[SpecLine]], Closure]:
    """A package is there as long as one of its lines is."""

    def solve(without: frozenset[SpecLine]) -> Closure:
        calls.append(without)
        return closure(OWN, *(n for n, lines in needed_by.items() if lines - without))

    return solve


def solving(
    without: Callable[[frozenset[SpecLine]], Closure],
    only: Callable[[SpecLine], Closure] = lambda _: closure(OWN),
    way: tuple[Edge, ...] = (),
) -> Solving:
    """How the image is solved again; by default no line alone brings anything."""
    return Solving(without, only, lambda _: {(way[-1].target.name, "x86_64"): way} if way else {})


def test_the_line_on_the_chain_is_named_and_proved_by_solving_without_it() -> None:
    chain = (Edge(OWN, "perl", PERL, "requires"), Edge(PERL, "perl-libs", LIBS, "requires"))
    changes = (AddedDependency(OWN, requires("perl"), FIRST),)
    calls: list[frozenset[SpecLine]] = []
    explained = explain(
        image(added(*chain)),
        closure(OWN, PERL, LIBS),
        changes,
        solving(solver({PERL: {FIRST}, LIBS: {FIRST}}, calls)),
    )
    (package,) = explained.image.added
    assert package.spec == FIRST
    assert package.leaves_with == (FIRST,)
    assert frozenset({FIRST}) in calls
    assert explained.savings[FIRST] == Saving(KEY, packages=2, installed_size=200)


def test_two_lines_that_each_hold_a_package_must_go_together() -> None:
    chain = (Edge(OWN, "perl", PERL, "requires"),)
    changes = (
        AddedDependency(OWN, requires("perl"), FIRST),
        AddedDependency(OWN, requires("/usr/bin/perl"), SECOND),
    )
    explained = explain(
        image(added(*chain)),
        closure(OWN, PERL),
        changes,
        solving(solver({PERL: {FIRST, SECOND}}, [])),
    )
    assert explained.image.added[0].leaves_with == (FIRST, SECOND)
    assert explained.image.added[0].spec == FIRST
    assert explained.image.added[0].alternatives == (SECOND,)
    assert explained.savings == {}


def test_what_comes_in_the_place_of_a_package_is_told() -> None:
    """`Requires: libs-minimal` beside `Requires: libs`, which the minimal one provides."""
    chain = (Edge(OWN, "perl-libs", LIBS, "requires"),)
    changes = (AddedDependency(OWN, requires("perl-libs"), FIRST),)

    def solve(without: frozenset[SpecLine]) -> Closure:
        return closure(OWN, PERL) if without else closure(OWN, LIBS)

    (package,) = explain(
        image(added(*chain)), closure(OWN, LIBS), changes, solving(solve)
    ).image.added
    assert (package.leaves_with, package.instead) == ((FIRST,), (PERL,))


def test_a_line_that_needs_another_says_so() -> None:
    """`Requires: (perl if cups)` and `Requires: cups`: without either, perl is not there."""
    chain = (Edge(OWN, "(perl if cups)", PERL, "requires"),)
    changes = (
        AddedDependency(OWN, requires("(perl if cups)"), FIRST),
        AddedDependency(OWN, requires("cups"), SECOND),
    )

    def solve(without: frozenset[SpecLine]) -> Closure:
        return closure(OWN) if without else closure(OWN, PERL)

    (package,) = explain(
        image(added(*chain)), closure(OWN, PERL), changes, solving(solve)
    ).image.added
    assert (package.spec, package.leaves_with, package.together_with) == (
        FIRST,
        (FIRST,),
        (SECOND,),
    )
    assert package.alternatives == ()


def test_a_line_that_takes_nothing_out_is_named_only_with_what_keeps_the_package() -> None:
    chain = (Edge(OWN, "perl", PERL, "requires"),)
    link = (Edge(OWN, "libperl.so.5()(64bit)", PERL, "requires"),)
    changes = (AddedDependency(OWN, requires("perl"), FIRST),)

    def stays(_: frozenset[SpecLine]) -> Closure:
        return closure(OWN, PERL)

    both = solving(stays, lambda _: closure(OWN, PERL), link)
    (package,) = explain(image(added(*chain)), closure(OWN, PERL), changes, both).image.added
    assert (package.spec, package.leaves_with, package.stays_by) == (FIRST, (), link)
    neither = solving(stays, lambda _: closure(OWN), link)
    (package,) = explain(image(added(*chain)), closure(OWN, PERL), changes, neither).image.added
    assert (package.spec, package.leaves_with, package.stays_by) == (None, (), ())


def test_what_comes_instead_is_counted_apart_from_what_leaves() -> None:
    chain = (Edge(OWN, "perl", PERL, "requires"),)
    other = Nevra("awk", 0, "1", "1", "x86_64")

    def solve(_: frozenset[SpecLine]) -> Closure:
        return closure(OWN, other)

    explained = explain(
        image(added(*chain)),
        closure(OWN, PERL, LIBS),
        (AddedDependency(OWN, requires("perl"), FIRST),),
        solving(solve),
    )
    assert explained.savings[FIRST] == Saving(KEY, packages=2, installed_size=100, come=1)


def test_a_line_is_added_to_base_with_bases_own_version() -> None:
    head = Nevra("web", 1, "9", "1", "x86_64")
    changes = (
        AddedDependency(head, requires("web-libs = 1:9-1"), FIRST),
        AddedDependency(head, requires("web-doc = 9-1"), FIRST),
        AddedDependency(head, requires("perl"), SECOND),
    )
    after = overlay_with(overlay(requires("x")), changes, FIRST)
    assert [d.capability for d in after.packages[0].dependencies] == [
        "x",
        "web-libs = 0:1-2",
        "web-doc = 1-2",
    ]


def test_a_library_that_the_build_linked_has_no_line() -> None:
    chain = (Edge(OWN, "libxslt.so.1()(64bit)", LIBS, "requires"),)
    changes = (AddedDependency(OWN, requires("perl"), FIRST),)
    explained = explain(
        image(added(*chain)), closure(OWN, LIBS), changes, solving(lambda _: closure(OWN, LIBS))
    )
    assert explained.image.added[0].spec is None
    assert explained.image.added[0].leaves_with == ()


def test_an_unsolvable_answer_proves_nothing() -> None:
    chain = (Edge(OWN, "perl", PERL, "requires"),)
    explained = explain(
        image(added(*chain)),
        closure(OWN, PERL),
        (AddedDependency(OWN, requires("perl"), FIRST),),
        solving(lambda _: Closure(KEY, SNAPSHOT, "unsolvable", problems=("conflict",))),
    )
    assert explained.image.added[0].leaves_with == ()
    assert explained.savings == {}


def test_the_smallest_set_is_found_before_larger_ones() -> None:
    lines = tuple(SpecLine("web.spec", n, f"Requires: r{n}") for n in range(1, 6))
    changes = tuple(AddedDependency(OWN, requires(f"r{n}"), lines[n - 1]) for n in range(1, 6))
    chain = (Edge(OWN, "r4", PERL, "requires"),)
    explained = explain(
        image(added(*chain)),
        closure(OWN, PERL),
        changes,
        solving(solver({PERL: {lines[1], lines[3]}}, [])),
    )
    assert explained.image.added[0].leaves_with == (lines[1], lines[3])


def test_leaving_a_line_out_keeps_what_a_generator_made_and_what_another_line_states() -> None:
    changes = (
        AddedDependency(OWN, requires("perl"), FIRST),
        AddedDependency(OWN, requires("libz.so.1()(64bit)"), FIRST),
        AddedDependency(OWN, requires("shared"), FIRST),
        AddedDependency(OWN, requires("shared"), SECOND),
    )
    before = overlay(
        requires("perl"), requires("libz.so.1()(64bit)", generated=True), requires("shared")
    )
    after = overlay_without(before, changes, frozenset({FIRST}))
    assert [d.capability for d in after.packages[0].dependencies] == [
        "libz.so.1()(64bit)",
        "shared",
    ]


def test_a_sibling_requirement_is_recognized_though_the_overlay_has_another_version() -> None:
    head = Nevra("web", 1, "9", "1", "x86_64")
    changes = (AddedDependency(head, requires("web-libs = 1:9-1"), FIRST),)
    after = overlay_without(overlay(requires("web-libs = 1-2")), changes, frozenset({FIRST}))
    assert after.packages[0].dependencies == ()


def test_savings_are_unknown_where_a_size_is() -> None:
    chain = (Edge(OWN, "perl", PERL, "requires"),)
    head = Closure(KEY, SNAPSHOT, "ok", (package(OWN), package(PERL, None)))
    explained = explain(
        image(added(*chain)),
        head,
        (AddedDependency(OWN, requires("perl"), FIRST),),
        solving(solver({PERL: {FIRST}}, [])),
    )
    assert explained.savings[FIRST].installed_size is None


def test_explain_saves_nothing_with_a_line_that_states_what_base_has_too() -> None:
    chain = (Edge(OWN, "perl", PERL, "requires"),)
    head = Closure(KEY, SNAPSHOT, "ok", (package(OWN), package(PERL)))
    explained = explain(
        image(added(*chain)),
        head,
        (AddedDependency(OWN, requires("perl"), FIRST, whole_line=False),),
        solving(solver({PERL: {FIRST}}, [])),
    )
    assert explained.savings == {}
    assert explained.image.added[0].leaves_with == (FIRST,)


def test_only_plain_requires_lines_are_suggested_to_be_weaker() -> None:
    qualified = SpecLine("web.spec", 5, "Requires(post): perl")
    spaced = SpecLine("web.spec", 6, "Requires:   %{name}-x >= 2")
    saving = Saving(KEY, 3, 1000)
    suggested = suggestions([{qualified: saving, spaced: saving}])
    assert [(s.spec, s.replace_with, s.saves) for s in suggested] == [
        (spaced, "Recommends: %{name}-x >= 2", (saving,))
    ]
