"""Packages that somebody else built: found, taken and read; what is not what it says is refused."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.build.external import ExternalBuilds, download_within
from bot.build.headers import HeaderError
from bot.build.listing import ListedPackage, ListingError, newest_build, read_listing
from bot.demo.distribution.reference import write_metadata, write_repository
from bot.distro.cache import Cache
from bot.distro.failover import AbsentError, RefusedFileError
from bot.distro.repomd import createrepo
from bot.errors import SurroundingsError
from bot.model.nevra import Nevra
from tests.distro.servers import running

SPEC = """
Name: {name}
Version: 1
Release: {release}
Summary: s
License: MIT
%global debug_package %{{nil}}
%description
d
%package libs
Summary: s
Requires: needs-{release}
%description libs
d
%package debuginfo
Summary: s
%description debuginfo
d
%package data
Summary: s
BuildArch: noarch
%description data
d
%files
%files libs
%files debuginfo
%files data
"""


def build(where: Path, name: str = "tool", release: str = "1") -> list[Path]:
    """RPM files of a source, below `where`."""
    work = where / ".work"
    work.mkdir(parents=True, exist_ok=True)
    (work / "it.spec").write_text(SPEC.format(name=name, release=release))
    topdir = ["--define", f"_topdir {work}", "--define", f"_rpmdir {where}"]
    topdir += ["--define", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"]
    subprocess.run(
        ["rpmbuild", "-bb", "--quiet", "--target", "x86_64", *topdir, str(work / "it.spec")],
        check=True,
        capture_output=True,
    )
    return sorted(where.rglob(f"{name}-*1-{release}.*.rpm"))


@pytest.fixture(scope="module")
def built_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("made")
    for name, release in (("tool", "1"), ("tool", "2"), ("other", "1")):
        build(where / f"{name}-{release}", name, release)
    return where


@pytest.fixture
def root(tmp_path: Path, built_packages: Path) -> Path:
    """A repository as Copr has it: a folder for each build."""
    where = tmp_path / "repository"
    shutil.copytree(built_packages, where)
    publish(where, {"tool-1": 100, "tool-2": 200, "other-1": 150})
    return where


def publish(where: Path, times: dict[str, int]) -> None:
    """Writes the metadata; the times of publication by folder."""
    rpms = sorted(where.rglob("*.rpm"))

    def described() -> Iterator[object]:
        for path in rpms:
            href = str(path.relative_to(where))
            package = createrepo().package_from_rpm(
                str(path), location_href=href, checksum_type=createrepo().SHA256, changelog_limit=0
            )
            package.time_file = times[href.split("/", maxsplit=1)[0]]
            yield package

    write_metadata(where, described, len(rpms), 1)


def builds_in(root: Path, tmp_path: Path) -> tuple[ExternalBuilds, str]:
    url = f"file://{root}/"
    return ExternalBuilds(Cache(tmp_path / "cache"), [url]), url


def test_the_newest_build_of_each_source_and_no_debug_packages(root: Path, tmp_path: Path) -> None:
    builds, url = builds_in(root, tmp_path)
    packages = builds.look(url, "x86_64", ["other", "tool"]).listed
    assert [str(package.nevra) for package in packages] == [
        "other-0:1-1.x86_64",
        "other-data-0:1-1.noarch",
        "other-libs-0:1-1.x86_64",
        "tool-0:1-2.x86_64",
        "tool-data-0:1-2.noarch",
        "tool-libs-0:1-2.x86_64",
    ]


def test_what_was_published_last_counts_not_the_highest_version(root: Path, tmp_path: Path) -> None:
    publish(root, {"tool-1": 300, "tool-2": 200, "other-1": 150})
    builds, url = builds_in(root, tmp_path)
    assert {package.nevra.release for package in builds.look(url, "x86_64", ["tool"]).listed} == {
        "1"
    }


def test_the_same_version_built_again_is_not_mixed_with_the_first(
    root: Path, built_packages: Path, tmp_path: Path
) -> None:
    shutil.copytree(built_packages / "tool-2", root / "again")
    for path in (root / "again").rglob("tool-libs-*"):
        path.unlink()  # a subpackage that the newer build no longer has
    publish(root, {"tool-1": 100, "tool-2": 200, "other-1": 150, "again": 400})
    builds, url = builds_in(root, tmp_path)
    packages = builds.look(url, "x86_64", ["tool"]).listed
    assert [package.nevra.name for package in packages] == ["tool", "tool-data"]
    assert packages[0].href.startswith("again/")


def test_two_builds_of_a_version_are_told_apart_by_the_time_they_were_built() -> None:
    def package(name: str, built: int, published: int) -> ListedPackage:
        nevra = Nevra(name, 0, "1", "1", "x86_64")
        href = f"Packages/{name[0]}/{name}.{built}.rpm"
        return ListedPackage(nevra, "a", "a-1-1.src.rpm", href, "sha256", "00", 1, published, built)

    first = [package("a", 10, 11), package("a-old", 10, 11), package("liba", 10, 12)]
    second = [package("a", 20, 21), package("liba", 20, 22)]
    assert newest_build([*second, *first]) == tuple(second)
    assert newest_build(first) == tuple(first)
    assert newest_build([]) == ()


def test_packages_are_taken_once_for_a_commit_and_kept(root: Path, tmp_path: Path) -> None:
    builds, url = builds_in(root, tmp_path)
    assert builds.cached(url, "x86_64", ["tool"], "c1") is None
    taken = builds.take(url, "x86_64", ["tool"], "c1")
    assert not taken.from_cache
    by_name = {package.nevra.name: package for package in taken.packages}
    assert sorted(by_name) == ["tool", "tool-data", "tool-libs"]
    assert "needs-2" in {d.capability for d in by_name["tool-libs"].of_kind("requires")}
    assert {p.source for p in taken.packages} == {"tool"}
    assert all(p.installed_size is not None for p in taken.packages)
    assert all(path.is_file() for path in taken.rpms)
    assert url in taken.log.read_text()
    assert builds.take(url, "x86_64", ["tool"], "c1").from_cache
    assert builds.cached(url, "x86_64", ["tool"], "c1") is not None
    # Another push's build takes the place of the first in the same repository.
    assert builds.cached(url, "x86_64", ["tool"], "c2") is None


def test_a_repository_that_changed_is_taken_again(root: Path, tmp_path: Path) -> None:
    builds, url = builds_in(root, tmp_path)
    builds.take(url, "x86_64", ["tool"], "c1")
    publish(root, {"tool-1": 300, "tool-2": 200, "other-1": 150})
    again = builds.take(url, "x86_64", ["tool"], "c1")
    assert not again.from_cache
    assert {p.nevra.release for p in again.packages} == {"1"}


def test_what_is_not_there_yet_is_absent(root: Path, tmp_path: Path) -> None:
    builds, url = builds_in(root, tmp_path)
    with pytest.raises(AbsentError, match="no packages of nobody for x86_64"):
        builds.look(url, "x86_64", ["tool", "nobody"])
    with pytest.raises(AbsentError, match="tool for aarch64"):
        # Its noarch package alone is no build for that architecture's image; nor is it here.
        for path in root.rglob("tool-data-*"):
            path.unlink()
        publish(root, {"tool-1": 100, "tool-2": 200, "other-1": 150})
        builds.look(url, "aarch64", ["tool"])
    shutil.rmtree(root / "repodata")
    with pytest.raises(AbsentError, match=r"repomd\.xml"):
        builds.look(url, "x86_64", ["tool"])


def test_a_half_written_repository_is_refused(root: Path, tmp_path: Path) -> None:
    builds, url = builds_in(root, tmp_path)
    (primary,) = (root / "repodata").glob("*primary*")
    whole = primary.read_bytes()
    primary.write_bytes(whole[:-10])
    with pytest.raises(RefusedFileError):
        builds.look(url, "x86_64", ["tool"])
    primary.unlink()
    with pytest.raises(AbsentError):
        builds.look(url, "x86_64", ["tool"])
    primary.write_bytes(whole)
    for path in root.rglob("tool-libs-*"):
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(RefusedFileError, match="checksum"):
        builds.take(url, "x86_64", ["tool"], "c1")


def relabel(root: Path, old: str, new: str) -> None:
    """Changes what primary.xml says, with checksums that fit."""
    import zstandard

    (primary,) = (root / "repodata").glob("*primary*")
    text = zstandard.ZstdDecompressor().stream_reader(primary.read_bytes()).read().decode()
    assert old in text
    plain = text.replace(old, new).encode()
    packed = zstandard.ZstdCompressor().compress(plain)
    (root / "repodata/primary.xml.zst").write_bytes(packed)
    sums = [hashlib.sha256(content).hexdigest() for content in (packed, plain)]
    (root / "repodata/repomd.xml").write_text(
        '<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary">'
        f'<checksum type="sha256">{sums[0]}</checksum>'
        f'<open-checksum type="sha256">{sums[1]}</open-checksum>'
        f'<location href="repodata/primary.xml.zst"/><size>{len(packed)}</size>'
        f"<open-size>{len(plain)}</open-size></data></repomd>"
    )


@pytest.mark.parametrize(
    ("old", "new", "error", "said"),
    [
        # The metadata says another source or name than the file's own header.
        ("other-1-1.src.rpm", "tool-1-9.src.rpm", HeaderError, "of tool is one of other"),
        ("<name>tool-libs</name>", "<name>glibc</name>", HeaderError, "not the packages"),
        ('href="tool-2/', 'href="../tool-2/', RefusedFileError, "not inside the repository"),
        ('href="tool-2/', 'href="https://evil/', RefusedFileError, "not inside the repository"),
        ('href="tool-2/', 'href="tool%2f', RefusedFileError, "no plain path"),
        ('href="tool-2/', 'href="/tool-2/', RefusedFileError, "not inside the repository"),
        ("<location href", '<location xml:base="https://e/" href', RefusedFileError, "inside"),
        ("<metadata", "<!DOCTYPE x><metadata", RefusedFileError, "document type"),
        ("<metadata", "<notdata", RefusedFileError, "not a primary.xml"),
        ("</version>", "", RefusedFileError, "not XML"),
    ],
)
def test_lies_in_the_metadata_are_refused(
    root: Path, tmp_path: Path, old: str, new: str, error: type[Exception], said: str
) -> None:
    if new.startswith("tool-1-9"):
        publish(root, {"tool-1": 100, "tool-2": 200, "other-1": 900})
    if old == "</version>":
        new = "</wrong>"
        old = "</package>"
    relabel(root, old, new)
    builds, url = builds_in(root, tmp_path)
    with pytest.raises(error, match=said):
        builds.take(url, "x86_64", ["tool"], "c1")


def test_no_more_packages_are_listed_than_a_source_can_have(root: Path, monkeypatch) -> None:
    import zstandard

    monkeypatch.setattr("bot.build.listing.BUILT_PACKAGES", 2)
    (primary,) = (root / "repodata").glob("*primary*")
    plain = zstandard.ZstdDecompressor().stream_reader(primary.read_bytes()).read()
    with pytest.raises(ListingError, match="more than 2 packages"):
        read_listing([plain], "x86_64", ["tool"])


PRIMARY = (
    '<metadata xmlns="http://linux.duke.edu/metadata/common" packages="1"><package type="rpm">'
    "<name>tool</name><arch>x86_64</arch>"
    '<version epoch="0" ver="1" rel="2"/><checksum type="sha256">00ff</checksum>'
    '<time file="1" build="1"/><size package="5"/><location href="tool.rpm"/>'
    '<format><rpm:sourcerpm xmlns:rpm="r">tool-1-2.src.rpm</rpm:sourcerpm></format>'
    "</package></metadata>"
)


def listed_in(text: str | bytes) -> tuple[ListedPackage, ...]:
    return read_listing([text if isinstance(text, bytes) else text.encode()], "x86_64", ["tool"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<metadata>" + "<a>" * 100_000, "too deep"),
        (PRIMARY.replace(">tool<", f">{'t' * 100_000}<"), "longer than"),
        (PRIMARY.replace("00ff", "00fg"), "without what is needed"),
        (PRIMARY.replace('package="5"', 'package="many"'), "without what is needed"),
        (PRIMARY.replace('package="5"', f'package="{"9" * 4000}"'), "without what is needed"),
        (PRIMARY.replace('package="5"', 'package="-5"'), "without what is needed"),
        (PRIMARY.replace("<location", "<elsewhere"), "without what is needed"),
        (PRIMARY.replace("tool.rpm", "t" * 5000), "longer than"),
        ("", "not XML"),
    ],
)
def test_a_listing_that_means_harm_ends_early(text: str, said: str) -> None:
    assert len(listed_in(PRIMARY)) == 1
    with pytest.raises(ListingError, match=said):
        listed_in(text)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(PRIMARY) - 1), st.binary(max_size=6), st.integers(0, 8))
def test_whatever_a_listing_says_it_is_read_or_refused(at: int, put: bytes, cut: int) -> None:
    whole = PRIMARY.encode()
    try:
        packages = listed_in(whole[:at] + put + whole[at + cut :])
    except ListingError:
        return
    assert all(package.source == "tool" for package in packages)


class Server(BaseHTTPRequestHandler):
    """`/a/` has files, `/a/away` leads out of it, `/a/on` within it; `/b/` is not ours to read."""

    seen: list[str] = []  # noqa: RUF012  # one test's record

    def do_GET(self) -> None:
        self.seen.append(self.path)
        onward = {"/a/away": "/b/secret", "/a/up": "/a/../b/secret", "/a/on": "/a/file"}
        if self.path in onward:
            self.send_response(302)
            self.send_header("Location", onward[self.path])
            self.end_headers()
            return
        status = {"/a/gone": 404, "/a/ill": 500, "/a/loop": 302}.get(self.path, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/a/loop")
        self.end_headers()
        self.wfile.write(b"content")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.seen = []
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Server)) as url:
        yield url


def test_a_redirect_is_followed_within_the_place_and_never_out_of_it(
    server: str, tmp_path: Path
) -> None:
    target, places = tmp_path / "it", [f"{server}/a/"]
    download_within(f"{server}/a/on", target, 100, places)
    assert target.read_bytes() == b"content"
    for path in ("/a/away", "/a/up", "/b/secret"):
        with pytest.raises(RefusedFileError, match="not within a place"):
            download_within(server + path, target, 100, places)
    assert not [path for path in Server.seen if "secret" in path]
    with pytest.raises(RefusedFileError, match="larger than the 3 bytes"):
        download_within(f"{server}/a/file", target, 3, places)
    with pytest.raises(AbsentError):
        download_within(f"{server}/a/gone", target, 100, places)
    with pytest.raises(SurroundingsError, match="HTTP status 500"):
        download_within(f"{server}/a/ill", target, 100, places)
    with pytest.raises(SurroundingsError, match="redirects more than 5 times"):
        download_within(f"{server}/a/loop", target, 100, places)
    with pytest.raises(SurroundingsError, match="could not be read"):
        download_within("http://127.0.0.1:1/x", target, 100, ["http://127.0.0.1:1/"])


def test_a_local_file_is_read_below_its_place_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").write_text("x")
    for url in (f"file://{tmp_path}/out", f"file://{tmp_path}/in/../out"):
        with pytest.raises(RefusedFileError):
            download_within(url, tmp_path / "it", 9, [f"file://{tmp_path}/in/"])


def test_a_repository_as_write_repository_makes_it(built_packages: Path, tmp_path: Path) -> None:
    root = tmp_path / "plain"
    shutil.copytree(built_packages / "tool-2", root)
    write_repository(root, sorted(root.rglob("*.rpm")), revision=5)
    builds, url = builds_in(root, tmp_path)
    assert len(builds.take(url, "x86_64", ["tool"], "c1").packages) == 3
