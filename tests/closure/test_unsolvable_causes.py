"""The causes of an image that cannot be installed: from libsolv's rules, the root first."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.closure import Requirement
from bot.report.causes import causes_phrase
from bot.report.phrase import to_plain


def reported(cause) -> tuple[str, str, str, str]:
    """A cause in short: kind, capability, who needs it, the names on the chain."""
    chain = [edge.source.name for edge in cause.chain]
    needed_by = "" if cause.needed_by is None else f"{cause.needed_by.name}.{cause.needed_by.arch}"
    return cause.kind, cause.capability, needed_by, " ".join(chain)


def test_a_solvable_image_has_none(tiny, h):
    pool = tiny.pool(tiny.repository().package("app-0:1-1.x86_64"))
    assert pool.solve(h.request("app")).causes == ()


def test_what_nothing_provides_is_named_once_with_the_chain_that_leads_there(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["ssl"])
    base.package("lib-0:1-1.x86_64", provides=["ssl"], requires=["crypto >= 2"])
    base.package("crypto-0:2-1.x86_64")
    head = h.overlay(h.package("crypto-0:2-2.x86_64", "crypto", requires=["libnothere >= 3"]))
    closure = tiny.pool(base).solve(h.request("app"), head)
    (cause,) = closure.causes
    assert reported(cause) == ("missing", "libnothere >= 3", "crypto.x86_64", "app lib")
    assert [edge.capability for edge in cause.chain] == ["ssl", "crypto >= 2"]
    assert cause.chain[-1].target == cause.needed_by
    assert not cause.arch_only


def test_foreign_architectures_come_last_in_causes_and_in_texts(tiny, h):
    """The i686 build of a user still needs the library whose i686 build left with the overlay."""
    base = tiny.repository()
    base.package("user-0:1-1.x86_64", requires=["lib(64)"])
    base.package("user-0:1-1.i686", requires=["lib(32)"])
    base.package("lib-0:1-1.x86_64", provides=["lib(64)"])
    base.package("lib-0:1-1.i686", provides=["lib(32)"])
    base.package("app-0:1-1.x86_64", requires=["user"])
    head = h.overlay(
        h.package("lib-0:1-2.x86_64", "lib", provides=["lib(64)"], requires=["libnothere"])
    )
    closure = tiny.pool(base).solve(h.request("app"), head)
    assert [(reported(c), c.arch_only) for c in closure.causes] == [
        (("missing", "libnothere", "lib.x86_64", "app user"), False),
        (("missing", "lib(32)", "user.i686", "app"), True),
    ]
    assert "i686" in closure.problems[-1]
    assert not any("i686" in text for text in closure.problems[:-1])


def test_a_subpackage_that_the_change_drops_is_missing_for_those_that_need_it(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", source="app-1-1")
    base.package("app-libs-0:1-1.x86_64", source="app-1-1", provides=["libapp.so.1"])
    base.package("user-0:1-1.x86_64", requires=["libapp.so.1"])
    head = h.overlay(h.package("app-0:1-2.x86_64", "app"))
    closure = tiny.pool(base).solve(h.request("user"), head)
    assert [reported(c) for c in closure.causes] == [("missing", "libapp.so.1", "user.x86_64", "")]
    assert not any("hidden" in text for text in closure.problems)


def test_a_conflict_names_both_packages_and_the_capability(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["helper"])
    base.package("helper-0:1-1.x86_64", conflicts=["web-server < 3"])
    base.package("site-0:1-1.x86_64", requires=["web-server"])
    base.package("httpd-0:2-1.x86_64", provides=["web-server = 2"])
    (cause,) = tiny.pool(base).solve(h.request("app", "site")).causes
    assert reported(cause) == ("conflict", "web-server < 3", "helper.x86_64", "app")
    assert cause.conflicts_with is not None and cause.conflicts_with.name == "httpd"
    assert [edge.source.name for edge in cause.conflicts_with_chain] == ["site"]


def test_two_versions_of_one_package_exclude_each_other(tiny, h):
    base = tiny.repository()
    base.package("a-0:1-1.x86_64", requires=["lib = 1-1"])
    base.package("b-0:1-1.x86_64", requires=["lib = 2-1"])
    base.package("lib-0:1-1.x86_64").package("lib-0:2-1.x86_64")
    (cause,) = tiny.pool(base).solve(h.request("a", "b")).causes
    assert (cause.kind, cause.capability) == ("conflict", "lib")
    assert {cause.needed_by.version, cause.conflicts_with.version} == {"1", "2"}


def test_an_obsoleted_package_is_a_conflict(tiny, h):
    base = tiny.repository()
    base.package("a-0:1-1.x86_64", requires=["old"]).package("old-0:1-1.x86_64")
    head = h.overlay(h.package("new-0:1-1.x86_64", "new", obsoletes=["old < 2"]))
    (cause,) = tiny.pool(base).solve(h.request("a", "new"), head).causes
    assert reported(cause)[:3] == ("conflict", "old < 2", "new.x86_64")
    assert cause.conflicts_with.name == "old"


def test_a_request_that_nothing_meets_comes_first(tiny, h):
    base = tiny.repository().package("app-0:1-1.x86_64", requires=["libnothere"])
    causes = tiny.pool(base).solve(h.request("app", "nosuch")).causes
    assert [reported(c) for c in causes] == [
        ("missing", "nosuch", "", ""),
        ("missing", "libnothere", "app.x86_64", ""),
    ]


def test_the_newest_version_comes_before_those_that_could_stand_in(tiny, h):
    base = tiny.repository()
    for version in ("1.9-1", "1.10-1", "1.2-1"):
        base.package(f"app-0:{version}.x86_64", requires=[f"data = {version}"])
    causes = tiny.pool(base).solve(h.request("app")).causes
    assert causes[0].capability == "data = 1.10-1"
    assert {c.capability for c in causes} == {"data = 1.10-1", "data = 1.9-1", "data = 1.2-1"}


def test_the_package_of_the_change_comes_before_published_alternatives(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["mta"])
    base.package("a-mail-0:1-1.x86_64", provides=["mta"], requires=["gone"])
    base.package("z-mail-0:1-1.x86_64", provides=["mta"])
    head = h.overlay(
        h.package("z-mail-0:1-2.x86_64", "z-mail", provides=["mta"], requires=["libnothere"])
    )
    causes = tiny.pool(base).solve(h.request("app"), head).causes
    assert [c.capability for c in causes] == ["libnothere", "gone"]


def test_rich_requirements_are_named_verbatim(tiny, h):
    base = tiny.repository().package("app-0:1-1.x86_64", requires=["(x or y)"])
    (cause,) = tiny.pool(base).solve(h.request("app")).causes
    assert reported(cause) == ("missing", "(x or y)", "app.x86_64", "")


def test_a_requested_package_of_another_architecture_comes_last(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["libnothere"])
    base.package("tool-0:1-1.aarch64").package("tool-0:2-1.aarch64")
    closure = tiny.pool(base).solve(h.request("app", "tool"))
    missing, foreign = closure.causes
    assert missing.capability == "libnothere"
    assert (foreign.kind, foreign.capability, foreign.arch_only) == ("missing", "tool", False)
    assert str(foreign.incompatible) == "tool-0:2-1.aarch64"
    assert [str(p.nevra) for p in closure.involved] == ["app-0:1-1.x86_64", "tool-0:2-1.aarch64"]
    assert to_plain(causes_phrase(closure.causes)).endswith(
        "; tool-0:2-1.aarch64, which the image requests,"
        " is of an architecture that it cannot install"
    )


_NAMES = ("a", "b", "c", "d", "e")


@settings(max_examples=60)
@given(
    st.lists(
        st.lists(st.sampled_from((*_NAMES, "gone", "lost")), max_size=3), min_size=5, max_size=5
    ),
    st.lists(st.sampled_from(_NAMES), min_size=1, max_size=2, unique=True),
)
def test_without_every_missing_cause_the_image_can_be_installed(tmp_path_factory, needs, requests):
    """And a chain leads from a request to each, by requirements that the packages have."""
    from tests.closure.conftest import Tiny, request

    tiny = Tiny(tmp_path_factory.mktemp("causes"))
    base = tiny.repository()
    for name, required in zip(_NAMES, needs, strict=True):
        base.package(f"{name}-0:1-1.x86_64", requires=sorted(set(required)))
    pool = tiny.pool(base)
    closure = pool.solve(request(*requests))
    assert (closure.status == "unsolvable") == bool(closure.causes)
    dropped: set[Requirement] = set()
    # A proof stops at the first cause that it finds; what is behind it is found without it.
    for _ in range(2 * len(_NAMES)):
        if closure.status == "ok":
            break
        for cause in closure.causes:
            assert cause.needed_by is not None
            edges = [*cause.chain]
            first = edges[0].source if edges else cause.needed_by
            assert first.name in requests
            assert [e.target for e in edges] == [*(e.source for e in edges[1:]), cause.needed_by][
                : len(edges)
            ]
        new = {Requirement(c.needed_by, c.capability) for c in closure.causes}
        assert not new <= dropped
        dropped |= new
        closure = pool.solve(request(*requests), drop=dropped)
    assert closure.status == "ok"


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from(_NAMES), max_size=2), min_size=5, max_size=5),
    st.lists(st.lists(st.sampled_from(_NAMES), max_size=2), min_size=5, max_size=5),
    st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3, unique=True),
)
def test_without_every_conflict_that_is_named_the_image_can_be_installed(
    tmp_path_factory, needs, conflicts, requests
):
    """Each by itself: the packages exclude each other, and without it another is named, or none."""
    from tests.closure.conftest import Tiny, request

    stated = {
        name: (sorted(set(required)), {c for c in conflicting if c != name})
        for name, required, conflicting in zip(_NAMES, needs, conflicts, strict=True)
    }

    def pool():
        tiny = Tiny(tmp_path_factory.mktemp("conflicts"))
        base = tiny.repository()
        for name, (required, conflicting) in stated.items():
            base.package(f"{name}-0:1-1.x86_64", requires=required, conflicts=sorted(conflicting))
        return tiny.pool(base)

    seen = set()
    while (closure := (solver := pool()).solve(request(*requests))).status != "ok":
        root = closure.causes[0]
        for cause in closure.causes:
            assert cause.kind == "conflict"
            pair = (cause.needed_by.name, cause.conflicts_with.name)
            assert cause.capability in pair
            assert solver.solve(request(*pair)).status == "unsolvable"
            for chain, end in zip((cause.chain, cause.conflicts_with_chain), pair, strict=True):
                assert (chain[0].source.name if chain else end) in requests
        assert (root.needed_by, root.capability) not in seen
        seen.add((root.needed_by, root.capability))
        stated[root.needed_by.name][1].discard(root.capability)


def test_a_rich_conflict_that_always_holds_is_the_package_s_own(tiny, ask):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["a"], conflicts=["(a if nobody)"])
    base.package("a-0:1-1.x86_64")
    (cause,) = tiny.pool(base).solve(ask("app")).causes
    assert (cause.kind, cause.capability) == ("conflict", "(a if nobody)")
    assert cause.needed_by == cause.conflicts_with
