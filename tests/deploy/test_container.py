"""What `minimize doctor` says in containers of few rights, and that what it says helps.

`MINIMIZE_IMAGE` names an image of deploy/container that podman has, or docker with
`MINIMIZE_CONTAINERS=docker`; this is root, and the program runs on this machine.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.deploy.places import CONTAINERS, IMAGE, container_options

pytestmark = pytest.mark.skipif(not IMAGE, reason="MINIMIZE_IMAGE names no image")
# Those of the options that help that the image's own user may be given, too.
OPEN = " ".join(container_options()[4:10])
NEW = "--security-opt no-new-privileges"
ALL = {"namespaces", "memory", "user ids"}


def doctor(*options: str) -> subprocess.CompletedProcess[str]:
    command = [CONTAINERS, "run", "--rm", *options, IMAGE, "doctor"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("options", "missing", "said"),
    [
        ("", ALL, "A container forbids this by default"),
        ("--user 0", ALL, "This is root without the capability SYS_ADMIN"),
        ("--user 0 --cap-add SYS_ADMIN", ALL, "A container forbids this by default"),
        ("--security-opt seccomp=unconfined", ALL, "Can't mount proc on /proc"),
        (OPEN, {"memory"}, "In a container only its root makes control groups"),
        (
            f"{OPEN} {NEW}",
            {"memory", "user ids"},
            "NoNewPrivileges is set",
        ),
    ],
)
def test_what_a_container_lacks_is_said_with_what_helps(
    options: str, missing: set[str], said: str
) -> None:
    done = doctor(*options.split())
    assert done.returncode == 1, done
    assert set(re.findall(r"^missing +(.*?)  ", done.stdout, re.M)) == missing
    assert said in done.stdout and re.search(r"\.\.$", done.stdout, re.M) is None
    assert "Run the container with " + " ".join(container_options()[:4]) in done.stdout


@pytest.mark.parametrize("options", ["--user 0 --privileged", " ".join(container_options())])
def test_what_helps_gives_the_whole_sandbox(options: str) -> None:
    done = doctor(*options.split())
    assert done.returncode == 0, done
    assert "Strangers' code is run here, with all of the above." in done.stdout
