"""The mock builder, with a fake mock that records how it was called."""

import json
import os
import stat
from types import SimpleNamespace

import pytest

from bot.build.builder import BuildFailed, BuildRequest, BuiltPackages
from bot.build.builders import builder_named
from bot.build.mock import MockBuilder
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.errors import UsageError
from bot.model.nevra import Nevra
from bot.model.package import Location, Package, Reference, RepositoryAccess
from bot.model.spec import SpecEvaluation
from bot.sandbox.emulation import native_architecture

ARCH = native_architecture()

# Records its arguments and configuration; leaves what a real one would.
FAKE = """#!/usr/bin/python3
import json, os, sys
from pathlib import Path
arguments = sys.argv[1:]
home = Path(__file__).parent
def value(name):
    return arguments[arguments.index(name) + 1]
config_opts = {"macros": {}, "environment": {}, "plugin_conf": {}}
exec(Path(value("-r")).read_text())
result = Path(value("--resultdir"))
with (home / "calls").open("a") as calls:
    calls.write(json.dumps([arguments, config_opts, dict(os.environ)]) + "\\n")
(result / "build.log").write_text("the build said this\\n")
if "--buildsrpm" in arguments:
    assert Path(value("--spec")).is_file() and Path(value("--sources")).is_dir()
    (result / "a-1-1.src.rpm").write_bytes(b"source")
    sys.exit(0)
failure = home / "fail"
if failure.exists():
    status, text = json.loads(failure.read_text())
    (result / "root.log").write_text(text)
    sys.exit(status)
for name in ("a-1-1.ARCH.rpm", "a-debuginfo-1-1.ARCH.rpm", "a-1-1.src.rpm"):
    (result / name).write_bytes(b"rpm")
""".replace("ARCH", ARCH)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    place = tmp_path / "bin"
    place.mkdir()
    (place / "mock").write_text(FAKE)
    (place / "mock").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    monkeypatch.setenv("TOKEN", "secret")

    def read(files, source):
        return tuple(
            Package(
                Nevra("a", 0, "1", "1", ARCH),
                source,
                "overlay",
                location=Location(path.as_uri(), "sha256", "0", 3),
            )
            for path in files
        )

    # What the fake leaves is no real RPM; reading those is tested elsewhere.
    monkeypatch.setattr("bot.build.prepare.packages_of", read)
    return place


@pytest.fixture
def request_(tmp_path, monkeypatch):
    monkeypatch.setenv("MOCK_CERTIFICATE", "/etc/pki/entitlement/1.pem")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "a.spec").write_text("Name: a\n")
    document = RepositoryDocument(
        "el9",
        "EL 9",
        "",
        "",
        "9-stream",
        (ARCH,),
        (
            RepoSource(
                "baseos",
                "BaseOS",
                gpgkey=("file:///$releasever/key",),
                access=RepositoryAccess(
                    sslclientcert=Reference("env", "MOCK_CERTIFICATE"), proxy="", sslverify=False
                ),
            ),
        ),
        modules=("nodejs:20",),
        module_platform="platform:el9",
        base_buildroot_override=("rpm-build", "gcc"),
    )
    repository = SimpleNamespace(
        id="baseos",
        name="BaseOS",
        base_urls=("https://one.example/", "https://two.example/"),
        priority=50,
        exclude=("kernel*",),
        module_hotfixes=False,
        include=("glibc*",),
    )
    snapshot = SimpleNamespace(id="snap", document=document, arch=ARCH, repositories=(repository,))
    evaluation = SpecEvaluation("a.spec", ARCH, "a", (0, "1", "1"), ())
    return BuildRequest(
        checkout,
        "a.spec",
        ARCH,
        document,
        SimpleNamespace(snapshot=snapshot),
        evaluation,
        {"dist": ".el9"},
        "head",
    )


def calls(fake):
    return [json.loads(line) for line in (fake / "calls").read_text().splitlines()]


def test_mock_makes_the_source_package_and_rebuilds_it(fake, request_, tmp_path):
    outcome = MockBuilder(Cache(tmp_path / "cache")).build(request_)
    assert isinstance(outcome, BuiltPackages), outcome
    assert [path.name for path in outcome.rpms] == [f"a-1-1.{ARCH}.rpm"]
    assert "the build said this" in outcome.log.read_text()
    assert any("not the snapshot" in note for note in outcome.notes)
    (first, config, environment), (second, _, _) = calls(fake)
    assert "--buildsrpm" in first
    assert second[-2] == "--rebuild"
    assert second[-1].endswith("a-1-1.src.rpm")
    assert "--nocheck" in second
    assert "TOKEN" not in environment
    assert config["target_arch"] == ARCH
    assert config["chroot_setup_cmd"] == "install rpm-build gcc"
    assert config["macros"]["%dist"] == ".el9"
    assert config["rpmbuild_networking"] is False
    assert config["module_setup_commands"] == [["enable", "nodejs:20"]]  # JSON has no tuples
    for line in (
        "baseurl=https://one.example/ https://two.example/",
        "excludepkgs=kernel*",
        "priority=50",
        "module_platform_id=platform:el9",
        "gpgkey=file:///9-stream/key",
        "includepkgs=glibc*",
        "sslclientcert=/etc/pki/entitlement/1.pem",
        "sslverify=0",
        "proxy=_none_",
    ):
        assert line in config["dnf.conf"].splitlines()


def test_the_second_answer_comes_from_the_cache(fake, request_, tmp_path):
    builder = MockBuilder(Cache(tmp_path / "cache"))
    assert not builder.build(request_).from_cache
    assert builder.build(request_).from_cache
    assert len(calls(fake)) == 2


@pytest.mark.parametrize(
    ("status", "text", "kind", "missing"),
    [
        (10, "rpmbuild failed", "failed", ()),
        (
            30,
            "No matching package to install: 'none-devel'",
            "missing-requirement",
            ("none-devel",),
        ),
        (30, "Curl error: could not resolve host", "surroundings", ()),
        (20, "no chroot", "surroundings", ()),
        (11, "timeout", "limit", ()),
    ],
)
def test_failures_are_told_apart(fake, request_, tmp_path, status, text, kind, missing):
    (fake / "fail").write_text(json.dumps([status, text]))
    outcome = MockBuilder(Cache(tmp_path / "cache")).build(request_)
    assert isinstance(outcome, BuildFailed)
    assert (outcome.kind, outcome.missing) == (kind, missing)
    assert text in outcome.log.read_text()


def test_without_mock_the_remedy_is_said(request_, tmp_path):
    outcome = MockBuilder(Cache(tmp_path / "cache"), program="no-such-mock").build(request_)
    assert outcome.kind == "surroundings"
    assert "Install mock" in outcome.message


def test_builders_have_names(tmp_path):
    assert builder_named("mock", Cache(tmp_path)).name == "mock"
    assert builder_named("rpmbuild", Cache(tmp_path)).name == "rpmbuild"
    with pytest.raises(UsageError, match="rpmbuild, mock"):
        builder_named("koji", Cache(tmp_path))
