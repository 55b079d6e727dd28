"""The spec files by which packages are repackaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.demo.distribution.debian import Evr
from bot.demo.distribution.recipes import Recipe, file_lines, spec_text
from bot.demo.distribution.unpack import Entry

RECIPE = Recipe(
    name="nginx-common",
    evr=Evr(0, "1.22.1", "9.deb12"),
    arch="noarch",
    source="nginx",
    source_evr=Evr(0, "1.22.1", "9.deb12"),
    summary="Files of 100% nginx",
    description="Files.",
    url="https://nginx.org",
    tree=Path("/build/tree"),
    entries=(Entry("/etc/nginx", "directory", 0o755),),
    time=1_600_000_000,
    requires=("(a or b >= 1)",),
)


def test_a_package_of_another_source_is_a_subpackage() -> None:
    lines = spec_text(RECIPE).splitlines()
    assert lines[0] == "Name: nginx"
    assert "%package -n nginx-common" in lines
    assert "%files -n nginx-common" in lines
    assert "%files" not in lines
    assert "Requires: (a or b >= 1)" in lines


def test_a_package_named_as_its_source_is_the_main_one_with_its_own_version() -> None:
    recipe = replace(RECIPE, name="bash", source="bash", evr=Evr(0, "5.2", "2+b8.deb12"))
    lines = spec_text(recipe).splitlines()
    assert "Release: 2+b8.deb12" in lines
    assert "%files" in lines
    assert not any(line.startswith("%package") for line in lines)


def test_an_epoch_of_zero_is_not_written() -> None:
    assert "Epoch" not in spec_text(RECIPE)
    assert "Epoch: 1" in spec_text(replace(RECIPE, evr=Evr(1, "1", "1")))


def test_a_percent_sign_does_not_start_a_macro() -> None:
    assert "Summary: Files of 100%% nginx" in spec_text(RECIPE)


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (Entry("/usr/bin/[", "file", 0o755), '%attr(0755,root,root) "/usr/bin/["'),
        (Entry("/usr/share/a%b c", "file", 0o644), '%attr(0644,root,root) "/usr/share/a%%b c"'),
        (Entry("/usr/bin/awk", "link", 0o777), '"/usr/bin/awk"'),
        (Entry("/var/mail", "directory", 0o2775, "root", "mail"),
         '%dir %attr(2775,root,mail) "/var/mail"'),
        (Entry("/usr/share/doc/x/copyright", "file", 0o644),
         '%doc %attr(0644,root,root) "/usr/share/doc/x/copyright"'),
        (Entry("/usr/share/man/de/man1/x.1.gz", "file", 0o644),
         '%doc %lang(de) %attr(0644,root,root) "/usr/share/man/de/man1/x.1.gz"'),
        (Entry("/usr/share/man/man1/x.1.gz", "link", 0o777),
         '%doc "/usr/share/man/man1/x.1.gz"'),
        (Entry("/usr/share/locale/pt_BR/LC_MESSAGES/x.mo", "file", 0o644),
         '%lang(pt_BR) %attr(0644,root,root) "/usr/share/locale/pt_BR/LC_MESSAGES/x.mo"'),
        (Entry("/etc/x", "file", 0o640), '%config(noreplace) %attr(0640,root,root) "/etc/x"'),
    ],
)  # fmt: skip
def test_a_file_keeps_its_mode_and_what_it_is_for(entry: Entry, line: str) -> None:
    assert file_lines([entry], config_files=frozenset({"/etc/x"})) == [line]


def test_directories_of_the_filesystem_package_are_left_to_it() -> None:
    entries = [Entry("/usr", "directory", 0o755), Entry("/usr/lib/x", "directory", 0o755)]
    lines = file_lines(entries, left_out=frozenset({"/usr"}))
    assert lines == ['%dir %attr(0755,root,root) "/usr/lib/x"']


def test_a_name_that_rpm_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="quote"):
        file_lines([Entry('/usr/share/a"quote', "file", 0o644)])
