"""Running one command in the sandbox, with its limits."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from bot.sandbox.cancellation import Cancellation, current_cancellation
from bot.sandbox.cgroup import control_group, hierarchy
from bot.sandbox.disk import DiskRoom
from bot.sandbox.launch import (
    SYNTHETIC,
    User,
    View,
    bubblewrap_arguments,
    inner_command,
    mount_table,
    outer_command,
)
from bot.sandbox.priority import at_own_priority
from bot.sandbox.remedies import namespace_remedy
from bot.sandbox.slots import own_ids, runtime_directory, uid_slot, unreadable_file
from bot.sandbox.supervise import Launch, supervise
from bot.sandbox.system_calls import filters, join_new_session_keyring
from bot.sandbox.user_ids import IdMap, check_user_ids
from bot.sandbox.values import Bind, Limits, RunResult, SandboxError

T = TypeVar("T")
RESULT = "MINIMIZE_RESULT"


def run_sandboxed(
    argv: Sequence[str],
    *,
    binds: Sequence[Bind] = (),
    limits: Limits | None = None,
    env: Mapping[str, str] | None = None,
    chdir: str = "/tmp",
    root: Path | None = None,
    root_writable: bool = False,
    user: User = "build",
    network: bool = False,
    log: Path | None = None,
    chroots: Sequence[str] = (),
    result: int | None = None,
) -> RunResult:
    """Run `argv` with access only to what is named here, and return how it ended.

    `root` is a directory that becomes / (a buildroot, read-only unless `root_writable`; it must
    have /proc, /dev, /tmp); without it the host's /usr is visible read-only, with an /etc of four
    entries. /tmp is private and of limited size. `env` is the whole environment except PATH, HOME
    and LANG. `user="root"` is uid 0 inside with a range of ids (`own_ids`) and the capabilities
    that the installation of packages needs (with the host's view only). `log` receives both streams
    as they arrive. `chdir` is absolute. `network` shares the host's network: never for untrusted
    code. `chroots` are targets of binds that `argv` makes its root (`rpm --root`): they get /proc
    and /dev. `result` is a descriptor (`result_file`) that is open inside too; MINIMIZE_RESULT in
    the environment is its number.

    Raises SandboxError where the sandbox itself did not work and nothing was run, and WorkCancelled
    when the work is cancelled (`Cancellation`).
    """
    limits = limits or Limits()
    cancellation = current_cancellation()
    cancellation.check()
    if user == "root":
        check_user_ids()
    view = View(binds, root, root_writable, env or {}, chdir, user, network, chroots)
    with contextlib.ExitStack() as stack:
        uid = stack.enter_context(uid_slot())
        writable = [bind.source for bind in binds if bind.writable]
        if root is not None and root_writable:
            writable.append(root)
        if uid is not None:
            stack.enter_context(_ownership(own_ids().first if user == "root" else uid, writable))
        room = DiskRoom(writable, limits.disk)
        room.check()
        group = stack.enter_context(control_group(limits, hierarchy()))
        ids = IdMap() if user == "root" else None
        if ids is not None:
            stack.callback(ids.close)
        if result is not None:
            view = dataclasses.replace(view, env={**view.env, RESULT: str(result)})
        sources = _sources(view)
        visible, mounts = sources, subprocess.DEVNULL
        if uid is not None:
            table, visible = mount_table(sources, _stage())
            mounts = stack.enter_context(_memory(table.encode()))
        data = {} if root is not None else _memories(stack, SYNTHETIC)
        arguments = bubblewrap_arguments(view, limits, visible, data, unreadable_file())
        programs = [stack.enter_context(_memory(program)) for program in filters(user)]
        for descriptor in programs:
            arguments += ["--add-seccomp-fd", str(descriptor)]
        arguments_file = stack.enter_context(_memory("\0".join(arguments).encode() + b"\0"))
        status = stack.enter_context(_memory(b""))
        options = ["--args", str(arguments_file), "--json-status-fd", str(status)]
        command = outer_command(
            limits=limits,
            uid=uid,
            mounts=uid is not None,
            entrances=group.entrances,
            options=options if ids is None else [*options, *ids.options],
            inner=at_own_priority(inner_command(argv, view)),
        )
        descriptors = [arguments_file, status, *programs, *data.values()]
        descriptors += [] if ids is None else ids.descriptors
        descriptors += [] if result is None else [result]
        launch = Launch(
            command, mounts, descriptors, status, limits, group, log, ids, uid, room, cancellation
        )
        return _with_new_keyring(lambda: supervise(launch), cancellation)


def _sources(view: View) -> list[Path]:
    """Return the host's files that are visible inside: the root, if any, and each bind's."""
    sources = [bind.source for bind in view.binds]
    if view.root is not None:
        sources.insert(0, view.root)
    for source in sources:
        if not source.exists():
            raise SandboxError(f"{source} does not exist, and the sandbox needs it.")
    return [source.absolute() for source in sources]


def _stage() -> Path:
    stage = runtime_directory() / "stage"
    stage.mkdir(mode=0o711, exist_ok=True)
    return stage


def _memories(stack: contextlib.ExitStack, texts: Mapping[str, str]) -> dict[str, int]:
    return {path: stack.enter_context(_memory(text.encode())) for path, text in texts.items()}


def _with_new_keyring(work: Callable[[], T], cancellation: Cancellation) -> T:
    """Return `work()`, run in a thread with a new session keyring, which its children inherit.

    The thread must outlive them: the kernel kills a child when the thread that started it ends.
    """

    def run() -> T:
        join_new_session_keyring()
        return work()

    with ThreadPoolExecutor(1, "sandbox") as threads:
        future = threads.submit(run)
        try:
            return future.result()
        finally:
            if not future.done():  # interrupted: end the work that this thread waits for
                cancellation.cancel()


@contextlib.contextmanager
def _memory(content: bytes) -> Iterator[int]:
    """Open a descriptor, at its start, of a nameless file with this content."""
    descriptor = os.memfd_create("minimize")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def result_file(size: int) -> Iterator[int]:
    """Open a descriptor of a nameless file of `size` zeros that can neither grow nor shrink."""
    descriptor = os.memfd_create("minimize", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _ownership(uid: int, directories: Sequence[Path]) -> Iterator[None]:
    """Give the directories to the user inside during the run, and back afterwards."""
    for directory in directories:
        os.chown(directory, uid, uid)
    try:
        yield
    finally:
        for directory in directories:
            with contextlib.suppress(OSError):
                os.chown(directory, 0, 0)


# The tests, by the user inside: any program; what rpm does when it installs packages.
_TESTS: dict[User, str] = {
    "build": "true",
    "root": ": >/tmp/file && chown 1:1 /tmp/file && chroot / /bin/true",
}


@functools.cache
def require_sandbox(user: User = "build") -> None:
    """Test the sandbox, until it has worked once in this process.

    `build` is for evaluations and builds, `root` for the installation of packages. Raises
    SandboxError, with the remedy, where it does not work.
    """
    finished = run_sandboxed(
        ["/bin/sh", "-c", _TESTS[user]], limits=Limits(seconds=30.0), user=user
    )
    if finished.returncode != 0:
        output = (finished.stderr or finished.stdout).decode(errors="replace").strip()
        what = "A trivial command" if user == "build" else "A test of package installation"
        raise SandboxError(
            f"{what} failed in the sandbox: {output or finished.limit}.", namespace_remedy(output)
        )


def sandbox_available() -> str | None:
    """Return None where the sandbox works, else the error and its remedy."""
    try:
        require_sandbox()
    except SandboxError as error:
        return f"{error.what} {error.hint}".strip()
    return None
