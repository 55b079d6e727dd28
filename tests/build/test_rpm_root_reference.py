"""Spec files evaluated with the reference distribution's own rpm, which is not this host's."""

from __future__ import annotations

import pytest

from bot.build.rpm_root import distribution_rpm
from bot.closure.pool import open_pool
from bot.demo.distribution.reference import default_cache
from bot.distro.cache import Cache
from bot.distro.load import load_configuration
from bot.distro.snapshot import open_snapshot
from bot.model.spec import SpecEvaluation, SpecFailure
from bot.sandbox.emulation import native_architecture
from bot.sandbox.run import sandbox_available
from bot.spec.evaluate import evaluate_spec
from bot.spec.rpm_version import host_rpm
from bot.spec.setting import setting_of

HEAD = "Name: a\nVersion: 1\nRelease: 1%{?dist}\nSummary: a\nLicense: MIT\nRequires: x%{?_isa}\n"
TAIL = "%description\n%files\n"
ARCHES = ("x86_64", "s390x")

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(
        native_architecture() != "x86_64" or sandbox_available() is not None,
        reason="the reference distribution's rpm runs on x86_64, in the sandbox",
    ),
]


@pytest.fixture(scope="module")
def setting(reference):
    """The setting of the reference distribution with its own rpm, while that is held."""
    cache = Cache(default_cache())
    document = load_configuration(reference.config_dir).repositories["reference"]
    pools = {arch: open_pool(open_snapshot(document, arch, cache), cache) for arch in ARCHES}
    with distribution_rpm(document, pools, pools.__getitem__, cache) as rpm:
        if rpm.version == host_rpm():
            pytest.skip("this host's rpm is the reference distribution's")
        assert rpm.root is not None, rpm.problem
        yield setting_of(document, pools, cache, rpm=rpm)


@pytest.fixture
def evaluate(setting, tmp_path):
    def results(text):
        (tmp_path / "a.spec").write_text(text)
        return evaluate_spec(tmp_path, "a.spec", ARCHES, setting=setting)

    return results


def test_nothing_is_said_of_the_hosts_rpm(setting):
    assert setting.notes == ()


def test_every_architecture_is_evaluated_with_lines_and_macros(evaluate, reference):
    prep = "Patch1: a.patch\n" + TAIL + "%prep\n%setup -q -c -T\n%patch1 -p1\n"
    found = evaluate(HEAD + prep)
    for arch, isa in (("x86_64", "x86-64"), ("s390x", "s390-64")):
        result = found[arch]
        assert isinstance(result, SpecEvaluation), result
        (main,) = result.packages
        assert (main.nevra.arch, main.nevra.release) == (arch, f"1{reference.dist}")
        ((dependency, line),) = [(d.dependency, d.origin.line) for d in main.dependencies]
        assert (dependency.capability, line) == (f"x({isa})", 6)


def test_what_it_refuses_is_the_specs_fault_though_the_host_takes_it(evaluate, setting):
    for result in evaluate(HEAD + "BuildSystem: autotools\n" + TAIL).values():
        assert isinstance(result, SpecFailure)
        assert (result.cause, result.line) == ("invalid", 7)
        assert "BuildSystem" in result.message and "host" not in result.message


def test_the_rpm_that_the_spec_sees_is_the_distributions(evaluate, setting):
    found = evaluate(HEAD + "Requires: r = %(rpm --version | cut -d\\  -f3)\n" + TAIL)["x86_64"]
    assert isinstance(found, SpecEvaluation)
    (version,) = [
        d.dependency.capability
        for d in found.packages[0].dependencies
        if d.dependency.capability.startswith("r = ")
    ]
    assert version.startswith(f"r = {setting.rpm.version}.")


def test_a_spec_can_write_nowhere_but_in_its_own_tmp(evaluate, setting):
    places = ("/", "/etc", "/usr/bin", "/checkout", "/minimize", "/builddir", "/var/tmp")
    tries = "".join(f"%(touch {place}/here 2>/dev/null && echo {place})" for place in places)
    found = evaluate(HEAD.replace("MIT", f"MIT{tries}") + TAIL)["x86_64"]
    assert isinstance(found, SpecEvaluation)
    assert not list(setting.rpm.root.glob("**/here"))
