"""Results for a terminal, and for a pipe."""

import io
from dataclasses import replace
from functools import partial

import pytest
from rich.console import Console

from bot.distro.load import ConfigurationReport, DocumentProblem
from bot.model.closure import (
    Closure,
    Edge,
    RepositoryState,
    Requirement,
    SnapshotState,
    UnsolvableCause,
    WhatIf,
    Why,
)
from bot.model.package import Package
from bot.report.answers import (
    closures_text,
    print_closures,
    print_what_if,
    print_why,
    unsolvable_text,
)
from bot.report.blocks import Table
from bot.report.causes import blame_words
from bot.report.jsonform import what_if_to_json
from bot.report.phrase import plain
from bot.report.text import (
    _print_table,
    print_check,
    print_configuration,
    print_objectives,
    print_track,
)


def printed(function, value, terminal=False):
    file = io.StringIO()
    function(value, Console(file=file, force_terminal=terminal, width=100, color_system=None))
    return file.getvalue()


@pytest.fixture
def closure(samples):
    nginx, zlib = samples.nevra("nginx", "x86_64"), samples.nevra("zlib", "x86_64")
    return Closure(
        samples.key("x86_64"),
        SnapshotState("s", (RepositoryState("baseos", "9", "2024-01-01T00:00:00Z"),)),
        "ok",
        (
            Package(nginx, "nginx", "appstream", installed_size=1_500_000),
            Package(zlib, "zlib", "baseos", installed_size=200_000),
        ),
        frozenset({nginx}),
        (Edge(nginx, "libz.so.1()(64bit)", zlib, "requires"),),
    )


def test_a_closure_in_a_pipe_is_aligned_lines(closure):
    assert closures_text([closure]) == (
        "nginx on minimal, centos-stream-9, x86_64: 2 packages, 1.7 MB installed\n"
        "  nginx-0:1.0-2.x86_64  1.5 MB  requested\n"
        "  zlib-0:1.0-2.x86_64   200 kB  nginx requires libz.so.1()(64bit)\n"
    )
    assert printed(print_closures, [closure]) == closures_text([closure])


def test_a_closure_on_a_terminal_says_the_same(closure):
    text = printed(print_closures, [closure], terminal=True)
    for word in ("2 packages, 1.7 MB installed", "200 kB", "nginx requires libz.so.1()(64bit)"):
        assert word in text


def test_an_unsolvable_closure_has_its_problems(samples, closure):
    broken = Closure(
        closure.key,
        closure.snapshot,
        "unsolvable",
        problems=("nothing provides x", "nothing provides requested y"),
        missing=("y",),
    )
    causes = (UnsolvableCause("missing", "y", None),)
    for terminal in (False, True):
        text = printed(print_closures, [broken], terminal)
        assert "cannot be installed" in text
        assert "nothing provides requested y" in text
        assert "nothing provides x" in text
        text = printed(print_closures, [replace(broken, causes=causes)], terminal)
        assert "nothing provides y, which the image requests" in text
        assert "nothing provides x" not in text
    assert "cannot be installed: nothing provides x." in unsolvable_text(broken)
    why = unsolvable_text(replace(broken, causes=causes))
    assert why.endswith("cannot be installed: nothing provides y, which the image requests.")


def test_a_what_if_that_cannot_be_solved_has_its_causes(closure):
    nevra = closure.packages[0].nevra
    causes = (UnsolvableCause("missing", "libnothere", nevra),)
    answer = WhatIf(closure.key, "unsolvable", problems=("the solver's words",), causes=causes)
    text = printed(print_what_if, [answer], False)
    assert f"nothing provides libnothere, which {nevra.name} requires" in text
    assert "the solver's words" not in text
    (image,) = what_if_to_json([answer])["images"]
    assert [cause["needed_by"] for cause in image["causes"]] == [str(nevra)]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("name", ["rebuilt", "one_differs", "unsolvable", "not_evaluated"])
