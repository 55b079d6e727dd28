"""The demo's own repository of updates, beside the reference distribution: what a merge publishes.

Documents and repository are a demo run's own; the reference distribution stays as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from bot.demo.distribution.reference import ReferenceDistribution
from bot.demo.distribution.repository import write_repository

DOCUMENT = "reference"
# 2023-06-12, after the reference distribution's own time.
_REVISION = 1_686_580_000


@dataclass(slots=True)
class Updates:
    """`config` has the distribution's documents with this repository added, empty at first."""

    config: Path
    root: Path
    published: int = 0

    def publish(self, packages: Iterable[Path], arch: str) -> None:
        """Adds RPM files to the repository of one architecture."""
        home = self.root / arch
        for path in packages:
            shutil.copy(path, home / path.name)
        self.published += 1
        write_repository(home, home.glob("*.rpm"), _REVISION + self.published)


def begin_updates(distribution: ReferenceDistribution, home: Path) -> Updates:
    """Writes documents and empty repositories below `home`."""
    made = Updates(home / "config", home / "updates")
    shutil.copytree(distribution.config_dir, made.config)
    path = made.config / f"{DOCUMENT}.yaml"
    document = yaml.safe_load(path.read_text())
    source = document["data"]["source"]
    source["repos"]["updates"] = {
        "name": "Updates",
        "baseurl": f"{made.root.as_uri()}/$basearch",
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    for arch in source["architectures"]:
        (made.root / arch).mkdir(parents=True)
        write_repository(made.root / arch, (), _REVISION)
    return made
