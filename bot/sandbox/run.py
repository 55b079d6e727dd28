"""Running one command in the sandbox, with its limits."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bot.sandbox.cgroup import ControlGroup, control_group
from bot.sandbox.launch import (
    SYNTHETIC,
    User,
    View,
    bubblewrap_arguments,
    inner_command,
    outer_command,
)
from bot.sandbox.output import Logged, OutputSink, Sink
from bot.sandbox.slots import IDS_BASE, runtime_directory, uid_slot
from bot.sandbox.user_ids import IdMap
from bot.sandbox.values import Bind, Finished, Limit, Limits, SandboxError
from bot.sandbox.watch import DiskRoom, exceeded, readable

_CHUNK = 64 * 1024
# Often at first (a fork bomb needs milliseconds), seldom once it is a long build.
_EARLY, _LATE, _EARLY_FOR = 0.02, 0.2, 5.0
_AFTER_KILL = 10.0
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
    result: int = 0,
) -> Finished:
    """Run `argv` where it sees only what is named here, and say how it ended.

    `root` is a directory that becomes / (a buildroot, read-only unless `root_writable`; it must
    have /proc, /dev, /tmp); without it the host's /usr is seen read-only, with an /etc of three
    files. /tmp is private and of limited size. `env` is the whole environment besides PATH, HOME
    and LANG. `user="root"` is uid 0 inside with 65,536 ids and what installing packages needs (the
    host's view only); on disk they are fixed ids, so that a kept buildroot stays valid. `log`
    receives both streams as they come. A relative `chdir` makes no sense. `network` shares the
    host's: never for untrusted code. `chroots` are targets of binds that `argv` makes its root
    (`rpm --root`): they get /proc and /dev. With `result`, a number of bytes, the environment's
    MINIMIZE_RESULT names a descriptor to which that much can be written, beside both streams.

    Raises SandboxError where the sandbox itself could not work: nothing was run then.
    """
    limits = limits or Limits()
    view = View(binds, root, root_writable, env or {}, chdir, user, network, chroots)
    with contextlib.ExitStack() as stack:
        uid = stack.enter_context(uid_slot())
        owner = IDS_BASE if user == "root" else uid
        if uid is not None and owner is not None:
            writable = [bind.source for bind in binds if bind.writable]
            if root is not None and root_writable:
                writable.append(root)
            stack.enter_context(_given_to(owner, writable))
        group = stack.enter_context(control_group(f"{os.getpid()}-{uid}", limits))
        ids = IdMap() if user == "root" else None
        if ids is not None:
            stack.callback(ids.close)
        sources = [bind.source for bind in binds]
        if root is not None:
            sources.insert(0, root)
        for source in sources:
            if not source.exists():
                raise SandboxError(f"{source} is not there, and the sandbox was to show it.")
        stage = None
        if uid is not None:
            stage = runtime_directory() / "stage"
            stage.mkdir(mode=0o711, exist_ok=True)
        seen = [str(path) for path in sources]
        if stage is not None:
            seen = [str(stage / str(index)) for index in range(len(sources))]
        answer = stack.enter_context(_sized_memory(result)) if result else None
        if answer is not None:
            view = dataclasses.replace(view, env={**view.env, RESULT: str(answer)})
        data = {}
        if root is None:
            data = {path: stack.enter_context(_memory(text)) for path, text in SYNTHETIC.items()}
        arguments = bubblewrap_arguments(view, limits, seen, data)
        listed = stack.enter_context(_memory("\0".join(arguments) + "\0"))
        status = stack.enter_context(_memory(""))
        options = ["--args", str(listed), "--json-status-fd", str(status)]
        options += [] if ids is None else ids.options
        command = outer_command(
            limits=limits,
            uid=uid,
            stage=stage,
            staged=[source.absolute() for source in sources],
            procs=group.processes,
            options=options,
            inner=inner_command(argv, view),
        )
        passed = [listed, status, *data.values(), *(() if ids is None else ids.descriptors)]
        if answer is not None:
            passed.append(answer)
        room = DiskRoom(bind.source for bind in binds if bind.writable)
        room.check()
        finished = _run(command, passed, status, limits, group, log, ids, uid, room)
        if answer is None:
            return finished
        # What was not written has no pages: a hole, which need not be read.
        written = min(os.lseek(answer, 0, os.SEEK_HOLE), result)
        return dataclasses.replace(finished, result=os.pread(answer, written, 0).rstrip(b"\0"))


def _run(
    command: Sequence[str],
    passed: Sequence[int],
    status: int,
    limits: Limits,
    group: ControlGroup,
    log: Path | None,
    ids: IdMap | None,
    uid: int | None,
    room: DiskRoom,
) -> Finished:
    started = time.monotonic()
    sink: Sink = OutputSink(limits.output) if log is None else Logged(log, limits.output)
    with sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if log is None else subprocess.STDOUT,
            pass_fds=passed,
            env={"PATH": "/usr/bin:/usr/sbin:/bin:/sbin"},
            cwd="/",
            start_new_session=True,
        )
        limit: Limit | None = None
        try:
            if ids is not None:
                ids.write(uid)
            limit = _supervise(process, sink, _Watch(process, limits, group, room, status, started))
        finally:
            if process.poll() is None:
                _kill(process, group, status)
            _await_all(status)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        stdout, stderr = sink.result()
    returncode = process.returncode
    limit = limit or group.exceeded()
    # bubblewrap reports a command that a signal ended as 128 + signal, as a shell does.
    if limit is None and returncode in (128 + signal.SIGXFSZ, -signal.SIGXFSZ):
        limit = "disk"
    if limit is None:
        _refuse_setup_failure(status, stderr or stdout)
    return Finished(returncode, stdout, stderr, limit, time.monotonic() - started)


def _refuse_setup_failure(status: int, said: bytes) -> None:
    """SandboxError if bubblewrap, or what starts it, failed before the command was started.

    bubblewrap writes an exit code to its status descriptor only if it had set everything up.
    """
    if b'"exit-code"' in os.pread(status, _CHUNK, 0):
        return
    text = said.decode(errors="replace").strip()
    raise SandboxError(
        f"The sandbox could not start: {text or 'nothing was said why'}.", remedy(text)
    )


def remedy(text: str) -> str:
    """The remedy for a failure that bubblewrap or its starters described with `text`."""
    apparmor = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if apparmor.exists() and apparmor.read_text().strip() == "1":
        return (
            "AppArmor forbids user namespaces here: give bwrap a profile that has `userns,` "
            "(Ubuntu's package apparmor-profiles: bwrap-userns-restrict), or "
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0."
        )
    disabled = Path("/proc/sys/kernel/unprivileged_userns_clone")
    if disabled.exists() and disabled.read_text().strip() == "0":
        return "User namespaces are off here: sysctl kernel.unprivileged_userns_clone=1."
    if Path("/proc/sys/user/max_user_namespaces").read_text().strip() == "0":
        return "User namespaces are off here: sysctl user.max_user_namespaces=10000."
    inside = any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))
    if inside or "Operation not permitted" in text or "Permission denied" in text:
        return (
            "In a container, allow user namespaces and mounts: "
            "--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined (docker, podman), or --privileged."
        )
    return ""


class _Watch:
    """Ends the run when one of its limits is passed, and remembers which."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        limits: Limits,
        group: ControlGroup,
        room: DiskRoom,
        status: int,
        started: float,
    ) -> None:
        self.limit: Limit | None = None
        self._process = process
        self._limits = limits
        self._group = group
        self._room = room
        self._status = status
        self._started = started
        self._deadline = started + limits.seconds
        self._next_look = started + _EARLY

    def pause(self) -> float:
        """Seconds until the next look is due."""
        return max(0.0, min(self._deadline, self._next_look) - time.monotonic())

    def end(self, limit: Limit) -> None:
        """Kill the run for this limit."""
        self.limit = limit
        _kill(self._process, self._group, self._status)

    def look(self) -> bool:
        """Return whether the run may go on."""
        now = time.monotonic()
        if now >= self._deadline:
            self.end("time")
        elif now >= self._next_look:
            found = exceeded(self._process.pid, self._limits) or self._group.exceeded()
            if found is None and self._room.short() is not None:
                found = "disk"
            if found is not None:
                self.end(found)
            # A large tree takes longer to look at: never more than a fifth of a processor.
            pause = _EARLY if now - self._started < _EARLY_FOR else _LATE
            self._next_look = now + max(pause, 5 * (time.monotonic() - now))
        return self.limit is None