def test_a_check_says_what_the_comment_says(samples, name, terminal):
    result = samples.all[name]()
    text = " ".join(printed(print_check, result, terminal).split())
    assert text.startswith(f"{result.verdict}: ")
    assert " against 1f1f1f1f1f1f" in text
    assert "```" not in text and "**" not in text


def test_in_a_pipe_nothing_is_wrapped_or_cut(samples):
    lines = printed(print_check, samples.rebuilt()).splitlines()
    (row,) = (line for line in lines if line.startswith("`libxml2`"))
    assert "`libxslt` requires `libxml2.so.2(LIBXML2_2.4.30)(64bit)`" in row
    assert "\x1b" not in "".join(lines)


def test_why_is_a_tree_with_the_way_out(samples):
    nginx = samples.nevra("nginx", "x86_64")
    chain = (
        samples.edge("nginx", "perl", "perl", "x86_64"),
        samples.edge("perl", "libperl.so", "perl-libs", "x86_64"),
    )
    why = Why(
        samples.key("x86_64"), chain[-1].target, (nginx,), (chain,), (Requirement(nginx, "perl"),)
    )
    lines = printed(partial(print_why, "perl"), [why]).splitlines()
    assert lines[0] == "perl-libs-0:1.0-2.x86_64 is in nginx on minimal, centos-stream-9, x86_64"
    assert "requires perl: perl-0:1.0-2.x86_64" in lines[2]
    assert lines[3].index("requires libperl.so") > lines[2].index("requires perl")
    assert "  nginx-0:1.0-2.x86_64 requires perl" in lines


def test_why_of_what_is_not_there(samples):
    text = printed(partial(print_why, "perl"), [Why(samples.key("x86_64"), None)])
    assert text == "perl is not in nginx on minimal, centos-stream-9, x86_64.\n"


def test_what_if_says_what_leaves_and_what_it_saves(samples):
    perl, awk = samples.package("perl", "x86_64", 31_000_000), samples.package("awk", "x86_64", 5)
    text = printed(
        print_what_if,
        [WhatIf(samples.key("x86_64"), "ok", removed=(perl,), added=(awk,), saved=30_999_995)],
    )
    assert "1 package would leave, saving 31 MB" in text
    assert "comes instead" in text
    text = printed(print_what_if, [WhatIf(samples.key("x86_64"), "unsolvable", problems=("no x",))])
    assert "could not be installed" in text and "no x" in text


def test_a_configuration_report_names_every_place():
    error = DocumentProblem("configs/a.yaml", 3, "data.name", "is missing")
    unused = DocumentProblem("configs/v.yaml", 1, "", "views need a buildroot")
    text = printed(print_configuration, ConfigurationReport(2, (error,), (unused,)))
    assert "configs/v.yaml:1 not used: views need a buildroot" in text
    assert "configs/a.yaml:3 data.name: is missing" in text
    assert "2 documents, 1 error" in text


KEY = {"workload": "nginx", "environment": "minimal", "repository": "c9", "arch": "x86_64"}
OBJECTIVES = {
    "objectives": [
        {
            "name": "small",
            "images": [
                {
                    **KEY, "metric": "installed_size", "value": 61_000_000, "limit": 60_000_000,
                    "target": None, "met": False, "trend_per_week": 120_000.0,
                }
            ],
        }
    ]
}  # fmt: skip


def test_objectives_show_value_limit_and_trend():
    text = printed(print_objectives, OBJECTIVES)
    for word in ("small", "61 MB", "60 MB", "+120 kB", "broken"):
        assert word in text


CAUSE = {
    "kind": "pull request",
    "change": "came",
    "mover": "nginx-0:2-1.x86_64",
    "chain": [{"from": "nginx-0:2-1.x86_64", "capability": "perl", "to": "perl-4:5-1.x86_64"}],
    "pull_request": {"repository": "o/r", "number": 7, "url": "https://f/7", "private": False},
    "commit": None,
}


