"""The chains to added packages: over requirements that base did not meet already."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.closure.added import AddedChains


def chains(pool, h, base, head, *requests) -> dict[str, list[str]]:
    """For each added package its chains: `app -ssl-> lib`."""
    wanted = h.request(*requests)
    before, after = pool.solve(wanted, base), pool.solve(wanted, head)
    assert before.status == after.status == "ok", (before.problems, after.problems)
    chains_of = AddedChains(pool).find((wanted, before, base), (wanted, after, head))
    return {
        f"{nevra.name}.{nevra.arch}": [
            " ".join([c[0].source.name, *(f"-{e.capability}-> {e.target.name}" for e in c)])
            for c in each
        ]
        for nevra, each in sorted(chains_of.items())
    }


def test_a_requirement_that_base_met_all_along_brings_nothing(tiny, h):
    """glibc.i686 comes with a 32-bit tool, not because coreutils requires rtld(GNU_HASH)."""
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["coreutils"])
    base.package("coreutils-0:1-1.x86_64", requires=["rtld(GNU_HASH)"])
    base.package("glibc-0:1-1.x86_64", provides=["rtld(GNU_HASH)", "libc(64)"])
    base.package("glibc-0:1-1.i686", provides=["rtld(GNU_HASH)", "libc(32)"])
    base.package("tool-0:1-1.i686", provides=["tool32"], requires=["libc(32)", "rtld(GNU_HASH)"])
    pool = tiny.pool(base)
    head = h.overlay(h.package("app-0:1-2.x86_64", "app", requires=["coreutils", "tool32"]))
    assert chains(pool, h, h.unchanged(pool, "app"), head, "app") == {
        "glibc.i686": ["app -tool32-> tool -libc(32)-> glibc"],
        "tool.i686": ["app -tool32-> tool"],
    }


def test_the_way_to_the_new_requirement_goes_over_what_was_there(tiny, h):
    base = tiny.repository()
    base.package("site-0:1-1.x86_64", requires=["app"])
    base.package("app-0:1-1.x86_64").package("perl-0:1-1.x86_64")
    pool = tiny.pool(base)
    head = h.overlay(h.package("app-0:1-2.x86_64", "app", requires=["perl"]))
    assert chains(pool, h, h.unchanged(pool, "app"), head, "site") == {
        "perl.x86_64": ["site -app-> app -perl-> perl"]
    }


def test_a_swap_is_due_to_the_new_requirement_not_to_what_the_old_one_met(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["libcurl.so"])
    base.package("libcurl-minimal-0:1-1.x86_64", provides=["libcurl.so"])
    base.package(
        "z-libcurl-0:1-1.x86_64",
        provides=["libcurl.so", "libcurl-full"],
        conflicts=["libcurl-minimal"],
    )
    base.package("curl-0:1-1.x86_64", requires=["libcurl.so"])
    pool = tiny.pool(base)
    old = h.overlay(h.package("app-0:1-1.x86_64", "app", requires=["libcurl.so"]))
    head = h.overlay(h.package("app-0:1-2.x86_64", "app", requires=["libcurl.so", "libcurl-full"]))
    assert chains(pool, h, old, head, "app", "curl") == {
        "z-libcurl.x86_64": ["app -libcurl-full-> z-libcurl"]
    }


def test_a_package_in_the_place_of_one_that_left_has_no_chain(tiny, h):
    """Base met `mta` already, so that requirement is no reason: the solver chose another."""
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["mta"])
    base.package("a-mail-0:1-1.x86_64", provides=["mta"])
    base.package("z-mail-0:1-1.x86_64", provides=["mta"])
    base.package("tool-0:1-1.x86_64")
    pool = tiny.pool(base)
    head = h.overlay(h.package("tool-0:1-2.x86_64", "tool", conflicts=["a-mail"]))
    by_name = chains(pool, h, h.unchanged(pool, "tool"), head, "app", "tool")
    assert by_name == {"z-mail.x86_64": []}


def test_a_rich_requirement_is_met_by_all_that_it_requests(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["one"])
    for name in ("one", "two"):
        base.package(f"{name}-0:1-1.x86_64")
    pool = tiny.pool(base)
    old = h.unchanged(pool, "app")
    both = h.overlay(h.package("app-0:1-2.x86_64", "app", requires=["(one and two)"]))
    assert chains(pool, h, old, both, "app") == {"two.x86_64": ["app -(one and two)-> two"]}
    when = h.overlay(h.package("app-0:1-2.x86_64", "app", requires=["one", "(two if one)"]))
    assert chains(pool, h, old, when, "app") == {"two.x86_64": ["app -(two if one)-> two"]}


def test_a_requirement_that_another_added_package_meets_is_not_the_reason(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64")
    base.package("z-0:1-1.x86_64", provides=["x"], requires=["a"])
    base.package("a-0:1-1.x86_64", provides=["x"])
    pool = tiny.pool(base)
    head = h.overlay(h.package("app-0:1-2.x86_64", "app", requires=["x", "z"]))
    assert chains(pool, h, h.unchanged(pool, "app"), head, "app") == {
        "a.x86_64": ["app -z-> z -a-> a"],
        "z.x86_64": ["app -z-> z"],
    }


def test_a_path_that_base_owns_is_met(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["sh"])
    base.package("sh-0:1-1.x86_64", files=["/usr/bin/sh"])
    base.package("other-0:1-1.x86_64", files=["/usr/bin/sh"])
    pool = tiny.pool(base)
    head = h.overlay(h.package("app-0:1-2.x86_64", "app", requires=["sh", "other", "/usr/bin/sh"]))
    assert chains(pool, h, h.unchanged(pool, "app"), head, "app") == {
        "other.x86_64": ["app -other-> other"]
    }


_NAMES = ("a", "b", "c", "d", "e", "f")


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from(_NAMES), max_size=2, unique=True), min_size=6, max_size=6),
    st.lists(st.lists(st.sampled_from("xyz"), max_size=2, unique=True), min_size=6, max_size=6),
    st.lists(st.sampled_from((*_NAMES, *"xyz")), min_size=1, max_size=3, unique=True),
    st.sampled_from(_NAMES),
)
def test_base_with_only_a_chains_new_requirement_gets_the_package(
    tmp_path_factory, needs, provides, new, requested
):
    """Or what it leads through; that no other requirement of base's brings anything is seen too."""
    from tests.closure.conftest import overlay, package, random_pool, request

    pool = random_pool(tmp_path_factory.mktemp("added"), needs, provides, requested)

    def app(*more: str):
        return overlay(package("app-0:1-2.x86_64", "app", requires=[requested, *more]))

    wanted = request("app")
    old, head = app(), app(*new)
    before, after = pool.solve(wanted, old), pool.solve(wanted, head)
    chains_of = AddedChains(pool).find((wanted, before, old), (wanted, after, head))
    had = {p.nevra.name for p in before.packages}
    assert {n.name for n in chains_of} == {p.nevra.name for p in after.packages} - had
    for each in chains_of.values():
        for chain in each:
            entry = next(edge for edge in chain if edge.target.name not in had)
            # Nothing but the new requirements of `app` can bring anything here.
            assert (entry.source.name, entry.capability in new) == ("app", True)
            alone = pool.solve(wanted, app(entry.capability))
            assert any(p.nevra.name == entry.target.name for p in alone.packages)


def test_a_requested_package_that_is_new_has_no_chain_of_its_own(tiny, h):
    base = tiny.repository().package("app-0:1-1.x86_64")
    pool = tiny.pool(base)
    before_request, after_request = h.request("app"), h.request("app", "new")
    old = h.unchanged(pool, "app")
    head = h.overlay(*old.packages, h.package("new-0:1-1.x86_64", "app"))
    before, after = pool.solve(before_request, old), pool.solve(after_request, head)
    chains_of = AddedChains(pool).find((before_request, before, old), (after_request, after, head))
    assert list(chains_of.values()) == [()]
