"""A configuration directory: what is read, what is reported, what is remembered."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from bot.distro import load
from bot.distro.load import ConfigurationError, check_configuration, load_configuration
from bot.errors import UsageError
from tests.conftest import run_python
from tests.distro.documents import ENVIRONMENT, REPOSITORY, WORKLOAD

GOOD = """\
document: feedback-pipeline-workload
version: 1
data: {name: Web, description: A, maintainer: B, labels: [web]}
"""
PLACEHOLDER = "  package_placeholders: [{srpm_name: s, rpms: [{rpm_name: r}]}]\n"
ACCESS = """\
    variables: {stream: 9-stream}
    repos:
      base:
        baseurl: https://example.org/$stream/
        sslclientcert: {env: CERTIFICATE}
        sslcacert: /etc/ca.pem
        username: {file: /run/user}
"""
OBJECTIVE = """\
document: minimize-objective
version: 1
data:
  {name: n, description: d, maintainer: m, workload: web, limits: {packages: 4},
   growth: {bytes: 5 kB}, unwanted: [perl], target: {layer_size: 1 MB, by: 2027-03-01}}
"""
BOMB = "a: &a0 [x]\n" + "".join(f"b{n}: &a{n + 1} [{f'*a{n},' * 10}]\n" for n in range(8))


def errors(directory):
    report = check_configuration(directory)
    return [(p.file.rpartition("/")[2], p.line, p.field, p.message) for p in report.errors]


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("", 1, "", "expected a mapping with `document`, `version` and `data`"),
        ("- a\n", 1, "", "expected a mapping with `document`, `version` and `data`"),
        ("version: 1\n", 1, "document", "expected the document's type, such as"),
        ("document: feedback-pipeline-workload\ndata: {}\n", 1, "version", "expected `version: 1`"),
        ("a: 1\ndocument: feedback-pipeline-worklod\n", 2, "document", "did you mean"),
        ("document: eln-repo-split\nversion: 1\n", 1, "document", "unknown document type"),
        ("document: feedback-pipeline-objective\n", 1, "document", "unknown document type"),
        (GOOD.partition("data")[0], 1, "data", "expected a mapping here"),
        (GOOD.partition("data")[0] + "data: [x]\n", 3, "data", "expected a mapping, not a list"),
        ("document: x\n  version: 1\n", 2, "", "not YAML: mapping values are not allowed"),
        (GOOD + "---\n" + GOOD, 4, "", "not YAML: but found another document"),
        ("a: \tb: c", 1, "", "not YAML"),
        ("a: !!python/object:os.system x\n", 1, "", "not YAML: could not determine a constructor"),
        ("[" * 200_000, 1, "", "not YAML"),
        ("a: &a\n  b: *a\n", 1, "", "an alias contains itself"),
        (BOMB, 1, "", "its aliases expand to too many values"),
    ],
)
def test_what_is_no_document_is_refused_with_its_place(folder, text, line, field, message):
    (problem,) = errors(folder(bad=text))
    assert problem[:3] == ("bad.yaml", line, field)
    assert message in problem[3]


def test_text_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "bad.yaml").write_bytes(b"document: \xff\xfe\n")
    assert errors(tmp_path)[0][0] == "bad.yaml"


def test_one_bad_document_does_not_hide_the_others(folder):
    directory = folder(a="]", b=GOOD, c=GOOD.replace("labels", "label"))
    assert [e[:3] for e in errors(directory)] == [
        ("a.yaml", 1, ""),
        ("c.yaml", 3, "data.label"),
        ("c.yaml", 3, "data.labels"),
    ]
    assert check_configuration(directory).documents == 3
    with pytest.raises(ConfigurationError) as refused:
        load_configuration(directory)
    assert refused.value.exit_code == 2
    assert len(refused.value.problems) == 3
    assert f"{directory}/c.yaml:3: data.label: unknown key" in str(refused.value)


def test_a_refused_document_is_still_there_for_those_that_name_it(folder):
    environment = """\
