"""Words in charts: beside their points, not over the line, a dot or each other."""

import itertools
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.store.history.values import Point as HistoryPoint
from bot.web.charts.bars import Tile, tiled, tiles, treemap
from bot.web.charts.curves import SIZE, image_chart, objective_chart
from bot.web.charts.graph import closure_graph
from bot.web.charts.plot import Box, Place, Point, place, ticks
from bot.web.charts.svg import Look, fitting, has_all, part_class, width
from bot.web.responses.image_packages import ImagePackage
from bot.web.responses.objectives import Objective, State
from bot.web.responses.steps import Step, in_few_words
from tests.web.rows import KEY, cause, nevra, package, step

AREA = Box(0, 0, 400, 200)
SVG = "{http://www.w3.org/2000/svg}"


def crosses(a: Point, b: Point, box: Box) -> bool:
    """Return whether a straight line goes through a box, by sampling it."""
    steps = 500
    return any(
        box.left < a.x + (b.x - a.x) * t / steps < box.right
        and box.top < a.y + (b.y - a.y) * t / steps < box.bottom
        for t in range(steps + 1)
    )


spots = st.builds(Point, st.integers(0, 400), st.integers(0, 200))


def stairs(points: list[Point]) -> list[Point]:
    """Points joined by level and upright lines."""
    ordered = sorted(points, key=lambda p: p.x)
    between = [[a, Point(b.x, a.y)] for a, b in itertools.pairwise(ordered)]
    return [*itertools.chain.from_iterable(between), ordered[-1]]


@settings(deadline=None)
@given(st.lists(spots, min_size=2, max_size=6), st.data())
def test_labels_lie_on_nothing_and_inside(points, data) -> None:
    line = stairs(points)
    at = data.draw(st.lists(st.sampled_from(points), min_size=1, max_size=4, unique=True))
    labels = [(p, [data.draw(st.integers(20, 150)), 20]) for p in at]
    found = [p for p in place(labels, line, AREA) if p]
    boxes = [p.box for p in found]
    for one in found:
        if one.leader:
            others = [p.box for p in found if p is not one]
            assert not any(crosses(*one.leader, box) for box in others)
    for box in boxes:
        assert box.left >= 0 and box.right <= 400 and box.top >= 0 and box.bottom <= 200
        assert not any(crosses(a, b, box) for a, b in itertools.pairwise(line))
        assert not any(box.left < p.x < box.right and box.top < p.y < box.bottom for p in at)
    assert not any(a.meets(b) for a, b in itertools.combinations(boxes, 2))


def test_labels_stand_right_beside_their_point_where_there_is_room() -> None:
    at = Point(100, 100)
    line = [Point(0, 150), Point(100, 150), at]
    (found,) = place([(at, [50])], line, AREA)
    assert found == Place(Box(107, 92.5, 157, 107.5), None, 0)


def test_labels_without_room_are_cut() -> None:
    at = Point(100, 100)
    (found,) = place([(at, [500, 50])], [], AREA)
    assert (found.form, found.box.right) == (1, 157)


def test_where_there_is_no_room_nothing_is_written() -> None:
    assert place([(Point(100, 100), [500])], [], AREA) == [None]


