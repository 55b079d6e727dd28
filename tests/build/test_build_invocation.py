"""How rpmbuild is called, and what is said of its failures."""

from types import SimpleNamespace

from bot.build.builder import BuildRequest
from bot.build.builders import build_environment, builder_named, failure_message, rpmbuild_command
from bot.distro.cache import Cache
from bot.model.closure import Closure, SnapshotState
from bot.model.image import ImageKey
from bot.model.package import Dependency
from bot.model.spec import SpecDependency, SpecEvaluation, SpecLine, SpecSource
from bot.sandbox.emulation import native_architecture

LOG = """\
+ make
gcc -c ngx.c
ngx.c:10:5: error: unknown type name 'foo'
make: *** [Makefile:3: ngx.o] Error 1
error: Bad exit status from /var/tmp/rpm-tmp.AbC (%build)

RPM build errors:
    Bad exit status from /var/tmp/rpm-tmp.AbC (%build)
"""


def test_a_failure_says_where_and_why_first_and_then_the_last_lines():
    message = failure_message(1, LOG).splitlines()
    assert message[0] == (
        "rpmbuild ended with status 1 in %build: ngx.c:10:5: error: unknown type name 'foo'"
    )
    assert message[-1].strip() == "Bad exit status from /var/tmp/rpm-tmp.AbC (%build)"


def test_a_failure_without_a_compilers_word_has_rpms():
    message = failure_message(1, "error: Installed (but unpackaged) file(s) found:\n   /usr/x\n")
    assert message.startswith("rpmbuild ended with status 1: error: Installed (but unpackaged)")
    assert failure_message(9, "").splitlines() == ["rpmbuild ended with status 9."]


def test_the_same_for_both_sides_nothing_of_the_host_and_no_debug_packages():
    command = rpmbuild_command("-bb", "/checkout/a.spec", {"dist": ".el9"}, jobs=3, check=False)
    defined = {command[i + 1] for i, word in enumerate(command) if word == "--define"}
    assert {
        "dist .el9",
        "debug_package %{nil}",
        "_buildhost minimize",
        "_smp_ncpus_max 3",
    } < defined
    assert "--nocheck" in command
    assert command[-1] == "/checkout/a.spec"
    assert "--nocheck" not in rpmbuild_command("-bb", "a.spec", {}, jobs=1, check=True)
    assert build_environment(3)["SOURCE_DATE_EPOCH"] == build_environment(1)["SOURCE_DATE_EPOCH"]


def test_a_callers_definition_wins():
    command = rpmbuild_command("-bb", "a.spec", {"debug_package": "yes"}, jobs=1, check=False)
    assert "debug_package yes" in command
    assert "debug_package %{nil}" not in command


def build(tmp_path, *, arch=None, sources=(), requires=(), missing=()):
    (tmp_path / "a.spec").write_text("Name: a\n")
    closure = Closure(
        ImageKey("", "", "", "x"), SnapshotState("", ()), "unsolvable", missing=missing
    )
    pool = SimpleNamespace(solve_names=lambda names, weak: closure)
    evaluation = SpecEvaluation(
        "a.spec", "x", "a", (0, "1", "1"), (), build_requires=requires, sources=sources
    )
    document = SimpleNamespace(id="d", base_buildroot_override=("rpm-build",))
    request = BuildRequest(
        tmp_path, "a.spec", arch or native_architecture(), document, pool, evaluation, {}, "head"
    )
    return builder_named("rpmbuild", Cache(tmp_path / "cache")).build(request)


def test_another_architecture_is_not_built_here(tmp_path):
    failed = build(tmp_path, arch="vax")
    assert failed.kind == "surroundings"
    assert "vax" in failed.message


def test_a_source_that_is_nowhere_is_its_own_failure(tmp_path):
    failed = build(tmp_path, sources=(SpecSource("Source0", "none.tar.gz"),))
    assert failed.kind == "sources"
    assert "none.tar.gz" in failed.message


def test_a_missing_requirement_has_the_specs_line(tmp_path):
    line = SpecLine("a.spec", 7, "BuildRequires: none-devel")
    needs = SpecDependency(Dependency("requires", "none-devel"), line)
    failed = build(tmp_path, requires=(needs,), missing=("none-devel",))
    assert (failed.kind, failed.missing) == ("missing-requirement", ("none-devel",))
    assert "a.spec:7: BuildRequires: none-devel" in failed.message
