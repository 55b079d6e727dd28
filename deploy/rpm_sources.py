"""The sources of deploy/minimize.spec: the wheel of a checkout, and the libraries that it needs.

usage: python deploy/rpm_sources.py CHECKOUT DIRECTORY, with the Python of its .venv
"""

from __future__ import annotations

import re
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

_LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)", re.MULTILINE)


def write_sources(checkout: Path, directory: Path, lock: str) -> None:
    """Write the wheel, and a tar file of the libraries that a lock names, without their folder."""
    version = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["version"]
    list(WheelBuilder(str(checkout)).build(directory=str(directory), versions=["standard"]))
    with tarfile.open(directory / f"minimize-libraries-{version}.tar", "w") as archive:
        for library in libraries(lock):
            for name, path in files(library):
                archive.add(path, name)


def libraries(lock: str) -> Iterator[Distribution]:
    """What the lock names, as it is installed; what a marker leaves out here is not there."""
    for name, version in _LOCKED.findall(lock):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        if found.version != version:
            raise SystemExit(f"{name} {found.version} is in .venv, and the lock names {version}.")
        yield found


def files(library: Distribution) -> Iterator[tuple[str, Path]]:
    """The files of a library below its folder, without what is compiled and without commands."""
    for file in library.files or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            yield str(file), Path(str(library.locate_file(file)))


if __name__ == "__main__":
    checkout = Path(sys.argv[1])
    write_sources(
        checkout, Path(sys.argv[2]), (checkout / "deploy/requirements-server.txt").read_text()
    )