def _supervise(process: subprocess.Popen[bytes], sink: Sink, watch: _Watch) -> Limit | None:
    """Read the streams until they end and wait for the process; name the limit that ended it."""
    streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream.fileno(), selectors.EVENT_READ, stream is process.stderr)
        while selector.get_map() and watch.look():
            for key, _ in selector.select(watch.pause()):
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fd)
                elif not sink.take(data, is_error=key.data):
                    watch.end("output")
                    break
    # A command may close its streams and go on.
    while process.poll() is None and watch.look():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=max(watch.pause(), 0.001))
    return watch.limit


def _init_of(status: int) -> int | None:
    """A descriptor (pidfd) of the run's first process inside, null if it is not there (any more).

    `status` is what bubblewrap writes to its status descriptor.
    """
    found = re.search(rb'"child-pid"\s*:\s*(\d+)', os.pread(status, _CHUNK, 0))
    try:
        return None if found is None else os.pidfd_open(int(found[1]))
    except ProcessLookupError:
        return None


def _signal_init(init: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        signal.pidfd_send_signal(init, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes], group: ControlGroup, status: int) -> None:
    """End everything in the run's process namespace, and bubblewrap.

    The namespace's init first: then bubblewrap is there to reap it. If that takes long, bubblewrap
    itself, with which its init dies.
    """
    group.kill()
    init = _init_of(status)
    if init is not None:
        _signal_init(init)
        os.close(init)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_AFTER_KILL / 4)
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    try:
        process.wait(timeout=_AFTER_KILL)
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"Process {process.pid} of the sandbox does not end.") from error


