"""What counts as a change of an image, and of a package."""

from dataclasses import replace
from datetime import date

import pytest

from bot import limits
from bot.check.compare import Thresholds, compare, side_of
from bot.check.objectives import evaluate_objectives
from bot.check.verdict import Unevaluated, verdict
from bot.distro.objectives import Growth, Limits, ObjectiveDocument, Sizes, Target
from bot.model.closure import Closure, ClosurePair, SnapshotState, UnsolvableCause
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Dependency, Package
from bot.model.result import ObjectiveResult
from bot.model.spec import SpecFailure
from bot.model.surface import Surface
from tests.report.conftest import broken_objective

KEY = ImageKey("web", "minimal", "repo", "x86_64")
KEY_PACKAGE = Nevra("web", 0, "1", "1", "x86_64")
STATE = SnapshotState("s", ())
TODAY = date(2027, 3, 1)


def package(
    name: str, size: int | None = 1_000_000, *needs: str, release: str = "1", arch: str = "x86_64"
) -> Package:
    nevra = Nevra(name, 0, "1", release, arch)
    own = Dependency("provides", f"{name} = 1-{release}")
    return Package(
        nevra,
        name,
        "repo",
        dependencies=(own, *(Dependency("requires", n) for n in needs)),
        installed_size=size,
    )


def ok(*packages: Package) -> Closure:
    return Closure(KEY, STATE, "ok", packages)


def unsolvable(*problems: str) -> Closure:
    return Closure(KEY, STATE, "unsolvable", problems=problems)


def result_of(base: Closure, head: Closure):
    return compare(ClosurePair(base, head, "predicted"), Thresholds())


def test_a_mere_release_bump_is_no_change() -> None:
    result = result_of(ok(package("web")), ok(package("web", release="2")))
    assert not result.changed
    assert result.changed_packages == ()


def test_the_same_nevra_with_another_size_or_dependency_is_a_changed_package() -> None:
    grown = result_of(ok(package("web", 10)), ok(package("web", 17)))
    assert [(c.name, c.delta) for c in grown.changed_packages] == [("web", 7)]
    assert not grown.changed
    needs = result_of(ok(package("web")), ok(package("web", 1_000_000, "libz.so.1()(64bit)")))
    assert [(c.name, c.delta) for c in needs.changed_packages] == [("web", 0)]


def test_size_counts_only_beyond_both_bytes_and_percent() -> None:
    def changed(before: int, after: int) -> bool:
        return result_of(ok(package("web", before)), ok(package("web", after))).changed

    assert not changed(1_000, 90_000)  # under 100 kB
    assert not changed(100_000_000, 100_500_000)  # under 1 %
    assert not changed(1_000_000, 1_100_000)  # exactly 100 kB is not more than it
    assert changed(1_000_000, 1_100_001)
    assert changed(100_000_000, 98_000_000)


def test_packages_pair_by_name_and_architecture() -> None:
    result = result_of(ok(package("web", arch="noarch")), ok(package("web")))
    assert [str(a.package.nevra) for a in result.added] == ["web-0:1-1.x86_64"]
    assert [str(p.nevra) for p in result.removed] == ["web-0:1-1.noarch"]
    assert result.changed


def test_an_unknown_size_leaves_the_total_unknown_beside_what_is_known() -> None:
    result = result_of(ok(package("a", 5)), ok(package("a", 5), package("new", None)))
    assert (result.head.installed_size, result.head.known_size) == (None, 5)


def test_a_head_that_cannot_be_installed_is_a_change_and_a_failure() -> None:
    result = result_of(ok(package("web")), unsolvable("nothing provides x"))
    assert result.changed
    assert result.head.packages is None
    assert result.head.problems == ("nothing provides x",)
    assert verdict([result], [], unknown=False) == "failure"


def test_a_base_that_could_not_be_installed_is_neutral() -> None:
    result = result_of(unsolvable("x"), unsolvable("x"))
    assert not result.changed
    assert verdict([result], [], unknown=False) == "neutral"


