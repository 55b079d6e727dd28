"""Debian's versions in rpm's words, which rpm orders as Debian does; relations as dependencies."""

from __future__ import annotations

import pytest
import solv
from debian.debian_support import NativeVersion

from bot.closure.requests import RELATION_FLAGS
from bot.demo.distribution.debian import (
    Evr,
    PackageSet,
    bound,
    conflicts,
    obsoletes,
    package_evr,
    provides,
    requires,
    split_version,
    weak,
)

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


def test_alternatives_become_a_rich_dependency() -> None:
    fields = {"Depends": "media-types | mime-support (>= 3.60)"}
    assert requires("p", fields, DIST) == ("(media-types or mime-support >= 3.60)",)


def test_pre_depends_come_with_depends_and_repeats_are_said_once() -> None:
    fields = {"Pre-Depends": "libc6 (>= 2.36)", "Depends": "libc6 (>= 2.36), zlib1g"}
    assert requires("p", fields, DIST) == ("libc6 >= 2.36", "zlib1g")


def test_what_only_maintainer_scripts_call_goes() -> None:
    fields = {"Depends": "debconf (>= 0.5) | debconf-2.0, adduser, dpkg (>= 1.17), openssl"}
    assert requires("p", fields, DIST) == ("openssl",)


def test_iproute2_goes_from_nginx_alone() -> None:
    assert requires("nginx", {"Depends": "iproute2"}, DIST) == ()
    assert requires("ifupdown", {"Depends": "iproute2"}, DIST) == ("iproute2",)


def test_a_dependency_that_rpm_finds_by_elf_goes_and_others_stay() -> None:
    fields = {"Depends": "libssl3 (>= 3.0.0), nginx-common (>= 1.22.1-9)"}
    kept = requires("nginx", fields, DIST, linked={"libssl3"})
    assert kept == ("nginx-common >= 1.22.1-9",)


def test_architecture_qualifiers_go() -> None:
    assert requires("rpm", {"Depends": "perl:any"}, DIST) == ("perl",)


def test_weak_relations_keep_their_alternatives() -> None:
    fields = {"Recommends": "libc6-dev | libc-dev, debconf", "Suggests": "gdb"}
    assert weak("Recommends", fields, DIST) == ("(libc6-dev or libc-dev)",)
    assert weak("Suggests", fields, DIST) == ("gdb",)
    assert weak("Enhances", fields, DIST) == ()


def test_versioned_provides_name_the_release() -> None:
    fields = {"Provides": "httpd, libdigest-perl (= 1.20), gcc-x86-64-linux-gnu (= 4:12.2.0-3)"}
    assert provides(fields, DIST) == (
        "httpd",
        "libdigest-perl = 1.20",
        "gcc-x86-64-linux-gnu = 4:12.2.0-3.deb12",
    )


def test_breaks_and_conflicts_become_conflicts() -> None:
    one = {"Version": "2-1", "Breaks": "other (<< 1.5)", "Conflicts": "gone"}
    among = PackageSet({"one": one, "other": {"Version": "1.8-1"}}, DIST)
    assert conflicts("one", one, among, DIST) == ["other < 1.5", "gone"]


def test_a_conflict_that_only_rpm_sees_is_dropped() -> None:
    """An unversioned Provides does not meet a versioned relation in Debian; in rpm it does."""
    base = {"Version": "5.36-1", "Breaks": "perl-modules (<< 5.36)"}
    modules = {"Version": "5.36-1", "Provides": "perl-modules"}
    among = PackageSet({"perl-base": base, "perl-modules-5.36": modules}, DIST)
    assert conflicts("perl-base", base, among, DIST) == []


def test_a_package_does_not_conflict_with_what_it_provides_itself() -> None:
    grep = {"Version": "3.8-5", "Provides": "rgrep", "Conflicts": "rgrep"}
    assert conflicts("grep", grep, PackageSet({"grep": grep}, DIST), DIST) == []


def test_a_whole_replacement_obsoletes_what_is_gone() -> None:
    fields = {
        "Version": "1-1",
        "Provides": "old, kept",
        "Conflicts": "old, kept",
        "Replaces": "old, kept, files-only (<< 2)",
    }
    among = PackageSet({"new": fields, "kept": {"Version": "1-1"}}, DIST)
    assert obsoletes("new", fields, among) == ["old"]
    assert obsoletes("new", {"Replaces": "files-only (<< 2)"}, among) == []
