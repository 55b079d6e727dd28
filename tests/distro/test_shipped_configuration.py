"""The documents in config/."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.distro import check_configuration, image_keys, image_request, load_configuration

SHIPPED = Path(__file__).parents[2] / "config"
DISTRIBUTIONS = {
    "fedora-rawhide",
    "fedora-45",
    "centos-stream-9",
    "centos-stream-10",
    "ubi-9",
    "azure-linux-3",
}


@pytest.fixture(scope="module")
def configuration():
    return load_configuration(SHIPPED)


def test_every_document_loads_and_none_is_unused():
    report = check_configuration(SHIPPED)
    assert (report.errors, report.unused) == ((), ())
    assert report.documents == len([p for p in SHIPPED.glob("*.yaml") if p.name != "bot.yaml"])


def test_the_distributions_are_there_with_what_building_needs(configuration):
    assert set(configuration.repositories) == DISTRIBUTIONS
    for document in configuration.repositories.values():
        assert document.dist
        assert "rpm-build" in document.buildroot_packages
        for repo in document.repos:
            assert repo.gpgkey
            for url in (*repo.baseurl, repo.metalink):
                assert url is None or (url.startswith("https://") and "$basearch" in url)
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