def test_an_invalid_head_spec_fails_and_trouble_around_us_is_neutral() -> None:
    failure = SpecFailure("web.spec", "x86_64", "invalid", "Unknown tag", 3)
    invalid = Unevaluated(failure, "change", ("head",))
    assert verdict([], [invalid], unknown=True) == "failure"
    assert verdict([], [], unknown=True) == "neutral"
    assert verdict([], [], unknown=False) == "success"


@pytest.mark.parametrize("fault", ["base", "unexpanded", "surroundings"])
def test_a_spec_that_is_not_evaluated_for_no_fault_of_the_change_is_neutral(fault) -> None:
    failure = SpecFailure("web.spec", "x86_64", "invalid", "Unknown tag", 3)
    each = Unevaluated(failure, fault, ("base", "head"))
    assert verdict([], [each], unknown=False) == "neutral"
    broken = result_of(ok(package("web")), unsolvable("nothing provides x"))
    assert verdict([broken], [each], unknown=False) == "failure"


def objective(**fields: object) -> ObjectiveDocument:
    values: dict[str, object] = {
        "id": "o",
        "name": "web stays small",
        "description": "",
        "maintainer": "m",
        "workload": "web",
    }
    return ObjectiveDocument(**{**values, **fields})  # type: ignore[arg-type]


def evaluated(document: ObjectiveDocument, base: Closure, head: Closure, today: date = TODAY):
    pair = ClosurePair(base, head, "predicted")
    return evaluate_objectives([document], compare(pair, Thresholds()), pair, today)


def test_a_limit_newly_broken_is_worse_and_one_already_broken_but_not_moved_is_not() -> None:
    limit = objective(limits=Limits(packages=1))
    broken = evaluated(limit, ok(package("a")), ok(package("a"), package("b")))
    assert broken == (broken_objective("web stays small", "packages", 1, 2, 1, id="o"),)
    two = ok(package("a"), package("b"))
    assert [(o.met, o.worse) for o in evaluated(limit, two, two)] == [(False, False)]


def with_surfaces(base: Surface | None, head: Surface | None) -> tuple[ObjectiveResult, ...]:
    pair = ClosurePair(ok(package("a")), ok(package("a")), "rebuilt")
    image = compare(pair, Thresholds())
    image = replace(
        image, base=replace(image.base, surface=base), head=replace(image.head, surface=head)
    )
    limits = Limits(setuid=(), interpreters=("bash",))
    return evaluate_objectives([objective(limits=limits)], image, pair, TODAY)


def test_what_an_allow_list_does_not_have_breaks_it_and_the_lists_say_what() -> None:
    setuid, interpreters = with_surfaces(
        Surface(interpreters=("bash",)), Surface(interpreters=("bash", "perl"))
    )
    assert (setuid.metric, setuid.value, setuid.limit, setuid.met) == ("setuid", (), (), True)
    assert (interpreters.before, interpreters.value) == (("bash",), ("bash", "perl"))
    assert (interpreters.limit, interpreters.met, interpreters.worse) == (("bash",), False, True)
    assert verdict(
        [replace(result_of(ok(), ok()), objectives=(interpreters,))], [], unknown=False
    ) == ("failure")


@pytest.mark.parametrize(
    ("before", "after", "met", "worse"),
    [
        (("perl",), ("perl",), False, False),
        (("perl",), ("python3",), False, True),
        (("perl", "python3"), ("perl",), False, False),
        (("perl",), (), True, False),
    ],
)
def test_what_base_has_already_is_not_blamed_on_the_change(
    before: tuple[str, ...], after: tuple[str, ...], met: bool, worse: bool
) -> None:
    _, image = with_surfaces(Surface(interpreters=before), Surface(interpreters=after))
    assert (image.met, image.worse) == (met, worse)


def test_until_headers_were_read_a_limit_on_the_surface_is_not_known() -> None:
    for base, head in ((None, None), (Surface(), None)):
        setuid, _ = with_surfaces(base, head)
        assert (setuid.value, setuid.limit, setuid.met, setuid.worse) == (None, (), None, False)


