"""Files of the checkout that a spec file reads while it is evaluated, and those not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.model.spec import SpecEvaluation, SpecFailure
from bot.sandbox.run import sandbox_available
from bot.spec.evaluate import evaluate_spec
from bot.spec.missing import named_files
from bot.spec.tree import copy_spec_tree, source_folders, upward_files

needs_sandbox = pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")

HEAD = "Name: app\nVersion: 1\nRelease: 1\nSummary: a\nLicense: MIT\n"
TAIL = "%description\n%files\n"


def write(checkout: Path, spec: str, body: str, **files: str) -> None:
    for name, text in {spec: HEAD + body + TAIL, **files}.items():
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def evaluated(checkout: Path, spec: str) -> SpecEvaluation | SpecFailure:
    return evaluate_spec(checkout, spec, ["x86_64"])["x86_64"]


def failed(checkout: Path, spec: str, body: str, **files: str) -> SpecFailure:
    """Why a spec of this text cannot be evaluated, beside these files."""
    write(checkout, spec, body, **files)
    result = evaluated(checkout, spec)
    assert isinstance(result, SpecFailure)
    return result


def requires(checkout: Path, spec: str) -> list[str]:
    result = evaluated(checkout, spec)
    assert isinstance(result, SpecEvaluation), result
    assert result.notes == ()
    return [
        d.dependency.capability
        for d in result.packages[0].dependencies
        if d.dependency.kind == "requires"
    ]


READERS = (
    "Source1: deps.inc\nSource2: own.macros\nSource3: print.sh\n"
    "%{load:%{SOURCE2}}\n%include %{SOURCE1}\n"
    "Requires: %{own} %(sh %{SOURCE3}) %(cat %{_sourcedir}/word)\n"
    "Requires: %{lua: for line in io.lines(rpm.expand('%{_sourcedir}/word')) do print('l'..line)"
    " end}\n"
)
READ = {
    "deps.inc": "Requires: included\n",
    "own.macros": "%own loaded\n",
    "print.sh": "echo printed\n",
    "word": "word\n",
}


@needs_sandbox
@pytest.mark.parametrize(
    ("spec", "sources"),
    [
        ("app.spec", "."),
        ("fedora/app.spec", "fedora"),
        ("SPECS/app.spec", "SOURCES"),
        ("rpm/SPECS/app.spec", "rpm/SOURCES"),
        ("SPECS/app.spec", "SPECS"),
        ("SPECS/app/app.spec", "SPECS/app"),
    ],
)
def test_files_are_where_rpm_looks_for_sources(tmp_path, spec, sources):
    write(tmp_path, spec, READERS, **{f"{sources}/{n}": text for n, text in READ.items()})
    assert requires(tmp_path, spec) == ["included", "loaded", "lword", "printed", "word"]


@needs_sandbox
def test_files_further_up_are_there_where_the_spec_names_them(tmp_path):
    body = (
        "%include ../common.inc\nRequires: v%(cat ../../VERSION)\nRequires: %(ls ../.. | wc -l)\n"
    )
    more = {"packages/common.inc": "Requires: common\n", "VERSION": "7\n", "SECRET": "x\n"}
    write(tmp_path, "packages/app/app.spec", body, **more)
    assert requires(tmp_path, "packages/app/app.spec") == ["2", "common", "v7"]


def test_paths_with_two_dots_stay_in_the_repository():
    assert upward_files("a/b/x.spec", "cat ../v ../../w ../../../etc/passwd; cd ../..") == (
        "a/v",
        "w",
    )
    assert upward_files("SPECS/x.spec", "%{_sourcedir}/../v") == ("v",)
    assert source_folders("SPECS/x.spec") == ("SPECS", "SOURCES")
    assert source_folders("x.spec") == (".",)


@needs_sandbox
@pytest.mark.parametrize(
    "body",
    [
        "%include nothere.inc\n",
        "Source1: nothere.inc\n%include %{SOURCE1}\n",
        "%{load:%{_sourcedir}/nothere.inc}\n",
        "%{lua: for line in io.lines('nothere.inc') do print(line) end}\n",
        "Requires: x = %(cat nothere.inc)\n",
        "Requires: x = %(sed p %{_sourcedir}/nothere.inc)\n",
    ],
)
def test_a_file_that_is_nowhere_is_named(tmp_path, body):
    failure = failed(tmp_path, "app.spec", body)
    assert failure.cause == "invalid"
    assert "nothere.inc is neither in the repository nor in its lookaside cache." in failure.message


@needs_sandbox
def test_a_file_that_evaluation_does_not_fetch_is_no_fault_of_the_spec(tmp_path):
    body = "Source1: far.inc\n%include %{SOURCE1}\n"
    failure = failed(
        tmp_path, "SPECS/app.spec", body, **{"SPECS/sources": f"SHA256 (far.inc) = {'0' * 64}\n"}
    )
    assert failure.cause == "surroundings"
    assert "SPECS/far.inc is in the lookaside cache" in failure.message
    failure = failed(
        tmp_path, "app.spec", "Source1: https://example.org/far.inc\n%include %{SOURCE1}\n"
    )
    assert failure.cause == "surroundings"
    assert "far.inc is at https://example.org/far.inc" in failure.message
    failure = failed(tmp_path, "app.spec", "%include big.inc\n", **{"big.inc": "#" * 2**22})
    assert failure.cause == "surroundings"
    assert "big.inc is too large" in failure.message


@needs_sandbox
@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("Requires: x%(cat nothere)\n", 6),
        ("%global api %(cat nothere)\n%global more a%{?api}\nProvides: x(%{more})\n", 8),
        ("Source1: nothere\nRequires: x%(cat %{SOURCE1})\n", 7),
        ("Source: a\nSource: nothere\n%global api %(cat %{S:1})\nRequires: x%{?api}\n", 9),
        ("%global file noth%{?none}ere\nRequires: x%(cat %{file})\n", 7),
        ('%if "%(cat nothere)" == ""\nRequires: x\n%endif\n', 7),
        ('%bcond x %[ "%(cat nothere)" == "" ]\n%if %{with x}\nRequires: x\n%endif\n', 8),
        ("%(cat nothere)\n", 6),
        ("%package p%(cat nothere)q\nSummary: p\n%description pq\n", 6),
        ("%post -p /bin/x%(cat nothere)\n", 6),
    ],
)
def test_a_file_that_decides_dependencies_leaves_them_unread(tmp_path, body, line):
    failure = failed(tmp_path, "app.spec", body)
    assert (failure.cause, failure.line) == ("unread", line)
    assert failure.message.startswith("nothere is neither in the repository nor in its lookaside")


@needs_sandbox
@pytest.mark.parametrize(
    "body",
    [
        "%global flags %(cat nothere)\n%description\n%build\nmake %{flags}\n",
        "Summary: a%(cat nothere)\n",
        "URL: x%(cat nothere)\n",
        "Source1: nothere\nBuildRequires: x%(cat %{SOURCE1})\nRequires: nothere\n",
        "# Requires: %(cat nothere)\n",
    ],
)
def test_a_file_that_only_a_build_needs_is_noted(tmp_path, body):
    write(tmp_path, "app.spec", body)
    result = evaluated(tmp_path, "app.spec")
    assert isinstance(result, SpecEvaluation)
    (note,) = result.notes
    assert "nothere is neither in the repository" in note


@needs_sandbox
def test_each_architecture_has_the_files_that_it_reads_in_vain(tmp_path):
    arches = ["x86_64", "aarch64", "ppc64le", "s390x"]
    condition = f"%ifarch {arches[0]}\nRequires: x%(cat nothere)\n%endif\n"
    write(tmp_path, "app.spec", condition)
    results = evaluate_spec(tmp_path, "app.spec", arches)
    failed = {arch for arch, each in results.items() if isinstance(each, SpecFailure)}
    assert failed == {arches[0]}
    write(tmp_path, "app.spec", "Requires: y%(cat nothere)\n")
    messages = {each.message for each in evaluate_spec(tmp_path, "app.spec", arches).values()}
    assert len(messages) == 1


@needs_sandbox
def test_a_file_in_the_lookaside_cache_that_decides_dependencies_is_named(tmp_path):
    body = "Source1: far.inc\nRequires: x%(cat %{SOURCE1})\n"
    failure = failed(tmp_path, "app.spec", body, sources=f"SHA256 (far.inc) = {'0' * 64}\n")
    assert failure.cause == "unread"
    assert "far.inc is in the lookaside cache" in failure.message


@needs_sandbox
def test_programs_and_files_outside_the_repository_are_not_missing(tmp_path):
    write(tmp_path, "app.spec", "Requires: x%(cat /etc/nothere; test -f none; nosuchprogram)\n")
    result = evaluated(tmp_path, "app.spec")
    assert isinstance(result, SpecEvaluation)
    assert result.notes == ()


@needs_sandbox
def test_files_that_only_a_build_reads_need_not_be_there(tmp_path):
    scriptlets = (
        "%post -f post.sh\n%triggerin -f trigger.sh -- bash\n"
        "%transfiletriggerin -f files.sh -- /usr/share\n"
    )
    (tmp_path / "app.spec").write_text(HEAD + "%description\n" + scriptlets + "%files -f list\n")
    assert set(requires(tmp_path, "app.spec")) == {"/bin/sh"}


@pytest.mark.parametrize(
    "line",
    [
        "error: Unable to open a/b.c: No such file or directory",
        "error: x.spec: line 6: failed to load macro file a/b.c",
        "error: lua script failed: [string \"<lua>\"]:1: cannot open file 'a/b.c' (No such file",
        "sh: 1: cannot open a/b.c: No such file",
        "/bin/sh: line 1: a/b.c: No such file or directory",
        "sed: can't read a/b.c: No such file or directory",
        'awk: cannot open "a/b.c" (No such file or directory)',
        "head: cannot open 'a/b.c' for reading: No such file or directory",
        "python3: can't open file 'a/b.c': [Errno 2] No such file or directory",
        "tar: a/b.c: Cannot open: No such file or directory",
        "FileNotFoundError: [Errno 2] No such file or directory: 'a/b.c'",
        "ls: cannot access 'a/b.c': No such file or directory",
    ],
)
def test_programs_name_a_file_each_in_its_way(line):
    assert named_files([f"something\n{line}\n"]) == ("a/b.c",)


def test_the_copy_tells_what_it_left_out(tmp_path):
    write(tmp_path / "c", "app.spec", "", **{"big": "#" * 2**22, "small": "x"})
    tree = copy_spec_tree(tmp_path / "c", Path("app.spec"), tmp_path / "copy")
    assert tree.left_out == {"big"}
    assert tree.has("small") and not tree.has("big") and not tree.has("../c/big")


def test_what_no_file_can_be_called_is_not_there(tmp_path):
    write(tmp_path / "c", "app.spec", "")
    tree = copy_spec_tree(tmp_path / "c", Path("app.spec"), tmp_path / "copy")
    assert not tree.has("a" * 300) and not tree.has("a/" * 3000)
