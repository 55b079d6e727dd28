"""Edits that metadata shows to break a package: planned only where its files can be read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.advice.advise import Wish, advise
from bot.advice.headers import HeaderFacts
from bot.advice.requests import Job
from bot.distro.cache import Cache
from tests.closure.conftest import request
from tests.specs import EMPTY_SECTIONS, built_pool, program, shell, tags

PYTHON, PERL = ["python(abi) = 3.9"], ["perl(strict)"]
DBUS = "/etc/dbus-1/system.d/app.conf"
BUS = ["/usr/bin/dbus-broker"]


@pytest.mark.parametrize(
    ("needs", "files", "provides", "brings", "planned"),
    [
        # Modules of the language in which the package has code.
        (PYTHON, [], ["python3dist(dbus-python)"], [], False),
        (["/usr/bin/python3"], [], ["typelib(Gtk)"], [], False),
        (["/usr/libexec/platform-python"], [], ["python3.9dist(rpm)"], [], False),
        (PERL, [], ["perl(Pod::Perldoc)"], [], False),
        (PERL, [], ["python3dist(dbus-python)"], [], True),
        ([], [], ["python3dist(dbus-python)"], [], True),
        (PYTHON, [], ["bundled(python3dist(pip))"], [], True),
        # Services whose policies only the bus reads.
        ([], [DBUS], [], BUS, False),
        ([], ["/usr/share/polkit-1/actions/app.policy"], [], ["/usr/bin/pkaction"], False),
        ([], ["/etc/security/console.apps/app"], [], ["/usr/bin/consolehelper"], False),
        ([], ["/etc/logrotate.d/app"], [], BUS, True),
        ([], [DBUS], [], ["/usr/sbin/logrotate"], True),
        # Configuration, which no other package is there for.
        ([], [], ["config(helper) = 1-1"], ["/etc/helper/policy.json"], False),
        ([], [], ["config(helper) = 1-1"], ["/etc/helper.conf", "/usr/bin/helper-run"], True),
        ([], [], ["config(helper) = 1-1", "libhelper.so.1()(64bit)"], ["/etc/helper.conf"], True),
        ([], [], [], ["/etc/helper/policy.json"], True),
    ],
)
def test_a_requirement_that_metadata_shows_to_be_used_is_not_planned(
    tiny, needs, files, provides, brings, planned
):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["helper", *needs], files=files)
    base.package("helper-0:1-1.x86_64", size=9000, provides=provides, files=brings)
    base.package("base-0:1-1.x86_64", provides=[*PYTHON, *PERL], files=[*needs, "/usr/bin/base"])
    (found,) = advise([Job(tiny.pool(base), request("app"))], Wish(1))
    edits = [(c.package, c.capability) for plan in found.plans for c in plan.changes]
    assert edits == ([("app", "helper")] if planned else [])


def test_the_configuration_of_what_the_image_is_not_for_may_be_planned(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib"])
    base.package("lib-0:1-1.x86_64", requires=["lib-conf"], provides=["libx.so.1()(64bit)"])
    files = ["/etc/lib.conf"]
    base.package("lib-conf-0:1-1.x86_64", size=9000, provides=["config(lib-conf)"], files=files)
    (found,) = advise([Job(tiny.pool(base), request("app"))], Wish(2))
    assert [[c.package for c in plan.changes] for plan in found.plans] == [["app"]]
    (kept,) = advise([Job(tiny.pool(base), request("app", "lib"))], Wish(2))
    assert kept.plans == ()


def test_a_package_without_files_is_what_it_requires(tiny):
    """The bus is required by a name: neither this requirement nor that of the name is edited."""
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["dbus"], files=[DBUS])
    base.package("dbus-0:1-1.x86_64", size=0, requires=["dbus-broker"])
    base.package("dbus-broker-0:1-1.x86_64", size=9000, files=BUS)
    (found,) = advise([Job(tiny.pool(base), request("app"))], Wish(2))
    assert found.plans == ()


def test_a_program_that_a_named_program_requires_by_name_stays(tiny):
    base = tiny.repository()
    base.package("box-0:1-1.x86_64", requires=["podman"], files=["/usr/bin/box"])
    needs = ["conmon", "lib"]
    base.package("podman-0:1-1.x86_64", requires=needs, files=["/usr/bin/podman"])
    base.package("conmon-0:1-1.x86_64", size=9000, files=["/usr/libexec/podman/conmon"])
    base.package("lib-0:1-1.x86_64", size=500, files=["/usr/bin/other"])
    (found,) = advise([Job(tiny.pool(base), request("box"))], Wish(2))
    assert [[(c.package, c.capability) for c in p.changes] for p in found.plans] == [
        [("podman", "lib")]
    ]


ACCOUNTS = program("accounts", file="/usr/sbin/useradd", size=9000)


def scriptlet(text: str) -> str:
    return f"""\
{tags("app", "Requires(pre): accounts")}{EMPTY_SECTIONS}\
%install
mkdir -p %{{buildroot}}/usr/bin
echo '#!/bin/sh' > %{{buildroot}}/usr/bin/app
%pre
{text}
%files
/usr/bin/app
"""


@pytest.mark.parametrize(
    ("text", "readable", "planned"),
    [
        ("[ ! -x /usr/sbin/useradd ] || useradd app", True, ["order"]),
        ("[ ! -x /usr/sbin/useradd ] || useradd app", False, []),
        ("useradd app", True, []),
    ],
)
def test_accounts_are_ordered_only_where_the_scriptlet_is_read(
    tmp_path, monkeypatch, text: str, readable: bool, planned: Sequence[str]
):
    pool = built_pool(tmp_path, {"app": scriptlet(text), "accounts": ACCOUNTS, "shell": shell()})
    if not readable:
        monkeypatch.setattr("bot.advice.headers.fetch_header", lambda *_: None)
    headers = HeaderFacts(Cache(tmp_path / "cache"))
    (found,) = advise([Job(pool, request("app"))], Wish(1), headers)
    assert [c.kind for plan in found.plans for c in plan.changes] == planned


def test_modules_are_planned_where_the_files_show_no_import(tmp_path, monkeypatch):
    needs = "Requires: module\nRequires: /usr/bin/perl"
    module = program("module", file="/usr/share/perl5/X.pm", size=9000)
    specs = {
        "app": scriptlet("true").replace("Requires(pre): accounts", needs),
        "module": module.replace("%description", "Provides: perl(X)\n%description", 1),
        "perl": program("perl", file="/usr/bin/perl", size=10),
        "shell": shell(),
    }
    pool = built_pool(tmp_path, specs)
    headers = HeaderFacts(Cache(tmp_path / "cache"))
    (found,) = advise([Job(pool, request("app"))], Wish(1), headers)
    assert [(c.capability, c.evidence.use) for c in found.plans[0].changes] == [("module", ())]
    monkeypatch.setattr("bot.advice.uses.package_at_hand", lambda *_: None)
    (found,) = advise([Job(pool, request("app"))], Wish(1), headers)
    assert found.plans == ()
