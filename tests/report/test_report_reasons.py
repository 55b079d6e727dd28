"""The requirement that brings a package in words, and chains of requirements as a graph."""

from __future__ import annotations

from dataclasses import replace

from bot.model.result import Added
from bot.report.phrase import Phrase
from bot.report.reasons import chains_graph, label, need_phrase
from tests.report.conftest import edge


def text(phrase: Phrase) -> str:
    return "".join(part.text for part in phrase)


def test_need_phrase_names_the_architecture_of_a_foreign_package() -> None:
    native = edge("zlib", "libc.so.6()(64bit)", "glibc", "x86_64")
    foreign = edge("zlib", "libc.so.6", "glibc", "i686")
    assert text(need_phrase(native, "x86_64")) == "zlib requires libc.so.6()(64bit)"
    assert text(need_phrase(foreign, "x86_64")) == "zlib.i686 requires libc.so.6"


def test_need_phrase_names_one_of_the_files_that_have_the_requirement() -> None:
    need = edge("nginx", "/usr/bin/perl", "perl", "x86_64")
    for files, expected in (
        (("/a",), "nginx requires /usr/bin/perl for /a"),
        (("/a", "/b"), "nginx requires /usr/bin/perl for /a and others"),
    ):
        assert text(need_phrase(replace(need, files=files), "x86_64")) == expected


def test_chains_of_an_image_are_merged(samples):
    graph = chains_graph([samples.image("x86_64", samples.perl("x86_64"))])
    assert graph.splitlines()[0] == "graph LR"
    assert graph.count('["nginx"]') == 1
    assert graph.count('["perl-interpreter"]:::added') == 1
    assert graph.count('-->|"perl"|') == 1
    assert '(["nginx.spec line 31: Requires: perl"]):::line' in graph
    assert graph.count("-.->") == 1


def test_several_requirements_between_two_packages_are_one_arrow(samples):
    first = samples.edge("nginx", "liba.so", "lib", "x86_64")
    second = samples.edge("nginx", "libb.so", "lib", "x86_64")
    added = Added(samples.package("lib", "x86_64", 1), False, ((first,), (second,)))
    graph = chains_graph([samples.image("x86_64", (added,))])
    assert graph.count("-->") == 1
    assert '"liba.so and 1 more"' in graph


def test_a_large_graph_is_cut_and_says_so(samples):
    graph = chains_graph(samples.many_packages().images[:1], 40)
    assert graph.count(":::added") <= 40
    assert '["... and 26' in graph


def test_without_chains_there_is_no_graph(samples):
    assert chains_graph([samples.image("x86_64", ())]) == ""


def test_labels_keep_what_reads_well():
    assert label("libz.so.1()(64bit) >= 1:2-3") == "libz.so.1()(64bit) #62;= 1:2-3"
    assert label('a"]') == "a#34;#93;"
