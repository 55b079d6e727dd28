"""Marks in a copy of a spec file, by which expanded text is traced back to its lines.

Before each logical line stands an `OrderWithRequires` that names the line: rpm carries it through
conditionals and macros into the expanded text, and it changes no dependency that is read. Runs
inside the sandbox too, so it imports nothing of the project.
"""

import re

TAG = "OrderWithRequires"
PREFIX = "minimize-origin"
MARK = re.compile(rf"^\s*(?:--)?{TAG}: {PREFIX}-(\d{{1,9}})-(\d{{1,9}}|x)\s*$")

# In these sections a mark is not plain text: rpm interprets each line while it parses.
_UNMARKED = re.compile(r"^%(changelog|sourcelist|patchlist)\b", re.IGNORECASE)
# rpm compiles a Lua scriptlet while it parses: a mark there is a Lua comment.
_LUA = re.compile(r"^%\w+\b.*\s-p\s*<lua>", re.IGNORECASE)
SECTION = re.compile(
    r"^%(package|description|prep|conf|generate_buildrequires|build|install|check|clean|files|"
    r"changelog|sourcelist|patchlist|sepolicy|verifyscript|pre|post|preun|postun|pretrans|"
    r"posttrans|preuntrans|postuntrans|trigger\w*|filetrigger\w*|transfiletrigger\w*)\b",
    re.IGNORECASE,
)
# An escaped character (or a backslash at the end), the start of a macro, a bracket.
_PARTS = re.compile(r"\\.|\\$|%%|%[{(\[]|[{}()\[\]]")
# After this line (rpm's parseEmpty) only headings, comments and empty lines may stand.
END = re.compile(r"^%end\b", re.IGNORECASE)
_PACKAGE = re.compile(r"^%package\b", re.IGNORECASE)
_CLOSING = {"}": "{", ")": "(", "]": "["}
INCLUDE = re.compile(r"^\s*%include\s+(\S(?:.*\S)?)")


def logical_lines(lines: "list[str]") -> "list[tuple[int, int]]":
    """The first and last index (inclusive) of each logical line.

    A line continues while a `%{`, `%(` or `%[` is open, or if it ends in a backslash, even in a
    comment, as in rpm's reader.
    """
    ranges = []
    start = 0
    depths = dict.fromkeys(_CLOSING.values(), 0)
    for index, line in enumerate(lines):
        continued = False
        for part in _PARTS.findall(line):
            if part[0] == "\\":
                continued = part == "\\"
            elif part[0] == "%":
                if part != "%%":
                    depths[part[1]] += 1
            elif part in depths:
                depths[part] += depths[part] > 0
            else:
                depths[_CLOSING[part]] -= depths[_CLOSING[part]] > 0
        if not continued and not any(depths.values()):
            ranges.append((start, index))
            start = index + 1
    if start < len(lines):
        ranges.append((start, len(lines) - 1))
    return ranges


def mark(text: str, file: int, *, everywhere: bool = True) -> str:
    """A copy of `text`, the `file`th file of an evaluation, with a mark before each logical line.

    Sections that cannot have marks inside follow a mark for an unknown line (`x`); so do all
    sections but the preamble and `%package`, if not `everywhere`.
    """
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    marked: list[str] = []
    prefix: str | None = ""
    for start, end in logical_lines(lines):
        first = lines[start]
        if SECTION.match(first) or END.match(first):
            known = _can_have_marks(first) and (everywhere or _PACKAGE.match(first) is not None)
            if prefix is not None:
                marked.append(_mark(prefix, file, str(start + 1) if known else "x"))
            prefix = None if not known else "--" if _LUA.match(first) else ""
        elif prefix is not None:
            marked.append(_mark(prefix, file, str(start + 1)))
        marked.extend(lines[start : end + 1])
    return "\n".join(marked) + "\n"


def _can_have_marks(heading: str) -> bool:
    """Return whether a section can have marks inside; the text after `%end` cannot."""
    return _UNMARKED.match(heading) is None and END.match(heading) is None


def _mark(prefix: str, file: int, line: str) -> str:
    return f"{prefix}{TAG}: {PREFIX}-{file}-{line}"


def with_lost_heading(parsed: str, prep: str, sections: "list[tuple[str, str]]") -> str:
    """rpm's expanded text with the heading after `%prep`, which rpm 4.18 omits.

    `prep` is the text of `%prep`; `sections` are name and text of those that may follow it.
    """
    start = re.search(r"^%prep\b.*\n", parsed, re.MULTILINE | re.IGNORECASE)
    if start is None or not parsed.startswith(prep, start.end()):
        return parsed
    end = start.end() + len(prep)
    for name, body in sections:
        heading = re.compile(rf"^%{name}\b", re.MULTILINE | re.IGNORECASE)
        if heading.search(parsed) is None and parsed.startswith(body, end):
            return f"{parsed[:end]}%{name}\n{parsed[end:]}"
    return parsed
