"""Real builds of tiny packages in a buildroot of the reference distribution."""

import hashlib
import subprocess
from dataclasses import replace

import pytest

from bot.build.builder import BuildRequest, BuiltPackages
from bot.build.builders import builder_named
from bot.build.buildroot import Buildroots, remove_tree, solve_buildroot
from bot.build.rpmbuild import RpmbuildBuilder
from bot.closure.pool import open_pool
from bot.demo.distribution.reference import default_cache
from bot.distro.cache import Cache
from bot.distro.load import load_configuration
from bot.distro.snapshot import open_snapshot
from bot.model.nevra import Nevra
from bot.model.package import Location, Package
from bot.model.spec import SpecEvaluation
from bot.sandbox.emulation import native_architecture
from bot.sandbox.values import Limits
from bot.spec.evaluate import evaluate_spec
from bot.spec.macrofiles import VerifiedFiles
from bot.spec.setting import setting_of

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(
        native_architecture() != "x86_64", reason="the reference buildroot is x86_64's"
    ),
]

SPEC = """
Name: tiny
Version: 1
Release: 1%{?dist}
Summary: A program of one line
License: MIT
Source0: tiny.c
BuildRequires: gcc
BuildRequires: zlib1g-dev
%description
tiny
%package data
Summary: Its data
BuildArch: noarch
%description data
data
%prep
%setup -q -c -T
%build
gcc %{SOURCE0} -o tiny -lz LINK
%install
install -D -m 0755 tiny %{buildroot}%{_bindir}/tiny
mkdir -p %{buildroot}%{_datadir}/tiny
echo data > %{buildroot}%{_datadir}/tiny/data
%files
%{_bindir}/tiny
%files data
%{_datadir}/tiny
"""
PROGRAM = "#include <zlib.h>\nint main(void) { return zlibVersion()[0] == 0; }\n"


@pytest.fixture(scope="module")
def cache():
    return Cache(default_cache())


@pytest.fixture(scope="module")
def setting(reference, cache):
    document = load_configuration(reference.config_dir).repositories["reference"]
    pool = open_pool(open_snapshot(document, "x86_64", cache), cache)
    return document, pool, setting_of(document, {"x86_64": pool}, cache)


@pytest.fixture
def request_of(setting, cache, tmp_path):
    """A function from a spec's text to the request that builds it, and nothing else there."""
    document, pool, how = setting

    def ask(spec, program=PROGRAM, side="head", name="tiny"):
        checkout = tmp_path / side
        checkout.mkdir(exist_ok=True)
        (checkout / f"{name}.spec").write_text(spec)
        (checkout / "tiny.c").write_text(program)
        results = evaluate_spec(checkout, f"{name}.spec", ["x86_64"], setting=how)
        evaluation = results["x86_64"]
        assert isinstance(evaluation, SpecEvaluation), evaluation
        return BuildRequest(
            checkout, f"{name}.spec", "x86_64", document, pool, evaluation, how.definitions, side
        )

    return ask


@pytest.fixture
def builder(cache):
    return builder_named("rpmbuild", cache, rebuild=True)


def plain(spec=SPEC):
    return spec.replace("LINK", "")


def requires(built, name="tiny"):
    (package,) = (p for p in built.packages if p.nevra.name == name)
    return {d.capability for d in package.of_kind("requires")}


def test_a_linked_library_is_found_by_the_build(request_of, builder, reference):
    built = builder.build(request_of(plain()))
    assert isinstance(built, BuiltPackages), built
    assert {p.nevra.name: p.nevra.arch for p in built.packages} == {
        "tiny": "x86_64",
        "tiny-data": "noarch",
    }
    assert "libz.so.1()(64bit)" in requires(built)
    assert built.packages[0].nevra.release == f"1{reference.dist}"
    assert built.packages[0].installed_size > 1000
    assert "zlib1g-dev" not in requires(built)


def test_the_same_tree_gives_the_same_bytes_and_the_second_answer_is_kept(request_of, cache):
    request = request_of(plain() + f"# {id(request_of)}\n")
    first = builder_named("rpmbuild", cache).build(request)
    kept = builder_named("rpmbuild", cache).build(replace(request, side="base"))
    assert (first.from_cache, kept.from_cache) == (False, True)
    assert kept.packages == first.packages
    again = builder_named("rpmbuild", cache, rebuild=True).build(request)
    assert not again.from_cache
    checksums = [p.location.checksum for p in first.packages]
    assert [p.location.checksum for p in again.packages] == checksums


