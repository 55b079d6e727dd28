"""Owners: the image's own passwd and group, and the users that packages bring."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from bot.distro.cache import Cache
from bot.image.database import read_owners
from bot.image.listing import Sysuser
from bot.model.package import Package
from tests.image.crafted import Directory, File, write_rpm
from tests.image.layers import compose, seen_in_layer

PASSWD = b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:/bin/false\n"
GROUP = b"root:x:0:\nweb:x:34:\n"


def test_names_are_those_of_the_images_files() -> None:
    owners = read_owners(PASSWD, GROUP, [])
    assert owners.of("web", "web") == (33, 34, 0)
    assert (owners.passwd, owners.group) == (None, None)


def test_unknown_names_become_roots_and_lose_setuid_and_setgid() -> None:
    owners = read_owners(PASSWD, GROUP, [])
    assert owners.of("stranger", "web") == (0, 34, 0o4000)
    assert owners.of("web", "strangers") == (33, 0, 0o2000)


def sysuser(name: str, line: str) -> Sysuser:
    return Sysuser(name, line)


def test_users_of_packages_get_numbers_and_lines() -> None:
    owners = read_owners(
        PASSWD,
        GROUP,
        [
            sysuser("user(zeta)", 'u zeta - "Zeta service" /var/lib/zeta /sbin/nologin'),
            sysuser("user(alpha)", "u alpha 70"),
            sysuser("group(beta)", "g beta -"),
            sysuser("groupmember(alpha/beta)", "m alpha beta"),
            sysuser("user(web)", "u web 1234"),
            sysuser("user(mixed)", "u mixed 71:web"),
        ],
    )
    assert owners.users == {"root": 0, "web": 33, "alpha": 70, "zeta": 998, "mixed": 71}
    assert owners.groups["beta"] == 999
    assert owners.passwd == PASSWD + (
        b"alpha:x:70:70::/:/usr/sbin/nologin\n"
        b"mixed:x:71:34::/:/usr/sbin/nologin\n"
        b"zeta:x:998:998:Zeta service:/var/lib/zeta:/sbin/nologin\n"
    )
    assert owners.group == GROUP + b"beta:x:999:alpha\nalpha:x:70:\nzeta:x:998:\n"


def test_numbers_do_not_depend_on_the_order_of_packages() -> None:
    lines = [sysuser(f"user(u{n})", f"u u{n} -") for n in range(5)]
    assert read_owners(PASSWD, GROUP, lines) == read_owners(PASSWD, GROUP, lines[::-1])


@pytest.fixture
def packages(tmp_path: Path) -> list[Package]:
    line = base64.b64encode(b"u service - Service /srv /sbin/nologin\0").decode()
    return [
        write_rpm(
            tmp_path / "a.rpm",
            [File("/etc/passwd", PASSWD), File("/etc/group", GROUP)],
            name="setup",
        ),
        write_rpm(
            tmp_path / "b.rpm",
            [
                Directory("/srv", mode=0o040750, user="service", group="service"),
                File("/srv/data", b"x", user="service", group="service"),
            ],
            name="service",
            provides=[("user(service)", line)],
        ),
    ]


def test_a_layers_passwd_has_the_users_of_its_packages(
    packages: list[Package], cache: Cache
) -> None:
    found = seen_in_layer(compose(packages, cache))
    assert found["srv/data"].uid == found["srv"].uid == found["srv/data"].gid == 999
    grown = PASSWD + b"service:x:999:999:Service:/srv:/sbin/nologin\n"
    assert found["etc/passwd"].size == len(grown)


def test_a_fragment_is_made_anew_only_where_its_own_owners_change(
    packages: list[Package], tmp_path: Path, cache: Cache
) -> None:
    compose(packages, cache)
    before = {path.name for path in (cache.root / "fragments").glob("*/*-json")}
    other = write_rpm(
        tmp_path / "c.rpm",
        [File("/etc/passwd", PASSWD + b"more:x:5:5::/:\n"), File("/etc/group", GROUP)],
        name="setup",
    )
    compose([other, packages[1]], cache)
    after = {path.name for path in (cache.root / "fragments").glob("*/*-json")}
    # The other setup's own; the service's files have the same owners as before.
    assert len(after - before) <= 1
