"""The configuration documents of the reference distribution, in Content Resolver's format."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from bot.demo.distribution.debian import DEBIAN_ARCH, Suite
from bot.demo.distribution.own_packages import MACROS_PACKAGE
from bot.demo.distribution.selection import BUILD_PACKAGES

# Raised with every change of the documents: they are then written anew beside the same packages.
FORMAT = 2
MAINTAINER = "minimize"
LABEL = "reference-minimal"


def write_documents(directory: Path, repositories: Path, suite: Suite) -> None:
    """Writes one YAML file for each document into `directory` (made if needed).

    `repositories` is the directory with one repository for each architecture, as it will be called
    when it is used.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, kind, version, data in _documents(repositories, suite):
        document = {"document": f"content-resolver-{kind}", "version": version, "data": data}
        if kind == "objective":
            document["document"] = "minimize-objective"
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
        draft = directory / f"{name}.yaml.{os.getpid()}"
        draft.write_text(text, encoding="utf-8")
        draft.replace(directory / f"{name}.yaml")  # others may be reading it


def _documents(repositories: Path, suite: Suite) -> Iterable[tuple[str, str, int, dict[str, Any]]]:
    yield (
        "reference",
        "repository",
        2,
        {
            "name": "Reference distribution",
            "description": f"Packages of Debian {suite.number}, repackaged as RPM",
            "maintainer": MAINTAINER,
            "source": {
                "repos": {
                    "reference": {
                        "name": "Reference distribution",
                        "baseurl": f"{repositories.as_uri()}/$basearch",
                    }
                },
                "releasever": suite.number,
                "dist": suite.dist,
                "architectures": list(DEBIAN_ARCH),
                "base_buildroot_override": [*BUILD_PACKAGES, MACROS_PACKAGE],
            },
        },
    )
    yield (
        "minimal",
        "environment",
        1,
        {
            "name": "Minimal",
            "description": "A C library, a small shell, coreutils and what they stand on",
            "maintainer": MAINTAINER,
            "repositories": ["reference"],
            "packages": ["base-files", "coreutils", "dash", "filesystem", "libc-bin", "mawk"],
            "labels": [LABEL],
        },
    )
    yield "reference-minimal", "label", 1, _named("Minimal images", "Every image of the demo")
    yield "nginx", "workload", 1, _workload("nginx", "The web server", ["nginx"])
    yield "python", "workload", 1, _workload("Python", "The interpreter", ["python3"])
    yield "curl", "workload", 1, _workload("curl", "The command", ["ca-certificates", "curl"])
    yield (
        "nginx-stays-small",
        "objective",
        1,
        {
            "name": "nginx stays small",
            "description": "A web server in an image should not carry an interpreter",
            "maintainer": MAINTAINER,
            "workload": "nginx",
            "environment": "minimal",
            "limits": {"packages": 25, "installed_size": "70 MB"},
            "growth": {"bytes": "500 kB", "percent": 2},
            "unwanted": {
                "perl": "tens of megabytes for one script",
                "libxml2": "a parser for one module",
            },
        },
    )


def _named(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "description": description, "maintainer": MAINTAINER}


def _workload(name: str, description: str, packages: list[str]) -> dict[str, Any]:
    return {**_named(name, description), "packages": packages, "labels": [LABEL]}
