"""Which refusals of the host's rpm are the spec file's fault, where the distribution's differs."""

from __future__ import annotations

import pytest

from bot.model.nevra import Nevra
from bot.model.spec import SpecEvaluation, SpecFailure
from bot.sandbox.run import sandbox_available
from bot.spec.evaluate import evaluate_spec
from bot.spec.rpm_version import (
    DistributionRpm,
    RpmVersion,
    host_rpm,
    may_be_taken,
    patch_definitions,
    published_rpm,
    rpm_version,
    without_unpacking,
)
from bot.spec.setting import SpecSetting

needs_sandbox = pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
OLD, NEW = RpmVersion(4, 18), RpmVersion(4, 20)


@pytest.mark.parametrize(
    "message",
    [
        "a.spec:9: line 9: Unclosed %if",
        "Package has no %description: a",
        "Name field must be present in package: (main package)\nVersion field must be present in"
        " package: (main package)",
        "line 3: Illegal char '-' (0x2d) in: Version: 1-2",
        "line 12: second %prep",
        "line 41: Version required: Requires:       ghc-compiler =",
        "line 10: Versioned file name not permitted: Requires: /usr/bin/tmux >= 3",
        "line 6: Unknown tag: Requiers: x",
        "line 6: Unknown tag: Licence: MIT",
        "line 6: Unknown tag: Requiers(post): x",
        "line 6: Unknown tag: Sorce0: x",
    ],
)
def test_what_every_rpm_refuses_is_the_specs_fault(message):
    assert not may_be_taken(message, OLD, NEW)
    assert not may_be_taken(message, NEW, OLD)


@pytest.mark.parametrize(
    "message",
    [
        "line 6: Unknown tag: BuildSystem: autotools",
        "line 6: Unknown tag: BuildOption(conf): --with-x",
        "line 6: Unknown tag: Attestation: x",
        "line 6: Unknown option N in patch()",
        "line 6: Dependency tokens must begin with alpha-numeric, '_' or '/': Requires: (a ~ b)",
        "line 6: Bad Requires: qualifiers: Requires(meta): x",
    ],
)
def test_what_an_older_rpm_does_not_know_a_newer_one_may(message):
    assert may_be_taken(message, OLD, NEW)
    assert not may_be_taken(message, NEW, OLD)


@pytest.mark.parametrize(
    "message",
    [
        "%patchN is obsolete, use %patch N (or %patch -P N): %patch1 -p1",
        'a.spec:4: bare words are no longer supported, please use "...":  x == y\n      ^',
        "words that no rpm had yet",
        # One of two messages is enough.
        "Package has no %description: a\nwords that no rpm had yet",
        "",
    ],
)
def test_any_other_refusal_may_be_this_versions_alone(message):
    assert may_be_taken(message, OLD, NEW)
    assert may_be_taken(message, NEW, OLD)


def test_the_same_or_an_unknown_version_leaves_the_fault_with_the_spec():
    message = "line 6: Unknown tag: BuildSystem: autotools"
    assert not may_be_taken(message, NEW, NEW)
    assert not may_be_taken(message, NEW, None)
    assert not may_be_taken(message, None, NEW)


@pytest.mark.parametrize(
    ("text", "version"),
    [("4.18.0+dfsg", OLD), ("4.20.1", NEW), ("6.0.2", RpmVersion(6, 0)), ("git", None), ("", None)],
)
def test_versions_are_compared_by_major_and_minor(text, version):
    assert rpm_version(text) == version


def test_the_distributions_is_the_newest_package_of_that_name():
    class Published:
        def selects(self, request):
            names = [("rpm", "4.16.1"), ("rpm", "4.18.0"), ("rpm-ng", "9.0")]
            return tuple(Nevra(name, 0, version, "1", "x86_64") for name, version in names)

    assert published_rpm(Published()) == OLD


