"""Images from a repository over HTTP: fetched once, and the same as from the disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from bot.demo.distribution.reference import ReferenceDistribution
from tests.distro.servers import QuietServer, running
from tests.image.test_image_same_digest import composed

pytestmark = pytest.mark.reference


class Served:
    def __init__(self) -> None:
        self.url = ""
        self.paths: list[str] = []


@pytest.fixture
def served(reference: ReferenceDistribution) -> Iterator[Served]:
    state = Served()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            state.paths.append(self.path)
            super().do_GET()

    root = reference.repository_directory("aarch64").parent
    with running(QuietServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))) as state.url:
        yield state


def test_an_image_over_http_is_the_one_from_the_disk(
    served: Served, reference: ReferenceDistribution, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    local = f"file://{reference.repository_directory('aarch64').parent}"
    for path in reference.config_dir.glob("*.yaml"):
        (config / path.name).write_text(path.read_text().replace(local, served.url))
    image = ["nginx", "--arch", "aarch64"]
    (tmp_path / "http").mkdir()
    (tmp_path / "disk").mkdir()
    over_http = composed(reference, tmp_path / "http", options=[*image, f"--config={config}"])
    from_disk = composed(
        reference, tmp_path / "disk", options=[*image, f"--config={reference.config_dir}"]
    )
    assert over_http["digest"] == from_disk["digest"]
    assert over_http["layer"] == from_disk["layer"]
    fetched = [path for path in served.paths if path.endswith(".rpm")]
    assert len(fetched) == len(set(fetched)) == 20
    lock = json.loads(Path(str(over_http["lock"])).read_bytes())
    assert lock["images"][0]["packages"][0]["urls"][0].startswith(served.url)
    served.paths.clear()
    again = composed(reference, tmp_path / "http", options=[*image, f"--config={config}"])
    assert again["digest"] == over_http["digest"]
    assert [path for path in served.paths if path.endswith(".rpm")] == []
    served.paths.clear()
    # From the lock, into an empty cache: packages alone, no metadata.
    (tmp_path / "lock").mkdir()
    locked = composed(reference, tmp_path / "lock", options=["--lock", str(over_http["lock"])])
    assert locked["digest"] == over_http["digest"]
    assert {path.rpartition(".")[2] for path in served.paths} == {"rpm"}
