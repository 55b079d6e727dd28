"""The distribution's macros, from its own packages."""

from __future__ import annotations

import functools
import shutil
import subprocess
import textwrap
from pathlib import Path

import pysequoia
import pytest

from bot.closure.pool import Pool
from bot.distro.cache import Cache
from bot.errors import SurroundingsError
from bot.model.architecture import DEFAULT_ARCHITECTURES
from bot.model.spec import SpecEvaluation, SpecFailure
from bot.sandbox.run import sandbox_available
from bot.spec.evaluate import evaluate_spec
from bot.spec.headers import flags_in_header
from bot.spec.macrofiles import solve_what_can_be, unpack_macros
from bot.spec.macrotree import assemble_rpmrc
from bot.spec.setting import SpecSetting, commonest_dist, setting_of
from tests.image.crafted import File, write_rpm
from tests.spec.macro_repository import MacroPackage, pools_of, write_distribution

needs_rpmbuild = pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="no rpmbuild here")
needs_sandbox = pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")

D = "/usr/lib/rpm/macros.d/macros."
RPM_BUILD = MacroPackage("rpm-build", {"/usr/lib/rpm/find-lang.sh": "#!/bin/sh\n"}, ["system"])
# Nothing in its name says what it carries.
SYSTEM = MacroPackage("system", {f"{D}system": "%system from-system\n"})


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def setting_for(
    tmp_path: Path, cache: Cache, packages: list[MacroPackage], **more: object
) -> SpecSetting:
    document = write_distribution(tmp_path / "repository", packages, **more)
    return setting_of(document, pools_of(document, cache), cache)


def names(setting: SpecSetting) -> list[str]:
    return [nevra.split("-0:")[0] for nevra in setting.macros.packages]


def evaluated(
    tmp_path: Path, setting: SpecSetting, body: str, arch: str = "x86_64"
) -> SpecEvaluation:
    result = results(tmp_path, setting, body, [arch])[arch]
    assert isinstance(result, SpecEvaluation), result
    return result


def results(tmp_path: Path, setting: SpecSetting, body: str, arches: list[str] | tuple[str, ...]):
    checkout = tmp_path / "checkout"
    checkout.mkdir(exist_ok=True)
    (checkout / "a.spec").write_text(
        "Name: a\nVersion: 1\nRelease: 1\nSummary: a\nLicense: MIT\n"
        + body
        + "%description\n%files\n"
    )
    return evaluate_spec(checkout, "a.spec", arches, setting=setting)


def requires(evaluation: SpecEvaluation) -> list[str]:
    return [
        d.dependency.capability
        for d in evaluation.packages[0].dependencies
        if d.dependency.kind == "requires"
    ]


def test_macro_packages_are_the_owners_of_files_in_a_build_root(tmp_path, cache):
    others = [
        # Not of the build root, whatever its name is.
        MacroPackage("foreign-rpm-macros", {f"{D}foreign": "%foreign 1\n"}),
        # Of the build root, but without such a file, whatever its name is.
        MacroPackage("named-rpm-macros", {"/usr/share/doc/macros": "%named 1\n"}),
        MacroPackage("etc", {"/etc/rpm/macros.etc": "%etc 1\n"}),
    ]
    root = MacroPackage("rpm-build", {}, ["system", "named-rpm-macros", "etc"])
    setting = setting_for(tmp_path, cache, [root, SYSTEM, *others])
    assert names(setting) == ["etc", "system"]
    assert setting.notes == ()


def test_a_build_root_is_what_the_document_says_then_a_group_then_rpm_build(tmp_path, cache):
    packages = [
        RPM_BUILD,
        SYSTEM,
        MacroPackage("stated", {f"{D}stated": "%stated 1\n"}),
        MacroPackage("grouped", {f"{D}grouped": "%grouped 1\n"}),
    ]
    assert names(setting_for(tmp_path, cache, packages)) == ["rpm-build", "system"]
    document = write_distribution(
        tmp_path / "stated", packages, base_buildroot_override=("stated", "absent")
    )
    setting = setting_of(document, pools_of(document, cache), cache)
    assert names(setting) == ["stated"]
    (note,) = setting.notes
    assert "absent" in note and "nothing provides" in note

    class Grouped(Pool):
        def group(self, name: str) -> tuple[str, ...]:
            return ("grouped", "unpublished") if name == "buildsys-build" else ()

    document = write_distribution(tmp_path / "grouped", packages)
    pools = pools_of(document, cache)
    for pool in pools.values():
        pool.__class__ = Grouped
    assert names(setting_of(document, pools, cache)) == ["grouped"]


