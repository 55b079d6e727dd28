"""Evidence for the lines of a changed spec, from packages that were really built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.build.headers import packages_of
from bot.check.built import built_check
from bot.check.change import open_change
from bot.check.plan import CheckOptions
from bot.check.run import predict_check
from bot.check.spec_edits import edited_lines, joined_evidence, weaker_line, with_edits
from bot.git.repository import open_repository
from bot.model.advice import Evidence
from bot.model.nevra import Nevra
from bot.model.package import Dependency
from bot.model.result import CheckResult
from bot.model.spec import SpecDependency, SpecEvaluation, SpecLine, SpecPackage
from bot.model.suggestion import DiffLine, Suggestion
from tests.check.tiny import BASE, DOCUMENTS, Bench, workload
from tests.specs import build, build_repository, tags

# Of another source than what is requested: nobody asked for their programs.
HELPERS = tags("helpers", "%description") + "".join(
    f"""\
%package -n {name}
Summary: h
%description -n {name}
%files -n {name}
/usr/bin/{name}
"""
    for name in ("perl", "sed9", "awk9")
)
HELPERS += """\
%install
mkdir -p %{buildroot}/usr/bin
for name in perl sed9 awk9; do head -c 300000 /dev/zero > %{buildroot}/usr/bin/$name; done
"""
TOOL = f"""\
{tags("tool", "Requires: base", "Requires: sed9")}\
%description
%install
mkdir -p %{{buildroot}}/usr/bin
echo 'CONTENT' > %{{buildroot}}/usr/bin/tool
%files
/usr/bin/tool
# 1
# 2
# 3
# 4
%package far
Summary: f
Requires: awk9
%description far
%files far
"""


@dataclass(frozen=True)
class Built:
    """A change of the tool's spec, both sides of which were built."""

    bench: Bench

    def check(self, head: str, file: str | None = None) -> CheckResult:
        self.bench.commit({"tool.spec": head})
        git = open_repository(self.bench.root / "git")
        with open_change(git, "HEAD~1", "HEAD", branch="main") as opened:
            change = replace(opened, repository_file=file.encode() if file else None)
            options = CheckOptions(arches=("x86_64",))
            predicted = predict_check(
                change, options, self.bench.configuration(), self.bench.pools()
            )
            (part,) = predicted.parts
            (target,) = part.targets
            sides = target.sides["x86_64"]
            for side, tree in (("base", change.base_tree), ("head", change.head_tree)):
                output = self.bench.root / side
                build((tree / "tool.spec").read_text(), "x86_64", self.bench.root / "work", output)
                packages = packages_of(output.rglob("*.rpm"), "tool")
                overlay = replace(getattr(sides, side), packages=packages, evidence="rebuilt")
                sides = replace(sides, **{side: overlay})
            target = replace(target, sides={"x86_64": sides})
            part = replace(part, targets=(target,))
            built = built_check(change, predicted, [part], (), (), layers=False)
            return with_edits(change, built).result


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("helpers")
    build_repository(root, "x86_64", {"world": BASE, "helpers": HELPERS, "tool": TOOL})
    return root


@pytest.fixture
def built(tmp_path: Path, repositories: Path) -> Built:
    bench = Bench(tmp_path, repositories)
    for name, text in DOCUMENTS.items():
        bench.document(name, text.replace("[x86_64, aarch64]", "[x86_64]"))
    bench.document("web", workload("tool", "tool-far"))
    bench.start({"tool.spec": TOOL})
    return Built(bench)


def with_perl(content: str = "exit 0") -> str:
    return TOOL.replace("Requires: sed9\n", "Requires: sed9\nRequires: perl\n").replace(
        "CONTENT", content
    )


def only_suggestion(result: CheckResult) -> Suggestion:
    (suggestion,) = result.suggestions
    return suggestion


def test_no_trace_in_the_built_files_and_a_line_that_the_diff_shows(built: Built) -> None:
    suggestion = only_suggestion(built.check(with_perl()))
    assert (suggestion.spec.line, suggestion.replace_with) == (8, "Recommends: perl")
    assert suggestion.evidence is not None
    assert suggestion.evidence.use == ()
    assert suggestion.evidence.looked_into == "files"
    assert suggestion.evidence.integrity is True
    assert suggestion.safe
    assert suggestion.diff_line == DiffLine("tool.spec", None)
    assert suggestion.saves[0].installed_size == 300_000


def test_a_trace_in_the_built_files_is_named_and_not_safe(built: Built) -> None:
    suggestion = only_suggestion(built.check(with_perl("exec perl -e 1")))
    assert suggestion.evidence is not None
    assert suggestion.evidence.use == ("/usr/bin/tool",)
    assert not suggestion.safe


