"""The commands on images: which documents they use, and which images they look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.cli import main
from bot.distro import sharing
from tests.closure.conftest import Tiny

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Documents that come along: two repositories, two workloads; one stands in an empty folder."""
    base = Tiny(tmp_path).repository("base")
    base.package("web-0:1-1.x86_64", requires=["perl"]).package("perl-0:5-1.x86_64", size=500)
    base.package("shell-0:1-1.x86_64")
    url = base.write()
    folder = tmp_path / "built-in"
    folder.mkdir()
    common = {"name": "n", "description": "d", "maintainer": "m"}
    for name in ("centos-stream-9", "fedora-45"):
        source = {"repos": {"base": {"baseurl": url}}, "architectures": ["x86_64"]}
        write(folder, name, "repository", {**common, "source": {**source, "releasever": "9"}}, 2)
    both = ["centos-stream-9", "fedora-45"]
    packages = {"packages": ["shell"], "labels": ["l"]}
    write(folder, "minimal", "environment", {**common, **packages, "repositories": both})
    for workload in ("web", "shell"):
        write(folder, workload, "workload", {**common, "packages": [workload], "labels": ["l"]})
    monkeypatch.setattr(sharing, "built_in_documents", lambda: folder)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("MINIMIZE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MINIMIZE_DATA", str(tmp_path / "data"))
    return folder


def write(folder: Path, name: str, kind: str, data: dict[str, object], version: int = 1) -> None:
    document = {"document": f"feedback-pipeline-{kind}", "version": version, "data": data}
    (folder / f"{name}.yaml").write_text(json.dumps(document))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out, out.err

    return command


@pytest.mark.usefixtures("documents")
def test_on_takes_one_repository_that_comes_along_and_needs_no_folder(run: Run) -> None:
    code, out, err = run("closure", "--on", "centos-stream-9", "--format", "json")
    keys = {(i["repository"], i["workload"]) for i in json.loads(out)["images"]}
    assert (code, err) == (0, "")
    assert keys == {("centos-stream-9", "web"), ("centos-stream-9", "shell")}


@pytest.mark.usefixtures("documents")
def test_a_misspelled_repository_is_named_with_the_one_that_is_meant(run: Run) -> None:
    code, _, err = run("closure", "--on", "centos-steam-9")
    assert code == 2
    assert "No repository is called `centos-steam-9`" in err
    assert "Did you mean centos-stream-9?" in err.replace("`", "")


def test_on_and_config_contradict_each_other(run: Run, documents: Path) -> None:
    code, _, err = run("closure", "--on", "fedora-45", "--config", str(documents))
    assert code == 2
    assert "--repository" in err


@pytest.mark.usefixtures("documents")
def test_why_without_a_workload_looks_at_all_images(run: Run) -> None:
    code, out, _ = run("why", "perl", "--on", "fedora-45", "--format", "json")
    found = {i["workload"]: i["nevra"] for i in json.loads(out)["images"]}
    assert (code, found) == (0, {"web": "perl-0:5-1.x86_64", "shell": None})
    code, out, _ = run("why", "perl", "--on", "fedora-45")
    assert (code, "web on minimal" in out, "shell on minimal" in out) == (0, True, False)
    assert "shell on minimal" in run("why", "perl", "--on", "fedora-45", "--workload", "shell")[1]
    assert "shell on minimal" in run("why", "emacs", "--on", "fedora-45")[1]


@pytest.mark.usefixtures("documents")
def test_what_if_forbid_names_the_requirers(run: Run) -> None:
    options = ("--on", "fedora-45", "--workload", "web")
    code, out, _ = run("what-if", "forbid", "perl", *options, "--format", "json")
    (image,) = json.loads(out)["images"]
    assert (code, image["saved"]) == (0, 500)
    assert image["because"] == [{"nevra": "web-0:1-1.x86_64", "capability": "perl"}]
    assert "web-0:1-1.x86_64 requires perl" in run("what-if", "forbid", "perl", *options)[1]
    assert run("what-if", "forbid", "perl", "--from", "web", *options)[0] == 2


