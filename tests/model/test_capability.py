"""Capabilities: plain ones, rich ones, and lists of them."""

import pytest
import solv
from hypothesis import given
from hypothesis import strategies as st

from bot.model.capability import Rich, capabilities_in, names_in, parse_rich, split_capability


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("a", "", "")),
        ("a >= 1:2-3", ("a", ">=", "1:2-3")),
        ("libz.so.1()(64bit)", ("libz.so.1()(64bit)", "", "")),
        ("/usr/share/hello world", ("/usr/share/hello world", "", "")),
        ("a =< 1", ("a", "=<", "1")),
        ("a  ==  1", ("a", "==", "1")),
        ("(a if b)", ("(a if b)", "", "")),
        ("(a or", ("(a or", "", "")),
    ],
)
def test_plain_capabilities(text, parts):
    assert split_capability(text) == parts


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("(a or b or c)", Rich("or", "a", Rich("or", "b", "c"))),
        ("(a if b else c)", Rich("if", "a", "b", "c")),
        ("((a and b) unless c >= 1)", Rich("unless", Rich("and", "a", "b"), "c >= 1")),
        ("(l.so()(64bit) with p(q))", Rich("with", "l.so()(64bit)", "p(q)")),
        ("(foo >= 1 with foo < 2)", Rich("with", "foo >= 1", "foo < 2")),
        ("(a and b or c)", None),
        ("(a or", None),
        ("(a or b))", None),
        ("(or)", None),
    ],
)
def test_rich_capabilities(text, tree):
    assert parse_rich(text) == tree


def test_the_names_in_a_capability():
    assert names_in("(a >= 1 or (b(c) if d else e))") == {"a", "b(c)", "d", "e"}
    assert names_in("a = 1") == {"a"}


NAMES = st.sampled_from(["a", "lib.so()(64bit)", "b(c)", "d >= 1:2-3", "/usr/bin/e"])
TREES = st.recursive(
    NAMES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from([" and ", " or "]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda pair: f"({pair[0].join(pair[1])})"
        ),
        st.tuples(inner, st.sampled_from([" if ", " unless "]), inner).map(
            lambda parts: f"({''.join(parts)})"
        ),
    ),
    max_leaves=6,
)


@given(TREES)
def test_what_libsolv_reads_as_rich_is_read_here_too(text):
    pool = solv.Pool()
    understood = text.startswith("(") and pool.parserpmrichdep(text) is not None
    assert (parse_rich(text) is not None) == (understood or not text.startswith("("))


@given(st.lists(TREES, min_size=1, max_size=4), st.sampled_from([" ", ", ", "  "]))
def test_a_list_of_capabilities_is_read_as_they_were_joined(written, between):
    assert capabilities_in(between.join(written)) == written


def test_a_tags_relations_are_written_as_rpm_prints_them():
    assert capabilities_in("a => 1, b == 2 c <> 3") == ["a >= 1", "b = 2", "c", "<>", "3"]