def test_numbered_patches_are_defined_only_where_the_host_alone_refuses_them():
    text = b"%prep\n%patch1 -p1\n%{patch02}\n%{?with_x:%patch3 -p1}\n%patch -P4\n"
    definitions = patch_definitions(text, NEW, OLD)
    assert definitions["patch1(-)"] == "%{patch -P1 %**}"
    assert sorted(definitions) == ["patch02(-)", "patch1(-)", "patch3(-)"]
    assert patch_definitions(text, NEW, None) == definitions
    assert patch_definitions(text, OLD, OLD) == {}
    assert patch_definitions(text, NEW, NEW) == {}


def spec_of(tmp_path, *lines):
    text = "Name: a\nVersion: 1\nRelease: 1\nSummary: a\nLicense: MIT\n"
    (tmp_path / "a.spec").write_text(text + "\n".join(lines) + "\n%description\n%files\n")


def evaluated(tmp_path, version, problem=""):
    setting = SpecSetting(rpm=DistributionRpm(version, problem=problem))
    return evaluate_spec(tmp_path, "a.spec", ["x86_64"], setting=setting)["x86_64"]


@needs_sandbox
def test_a_refusal_by_an_older_host_lies_in_the_surroundings(tmp_path):
    spec_of(tmp_path, "NotYetATag: x")
    newer = RpmVersion(99, 0)
    result = evaluated(tmp_path, newer, "the mirror does not answer")
    assert isinstance(result, SpecFailure)
    assert (result.cause, result.line) == ("surroundings", 6)
    for part in (f"host's rpm {host_rpm()}", "rpm 99.0", "NotYetATag", "mirror does not answer"):
        assert part in result.message
    for same in (host_rpm(), None):
        result = evaluated(tmp_path, same)
        assert isinstance(result, SpecFailure) and result.cause == "invalid"


@needs_sandbox
def test_a_mistake_that_every_rpm_refuses_stays_the_specs_fault(tmp_path):
    spec_of(tmp_path, "%if 1")
    result = evaluated(tmp_path, RpmVersion(99, 0))
    assert isinstance(result, SpecFailure) and result.cause == "invalid"


@needs_sandbox
@pytest.mark.skipif((host_rpm() or OLD) < NEW, reason="this host's rpm takes %patchN")
def test_a_numbered_patch_says_nothing_about_dependencies(tmp_path):
    spec_of(tmp_path, "Patch1: a.patch", "Requires: x")
    with (tmp_path / "a.spec").open("a") as file:
        file.write("%prep\n%setup -q -c -T\n%patch1 -p1\n")
    result = evaluated(tmp_path, OLD)
    assert isinstance(result, SpecEvaluation)
    (dependency,) = result.packages[0].dependencies
    assert (dependency.dependency.capability, dependency.origin.line) == ("x", 7)
    result = evaluated(tmp_path, host_rpm())
    assert isinstance(result, SpecFailure) and result.cause == "invalid"


def test_only_lines_that_unpack_and_patch_are_left_out():
    kept = ["%prep", "%global x 1", "cd x", "%{!?y:%autosetup}", "%setup_it", "%gopkgfiles"]
    left = ["%autosetup -C \\", "  -p1", "%patch3 -p1", " %{?patch:1}", "%setup -q %{?x:", "}"]
    assert without_unpacking("\n".join([*kept, *left])).split("\n") == [*kept, *[""] * len(left)]


@needs_sandbox
def test_an_option_of_autosetup_that_only_the_host_refuses_says_nothing(tmp_path):
    spec_of(tmp_path, "Requires: x")
    with (tmp_path / "a.spec").open("a") as file:
        file.write("%prep\n%autosetup -Q\n%build\n%package b\nSummary: b\n%description b\n")
        file.write("Requires: in-the-description\n%files b\n")
    result = evaluated(tmp_path, RpmVersion(99, 0))
    assert isinstance(result, SpecEvaluation)
    assert [package.nevra.name for package in result.packages] == ["a", "a-b"]
    (dependency,) = result.packages[0].dependencies
    assert dependency.origin.line == 6
    (note,) = result.notes
    assert "unpack and patch" in note and "option" in note and "-Q" not in note
    result = evaluated(tmp_path, host_rpm())
    assert isinstance(result, SpecFailure) and result.cause == "invalid"
