"""Steps cut into causes: to the byte, whatever came or went, with the right name on each."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.model.closure import SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.objectives.attribution import attribute
from bot.store.history.values import (
    ClosureFacts,
    Contents,
    EvaluatedImage,
    Link,
    Member,
    MergedChange,
    MergedEffect,
)

KEY = ImageKey("w", "e", "r", "x86_64")


def member(
    name, version="1", size: int | None = 10, *,
    requested=False, source="", arch="x86_64", file: int | None = None,
):  # fmt: skip
    nevra = Nevra(name, 0, version, "1", arch)
    return Member(nevra, source or name, "repo", size, None, file, requested)


def after(
    members: Sequence[Member], links: Sequence[Link] = (), requests=("app",)
) -> EvaluatedImage:
    facts = ClosureFacts("ok", len(members), None, sum(m.installed_size or 0 for m in members))
    state = SnapshotState("s", ())
    return EvaluatedImage(KEY, state, "", "", facts, requests, False, tuple(members), tuple(links))


def change(sources, number=1, *, effects=(), documents=(), pushed=False) -> MergedChange:
    return MergedChange(
        "github", "o/app", None if pushed else number, "t", "a", "u", "sha",
        "2026-01-01T00:00:00Z", None, sources, tuple(effects), id=number, documents=documents,
    )  # fmt: skip


def foreseen(**names: str) -> MergedEffect:
    """The effect of a change by a check to the image."""
    return MergedEffect(KEY, "predicted", None, None, None, None, names)


MEMBERS = st.builds(
    member,
    st.sampled_from("abcdef"),
    st.sampled_from("123"),
    st.none() | st.integers(0, 10**12),
    requested=st.booleans(),
    arch=st.sampled_from(["x86_64", "noarch", "i686"]),
    source=st.sampled_from(["", "a", "b"]),
    file=st.none() | st.integers(1, 3),
)


def closures():
    unique = st.lists(MEMBERS, max_size=12, unique_by=lambda m: m.nevra).map(sorted)
    return unique.flatmap(
        lambda members: st.tuples(
            st.just(members),
            st.lists(
                st.builds(
                    Link,
                    st.integers(0, max(len(members) - 1, 0)),
                    st.sampled_from(["cap", "(a if b)"]),
                    st.integers(0, max(len(members) - 1, 0)),
                    st.sampled_from(["requires", "recommends"]),
                ),
                max_size=20 if members else 0,
            ),
        )
    )


@st.composite
def merged(draw: st.DrawFn, number: int) -> MergedChange:
    """A merged change of any kind: of some sources, to any version, with or without a check."""
    names = st.sampled_from("abcdef")
    versions = st.none() | st.sampled_from(["1-1", "2-1", "3-1", "9-1"])
    words = st.sampled_from(["came", "went", "changed"])
    return change(
        draw(st.dictionaries(names, versions, max_size=2)),
        number,
        effects=[foreseen(**draw(st.dictionaries(names, words, max_size=3)))],
        documents=draw(st.sampled_from([(), ("r",), ("other",)])),
        pushed=draw(st.booleans()),
    )


@given(closures(), closures(), st.data(), st.booleans())
def test_whatever_was_merged_the_causes_add_up_and_blame_only_what_arrived(
    old, new, data, same
) -> None:
    changes = [data.draw(merged(n + 1)) for n in range(data.draw(st.integers(0, 4)))]
    before = Contents(tuple(old[0]), tuple(old[1]), ("app",))
    step = attribute(before, after(*new), changes, same_metadata=same)
    size = sum(m.installed_size or 0 for m in new[0]) - sum(m.installed_size or 0 for m in old[0])
    assert sum(cause.known_delta for cause in step.causes) == size
    by_id = {change.id: change for change in changes}
    for cause in step.causes:
        if cause.merged_change is None:
            assert cause.kind in ("distribution", "configuration", "unknown")
            continue
        blamed = by_id[cause.merged_change]
        assert blamed.id in step.landed
        assert blamed.documents != ("other",)
        assert cause.kind == ("commit" if blamed.number is None else "pull request")
    moved = {m.source for m in new[0]} | {m.source for m in old[0]}
    named = {cause.merged_change for cause in step.causes}
    for number in step.landed:
        # One without sources changes what images request, and is named for what it did.
        sources = by_id[number].sources
        assert not moved.isdisjoint(sources) if sources else number in named


@given(closures(), closures(), st.lists(st.sampled_from("abcdef"), max_size=3), st.booleans())
def test_the_causes_of_a_step_add_up_to_the_step(old, new, sources, same) -> None:
    changes = [change({name: None}, n + 1) for n, name in enumerate(sources)]
    before = Contents(tuple(old[0]), tuple(old[1]), ("app",))
    step = attribute(before, after(*new), changes, same_metadata=same)
    size = sum(m.installed_size or 0 for m in new[0]) - sum(m.installed_size or 0 for m in old[0])
    assert sum(cause.known_delta for cause in step.causes) == size
    count = sum({"came": 1, "went": -1}.get(cause.change, 0) for cause in step.causes)
    assert count == len(new[0]) - len(old[0])
    assert all(c.delta is None or c.delta == c.known_delta for c in step.causes)


OLD = Contents((member("app", requested=True), member("base")), (Link(0, "base", 1, "requires"),))
NEW = (member("app", "2", 12, requested=True), member("base"), member("perl", size=50))
NEW_LINKS = (Link(0, "base", 1, "requires"), Link(0, "perl", 2, "requires"))
ASKED = Contents(OLD.members, OLD.links, ("app",))


def test_what_a_new_version_brings_is_attributed_to_it_with_the_chain() -> None:
    perl, app = attribute(ASKED, after(NEW, NEW_LINKS)).causes
    assert (perl.package, perl.change, perl.delta, perl.kind) == (
        "perl",
        "came",
        50,
        "distribution",
    )
    assert str(perl.mover) == "app-0:2-1.x86_64"
    assert [edge.capability for edge in perl.chain] == ["perl"]
    assert (app.package, app.change, app.delta) == ("app", "changed", 2)


def test_a_merged_pull_request_gets_its_package_and_what_it_brings() -> None:
    step = attribute(ASKED, after(NEW, NEW_LINKS), [change({"app": "2-1"})])
    assert {c.merged_change for c in step.causes} == {1}
    assert {c.kind for c in step.causes} == {"pull request"}
    assert step.landed == {1}


def test_a_pull_request_whose_version_is_not_there_yet_is_not_blamed() -> None:
    step = attribute(ASKED, after(NEW, NEW_LINKS), [change({"app": "3-1"})])
    assert {c.kind for c in step.causes} == {"distribution"}
    assert not step.landed


def test_what_a_merged_change_of_a_request_foresaw_is_named_with_it() -> None:
    old = Contents((member("app", requested=True),), (), ("app",))
    new = after(
        [
            member("app", requested=True),
            member("vim", requested=True),
            member("zip", requested=True),
        ],
        requests=("app", "vim", "zip"),
    )
    changes = [change({}, 1, effects=[foreseen(vim="came")]), change({}, 2)]
    step = attribute(old, new, changes)
    assert {c.package: (c.kind, c.merged_change) for c in step.causes} == {
        "vim": ("pull request", 1), "zip": ("configuration", None),
    }  # fmt: skip
    assert step.landed == {1}
    # What has come to the image once does not come again.
    effect = replace(foreseen(vim="came"), landed_run=3)
    again = attribute(old, new, [change({}, 1, effects=[effect])])
    assert {c.merged_change for c in again.causes} == {None}


def test_what_a_document_newly_requests_is_configuration() -> None:
    new = (*OLD.members, member("vim", requested=True))
    (vim,) = attribute(ASKED, after(new, OLD.links, ("app", "vim"))).causes
    assert (vim.change, vim.kind) == ("came", "configuration")


def test_what_a_new_version_lets_go_is_attributed_to_it() -> None:
    before = Contents(
        (member("app", requested=True), member("lib", size=7)),
        (Link(0, "lib", 1, "requires"),),
        ("app",),
    )
    lib, _ = attribute(before, after((member("app", "2", requested=True),))).causes
    assert (lib.change, lib.delta, str(lib.mover)) == ("went", -7, "app-0:2-1.x86_64")


def laid_to(step) -> dict[str, int | None]:
    return {cause.package: cause.merged_change for cause in step.causes}


def test_of_two_changes_that_arrive_together_each_gets_what_its_check_foresaw() -> None:
    merged = change({"app": "1.5-1"}, 1, effects=[foreseen(perl="came")])
    two = change({"app": "2-1"}, 2, effects=[foreseen(app="changed")])
    step = attribute(ASKED, after(NEW, NEW_LINKS), [merged, two])
    assert step.landed == {1, 2}
    assert laid_to(step) == {"perl": 1, "app": 2}


def test_what_no_check_foresaw_goes_to_the_newest_that_arrived() -> None:
    step = attribute(
        ASKED, after(NEW, NEW_LINKS), [change({"app": "1.5-1"}, 1), change({"app": "2-1"}, 2)]
    )
    assert set(laid_to(step).values()) == {2}


def test_a_change_that_is_built_after_a_newer_one_gets_its_own_package_only() -> None:
    late = change({"perl": "1-1"}, 1)
    newer = change({"app": "2-1"}, 2)
    first = attribute(ASKED, after((NEW[0], NEW[1]), NEW_LINKS[:1]), [late, newer])
    assert (first.landed, laid_to(first)) == ({2}, {"app": 2})
    before = Contents((NEW[0], NEW[1]), NEW_LINKS[:1], ("app",))
    then = attribute(before, after(NEW, NEW_LINKS), [late])
    assert (then.landed, laid_to(then)) == ({1}, {"perl": 1})


def test_a_revert_gets_what_it_takes_away() -> None:
    there = Contents(NEW, NEW_LINKS, ("app",))
    back = (member("app", "3", 10, requested=True), member("base"))
    step = attribute(there, after(back, NEW_LINKS[:1]), [change({"app": "3-1"}, 2)])
    assert laid_to(step) == {"perl": 2, "app": 2}
    assert [c.change for c in step.causes] == ["went", "changed"]


def test_a_version_that_was_never_built_is_met_by_a_later_one_and_by_no_earlier() -> None:
    step = attribute(ASKED, after(NEW, NEW_LINKS), [change({"app": "1.7-3"})])
    assert step.landed == {1}
    assert not attribute(ASKED, after(NEW, NEW_LINKS), [change({"app": "2.1-1"})]).landed


def test_a_build_that_was_withdrawn_is_the_distributions() -> None:
    there = Contents(NEW, NEW_LINKS, ("app",))
    back = (member("app", "1", requested=True), member("base"))
    step = attribute(there, after(back, NEW_LINKS[:1]), [change({"app": "2-1"})])
    assert not step.landed
    assert {c.kind for c in step.causes} == {"distribution"}


def test_what_came_to_another_branch_explains_nothing_here() -> None:
    step = attribute(ASKED, after(NEW, NEW_LINKS), [change({"app": "2-1"}, documents=("c9s",))])
    assert not step.landed


def test_a_pushed_commit_is_named_as_one() -> None:
    step = attribute(ASKED, after(NEW, NEW_LINKS), [change({"app": None}, pushed=True)])
    assert {(c.kind, c.merged_change) for c in step.causes} == {("commit", 1)}


def test_the_bytes_of_what_the_change_did_not_do_stay_the_distributions() -> None:
    grown = (NEW[0], member("base", "2", 17), NEW[2])
    step = attribute(ASKED, after(grown, NEW_LINKS), [change({"app": "2-1"})])
    kinds = {c.package: (c.kind, c.known_delta) for c in step.causes}
    assert kinds["base"] == ("distribution", 7)
    assert kinds["perl"] == ("pull request", 50)


def test_a_package_that_moves_to_another_architecture_is_one_that_changed() -> None:
    new = (NEW[0], member("base", size=13, arch="noarch"), NEW[2])
    causes = {c.package: c for c in attribute(ASKED, after(new, NEW_LINKS)).causes}
    base = causes["base"]
    assert (base.change, base.delta) == ("changed", 3)
    assert (str(base.before), str(base.after)) == ("base-0:1-1.x86_64", "base-0:1-1.noarch")


def test_the_same_name_for_another_file_of_the_same_size_is_a_cause_of_no_bytes() -> None:
    before = Contents((member("app", requested=True, file=5),), (), ("app",))
    (app,) = attribute(before, after((member("app", requested=True, file=6),))).causes
    assert (app.package, app.change, app.delta) == ("app", "changed", 0)
    for unknown in (None, 5):
        assert not attribute(before, after((member("app", requested=True, file=unknown),))).causes


NEEDY = (member("app", requested=True), member("old-db", size=30))
NEEDS = (Link(0, "db", 1, "requires"),)


def test_what_takes_the_place_of_another_is_why_that_one_went() -> None:
    before = Contents(NEEDY, NEEDS, ("app",))
    new = (member("app", requested=True), member("new-db", size=50))
    step = attribute(before, after(new, NEEDS), [change({"new-db": "1-1"})])
    came, went = step.causes
    assert (came.package, came.change, came.merged_change) == ("new-db", "came", 1)
    assert (went.package, went.change, went.delta) == ("old-db", "went", -30)
    assert (str(went.mover), went.merged_change) == ("new-db-0:1-1.x86_64", 1)
    assert step.landed == {1}


def test_a_renamed_package_of_one_source_is_its_pull_requests_doing_on_both_sides() -> None:
    before = Contents(
        (member("app", requested=True), member("db-libs", "1", 30, source="db")), NEEDS, ("app",)
    )
    new = (member("app", requested=True), member("libdb", "2", 31, source="db"))
    step = attribute(before, after(new, NEEDS), [change({"db": "2-1"})])
    assert {c.package: c.change for c in step.causes} == {"libdb": "came", "db-libs": "went"}
    assert set(laid_to(step).values()) == {1}
    assert sum(c.known_delta for c in step.causes) == 1


def test_who_no_longer_offers_what_is_needed_lets_another_in() -> None:
    before = Contents(
        (member("app", requested=True), member("both", size=9)),
        (Link(0, "both", 1, "requires"), Link(0, "tool", 1, "requires")),
        ("app",),
    )
    new = (member("app", requested=True), member("both", "2", 5), member("tool", size=8))
    links = (Link(0, "both", 1, "requires"), Link(0, "tool", 2, "requires"))
    step = attribute(before, after(new, links), [change({"both": "2-1"})])
    tool = next(c for c in step.causes if c.package == "tool")
    assert (tool.change, str(tool.mover), tool.merged_change) == ("came", "both-0:2-1.x86_64", 1)