@pytest.mark.usefixtures("documents")
def test_impact_lists_images_and_packages_that_break(run: Run) -> None:
    code, out, err = run("impact", "drop", "perl", "--on", "fedora-45", "--format", "json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert [(i["workload"], i["status"]) for i in answer["images"]] == [("web", "unsolvable")]
    assert answer["images"][0]["causes"][0]["needed_by"] == "web-0:1-1.x86_64"
    place = {"repository": "fedora-45", "arch": "x86_64", "from": "base"}
    assert answer["broken"] == [{"nevra": "web-0:1-1.x86_64", "capability": "perl", **place}]
    _, text, _ = run("impact", "drop", "perl", "--on", "fedora-45")
    assert "web on minimal, fedora-45, x86_64: cannot be installed any more" in text
    assert "1 package could not be installed any more:\n  web-0:1-1.x86_64 (perl)" in text
    assert run("impact", "drop", "emacs", "--on", "fedora-45")[0] == 2


@pytest.mark.usefixtures("documents")
@pytest.mark.parametrize(
    "arguments", [("closure",), ("why", "perl"), ("what-if", "drop", "perl", "--workload", "web")]
)
def test_without_documents_of_ones_own_a_distribution_must_be_named(
    run: Run, arguments: tuple[str, ...]
) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "--on" in err and "centos-stream-9, fedora-45" in err
    assert run(*arguments, "--repository", "fedora-45")[0] == 0
    assert run(*arguments, "--on", "fedora-45")[0] == 0


@pytest.mark.usefixtures("documents")
@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("why", "prel"), "`perl`"),
        (("what-if", "drop", "perll", "--workload", "web"), "`perl`"),
        (("what-if", "drop", "perl", "--from", "wbe1", "--workload", "web"), ""),
        (("what-if", "forbid", "shel", "--workload", "web"), "`shell`"),
    ],
)
def test_a_name_that_no_repository_knows_is_refused_with_the_one_that_is_meant(
    run: Run, arguments: tuple[str, ...], meant: str
) -> None:
    code, _, err = run(*arguments, "--on", "fedora-45")
    assert code == 2
    assert "No package of the repositories is called" in err
    assert meant in err
    code, out, _ = run(*arguments, "--on", "fedora-45", "--format", "json")
    assert (code, bool(json.loads(out)["images"])) == (2, True)


@pytest.mark.usefixtures("documents")
def test_a_name_that_only_other_images_have_is_no_mistake(run: Run) -> None:
    code, out, err = run("why", "perl", "--on", "fedora-45", "--workload", "shell")
    assert (code, err) == (0, "")
    assert "perl is not in shell on minimal" in out
    code, out, _ = run("what-if", "drop", "perl", "--on", "fedora-45", "--workload", "shell")
    assert (code, "nothing in this image requires perl" in out) == (0, True)


@pytest.mark.usefixtures("documents")
@pytest.mark.parametrize(("arch", "meant"), [("amd64", "x86_64"), ("x64", "x86_64")])
def test_another_systems_architecture_is_named_by_rpms_name(
    run: Run, arch: str, meant: str
) -> None:
    code, _, err = run("closure", "--on", "fedora-45", "--arch", arch)
    assert (code, f"Did you mean `{meant}`?" in err) == (2, True)


@pytest.mark.usefixtures("documents")
def test_an_option_before_the_command_is_refused_with_its_place(run: Run) -> None:
    code, _, err = run("--config", "here", "check")
    assert (code, "COMMAND --config" in err) == (2, True)


@pytest.mark.usefixtures("documents")
def test_a_misspelled_command_is_named_with_the_one_that_is_meant(run: Run) -> None:
    code, _, err = run("closre")
    assert (code, "Did you mean 'closure'?" in err) == (2, True)


def test_config_check_online_finds_packages_that_no_repository_has(
    run: Run, documents: Path
) -> None:
    code, out, _ = run("config", "check", "--online", "--config", str(documents))
    assert (code, "0 errors" in out) == (0, True)
    path = documents / "web.yaml"
    path.write_text(path.read_text().replace('"packages": ["web"]', '"packages": ["web", "shel"]'))
    arguments = ("config", "check", "--online", "--config", str(documents), "--format", "json")
    code, out, _ = run(*arguments)
    errors = json.loads(out)["errors"]
    assert code == 2
    assert [(e["file"], e["field"]) for e in errors] == [(str(path), "data.packages.1")] * 2
    assert "fedora-45 has no `shel` for x86_64; did you mean shell?" in errors[1]["message"]


@pytest.mark.usefixtures("documents")
def test_where_no_image_matches_it_is_said_what_there_is(run: Run, tmp_path: Path) -> None:
    code, _, err = run("closure", "web", "--on", "fedora-45", "--arch", "s390x")
    assert code == 2
    assert "Without --arch there are images on x86_64." in err
    (tmp_path / "config").mkdir()
    code, _, err = run("closure", "--config", str(tmp_path / "config"))
    assert (code, "The configuration has no repository document." in err) == (2, True)


@pytest.mark.usefixtures("documents")
def test_documents_that_cannot_be_written_are_an_error_with_its_remedy(run: Run) -> None:
    Path("file").write_text("")
    code, _, err = run("config", "init", "file/config")
    assert (code, err.splitlines()) == (
        1,
        [
            "error: The documents cannot be written to file/config: Not a directory.",
            "       Name a folder that this user can write: minimize config init DIRECTORY",
        ],
    )