def test_what_cannot_be_installed_is_named_and_the_rest_is_solved(tmp_path, cache):
    packages = [
        MacroPackage("rpm-build", {f"{D}build": "%build_macros 1\n"}, ["not-there"]),
        SYSTEM,
        MacroPackage("first", {f"{D}first": "%first 1\n"}),
    ]
    buildroot = ("first", "rpm-build", "system")
    setting = setting_for(tmp_path, cache, packages, base_buildroot_override=buildroot)
    assert names(setting) == ["first", "rpm-build", "system"]
    (note,) = setting.notes
    assert "rpm-build" in note and "not-there" in note


def test_what_cannot_be_installed_still_brings_its_macros(tmp_path, cache):
    packages = [
        MacroPackage("rpm-build", {f"{D}build": "%build_macros 1\n"}, ["not-there", "config"]),
        MacroPackage(
            "config", {f"{D}config": "%config 1\n"}, ["neither", "config-macros", "rpm-build"]
        ),
        MacroPackage("config-macros", {f"{D}more": "%more 1\n"}, ["(language if rpm-build)"]),
        MacroPackage("language", {f"{D}language": "%language 1\n"}, ["(other if config)"]),
        MacroPackage("other", {f"{D}other": "%other 1\n"}),
        SYSTEM,
    ]
    setting = setting_for(tmp_path, cache, packages)
    assert names(setting) == ["config", "config-macros", "language", "rpm-build"]
    (note,) = setting.notes
    assert "rpm-build: nothing provides not-there" in note


def test_of_many_requests_only_those_in_the_way_are_left_out(tmp_path, cache):
    packages = [MacroPackage(f"p{number}") for number in range(9)]
    broken = [MacroPackage(f"b{number}", {}, ["not-there"]) for number in range(2)]
    document = write_distribution(tmp_path / "repository", [*packages, *broken])
    pool = pools_of(document, cache)["x86_64"]
    requests = ["p0", "p1", "b0", "p2", "p3", "absent", "p4", "p5", "p6", "b1", "p7", "p8"]
    closure, left_out = solve_what_can_be(pool, requests)
    assert [p.nevra.name for p in closure] == [f"p{number}" for number in range(9)]
    assert sorted(left_out) == ["absent", "b0", "b1"]
    assert "not-there" in left_out["b1"]


def test_a_package_that_cannot_be_fetched_is_named_and_the_others_are_used(tmp_path, cache):
    document = write_distribution(tmp_path / "repository", [RPM_BUILD, SYSTEM])
    pools = pools_of(document, cache)
    (tmp_path / "repository/x86_64/rpm-build-1-1.noarch.rpm").unlink()
    setting = setting_of(document, pools, cache)
    assert names(setting) == ["system"]
    (note,) = setting.notes
    assert "rpm-build-0:1-1.noarch" in note
    (tmp_path / "repository/x86_64/system-1-1.noarch.rpm").unlink()
    setting = setting_of(document, pools, Cache(tmp_path / "another"))
    assert setting.macros.root is None
    (note,) = setting.notes
    assert "host" in note and "tiny" in note and "system-0:1-1.noarch" in note


def test_without_its_filelists_the_hosts_macros_are_used_and_that_is_said(tmp_path, cache):
    document = write_distribution(tmp_path / "repository", [RPM_BUILD, SYSTEM])
    pools = pools_of(document, cache)
    for path in (tmp_path / "repository").rglob("*filelists*"):
        path.unlink()
    setting = setting_of(document, pools, cache)
    assert setting.macros.root is None
    (note,) = setting.notes
    assert "host" in note and "filelists.xml: " in note


