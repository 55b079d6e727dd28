"""Uses that metadata shows speak against an edit, unless what was read shows that there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from bot.advice.advise import Wish, advise
from bot.advice.headers import HeaderFacts
from bot.advice.requests import Job
from bot.closure.pool import Pool
from bot.distro.cache import Cache
from bot.model.advice import Standing
from tests.closure.conftest import request
from tests.specs import EMPTY_SECTIONS, built_pool, program, shell, tags


def standings(pool: Pool, *requests: str) -> Mapping[tuple[str, str], Standing]:
    """Return the standing of each edit of the plans of one edit."""
    (found,) = advise([Job(pool, request(*requests))], Wish(1))
    return {(c.package, c.capability): c.standing for plan in found.plans for c in plan.changes}


PYTHON, PERL = ["python(abi) = 3.9"], ["perl(strict)"]
DBUS = "/etc/dbus-1/system.d/app.conf"
BUS = ["/usr/bin/dbus-broker"]


@pytest.mark.parametrize(
    ("needs", "files", "provides", "brings", "used"),
    [
        # Modules of the language in which the package has code.
        (PYTHON, [], ["python3dist(dbus-python)"], [], True),
        (["/usr/bin/python3"], [], ["typelib(Gtk)"], [], True),
        (["/usr/libexec/platform-python"], [], ["python3.9dist(rpm)"], [], True),
        (PERL, [], ["perl(Pod::Perldoc)"], [], True),
        (PERL, [], ["python3dist(dbus-python)"], [], False),
        ([], [], ["python3dist(dbus-python)"], [], False),
        (PYTHON, [], ["bundled(python3dist(pip))"], [], False),
        # Services whose policies only the bus reads.
        ([], [DBUS], [], BUS, True),
        ([], ["/usr/share/polkit-1/actions/app.policy"], [], ["/usr/bin/pkaction"], True),
        ([], ["/etc/security/console.apps/app"], [], ["/usr/bin/consolehelper"], True),
        ([], ["/etc/logrotate.d/app"], [], BUS, False),
        ([], [DBUS], [], ["/usr/sbin/logrotate"], False),
        # Configuration, which no other package is there for.
        ([], [], ["config(helper) = 1-1"], ["/etc/helper/policy.json"], True),
        ([], [], ["config(helper) = 1-1"], ["/etc/helper.conf", "/usr/bin/helper-run"], False),
        ([], [], ["config(helper) = 1-1", "libhelper.so.1()(64bit)"], ["/etc/helper.conf"], False),
        ([], [], [], ["/etc/helper/policy.json"], False),
    ],
)
def test_a_requirement_that_metadata_shows_to_be_used_is_contradicted(
    tiny, needs, files, provides, brings, used
):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["helper", *needs], files=files)
    base.package("helper-0:1-1.x86_64", size=9000, provides=provides, files=brings)
    base.package("base-0:1-1.x86_64", provides=[*PYTHON, *PERL], files=[*needs, "/usr/bin/base"])
    assert standings(tiny.pool(base), "app") == {
        ("app", "helper"): "contradicted" if used else "possible"
    }


def test_configuration_is_used_by_what_the_image_is_for(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib"])
    base.package("lib-0:1-1.x86_64", requires=["lib-conf"], provides=["libx.so.1()(64bit)"])
    files = ["/etc/lib.conf"]
    base.package("lib-conf-0:1-1.x86_64", size=9000, provides=["config(lib-conf)"], files=files)
    assert standings(tiny.pool(base), "app") == {("app", "lib"): "possible"}
    assert standings(tiny.pool(base), "app", "lib") == {("lib", "lib-conf"): "contradicted"}


def test_a_package_without_files_stands_for_what_it_requires(tiny):
    """The bus is required by a name: requiring it is a use of what the name requires."""
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["dbus"], files=[DBUS])
    base.package("dbus-0:1-1.x86_64", size=1, requires=["dbus-broker"])
    base.package("dbus-broker-0:1-1.x86_64", size=9000, files=BUS)
    assert standings(tiny.pool(base), "app") == {("app", "dbus"): "possible"}
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["dbus"], files=[DBUS])
    base.package("dbus-0:1-1.x86_64", size=0, requires=["dbus-broker"])
    base.package("dbus-broker-0:1-1.x86_64", size=9000, files=BUS)
    assert set(standings(tiny.pool(base), "app").values()) == {"contradicted"}


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
        ("[ ! -x /usr/sbin/useradd ] || useradd app", True, [("order", False)]),
        ("[ ! -x /usr/sbin/useradd ] || useradd app", False, [("order", True)]),
        ("useradd app", True, []),
    ],
)
def test_a_scriptlet_that_is_not_read_uses_what_makes_accounts(
    tmp_path, monkeypatch, text: str, readable: bool, planned: Sequence[tuple[str, bool]]
):
    pool = built_pool(tmp_path, {"app": scriptlet(text), "accounts": ACCOUNTS, "shell": shell()})
    if not readable:
        monkeypatch.setattr("bot.advice.headers.fetch_header", lambda *_: None)
    headers = HeaderFacts(Cache(tmp_path / "cache"))
    (found,) = advise([Job(pool, request("app"))], Wish(1), headers)
    changes = [c for plan in found.plans for c in plan.changes]
    assert [(c.kind, c.evidence.metadata_use) for c in changes] == planned


def test_files_without_an_import_outweigh_metadata(tmp_path, monkeypatch):
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
    (change,) = found.plans[0].changes
    assert (change.capability, change.evidence.use, change.standing) == ("module", (), "supported")
    (unread,) = advise([Job(pool, request("app"))], Wish(1))
    assert unread.plans[0].changes[0].standing == "contradicted"
