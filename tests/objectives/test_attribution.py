"""Steps cut into causes: to the byte, whatever came or went, with the right name on each."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bot.model import ImageKey, Nevra, SnapshotState
from bot.objectives import attribute
from bot.store.history import ClosureFacts, Contents, Evaluated, Link, Member, MergedChange

KEY = ImageKey("w", "e", "r", "x86_64")


def member(name, version="1", size: int | None = 10, *, requested=False, source="", arch="x86_64"):
    nevra = Nevra(name, 0, version, "1", arch)
    return Member(nevra, source or name, "repo", size, None, None, requested)


def after(members: Sequence[Member], links: Sequence[Link] = (), requests=("app",)) -> Evaluated:
    facts = ClosureFacts("ok", len(members), None, sum(m.installed_size or 0 for m in members))
    state = SnapshotState("s", ())
    return Evaluated(KEY, state, "", "", facts, requests, False, tuple(members), tuple(links))


def change(sources, number=1) -> MergedChange:
    return MergedChange(
        "github", "o/app", number, "t", "a", "u", "sha", "2026-01-01T00:00:00Z", None, sources,
        id=number,
    )  # fmt: skip


MEMBERS = st.builds(
    member,
    st.sampled_from("abcdef"),
    st.sampled_from("123"),
    st.none() | st.integers(0, 10**12),
    requested=st.booleans(),
    arch=st.sampled_from(["x86_64", "noarch", "i686"]),
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


def test_what_a_new_version_brings_is_laid_to_it_with_the_chain() -> None:
    perl, app = attribute(ASKED, after(NEW, NEW_LINKS)).causes
    assert (perl.package, perl.change, perl.delta, perl.kind) == (
        "perl",
        "came",
        50,
        "distribution",
    )
    assert perl.mover == "app-0:2-1.x86_64"
    assert [edge["capability"] for edge in perl.chain or ()] == ["perl"]
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


def test_what_a_document_newly_asks_for_is_configuration() -> None:
    new = (*OLD.members, member("vim", requested=True))
    (vim,) = attribute(ASKED, after(new, OLD.links, ("app", "vim"))).causes
    assert (vim.change, vim.kind) == ("came", "configuration")


def test_what_a_new_version_lets_go_is_laid_to_it() -> None:
    before = Contents(
        (member("app", requested=True), member("lib", size=7)),
        (Link(0, "lib", 1, "requires"),),
        ("app",),
    )
    lib, _ = attribute(before, after((member("app", "2", requested=True),))).causes
    assert (lib.change, lib.delta, lib.mover) == ("went", -7, "app-0:2-1.x86_64")