def test_a_repository_with_keys_must_have_signed_its_macro_packages(tmp_path, cache):
    signer = pysequoia.Tsk.generate("Packager <p@example.org>")
    key = tmp_path / "key.asc"
    key.write_text(str(signer.extract_certificate()))

    @functools.cache  # a signature has its time: the same file twice
    def sign(content: bytes) -> bytes:
        armored = pysequoia.sign(signer.signer(), content, mode=pysequoia.SignatureMode.DETACHED)
        return bytes(pysequoia.Sig.from_bytes(armored))

    signed = MacroPackage("rpm-build", {f"{D}good": "%good 1\n"}, ["system"], signed=sign)
    # Unpacked before the document had keys: that does not count.
    document = write_distribution(tmp_path / "repository", [signed, SYSTEM])
    assert names(setting_of(document, pools_of(document, cache), cache)) == ["rpm-build", "system"]
    document = write_distribution(tmp_path / "repository", [signed, SYSTEM], gpgkey=(key.as_uri(),))
    setting = setting_of(document, pools_of(document, cache), cache)
    assert names(setting) == ["rpm-build"]
    (note,) = setting.notes
    assert "system-0:1-1.noarch" in note and "not signed" in note


def test_without_macro_packages_the_document_says_which_distribution_it_is(tmp_path, cache):
    def fallback(**document: object) -> dict[str, str]:
        setting = setting_for(tmp_path, cache, [MacroPackage("bash")], **document)
        assert setting.macros.root is None
        return {"dist": setting.definitions["dist"], **setting.defaults}

    assert fallback(id="centos-stream-9", releasever="9", dist=".el9") == {
        "dist": ".el9",
        "rhel": "9",
        "el9": "1",
        "centos": "9",
        "centos_ver": "9",
    }
    assert fallback(id="mine", dist=".fc43") == {"dist": ".fc43", "fedora": "43", "fc43": "1"}
    assert fallback(id="mine", name="Fedora", releasever="43")["fedora"] == "43"
    assert fallback(id="mine", name="Fedora", releasever="43")["dist"] == ".fc43"
    macros = fallback(id="mine", releasever="8.10", module_platform="platform:el8")
    assert macros == {"dist": ".el8", "rhel": "8", "el8": "1"}
    assert fallback(id="mine", releasever="9.4", name="RHEL")["rhel"] == "9"
    assert fallback(id="azure-linux-3", releasever="3", dist=".azl3") == {"dist": ".azl3"}


@needs_sandbox
def test_what_the_document_says_yields_to_the_distributions_own(tmp_path, cache):
    more = {"id": "fedora-43", "name": "Fedora", "releasever": "43"}
    setting = setting_for(tmp_path, cache, [MacroPackage("bash")], **more)
    body = "Requires: f%{?fedora} d%{?dist}\n"
    assert requires(evaluated(tmp_path, setting, body)) == ["d.fc43", "f43"]
    own = MacroPackage("rpm-build", {f"{D}dist": "%fedora 44\n"})
    setting = setting_for(tmp_path, cache, [own], **more)
    assert "f44" in requires(evaluated(tmp_path, setting, body))


@needs_sandbox
def test_the_version_of_python_is_the_distributions_not_the_hosts(tmp_path, cache):
    python = "%__python3 /usr/bin/python3\n%python3_version %(%{__python3} -c 'print(2)')\n"
    packages = [
        MacroPackage("rpm-build", {f"{D}python": f"{python}%python3_version_nodots 2\n"}),
        MacroPackage("python3", {}, version="3.99.1"),
    ]
    setting = setting_for(tmp_path, cache, packages)
    body = "Requires: v%{python3_version} n%{python3_version_nodots}\n"
    assert requires(evaluated(tmp_path, setting, body)) == ["n399", "v3.99"]
    other = f"%global __python3 /usr/bin/python3.7\n{body}"
    assert requires(evaluated(tmp_path, setting, other)) == ["n37", "v3.7"]
    # Without python-rpm-macros nothing defines them, in the distribution either.
    packages[0] = MacroPackage("rpm-build", SYSTEM.files)
    setting = setting_for(tmp_path, cache, packages)
    assert len(evaluated(tmp_path, setting, "Requires: v%{python3_version}\n").unexpanded) == 1


