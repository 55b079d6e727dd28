"""`minimize image` as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bot.demo.distribution.reference import ReferenceDistribution

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def cache_of_commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands") / "cache"


def run(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("minimize")), "image", *arguments]
    return subprocess.run(
        [*command, "--cache", str(cache)], capture_output=True, text=True, check=False
    )


def test_json_has_what_the_contract_names(
    reference: ReferenceDistribution, cache_of_commands: Path, tmp_path: Path
) -> None:
    done = run(
        cache_of_commands,
        *["nginx", "--arch", "x86_64", "--output", f"oci:{tmp_path / 'image'}"],
        *["--config", str(reference.config_dir), "--format", "json"],
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    key = {name: found[name] for name in ("workload", "environment", "repository", "arch")}
    assert key == {
        "workload": "nginx",
        "environment": "minimal",
        "repository": "reference",
        "arch": "x86_64",
    }
    assert found["media_type"] == "application/vnd.oci.image.manifest.v1+json"
    index = json.loads((tmp_path / "image" / "index.json").read_bytes())
    assert index["manifests"][0]["digest"] == found["digest"]
    assert found["layer"].keys() == {"uncompressed", "gzip", "zstd"}
    assert len(found["packages"]) == 20
    assert any(nevra.startswith("nginx-0:1.22.1-9") for nevra in found["packages"])
    lock = json.loads(Path(found["lock"]).read_bytes())
    assert len(lock["images"][0]["packages"]) == 20
    blobs = tmp_path / "image" / "blobs" / "sha256"
    sizes = {path.stat().st_size for path in blobs.iterdir()}
    assert found["layer"]["gzip"] in sizes


def test_text_ends_with_the_digest(
    reference: ReferenceDistribution, cache_of_commands: Path, tmp_path: Path
) -> None:
    done = run(
        cache_of_commands,
        *["nginx", "--output", f"oci:{tmp_path / 'image'}", "--config", str(reference.config_dir)],
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len([line for line in lines if "20 packages" in line]) == 4
    index = json.loads((tmp_path / "image" / "index.json").read_bytes())
    assert lines[-1] == index["manifests"][0]["digest"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nginx", "--output", "docker:x"], "oci:DIR"),
        (["--output", "oci:x"], "holds one"),
        (["ngin", "--output", "oci:x"], "nginx"),
        (["nginx", "--arch", "x86_64", "--output", "oci:x", "--lock", "y"], "lock file already"),
        (["--output", "oci:x", "--lock", "/nowhere"], "/nowhere"),
    ],
)
def test_wrong_usage_ends_with_two(
    arguments: list[str],
    expected: str,
    reference: ReferenceDistribution,
    cache_of_commands: Path,
) -> None:
    done = run(cache_of_commands, *arguments, "--config", str(reference.config_dir))
    assert done.returncode == 2
    assert expected in done.stderr


def test_an_environment_may_drop_the_database(
    reference: ReferenceDistribution, cache_of_commands: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    for path in reference.config_dir.glob("*.yaml"):
        text = path.read_text()
        if "content-resolver-environment" in text:
            text += "  rpmdb: drop\n"
        (config / path.name).write_text(text)
    sizes = []
    for place in (config, reference.config_dir):
        done = run(
            cache_of_commands,
            *["nginx", "--arch", "x86_64", "--output", f"oci:{tmp_path / 'image'}"],
            *["--config", str(place), "--format", "json"],
        )
        assert done.returncode == 0, done.stderr
        sizes.append(json.loads(done.stdout)["layer"]["uncompressed"])
    assert sizes[1] - sizes[0] > 500_000
