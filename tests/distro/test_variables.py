"""dnf's variables: the same as libdnf replaces them, and what a document says of its own."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.variables import expanded, substituted, variables_in

VALUES = {"releasever": "9.4", "stream": "9-stream", "empty": "", "x_1": "b"}
NAMES = st.sampled_from([*VALUES, "unset", "releasever_major", "releasever_minor"])
PLAIN = st.one_of(
    st.sampled_from(["a", "/", "-", ":", " ", "é", "$", "$ ", r"\$", r"\}", "x{y"]),
    NAMES.map(lambda name: f"${name}-"),
    NAMES.map(lambda name: f"${{{name}}}"),
)
EXPRESSIONS = st.recursive(
    PLAIN,
    lambda inner: st.tuples(NAMES, st.sampled_from([":-", ":+"]), st.lists(inner, max_size=3)).map(
        lambda parts: f"${{{parts[0]}{parts[1]}{''.join(parts[2])}}}"
    ),
    max_leaves=6,
)
# As libdnf has them: it derives the last two by itself.
DERIVED = {"releasever_major": "9", "releasever_minor": "4"}


def document(arch="x86_64", releasever="9.4", **variables):
    return RepositoryDocument("d", "D", "", "", releasever, (arch,), (), variables=variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$stream/${stream}/$basearch", "9-stream/9-stream/$basearch"),
        ("${unset:-7}${empty:-8}${stream:-9}", "789-stream"),
        ("${unset:+7}${empty:+8}${stream:+9}", "9"),
        ("${unset:-a${stream}b}", "a9-streamb"),
        (r"\$stream ${unset", "$stream ${unset"),
        ("$streams ${stream:?x}", "$streams ${stream:?x}"),
    ],
)
def test_what_is_replaced(text, expected):
    assert substituted(text, VALUES) == expected


@given(texts=st.lists(st.lists(EXPRESSIONS, max_size=4).map("".join), min_size=200, max_size=200))
@settings(max_examples=5, deadline=None)
def test_everything_is_replaced_as_libdnf_does(texts):
    script = (
        "import json, sys, libdnf\n"
        "assert libdnf.conf.ConfigParser.substitute('${x:-y}', {}) == 'y'\n"
        "values, texts = json.load(sys.stdin)\n"
        "print(json.dumps([libdnf.conf.ConfigParser.substitute(t, values) for t in texts]))"
    )
    question = json.dumps([VALUES, texts])
    finished = subprocess.run(
        ["/usr/bin/python3", "-c", script],
        input=question,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        pytest.skip("no libdnf with defaults of variables in the system's Python")
    libdnf_texts = json.loads(finished.stdout)
    texts_ = [substituted(text, VALUES | DERIVED) for text in texts]
    assert [t for t in zip(texts, texts_, libdnf_texts, strict=True) if t[1] != t[2]] == []


def test_a_document_has_its_own_beside_those_that_dnf_sets():
    url = "https://e.org/$releasever_major/$releasever_minor/$releasever/$stream/$basearch/$arch"
    source = RepoSource("r", "R", (url,))
    (base_url,) = expanded(source, document("i686", stream="s"), "i686").baseurl
    assert base_url == "https://e.org/9/4/9.4/s/i386/i686/"
    (base_url,) = expanded(source, document("i686", releasever="10", basearch="x"), "i686").baseurl
    assert base_url == "https://e.org/10//10/$stream/x/i686/"


def test_the_variables_that_a_text_needs():
    assert variables_in("$a/${b}/${c:-d}/\\$e") == {"a", "b"}