@needs_sandbox
def test_the_version_of_haskells_compiler_is_the_distributions(tmp_path, cache):
    packages = [
        RPM_BUILD,
        SYSTEM,
        MacroPackage("ghc-rpm-macros", {f"{D}ghc": "%ghc_version %(ghc --numeric-version)\n"}),
        MacroPackage("ghc-compiler", {}, version="9.10.3"),
        MacroPackage("ghc9.4-compiler", {}, version="9.4.8"),
    ]
    setting = setting_for(tmp_path, cache, packages)
    body = "BuildRequires: ghc-rpm-macros\nRequires: ghc-compiler = %{ghc_version}\n"
    assert requires(evaluated(tmp_path, setting, body)) == ["ghc-compiler = 9.10.3"]
    for chosen, version in (("ghc_name ghc9.4", "9.4.8"), ("ghc_version_override 9.12", "9.12")):
        result = evaluated(tmp_path, setting, f"%global {chosen}\n{body}")
        assert requires(result) == [f"ghc-compiler = {version}"]


@needs_sandbox
def test_a_language_package_that_a_spec_requires_brings_its_macros(tmp_path, cache):
    packages = [
        RPM_BUILD,
        SYSTEM,
        MacroPackage("go-tools", {}, ["go-support"]),
        MacroPackage(
            "go-support",
            {f"{D}go": "%gometa() %{expand:\nBuildRequires: deeper\nRequires: go\n}\n"},
        ),
        MacroPackage("deeper", {f"{D}deeper": "%deeper from-third-round\n"}),
    ]
    setting = setting_for(tmp_path, cache, packages)
    result = evaluated(
        tmp_path, setting, "BuildRequires: go-tools\n%gometa\nRequires: %{system} %{?deeper}\n"
    )
    assert requires(result) == ["from-system", "from-third-round", "go"]
    assert result.notes == ()


@needs_sandbox
def test_macros_that_bring_more_and_more_end_after_five_rounds(tmp_path, cache):
    packages = [RPM_BUILD, SYSTEM]
    for number in range(9):
        text = f"%more{number} m{number}\n%next{number} BuildRequires: p{number + 1}\n"
        packages.append(MacroPackage(f"p{number}", {f"{D}p{number}": text}))
    setting = setting_for(tmp_path, cache, packages)
    body = "BuildRequires: p0\n" + "".join(f"%{{?next{n}}}\n" for n in range(9))
    body += "Requires: x %{?more3} %{?more4}\n"
    # The first round has none of them, the fifth those of the first four.
    assert requires(evaluated(tmp_path, setting, body)) == ["m3", "x"]


@needs_sandbox
@pytest.mark.parametrize("refused", [False, True])
def test_a_package_of_macros_may_be_required_in_a_version_that_its_own_macro_says(
    tmp_path, cache, refused
):
    defined = "%least 1\n%header() Requires: header\n"
    packages = [RPM_BUILD, SYSTEM, MacroPackage("kf-macros", {f"{D}kf": defined})]
    setting = setting_for(tmp_path, cache, packages)
    body = "BuildRequires: kf-macros >= %least\nRequires: kf >= %least\n"
    result = evaluated(tmp_path, setting, body + ("%header\n" if refused else ""))
    assert requires(result) == (["header"] if refused else []) + ["kf >= 1"]


@needs_sandbox
def test_a_build_requirement_that_cannot_be_had_is_named_where_a_macro_is_left(tmp_path, cache):
    setting = setting_for(tmp_path, cache, [RPM_BUILD, SYSTEM])
    fine = evaluated(tmp_path, setting, "BuildRequires: nowhere\nRequires: x\n")
    assert fine.notes == ()
    left = evaluated(tmp_path, setting, "BuildRequires: nowhere\nRequires: x-%{unknown}\n")
    assert any("nowhere (nothing provides it)" in note for note in left.notes)
    for line, named in (
        ("%unknown", True),
        ("Epoch: %{?unknown}x", True),
        ("Sumary: x", False),
        ("Sumary: %{name}-x", False),
        ("Epoch: x", False),
    ):
        body = f"BuildRequires: nowhere\n{line}\n"
        result = results(tmp_path, setting, body, ["x86_64"])["x86_64"]
        assert isinstance(result, SpecFailure)
        assert ("nowhere (nothing provides it)" in result.message) == named, result.message


