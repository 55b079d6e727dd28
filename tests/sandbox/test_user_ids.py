"""User ids in namespaces that have few of them, and the remedies; each tried where it can be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.sandbox import remedies, user_ids
from bot.sandbox.remedies import namespace_remedy
from bot.sandbox.slots import FIRST_UID, IDS, IDS_BASE, SLOTS, ids_in, is_root_outside
from bot.sandbox.user_ids import next_ids
from bot.sandbox.values import SandboxError

HOST = "         0          0 4294967295\n"
HOME = Path(__file__).parents[2]


def test_a_host_s_root_has_ids_of_no_user() -> None:
    own = ids_in([HOST, HOST])
    assert own.slots == range(FIRST_UID, FIRST_UID + SLOTS)
    assert (own.first, own.count) == (IDS_BASE, IDS)


@pytest.mark.parametrize(
    ("text", "slots", "count"),
    [
        # podman of a user with 65,536 ids: root is the user, the others are those of /etc/subuid.
        ("0 1000 1\n1 100000 65536\n", range(65537 - SLOTS, 65537), 65537 - SLOTS - 1),
        # docker with userns-remap; podman --userns=auto:size=2000.
        ("0 100000 65536\n", range(65536 - SLOTS, 65536), 65536 - SLOTS - 1),
        ("0 100000 2000\n", range(2000 - SLOTS, 2000), 2000 - SLOTS - 1),
        # Too few for the system's users of a buildroot.
        ("0 100000 500\n", range(500 - SLOTS, 500), 0),
        ("0 1000 1\n", range(0), 0),
    ],
)
def test_a_container_s_root_takes_ids_that_are_mapped(text: str, slots: range, count: int) -> None:
    own = ids_in([text, text])
    assert (own.slots, own.count) == (slots, count)
    assert own.first + own.count <= (slots.start or own.first)


def test_groups_count_as_users_do() -> None:
    assert ids_in([HOST, "0 100000 65536\n"]).first == 1


def as_root_with(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(user_ids, "own_ids", lambda: ids_in([text, text]))


def test_root_with_one_id_is_told_how_to_get_more(monkeypatch: pytest.MonkeyPatch) -> None:
    as_root_with("0 1000 1\n", monkeypatch)
    monkeypatch.setattr(user_ids, "in_container", lambda: True)
    with pytest.raises(SandboxError, match="too few user ids") as refused:
        user_ids.check_user_ids()
    assert "--userns=auto:size=65536" in refused.value.hint


@pytest.fixture
def ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who is not root and has ids of /etc/subuid."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(user_ids, "_subordinate", lambda _: [(100000, 65536)])
    monkeypatch.setattr(user_ids, "own_map", lambda _: HOST)
    monkeypatch.setattr(user_ids.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(user_ids, "no_new_privileges", lambda: False)


@pytest.mark.usefixtures("ordinary_user")
def test_a_user_with_ids_builds_with_them() -> None:
    assert user_ids.check_user_ids() == "65,536 from 100000 on, where packages are installed"


@pytest.mark.usefixtures("ordinary_user")
def test_no_new_privileges_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_ids, "no_new_privileges", lambda: True)
    with pytest.raises(SandboxError, match="NoNewPrivileges is set") as refused:
        user_ids.check_user_ids()
    assert "out of the unit" in refused.value.hint


@pytest.mark.usefixtures("ordinary_user")
def test_a_refused_newgidmap_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = subprocess.CompletedProcess([], 1, "", "newgidmap: write to gid_map failed\n")
    monkeypatch.setattr(user_ids.subprocess, "run", lambda *_, **__: refusing)
    with pytest.raises(
        SandboxError, match=r"newgidmap refuses .*/etc/subgid: .* failed"
    ) as refused:
        user_ids._map_ids("newgidmap", "/etc/subgid", 1, 1000)
    assert "setuid root" in refused.value.hint


@pytest.mark.usefixtures("ordinary_user")
@pytest.mark.parametrize(
    ("given", "space", "found"),
    [
        # The image's own ranges: on a host the first, in a container of 65,536 ids the second.
        ([(100000, 65536), (10002, 55534)], HOST, (100000, 65536)),
        ([(100000, 65536), (10002, 55534)], "0 200000 65536\n", (10002, 55534)),
        ([(50000, 65536)], "0 200000 65536\n", (50000, 15536)),
        ([(100000, 65536)], "0 200000 65536\n", "--add-subuids 1001-65535 "),
        ([(100000, 65536)], "0 1000 1\n", "--userns=auto:size=65536"),
        ([], HOST, "--add-subuids 100000-165535 "),
    ],
)
def test_of_a_user_s_ids_those_count_that_the_namespace_has(
    given: list[tuple[int, int]], space: str, found: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_ids, "_subordinate", lambda _: given)
    monkeypatch.setattr(user_ids, "own_map", lambda _: space)
    monkeypatch.setattr(user_ids, "next_ids", lambda _: (100_000, 165_535))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    if isinstance(found, tuple):
        assert user_ids.range_of_ids() == found
        return
    with pytest.raises(SandboxError, match="needs the user ids of /etc/subuid") as refused:
        user_ids.range_of_ids()
    assert str(found) in refused.value.hint


@pytest.mark.parametrize(
    ("parameters", "remedy"),
    [
        ({"user/max_user_namespaces": "0"}, "user.max_user_namespaces=10000"),
        ({"kernel/unprivileged_userns_clone": "0"}, "kernel.unprivileged_userns_clone=1"),
        ({"user/max_net_namespaces": "0"}, "Namespaces (net) are off here: sysctl -w user.max_net"),
        ({"kernel/apparmor_restrict_unprivileged_userns": "1"}, "deploy/install --apparmor"),
    ],
)
def test_what_the_kernel_forbids_has_its_remedy(
    parameters: dict[str, str], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remedies, "_kernel", lambda name: parameters.get(name, ""))
    assert remedy in namespace_remedy("bwrap: No permissions to create new namespace")


def test_a_chroot_whose_root_is_no_mount_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedies, "_kernel", lambda _: "")
    said = "unshare: cannot change root filesystem propagation: Invalid argument"
    assert "looks like a chroot" in namespace_remedy(said)


@pytest.mark.parametrize(
    ("profiles", "remedy"),
    [
        # A container's, or a unit's: bwrap has the profile of who started it.
        ({"self": "docker-default (enforce)", "bwrap": "docker-default (enforce)"}, False),
        ({"self": "unconfined", "bwrap": "unconfined"}, False),
        ({"self": "unconfined", "bwrap": "minimize-bwrap (unconfined)"}, False),
        ({"self": "unconfined", "bwrap": "bwrap (complain)"}, False),
        ({"self": "unconfined", "bwrap": "bwrap (enforce)"}, True),
    ],
)
def test_a_profile_that_confines_bwrap_has_its_remedy(
    profiles: dict[str, str], remedy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remedies, "_kernel", lambda _: "")
    monkeypatch.setattr(remedies.shutil, "which", lambda _: "/bin/cat")
    monkeypatch.setattr(
        remedies, "_profile", lambda process: profiles["self" if process == "self" else "bwrap"]
    )
    said = namespace_remedy("setpriv: setresuid failed: Operation not permitted")
    assert ("AppArmor's profile bwrap confines bwrap here. deploy/install --ap" in said) is remedy


@pytest.mark.parametrize(
    ("text", "seccomp", "remedy"),
    [
        ("bwrap: Can't set hostname: Operation not permitted", "2", "take RestrictNamespaces="),
        ("bwrap: Creating new namespace failed (ENOSPC)", "0", "as many namespaces as may be"),
        ("bwrap: Creating new namespace failed: Permission denied", "0", "A container forbids"),
        ("bwrap: execvp true: No such file or directory", "0", ""),
    ],
)
def test_what_surrounds_us_has_its_remedy(
    text: str, seccomp: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = {"Seccomp": seccomp, "CapEff": "ffffffffffffffff"}
    monkeypatch.setattr(remedies, "_kernel", lambda _: "")
    monkeypatch.setattr(remedies, "_profile", lambda _: "")
    monkeypatch.setattr(remedies, "_status", lambda name: status[name])
    monkeypatch.setattr(remedies, "in_container", lambda: False)
    said = namespace_remedy(text)
    assert said.startswith(remedy) if remedy.startswith("A ") else remedy in said
    assert bool(said) is bool(remedy)


def test_the_ids_that_a_user_is_to_get_are_nobody_else_s(tmp_path: Path) -> None:
    users, groups = tmp_path / "subuid", tmp_path / "subgid"
    assert next_ids((users, groups)) == (100_000, 165_535)
    users.write_text("\n".join(("a:100000:65536", "odd", "b:165536:1000")))
    groups.write_text("a:100000:65536")
    assert next_ids((users, groups)) == (166_536, 232_071)


def test_a_user_without_ids_is_told_a_command_that_can_be_pasted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(user_ids, "_user_name", lambda: "minimize")
    monkeypatch.setattr(user_ids, "_ranges", lambda _: iter([("maria", 100_000, 65_536)]))
    monkeypatch.setattr(user_ids.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(SandboxError, match="this user has none") as refused:
        user_ids.check_user_ids()
    command = "usermod --add-subuids 165536-231071 --add-subgids 165536-231071 minimize"
    assert f"has: {command} (as root)." in refused.value.hint


def test_root_without_sys_admin_is_told_to_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    docker = {"CapEff": "00000000a80425fb"}  # its default capabilities
    monkeypatch.setattr(remedies, "_kernel", lambda _: "")
    monkeypatch.setattr(remedies, "_status", lambda name: docker.get(name, ""))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    said = namespace_remedy("unshare: unshare failed: Operation not permitted")
    assert "--user 0 --cap-add SYS_ADMIN" in said


# The user namespaces in which the next tests try it for real.
_TESTS = """
import json, sys
from bot.sandbox.cgroup import run_without_control_groups
from bot.sandbox.run import run_sandboxed
from bot.sandbox.values import Limits, SandboxError
run_without_control_groups()
for user in ("build", "root"):
    try:
        done = run_sandboxed(["/usr/bin/id", "-u"], limits=Limits(seconds=60.0), user=user)
        print(user, done.returncode, done.stdout.decode().strip())
    except SandboxError as error:
        print(user, "refused:", error.what, error.hint)