def _await_all(status: int) -> None:
    """Wait until no process of the run is left.

    bubblewrap may end before what it started does. The init of a process namespace is the last to
    go: until then its processes count for their user, and may still write.
    """
    init = _init_of(status)
    if init is None:
        return
    try:
        _signal_init(init)
        if not readable(init, _AFTER_KILL):
            raise SandboxError("Processes of the sandbox do not end.")
        # Where we are process 1 of a container, orphans are ours to reap.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, init, os.WEXITED | os.WNOHANG)
    finally:
        os.close(init)


@contextlib.contextmanager
def _memory(text: str) -> Iterator[int]:
    """An open descriptor, at its start, of a nameless file with this text."""
    descriptor = os.memfd_create("minimize")
    try:
        os.write(descriptor, text.encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _sized_memory(size: int) -> Iterator[int]:
    """An open descriptor of a nameless file of `size` zeros that can neither grow nor shrink."""
    descriptor = os.memfd_create("minimize", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _given_to(uid: int, directories: Sequence[Path]) -> Iterator[None]:
    """The directories belong to the user inside while it runs, to us again afterwards."""
    for directory in directories:
        os.chown(directory, uid, uid)
    try:
        yield
    finally:
        for directory in directories:
            with contextlib.suppress(OSError):
                os.chown(directory, 0, 0)


@functools.cache
def _failure() -> tuple[str, str] | None:
    try:
        finished = run_sandboxed(["/usr/bin/env", "true"], limits=Limits(seconds=30.0))
    except SandboxError as error:
        return error.what, error.hint
    if finished.returncode != 0:
        output = (finished.stderr or finished.stdout).decode(errors="replace").strip()
        return f"A trivial command failed in the sandbox: {output or finished.limit}.", ""
    return None


def sandbox_available() -> str | None:
    """Null where the sandbox works, else why not and what to do about it. Asked once a process."""
    failure = _failure()
    return None if failure is None else f"{failure[0]} {failure[1]}".strip()


def require_sandbox() -> None:
    """Raises SandboxError, with the remedy, where the sandbox does not work."""
    if (failure := _failure()) is not None:
        raise SandboxError(*failure)