def test_track_names_the_package_that_moved_an_image():
    image = {
        **KEY,
        "before": {"installed_size": 1_000_000},
        "after": {"installed_size": 1_200_000},
        "steps": [{"package": "perl", "delta": 200_000, "cause": CAUSE}],
    }
    still = {**KEY, "arch": "s390x", "before": {}, "after": {}, "steps": []}
    text = printed(print_track, {"images": [image, still], "objectives": []})
    assert "1 MB → 1.2 MB (+200 kB)" in text
    for word in ("perl", "came", "pull request o/r#7", "nginx → perl"):
        assert word in text
    assert "1 image moved, 1 did not." in text


def test_track_says_that_an_image_cannot_be_installed_not_that_its_size_is_unknown():
    cause = {**CAUSE, "change": "unsolvable", "chain": []}
    image = {
        **KEY,
        "before": {"status": "ok", "installed_size": 1_000_000},
        "after": {"status": "unsolvable", "installed_size": None},
        "steps": [{"package": "perl", "delta": None, "cause": cause}],
    }
    text = printed(print_track, {"images": [image], "objectives": []})
    assert "1 MB → cannot be installed" in text and "made it unsolvable" in text
    assert "not known" not in text


def test_track_counts_an_image_once_that_is_new_and_has_moved_since():
    step = {"package": "perl", "delta": 200_000, "cause": CAUSE}
    image = {**KEY, "before": None, "after": {"installed_size": 1_200_000}, "steps": [step]}
    text = printed(print_track, {"images": [image], "objectives": []})
    assert "not there → 1.2 MB" in text and "1 image moved, 0 did not." in text


def test_track_says_of_a_first_run_that_images_are_first_seen():
    first = {**KEY, "before": None, "after": {}, "steps": []}
    assert printed(print_track, {"images": [first], "objectives": []}) == "1 first seen.\n"
    again = {**first, "before": {}}
    text = printed(print_track, {"images": [first, again], "objectives": []})
    assert text == "0 images moved, 1 first seen, 1 did not.\n"


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({}, "pull request o/r#7"),
        ({"pull_request": {"private": True}}, "a private pull request"),
        ({"pull_request": None, "kind": "distribution"}, "the distribution"),
        (
            {
                "pull_request": None,
                "commit": {
                    "repository": "o/r", "commit": "a" * 40, "branch": "main", "private": False,
                },
            },
            "commit aaaaaaaaaaaa pushed to main of o/r",
        ),
    ],
)  # fmt: skip
def test_who_it_was_is_shown_in_words(about, words):
    assert blame_words({**CAUSE, **about}) == words


def test_a_terminal_is_not_steered_by_foreign_text(samples):
    wild = samples.package("a\x1b[31m[red]b[/red]:smile:", "x86_64", 5)
    for terminal in (False, True):
        text = printed(
            print_what_if,
            [WhatIf(samples.key("x86_64"), "ok", removed=(wild,), added=(), saved=5)],
            terminal,
        )
        assert "a\ufffd[31m[red]b[/red]:smile:" in text


WIDE = Table(
    ("Objective", "Metric", "Before and after", "State"),
    tuple(
        tuple(plain(text) for text in row)
        for row in (
            ("nginx stays small", "installed size", "116 MB -> 118 MB", "further from it " * 3),
            ("nginx stays small", "packages", "87 -> 88", "met"),
        )
    ),
    frozenset({2}),
)


@pytest.mark.parametrize("width", [60, 80])
def test_a_table_wider_than_the_terminal_loses_nothing(width):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, color_system=None)
    _print_table(WIDE, console)
    lines = file.getvalue().splitlines()
    assert lines[0] == "Objective: nginx stays small"
    assert max(map(len, lines)) <= width
    words = file.getvalue().split()
    for text in ("installed", "116", "118", "87", "88", "further", "met"):
        assert text in words
    assert words.count("further") == 3


def test_a_table_that_fits_the_terminal_has_all_its_columns():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=200, color_system=None)
    _print_table(WIDE, console)
    assert file.getvalue().count("nginx stays small") == 2
