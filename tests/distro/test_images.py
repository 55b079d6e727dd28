"""Which images there are, and what each asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.distro.documents import (
    Configuration,
    EnvironmentDocument,
    Placeholder,
    PlaceholderRpm,
    RepositoryDocument,
    RepoSource,
    WorkloadDocument,
)
from bot.distro.images import environment_keys, image_keys, image_request, self_request
from bot.errors import UsageError
from bot.model.image import ImageKey, PlaceholderPackage


def repository(id_, *arches):
    return RepositoryDocument(id_, id_, "", "", "9", arches, (RepoSource("r", "r", ("file:///",)),))


def environment(id_, repositories, labels, packages=(), **fields):
    return EnvironmentDocument(id_, id_, "", "", repositories, labels, packages, **fields)


def workload(id_, labels, **fields):
    return WorkloadDocument(id_, id_, "", "", labels, **fields)


def by_id(*documents):
    return {document.id: document for document in documents}


CONFIGURATION = Configuration(
    repositories=by_id(repository("one", "x86_64", "s390x"), repository("two", "x86_64")),
    environments=by_id(
        environment(
            "small", ("one", "two"), ("web", "tools"), packages=("glibc",), groups=("core",)
        ),
        environment("large", ("one",), ("web",), options=("include-weak-deps",)),
        environment("lonely", ("one",), ("nobody",)),
    ),
    workloads=by_id(
        workload(
            "nginx",
            ("web",),
            packages=("nginx", "glibc"),
            arch_packages={"s390x": ("s390utils",)},
            groups=("web-server", "core"),
        ),
        workload("curl", ("tools", "more"), packages=("curl",)),
    ),
)


def test_workloads_and_environments_meet_by_label():
    assert image_keys(CONFIGURATION) == (
        ImageKey("curl", "small", "one", "s390x"),
        ImageKey("curl", "small", "one", "x86_64"),
        ImageKey("curl", "small", "two", "x86_64"),
        ImageKey("nginx", "large", "one", "s390x"),
        ImageKey("nginx", "large", "one", "x86_64"),
        ImageKey("nginx", "small", "one", "s390x"),
        ImageKey("nginx", "small", "one", "x86_64"),
        ImageKey("nginx", "small", "two", "x86_64"),
    )


def test_filters_narrow():
    assert image_keys(CONFIGURATION, workloads=["nginx"], repositories=["two"]) == (
        ImageKey("nginx", "small", "two", "x86_64"),
    )
    assert image_keys(CONFIGURATION, environments=["large"], arches=["s390x"]) == (
        ImageKey("nginx", "large", "one", "s390x"),
    )
    assert image_keys(CONFIGURATION, workloads=["curl"], environments=["large"]) == ()


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"workloads": ["ngnx"]}, "No workload is called `ngnx`. Did you mean `nginx`?"),
        ({"environments": ["smal"]}, "No environment is called `smal`. Did you mean `small`"),
        ({"repositories": ["zzz"]}, "No repository is called `zzz`. There is `one` or `two`."),
        ({"arches": ["x86-64"]}, "No architecture is called `x86-64`. Did you mean `x86_64`?"),
    ],
)
def test_unknown_names_are_refused_with_near_ones(filters, message):
    with pytest.raises(UsageError) as error:
        image_keys(CONFIGURATION, **filters)
    assert str(error.value).startswith(message)


def test_a_long_list_of_names_says_how_many_more_there_are():
    documents = {f"{number:02}": repository(f"{number:02}") for number in range(12)}
    configuration = replace(CONFIGURATION, repositories=documents)
    with pytest.raises(UsageError) as error:
        image_keys(configuration, repositories=["zzz"])
    assert error.value.hint.endswith(" or `08` or `09`, and 2 more.")


def test_environment_and_workload_are_one_job():
    request = image_request(CONFIGURATION, ImageKey("nginx", "small", "one", "s390x"))
    assert request.requests == ("glibc", "nginx", "s390utils")
    assert request.groups == ("core", "web-server")
    assert not request.weak
    assert image_request(CONFIGURATION, ImageKey("nginx", "small", "two", "x86_64")).requests == (
        "glibc",
        "nginx",
    )


def test_weak_dependencies_come_if_either_says_so():
    assert image_request(CONFIGURATION, ImageKey("nginx", "large", "one", "x86_64")).weak
    weak = workload("weak", ("web",), options=("include-weak-deps",))
    configuration = replace(CONFIGURATION, workloads=by_id(weak))
    assert image_request(configuration, ImageKey("weak", "small", "one", "x86_64")).weak


@pytest.mark.parametrize(
    ("of_source", "of_package", "arches"),
    [
        ((), (), {"x86_64", "s390x"}),
        (("x86_64",), (), {"x86_64"}),
        ((), ("s390x",), {"s390x"}),
        (("x86_64", "s390x"), ("s390x", "aarch64"), {"s390x"}),
        (("x86_64",), ("s390x",), set()),
    ],
)
def test_placeholders_are_limited_by_source_and_package(of_source, of_package, arches):
    rpm = PlaceholderRpm("new-libs", "", ("glibc",), of_package)
    document = workload(
        "new", ("web",), package_placeholders=(Placeholder("new", (rpm,), (), of_source),)
    )
    configuration = replace(CONFIGURATION, workloads=by_id(document))
    expected = (PlaceholderPackage("new-libs", "new", ("glibc",)),)
    for arch in ("x86_64", "s390x"):
        request = image_request(configuration, ImageKey("new", "small", "one", arch))
        assert request.placeholders == (expected if arch in arches else ())


def test_a_package_in_no_workload_is_asked_for_with_the_environment():
    request = self_request(CONFIGURATION, "small", "one", "x86_64", ["openssl", "glibc"])
    assert request.key == ImageKey("@self", "small", "one", "x86_64")
    assert request.requests == ("glibc", "openssl")
    assert request.groups == ("core",)
    named = self_request(CONFIGURATION, "large", "one", "x86_64", ["x"], workload="@self:x")
    assert named.weak and named.key.workload == "@self:x"


def test_environments_alone():
    assert environment_keys(CONFIGURATION, repositories=["two"]) == (
        ImageKey("@self", "small", "two", "x86_64"),
    )
    assert len(environment_keys(CONFIGURATION, arches=["x86_64"])) == 4
