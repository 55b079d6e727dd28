"""The documents in config/."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.distro.documents import Configuration
from bot.distro.images import environment_keys, image_keys, image_request
from bot.distro.load import check_configuration, load_configuration
from bot.distro.objectives import ObjectiveDocument
from bot.model.package import Reference

SHIPPED = Path(__file__).parents[2] / "config"
DISTRIBUTIONS = {
    "fedora-rawhide",
    "fedora-45",
    "centos-stream-9",
    "centos-stream-10",
    "ubi-9",
    "azure-linux-3",
}
# Used where somebody names them; the second ones have names of their own for some packages.
NAMED = {"ubi-10", "rhel-10", "almalinux-10", "rocky-10", "epel-10", "eln", "amazon-linux-2023"}
OPENSUSE = {"opensuse-leap-16", "opensuse-tumbleweed"}


@pytest.fixture(scope="module")
def configuration():
    return load_configuration(SHIPPED)


def test_every_document_loads_and_none_is_unused():
    report = check_configuration(SHIPPED)
    assert (report.errors, report.unused) == ((), ())
    assert report.documents == len([p for p in SHIPPED.glob("*.yaml") if p.name != "bot.yaml"])


def test_the_distributions_are_there_with_what_building_needs(configuration):
    assert set(configuration.repositories) == DISTRIBUTIONS | NAMED | OPENSUSE
    for document in configuration.repositories.values():
        # openSUSE has no %dist, ELN's has a number that grows.
        assert bool(document.dist) == (document.id not in OPENSUSE | {"eln"})
        assert "rpm-build" in document.base_buildroot_override
        for repo in document.repos:
            assert repo.gpgkey
            for url in (*repo.baseurl, repo.metalink):
                assert url is None or url.startswith("https://")
                if document.id not in OPENSUSE:
                    assert url is None or "$basearch" in url
    azure = configuration.repositories["azure-linux-3"]
    assert azure.architectures == ("x86_64", "aarch64")
    assert azure.releasever == "3.0"


def test_each_workload_has_an_image_on_each_distribution_that_has_it(configuration):
    of_workload: dict[str, set[str]] = {}
    for key in image_keys(configuration):
        of_workload.setdefault(key.workload, set()).add(key.repository)
        assert image_request(configuration, key).requests
        assert not image_request(configuration, key).weak
    for name in ("nginx", "httpd", "openssl", "curl", "python3"):
        assert of_workload[name] == DISTRIBUTIONS
    assert of_workload["postgresql-server"] == DISTRIBUTIONS - {"ubi-9", "azure-linux-3"}
    assert of_workload["azure-linux-postgresql"] == {"azure-linux-3"}


def test_the_environments_of_the_talk(configuration):
    environments = configuration.environments
    small = ("glibc-minimal-langpack", "coreutils-single")
    assert environments["minimal"].packages == small
    assert environments["minimal-bash"].packages == (*small, "bash")
    assert "busybox" in environments["busybox"].packages


def test_documents_that_nobody_names_change_nothing_for_people(configuration):
    assert {key.repository for key in image_keys(configuration)} == DISTRIBUTIONS
    assert {key.repository for key in environment_keys(configuration)} == DISTRIBUTIONS
    named = {
        key.repository: key
        for key in image_keys(configuration, repositories=sorted(NAMED | OPENSUSE))
        if key.workload == "nginx"
    }
    assert set(named) == NAMED | OPENSUSE
    promised = Configuration(
        configuration.repositories,
        configuration.environments,
        configuration.workloads,
        objectives={"o": ObjectiveDocument("o", "O", "", "", "nginx", repository="rocky-10")},
    )
    assert {key.repository for key in image_keys(promised)} == DISTRIBUTIONS | {"rocky-10"}


def test_rhel_wants_the_certificate_of_a_subscription(configuration):
    for repo in configuration.repositories["rhel-10"].repos:
        assert repo.access.sslclientcert == Reference("env", "RHEL_ENTITLEMENT_CERTIFICATE")
        assert repo.access.sslclientkey == Reference("env", "RHEL_ENTITLEMENT_KEY")
        assert repo.access.sslcacert == "/etc/rhsm/ca/redhat-uep.pem"
