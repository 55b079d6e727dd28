"""What a native build found, applied to another architecture."""

from dataclasses import replace

import pytest

from bot.build.builder import BuiltPackages
from bot.build.headers import rebuilt_overlay
from bot.build.transfer import map_capability, map_path, transfer
from bot.model.nevra import Nevra
from bot.model.package import Dependency, Overlay, Package

XSLT = "libxslt.so.1()(64bit)"


def package(
    name="nginx",
    arch="x86_64",
    *,
    needs=(),
    says=(),
    spec=(),
    files=(),
    size=1000,
    version="1.26",
    release="1",
    epoch=0,
):
    own = f"{version}-{release}"
    dependencies = (
        *(Dependency("requires", text, generated=True) for text in needs),
        *(Dependency("requires", text, generated=False) for text in spec),
        *(Dependency("provides", text, generated=True) for text in says),
        Dependency("provides", f"{name} = {own}", generated=False),
    )
    return Package(
        Nevra(name, epoch, version, release, arch),
        "nginx",
        "overlay",
        dependencies,
        tuple(files),
        installed_size=size,
        installed_size_nodocs=None if size is None else size - 100,
        download_size=None if size is None else size // 2,
    )


def predicted(*packages, arch="aarch64"):
    return Overlay(arch, frozenset({"nginx"}), packages, "predicted")


def capabilities(package, kind="requires"):
    return {d.capability for d in package.of_kind(kind)}


def moved(base_native, head_native, base_other, head_other=None, provides=lambda _: True):
    return transfer(
        base_native,
        head_native,
        predicted(*base_other),
        predicted(*(base_other if head_other is None else head_other)),
        provides,
        native="x86_64",
    )


@pytest.mark.parametrize(
    ("capability", "arch", "mapped"),
    [
        ("glibc(x86-64) >= 2.36", "aarch64", "glibc(aarch-64) >= 2.36"),
        ("(a(x86-64) or b(x86-64))", "s390x", "(a(s390-64) or b(s390-64))"),
        ("ld-linux-x86-64.so.2()(64bit)", "aarch64", "ld-linux-aarch64.so.1()(64bit)"),
        ("ld-linux-x86-64.so.2(GLIBC_2.3)(64bit)", "ppc64le", "ld64.so.2(GLIBC_2.17)(64bit)"),
        ("libc.so.6(GLIBC_2.2.5)(64bit)", "aarch64", "libc.so.6(GLIBC_2.17)(64bit)"),
        ("libc.so.6(GLIBC_2.2.5)(64bit)", "s390x", "libc.so.6(GLIBC_2.2)(64bit)"),
        ("libc.so.6(GLIBC_2.3.4)(64bit)", "s390x", "libc.so.6(GLIBC_2.3.4)(64bit)"),
        ("libc.so.6(GLIBC_2.34)(64bit)", "ppc64le", "libc.so.6(GLIBC_2.34)(64bit)"),
        ("libxslt.so.1(LIBXML2_1.0.11)(64bit)", "s390x", "libxslt.so.1(LIBXML2_1.0.11)(64bit)"),
    ],
)
def test_capabilities_are_written_as_the_other_architecture_has_them(capability, arch, mapped):
    assert map_capability(capability, "x86_64", arch) == mapped


def test_the_oldest_glibc_of_an_architecture_goes_both_ways():
    text = "libc.so.6(GLIBC_2.17)(64bit)"
    assert map_capability(text, "aarch64", "x86_64") == "libc.so.6(GLIBC_2.2.5)(64bit)"


def test_paths_have_the_other_triplet():
    path = "/usr/lib/x86_64-linux-gnu/x/x86_64-redhat-linux-gcc"
    assert map_path(path, "x86_64", "ppc64le") == (
        "/usr/lib/powerpc64le-linux-gnu/x/powerpc64le-redhat-linux-gcc"
    )


def test_a_library_that_the_build_linked_comes_with_its_bytes():
    published = package(arch="aarch64", needs=["libz.so.1()(64bit)"], size=900, release="9")
    result = moved(
        [package(needs=["libz.so.1()(64bit)"])],
        [package(needs=["libz.so.1()(64bit)", XSLT], size=1300)],
        [published],
    )
    (head,) = result.head.packages
    assert capabilities(head) == {"libz.so.1()(64bit)", XSLT}
    assert (head.installed_size, head.installed_size_nodocs, head.download_size) == (
        1200,
        1100,
        600,
    )
    assert head.nevra == published.nevra
    assert result.base.packages == (published,)
    assert result.head.evidence == result.base.evidence == "transferred"


def test_a_library_no_longer_linked_goes_and_an_explicit_one_stays():
    published = package(arch="aarch64", needs=["liba.so.1()(64bit)", "libb.so.1()(64bit)"])
    result = moved(
        [package(needs=["liba.so.1()(64bit)", "libb.so.1()(64bit)"])],
        [package(spec=["libb.so.1()(64bit)"])],
        [published],
    )
    assert capabilities(result.head.packages[0]) == {"libb.so.1()(64bit)"}


def test_explicit_requirements_of_the_other_architecture_are_those_predicted_there():
    base = package(arch="aarch64", needs=["libz.so.1()(64bit)"])
    head = package(arch="aarch64", needs=["libz.so.1()(64bit)"], spec=["only-on-arm"])
    result = moved(
        [package(needs=["libz.so.1()(64bit)"])],
        [package(needs=["libz.so.1()(64bit)"], spec=["only-on-intel"])],
        [base],
        [head],
    )
    assert capabilities(result.head.packages[0]) == {"libz.so.1()(64bit)", "only-on-arm"}


