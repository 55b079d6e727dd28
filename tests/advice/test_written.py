"""Requirements by the headers of real RPM files: generated ones are no edits, and a requirement of
scriptlets only where they do without it."""

from __future__ import annotations

import pytest

from bot.advice.advise import Wish, advise
from bot.advice.headers import HeaderFacts
from bot.advice.requests import Job
from bot.advice.written import runs_without
from bot.closure.pool import Pool
from bot.distro.cache import Cache
from tests.closure.conftest import request
from tests.specs import EMPTY_SECTIONS, built_pool, program, shell, tags

APP = f"""\
{tags("app", "Requires: written", "Requires(post): guarded", "Requires(post): needed")}\
%global _use_internal_dependency_generator 0
%global __find_requires sh -c "cat > /dev/null; echo generated"
%global __find_provides sh -c "cat > /dev/null"
{EMPTY_SECTIONS}\
%install
mkdir -p %{{buildroot}}/usr/bin; echo text > %{{buildroot}}/usr/bin/app
%post
if [ -x /usr/bin/guarded ]; then
  /usr/bin/guarded reload
fi
needed --now
%files
/usr/bin/app
"""
PROGRAMS = {"written": "writer", "generated": "generator"}


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Pool:
    specs = {"app": APP, "shell": shell()}
    for size, name in enumerate(("written", "guarded", "needed", "generated"), 1):
        file = f"/usr/bin/{PROGRAMS.get(name, name)}"
        specs[name] = program(name, file=file, size=size * 1000)
    return built_pool(tmp_path_factory.mktemp("real"), specs)


def edits(pool: Pool, headers: HeaderFacts | None) -> dict[tuple[str, str], bool | None]:
    (found,) = advise([Job(pool, request("app"))], Wish(4), headers)
    return {(c.kind, c.capability): c.written for c in found.plans[-1].changes}


def test_a_header_says_what_was_written_and_what_scriptlets_do_without(pool, tmp_path):
    assert edits(pool, HeaderFacts(Cache(tmp_path))) == {
        ("weaken", "written"): True,
        ("order", "guarded"): True,
    }


def test_without_headers_every_plain_name_may_be_written(pool):
    assert edits(pool, None) == {
        ("weaken", "written"): None,
        ("weaken", "generated"): None,
        ("order", "guarded"): None,
        ("order", "needed"): None,
    }


def test_documentation_does_not_count_where_it_is_not_installed(tmp_path):
    large = program("docs", "Provides: thing").replace(
        "\n%files",
        "\nmkdir -p %{buildroot}/usr/share/doc; head -c 9000 /dev/zero >"
        " %{buildroot}/usr/share/doc/docs\n%files\n%doc /usr/share/doc/docs",
    )
    plain = program("plain", "Provides: thing", size=700)
    pool = built_pool(tmp_path, {"docs": large, "plain": plain})
    sizes = {}
    for metric in ("installed", "nodocs"):
        headers = HeaderFacts(Cache(tmp_path / "cache"))
        (found,) = advise([Job(pool, request("thing"))], Wish(0, metric=metric), headers)
        assert found.smallest.proved
        sizes[metric] = found.smallest.installed_size, found.smallest.request
    assert sizes["installed"][0] == 700
    assert sizes["nodocs"][0] == 9


@pytest.mark.parametrize(
    "scriptlet",
    [
        "if [ -x /usr/bin/ctl ]; then\n  ctl reload\nfi\n",
        "if [ $1 -eq 1 ] && [ -x /usr/bin/ctl ] ; then\n  ctl \\\n  preset\nfi",
        "command -v ctl >/dev/null && ctl reload || :",
        "ctl reload >/dev/null 2>&1 || true",
        "test -x /usr/bin/ctl && ctl reload",
        "# ctl is not called\ntouch /etc/ctl.conf",
        "systemctl-like reload",
        "if [ -e /usr/lib/ctl/helper ]; then\n  /usr/lib/ctl/helper || ctl reload\nfi",
        "if test -x '/bin/ctl'; then ctl reload; fi || :",
        "if [ $1 = 1 ]; then\n  if [ -x /usr/bin/ctl ]; then\n    :\n    ctl reload\n  fi\nfi",
    ],
)
def test_a_scriptlet_does_without_a_program_that_it_looks_for_or_whose_failure_it_ignores(
    scriptlet,
):
    assert runs_without(scriptlet, {"/usr/bin/ctl"}, {"/usr/lib/ctl/helper"})


@pytest.mark.parametrize(
    "scriptlet",
    [
        "ctl reload",
        "getent group web || ctl add web",
        "if [ $1 -eq 1 ]; then\n  ctl reload\nfi",
        "if [ -x /usr/bin/ctl ]; then\n  true\nfi\n/usr/bin/ctl reload",
        "true || :; ctl reload",
        "ctl add || :; ctl reload",
        "if [ -e /etc/passwd ]; then\n  ctl reload\nfi",
        "if [ ! -x /usr/bin/ctl ]; then\n  ctl reload\nfi",
        "if [ -x /usr/bin/ctl ]; then :; else ctl reload; fi",
        "test -x /usr/bin/ctl && true; ctl reload",
        "test -x /usr/bin/ctl || ctl reload",
        "if [ -x /usr/bin/other ] || [ -x /usr/bin/ctl ]; then ctl reload; fi",
    ],
)
def test_a_scriptlet_that_fails_without_a_program_needs_it(scriptlet):
    assert not runs_without(scriptlet, {"/usr/bin/ctl"}, {"/usr/lib/ctl/helper"})