@needs_sandbox
@pytest.mark.parametrize(
    "files",
    [
        {"/usr/lib/rpm/redhat/rpmrc": "include: /usr/lib/rpm/rpmrc\noptflags: x86_64 -Vendor\n"},
        {
            "/usr/lib/rpm/redhat/rpmrc": "include: %{_rpmconfigdir}/redhat/more/../chain\n",
            "/usr/lib/rpm/redhat/chain": "include:/usr/lib/rpm/redhat/rpmrc\n"
            "include: /usr/lib/rpm/redhat/chain\nINCLUDE: /nowhere\noptflags: x86_64 -Vendor\n",
        },
        {
            "/usr/lib/rpm/debian/rpmrc": "include: /usr/lib/rpm/debian/rpmrc\n"
            "optflags: x86_64 -Vendor\n"
        },
        {
            "/usr/lib/rpm/rpmrc": "include: /usr/lib/rpm/rpmrc\nunheardof: 1\n"
            "optflags: s390x -Own\n",
            "/usr/lib/rpm/suse/rpmrc": "include: /usr/lib/rpm/rpmrc\noptflags: x86_64 -Vendor\n",
        },
    ],
)
def test_a_vendors_rpmrc_may_include_the_systems(tmp_path, cache, files):
    setting = setting_for(tmp_path, cache, [MacroPackage("rpm-build", {**files, **SYSTEM.files})])
    flags = "%{lua: print((rpm.expand('%{optflags}'):gsub('[^%w]', '_')))}"
    by_arch = results(
        tmp_path, setting, f"Requires: %{{system}} x({flags})%{{?_isa}}\n", ("x86_64", "s390x")
    )
    assert requires(by_arch["x86_64"]) == ["from-system", "x(_Vendor)(x86-64)"]
    own = "_Own" if "/usr/lib/rpm/rpmrc" in files else "_O2__g"
    assert requires(by_arch["s390x"]) == ["from-system", f"x({own})(s390-64)"]


@pytest.mark.parametrize("named", ["/usr/lib/rpm/a\0b", "/usr/lib/rpm/" + "a" * 300])
def test_an_include_of_no_possible_file_includes_nothing(tmp_path, named):
    config = tmp_path / "usr/lib/rpm"
    config.mkdir(parents=True)
    (config / "rpmrc").write_text(f"include: {named}\noptflags: x86_64 -Own\n")
    assemble_rpmrc(tmp_path, "")
    assert (config / "rpmrc").read_text() == "optflags: x86_64 -Own\n"


@needs_sandbox
def test_architectures_share_a_tree_where_only_definitions_differ(tmp_path, cache):
    def rpm_build(arch: str) -> MacroPackage:
        return MacroPackage(
            "rpm-build",
            {
                "/usr/lib/rpm/macros": f"%_host_cpu {arch}\n%both same\n%later early\n",
                f"{D}later": "%later late\n",
                "/usr/lib/rpm/vendor/macros": f"%of_vendor {{%\\\n{arch}}}\n",
                "/etc/rpm/macros.places": f"%libdir_of lib/{arch}\n",
                "/usr/lib/rpm/program": f"\x7fELF{arch}",
                f"/usr/lib/rpm/platform/{arch}-linux/macros": f"%platform_of {arch}\n",
                "/usr/lib/rpm/platform/noarch-linux/macros": f"%platform_of {arch}\n",
            },
            arch=arch,
        )

    arches = ("x86_64", "aarch64")
    setting = setting_for(tmp_path, cache, [rpm_build(arch) for arch in arches], arches=arches)
    assert setting.macros.others == {}
    body = "Requires: %{_host_cpu} %{both} %{later} %{libdir_of} p-%{platform_of}\n"
    by_arch = results(tmp_path, setting, body, arches)
    for arch in arches:
        assert requires(by_arch[arch]) == sorted([arch, "late", f"lib/{arch}", f"p-{arch}", "same"])


