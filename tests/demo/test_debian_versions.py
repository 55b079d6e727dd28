"""Debian's versions in rpm's words, and that rpm orders them as Debian does."""

from __future__ import annotations

import pytest
import solv
from debian.debian_support import NativeVersion

from bot.closure.requests import RELATION_FLAGS
from bot.demo.distribution.debian import Evr, bound, package_evr, split_version

DIST = ".deb12"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.22.1-9+deb12u9", Evr(0, "1.22.1", "9+deb12u9")),
        ("1:4.4.33-2", Evr(1, "4.4.33", "2")),
        ("12.4+deb12u15", Evr(0, "12.4+deb12u15", "")),
        ("2:6.2.1+dfsg1-1.1", Evr(2, "6.2.1+dfsg1", "1.1")),
        ("1.0-rc2-3", Evr(0, "1.0.rc2", "3")),
    ],
)
def test_a_version_is_split_at_its_last_dash(text: str, expected: Evr) -> None:
    assert split_version(text) == expected


def test_a_native_package_has_release_zero() -> None:
    assert str(package_evr("12.4+deb12u15", DIST)) == "12.4+deb12u15-0.deb12"


def test_an_epoch_is_written_only_if_there_is_one() -> None:
    assert str(package_evr("1:2.0-1", DIST)) == "1:2.0-1.deb12"
    assert str(package_evr("2.0-1", DIST)) == "2.0-1.deb12"


VERSIONS = ("2.36-9", "2.36-9+b1", "2.36-9+deb12u1", "1:2.36-1")
LIMITS = ("2.36", "2.35", "2.37", "2.36-9", "2.36-9~", "2.36-10", "2.36-9+deb12u1", "1:2.0")
# Where the two cannot agree: `= 2.36` names a native package in Debian and any release in rpm; a
# rebuild (`+b1`) is below its first build here, as `b` is before `deb`.
DISAGREEMENTS = {("2.36-9+b1", "<=", "2.36-9"), ("2.36-9+b1", ">>", "2.36-9")}


@pytest.mark.parametrize(
    ("version", "operator", "limit"),
    [
        (version, operator, limit)
        for version in VERSIONS
        for operator in ("<<", "<=", "=", ">=", ">>")
        for limit in LIMITS
        if (version, operator, limit) not in DISAGREEMENTS
        and not (operator == "=" and "-" not in limit)
    ],
)
def test_a_bound_holds_in_rpm_where_it_holds_in_debian(
    version: str, operator: str, limit: str
) -> None:
    ours, other = NativeVersion(version), NativeVersion(limit)
    debian = {
        "<<": ours < other,
        "<=": ours <= other,
        "=": ours == other,
        ">=": ours >= other,
        ">>": ours > other,
    }[operator]
    assert _rpm_holds(version, operator, limit) == debian


def _rpm_holds(version: str, operator: str, limit: str) -> bool:
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    solvable = pool.add_repo("r").add_solvable()
    solvable.name, solvable.arch = "package", "noarch"
    solvable.evr = str(package_evr(version, DIST))
    own = pool.Dep("package").Rel(solv.REL_EQ, pool.Dep(solvable.evr))
    solvable.add_deparray(solv.SOLVABLE_PROVIDES, own)
    pool.createwhatprovides()
    rpm_operator, evr = bound(operator, limit, DIST)
    return bool(
        pool.whatprovides(pool.Dep("package").Rel(RELATION_FLAGS[rpm_operator], pool.Dep(evr)))
    )