def test_packages_that_nobody_signed_are_not_run_where_their_repository_has_keys(
    request_of, builder, tmp_path
):
    (tmp_path / "key").write_text("")
    request = request_of(plain())
    repos = tuple(
        replace(repo, gpgkey=((tmp_path / "key").as_uri(),)) for repo in request.document.repos
    )
    failed = builder.build(replace(request, document=replace(request.document, repos=repos)))
    assert (failed.kind, "is not signed" in failed.message) == ("surroundings", True)


def test_a_missing_build_requirement_is_named_with_its_line(request_of, builder):
    spec = plain().replace("BuildRequires: gcc", "BuildRequires: gcc\nBuildRequires: nothere-devel")
    failed = builder.build(request_of(spec))
    assert failed.kind == "missing-requirement"
    assert failed.missing == ("nothere-devel",)
    assert "tiny.spec:9: BuildRequires: nothere-devel" in failed.message


def test_a_failing_build_says_the_compilers_own_word(request_of, builder):
    failed = builder.build(request_of(plain(), program="int main(void) { return nothing; }\n"))
    assert failed.kind == "failed"
    first = failed.message.splitlines()[0]
    assert "in %build" in first
    assert "error: 'nothing' undeclared" in first.replace(
        "\N{LEFT SINGLE QUOTATION MARK}", "'"
    ).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    assert "Bad exit status" in failed.log.read_text()


def test_generated_build_requirements_are_installed_round_after_round(request_of, builder):
    """The second requirement is asked for only once the first is there."""
    spec = (
        plain()
        .replace("BuildRequires: zlib1g-dev\n", "")
        .replace(
            "%build\n",
            "%generate_buildrequires\n"
            "echo zlib1g-dev\n"
            "if [ -e /usr/include/zlib.h ]; then echo 'libxslt1-dev >= 1'; fi\n"
            "%build\n"
            "test -e /usr/include/libxslt/xslt.h\n",
        )
    )
    built = builder.build(request_of(spec))
    assert isinstance(built, BuiltPackages), built
    assert "libz.so.1()(64bit)" in requires(built)
    assert "# required by %generate_buildrequires: libxslt1-dev >= 1" in built.log.read_text()


def test_a_generated_requirement_that_nobody_has_is_missing(request_of, builder):
    spec = plain().replace("%build\n", "%generate_buildrequires\necho nothere-devel\n%build\n")
    failed = builder.build(request_of(spec))
    assert (failed.kind, failed.missing) == ("missing-requirement", ("nothere-devel",))


def test_a_build_sees_no_network_no_secrets_and_writes_nowhere_else(
    request_of, builder, monkeypatch
):
    monkeypatch.setenv("FORGE_TOKEN", "hunter2")
    spec = plain().replace(
        "%build\n",
        "%build\n"
        "env | grep -i -e token -e hunter2 && exit 1\n"
        "(exec 3<>/dev/tcp/127.0.0.1/22) 2>&1 | grep -q refused || exit 1\n"
        "(exec 3<>/dev/tcp/1.1.1.1/53) 2>&1 | grep -q unreachable || exit 1\n"
        "touch /usr/written /etc/written && exit 1\n"
        "test ! -e /home/build && ls /root && exit 1\n"
        "test $(id -u) = 1000\n"
        "rpm -q gcc\n",
    )
    built = builder.build(request_of(spec))
    assert isinstance(built, BuiltPackages), built.message


def test_a_spec_finds_its_checkout_where_it_was_evaluated(request_of, builder):
    """`/checkout`, its own place and its sources': no spec is of two minds by them."""
    looks = "".join(
        f"Requires: %({look})\n"
        for look in (
            "test -f /checkout/tiny.c && echo there",
            "test -f tiny.c && echo beside",
            "echo %{_sourcedir} %{_specdir} | tr ' /' '._'",
            "test -w /checkout/tiny.spec || echo safe",
        )
    )
    spec = plain(SPEC.replace("BuildRequires: gcc", f"{looks}BuildRequires: gcc"))
    request = request_of(spec)
    (main,) = (p for p in request.evaluation.packages if p.nevra.name == "tiny")
    evaluated = {one.dependency.capability for one in main.dependencies}
    assert {"there", "beside", "_checkout._checkout", "safe"} <= evaluated
    built = builder.build(request)
    assert isinstance(built, BuiltPackages), built
    assert {"there", "beside", "_checkout._checkout", "safe"} <= set(requires(built))