@needs_sandbox
def test_an_architecture_whose_macros_are_others_has_a_tree_of_its_own(tmp_path, cache):
    packages = [
        MacroPackage(
            "rpm-build",
            {f"{D}a": "%everywhere 1\n", **({f"{D}only": "%only 1\n"} if arch == "s390x" else {})},
            arch=arch,
        )
        for arch in DEFAULT_ARCHITECTURES
    ]
    setting = setting_for(tmp_path, cache, packages, arches=DEFAULT_ARCHITECTURES)
    assert list(setting.macros.others) == ["s390x"]
    by_arch = results(
        tmp_path, setting, "Requires: x%{?everywhere} y%{?only}%{?_isa}\n", DEFAULT_ARCHITECTURES
    )
    assert list(by_arch) == list(DEFAULT_ARCHITECTURES)
    assert [requires(result)[1].partition("(")[0] for result in by_arch.values()] == [
        "y",
        "y",
        "y",
        "y1",
    ]


def test_a_file_that_is_not_what_its_header_says_is_refused(tmp_path):
    other = File(f"{D}x", b"%x 1\n", said_digest="0" * 64)
    write_rpm(tmp_path / "x.rpm", [other], name="x")
    with pytest.raises(SurroundingsError, match=r"macros\.x is not what its header says"):
        unpack_macros(tmp_path / "x.rpm", tmp_path / "unpacked")
    assert not list((tmp_path / "unpacked").rglob("macros.x"))


@pytest.mark.parametrize(
    ("releases", "dist"),
    [
        (["1.fc43", "2.fc43", "3.fc42"], ".fc43"),
        (["4.el9", "12.el9_4.1", "5.el9.2", "1"], ".el9"),
        (["1.azl3", "10.azl3"], ".azl3"),
        (["1", "2", "3"], ""),
        (["1", "1", "1", "1", "1.fc43"], ""),
        (["2.module_el8.1.0+9"], ""),
        ([], ""),
    ],
)
def test_the_commonest_suffix_of_published_releases_is_dist(releases, dist):
    assert commonest_dist(releases) == dist


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An RPM file that carries macros, with an explicit and a generated requirement."""
    top = tmp_path_factory.mktemp("rpm")
    (top / "m.spec").write_text(
        textwrap.dedent("""\
        Name: vendor-rpm-macros
        Version: 1
        Release: 1
        Summary: x
        License: MIT
        BuildArch: noarch
        Requires: /bin/sh
        Requires: explicit
        %description
        %install
        config=%{buildroot}/usr/lib/rpm
        mkdir -p $config/macros.d $config/vendor %{buildroot}/usr/bin %{buildroot}/etc/rpm
        echo '%%from_d %%{from_vendor}-d' > $config/macros.d/macros.v
        echo '%%from_vendor vendor' > $config/vendor/macros
        echo '%%from_etc etc' > %{buildroot}/etc/rpm/macros.v
        ln -s macros.v $config/macros.d/macros.link
        ln -s /etc/shadow $config/macros.d/macros.out
        ln -s ../../../../../etc/passwd $config/macros.d/macros.up
        printf '#!/bin/sh\\n' > %{buildroot}/usr/bin/tool; chmod 755 %{buildroot}/usr/bin/tool
        %files
        /usr/lib/rpm/*
        /usr/bin/tool
        /etc/rpm/macros.v
        """)
    )
    subprocess.run(
        ["rpmbuild", "-bb", "--define", f"_topdir {top}", str(top / "m.spec")],
        check=True,
        capture_output=True,
    )
    return next(top.glob("RPMS/*/*.rpm"))


@needs_rpmbuild
def test_only_rpms_own_directories_are_unpacked(built, tmp_path):
    unpack_macros(built, tmp_path)
    names = sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir()
    )
    assert names == [
        "etc/rpm/macros.v",
        "usr/lib/rpm/macros.d/macros.link",
        "usr/lib/rpm/macros.d/macros.v",
        "usr/lib/rpm/vendor/macros",
    ]
    with pytest.raises(SurroundingsError, match="broken"):
        broken = tmp_path / "broken.rpm"
        broken.write_bytes(built.read_bytes()[:300])
        unpack_macros(broken, tmp_path)


@needs_rpmbuild
def test_the_header_says_which_dependencies_a_generator_made(built):
    flags = flags_in_header(built.read_bytes()[:20000])
    assert flags is not None
    assert flags.has("requires", "/bin/sh")
    assert not flags.has("requires", "explicit")
    assert flags_in_header(b"") is None
    assert flags_in_header(b"x" * 1000) is None
    assert flags_in_header(built.read_bytes()[:200]) is None
