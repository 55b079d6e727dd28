"""In what a change to a spec file differs between two architectures."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.architecture import DEFAULT_ARCHITECTURES
from bot.model.spec import SpecEvaluation
from bot.spec.architecture_difference import normalized, unlike, used_unlike
from bot.spec.evaluate import evaluate_spec
from tests.specs import tags

ARCHES = ("x86_64", "s390x")
SPEC = (
    tags("tool", "Source0: tool.tar.gz", "BuildRequires: gcc", "Requires: base")
    + """\
%global _with_docs 1
%description
%prep
%build
./configure --libdir=%{_libdir} --host=%{_arch}-linux --plain
case "$(uname -m)" in
  x86_64)
    FAST=no
    ;;
  *) SLOW=no ;;
esac
if [ "$RPM_ARCH" = s390x ]; then
  BIG=no
else
  SMALL=no
fi
[ %{_target_cpu} = x86_64 ] && ONE=no
%ifarch s390x
echo only there
%endif
%install
%check
%files
%{_libdir}/tool
%package extra
Summary: e
%description extra
%files extra
"""
)
X, S = "%ifarch x86_64\n{}\n%endif\n", "%ifarch s390x\n{}\n%endif\n"


def evaluated(root: Path, text: str) -> dict[str, SpecEvaluation]:
    root.mkdir(parents=True, exist_ok=True)
    (root / "tool.spec").write_text(text)
    results = evaluate_spec(root, "tool.spec", ARCHES)
    assert all(isinstance(result, SpecEvaluation) for result in results.values()), results
    return results  # type: ignore[return-value]


def differences(tmp_path: Path, head: str, base: str = SPEC) -> tuple[str, ...]:
    before, after = evaluated(tmp_path / "base", base), evaluated(tmp_path / "head", head)
    return unlike(*((before[arch], after[arch]) for arch in ARCHES))


def at(line: str, more: str) -> str:
    """The spec with `more` before a line."""
    assert line in SPEC
    return SPEC.replace(line, f"{more}\n{line}", 1)


@pytest.mark.parametrize(
    "head",
    [
        SPEC.replace("Version: 1", "Version: 2"),
        at("Requires: base", "BuildRequires: libxslt-devel"),
        at("Requires: base", "Requires: base%{?_isa}"),
        SPEC.replace("--plain", "--with-xslt --libexecdir=%{_libdir}/x --build=%{_target_cpu}"),
        SPEC.replace("--plain", "CFLAGS='%{optflags} -O3'"),
        at("%{_libdir}/tool", "%{_libdir}/tool-%{_arch}.so"),
        at("%package extra", "%package more\nSummary: m\n%description more\n%files more"),
        at("%description\n", "%global __requires_exclude ^lib"),
        at("%description\n", "AutoReq: no"),
        at("%install", "case $1 in\n  new) echo new ;;\nesac"),
        SPEC.partition("%package extra")[0],
    ],
)
def test_a_change_that_is_the_same_on_both_has_none(tmp_path: Path, head: str) -> None:
    assert differences(tmp_path, head) == ()


@pytest.mark.parametrize(
    ("head", "note"),
    [
        (
            at("Requires: base", X.format("BuildRequires: libxslt-devel")),
            "BuildRequires libxslt-devel only on x86_64",
        ),
        (at("Requires: base", S.format("Requires: more")), "Requires of tool: more only on s390x"),
        (at("%install", X.format("make xslt")), "%build make only on x86_64"),
        (
            SPEC.replace("--plain", "\\\n%ifarch x86_64\n --with-xslt \\\n%endif\n --plain"),
            "%build --with-xslt only on x86_64",
        ),
        (at("%files\n", S.format("make check")), "%check check only on s390x"),
        (SPEC.replace("echo only there", ""), "%build echo removed only on s390x"),
        (
            at("%package extra", X.format("%{_libdir}/tool-avx")),
            "%files of tool: /usr/lib64/tool-avx only on x86_64",
        ),
        (
            at("%package extra", X.format("%package more\nSummary: m\n%description more\n"))
            + X.format("%files more"),
            "package tool-more only on x86_64",
        ),
        (at("BuildRequires", X.format("Source1: x.tar.gz")), "Source x.tar.gz only on x86_64"),
        (
            at("%description\n", X.format("%global __requires_exclude ^libfoo")),
            "%__requires_exclude ^libfoo only on x86_64",
        ),
        (at("%description\n", X.format("AutoReq: no")), "AutoReq of tool: no only on x86_64"),
        (
            at("%description extra", S.format("AutoReqProv: 0")),
            "AutoReqProv of tool-extra: 0 only on s390x",
        ),
        (at("%description\n", "ExclusiveArch: x86_64"), "it is not built on s390x"),
        (
            SPEC.replace("FAST=no", "FAST=yes"),
            '%build FAST=no (below `case "$(uname -m)" in x86_64`)',
        ),
        (SPEC.replace("SLOW=no", "SLOW=yes"), None),
        (SPEC.replace("BIG=no", "BIG=yes"), '%build BIG=no (below `if [ "$RPM_ARCH" = s390x ]'),
        (SPEC.replace("SMALL=no", "SMALL=yes"), "%build SMALL=no (below `if"),
        (SPEC.replace("ONE=no", "ONE=yes"), "%build ONE=no (below `[ x86_64 = x86_64 ]`)"),
        (SPEC.replace("--plain", "x86_64-only"), "%build x86_64-only only on"),
        (
            at(
                "Requires: base", "%bcond_with xslt\n%{?with_xslt:BuildRequires: libxslt-devel}"
            ).replace("%bcond_with xslt", X.format("%global with_xslt 1").strip()),
            "BuildRequires libxslt-devel only on x86_64",
        ),
    ],
)
def test_a_change_that_is_another_on_one_says_in_what(
    tmp_path: Path, head: str, note: str | None
) -> None:
    sentences = differences(tmp_path, head)
    if note is None:
        assert sentences == ()
    else:
        assert any(note in sentence for sentence in sentences), sentences


def test_what_was_different_before_and_stays_so_does_not_matter(tmp_path: Path) -> None:
    base = at("%install", X.format("make xslt"))
    head = base.replace("--plain", "--threads")
    assert differences(tmp_path, head, base) == ()
    moved = SPEC.replace("--plain", "--threads").replace("%install", "make xslt\n%install", 1)
    assert "%build make only on s390x" in differences(tmp_path / "other", moved, base)


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("%patch -P 3 -p1", True),
        ("%patch -p1 -P3", True),
        (X.format("%patch -P 3 -p1"), False),
        (X.format("patch < %{PATCH3}"), False),
        (X.format("%patch -P 4 -p1"), True),
        ("case $(arch) in s390x) patch < %{PATCH3} ;; esac", False),
        ("if [ %{_arch} = s390x ]; then\n  patch < %{PATCH3}\nfi", False),
    ],
)
def test_a_patch_that_changes_must_be_applied_on_both(
    tmp_path: Path, line: str, same: bool
) -> None:
    text = at("BuildRequires", "Patch3: it.patch\nPatch4: other.patch")
    (tmp_path / "base").mkdir()
    for name in ("it.patch", "other.patch"):
        (tmp_path / "base" / name).write_text("")
    result = evaluated(tmp_path / "base", text.replace("%build", f"{line}\n%build", 1))
    note = used_unlike(result["x86_64"], result["s390x"], ["it.patch", "README"])
    assert note == (() if same else ("it.patch is not used in the same way on x86_64 and s390x",))


def test_a_spec_that_is_new_or_gone_is_compared_with_nothing(tmp_path: Path) -> None:
    head = evaluated(tmp_path / "head", SPEC)
    assert unlike(*((None, head[arch]) for arch in ARCHES)) != ()
    plain = SPEC[: SPEC.index("case ")] + SPEC[SPEC.index("%install") :]
    head = evaluated(tmp_path / "plain", plain)
    assert unlike(*((None, head[arch]) for arch in ARCHES)) == ()
    assert unlike(*((head[arch], None) for arch in ARCHES)) == ()


_OTHERS = {"x86_64": "x86-64", "aarch64": "aarch-64", "ppc64le": "ppc-64", "s390x": "s390-64"}
_PARTS = st.lists(
    st.tuples(
        st.sampled_from(["{arch}", "{isa}", "lib64", "a", "b64", "Z", ""]),
        st.sampled_from(["_", "-", ".", "/", " ", "(", ")", "=", "\n"]),
    ).map("".join)
)


@given(_PARTS, st.sampled_from(DEFAULT_ARCHITECTURES), st.sampled_from(DEFAULT_ARCHITECTURES))
def test_the_same_text_of_two_architectures_is_the_same(
    parts: list[str], first: str, second: str
) -> None:
    template = "".join(parts)
    one, two = (
        normalized(template.format(arch=arch, isa=_OTHERS[arch]), arch) for arch in (first, second)
    )
    assert one == two
    assert normalized(one, first) == one


@given(_PARTS, _PARTS, st.permutations(DEFAULT_ARCHITECTURES))
def test_the_name_of_another_architecture_stays(
    before: list[str], after: list[str], arches: list[str]
) -> None:
    own, named, third = arches[:3]
    template = f"{''.join(before)} {named} {''.join(after)}"
    here, there, elsewhere = (
        normalized(template.format(arch=arch, isa=_OTHERS[arch]), arch)
        for arch in (own, named, third)
    )
    assert here == elsewhere
    assert here != there
    assert f" {named} " in here