def crowded(count: int = 300) -> tuple[list[HistoryPoint], list[Step]]:
    sizes = [10_000_000 + 30_000 * ((i * 7) % 23) + 5_000_000 * (i // 40) for i in range(count)]
    steps = []
    for run in range(1, count):
        delta = sizes[run] - sizes[run - 1]
        to = str(nevra("glibc", str(run)))
        about = {"from": str(nevra("glibc")), "to": to}
        steps.append(step(run, cause("glibc", delta, **about), delta=delta))
    points = [
        HistoryPoint(run, step(run).evaluated, run, "ok", 1, size, size, None)
        for run, size in enumerate(sizes)
    ]
    return points, steps


@pytest.mark.parametrize("look", [Look(), Look(narrow=True), Look("dark")])
@pytest.mark.parametrize("count", [3, 300])
def test_the_largest_steps_are_labelled_with_their_cause_and_linked(look, count) -> None:
    points, steps = crowded(count)
    tree = ElementTree.fromstring(image_chart(SIZE, points, steps, look=look))
    labels = [
        (link, text)
        for group in tree.iter(f"{SVG}g")
        if group.get("class") == "labels"
        for link in group.iter(f"{SVG}a")
        for text in link.iter(f"{SVG}text")
    ]
    assert labels
    assert all(re.fullmatch(r"\W[\d.]+ [kM]B: glibc( \d+-1|.*…)", text.text) for _, text in labels)
    assert all(link.get("href").startswith("/packages/glibc?date=") for link, _ in labels)
    boxes = [
        Box(float(t.get("x")), float(t.get("y")) - 11, float(t.get("x")) + w, float(t.get("y")) + 4)
        for _, t in labels
        for w in [float(t.get("textLength"))]
    ]
    assert not any(a.meets(b) for a, b in itertools.combinations(boxes, 2))
    (line,) = [p for p in tree.iter(f"{SVG}path") if p.get("class", "").startswith("line")]
    numbers = [float(n) for n in re.findall(r"[\d.]+", line.get("d"))]
    corners = [Point(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
    for box in boxes:
        near = [(a, b) for a, b in itertools.pairwise(corners)
                if min(a.x, b.x) < box.right and max(a.x, b.x) > box.left]  # fmt: skip
        assert not any(crosses(a, b, box) for a, b in near)


def test_a_cause_in_few_words_names_the_pull_request() -> None:
    about = {"from": str(nevra("glibc")), "to": str(nevra("glibc", "2"))}
    assert in_few_words(step(2, cause("glibc", 5, **about), delta=5)) == "glibc 2-1"
    pull = {"repository": "rpms/nginx", "number": 7, "private": False}
    came = [cause(f"p{n}", 5, change="came", pull_request=pull) for n in range(3)]
    assert in_few_words(step(2, *came)) == "p0 and 2 more, rpms/nginx#7"
    hidden = cause("p0", 5, change="came", pull_request={**pull, "private": True})
    assert in_few_words(step(2, hidden)) == "p0, a private pull request"


def test_texts_are_as_wide_on_every_machine() -> None:
    assert width("nginx 1.26") == pytest.approx(55.24, abs=0.01)
    assert fitting("nginx stays small", 60) == "nginx sta…"
    assert has_all("nginx \N{MINUS SIGN} 1.26…")
    assert not has_all("\N{RIGHTWARDS ARROW}")


def objective(values: list[int], target: int, arches: int = 1) -> Objective:
    days = [f"2026-01-{n + 1:02}T00:00:00Z" for n in range(len(values) + 1)]
    history = [
        State(
            replace(KEY, arch=f"a{arch}"), "installed_size", value, 70_000_000, target,
            "2026-06-01", None, "", days[n], None if n == len(values) - 1 else days[n + 1],
        )
        for arch in range(arches)
        for n, value in enumerate(values)
    ]  # fmt: skip
    return Objective("o", days[-1], "o", "", "", "w", {}, [], history, [])


@pytest.mark.parametrize(("target", "sloped"), [(40_000_000, True), (65_000_000, False)])
def test_an_objective_has_its_limit_its_target_and_the_way_there_if_it_is_not_there(
    target, sloped
) -> None:
    drawn = objective_chart(objective([60_000_000, 55_000_000], target), "installed_size")
    assert "Limit 70 MB" in drawn
    assert f"Target {target // 1_000_000} MB by 2026-06-01" in drawn
    assert ("Way to the target" in drawn) == sloped


def test_tiles_have_their_names_and_sizes_where_there_is_room() -> None:
    drawn = treemap([package("large", 90_000_000), package("middle", 9_000_000)]
                    + [package(f"tiny-{n}", 10_000) for n in range(9)])  # fmt: skip
    texts = {t.text for t in ElementTree.fromstring(drawn).iter(f"{SVG}text") if t.text}
    assert "large 90 MB" in texts
    assert not any(text.startswith("tiny") for text in texts)


def test_two_treemaps_in_one_scale_have_equal_tiles_for_equal_bytes() -> None:
    def area(share: float, *sizes: int) -> float:
        drawn = ElementTree.fromstring(tiles([Tile("a", n, "stays") for n in sizes], share=share))
        box = drawn.find(f".//{SVG}rect[@class='tile {part_class('stays')}']")
        assert box is not None
        return float(box.get("width", 0)) * float(box.get("height", 0))

    assert area(1, 90, 10) == pytest.approx(area(0.9, 90), rel=0.01)


def test_moments_that_read_the_same_stand_below_a_chart_once() -> None:
    when = 1_800_000_000.0
    assert len(ticks([when, when + 50])) < 3
    assert len(ticks([when, when + 90 * 86400])) == 6
    assert len(ticks([when, when + 90 * 86400], narrow=True)) == 3


@pytest.mark.parametrize("arches", range(1, 7))
@pytest.mark.parametrize("narrow", [False, True])
def test_no_row_of_a_legend_is_cut_off(arches, narrow) -> None:
    goal = objective([60_000_000, 55_000_000], 40_000_000, arches)
    tree = ElementTree.fromstring(objective_chart(goal, "installed_size", look=Look(narrow=narrow)))
    height = float(tree.get("viewBox").split()[3])
    legends = [g for g in tree.iter(f"{SVG}g") if g.get("class", "").startswith("legend")]
    rows = [float(text.get("y")) for group in legends for text in group.iter(f"{SVG}text")]
    assert len(rows) == arches + 3
    assert max(rows) + 4 <= height


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40))
def test_tiles_fill_their_area_and_have_their_share_of_it(sizes) -> None:
    sizes.sort(reverse=True)
    boxes = tiled(sizes, Box(10, 20, 410, 320))
    for size, box in zip(sizes, boxes, strict=True):
        assert box.left >= 10 - 1e-6 and box.right <= 410 + 1e-6
        assert box.top >= 20 - 1e-6 and box.bottom <= 320 + 1e-6
        area = (box.right - box.left) * (box.bottom - box.top)
        assert area == pytest.approx(size / sum(sizes) * 120_000, abs=1e-3)


def needs(*edges: str) -> list[ImagePackage]:
    """Packages of a closure, of edges such as `a>b`: a requires b."""
    pairs = [edge.split(">") for edge in edges]
    names = sorted({name for pair in pairs for name in pair})
    return [
        package(
            name,
            requested=name == "a",
            required_by={source: f"cap({name})" for source, target in pairs if target == name},
        )
        for name in names
    ]


def columns(drawn: str) -> dict[str, float]:
    """The horizontal place of each package in a graph."""
    links = ElementTree.fromstring(drawn).iter(f"{SVG}a")
    return {a.find(f"{SVG}text").text: float(a.find(f"{SVG}rect").get("x")) for a in links}


def test_a_graph_has_each_package_to_the_right_of_those_that_require_it() -> None:
    places = columns(closure_graph(needs("a>b", "b>c", "a>c", "c>d"), ""))
    assert places["a"] < places["b"] < places["c"] < places["d"]


def test_a_graph_of_a_circle_is_drawn_with_all_its_edges() -> None:
    drawn = closure_graph(needs("a>b", "b>c", "c>b"), "")
    assert set(columns(drawn)) == {"a", "b", "c"}
    for title in ("a requires cap(b)", "b requires cap(c)", "c requires cap(b)"):
        assert title in drawn


def test_a_graph_of_the_ways_to_a_package_leaves_the_others_out() -> None:
    closure = needs("a>b", "b>c", "a>x", "c>y")
    assert set(columns(closure_graph(closure, "c"))) == {"a", "b", "c"}
    cut = closure_graph(closure, "", most=2)
    assert len(columns(cut)) == 2
    assert "The nearest 2 of 5 packages are drawn." in cut
