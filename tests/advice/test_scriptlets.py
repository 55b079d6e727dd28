"""Scriptlets without a program: what is read of them, and what a shell does with them."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from bot.advice.written import runs_without


@pytest.mark.parametrize(
    "scriptlet",
    [
        "if [ -x /usr/bin/ctl ]; then\n  ctl reload\nfi\n",
        "if [ $1 -eq 1 ] && [ -x /usr/bin/ctl ] ; then\n  ctl \\\n  preset\nfi",
        "command -v ctl >/dev/null && ctl reload || :",
        "ctl reload >/dev/null 2>&1 || true",
        "test -x /usr/bin/ctl && ctl reload; exit 0",
        "# ctl is not called\ntouch /etc/ctl.conf",
        "systemctl-like reload",
        "if [ -e /usr/lib/ctl/helper ]; then\n  /usr/lib/ctl/helper || ctl reload\nfi",
        "if test -x '/bin/ctl'; then ctl reload; fi || :",
        "if [ $1 = 1 ]; then\n  if [ -x /usr/bin/ctl ]; then\n    :\n    ctl reload\n  fi\nfi",
        "[ -x /usr/bin/ctl ] || exit 0\nctl reload",
        "echo on\ntest -x /usr/bin/ctl || exit 0\nif [ $1 = 1 ]; then ctl add; fi\nctl reload",
        "command -v ctl >/dev/null 2>&1 || exit 0; ctl reload",
        "if ! [ -x /usr/bin/ctl ]; then exit 0; fi\nctl reload",
        "if [ ! -x /usr/bin/ctl ]; then\n  echo none\n  exit 0\nfi\nctl reload",
        "[ ! -x /usr/bin/ctl ] && exit 0\nctl reload",
        "if [ $1 = 1 ]; then\n  [ -x /usr/bin/ctl ] || exit 0\n  ctl reload\nfi",
        "{ test -x /usr/bin/ctl && ctl reload; } >/dev/null 2>&1 || :",
        "if getent group web; then :; elif [ -x /usr/bin/ctl ]; then ctl add; fi",
    ],
)
def test_a_scriptlet_does_without_a_program_that_it_looks_for_or_whose_failure_it_ignores(
    scriptlet,
):
    assert runs_without(scriptlet, {"/usr/bin/ctl"}, {"/usr/lib/ctl/helper"})


@pytest.mark.parametrize(
    "scriptlet",
    [
        "ctl reload",
        "getent group web || ctl add web",
        "if [ $1 -eq 1 ]; then\n  ctl reload\nfi",
        "if [ -x /usr/bin/ctl ]; then\n  true\nfi\n/usr/bin/ctl reload",
        "true || :; ctl reload",
        "ctl add || :; ctl reload",
        "if [ -e /etc/passwd ]; then\n  ctl reload\nfi",
        "if [ ! -x /usr/bin/ctl ]; then\n  ctl reload\nfi",
        "if [ -x /usr/bin/ctl ]; then :; else ctl reload; fi",
        "test -x /usr/bin/ctl && true; ctl reload",
        "test -x /usr/bin/ctl || ctl reload",
        "test -x /usr/bin/ctl && ctl reload",
        "[ -x /usr/bin/ctl ] || exit 1\nctl reload",
        "[ -x /usr/bin/ctl ] || exit\nctl reload",
        "[ -x /usr/bin/ctl ] && exit 0\nctl reload",
        "[ $1 = 1 ] && { [ -x /usr/bin/ctl ] || exit 0; }\nctl reload",
        "([ -x /usr/bin/ctl ] || exit 0)\nctl reload",
        "[ -x /usr/bin/ctl ] || exit 0 &\nctl reload",
        "check() {\n  [ -x /usr/bin/ctl ] || exit 0\n}\nctl reload",
        "cat <<END >/dev/null\n[ -x /usr/bin/ctl ] || exit 0\nEND\nctl reload",
        "echo '[ -x /usr/bin/ctl ] || exit 0'\nctl reload",
        "for x in $PATHS; do [ -x /usr/bin/ctl ] || exit 0; done; ctl reload",
        "[ -x /usr/bin/ctl ] | exit 0; ctl reload",
        "[ -x /usr/bin/ctl ] || other || exit 0; ctl reload",
        "ctl check || exit 0\nother",
        "# guarded \\\nctl reload",
        "CTL=$(command -v ctl)\n$CTL reload",
        '[ -x /usr/bin/ctl ] && HAVE=1\n[ -n "$HAVE" ]',
        "set -e\n[ -x /usr/bin/ctl ]\ntrue",
        "[ -x /usr/bin/ctl ]\ntest $? = 0",
        "if [ -x /usr/bin/ctl ]; then exit 0; fi\nother",
        "{ ctl check || exit 1; } || :",
        "trap 'ctl reload' EXIT || :",
        ". /usr/lib/ctl/helper || :",
        "#!<lua>\nif posix.access('/usr/bin/ctl') then os.execute('ctl') end",
        "if [ -x /usr/bin/other ] || [ -x /usr/bin/ctl ]; then ctl reload; fi",
    ],
)
def test_a_scriptlet_that_fails_without_a_program_needs_it(scriptlet):
    assert not runs_without(scriptlet, {"/usr/bin/ctl"}, {"/usr/lib/ctl/helper"})


def test_what_a_shell_has_itself_is_found_without_a_file():
    assert runs_without("command -v tested || exit 0; tested", {"/usr/bin/tested"})
    assert not runs_without("command -v test || exit 0; /usr/bin/test x", {"/usr/bin/test"})


# -- what is read, and what a shell does --------------------------------------------------------

SHELLS = [found for name in ("sh", "bash", "dash") if (found := shutil.which(name))]
NAME = "minimize-absent-ctl"
# PROGRAM is the program's path: there in the one run, not in the other.
TESTS = (
    "[ -x PROGRAM ]",
    "test -e PROGRAM",
    "command -v NAME >/dev/null",
    "type NAME",
    "[ -f PROGRAM ]",
)
NEGATED = ("! [ -x PROGRAM ]", "[ ! -x PROGRAM ]", "! command -v NAME")
OTHERS = (
    ":", "true", "false", "exit 0", "exit 1", "exit", "exit $?", "echo on", "X=1", "Y=$(NAME)",
    '[ "$X" = 1 ]', '[ -z "$X" ]', "[ $? = 0 ]", "[ -x /nowhere ]", "[ -d / ]", "command -v test",
    "(exit 0)", "X=", "set -e", "eval :", ". PROGRAM", "exec true", "trap : EXIT",
    "export X=2", "shift", "'exit' 0", "\\exit 0", "test PROGRAM", "[ -x PROGRAM -o -d / ]",
    "[ -d / -a -x PROGRAM ]", "# NAME", "echo 'exit 0", "'", 'echo "', "cat <<END", "END",
    "f() { :; }", "exit 0 # no", "case 1 in 1) exit 0;; esac",
    "for x in 1; do exit 0; done", "while false; do :; done",
)  # fmt: skip


def drawn(chance: random.Random, depth: int = 3) -> str:
    """One statement of a scriptlet."""

    def some(count: int) -> str:
        return chance.choice(("; ", "\n")).join(drawn(chance, depth - 1) for _ in range(count))

    kind = chance.random() if depth else 0.0
    if kind < 0.15:
        return chance.choice(("NAME", "NAME add", "PROGRAM reload"))
    if kind < 0.4:
        return chance.choice(TESTS if chance.random() < 0.7 else NEGATED)
    if kind < 0.5:
        return chance.choice(OTHERS[:4] if chance.random() < 0.6 else OTHERS)
    if kind < 0.78:
        joint = chance.choice((" || ", " && ", " || ", " && ", " | ", " & ", " &&\n", " || :\n"))
        return drawn(chance, depth - 1) + joint + drawn(chance, depth - 1)
    if kind < 0.92:
        other = chance.choice(("", "", f"\nelse {some(1)}", f"\nelif {some(1)}; then {some(1)}"))
        return f"if {some(1)}; then\n  {some(chance.randint(1, 2))}{other}\nfi"
    if kind < 0.97:
        return f"{{ {some(chance.randint(1, 2))}; }}" + chance.choice(("", " >/dev/null", " || :"))
    return f"({some(chance.randint(1, 2))})"


def status(shell: str, scriptlet: str, program: Path) -> int:
    """The exit status of a scriptlet where there is no program but perhaps this one."""
    return subprocess.run(
        [shell, "-c", scriptlet, "scriptlet", "1"],
        env={"PATH": str(program.parent)}, cwd=program.parent, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False,
    ).returncode  # fmt: skip


def failing(places: tuple[Path, Path], chance: random.Random, count: int) -> tuple[list[str], int]:
    """Of `count` scriptlets those that are read as doing without a program, and that a shell ends
    well with it but not without it; and how many do without it."""
    there, absent = places
    wrong, taken = [], 0
    for _ in range(count):
        written = "\n".join(drawn(chance) for _ in range(chance.randint(1, 4)))
        scripts = [
            written.replace("PROGRAM", str(program)).replace("NAME", NAME)
            for program in (there, absent)
        ]
        if NAME not in scripts[1] or not runs_without(scripts[1], {str(absent)}):
            continue
        taken += 1
        for shell in SHELLS:
            if status(shell, scripts[1], absent) and not status(shell, scripts[0], there):
                wrong.append(f"{shell}:\n{scripts[1]}")
    return wrong, taken


def test_what_does_without_a_program_ends_well_without_it_in_a_shell(tmp_path):
    there, absent = (tmp_path / folder / NAME for folder in ("there", "absent"))
    for program in (there, absent):
        program.parent.mkdir()
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    wrong, taken = failing((there, absent), random.Random(13), 1500)
    assert taken > 100
    assert not wrong, "\n---\n".join(wrong)