def test_a_capability_that_nobody_provides_there_leaves_the_image_predicted():
    result = moved(
        [package()],
        [package(needs=["libc.so.6(GLIBC_2.99)(64bit)"])],
        [package(arch="aarch64")],
        provides=lambda capability: "2.99" not in capability,
    )
    assert result.base is None
    assert result.head is None
    assert "libc.so.6(GLIBC_2.99)(64bit) (nginx)" in result.notes[0]
    assert "aarch64" in result.notes[0]


def test_a_capability_of_the_overlay_itself_is_provided():
    result = moved(
        [package()],
        [
            package(needs=["libown.so.1()(64bit)"]),
            package("nginx-libs", says=["libown.so.1()(64bit)"]),
        ],
        [package(arch="aarch64")],
        [package(arch="aarch64"), package("nginx-libs", arch="aarch64", size=None)],
        provides=lambda _: False,
    )
    libs = next(p for p in result.head.packages if p.nevra.name == "nginx-libs")
    assert "libown.so.1()(64bit)" in capabilities(libs, "provides")


def test_a_new_subpackage_has_the_native_sizes_and_a_removed_one_is_gone():
    result = moved(
        [package(), package("nginx-old")],
        [package(), package("nginx-xslt", needs=[XSLT], size=400, files=["/usr/lib64/x.so"])],
        [package(arch="aarch64"), package("nginx-old", arch="aarch64")],
        [package(arch="aarch64"), package("nginx-xslt", arch="aarch64", size=None)],
    )
    names = {p.nevra.name: p for p in result.head.packages}
    assert set(names) == {"nginx", "nginx-xslt"}
    assert names["nginx-xslt"].installed_size == 400
    assert capabilities(names["nginx-xslt"]) == {XSLT}
    assert names["nginx-xslt"].files == ("/usr/lib64/x.so",)


def test_noarch_is_as_built_on_both_sides_with_the_overlays_version():
    result = moved(
        [package("nginx-data", "noarch", size=50, release="3")],
        [package("nginx-data", "noarch", size=70, release="4", spec=["nginx = 1.26-4"])],
        [package("nginx-data", "noarch", size=60, release="1")],
        [package("nginx-data", "noarch", size=60, release="2")],
    )
    (base,), (head,) = result.base.packages, result.head.packages
    assert (base.installed_size, base.nevra.release) == (50, "1")
    assert (head.installed_size, head.nevra.release) == (70, "2")
    assert capabilities(head) == {"nginx = 1.26-2"}
    assert capabilities(base, "provides") == {"nginx-data = 1.26-1"}


def test_a_version_bump_of_generated_capabilities_is_no_difference():
    result = moved(
        [package(needs=["config(nginx) = 1.26-1"])],
        [package(needs=["config(nginx) = 1.26-2"], release="2")],
        [package(arch="aarch64", needs=["config(nginx) = 1.20-7"], version="1.20", release="7")],
    )
    assert capabilities(result.head.packages[0]) == {"config(nginx) = 1.20-7"}


def test_a_package_of_that_architecture_alone_stays_predicted_and_is_named():
    result = moved(
        [package()],
        [package()],
        [package(arch="aarch64"), package("nginx-arm", arch="aarch64", size=5)],
    )
    assert [p.installed_size for p in result.head.packages] == [1000, 5]
    assert any("nginx-arm" in note for note in result.notes)


def test_nothing_is_transferred_to_thirty_two_bits():
    result = transfer(
        [package()],
        [package()],
        predicted(arch="i686"),
        predicted(arch="i686"),
        lambda _: True,
        native="x86_64",
    )
    assert result.head is None
    assert "i686" in result.notes[0]


def test_the_overlay_of_a_build_has_its_own_architecture_and_no_debug_packages(tmp_path):
    built = BuiltPackages(
        (
            package(),
            package("nginx-debuginfo"),
            package("nginx-data", "noarch"),
            package("nginx-libs", "i686"),
        ),
        (),
        tmp_path / "log",
        False,
        1.0,
        ("a note",),
    )
    overlay = rebuilt_overlay(built, "x86_64", {"nginx"})
    assert [str(p.nevra) for p in overlay.packages] == [
        "nginx-0:1.26-1.x86_64",
        "nginx-data-0:1.26-1.noarch",
    ]
    assert (overlay.evidence, overlay.notes) == ("rebuilt", ("a note",))


def test_the_files_of_a_requirement_go_with_it():
    triplet = "/usr/lib/{}-linux-gnu/nginx.so"
    old = Dependency("requires", "/usr/bin/perl", generated=True)
    before = package(needs=["/usr/bin/perl"])
    linked = Dependency("requires", XSLT, generated=True, files=(triplet.format("x86_64"),))
    tool = replace(old, files=("/usr/share/nginx/tool",))
    after = replace(before, dependencies=(tool, linked))
    found = moved([before], [after], [package(arch="aarch64", needs=["/usr/bin/perl"])])
    files = {d.capability: d.files for d in found.head.packages[0].of_kind("requires")}
    assert files == {
        "/usr/bin/perl": ("/usr/share/nginx/tool",),
        XSLT: (triplet.format("aarch64"),),
    }
