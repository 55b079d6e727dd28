"""A tree of 500 documents with every odd case: it loads, or says file, line and what to do."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import cli
from bot.distro.cache import Cache
from bot.distro.load import ConfigurationError, load_configuration
from bot.errors import UsageError
from bot.model.image import ImageKey
from bot.objectives.tracking import track
from bot.store.history.history import open_history
from tests.benchmarks.content_resolver_tree import Tree, name, write_packages, write_tree

HEAD = "  name: n\n  description: d\n  maintainer: m\n"


def document(kind: str, data: str, *, prefix: str = "feedback-pipeline", version: int = 1) -> str:
    return f"---\ndocument: {prefix}-{kind}\nversion: {version}\ndata:\n{HEAD}{data}"


LABELS = "  labels: [label-0]\n"
# Beside what the real tree has: everything that the format allows and only few have written.
ODD = {
    "label-0": document("label", ""),
    "other-prefix": document("workload", f"{LABELS}  packages: [{name(3)}]\n",
                             prefix="content-resolver"),
    "strict": document("workload", f"{LABELS}  options: [strict, include-docs, no-such]\n"),
    "odd-arch": document("workload", f"{LABELS}  arch_packages: {{vax: [a], x86_64: null}}\n"),
    "no-list": document("workload", f"{LABELS}  package_placeholders: {{a: b}}\n"),
    "nameless-rpm": document(
        "workload",
        f"{LABELS}  package_placeholders:\n  - srpm_name: s\n    rpms:\n    - description: d\n",
    ),
    "anchors": document(
        "workload",
        f"{LABELS}  packages: &these\n  # a comment\n  - {name(3)}\n  # and another\n"
        f"  - {name(4)}\n  arch_packages:\n    x86_64: *these\n",
    ),
    "plain-view": document("view", f"{LABELS}  repository: repo-0\n  buildroot_strategy: none\n"),
    "legacy": document("buildroot", "  view_id: view-0\n  base_buildroot: {x86_64: [a]}\n"
                       "  source_packages: {x86_64: {s: {requires: [a]}}}\n"),
    "odd-repo": document(
        "repository",
        '  source:\n    releasever: 10\n    architectures: [x86_64, vax]\n    repos:\n'
        "      A: {baseurl: 'https://example.org/$releasever/$basearch', limit_arches: []}\n"
        "    base_buildroot_override: [bash]\n",
        version=2,
    ),
    "stated-twice": document("label", "  name: again\n"),
    "addon-of-nothing": document(
        "view-addon", f"{LABELS}  repository: repo-0\n  base_view_id: view-x\n"
    ),
    "top-keys": document("workload", LABELS) + "remark: nobody reads this\n",
}  # fmt: skip

# What is wrong, on which line, and what the message says to do about it.
WRONG = {
    "unknown-key": (document("workload", f"{LABELS}  packges: [a]\n"), 9, "packages"),
    "no-labels": (document("workload", "  packages: [a]\n"), 4, "labels"),
    "no-list-of-packages": (document("workload", f"{LABELS}  packages: a b\n"), 9, "list"),
    "old-repository": (document("repository", "  source: {}\n"), 3, "version 2"),
    "no-url": (
        document("repository", "  source:\n    releasever: '1'\n    architectures: [x86_64]\n"
                 "    repos:\n      A: {priority: 1}\n", version=2),
        12,
        "baseurl",
    ),
    "only-odd-arches": (
        document("repository", "  source:\n    releasever: '1'\n    architectures: [vax]\n"
                 "    repos:\n      A: {baseurl: 'https://example.org/'}\n", version=2),
        10,
        "x86_64",
    ),
    "lost-repository": (
        document("environment", f"{LABELS}  packages: []\n  repositories: [repo-7]\n"),
        10,
        "did you mean `repo-",
    ),
    "no-packages": (document("environment", f"{LABELS}  repositories: [repo-0]\n"), 4, "packages"),
    "other-tool": ("document: eln-repo-split\nversion: 1\ndata: {}\n", 1, "feedback-pipeline"),
    "no-yaml": ("document: [\n", 2, "not YAML"),
    "tabs": ("document: feedback-pipeline-workload\nversion: 1\ndata:\n\tname: x\n", 4, "not YAML"),
    "empty": ("", 1, "expected a mapping"),
    "bomb": (
        "a: &a [x, x, x, x, x, x, x, x]\n"
        + "".join(f"k{n + 1}: &k{n + 1} [{', '.join([f'*k{n}' if n else '*a'] * 8)}]\n"
                  for n in range(9)),
        1,
        "expand to too many values",
    ),
    "ring": ("a: &a [*a]\n", 1, "contains itself"),
    "unknown-type": ("document: feedback-pipeline-worklod\nversion: 1\ndata: {}\n", 1,
                     "did you mean `feedback-pipeline-workload`"),
    "no-version": ("document: feedback-pipeline-workload\ndata: {}\n", 1, "version: 1"),
    "two-in-one": (document("label", "") + document("label", ""), 8, "another document"),
    "no-size": (
        "document: minimize-objective\nversion: 1\ndata:\n" + HEAD + "  workload: workload-0\n"
        "  limits: {installed_size: 99999999999999999999 GB}\n",
        8,
        "expected at most 9223372036854775807",
    ),
    "no-count": (
        "document: minimize-objective\nversion: 1\ndata:\n" + HEAD + "  workload: workload-0\n"
        f"  limits: {{packages: {'9' * 5000}}}\n",
        8,
        "expected a whole number",
    ),
    "no-priority": (
        document("repository", "  source:\n    releasever: '1'\n    architectures: [x86_64]\n"
                 "    repos:\n      A: {baseurl: 'https://example.org/', priority: 3000000000}\n",
                 version=2),
        12,
        "expected at most 2147483647",
    ),
    "no-host": (
        document("repository", "  source:\n    releasever: '1'\n    architectures: [x86_64]\n"
                 "    repos:\n      A: {baseurl: 'https://[::1/'}\n", version=2),
        12,
        "expected a URL",
    ),
    "unwanted-key": (document("unwanted", f"{LABELS}  unwanted: [a]\n"), 9, "unwanted_packages"),
}  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = write_tree(tmp_path / "tree", packages=60, arches=())
    for id_, text in ODD.items():
        (tree.config_dir / f"{id_}.yaml").write_text(text)
    (tree.config_dir / "relations.json").write_text(
        json.dumps({"document_type": "buildroot-binary-relations", "version": 1, "data": {}})
    )
    return tree


def bring(tree: Tree, config: Path, *options: str) -> Result:
    arguments = ["import", "content-resolver", str(tree.root), "--config", str(config), *options]
    return CliRunner().invoke(cli, arguments, standalone_mode=False)


def test_all_that_the_format_allows_is_taken_over_and_what_is_not_used_is_named(
    tree: Tree, tmp_path: Path
) -> None:
    ran = bring(tree, tmp_path / "config", "--format", "json")
    assert ran.return_value == 0, ran.output
    reported = json.loads(ran.stdout)
    assert reported["errors"] == []
    assert len(reported["copied"]) == 519 + len(ODD)
    assert reported["images"] > 441 * 4
    unused = {Path(entry["file"]).stem for entry in reported["unused"]}
    assert {"strict", "odd-arch", "no-list", "nameless-rpm", "odd-repo", "legacy"} <= unused
    assert all(entry["line"] for entry in reported["unused"])
    configuration = load_configuration(tmp_path / "config")
    anchored = configuration.workloads["anchors"]
    assert anchored.packages == anchored.arch_packages["x86_64"] == (name(3), name(4))
    assert "include-docs" in configuration.workloads["strict"].options


def test_every_fault_is_said_with_file_line_and_remedy_and_nothing_is_copied(
    tree: Tree, tmp_path: Path
) -> None:
    for id_, (text, _, _) in WRONG.items():
        (tree.config_dir / f"{id_}.yaml").write_text(text)
    ran = bring(tree, tmp_path / "config", "--format", "json")
    assert ran.return_value == 2
    assert not (tmp_path / "config").exists()
    errors = json.loads(ran.stdout)["errors"]
    assert {Path(error["file"]).stem for error in errors} == WRONG.keys()
    for id_, (_, line, remedy) in WRONG.items():
        about = [error for error in errors if Path(error["file"]).stem == id_]
        found = [f"{error['line']}: {error['field']} {error['message']}" for error in about]
        assert any(
            error["line"] == line and remedy in f"{error['field']} {error['message']}"
            for error in about
        ), (id_, found)
    ran = bring(tree, tmp_path / "config")
    assert all(f"{id_}.yaml:{line}" in ran.output for id_, (_, line, _) in WRONG.items())
    # The others were not at fault.
    for id_ in WRONG:
        (tree.config_dir / f"{id_}.yaml").unlink()
    assert bring(tree, tmp_path / "config").return_value == 0


@pytest.mark.parametrize("name", ["a\x1b[31m.yaml", "b\nc.yaml", b"d\xff.yaml"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_file_name_that_no_terminal_should_see_is_named_without_what_it_does(
    tmp_path: Path, name: str | bytes, form: str
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / os.fsdecode(name)).write_text("document: [\n")
    ran = CliRunner().invoke(
        cli,
        ["import", "content-resolver", str(tmp_path / "tree"), "--config", str(tmp_path / "config"),
         "--format", form],
        standalone_mode=False,
    )  # fmt: skip
    assert (ran.return_value, ran.exception) == (2, None)
    lines = ran.stdout.splitlines()
    assert all(line.isprintable() for line in lines) and "not YAML" in ran.stdout
    with pytest.raises(ConfigurationError) as refused:
        load_configuration(tmp_path / "tree")
    assert len(str(refused.value).splitlines()) == 1 + len(refused.value.problems)
    assert all(line.isprintable() for line in str(refused.value).splitlines())


def test_a_document_whose_id_nobody_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / os.fsdecode(b"d\xff.yaml")).write_text(document("workload", LABELS))
    with pytest.raises(ConfigurationError, match=r"d\\udcff\.yaml: its file name is not UTF-8"):
        load_configuration(tmp_path / "tree")


def test_what_is_no_file_and_the_servers_settings_are_no_documents(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "label.yaml").write_text(document("label", ""))
    (tree / "bot.yaml").write_text("listen: elsewhere\n")
    (tree / "folder.yaml").mkdir()
    (tree / "nowhere.yaml").symlink_to("gone")
    config = tmp_path / "config"
    ran = CliRunner().invoke(
        cli, ["import", "content-resolver", str(tree), "--config", str(config)],
        standalone_mode=False,
    )  # fmt: skip
    assert ran.return_value == 0
    assert [path.name for path in config.iterdir()] == ["label.yaml"]
    # Beside what is there already it is reported as well.
    for reported in (ran.stdout, bring(Tree(tree, tree, tree), config).stdout):
        for stem in ("folder", "nowhere"):
            assert f"{stem}.yaml not used: not read: it is no file" in reported


def test_documents_that_are_there_stay_as_they_are_whatever_comes_beside_them(
    tree: Tree, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    assert bring(tree, config).return_value == 0
    before = {path.name: path.read_bytes() for path in config.iterdir()}
    more = tmp_path / "more"
    more.mkdir()
    # Beside the others it is right: its repository is among them.
    (more / "env-more.yaml").write_text(
        document("environment", f"{LABELS}  packages: []\n  repositories: [repo-0]\n")
    )
    (more / "bad.yaml").write_text(document("workload", f"{LABELS}  packges: [a]\n"))
    ran = bring(replace(tree, root=more), config)
    assert (ran.return_value, "env-more" in ran.stdout) == (2, False)
    assert {path.name: path.read_bytes() for path in config.iterdir()} == before
    (more / "bad.yaml").unlink()
    (more / "label-0.yaml").write_text(document("label", "  remark: other\n"))
    with pytest.raises(UsageError, match="other documents of the same name: label-0"):
        raise bring(replace(tree, root=more), config).exception or AssertionError
    assert {path.name: path.read_bytes() for path in config.iterdir()} == before
    (more / "label-0.yaml").unlink()
    assert bring(replace(tree, root=more), config).return_value == 0
    assert {p.name for p in config.iterdir()} == before.keys() | {"env-more.yaml"}
    # What is wrong already is reported before anything is copied.
    (config / "label-0.yaml").write_text("document: [\n")
    (more / "last.yaml").write_text(document("label", ""))
    ran = bring(replace(tree, root=more), config)
    assert (ran.return_value, "config/label-0.yaml:2 not YAML" in ran.stdout) == (2, True)
    assert not (config / "last.yaml").exists()


def test_an_import_that_is_cut_short_is_done_by_the_next(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, write = tmp_path / "config", Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == ".label-0.yaml.new":
            write(path, content[:20])
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert bring(tree, config).return_value is None
    monkeypatch.undo()
    assert bring(tree, config).return_value == 0
    assert len(list(config.glob("*.yaml"))) == 519 + len(ODD)


def test_every_workload_of_a_tree_that_was_taken_over_is_tracked(
    tree: Tree, tmp_path: Path
) -> None:
    (tree.config_dir / "odd-repo.yaml").unlink()
    assert bring(tree, tmp_path / "config").return_value == 0
    write_packages(tree.repositories / "x86_64", "x86_64", 60)
    for path in (tmp_path / "config").glob("repo-*.yaml"):
        path.write_text(path.read_text().replace("[aarch64, ppc64le, s390x, x86_64]", "[x86_64]"))
    configuration = load_configuration(tmp_path / "config")
    history = open_history(tmp_path / "data")
    try:
        tracked = track(configuration, history, Cache(tmp_path / "cache"), processes=1)
    finally:
        history.close()
        history.store.close()
    assert tracked.failed == ()
    status = {image.key.workload: image.after.facts.status for image in tracked.images}
    assert len(status) == 441 + 7
    assert set(status.values()) == {"ok"}
    assert ImageKey("anchors", "env-0", "repo-0", "x86_64") in {i.key for i in tracked.images}
