"""Evaluates one spec file for several architectures. Runs inside the sandbox only.

The system's own Python runs this file by itself: only the standard library, the system's rpm
module and the module of marks are there. Distributions' own Pythons run it too, down to 3.6
(Enterprise Linux 8): annotations with brackets are quoted. It reads /minimize/request.json and
writes one line for each architecture, a JSON object, to the descriptor for results: whatever a spec
prints disturbs nothing. A line is empty where an architecture's process died.

What a spec starts has that descriptor neither open nor in its environment, nor can it open this
process's through /proc.
"""

import ctypes
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rpm

# Inside, this one module of the project is there, under the name that it has outside.
sys.path.insert(0, "/minimize")
from bot.spec.inside import markers

KINDS = {
    "requires": "REQUIRE",
    "provides": "PROVIDE",
    "conflicts": "CONFLICT",
    "obsoletes": "OBSOLETE",
    "recommends": "RECOMMEND",
    "suggests": "SUGGEST",
    "supplements": "SUPPLEMENT",
    "enhances": "ENHANCE",
}
CONFIG = Path("/usr/lib/rpm")
# The host's own file of that name, put beside the distribution's: librpm of this version counts
# on some macros that an older distribution's file does not define.
FALLBACK = CONFIG / "macros.minimize"
WORK = Path("/tmp")
# Sections that may follow %prep, as rpm's module has them.
AFTER_PREP = ("build", "install", "check")

LOCATION = re.compile(r"^\s*(?:Source|Patch)\d*\s*:\s*(.+)", re.IGNORECASE)
# Macros that tell a build what to do, beside the text of its sections. What has parameters
# is no setting.
SETTING = re.compile(
    r"%(?:global|define|undefine)\s+(_\w+|optflags|build_\w+|debug_package|toolchain)(?![\w(])"
)
BUILD_REQUIREMENT = re.compile(r"^\s*BuildRequires\s*:\s*(.+)", re.IGNORECASE)
# linux/prctl.h: the files and the memory of a process that is not dumpable are root's.
PR_SET_DUMPABLE = 4
TOO_LONG = b'{"too_long": true}'
MOST_MESSAGE, MOST_LINES = 8192, 5000


def vendor_files(arch: str) -> "Iterator[Path]":
    """The vendor's macro file, and those that rpm reads after it.

    librpm looks for a vendor's directory by the name it was compiled with, which is the host's.
    """
    for vendor in sorted(CONFIG.iterdir()):
        if vendor.name not in ("macros.d", "platform", "fileattrs"):
            yield vendor / "macros"
    yield from sorted(Path("/etc/rpm").glob("macros.*"))
    yield Path("/etc/rpm/macros")
    yield Path(f"/etc/rpm/{arch}-linux/macros")


def load(path: Path) -> None:
    if path.is_file() and not path.name.endswith(("~", ".rpmsave", ".rpmnew", ".rpmorig")):
        rpm.expandMacro("%{load:" + str(path) + "}")


def macros_in(path: Path) -> "list[tuple[str, str]]":
    """The macros of a macro file: name, and the text that defines it."""
    if not path.is_file():
        return []
    lines = path.read_text(errors="replace").split("\n")
    found = []
    for start, end in markers.logical_lines(lines):
        name = re.match(r"%(\w{3,})[\s(]", lines[start])
        if name:
            found.append((name[1], "\n".join(lines[start : end + 1])))
    return found


def load_missing(macros: "list[tuple[str, str]]") -> None:
    """Those of `macros` that nothing defines so far."""
    missing = [text for name, text in macros if rpm.expandMacro("%{!?" + name + ":1}")]
    if missing:
        part = WORK / f"missing.{os.getpid()}"
        part.write_text("\n".join(missing) + "\n")
        load(part)


def configure(arch: str, request: "dict[str, Any]", fallback: "list[tuple[str, str]]") -> None:
    """The macros for one architecture, and the caller's definitions on top."""
    rpm.reloadConfig(f"{arch}-linux")
    if request["distribution"]:
        load_missing(fallback)
        for path in vendor_files(arch):
            load(path)
    for name, value in request["defaults"].items():
        if rpm.expandMacro("%{!?" + name + ":1}"):
            rpm.addMacro(name, value)
    for name, value in request["versions"].items():
        if rpm.expandMacro("%{?" + name + ":1}"):
            rpm.addMacro(name, value)
    for name, value in request["paths"].items():
        rpm.addMacro(name, value)
    parametric = []
    for name, value in request["definitions"].items():
        if "(" in name:
            parametric.append(f"%{name} " + value.replace("\n", "\\\n"))
        else:
            rpm.addMacro(name, value)
    if parametric:
        path = WORK / f"macros.{os.getpid()}"
        path.write_text("\n".join(parametric) + "\n")
        load(path)


