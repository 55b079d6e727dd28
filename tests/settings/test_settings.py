"""The server's settings: what is taken, and how a mistake is told."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.errors import UsageError
from bot.settings.forges import SecretReference
from bot.settings.values import Settings, SettingsError, load_settings
from bot.settings.values import _place as default_place

GOOD = """\
public_url: https://min.example.org/
forges:
  github:
    type: github
    token: {env: TOKEN}
    webhook_secrets: [{env: SECRET}]
"""


FORGE = {"type": "github", "token": {"env": "TOKEN"}, "webhook_secrets": [{"env": "SECRET"}]}


def load(tmp_path: Path, text: str):
    file = tmp_path / "bot.yaml"
    file.write_text(text)
    return load_settings(file)


def test_a_small_file_is_enough_and_paths_are_beside_it(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD + "data: d\n")
    assert settings.data == tmp_path / "d"
    assert settings.public_url == "https://min.example.org"
    assert settings.forges["github"].clone_url == "https://github.com"
    assert settings.engine.builds == 1


def test_places_of_the_command_line_win(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text(GOOD)
    settings = load_settings(tmp_path / "bot.yaml", data=tmp_path / "elsewhere")
    assert settings.data == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("base", "unit", "data"),
    [
        ("/home/me", {}, "/home/me/data"),
        ("/etc/minimize", {}, "/var/lib/minimize"),
        ("/etc/minimize", {"STATE_DIRECTORY": "/var/lib/bot:/var/lib/more"}, "/var/lib/bot"),
    ],
)
def test_the_default_of_the_data_folder_is_one_that_the_server_may_write(
    base: str, unit: dict[str, str], data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    for name, value in unit.items():
        monkeypatch.setenv(name, value)
    settings = Settings.model_validate({"forges": {"gh": FORGE}})
    assert Path(base) / default_place(settings, "data", Path(base)) == Path(data)
    chosen = Settings.model_validate({"forges": {"gh": FORGE}, "data": "mine"})
    assert default_place(chosen, "data", Path(base)) == Path("mine")


def test_the_shipped_example_loads() -> None:
    example = Path(__file__).parents[2] / "config" / "bot.yaml"
    settings = load_settings(example)
    assert settings.forges["github"].app is not None
    assert settings.documents_for("github", "redhat/centos-stream/rpms/nginx", "c9s") == (
        "centos-stream-9",
    )
    assert settings.documents_for("github", "o/r", "main") == ("fedora-rawhide",)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (GOOD + "colour: red\n", 7, "colour: unknown field"),
        (GOOD + "listen: {port: eighty}\n", 7, "listen.port: Input should be a valid integer"),
        (GOOD + "limits:\n  webhook_bytes: 3\n", 8, "limits.webhook_bytes"),
        (GOOD.replace("type: github", "type: gerrit"), 4, "no forge of this type is built in"),
        (GOOD.replace("{env: TOKEN}", "ghp_verysecret"), 5, "token: a secret is a reference"),
        (GOOD.replace("[{env: SECRET}]", "[verysecret]"), 6, "webhook_secrets.0: a secret is a"),
        (GOOD.replace("[{env: SECRET}]", "[]"), 6, "webhook_secrets"),
        (GOOD.replace("{env: TOKEN}", "{env: A, file: b}"), 5, "give one of env and file"),
        (GOOD.replace("    token: {env: TOKEN}\n", ""), 3, "give one of token and app"),
        (GOOD + "engine: {database: 'postgresql://u:verysecret@h/d'}\n", 7, "holds a password"),
        (GOOD + "engine:\n  builds: true\n", 8, "engine.builds"),
        (GOOD + "forges: {}\n", 7, "forges: is repeated"),
        (GOOD + "public_url: [\n", 8, ""),
        (GOOD + "repositories: [{match: a/*, documents: [x], forge: gone}]\n", 1, "`gone`"),
        ("[]\n", 1, "expected fields"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_without_the_secret(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    places = [p for p in caught.value.problems if f"bot.yaml:{line}:" in p]
    assert places, caught.value.problems
    assert any(said in p for p in places)
    assert "verysecret" not in str(caught.value)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, GOOD + "colour: red\nlisten: {port: 70000}\n")
    assert len(caught.value.problems) == 2


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_settings(tmp_path / "gone.yaml")


def test_secrets_come_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "one\n")
    (tmp_path / "key").write_text("two\n")
    assert SecretReference(env="TOKEN").value() == "one"
    assert SecretReference(file=str(tmp_path / "key")).value() == "two"
    monkeypatch.delenv("TOKEN")
    with pytest.raises(UsageError, match="TOKEN"):
        SecretReference(env="TOKEN").value()
    with pytest.raises(UsageError, match="gone"):
        SecretReference(file=str(tmp_path / "gone")).value()


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ("https://copr.example.org/results", "https://copr.example.org/results/"),
        ("http://10.0.0.1:8080", "http://10.0.0.1:8080/"),
        ("https://h/a/../b", None),
        ("https://me@h/a/", None),
        ("file:///srv/", None),
        ("https://h/?x", None),
        ("https:///x", None),
    ],
)
def test_places_of_others_packages_end_with_a_slash(place: str, kept: str | None) -> None:
    fields = {"type": "github", "token": {"env": "T"}, "webhook_secrets": [{"env": "S"}]}
    document = {"forges": {"gh": fields}, "build": {"external": [place]}}
    if kept is None:
        with pytest.raises(ValidationError):
            Settings.model_validate(document)
    else:
        assert Settings.model_validate(document).build.external == (kept,)


SILENT = "  - {match: 'rpms/*', branch: main, documents: [d], mode: silent}\n"
ALL_SILENT = "  - {match: 'rpms/*', documents: [d], mode: silent}\n"
ENFORCED = "  - {match: '*', documents: [d]}\n"


@pytest.mark.parametrize(
    ("rules", "silent"),
    [
        (SILENT, True),
        (ALL_SILENT + ENFORCED, True),
        (SILENT + ENFORCED, False),  # its other branches are enforced
        (ENFORCED + ALL_SILENT, False),
        ("  - {match: 'other/*', documents: [d], mode: silent}\n", False),
    ],
)
def test_a_repository_is_silent_where_all_its_branches_are(
    tmp_path: Path, rules: str, silent: bool
) -> None:
    settings = load(tmp_path, f"{GOOD}repositories:\n{rules}")
    assert settings.is_silent("github", "rpms/nginx") is silent


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{nginx: web-sig, 'perl-*': [ann, ben]}", {"nginx": "web-sig", "perl-*": ("ann", "ben")}),
        ("owners.json", "owners.json"),
    ],
)
def test_maintainers_are_a_map_or_a_file_beside_the_settings(tmp_path, text, found):
    path = tmp_path / "bot.yaml"
    path.write_text(
        "forges: {gh: {type: github, token: {env: T}, webhook_secrets: [{env: S}]}}\n"
        f"maintainers: {text}\n"
    )
    settings = load_settings(path)
    wanted = tmp_path / found if isinstance(found, str) else found
    assert settings.maintainers == wanted
