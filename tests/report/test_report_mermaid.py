"""Chains as a graph."""

from bot.model.result import Added
from bot.report.reasons import chains_graph, label


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
