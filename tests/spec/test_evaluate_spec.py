"""Spec files evaluated in the sandbox: packages, dependencies, and the line of each."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from bot.errors import ChangeError
from bot.model.architecture import DEFAULT_ARCHITECTURES as ARCHITECTURES
from bot.model.spec import SpecEvaluation, SpecFailure
from bot.sandbox.run import sandbox_available
from bot.spec.evaluate import evaluate_spec
from bot.spec.inside.markers import logical_lines, mark, with_lost_heading
from bot.spec.macros import MacroSource
from bot.spec.setting import SpecSetting

pytestmark = pytest.mark.skipif(
    sandbox_available() is not None, reason=f"no sandbox here: {sandbox_available()}"
)

HEAD = """\
Name: app
Version: 1.0
Release: 2%{?dist}
Summary: app
License: MIT
"""
TAIL = """\
%description
%files
"""


def evaluate(directory: Path, text: str, arches=("x86_64",), **kwargs):
    path = directory / "app.spec"
    path.write_text(text)
    kwargs.setdefault("definitions", {"dist": ".fc43"})
    return evaluate_spec(directory, "app.spec", arches, **kwargs)


def evaluation_of(directory: Path, body: str, arch: str = "x86_64", **kwargs) -> SpecEvaluation:
    result = evaluate(directory, HEAD + textwrap.dedent(body) + TAIL, [arch], **kwargs)[arch]
    assert isinstance(result, SpecEvaluation), result
    return result


def stated(evaluation: SpecEvaluation, index: int = 0) -> list[tuple[str, int | None]]:
    """Capability and line of a package's dependencies; lines count from the body's first."""
    before = HEAD.count("\n")
    return [
        (
            f"{each.dependency.kind} {each.dependency.capability}",
            None if each.origin is None else each.origin.line - before,
        )
        for each in evaluation.packages[index].dependencies
    ]


def test_every_subpackage_with_its_nevra_and_dependencies(tmp_path):
    result = evaluation_of(
        tmp_path,
        """\
        Epoch: 1
        Requires: %{name}-libs%{?_isa} = %{epoch}:%{version}-%{release}
        %package libs
        Summary: libs
        Provides: app-api = %{version}
        %package -n other-data
        Summary: data
        BuildArch: noarch
        Version: 7
        %package unbuilt
        Summary: unbuilt
        %description libs
        %description -n other-data
        %description unbuilt
        %files libs
        %files -n other-data
        %dir /usr/share/other
        """,
    )
    assert result.source == "app"
    assert result.evr == (1, "1.0", "2.fc43")
    assert [(str(p.nevra), p.built) for p in result.packages] == [
        ("app-1:1.0-2.fc43.x86_64", True),
        ("app-libs-1:1.0-2.fc43.x86_64", True),
        ("other-data-1:7-2.fc43.noarch", True),
        ("app-unbuilt-1:1.0-2.fc43.x86_64", False),
    ]
    assert stated(result, 0) == [("requires app-libs(x86-64) = 1:1.0-2.fc43", 2)]
    assert stated(result, 1) == [("provides app-api = 1.0", 5)]
    assert result.notes == ()


def test_each_architecture_has_its_own_answer(tmp_path):
    body = (
        "%ifarch aarch64 s390x\nRequires: only-there%{?_isa}\n%else\nRequires: not-there\n%endif\n"
    )
    results = evaluate(tmp_path, HEAD + body + TAIL, ARCHITECTURES)
    assert list(results) == list(ARCHITECTURES)
    wanted = {
        "x86_64": "not-there",
        "aarch64": "only-there(aarch-64)",
        "ppc64le": "not-there",
        "s390x": "only-there(s390-64)",
    }
    for arch, capability in wanted.items():
        main = results[arch].packages[0]
        assert main.nevra.arch == arch
        assert [d.dependency.capability for d in main.dependencies] == [capability]
        assert main.dependencies[0].origin.line == HEAD.count("\n") + (
            4 if "not" in capability else 2
        )


def test_all_kinds_and_qualifiers(tmp_path):
    result = evaluation_of(
        tmp_path,
        """\
        Requires(pre,postun): a
        Requires(meta): b
        Requires(pretrans): c
        Requires(posttrans): d
        Requires(verify): e
        Requires(interp): f
        PreReq: g
        Provides: p
        Conflicts: q < 2
        Obsoletes: r <= 1:3-4
        Recommends: s
        Suggests: t
        Supplements: (u and v)
        Enhances: w
        OrderWithRequires: x
        """,
    )
    have = {
        (d.dependency.kind, d.dependency.capability): (d.dependency.qualifiers, d.origin.line - 5)
        for d in result.packages[0].dependencies
    }
    assert have == {
        ("requires", "a"): (("postun", "pre"), 1),
        ("requires", "b"): (("meta",), 2),
        ("requires", "c"): (("pretrans",), 3),
        ("requires", "d"): (("posttrans",), 4),
        ("requires", "e"): (("verify",), 5),
        ("requires", "f"): (("interp",), 6),
        ("requires", "g"): (("pre", "preun"), 7),
        ("provides", "p"): ((), 8),
        ("conflicts", "q < 2"): ((), 9),
        ("obsoletes", "r <= 1:3-4"): ((), 10),
        ("recommends", "s"): ((), 11),
        ("suggests", "t"): ((), 12),
        ("supplements", "(u and v)"): ((), 13),
        ("enhances", "w"): ((), 14),
    }


def test_build_requires_sources_and_generated_ones(tmp_path):
    result = evaluation_of(
        tmp_path,
        """\
        Source0: https://example.org/%{name}-%{version}.tar.gz
        Source1: app.conf
        Patch7: fix.patch
        BuildRequires: gcc, pkgconfig(zlib) >= 1.2
        %generate_buildrequires
        echo more
        """,
    )
    assert [(d.dependency.capability, d.origin.line - 5) for d in result.build_requires] == [
        ("gcc", 4),
        ("pkgconfig(zlib) >= 1.2", 4),
    ]
    assert [(s.tag, s.location) for s in result.sources] == [
        ("Source0", "https://example.org/app-1.0.tar.gz"),
        ("Source1", "app.conf"),
        ("Patch7", "fix.patch"),
    ]
    assert result.generates_requirements
    assert not evaluation_of(tmp_path, "").generates_requirements


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("Requires: a b,c  >=  2 , d\n", {"a": 1, "b": 1, "c >= 2": 1, "d": 1}),
        ("%if 0\nRequires: a\n%else\nRequires: a\n%endif\n", {"a": 4}),
        ("%global deps Requires: a\n\n%deps\n", {"a": 3}),
        ("%define multi() Requires: %1\\\nRequires: %2\n%multi a b\n", {"a": 3, "b": 3}),
        ("%{expand:\nRequires: a\nRequires: b%{?_isa}\n}\n", {"a": 2, "b(x86-64)": 1}),
        (
            "%{lua:\nfor i = 1, 2 do\n  print('Requires: a' .. i .. '\\n')\nend}\n",
            {"a1": 1, "a2": 1},
        ),
        (
            "%{lua:\nfor _, n in ipairs({'a', 'b'}) do\nprint('Requires: '..n..'\\n')\nend}\n",
            {"a": 1, "b": 1},
        ),
        ("%{?nosuch:Requires: x}\n%{!?nosuch:Requires: a}\n", {"a": 2}),
        ("# comment %{!?unclosed:\n# }\nRequires: a\n", {"a": 3}),
        ("%dnl Requires: x\nRequires: a\n", {"a": 2}),
        ("  requires : a\n", {"a": 1}),
        ("Requires: a\r\n", {"a": 1}),
        ("%global minimum 3\nRequires: a >= %{minimum}\n", {"a >= 3": 2}),
        ("Requires: %{name}-plugin(%{version})\n", {"app-plugin(1.0)": 1}),
        ("%(echo Requires: a)\n", {"a": 1}),
        ("Requires: (a if (b or c))\n", {"(a if (b or c))": 1}),
        (
            "%bcond_with x\n%{?with_x:Requires: x}\n%if %{without x}\nRequires: a\n%endif\n",
            {"a": 4},
        ),
    ],
)
def test_a_dependency_is_led_back_to_the_line_that_brings_it(tmp_path, body, lines):
    result = evaluation_of(tmp_path, body)
    assert dict(stated(result)) == {f"requires {name}": line for name, line in lines.items()}


def test_the_text_of_a_line_is_the_files_own(tmp_path):
    result = evaluation_of(tmp_path, "Requires:   %{name}-libs%{?_isa} = %{version}-%{release}\n")
    origin = result.packages[0].dependencies[0].origin
    assert origin.text == "Requires:   %{name}-libs%{?_isa} = %{version}-%{release}"
    assert origin.path == "app.spec"


def test_two_lines_that_state_the_same_are_both_named(tmp_path):
    assert stated(evaluation_of(tmp_path, "Requires: a\nRequires: b\nRequires: a\n")) == [
        ("requires a", 1),
        ("requires a", 3),
        ("requires b", 2),
    ]


def test_text_that_only_looks_like_a_dependency_is_none(tmp_path):
    text = HEAD + (
        "Requires: real\n%description\nRequires: described\n%prep\ncat <<EOF\nRequires: written\n"
        "EOF\n%files\n%changelog\n* Thu Jan 01 2026 A <a@example.org> - 1.0-2\n- Requires: told\n"
    )
    assert stated(evaluate(tmp_path, text)["x86_64"]) == [("requires real", 1)]


def test_scriptlets_require_their_interpreter_from_their_own_line(tmp_path):
    text = HEAD + (
        "%description\n%post -p <lua>\nx = 1\n%postun -p /sbin/ldconfig\n%pre\necho\n%files\n"
    )
    result = evaluate(tmp_path, text)["x86_64"]
    have = [
        (d.dependency.capability, d.dependency.qualifiers, d.origin.text)
        for d in result.packages[0].dependencies
    ]
    assert have == [
        ("/bin/sh", ("interp", "pre"), "%pre"),
        ("/sbin/ldconfig", ("interp", "postun"), "%postun -p /sbin/ldconfig"),
    ]


TRICKY = """\
%global deps Requires: from-define
%define many() Requires: many-%1\\
Requires: more-%1
%package sub
Summary: sub
Requires: %{name} = %{version}-%{release}
Requires: one, two
%description sub
text with %{name}
%define package_of() %package %1\\
Summary: %1\\
Requires: of-%1\\
%description %1\\
of %1
%package_of made
%files made
%deps
%package last
Summary: last
%deps
%many x
%{?with_nothing:Requires: nothing}
%if "%{version}" == "1.0"
Requires: %{lua:print("l" .. "ua")} (r if s)
%endif
Recommends: %{expand:ex}panded
%{expand:
# Requires: expanded-b is told of here
Requires: %{name}-a
Requires: expanded-%{?b}b
}
%description last
Requires: no
%post last -p <lua>
-- Requires: no
%preun last
echo
%files sub
%files last
"""


def test_without_its_line_a_dependency_is_gone(tmp_path):
    """The proof that a line is the right one: evaluate again without it."""
    text = HEAD + "%description\n%files\n" + TRICKY
    whole = evaluate(tmp_path, text)["x86_64"]
    assert isinstance(whole, SpecEvaluation)
    lines: dict[int, set[tuple[str, str]]] = {}
    for package in whole.packages:
        for each in package.dependencies:
            assert each.origin is not None, each
            stated = (package.nevra.name, each.dependency.capability)
            lines.setdefault(each.origin.line, set()).add(stated)
    assert sum(map(len, lines.values())) == 13
    for number, brought in lines.items():
        rest = text.split("\n")
        start = next(s for s, e in logical_lines(rest) if s <= number - 1 <= e)
        if start == number - 1 and rest[start].startswith("%{expand:"):
            continue  # taking away its first line leaves no whole block
        rest[number - 1] = "%{nil}"
        without = evaluate(tmp_path, "\n".join(rest))["x86_64"]
        if isinstance(without, SpecFailure):
            assert rest[start] == "%{nil}"  # it also brought the section that others stand in
            continue
        left = {
            (package.nevra.name, each.dependency.capability)
            for package in without.packages
            for each in package.dependencies
        }
        assert not brought & left, (number, text.split("\n")[number - 1])


def test_an_included_file_is_named_by_its_own_path(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/deps.inc").write_text("%if 1\nRequires: a = %{version}\n%endif\n")
    result = evaluation_of(tmp_path, "%global part deps\n%include parts/%{part}.inc\nRequires: b\n")
    origins = {
        d.dependency.capability: (d.origin.path, d.origin.line)
        for d in result.packages[0].dependencies
    }
    assert origins == {"a = 1.0": ("parts/deps.inc", 2), "b": ("app.spec", 8)}


def test_a_spec_in_a_directory_keeps_its_path_and_sees_its_neighbours(tmp_path):
    specs = tmp_path / "SPECS"
    specs.mkdir()
    (tmp_path / "SOURCES").mkdir()
    (tmp_path / "SOURCES/deps.inc").write_text("Requires: a\n")
    (specs / "app.spec").write_text(HEAD + "Source1: deps.inc\n%include %{SOURCE1}\n" + TAIL)
    result = evaluate_spec(tmp_path, "SPECS/app.spec", ["x86_64"])["x86_64"]
    assert result.path == "SPECS/app.spec"
    assert result.packages[0].dependencies[0].origin.path == "SOURCES/deps.inc"


def test_exclusive_and_excluded_architectures(tmp_path):
    def excluded(body, arch):
        return evaluation_of(tmp_path, body, arch).excluded

    assert not excluded("ExclusiveArch: x86_64 aarch64\n", "aarch64")
    assert excluded("ExclusiveArch: x86_64 aarch64\n", "s390x")
    assert evaluation_of(tmp_path, "ExclusiveArch: x86_64\n", "s390x").packages == ()
    assert excluded("ExcludeArch: s390x\n", "s390x")
    assert not excluded("ExcludeArch: s390x\n", "x86_64")
    assert not excluded("BuildArch: noarch\nExclusiveArch: x86_64 noarch\n", "s390x")
    assert excluded("BuildArch: noarch\nExclusiveArch: x86_64\n", "s390x")


def test_a_noarch_package_and_its_lines(tmp_path):
    result = evaluation_of(
        tmp_path,
        "BuildArch: noarch\nRequires: a\n%package x\nSummary: x\nRequires: b\n"
        "%description x\n%files x\n",
    )
    assert {p.nevra.arch for p in result.packages} == {"noarch"}
    assert stated(result, 0) == [("requires a", 2)]
    assert stated(result, 1) == [("requires b", 5)]


def test_definitions_come_from_the_caller(tmp_path):
    result = evaluation_of(
        tmp_path,
        "Requires: d%{?dist}-%{?fedora}-%{?mine}\n",
        definitions={"dist": ".x1", "fedora": "43", "mine": "%{fedora}!"},
    )
    assert stated(result)[0][0] == "requires d.x1-43-43!"


def test_the_hosts_own_configuration_is_not_seen(tmp_path):
    result = evaluation_of(tmp_path, "Provides: home(%{getenv:HOME}) dir(%(pwd))\n")
    assert [name for name, _ in stated(result)] == [
        "provides dir(/checkout)",
        "provides home(/tmp)",
    ]


def test_the_distributions_macros_take_the_place_of_the_hosts(tmp_path):
    config = tmp_path / "macros/usr/lib/rpm"
    for directory in ("macros.d", "redhat", "platform/x86_64-linux", "lua/vendor"):
        (config / directory).mkdir(parents=True)
    host = Path("/usr/lib/rpm")
    (config / "rpmrc").write_bytes((host / "rpmrc").read_bytes())
    (config / "macros.minimize").write_bytes((host / "macros").read_bytes())
    (config / "macros").write_text(
        "%base from-base\n%both from-base\n%_rpmconfigdir /usr/lib/rpm\n"
    )
    (config / "macros.d/macros.x").write_text("%both from-d\n%vendored from-d\n%lib_of %{_lib}\n")
    (config / "redhat/macros").write_text("%vendored from-vendor\n")
    (config / "lua/vendor/x.lua").write_text("return {name = function() return 'lua-name' end}\n")
    (config / "platform/x86_64-linux/macros").write_text("%_lib lib64\n%__isa x86-64\n")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    setting = SpecSetting(MacroSource(tmp_path / "macros"))
    result = evaluation_of(
        checkout,
        """\
        Requires: %{base} %{both} %{vendored} %{lib_of}
        Requires: %{lua: print(require('vendor.x').name())}
        Requires: builtin%{?_isa}
        """,
        setting=setting,
    )
    assert sorted(name for name, _ in stated(result)) == [
        "requires builtin(x86-64)",
        "requires from-base",
        "requires from-d",
        "requires from-vendor",
        "requires lib64",
        "requires lua-name",
    ]


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("Requires: }x\n", 6, "Dependency tokens"),
        ("Requires: a, \\\n b\n", 6, "Dependency tokens"),
        ("Nonsense: x\n", 6, "Nonsense"),
        ("%if\n", 6, "%if"),
        ("%if 1\n", 6, "Unclosed %if"),
        ("%include nothere\n", None, "nothere"),
        ("%{error:no good}\n", None, "no good"),
        ("%{lua: error('my words')}\n", None, "my words"),
        ("%{unclosed\n", None, ""),
        ("%package -n app\nSummary: x\n", None, "app"),
    ],
)
def test_a_spec_that_rpm_refuses_yields_its_message_and_line(tmp_path, body, line, words):
    result = evaluate(tmp_path, HEAD + body + TAIL)["x86_64"]
    assert isinstance(result, SpecFailure)
    assert result.cause == "invalid"
    assert words in result.message
    assert not result.message.startswith("error:")
    assert "/checkout" not in result.message
    if line is not None:
        assert result.line == line


def test_a_file_that_is_no_spec_is_refused_by_name(tmp_path):
    for content in (b"", b"\x00\xff\xfe binary", b"hello\n", b"%" * 10000):
        (tmp_path / "x.spec").write_bytes(content)
        result = evaluate_spec(tmp_path, "x.spec", ["x86_64"])["x86_64"]
        assert isinstance(result, SpecFailure)
        assert result.message
    with pytest.raises(ChangeError, match=r"nothere\.spec"):
        evaluate_spec(tmp_path, "nothere.spec", ["x86_64"])
    with pytest.raises(ChangeError, match="outside"):
        evaluate_spec(tmp_path, "../x.spec", ["x86_64"])
    (tmp_path / "link.spec").symlink_to("/etc/passwd")
    with pytest.raises(ChangeError):
        evaluate_spec(tmp_path, "link.spec", ["x86_64"])


def test_texts_that_are_not_utf8_survive(tmp_path):
    (tmp_path / "app.spec").write_bytes(
        (HEAD + "# caf\xe9\nRequires: a\n" + TAIL).encode("latin-1")
    )
    result = evaluate_spec(tmp_path, "app.spec", ["x86_64"])["x86_64"]
    assert result.packages[0].dependencies[0].origin.line == 7


def test_a_checkout_that_only_its_owner_may_enter_can_be_evaluated(tmp_path):
    checkout = tmp_path / "closed"
    checkout.mkdir(mode=0o700)
    (checkout / "app.spec").write_text(HEAD + TAIL)
    (checkout / "app.spec").chmod(0o600)
    assert isinstance(evaluate_spec(checkout, "app.spec", ["x86_64"])["x86_64"], SpecEvaluation)


def test_the_shell_is_bash_as_on_distributions_of_rpm_packages(tmp_path):
    result = evaluation_of(
        tmp_path,
        """\
        Provides: api = %(name="TOOL"; echo ${name,,})
        %global first %(parts=(one two); echo ${parts[0]})
        Provides: %{first}
        """,
    )
    assert [capability for capability, _ in stated(result)] == [
        "provides api = tool",
        "provides one",
    ]


def test_a_lua_scriptlet_that_ends_with_end_does_not_cost_the_lines(tmp_path):
    """As glibc's file triggers: after `%end` rpm takes no line that is not a heading."""
    body = """\
    Requires: first
    %description
    %post -p <lua>
    print("x")
    %end

    %undefine nothing

    %package more
    Summary: more
    Requires: second
    %description more
    %files more
    """
    path = tmp_path / "app.spec"
    path.write_text(HEAD + textwrap.dedent(body) + "%files\n")
    result = evaluate_spec(tmp_path, "app.spec", ["x86_64"], definitions={"dist": ".fc43"})[
        "x86_64"
    ]
    assert isinstance(result, SpecEvaluation), result
    assert ("requires first", 1) in stated(result)
    assert ("requires second", 11) in stated(result, 1)


def test_marks_of_the_preamble_alone_say_that_other_sections_are_unknown():
    text = "Name: a\n%description\nd\n%package b\nRequires: c\n%files b\n"
    marks = [
        line.rpartition("-")[2]
        for line in mark(text, 0, everywhere=False).split("\n")
        if line.startswith("OrderWithRequires")
    ]
    assert marks == ["1", "x", "5", "x"]


@pytest.mark.parametrize("prep", ["", "\n", "true\n"])
def test_a_heading_that_rpm_left_out_behind_prep_is_put_back(prep: str):
    """As rpm 4.18 answers: its expanded text lacks the line that ends %prep."""
    whole = f"Name: a\n%prep -q\n{prep}%build\nmake\n%install\nmake install\n%files\n"
    sections = [("build", "make\n"), ("install", "make install\n")]
    assert with_lost_heading(whole.replace("%build\n", ""), prep, sections) == whole
    assert with_lost_heading(whole, prep, sections) == whole
    # What %prep ends at was another section's heading: a scriptlet's.
    other = whole.replace("%build\n", "")
    assert with_lost_heading(other, prep, [("check", "x\n")]) == other