document: feedback-pipeline-environment
version: 1
data: {name: E, description: A, maintainer: B, labels: [web], packages: [], repositories: [distro]}
"""
    broken = "document: feedback-pipeline-repository\nversion: 1\n"
    assert [e[:3] for e in errors(folder(env=environment, distro=broken))] == [
        ("distro.yaml", 2, "version")
    ]


def test_what_is_no_document_of_ours_is_not_read(folder):
    directory = folder(web=GOOD)
    (directory / "modules.sh").write_text("exit 1")
    (directory / "relations.json").write_text("{}")
    (directory / "bot.yaml").write_text("listen: 0.0.0.0:8080\n")
    (directory / "below").mkdir()
    (directory / "below" / "x.yaml").write_text("]")
    (directory / "folder.yaml").mkdir()
    (directory / "web.yml").write_text("]")
    report = check_configuration(directory)
    assert (report.documents, report.errors) == (1, ())
    messages = {Path(problem.file).name: problem.message for problem in report.unused}
    assert "ends in `.yaml`" in messages["web.yml"]
    assert {p.line for p in report.unused if p.file.endswith(".yml")} == {None}
    assert "it is no file" in messages["folder.yaml"]
    assert list(load_configuration(directory).workloads) == ["web"]


def test_what_is_said_twice_and_other_versions_are_reported(folder):
    text = GOOD.replace("version: 1", "version: 2") + "version: 3\n"
    directory = folder(web=text)
    messages = {(u.line, u.message) for u in check_configuration(directory).unused}
    assert (4, "`version` is repeated; the last one counts") in messages
    assert (4, "read as version 1, the only one that is known") in messages
    assert "web" in load_configuration(directory).workloads


def test_a_workload_that_meets_nothing_is_reported(folder):
    (unused,) = check_configuration(folder(web=GOOD)).unused
    assert (unused.line, unused.field) == (3, "data.labels")
    assert unused.message == "no environment has one of these labels: the workload is in no image"


def test_a_directory_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="--config"):
        load_configuration(tmp_path / "nowhere")


def test_a_checked_configuration_is_remembered_by_its_content(folder, cache, monkeypatch):
    directory = folder(web=GOOD)
    first = load_configuration(directory, cache=cache)
    with monkeypatch.context() as patch:
        patch.setattr(load, "_check", None)
        assert load_configuration(directory, cache=cache) == first
    folder(web=GOOD.replace("Web", "Net"))
    assert load_configuration(directory, cache=cache).workloads["web"].name == "Net"


def test_every_kind_of_document_is_found_again_as_it_was(folder, cache):
    """And without pydantic and YAML: that is what a cold command does."""
    directory = folder(
        web=WORKLOAD + PLACEHOLDER, minimal=ENVIRONMENT, distro=REPOSITORY + ACCESS, o=OBJECTIVE
    )
    for path in (Path(__file__).parents[2] / "config").glob("*.yaml"):
        shutil.copy(path, directory)
    (directory / "bot.yaml").unlink(missing_ok=True)
    first = load_configuration(directory, cache=cache)
    program = (
        "import pickle, sys; from pathlib import Path; from bot.distro.cache import Cache;"
        "from bot.distro.load import load_configuration;"
        f"c = load_configuration(Path({str(directory)!r}), cache=Cache(Path({str(cache.root)!r})));"
        "print({'pydantic', 'yaml'} & {m.partition('.')[0] for m in sys.modules}, file=sys.stderr);"
        "sys.stdout.buffer.write(pickle.dumps(c))"
    )
    run = run_python(program, text=False)
    assert pickle.loads(run.stdout) == first
    assert run.stderr.decode().strip() == "set()"
    assert first.objectives["o"].target is not None
    assert first.repositories["distro"].repos[0].access.username is not None


def test_a_damaged_memory_is_no_matter(folder, cache):
    directory = folder(web=GOOD)
    first = load_configuration(directory, cache=cache)
    (remembered,) = (cache.root / "configuration").iterdir()
    for damage in (b"", b"{", b'[["workload", "web", {}]]', b'[["x", "web", {}]]', b"[3]"):
        remembered.write_bytes(damage)
        assert load_configuration(directory, cache=cache) == first


def test_a_wrong_configuration_is_not_remembered(folder, cache):
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            load_configuration(folder(web="]"), cache=cache)
