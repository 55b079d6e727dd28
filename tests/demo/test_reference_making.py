"""Making the distribution: what is missing here, what the mirror answers, who goes first."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from bot.demo.distribution import build, fetch, reference
from bot.demo.distribution.build import Lines, Progress, Silent, progress
from bot.demo.distribution.debian import SUITES, Evr, Suite, package_evr
from bot.demo.distribution.fetch import MirrorError
from bot.demo.distribution.reference import write_documents
from bot.errors import SurroundingsError

BOOKWORM, TRIXIE = SUITES


class Said(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def message(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture
def filled_cache(tmp_path: Path) -> Path:
    """A cache with a distribution that has no packages."""
    root = reference.place(tmp_path)
    root.mkdir(parents=True)
    write_documents(root / "config", root / "repositories", BOOKWORM)
    reference.write_record(root, root, BOOKWORM, {"nginx": "1.22.1-9"})
    return tmp_path


def test_a_missing_tool_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SurroundingsError) as caught:
        build.build_reference_distribution(tmp_path / "cache")
    assert "apt-get, dpkg-deb, rpmbuild" in caught.value.what
    assert "rpm-build" in caught.value.hint
    assert caught.value.exit_code == 1


def test_what_was_made_before_is_found(filled_cache: Path) -> None:
    distribution = build.build_reference_distribution(filled_cache)
    assert distribution.dist == ".deb12"
    evr = package_evr(distribution.versions["nginx"], distribution.dist)
    assert evr == Evr(0, "1.22.1", "9.deb12")
    assert distribution.repositories["s390x"].startswith("file:///")


def test_an_unfinished_making_is_not_found(tmp_path: Path) -> None:
    reference.place(tmp_path).mkdir(parents=True)
    assert reference.find_reference_distribution(tmp_path) is None


def test_the_documents_follow_a_cache_that_was_moved(filled_cache: Path, tmp_path: Path) -> None:
    moved = filled_cache.with_name(filled_cache.name + "-moved")
    filled_cache.rename(moved)
    distribution = reference.find_reference_distribution(moved)
    assert distribution is not None
    text = (distribution.config_dir / "reference.yaml").read_text()
    assert f"{distribution.root.as_uri()}/repositories/$basearch" in text
    assert json.loads((distribution.root / "distribution.json").read_text())["root"] == str(
        distribution.root
    )


def test_documents_of_another_version_are_written_anew(filled_cache: Path) -> None:
    root = reference.place(filled_cache)
    record = json.loads((root / "distribution.json").read_text())
    (root / "distribution.json").write_text(json.dumps(record | {"documents": -1}))
    (root / "config/nginx.yaml").write_text("old\n")
    assert reference.find_reference_distribution(filled_cache) is not None
    assert "packages:" in (root / "config/nginx.yaml").read_text()
    record = json.loads((root / "distribution.json").read_text())
    assert record["documents"] != -1


def test_an_inconsistent_mirror_is_said_and_the_next_suite_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(suite: Suite, directory: Path, sources: Path, shown: Progress) -> build.Debian:
        if suite == BOOKWORM:
            raise MirrorError("File has unexpected size (9515196 != 9516256).")
        return build.Debian(TRIXIE, {}, {})

    monkeypatch.setattr(build, "_fetch_suite", answer)
    said = Said()
    assert build._fetch(tmp_path, tmp_path / "sources", said).suite == TRIXIE
    text = "bookworm is not available: File has unexpected size (9515196 != 9516256)."
    assert said.texts == [text]


def test_a_mirror_that_fails_for_every_suite_ends_with_both_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(suite: Suite, directory: Path, sources: Path, shown: Progress) -> build.Debian:
        raise MirrorError(f"{suite.codename} is not there.", "Try again later.")

    monkeypatch.setattr(build, "_fetch_suite", answer)
    with pytest.raises(MirrorError) as caught:
        build._fetch(tmp_path, tmp_path / "sources", Silent())
    assert caught.value.what == "bookworm is not there. trixie is not there."
    assert caught.value.hint == "Try again later."


def test_apt_s_complaint_is_shown_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "bin/apt-get", "echo 'E: Hash Sum mismatch' >&2; exit 100")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(fetch, "KEYRINGS", (tmp_path / "bin/apt-get",))
    apt = fetch.open_apt(tmp_path / "apt", "ppc64le", BOOKWORM)
    with pytest.raises(MirrorError) as caught:
        fetch.update(apt)
    assert "bookworm for ppc64el failed: Hash Sum mismatch" in caught.value.what
    assert "MINIMIZE_DEBIAN_MIRROR" in caught.value.hint


def test_apt_is_told_of_its_own_directories_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "bin/apt-get", f'printf "%s\\n" "$@" > {tmp_path}/arguments')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("MINIMIZE_DEBIAN_MIRROR", "http://mirror.example/debian/")
    monkeypatch.setattr(fetch, "KEYRINGS", (tmp_path / "bin/apt-get",))
    apt = fetch.open_apt(tmp_path / "apt", "x86_64", BOOKWORM)
    fetch.download(apt, [("nginx", "1.22.1-9")], tmp_path / "out")
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[-2:] == ["download", "nginx=1.22.1-9"]
    assert f"Dir::State::status={tmp_path}/apt/status" in arguments
    assert "Dir::Etc::sourceparts=/dev/null" in arguments
    sources = (tmp_path / "apt/sources.list").read_text()
    assert "http://mirror.example/debian bookworm main" in sources
    assert "signed-by=" in sources


@pytest.mark.skipif(shutil.which("apt-config") is None, reason="apt is not on this machine")
def test_this_machine_s_hooks_are_not_run_and_its_proxy_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = tmp_path / "host.conf"
    host.write_text(
        'Acquire::http::Proxy "http://proxy.example:3128";\n'
        f'APT::Update::Pre-Invoke {{ "touch {tmp_path}/hook"; }};\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(host))
    monkeypatch.setattr(fetch, "KEYRINGS", (host,))
    apt = fetch.open_apt(tmp_path / "apt", "x86_64", BOOKWORM)
    finished = subprocess.run(
        ["apt-config", "dump"],
        env={"PATH": "/usr/bin", "APT_CONFIG": str(apt.directory / "apt.conf")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in finished.stdout
    assert "Invoke" not in finished.stdout


def _program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_debian_s_keys_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "KEYRINGS", (tmp_path / "none.gpg",))
    with pytest.raises(SurroundingsError) as caught:
        fetch.open_apt(tmp_path / "apt", "x86_64", BOOKWORM)
    assert "debian-archive-keyring" in caught.value.hint


def test_a_file_downloaded_before_is_used_only_while_it_is_whole(tmp_path: Path) -> None:
    deb = tmp_path / "a.deb"
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert not build._is_whole(deb, empty)
    deb.write_bytes(b"")
    assert build._is_whole(deb, empty)
    deb.write_bytes(b"cut off")
    assert not build._is_whole(deb, empty)


def test_a_second_process_waits_for_the_first_and_uses_what_it_made(filled_cache: Path) -> None:
    record = reference.place(filled_cache) / "distribution.json"
    content = record.read_bytes()
    record.unlink()
    waiting = threading.Event()

    class Waiting(Silent):
        def message(self, text: str) -> None:
            waiting.set()

    found: list[object] = []
    with reference.place(filled_cache).with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(
            target=lambda: found.append(build.build_reference_distribution(filled_cache, Waiting()))
        )
        second.start()
        assert waiting.wait(90)
        assert found == []
        record.write_bytes(content)
        fcntl.flock(lock, fcntl.LOCK_UN)
        second.join(90)
    assert found == [reference.find_reference_distribution(filled_cache)]


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMIZE_CACHE", "/srv/cache")
    assert reference.default_cache() == Path("/srv/cache")
    monkeypatch.delenv("MINIMIZE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/x/.c")
    assert reference.default_cache() == Path("/home/x/.c/minimize")


def test_without_a_terminal_progress_is_lines_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress() as shown:
        assert isinstance(shown, Lines)
        shown.step("Unpacking", 400)()
        shown.message("done")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "s] Unpacking (400)\n" in captured.err
    assert captured.err.endswith("s] done\n")
