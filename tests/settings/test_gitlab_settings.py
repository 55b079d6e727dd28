"""The settings of a GitLab: where it is, its token, and what is GitHub's alone."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from bot.settings.forges import ForgeSettings

TOP = Path(__file__).parents[2]
GITLAB = {"type": "gitlab", "token": {"env": "T"}, "webhook_secrets": [{"env": "S"}]}


def test_where_a_gitlab_is() -> None:
    public = ForgeSettings.model_validate(GITLAB)
    assert (public.api_url, public.clone_url) == ("https://gitlab.com", "https://gitlab.com")
    own = {**GITLAB, "api_url": "https://git.example.org/gitlab/api/v4/"}
    assert ForgeSettings.model_validate(own).clone_url == "https://git.example.org/gitlab"
    inner = {**GITLAB, "api_url": "http://10.0.0.7", "web_url": "https://git.example.org"}
    assert ForgeSettings.model_validate(inner).clone_url == "https://git.example.org"


@pytest.mark.parametrize(
    "more",
    [
        {"token": None},
        {"app": {"id": 1, "private_key": {"env": "K"}}, "token": None},
        {"app": {"id": 1, "private_key": {"env": "K"}}},
        {"check_runs": "always"},
    ],
)
def test_what_is_githubs_alone_is_refused(more: dict) -> None:
    with pytest.raises(ValidationError, match="token"):
        ForgeSettings.model_validate({**GITLAB, **more})


def test_the_page_that_creates_the_app_has_a_manifest_for_that_host() -> None:
    process = subprocess.run(
        [TOP / "deploy/github-app", "https://m.example.net", "acme"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'action="https://github.com/organizations/acme/settings/apps/new"' in process.stdout
    manifest = json.loads(process.stdout.split("value='")[1].split("'>")[0])
    assert manifest["hook_attributes"]["url"] == "https://m.example.net/webhook/github"
    wanted = manifest["default_permissions"]
    assert {name for name, level in wanted.items() if level == "write"} == {
        "checks",
        "issues",
        "pull_requests",
    }
    for wrong in ("http://m.example.net", "", "https://m.example.net/'>"):
        failed = subprocess.run(
            [TOP / "deploy/github-app", wrong], capture_output=True, check=False
        )
        assert failed.returncode == 2


def test_the_examples_gitlab_is_right_once_its_marks_are_taken_off() -> None:
    lines = (TOP / "config/bot.yaml").read_text().splitlines()
    begin = lines.index(next(line for line in lines if line.startswith("  # gitlab:")))
    end = lines.index("", begin)
    text = "\n".join(line.replace("  # ", "", 1) for line in lines[begin:end])
    ForgeSettings.model_validate(yaml.safe_load(text)["gitlab"])
