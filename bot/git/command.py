"""Running git: without hooks and prompts, and with a time limit."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from bot.errors import ChangeError, SurroundingsError
from bot.outbound.authorities import authorities_file
from bot.outbound.proxies import proxy_environment

# Configuration that a repository's own may not override.
SAFE_CONFIG: Mapping[str, str] = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.quotePath": "false",
    "log.showSignature": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.version": "2",
    # A server may name other places; objects come only from the URL that the settings name.
    "transfer.bundleURI": "false",
    "promisor.acceptFromServer": "none",
    "http.followRedirects": "initial",
    # Old repositories have harmless commits and trees that today's checks refuse, and in a partial
    # clone git ignores exceptions (fetch.fsck.*). Git checks nothing out here; names and kinds are
    # checked where files are written.
    "transfer.fsckObjects": "false",
}


# Variables on the user's configuration and on connections: CI systems pass their credentials in
# them (gitlab-runner's GIT_CONFIG_GLOBAL, Jenkins' GIT_ASKPASS, an SSH key).
_USERS = re.compile(
    r"GIT_(CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|(KEY|VALUE)_\d+)|ASKPASS|SSH\w*|SSL_\w+|HTTP_\w+)"
)


class GitError(SurroundingsError):
    """A git command failed, for example as a host does not answer, or a repository is broken."""


class FileSizeError(ChangeError):
    """A git command would have written too large a file."""


# Git's message about its child process that writes packs (run-command.c).
_TOO_LARGE = f"died of signal {signal.SIGXFSZ.value}".encode()


def _limit_file_size(file_size: int | None) -> tuple[str, ...]:
    prlimit = None if file_size is None else shutil.which("prlimit")
    return (prlimit, f"--fsize={file_size}", "--") if prlimit else ()


@cache
def _dying_with_us() -> tuple[str, ...]:
    """The command prefix that ends git when this process is killed; empty without util-linux."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def git_environment(config: Mapping[str, str], *, isolated: bool, protocols: str) -> dict[str, str]:
    """The environment of a git command, which also passes `config`: no argument list shows it.

    `isolated` leaves out the configuration of the system and of the user, and the variables about
    it. `protocols` is git's GIT_ALLOW_PROTOCOL: names separated by colons.
    """
    variables = {
        name: value
        for name, value in os.environ.items()
        # GIT_* of the parent process (such as a hook's index) is not passed on.
        if not name.startswith("GIT_") or (not isolated and _USERS.fullmatch(name))
    } | proxy_environment()
    settings = {**SAFE_CONFIG, **config}
    if (authorities := authorities_file()) is not None:
        settings["http.sslCAInfo"] = str(authorities)
    count = variables.get("GIT_CONFIG_COUNT", "")
    first = int(count) if count.isascii() and count.isdecimal() else 0
    for index, (key, value) in enumerate(settings.items(), first):
        variables[f"GIT_CONFIG_KEY_{index}"] = key
        variables[f"GIT_CONFIG_VALUE_{index}"] = value
    variables |= {
        "GIT_CONFIG_COUNT": str(first + len(settings)),
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": variables.get("GIT_ASKPASS", "true"),
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "LC_ALL": "C.UTF-8",
    }
    if isolated:
        variables |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    return variables


def run_git(
    directory: Path,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    timeout: float = 120.0,
    accept: Sequence[int] = (0,),
    file_size: int | None = None,
) -> tuple[int, bytes]:
    """Run `git -C directory arguments`; returns its exit code and standard output.

    `timeout` is in seconds; after it the process group is killed. With util-linux no file that git
    writes can grow above `file_size` bytes. Raises GitError with git's message if the exit code is
    not in `accept`, FileSizeError if a file would have grown too large.
    """
    argv = [
        *_dying_with_us(),
        *_limit_file_size(file_size),
        "git",
        "-C",
        str(directory),
        *arguments,
    ]
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise GitError("git is not installed.", "Install the package git.") from error
    with process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise GitError(
                f"git {arguments[0]} took longer than {timeout:.0f} s and was stopped."
            ) from error
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode not in accept:
        if file_size is not None and _TOO_LARGE in stderr:
            raise FileSizeError(
                f"git {arguments[0]} was stopped: it would have written a file of more than"
                f" {file_size / 1e6:.0f} MB."
            )
        raise GitError(f"git {arguments[0]} failed: {_reason(stderr)}")
    return process.returncode, stdout


def _reason(stderr: bytes) -> str:
    """The lines of git's standard error that name the error, at most three."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    errors = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))]
    return "; ".join((errors or [line for line in lines if line] or ["no reason given"])[:3])
