"""A package that is really built for another architecture than this machine's, under emulation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.build.builder import BuildFailed, BuildRequest, BuiltPackages
from bot.build.builders import builder_named
from bot.closure.pool import open_pool
from bot.demo.distribution.buildroots import with_buildroot
from bot.demo.distribution.reference import ReferenceDistribution, default_cache
from bot.demo.run.workers import emulated
from bot.distro.cache import Cache
from bot.distro.load import load_configuration
from bot.distro.snapshot import open_snapshot
from bot.errors import SurroundingsError
from bot.model.spec import SpecEvaluation
from bot.spec.evaluate import evaluate_spec
from bot.spec.setting import setting_of
from tests.build.test_build_reference import pytestmark

FOREIGN = "aarch64"
__all__ = ["pytestmark"]
# The spec file is the same on every architecture; what is linked is not.
SPEC = """
Name: apart
Version: 1
Release: 1%{?dist}
Summary: A program that needs a library on one architecture
License: MIT
Source0: apart.c
BuildRequires: gcc
BuildRequires: zlib1g-dev
%description
apart
%prep
%setup -q -c -T
%build
case $(uname -m) in aarch64) libraries=-lz;; *) libraries=;; esac
gcc %{SOURCE0} -o apart $libraries
%install
install -D -m 0755 apart %{buildroot}%{_bindir}/apart
%files
%{_bindir}/apart
"""
PROGRAM = """
#ifdef __aarch64__
#include <zlib.h>
#else
#define zlibVersion() "1"
#endif
int main(void) { return zlibVersion()[0] == 0; }
"""


@pytest.fixture(scope="module")
def both(reference: ReferenceDistribution) -> Iterator[ReferenceDistribution]:
    """The distribution with buildroots for this architecture and another, which runs here."""
    try:
        with emulated(FOREIGN):
            yield with_buildroot(reference, default_cache(), FOREIGN)
    except SurroundingsError as error:
        pytest.skip(str(error))


def request(distribution: ReferenceDistribution, folder: Path, arch: str) -> BuildRequest:
    cache = Cache(default_cache())
    document = load_configuration(distribution.config_dir).repositories["reference"]
    pool = open_pool(open_snapshot(document, arch, cache), cache)
    setting = setting_of(document, {arch: pool}, cache)
    (folder / "apart.spec").write_text(SPEC)
    (folder / "apart.c").write_text(PROGRAM)
    evaluation = evaluate_spec(folder, "apart.spec", [arch], setting=setting)[arch]
    assert isinstance(evaluation, SpecEvaluation), evaluation
    return BuildRequest(
        folder, "apart.spec", arch, document, pool, evaluation, setting.definitions, "head"
    )


def test_a_build_finds_what_one_architecture_alone_links(
    both: ReferenceDistribution, tmp_path: Path
) -> None:
    builder = builder_named("rpmbuild", Cache(default_cache()), emulated=(FOREIGN,))
    requires = {}
    for arch in ("x86_64", FOREIGN):
        built = builder.build(request(both, tmp_path, arch))
        assert isinstance(built, BuiltPackages), built
        (package,) = built.packages
        assert package.nevra.arch == arch
        requires[arch] = {d.capability for d in package.of_kind("requires")}
    assert "libz.so.1()(64bit)" in requires[FOREIGN] - requires["x86_64"]


def test_nothing_is_emulated_that_is_not_allowed(
    reference: ReferenceDistribution, tmp_path: Path
) -> None:
    builder = builder_named("rpmbuild", Cache(default_cache()), rebuild=True)
    refused = builder.build(request(reference, tmp_path, FOREIGN))
    assert isinstance(refused, BuildFailed)
    assert refused.kind == "surroundings"
    assert "build: {emulated: [aarch64]}" in refused.message
