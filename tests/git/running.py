"""Git, as somebody without a configuration runs it."""

import os
import subprocess
from pathlib import Path


def git(where: Path, *arguments: str, stdin: bytes = b"") -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(where),
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }
    done = subprocess.run(
        ["git", *arguments],
        cwd=where,
        env=environment,
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()
