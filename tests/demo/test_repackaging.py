"""Parts of repackaging: who links with whom, what scripts would have made, the spec files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.demo.distribution.convert import ElfDependencies, elf_providers, linked_packages
from bot.demo.distribution.debian import SUITES, Evr
from bot.demo.distribution.recipes import (
    Recipe,
    file_lines,
    filesystem_recipe,
    macros_recipe,
    spec_text,
)
from bot.demo.distribution.reference import (
    ReferenceDistribution,
    _edited,
    _next_release,
    nginx_repository_files,
)
from bot.demo.distribution.unpack import Entry, UnpackedPackage, with_generated_files
from bot.errors import SurroundingsError

NOTHING: frozenset[str] = frozenset()


def _unpacked(tree: Path, name: str, files: dict[str, bytes]) -> UnpackedPackage:
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    return UnpackedPackage({"Package": name}, tree, (), NOTHING, 1_600_000_000)


def test_a_package_links_with_those_that_provide_what_it_needs() -> None:
    packages = {
        "libz": ElfDependencies(frozenset({"libz.so.1()(64bit)"}), NOTHING),
        "both": ElfDependencies(
            frozenset({"libx.so.1()(64bit)"}),
            frozenset({"libx.so.1()(64bit)", "libz.so.1()(64bit)", "rtld(GNU_HASH)"}),
        ),
        "rival": ElfDependencies(frozenset({"libx.so.1()(64bit)"}), NOTHING),
    }
    providers = elf_providers(packages)
    assert linked_packages("both", packages["both"], providers) == {"libz"}
    assert linked_packages("libz", packages["libz"], providers) == frozenset()


def test_mawk_gets_the_links_that_alternatives_would_make(tmp_path: Path) -> None:
    made = with_generated_files(_unpacked(tmp_path, "mawk", {"usr/bin/mawk": b""}))
    assert [entry.path for entry in made.entries] == ["/usr/bin/awk", "/usr/bin/nawk"]
    assert (tmp_path / "usr/bin/awk").readlink() == Path("mawk")


def test_a_package_without_scripts_to_mend_is_left_as_it_is(tmp_path: Path) -> None:
    unpacked = _unpacked(tmp_path, "gawk", {"usr/bin/gawk": b""})
    assert with_generated_files(unpacked) is unpacked


def test_the_certificates_become_one_bundle_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = "usr/share/ca-certificates/mozilla"
    files = {f"{folder}/B.crt": b"bbb", f"{folder}/A.crt": b"aaa\n"}
    made = with_generated_files(_unpacked(tmp_path, "ca-certificates", files))
    assert [entry.path for entry in made.entries] == ["/etc/ssl/certs/ca-certificates.crt"]
    assert (tmp_path / "etc/ssl/certs/ca-certificates.crt").read_bytes() == b"aaa\nbbb\n"


def test_a_copied_file_is_configuration(tmp_path: Path) -> None:
    files = {"usr/share/base-files/profile": b"PATH=/usr/bin\n"}
    made = with_generated_files(_unpacked(tmp_path, "base-files", files))
    assert made.config_files == {"/etc/profile"}
    assert (tmp_path / "etc/profile").stat().st_mtime == 1_600_000_000


def test_the_filesystem_package_provides_its_users_and_groups(tmp_path: Path) -> None:
    recipe = filesystem_recipe(tmp_path / "tree", SUITES[0])
    assert {"user(www-data)", "group(shadow)"} <= set(recipe.provides)
    assert (tmp_path / "tree/lib64").readlink() == Path("usr/lib64")
    passwd = (tmp_path / "tree/etc/passwd").read_text()
    assert "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n" in passwd


def test_the_macros_name_dist_and_the_architecture_s_library_directory(tmp_path: Path) -> None:
    macros_recipe(tmp_path / "tree", SUITES[0], "ppc64le")
    macros = (tmp_path / "tree/usr/lib/rpm/macros.d/macros.reference").read_text()
    places = (tmp_path / "tree/etc/rpm/macros.reference").read_text()
    assert "\n%dist .deb12\n" in macros
    assert "\n%_libdir %{_prefix}/lib/powerpc64le-linux-gnu\n" in places


def _distribution(root: Path, version: str) -> ReferenceDistribution:
    return ReferenceDistribution(root, SUITES[0], {}, root, root, {"nginx": version})


def test_the_demo_s_spec_file_has_the_published_version(tmp_path: Path) -> None:
    (tmp_path / "nginx_1.26.3.orig.tar.gz").write_bytes(b"tarball")
    files = nginx_repository_files(_distribution(tmp_path, "1.26.3-3+deb13u10"))
    base, head = files.base["nginx.spec"].decode(), files.head["nginx.spec"].decode()
    assert "Version:        1.26.3\n" in base
    assert "Release:        3+deb13u10%{?dist}\n" in base
    assert "Release:        4%{?dist}\n" in head
    assert files.base["nginx-1.26.3.tar.gz"] == b"tarball"
    assert "> - 1.26.3-4\n" in head


def test_a_distribution_without_the_source_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SurroundingsError, match="Delete"):
        nginx_repository_files(_distribution(tmp_path, "1.22.1-9"))


def test_an_edit_that_no_longer_fits_the_spec_file_is_an_error() -> None:
    with pytest.raises(ValueError, match="libssl-dev"):
        _edited("Name: nginx\n")


@pytest.mark.parametrize(("release", "following"), [("9+deb12u9", "10"), ("1", "2"), ("x", "x.1")])
def test_the_next_release_raises_the_first_number(release: str, following: str) -> None:
    assert _next_release(release) == following


RECIPE = Recipe(
    name="nginx-common",
    evr=Evr(0, "1.22.1", "9.deb12"),
    arch="noarch",
    source="nginx",
    source_evr=Evr(0, "1.22.1", "9.deb12"),
    summary="Files of 100% nginx",
    description="Files.",
    url="https://nginx.org",
    tree=Path("/build/tree"),
    entries=(Entry("/etc/nginx", "directory", 0o755),),
    time=1_600_000_000,
    requires=("(a or b >= 1)",),
)


def test_a_package_of_another_source_is_a_subpackage() -> None:
    lines = spec_text(RECIPE).splitlines()
    assert lines[0] == "Name: nginx"
    assert "%package -n nginx-common" in lines
    assert "%files -n nginx-common" in lines
    assert "%files" not in lines
    assert "Requires: (a or b >= 1)" in lines


def test_a_package_named_as_its_source_is_the_main_one_with_its_own_version() -> None:
    recipe = replace(RECIPE, name="bash", source="bash", evr=Evr(0, "5.2", "2+b8.deb12"))
    lines = spec_text(recipe).splitlines()
    assert "Release: 2+b8.deb12" in lines
    assert "%files" in lines
    assert not any(line.startswith("%package") for line in lines)


def test_an_epoch_of_zero_is_not_written() -> None:
    assert "Epoch" not in spec_text(RECIPE)
    assert "Epoch: 1" in spec_text(replace(RECIPE, evr=Evr(1, "1", "1")))


def test_a_percent_sign_does_not_start_a_macro() -> None:
    assert "Summary: Files of 100%% nginx" in spec_text(RECIPE)


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (Entry("/usr/bin/[", "file", 0o755), '%attr(0755,root,root) "/usr/bin/["'),
        (Entry("/usr/share/a%b c", "file", 0o644), '%attr(0644,root,root) "/usr/share/a%%b c"'),
        (Entry("/usr/bin/awk", "link", 0o777), '"/usr/bin/awk"'),
        (Entry("/var/mail", "directory", 0o2775, "root", "mail"),
         '%dir %attr(2775,root,mail) "/var/mail"'),
        (Entry("/usr/share/doc/x/copyright", "file", 0o644),
         '%doc %attr(0644,root,root) "/usr/share/doc/x/copyright"'),
        (Entry("/usr/share/man/de/man1/x.1.gz", "file", 0o644),
         '%doc %lang(de) %attr(0644,root,root) "/usr/share/man/de/man1/x.1.gz"'),
        (Entry("/usr/share/man/man1/x.1.gz", "link", 0o777),
         '%doc "/usr/share/man/man1/x.1.gz"'),
        (Entry("/usr/share/locale/pt_BR/LC_MESSAGES/x.mo", "file", 0o644),
         '%lang(pt_BR) %attr(0644,root,root) "/usr/share/locale/pt_BR/LC_MESSAGES/x.mo"'),
        (Entry("/etc/x", "file", 0o640), '%config(noreplace) %attr(0640,root,root) "/etc/x"'),
    ],
)  # fmt: skip
def test_a_file_keeps_its_mode_and_what_it_is_for(entry: Entry, line: str) -> None:
    assert file_lines([entry], config_files=frozenset({"/etc/x"})) == [line]


def test_directories_of_the_filesystem_package_are_left_to_it() -> None:
    entries = [Entry("/usr", "directory", 0o755), Entry("/usr/lib/x", "directory", 0o755)]
    lines = file_lines(entries, left_out=frozenset({"/usr"}))
    assert lines == ['%dir %attr(0755,root,root) "/usr/lib/x"']


def test_a_name_that_rpm_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="quote"):
        file_lines([Entry('/usr/share/a"quote', "file", 0o644)])