"""


def tried_in(*command: str) -> list[str]:
    """The lines of both kinds of sandbox, tried below a command that makes a namespace."""
    done = subprocess.run(
        [*command, sys.executable, "-c", _TESTS], cwd=HOME, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    if not done.stdout:
        pytest.skip(f"no such namespace here: {done.stderr.strip()[-200:]}")
    return done.stdout.splitlines()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to map ids")


@needs_root
def test_in_a_namespace_of_65536_ids_both_kinds_of_sandbox_run() -> None:
    mapped = ("--map-users=0:100000:65536", "--map-groups=0:100000:65536")
    lines = tried_in("unshare", "--user", *mapped, "--setuid=0", "--setgid=0", "--mount")
    assert lines == ["build 0 1000", "root 0 0"]


@needs_root
def test_a_user_of_a_namespace_of_65536_ids_builds_with_those_of_them_that_are_its_own() -> None:
    """As in a container of Kubernetes with a user namespace: newuidmap is of its own root."""
    script = "mount -t tmpfs none /mnt; cd /mnt; mkdir run; chown 1000 run;"
    script += " export XDG_RUNTIME_DIR=/mnt/run;"
    for kind in ("uid", "gid"):
        script += f" echo 1000:10002:55534 >sub{kind}; mount --bind sub{kind} /etc/sub{kind};"
        script += f" cp /usr/bin/new{kind}map .; chmod 4755 new{kind}map;"
        script += f" mount --bind new{kind}map /usr/bin/new{kind}map;"
    script += f' cd {HOME}; exec setpriv --reuid 1000 --regid 1000 --clear-groups "$@"'
    mapped = ("--map-users=0:100000:65536", "--map-groups=0:100000:65536")
    lines = tried_in("unshare", "--user", *mapped, "--setuid=0", "--setgid=0", "--mount",
                     "sh", "-ec", script, "sh")  # fmt: skip
    assert lines == ["build 0 1000", "root 0 0"]


@needs_root
def test_in_a_chroot_the_remedy_is_a_root_of_a_container(tmp_path: Path) -> None:
    script = f'mount --rbind / {tmp_path}; exec chroot {tmp_path} "$@"'
    lines = tried_in("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")
    assert all("looks like a chroot" in line and "--rootfs" in line for line in lines)


@needs_root
def test_without_a_proc_the_remedy_mounts_it() -> None:
    script = 'umount -l /proc; exec "$@"'
    lines = tried_in("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")
    assert all("mount -t proc proc /proc" in line for line in lines)


@needs_root
def test_where_the_hosts_root_is_the_only_user_nothing_of_strangers_runs() -> None:
    build, root = tried_in("unshare", "--user", "--map-root-user", "--mount")
    assert build.startswith("build refused: The namespace of this process has no user but the host")
    assert "Give the container 65536 ids" in build
    assert root.startswith("root refused: This root's namespace has too few user ids")


@pytest.mark.parametrize(
    ("uid_map", "root"),
    [
        ("         0          0          1\n", True),
        ("         0       1000          1\n", False),
        ("         0          0 4294967295\n", False),
        ("0 0 1\n1 100000 65536\n", False),
    ],
)
def test_a_root_that_is_the_hosts_is_known_by_its_map(uid_map: str, root: bool) -> None:
    assert is_root_outside(uid_map) is root


@needs_root
def test_in_a_namespace_of_one_id_builds_are_refused_and_evaluation_runs() -> None:
    build, root = tried_in("unshare", "--user", "--map-users=0:100000:1", "--map-groups=0:100000:1",
                           "--setuid=0", "--setgid=0", "--mount")  # fmt: skip
    assert build == "build 0 1000"
    assert root.startswith("root refused: This root's namespace has too few user ids")


@needs_root
def test_without_user_namespaces_the_remedy_names_the_parameter() -> None:
    script = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    mapped = ("--map-users=0:0:65536", "--map-groups=0:0:65536", "--setuid=0", "--setgid=0")
    lines = tried_in("unshare", "--user", *mapped, "--mount", "sh", "-c", script, "sh")
    assert all("user.max_user_namespaces=10000" in line for line in lines)


@needs_root
def test_docker_s_capabilities_are_not_enough_for_root_and_it_says_so() -> None:
    kept = "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw"
    kept += ",sys_chroot,mknod,audit_write,setfcap"
    bounded = ",".join(["-all", *(f"+{name}" for name in kept.split(","))])
    lines = tried_in("setpriv", f"--bounding-set={bounded}", f"--inh-caps={bounded}")
    assert all("SYS_ADMIN" in line for line in lines)