def test_lines_that_the_change_did_not_bring_are_beside_its_suggestions(built: Built) -> None:
    result = built.check(with_perl())
    assert [(e.spec.text, e.replace_with) for e in result.spec_edits] == [
        ("Requires: sed9", "Recommends: sed9"),
        ("Requires: awk9", "Recommends: awk9"),
    ]
    near, far = result.spec_edits
    # Shown with the change, and too far away from it.
    assert near.diff_line == DiffLine("tool.spec", 7)
    assert far.diff_line is None
    # `base` is never taken out: nothing is.
    assert all("base" not in edit for e in result.spec_edits for edit in e.edits)


def test_what_a_file_uses_is_no_edit_of_the_spec(built: Built) -> None:
    result = built.check(with_perl("exec sed9 x"))
    assert [e.spec.text for e in result.spec_edits] == ["Requires: awk9"]


def test_an_edit_that_the_change_undoes_is_suggested(built: Built) -> None:
    weak = TOOL.replace("Requires: sed9", "Recommends: sed9")
    built.bench.commit({"tool.spec": weak})
    suggestion = only_suggestion(built.check(TOOL))
    assert (suggestion.spec.text, suggestion.replace_with) == ("Requires: sed9", "Recommends: sed9")
    assert suggestion.safe


def test_a_repository_that_wants_no_suggestions_has_none_looked_into(built: Built) -> None:
    result = built.check(with_perl(), "suggestions: false\n")
    assert only_suggestion(result).evidence is None
    assert result.spec_edits == ()


def test_a_need_of_an_objective_stays(built: Built) -> None:
    objective = """
document: minimize-objective
version: 1
data:
  name: keeps sed9
  description: d
  maintainer: m
  workload: web
  needs: [/usr/bin/sed9]
  limits: {packages: 100}
"""
    built.bench.document("keeps", objective)
    result = built.check(with_perl())
    assert [e.spec.text for e in result.spec_edits] == ["Requires: awk9"]


# -- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "weaker"),
    [
        ("Requires: perl", ("weaken", "Recommends: perl")),
        ("  requires:   perl >= 5  ", ("weaken", "Recommends: perl >= 5")),
        ("Requires(post): systemd", ("order", "OrderWithRequires(post): systemd")),
        ("Requires(pre,post): a", ("order", "OrderWithRequires(pre,post): a")),
        ("%{?systemd_requires}", ("order", "%{?systemd_ordering}")),
        ("%systemd_requires", ("order", "%{?systemd_ordering}")),
        ("%{?perl_default_filter}", None),
        ("BuildRequires: perl", None),
        ("Recommends: perl", None),
        ("%{?with_perl:Requires: perl}", None),
    ],
)
def test_what_to_write_instead_of_a_line(text: str, weaker: tuple[str, str] | None) -> None:
    assert weaker_line(text) == weaker


def evaluation(*stated: tuple[str, int, str, str]) -> SpecEvaluation:
    """A spec that states (package, line, text, capability)."""
    packages: dict[str, list[SpecDependency]] = {}
    for package, number, text, capability in stated:
        need = SpecDependency(Dependency("requires", capability), SpecLine("a.spec", number, text))
        packages.setdefault(package, []).append(need)
    packages_ = (
        SpecPackage(Nevra(n, 0, "1", "1", "x86_64"), tuple(d)) for n, d in packages.items()
    )
    return SpecEvaluation("a.spec", "x86_64", "a", (0, "1", "1"), tuple(packages_))


def test_a_capability_of_two_lines_is_taken_out_by_none_of_them_alone() -> None:
    plain = ("a", 1, "Requires: x", "x"), ("a", 2, "Requires: x >= 1", "x >= 1")
    assert list(edited_lines(evaluation(*plain))) == []
    assert [e.edits for e in edited_lines(evaluation(plain[0]))] == [("a:x",)]


def test_a_line_that_states_what_a_generator_would_is_left() -> None:
    mixed = ("a", 1, "Requires: x perl(B)", "x"), ("a", 1, "Requires: x perl(B)", "perl(B)")
    assert list(edited_lines(evaluation(*mixed))) == []


def test_a_line_of_two_packages_is_one_edit_of_both() -> None:
    both = ("a", 1, "Requires: x", "x"), ("b", 1, "Requires: x", "x")
    assert [e.edits for e in edited_lines(evaluation(*both))] == [("a:x", "b:x")]


def test_evidence_of_several_images_is_the_least_certain() -> None:
    good = Evidence((), True, True, looked_into="files")
    assert joined_evidence([good, good]) == good
    assert joined_evidence([good, None]) is None
    assert joined_evidence([]) is None
    untested = replace(good, runs=None, integrity=None)
    joined = joined_evidence([good, untested])
    assert joined is not None
    assert (joined.runs, joined.integrity) == (True, None)
    failed = joined_evidence([good, replace(good, runs=False, use=("/a",), looked_into="headers")])
    assert failed is not None
    assert (failed.runs, failed.use, failed.looked_into) == (False, ("/a",), "headers")
