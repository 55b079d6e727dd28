"""Maintainers of sources: the forms of the file, which entry counts, and what is refused."""

from __future__ import annotations

import json

import pytest

from bot.advice.maintainers import maintainers_in, read_maintainers
from bot.errors import UsageError


def test_a_map_names_sources_and_globs(tmp_path):
    path = tmp_path / "who.yaml"
    path.write_text("nginx: web-sig\nperl: [a, b]\n'perl-*': perl-sig\n")
    found = read_maintainers(path)
    assert found.of("nginx") == ("web-sig",)
    assert found.of("perl") == ("a", "b")
    assert found.of("perl-Carp") == ("perl-sig",)
    assert found.of("zsh") == ()


def test_fedoras_file_has_them_below_rpms(tmp_path):
    path = tmp_path / "pagure_owner_alias.json"
    path.write_text(json.dumps({"rpms": {"nginx": ["ann", "ben"]}, "modules": {"nginx": ["x"]}}))
    assert read_maintainers(path).of("nginx") == ("ann", "ben")


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("SPECS/nginx/nginx.spec", ("@web", "@team")),
        ("SPECS/zsh/zsh.spec", ("@all",)),
        ("other/SPECS/nginx/nginx.spec", ("@all",)),
        ("a/docs/x.spec", ("@writers",)),
    ],
)
def test_the_last_line_of_codeowners_that_fits_counts(tmp_path, path, owners):
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "CODEOWNERS").write_text(
        "[Section] @nobody\n* @all\ndocs/ @writers # words\n/SPECS/nginx/ @web @team\n\n"
    )
    assert maintainers_in(tmp_path).of("some-source", path) == owners


def test_a_checkout_without_codeowners_names_nobody(tmp_path):
    assert maintainers_in(tmp_path).of("nginx", "nginx.spec") == ()


@pytest.mark.parametrize("text", ["- a\n", "nginx: {a: b}\n", "a: [\n"])
def test_another_form_is_refused_in_words(tmp_path, text):
    path = tmp_path / "who.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"who\.yaml"):
        read_maintainers(path)
