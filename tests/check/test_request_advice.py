"""Advice on the install lines of a Containerfile, each saving found by solving."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.model.suggestion import LineAdvice
from bot.requests.file_images import BaseImage
from tests.check.tiny import ARCHES, BASE, DOCUMENTS, documented
from tests.specs import build_repository

WORLD = (
    BASE
    + """\
%package -n dnf
Summary: d
Requires: dnf-data
%description -n dnf
%files -n dnf
%package -n dnf-data
Summary: d
%description -n dnf-data
%files -n dnf-data
%doc %{_datadir}/words
%package -n tool
Summary: t
Requires: fetcher
Recommends: extra
%description -n tool
%files -n tool
%package -n extra
Summary: e
%description -n extra
%files -n extra
%package -n fetch-full
Summary: f
Provides: fetcher
%description -n fetch-full
%files -n fetch-full
/usr/share/full
%package -n fetch-minimal
Summary: f
Provides: fetcher
%description -n fetch-minimal
%files -n fetch-minimal
"""
).replace(
    "%description\n",
    "%description\n%install\nmkdir -p %{buildroot}/usr/share\n"
    "head -c 500000 /dev/zero > %{buildroot}/usr/share/full\n"
    "head -c 7000 /dev/zero > %{buildroot}/usr/share/words\n",
    1,
)
EMPTY = """\
FROM example.org/tiny:1 AS builder
RUN dnf install -y --installroot /mnt OPTIONS tool && dnf clean all --installroot /mnt
FROM scratch
COPY --from=builder /mnt /
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    for arch in ARCHES:
        build_repository(root, arch, {"world": WORLD})
    return root


def advice(
    tmp_path: Path, world: Path, text: str, environment: str = "minimal", **table: bool
) -> dict[str, LineAdvice]:
    """The advice on a Containerfile that a change adds `tool` to, by kind, on x86_64."""
    managed = DOCUMENTS["minimal"].replace("[base]", "[base, dnf]")
    bench = documented(tmp_path, world, managed=managed)
    bench.start({"Containerfile": text.replace(" tool", " base")})
    images = (BaseImage("example.org/tiny:*", "repo", environment, **table),)
    result = bench.check({"Containerfile": text}, base_images=images)
    assert result.problems == ()
    return {a.kind: a for a in result.advice if a.key.arch == "x86_64"}


def test_a_smaller_package_of_the_same_source_is_named_with_what_it_saves(
    tmp_path: Path, world: Path
) -> None:
    options = "--setopt=install_weak_deps=False --nodocs"
    by_kind = advice(tmp_path, world, EMPTY.replace("OPTIONS", options))
    assert set(by_kind) == {"alternative"}
    line = by_kind["alternative"]
    assert (line.line.line, line.packages, line.take) == (2, ("fetch-full",), ("fetch-minimal",))
    assert line.saves is not None
    assert line.saves >= 500_000


def test_weak_dependencies_that_come_in_are_named_where_the_command_asks_for_them(
    tmp_path: Path, world: Path
) -> None:
    options = "--setopt=install_weak_deps=True --nodocs"
    by_kind = advice(tmp_path, world, EMPTY.replace("OPTIONS", options))
    assert by_kind["weak-dependencies"].packages == ("extra",)
    assert by_kind["weak-dependencies"].line.line == 2


def test_a_package_manager_in_the_result_is_named_with_what_it_brings(
    tmp_path: Path, world: Path
) -> None:
    options = "--setopt=install_weak_deps=False --nodocs dnf"
    by_kind = advice(tmp_path, world, EMPTY.replace("OPTIONS", options))
    assert by_kind["package-manager"].packages == ("dnf", "dnf-data")


def test_documentation_is_named_with_its_bytes(tmp_path: Path, world: Path) -> None:
    options = "--setopt=install_weak_deps=False dnf-data"
    by_kind = advice(tmp_path, world, EMPTY.replace("OPTIONS", options))
    assert by_kind["documentation"].saves == 7000


def test_an_image_beneath_with_a_package_manager_is_named_with_what_stays_out(
    tmp_path: Path, world: Path
) -> None:
    text = "FROM example.org/tiny:1\nRUN dnf install -y --nodocs tool && dnf clean all\n"
    by_kind = advice(tmp_path, world, text, environment="managed")
    line = by_kind["empty-folder"]
    assert (line.line.line, line.saves) == (1, 7000)
    assert line.packages == ("base", "dnf", "dnf-data")
