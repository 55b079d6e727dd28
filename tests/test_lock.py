"""The lock file: all that pyproject.toml asks for, at versions that fit, with hashes."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HOME = Path(__file__).parents[1]
AGAIN = "run deploy/lock, which writes deploy/requirements.txt anew"


def blocks(name: str = "requirements.txt") -> list[str]:
    text = (HOME / "deploy" / name).read_text()
    return [block for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()) if block]


def locked(name: str = "requirements.txt") -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for block in blocks(name):
        one = Requirement(block.split("\\", 1)[0].strip())
        found.setdefault(canonicalize_name(one.name), []).append(one)
    return found


def asked(*names: str) -> list[Requirement]:
    """What the project asks for, with the extras that are named; by default with all."""
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    given = [*project["dependencies"], *(one for name in names or extras for one in extras[name])]
    return [one for one in map(Requirement, given) if one.name != project["name"]]


def test_each_package_is_one_version_with_the_hashes_of_its_files() -> None:
    for block in blocks():
        first = block.split("\\", 1)[0]
        assert re.match(r"[\w.-]+(\[[\w,]+\])?==[\w.+!-]+( ;.*)?$", first.strip()), first
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), first


def test_what_the_project_asks_for_is_there_at_a_version_that_fits() -> None:
    there = locked()
    for wanted in asked():
        found = there.get(canonicalize_name(wanted.name), [])
        assert found, f"{wanted.name} is not in the lock file: {AGAIN}"
        for one in found:
            (version,) = [spec.version for spec in one.specifier]
            fits = wanted.specifier.contains(version, prereleases=True)
            assert fits, f"{one} is not {wanted.specifier}: {AGAIN}"


def test_nothing_is_fetched_from_an_address_of_somebody_s_machine() -> None:
    text = (HOME / "deploy/requirements.txt").read_text()
    assert "://" not in text
    assert "--index-url" not in text


def test_what_a_checkout_installs_is_what_it_runs_at_the_same_versions_and_no_more() -> None:
    everything, installed = locked(), locked("requirements-install.txt")
    wanted = {canonicalize_name(one.name) for one in asked("demo", "messages", "traces")}
    assert wanted <= installed.keys(), AGAIN
    for name, found in installed.items():
        assert {str(one) for one in found} == {str(one) for one in everything[name]}, AGAIN
    assert not {"pytest", "mypy", "ruff", "playwright"} & installed.keys()
