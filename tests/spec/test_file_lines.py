"""What lines of `%files` say a package owns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.nevra import Nevra
from bot.model.spec import SpecPackage
from bot.spec.file_lines import owned_files

PUBLISHED = (
    "/usr/bin/tool",
    "/usr/lib64/tool",
    "/usr/lib64/tool/a.so",
    "/usr/lib64/tool/b.so",
    "/usr/share/tool/deep/er",
)


def package(*lines: str) -> SpecPackage:
    return SpecPackage(Nevra("tool", 0, "1", "1", "x86_64"), (), True, lines)


def new(*lines: str) -> tuple[str, ...]:
    """What a new package of a source with PUBLISHED has."""
    return owned_files((), PUBLISHED, None, package(*lines))


@pytest.mark.parametrize(
    ("line", "owned"),
    [
        ("/usr/libexec/new", ("/usr/libexec/new",)),
        ("%attr(0755, root, root) %config(noreplace) /etc/new.conf", ("/etc/new.conf",)),
        ('%ghost "/var/a b"', ("/var/a b",)),
        ("/usr/lib64/tool//a.so", ("/usr/lib64/tool/a.so",)),
        ("/usr/lib64/tool/*.so", ("/usr/lib64/tool/a.so", "/usr/lib64/tool/b.so")),
        ("/usr/lib64/tool/[!a].so", ("/usr/lib64/tool/b.so",)),
        ("/usr/lib64/tool/{b,c}.so", ("/usr/lib64/tool/b.so",)),
        ("/usr/*/tool", ("/usr/bin/tool", "/usr/lib64/tool", *PUBLISHED[2:])),
        ("/usr/lib64/tool/", PUBLISHED[1:4]),
        ("%dir /usr/lib64/tool", ("/usr/lib64/tool",)),
        ("/usr/share/*r", ()),
        ("%doc README", ()),
        ("%defattr(-,root,root)", ()),
        ("# /usr/bin/tool", ()),
    ],
)
def test_a_line_brings_its_path_and_what_is_published_below_it(
    line: str, owned: tuple[str, ...]
) -> None:
    assert new(line) == owned


def test_an_exclude_takes_out_what_another_line_brings() -> None:
    assert new("/usr/lib64/tool/*", "%exclude /usr/lib64/tool/b.so") == ("/usr/lib64/tool/a.so",)


def test_a_line_that_moves_takes_its_files_along() -> None:
    before, after = package("/usr/bin/tool", "/usr/lib64/tool"), package("/usr/bin/tool")
    assert owned_files(PUBLISHED[:4], PUBLISHED, before, after) == ("/usr/bin/tool",)
    assert new("/usr/lib64/tool") == PUBLISHED[1:4]


def test_a_file_that_another_line_still_holds_stays() -> None:
    before = package("/usr/lib64/tool", "/usr/lib64/tool/a.so")
    after = package("/usr/lib64/tool")
    assert owned_files(PUBLISHED[1:4], PUBLISHED, before, after) == PUBLISHED[1:4]


def test_what_no_line_speaks_of_stays() -> None:
    """Lists that the build writes (`-f`) are not in the lines."""
    before, after = package("/usr/bin/tool"), package("/usr/bin/tool", "/usr/bin/more")
    assert owned_files(PUBLISHED, PUBLISHED, before, after) == ("/usr/bin/more", *PUBLISHED)


def test_patterns_of_a_stranger_are_matched_part_by_part() -> None:
    """As one regular expression each of these would take until the end of time."""
    long = "/" + "a" * 4000
    paths = new(long, "/" + "*a" * 1000 + "b", "/" + "{a,b}" * 800, "/" + "{" * 4000)
    assert paths == (long,)


_PATHS = st.lists(
    st.sampled_from(["usr", "lib64", "a", "b", "*", "?", "[ab]", "{a,b}"]), min_size=1, max_size=4
).map(lambda parts: "/" + "/".join(parts))
_LINES = st.lists(_PATHS.flatmap(lambda p: st.sampled_from([p, f"%dir {p}", f"%exclude {p}"])))
_FILES = st.lists(st.sampled_from(["usr", "lib64", "a", "b"]), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


@given(st.sets(_FILES), st.sets(_FILES), _LINES, _LINES)
def test_only_what_the_lines_change_changes(
    own: set[str], others: set[str], before: list[str], after: list[str]
) -> None:
    source = own | others
    owned = owned_files(own, source, package(*before), package(*before))
    assert owned == tuple(sorted(own))
    paths = owned_files(own, source, package(*before), package(*after))
    stated = {line.split()[-1] for line in after}
    assert set(paths) <= source | stated
    # Lines that only come bring; none of the package's own files leaves but by an exclude.
    more = owned_files(own, source, package(*before), package(*before, *after))
    excluded = any(line.startswith("%exclude") for line in after)
    assert excluded or own <= set(more)