def decoded(value: bytes) -> str:
    """A string of a header, as rpm's module gives it since 4.15; before, it gave bytes."""
    return value.decode(errors="surrogateescape")


def set_dumpable(dumpable: bool) -> None:
    """Let processes of this user open this one's descriptors and memory, or not."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


def written_by(
    most: int, function: "Callable[..., Any]", keys: "list[str]", *arguments: object
) -> "Iterator[bytes]":
    """Call `function(key, *arguments)` for each key, each in a process of its own; yield its JSON.

    Macros and Lua keep state, and a parser can crash: empty where the process died, TOO_LONG where
    it wrote more than `most` bytes.
    """
    running = []
    for key in keys:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(reading)
                with os.fdopen(writing, "wb") as stream:
                    text = json.dumps(
                        function(key, *arguments), ensure_ascii=False, default=decoded
                    )
                    stream.write(text.encode("utf-8", "surrogateescape"))
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        os.close(writing)
        running.append((pid, reading))
    for pid, reading in running:
        with os.fdopen(reading, "rb") as stream:
            found = stream.read(most + 1)
        os.waitpid(pid, 0)
        yield found if len(found) <= most else TOO_LONG


def in_child(most: int, function: "Callable[..., Any]", *arguments: object) -> Any:
    """Call `function` in a process of its own; None if that process died, or wrote too much."""
    text = next(written_by(most, lambda _: function(*arguments), [""]))
    try:
        return json.loads(text.decode("utf-8", "surrogateescape"))
    except ValueError:
        return None


def dependencies(header: Any, kind: str) -> "list[list[Any]]":
    tag = KINDS[kind]
    names = header[getattr(rpm, f"RPMTAG_{tag}NAME")]
    flags = header[getattr(rpm, f"RPMTAG_{tag}FLAGS")]
    versions = header[getattr(rpm, f"RPMTAG_{tag}VERSION")]
    # `strict` came with Python 3.10.
    return [[kind, *entry] for entry in zip(names, flags, versions)]  # noqa: B905


def package(entry: Any) -> "dict[str, object]":
    header = entry.header
    return {
        "name": header["name"],
        "epoch": header["epoch"],
        "version": header["version"],
        "release": header["release"],
        "arch": header["arch"],
        "files": entry.fileList or "",
        "dependencies": [found for kind in KINDS for found in dependencies(header, kind)],
    }


def expanded(lines: "list[str]", pattern: str) -> "list[list[Any]]":
    """Of lines that match, the word, the number from 1, and the value if a macro stays in it.

    Macros are as the spec left them: what is undefined then was never defined.
    """
    found = []
    for number, line in enumerate(lines, 1):
        match = re.match(pattern, line, re.IGNORECASE)
        if match and "%" in match[2]:
            try:
                value = rpm.expandMacro(match[2])
            except rpm.error:
                continue
            if "%" in value:
                found.append([match[1], number, value])
    return found


def parse(path: Path) -> "dict[str, object]":
    """Parse the spec file with rpm: its packages, or rpm's messages."""
    lines = path.read_text(errors="replace").split("\n")
    log_path = WORK / f"log.{os.getpid()}"
    with log_path.open("w") as log:
        rpm.setLogFile(log)
        try:
            spec = rpm.spec(str(path), rpm.RPMSPEC_ANYARCH | rpm.RPMSPEC_FORCE)
        except (ValueError, rpm.error) as error:
            log.flush()
            return {
                "error": (log_path.read_text(errors="replace") or str(error))[:MOST_MESSAGE],
                "requested": list(stated(lines, BUILD_REQUIREMENT))[:MOST_LINES],
                "locations": list(stated(lines, LOCATION))[:MOST_LINES],
                "buildarch": expanded(lines, r"\s*(Build(?:Arch|Architectures))\s*:\s*(.+)"),
            }
    source = spec.sourceHeader
    return {
        "packages": [package(entry) for entry in spec.packages],
        "source": source["name"],
        "buildrequires": dependencies(source, "requires"),
        "exclusivearch": list(source["exclusivearch"]),
        "excludearch": list(source["excludearch"]),
        "conditions": expanded(lines, r"\s*%(ifn?arch|ifn?os)\s+(.+)"),
        "sources": [[str(name), number, flags] for name, number, flags in spec.sources],
        "macros": own_macros(lines),
        "parsed": markers.with_lost_heading(
            spec.parsed,
            spec.prep or "",
            [(name, getattr(spec, name)) for name in AFTER_PREP if getattr(spec, name) is not None],
        ),
    }


