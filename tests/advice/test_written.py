"""Requirements by the headers of real RPM files: generated ones are no edits, and a requirement of
scriptlets only where they do without it."""

from __future__ import annotations

import pytest

from bot.advice.advise import Wish, advise
from bot.advice.headers import HeaderFacts
from bot.advice.requests import Job
from bot.closure.pool import Pool
from bot.distro.cache import Cache
from tests.closure.conftest import request
from tests.specs import EMPTY_SECTIONS, built_pool, program, shell, tags

APP = f"""\
{tags("app", "Requires: written", "Requires(post): guarded, needed, housed, triggered, lua")}\
%global _use_internal_dependency_generator 0
%global __find_requires sh -c "cat > /dev/null; echo generated"
%global __find_provides sh -c "cat > /dev/null"
{EMPTY_SECTIONS}\
%install
mkdir -p %{{buildroot}}/usr/bin; echo text > %{{buildroot}}/usr/bin/app
mkdir %{{buildroot}}/usr/both
%post
if [ -x /usr/bin/guarded ]; then
  /usr/bin/guarded reload
fi
needed --now
if [ -d /usr/both ]; then housed --now; fi
%preun -p <lua>
if posix.access("/usr/bin/lua") then posix.exec("/usr/bin/lua") end
%triggerin -- shell
triggered --now
%files
/usr/bin/app
/usr/both
"""
PLAIN = """\
%install
mkdir -p %{buildroot}/usr/bin; echo text > %{buildroot}/usr/bin/app
%files
/usr/bin/app
"""
NAMES = ("written", "guarded", "needed", "housed", "triggered", "lua", "generated")
PROGRAMS = {"written": "writer", "generated": "generator"}


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Pool:
    specs = {"app": APP, "shell": shell()}
    for size, name in enumerate(NAMES, 1):
        file = f"/usr/bin/{PROGRAMS.get(name, name)}"
        specs[name] = program(name, file=file, size=size * 1000)
    specs["housed"] = specs["housed"].replace(
        "%files", "mkdir %{buildroot}/usr/both\n%files\n/usr/both"
    )
    return built_pool(tmp_path_factory.mktemp("real"), specs)


def edits(pool: Pool, headers: HeaderFacts | None) -> dict[tuple[str, str], bool | None]:
    (advised,) = advise([Job(pool, request("app"))], Wish(7), headers)
    return {(c.kind, c.capability): c.written for c in advised.plans[-1].changes}


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
        ("order", "housed"): None,
        ("order", "triggered"): None,
        ("order", "lua"): None,
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
        (advised,) = advise([Job(pool, request("thing"))], Wish(0, metric=metric), headers)
        assert advised.smallest.proved
        sizes[metric] = advised.smallest.installed_size, advised.smallest.request
    assert sizes["installed"][0] == 700
    assert sizes["nodocs"][0] == 9


@pytest.mark.parametrize(
    ("tagged", "kind"),
    [
        (["Requires(post): helper", "Requires(postun): helper"], "order"),
        # rpm-md marks neither: a requirement of %postun looks like one at run time, and beside
        # one of %post one at run time is not seen.
        (["Requires(postun): helper"], "order"),
        (["Requires(pretrans): helper"], "order"),
        (["Requires(post): helper", "Requires: helper"], "weaken"),
        (["Requires: helper"], "weaken"),
    ],
)
def test_the_header_says_whether_only_scriptlets_have_a_requirement(tmp_path, tagged, kind):
    app = f"{tags('app', *tagged)}{EMPTY_SECTIONS}{PLAIN}"
    helper = program("helper", file="/usr/bin/helping-hand", size=9000)
    pool = built_pool(tmp_path, {"app": app, "helper": helper})
    assert edits(pool, HeaderFacts(Cache(tmp_path / "cache"))) == {(kind, "helper"): True}
