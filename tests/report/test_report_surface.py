"""The line about the attack surface: only where it moves, with the names of what moves."""

from __future__ import annotations

from dataclasses import replace

from bot.model.result import CheckResult
from bot.model.surface import Advisories, FileCapabilities, Surface
from bot.report.render import render_comment
from tests.report.conftest import rebuilt


def with_surfaces(base: Surface | None, head: Surface | None) -> CheckResult:
    result = rebuilt()
    images = tuple(
        replace(
            image, base=replace(image.base, surface=base), head=replace(image.head, surface=head)
        )
        for image in result.images
    )
    return replace(result, images=images)


def line(base: Surface | None, head: Surface | None) -> str:
    lines = [
        text
        for text in render_comment(with_surfaces(base, head)).splitlines()
        if "Attack surface" in text
    ]
    assert len(lines) <= 1
    return lines[0] if lines else ""


def test_nothing_is_said_where_nothing_moves_or_headers_were_not_read() -> None:
    some = Surface(setuid=("/usr/bin/su",))
    assert line(some, some) == ""
    assert line(None, some) == ""
    assert line(some, None) == ""


def test_what_comes_and_what_goes_is_counted_and_named() -> None:
    base = Surface(setuid=("/usr/bin/su",), services=("/usr/lib/systemd/system/a.service",))
    ping = FileCapabilities("/usr/bin/ping", "cap_net_raw=ep")
    head = Surface(
        setuid=("/usr/bin/su", "/usr/bin/mount", "/usr/bin/umount"),
        interpreters=("perl",),
        capabilities=(ping,),
    )
    assert line(base, head) == (
        "**Attack surface:** +2 setuid files (`/usr/bin/mount` and `/usr/bin/umount`),"
        " +1 file with capabilities (`/usr/bin/ping`), +1 interpreter (`perl`),"
        " \N{MINUS SIGN}1 service (`/usr/lib/systemd/system/a.service`)."
    )


def test_fixes_that_pinned_packages_lack_and_cves_without_a_fix_are_named() -> None:
    head = Surface(unapplied=("RHSA-1",), unfixed=("CVE-1", "CVE-2"))
    assert line(Surface(unapplied=(), unfixed=("CVE-1",)), head) == (
        "**Attack surface:** +1 fix that its packages lack (`RHSA-1`),"
        " +1 CVE without a fix (`CVE-2`)."
    )
    assert "+2 CVEs without a fix (`CVE-1` and `CVE-2`)" in line(Surface(unfixed=()), head)


def test_long_lists_name_the_first() -> None:
    head = Surface(setuid=tuple(f"/usr/bin/s{n}" for n in range(9)))
    assert "+9 setuid files (`/usr/bin/s0`, `/usr/bin/s1`, `/usr/bin/s2` and 6 more" in line(
        Surface(), head
    )


def test_security_fixes_of_the_sources_that_come_in() -> None:
    def surface(low: int) -> Surface:
        return Surface(advisories=Advisories(days=365, low=low))

    assert line(surface(3), surface(17)).endswith(
        "and the sources that come in had 14 security fixes in the last year."
    )
    assert "had 1 security fix in" in line(surface(3), surface(4))
    assert line(surface(3), surface(3)) == ""
    assert line(Surface(), surface(3)) == ""
