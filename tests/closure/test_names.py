"""Names that repositories know, and those that a misspelled one means."""

from __future__ import annotations

import pytest

from bot.closure.names import is_known, near_names, package_names, unknown_requests
from bot.distro.documents import Configuration, EnvironmentDocument, WorkloadDocument
from tests.closure.conftest import Tiny


@pytest.fixture
def pool(tiny: Tiny):
    base = tiny.repository("base")
    base.package("web-0:1-1.x86_64", provides=["httpd = 2"], files=["/opt/web/run"])
    base.package("libweb-0:1-1.x86_64")
    return tiny.pool(base)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("web", True),
        ("web.x86_64", True),
        ("web-0:1-1.x86_64", True),
        ("httpd", True),
        ("httpd >= 1", True),
        ("(httpd or nothing)", True),
        ("/opt/web/run", True),
        ("wbe", False),
        ("/opt/web/ran", False),
    ],
)
def test_is_known_takes_names_capabilities_and_paths(pool, text: str, known: bool) -> None:
    assert is_known(pool, text) is known


def test_near_names_are_alike_or_parts_and_at_most_three() -> None:
    names = ["perl-libs", "perl", "systemd", "systemd-libs", "systemd-udev", "xsystemd"]
    assert near_names("perl-lib", names) == ("perl-libs",)
    assert near_names("sytemd", names)[0] == "systemd"
    assert len(near_names("systemd", names)) == 3
    assert near_names("emacs", names) == ()


def test_package_names_are_those_of_all_repositories(pool) -> None:
    assert package_names(pool) == {"web", "libweb"}


def test_unknown_requests_are_those_that_select_nothing(pool) -> None:
    repository = pool.snapshot.document.id
    common = {"name": "n", "description": "d", "maintainer": "m"}
    environment = EnvironmentDocument(
        id="minimal", repositories=(repository,), labels=("l",), packages=("libwbe",), **common
    )
    document = WorkloadDocument(
        id="there",
        labels=("l",),
        packages=("web", "wbe"),
        arch_packages={"x86_64": ("emacs",), "s390x": ("zsh",)},
        **common,
    )
    elsewhere = WorkloadDocument(id="elsewhere", labels=("k",), packages=("wbe",), **common)
    documents = Configuration(
        repositories={},
        environments={"minimal": environment},
        workloads={"there": document, "elsewhere": elsewhere},
    )
    unknown = [(u.document, u.place, u.request, u.near) for u in unknown_requests(documents, pool)]
    assert unknown == [
        ("minimal", ("data", "packages", 0), "libwbe", ("libweb",)),
        ("there", ("data", "packages", 1), "wbe", ()),
        ("there", ("data", "arch_packages", "x86_64", 0), "emacs", ()),
    ]
