"""Which packages the distribution takes from an index."""

from __future__ import annotations

from bot.demo.distribution.fetch import PackageIndex, select

INDEX = PackageIndex(
    """\
Package: base-files
Version: 12
Pre-Depends: awk

Package: gawk
Version: 1
Provides: awk
Depends: libmpfr6

Package: mawk
Version: 1
Provides: awk (= 2)

Package: web
Version: 1
Depends: debconf, interpreter | perl, missing | libc-dev

Package: interpreter
Version: 1

Package: perl
Version: 1

Package: libc6-dev
Version: 1
Provides: other, libc-dev

Package: broken
Version: 1
Depends: nobody-has-this
"""
)


def test_the_small_alternative_is_taken_for_a_virtual_package() -> None:
    assert select(INDEX, ["base-files"]).names == ("base-files", "mawk")


def test_the_first_alternative_is_taken_or_who_provides_it() -> None:
    assert select(INDEX, ["web"]).names == ("interpreter", "libc6-dev", "web")


def test_an_alternative_that_is_there_already_suffices() -> None:
    assert select(INDEX, ["web", "perl"]).names == ("libc6-dev", "perl", "web")


def test_what_nobody_provides_is_said() -> None:
    assert select(INDEX, ["broken", "unknown"]).unmet == ("broken: nobody-has-this", "unknown")


def test_an_index_knows_names_fields_and_providers() -> None:
    assert len(INDEX) == 8
    assert "gawk" in INDEX
    assert INDEX.fields("gawk")["Depends"] == "libmpfr6"
    assert INDEX.providers("awk") == ("gawk", "mawk")
