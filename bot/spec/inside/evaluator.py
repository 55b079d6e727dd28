"""Evaluates one spec file for several architectures. Runs inside the sandbox only.

The system's own Python runs this file alone: it can import only the standard library, the system's
rpm module and the module of marks. Distributions' Pythons run it too, down to 3.6 (Enterprise Linux
8): annotations with brackets are quoted. It reads /minimize/request.json and writes one line for
each architecture, a JSON object, to the descriptor for results, so that output of the spec does not
mix with it. A line is empty if an architecture's process died. Programs that a spec starts neither
inherit that descriptor nor can open it through /proc.
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
# A copy of the host's own file beside the distribution's: the host's librpm needs some macros
# that an older distribution's file does not define.
FALLBACK = CONFIG / "macros.minimize"
WORK = Path("/tmp")
# Sections that may follow %prep, as rpm's module has them.
AFTER_PREP = ("build", "install", "check")

LOCATION = re.compile(r"^\s*(?:Source|Patch)\d*\s*:\s*(.+)", re.IGNORECASE)
# Macros that configure a build, beside the text of its sections. One with parameters
# is not a setting.
SETTING = re.compile(
    r"%(?:global|define|undefine)\s+(_\w+|optflags|build_\w+|debug_package|toolchain)(?![\w(])"
)
BUILD_REQUIREMENT = re.compile(r"^\s*BuildRequires\s*:\s*(.+)", re.IGNORECASE)
# linux/prctl.h: the files in /proc of a process that is not dumpable belong to root.
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
    """The macros of a macro file: names and the texts that define them."""
    if not path.is_file():
        return []
    lines = path.read_text(errors="replace").split("\n")
    macros = []
    for start, end in markers.logical_lines(lines):
        name = re.match(r"%(\w{3,})[\s(]", lines[start])
        if name:
            macros.append((name[1], "\n".join(lines[start : end + 1])))
    return macros


def load_missing(macros: "list[tuple[str, str]]") -> None:
    """Load those of `macros` that are not yet defined."""
    missing = [text for name, text in macros if rpm.expandMacro("%{!?" + name + ":1}")]
    if missing:
        part = WORK / f"missing.{os.getpid()}"
        part.write_text("\n".join(missing) + "\n")
        load(part)


def configure(arch: str, request: "dict[str, Any]", fallback: "list[tuple[str, str]]") -> None:
    """Set the macros for one architecture, and the caller's definitions after them."""
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
    """A string of a header as text; rpm's module before 4.15 gives bytes."""
    return value.decode(errors="surrogateescape")


def set_dumpable(dumpable: bool) -> None:
    """Allow or forbid processes of this user to open this process's descriptors and memory."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


def written_by(
    most: int, function: "Callable[..., Any]", keys: "list[str]", *arguments: object
) -> "Iterator[bytes]":
    """Call `function(key, *arguments)` for each key, each in a process of its own; yield its JSON.

    Separate processes because macros and Lua keep state, and a parser can crash: empty if the
    process died, TOO_LONG if it wrote more than `most` bytes.
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
            content = stream.read(most + 1)
        os.waitpid(pid, 0)
        yield content if len(content) <= most else TOO_LONG


def in_child(most: int, function: "Callable[..., Any]", *arguments: object) -> Any:
    """Call `function` in a process of its own; None if it died or wrote too much."""
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
        "dependencies": [dependency for kind in KINDS for dependency in dependencies(header, kind)],
    }


def expanded(lines: "list[str]", pattern: str) -> "list[list[Any]]":
    """Lines that match and keep a macro: the word, the number from 1, and the expanded value.

    Macros are in their final state: what is undefined then was never defined.
    """
    rows = []
    for number, line in enumerate(lines, 1):
        match = re.match(pattern, line, re.IGNORECASE)
        if match and "%" in match[2]:
            try:
                value = rpm.expandMacro(match[2])
            except rpm.error:
                continue
            if "%" in value:
                rows.append([match[1], number, value])
    return rows


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
    """rpm's own macros that the spec sets or removes, with their final values."""
    names = {name for line in lines for name in SETTING.findall(line)}
    macros = []
    for name in sorted(names):
        try:
            macros.append([name, rpm.expandMacro("%{?" + name + "}")])
        except rpm.error:
            continue
    return macros


def stated(lines: "list[str]", pattern: "re.Pattern[str]") -> "Iterator[str]":
    """The values of the lines that match, expanded with the macros defined before a refusal."""
    for line in lines:
        match = pattern.match(line)
        if match:
            try:
                yield rpm.expandMacro(match[1])
            except rpm.error:
                continue


def included(path: Path, text: str) -> "list[str]":
    """The files that `%include` names, expanded after parsing."""
    parse(path)
    matches = (markers.INCLUDE.match(line) for line in text.split("\n"))
    return [rpm.expandMacro(match[1]) for match in matches if match]


def parse_marked(path: Path, everywhere: bool, most: int) -> "dict[str, object]":
    """The expanded text of a marked copy, and the files to which its marks refer.

    If not `everywhere`, only the preamble and `%package` have marks, for specs that other marks
    break.
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
    parsed = parse(copy)
    return {"files": files, "parsed": parsed["parsed"]} if "parsed" in parsed else {}


def is_marked(answer: "dict[str, object] | None") -> bool:
    return answer is not None and "files" in answer


def evaluate(
    arch: str, request: "dict[str, Any]", fallback: "list[tuple[str, str]]"
) -> "dict[str, object]":
    configure(arch, request, fallback)
    path, most = Path(request["spec"]), request["most"]
    answer: dict[str, object] | None = in_child(most, parse, path)
    if answer is None:
        return {"error": "rpm's parser died while it read this spec file"}
    if "packages" in answer:
        marked: dict[str, object] | None = in_child(most, parse_marked, path, True, most)
        if not is_marked(marked):
            marked = in_child(most, parse_marked, path, False, most)
        answer["marked"] = marked if is_marked(marked) else None
    return answer


def evaluate_apart(arch: str, result: int, *arguments: Any) -> "dict[str, object]":
    """`evaluate` in a process that no longer has the descriptor for results."""
    os.close(result)
    set_dumpable(True)
    return evaluate(arch, *arguments)


def main() -> None:
    result = int(os.environ.pop("MINIMIZE_RESULT"))
    set_dumpable(False)
    request = json.loads(Path("/minimize/request.json").read_text())
    fallback = macros_in(FALLBACK) if request["distribution"] else []
    # All at once: each writes to its own pipe, which is read to the end.
    most, arches = request["most"], request["arches"]
    written = list(written_by(most, evaluate_apart, arches, result, request, fallback))
    with os.fdopen(result, "wb") as stream:
        # JSON has no line feeds; the text is one line.
        stream.write(b"".join((b"" if b"\n" in text else text) + b"\n" for text in written))


if __name__ == "__main__":
    main()