def own_macros(lines: "list[str]") -> "list[list[str]]":
    """The macros of rpm's own that the spec sets or takes away, and what they are at its end."""
    names = {name for line in lines for name in SETTING.findall(line)}
    found = []
    for name in sorted(names):
        try:
            found.append([name, rpm.expandMacro("%{?" + name + "}")])
        except rpm.error:
            continue
    return found


def stated(lines: "list[str]", pattern: "re.Pattern[str]") -> "Iterator[str]":
    """The values of the lines that match, expanded as far as a refused spec came."""
    for line in lines:
        match = pattern.match(line)
        if match:
            try:
                yield rpm.expandMacro(match[1])
            except rpm.error:
                continue


def included(path: Path, text: str) -> "list[str]":
    """The files that `%include` names, as rpm expands the names once all is parsed."""
    parse(path)
    matches = (markers.INCLUDE.match(line) for line in text.split("\n"))
    return [rpm.expandMacro(match[1]) for match in matches if match]


def parse_marked(path: Path, everywhere: bool, most: int) -> "dict[str, object]":
    """The expanded text of a marked copy, and the files that its marks count.

    If not `everywhere` only the preamble and `%package` have marks: where others spoil something.
    """
    root = Path("/checkout")
    copy = WORK / f"marked.{os.getpid()}.spec"
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    files = [str(path.relative_to(root))]
    if any(markers.INCLUDE.match(line) for line in text.split("\n")):
        marked = []
        names = in_child(most, included, path, text) or []
        lines = iter(names)
        for line in markers.mark(text, 0, everywhere=everywhere).split("\n"):
            replaced = line
            if markers.INCLUDE.match(line):
                target = (path.parent / next(lines, "")).resolve()
                if target.is_file() and root in target.parents:
                    inner = target.read_text(encoding="utf-8", errors="surrogateescape")
                    inner_copy = WORK / f"marked.{os.getpid()}.{len(files)}"
                    inner_copy.write_text(
                        markers.mark(inner, len(files), everywhere=everywhere),
                        encoding="utf-8",
                        errors="surrogateescape",
                    )
                    files.append(str(target.relative_to(root)))
                    replaced = f"%include {inner_copy}"
            marked.append(replaced)
        copy_text = "\n".join(marked)
    else:
        copy_text = markers.mark(text, 0, everywhere=everywhere)
    copy.write_text(copy_text, encoding="utf-8", errors="surrogateescape")
    found = parse(copy)
    return {"files": files, "parsed": found["parsed"]} if "parsed" in found else {}


def is_marked(found: "dict[str, object] | None") -> bool:
    return found is not None and "files" in found


def evaluate(
    arch: str, request: "dict[str, Any]", fallback: "list[tuple[str, str]]"
) -> "dict[str, object]":
    configure(arch, request, fallback)
    path, most = Path(request["spec"]), request["most"]
    found: dict[str, object] | None = in_child(most, parse, path)
    if found is None:
        return {"error": "rpm's parser died while it read this spec file"}
    if "packages" in found:
        marked: dict[str, object] | None = in_child(most, parse_marked, path, True, most)
        if not is_marked(marked):
            marked = in_child(most, parse_marked, path, False, most)
        found["marked"] = marked if is_marked(marked) else None
    return found


def evaluate_apart(arch: str, result: int, *arguments: Any) -> "dict[str, object]":
    """`evaluate`, in a process that has the descriptor for results no more."""
    os.close(result)
    set_dumpable(True)
    return evaluate(arch, *arguments)


def main() -> None:
    result = int(os.environ.pop("MINIMIZE_RESULT"))
    set_dumpable(False)
    request = json.loads(Path("/minimize/request.json").read_text())
    fallback = macros_in(FALLBACK) if request["distribution"] else []
    # All at once: each writes to a pipe of its own, which is read to its end.
    most, arches = request["most"], request["arches"]
    written = list(written_by(most, evaluate_apart, arches, result, request, fallback))
    with os.fdopen(result, "wb") as stream:
        # JSON has no line feeds; text that has one is none.
        stream.write(b"".join((b"" if b"\n" in text else text) + b"\n" for text in written))


if __name__ == "__main__":
    main()