def test_growth_breaks_only_when_bytes_and_percent_are_both_passed() -> None:
    growth = objective(growth=Growth(bytes=100, percent=50.0))

    def met(before: int, after: int) -> bool | None:
        return evaluated(growth, ok(package("a", before)), ok(package("a", after)))[0].met

    assert met(1000, 1200) is True
    assert met(100, 190) is True
    assert met(100, 300) is False
    assert met(300, 100) is True


def test_a_target_is_told_until_its_day_has_passed_and_breaks_the_objective_after_it() -> None:
    target = objective(target=Target(Sizes(packages=1), by=TODAY))
    base, head = ok(package("a"), package("b")), ok(package("a"), package("b"), package("c"))
    (record,) = evaluated(target, base, head)
    assert (record.metric, record.before, record.value, record.limit) == ("packages", 2, 3, None)
    assert (record.target, record.target_by, record.due) == (1, "2027-03-01", False)
    assert (record.met, record.worse) == (True, False)
    (late,) = evaluated(target, base, head, date(2027, 3, 2))
    assert (late.due, late.met, late.worse) == (True, False, True)


@pytest.mark.parametrize("after", [2, 1, 0])
def test_a_late_target_that_the_change_does_not_move_further_off_does_not_fail(after: int) -> None:
    target = objective(target=Target(Sizes(packages=1), by=date(2027, 1, 1)))
    packages = [package(name) for name in ("a", "b")]
    (late,) = evaluated(target, ok(*packages), ok(*packages[:after]))
    assert (late.met, late.worse) == (after <= 1, False)


def test_a_metric_with_limit_and_target_is_one_and_the_smaller_of_both_counts_once_due() -> None:
    both = objective(limits=Limits(packages=3), target=Target(Sizes(packages=1), by=TODAY))
    base, head = ok(package("a")), ok(package("a"), package("b"))
    (record,) = evaluated(both, base, head)
    assert (record.limit, record.target, record.bound, record.met) == (3, 1, 3, True)
    (late,) = evaluated(both, base, head, date(2027, 3, 2))
    assert (late.limit, late.target, late.bound, late.met, late.worse) == (3, 1, 1, False, True)


def test_an_unwanted_package_that_comes_in_is_worse_with_its_reason() -> None:
    unwanted = objective(unwanted={"perl": "30 MB for one script"})
    (result,) = evaluated(unwanted, ok(package("a")), ok(package("a"), package("perl")))
    assert (result.metric, result.value, result.met, result.worse) == (
        "unwanted:perl",
        1,
        False,
        True,
    )
    assert result.reason == "30 MB for one script"


def test_a_layer_limit_is_unknown_until_the_layer_is_composed() -> None:
    (result,) = evaluated(
        objective(limits=Limits(layer_size=5)), ok(package("a")), ok(package("a"))
    )
    assert (result.value, result.met, result.worse) == (None, None, False)


def test_an_objective_of_another_image_is_not_evaluated() -> None:
    other = replace(objective(limits=Limits(packages=1)), environment="elsewhere")
    assert evaluated(other, ok(package("a")), ok(package("a"))) == ()


def test_of_very_many_causes_the_first_are_listed_and_the_others_counted() -> None:
    needs = [UnsolvableCause("missing", f"x{n}", KEY_PACKAGE) for n in range(19_000)]
    foreign = UnsolvableCause("missing", "y", KEY_PACKAGE, arch_only=True)
    texts = tuple(f"nothing provides {cause.capability}" for cause in needs)
    closure = Closure(KEY, STATE, "unsolvable", problems=texts, causes=(*needs, foreign))
    side = side_of(closure)
    assert side.causes == tuple(needs[: limits.SIDE_CAUSES])
    assert side.problems == texts[: limits.SIDE_CAUSES]
    # That in a package of another architecture is no reason here.
    assert side.more_causes == 19_000 - limits.SIDE_CAUSES
    only = side_of(replace(closure, causes=(foreign,) * (limits.SIDE_CAUSES + 2)))
    assert only.more_causes == 2