def test_checks_are_skipped_unless_asked_for(request_of, builder):
    spec = plain().replace("%files\n", "%check\nexit 1\n%files\n", 1)
    assert isinstance(builder.build(request_of(spec)), BuiltPackages)
    failed = builder.build(replace(request_of(spec), check=True))
    assert failed.kind == "failed"
    assert "in %check" in failed.message


def test_a_build_that_does_not_end_is_ended(request_of, cache):
    builder = RpmbuildBuilder(cache, limits=Limits(seconds=3, memory=1 << 30, processes=256))
    failed = builder.build(request_of(plain().replace("%build\n", "%build\nsleep 100\n")))
    assert failed.kind == "limit"
    assert "longer than 3 s" in failed.message


@pytest.mark.parametrize(("needed", "built"), [(300, True), (700, False)])
def test_a_build_out_of_memory_is_tried_once_in_a_larger_slot(request_of, cache, needed, built):
    """`tail` of what has no line holds it all; the first slot has 200 MiB, the larger one 400."""
    builder = RpmbuildBuilder(cache, limits=Limits(seconds=60, memory=200 << 20, processes=256))
    waste = f"%build\nhead -c {needed}M /dev/zero | tail -n 1 >/dev/null\n"
    outcome = builder.build(request_of(plain().replace("%build\n", waste)))
    if built:
        assert isinstance(outcome, BuiltPackages), outcome.message
    else:
        assert outcome.kind == "surroundings"  # the check is neutral
        assert f"more than {400 << 20} bytes of memory" in outcome.message


def test_what_the_change_links_is_the_difference_of_two_builds(request_of, cache):
    builder = builder_named("rpmbuild", cache)
    base = builder.build(request_of(plain(), side="base"))
    spec = SPEC.replace("LINK", "-Wl,--no-as-needed -lxslt").replace(
        "BuildRequires: gcc", "BuildRequires: gcc\nBuildRequires: libxslt1-dev"
    )
    head = builder.build(request_of(spec))
    assert requires(head) - requires(base) == {"libxslt.so.1()(64bit)"}


SCRIPTED = """
Name: scripted
Version: 1
Release: 1
Summary: A package with a scriptlet and a user
License: MIT
BuildArch: noarch
Requires(post): bash coreutils
%description
scripted
%install
mkdir -p %{buildroot}/opt/scripted %{buildroot}/usr/lib/sysusers.d
echo 'u scripted - "Its user" /' > %{buildroot}/usr/lib/sysusers.d/scripted.conf
%post -p /bin/bash
cat /dev/null /proc/self/comm > /opt/scripted/said
id -u >> /opt/scripted/said
env >> /opt/scripted/said
(exec 3<>/dev/tcp/1.1.1.1/53) 2>> /opt/scripted/said || :
%files
%attr(-,scripted,scripted) /opt/scripted
/usr/lib/sysusers.d/scripted.conf
"""


def test_scriptlets_run_in_a_buildroot_without_network_and_secrets(
    setting, cache, tmp_path, monkeypatch
):
    monkeypatch.setenv("FORGE_TOKEN", "hunter2")
    (tmp_path / "scripted.spec").write_text(SCRIPTED)
    subprocess.run(
        [
            "rpmbuild",
            "--define",
            f"_topdir {tmp_path}",
            "--define",
            "_buildhost here",
            "-bb",
            tmp_path / "scripted.spec",
        ],
        check=True,
        capture_output=True,
    )
    (rpm,) = (tmp_path / "RPMS/noarch").glob("*.rpm")
    checksum = hashlib.sha256(rpm.read_bytes()).hexdigest()
    location = Location(rpm.as_uri(), "sha256", checksum, rpm.stat().st_size)
    own = Package(Nevra("scripted", 0, "1", "1", "noarch"), "scripted", "x", location=location)
    _, pool, _ = setting
    packages = solve_buildroot(
        pool, ["bash", "base-files", "coreutils", "dash", "filesystem", "grep", "rpm"]
    )
    buildroots = Buildroots(Cache(tmp_path / "cache"), VerifiedFiles(cache, {}))
    with buildroots.hold([*packages, own]) as root:
        said = (root / "opt/scripted/said").read_text()
        assert said.splitlines()[:2] == ["cat", "0"]
        assert "unreachable" in said
        assert "hunter2" not in said
        owner = (root / "opt/scripted").stat().st_uid - (root / "etc/passwd").stat().st_uid
        assert f"scripted:x:{owner}:" in (root / "etc/passwd").read_text()
        assert list((root / "dev").iterdir()) == []
    remove_tree(tmp_path / "cache")
