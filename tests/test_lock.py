"""The lock file: all that pyproject.toml asks for, at versions that fit, with hashes."""

import re
import tomllib
from pathlib import Path

import pytest
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


def requirements_of(*names: str) -> list[Requirement]:
    """What the project asks for, with the extras that are named; by default with all."""
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    given = [*project["dependencies"], *(one for name in names or extras for one in extras[name])]
    return [one for one in map(Requirement, given) if one.name != project["name"]]


LOCKS = sorted(path.name for path in (HOME / "deploy").glob("requirements*.txt"))
# What installs from them, beside `deploy/lock` itself, which has the newest uv write them.
INSTALLERS = [
    *sorted((HOME / ".github/workflows").glob("*.yml")),
    HOME / "deploy/setup.bash",
    HOME / "deploy/container/Containerfile",
]


@pytest.mark.parametrize("name", LOCKS)
def test_each_package_is_one_version_with_the_hashes_of_its_files(name: str) -> None:
    for block in blocks(name):
        first = block.split("\\", 1)[0]
        assert re.match(r"[\w.-]+(\[[\w,]+\])?==[\w.+!-]+( ;.*)?$", first.strip()), first
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), first


@pytest.mark.parametrize("path", INSTALLERS, ids=lambda path: path.name)
def test_pip_installs_by_hashes_or_nothing_but_the_project(path: Path) -> None:
    text = path.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if re.search(r"\bpip\b.*\binstall\b", line)]
    words = [line for line in lines if not line.strip().startswith(("#", "fail "))]
    assert all("--require-hashes" in line or "--no-deps" in line for line in words), words
    named = {name for line in words for name in re.findall(r"requirements[\w-]*\.txt", line)}
    assert named <= set(LOCKS)


def test_what_the_project_asks_for_is_there_at_a_version_that_fits() -> None:
    there = locked()
    for wanted in requirements_of():
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
    wanted = {canonicalize_name(one.name) for one in requirements_of("demo", "messages", "traces")}
    assert wanted <= installed.keys(), AGAIN
    for name, found in installed.items():
        assert {str(one) for one in found} == {str(one) for one in everything[name]}, AGAIN
    assert not {"pytest", "mypy", "ruff", "playwright"} & installed.keys()
