"""The requirement that brings a package, in words."""

from __future__ import annotations

from dataclasses import replace

from bot.report.phrase import Phrase
from bot.report.reasons import need_phrase
from tests.report.conftest import edge


def text(phrase: Phrase) -> str:
    return "".join(part.text for part in phrase)


def test_need_phrase_names_the_architecture_of_a_foreign_package() -> None:
    native = edge("zlib", "libc.so.6()(64bit)", "glibc", "x86_64")
    foreign = edge("zlib", "libc.so.6", "glibc", "i686")
    assert text(need_phrase(native, "x86_64")) == "zlib requires libc.so.6()(64bit)"
    assert text(need_phrase(foreign, "x86_64")) == "zlib.i686 requires libc.so.6"


def test_need_phrase_names_one_of_the_files_that_have_the_requirement() -> None:
    need = edge("nginx", "/usr/bin/perl", "perl", "x86_64")
    for files, expected in (
        (("/a",), "nginx requires /usr/bin/perl for /a"),
        (("/a", "/b"), "nginx requires /usr/bin/perl for /a and others"),
    ):
        assert text(need_phrase(replace(need, files=files), "x86_64")) == expected
