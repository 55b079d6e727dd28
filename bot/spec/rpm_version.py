"""The rpm that evaluates spec files: the host's or the distribution's, and their versions.

The syntax of a spec file depends on rpm's major and minor version: `BuildSystem:` came with 4.20,
`%patchN` went with it. If the distribution's own rpm cannot evaluate, the host's does, and a spec
file that it refuses may be valid for the distribution: the change is at fault only for a refusal
that every rpm shares. The messages were compared over the branches 4.14, 4.16, 4.18, 4.19, 4.20,
6.0 and 6.1 of rpm's sources (build/parse*, build/spec, rpmio/macro, rpmio/expression, lib/rpmds).
"""

from __future__ import annotations

import functools
import re
import subprocess
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from bot.model.nevra import Nevra
from bot.spec.inside.markers import logical_lines

# The Python with the host's rpm module, which is packaged by the host's distribution.
HOST_PYTHON = "/usr/bin/python3"
_VERSION = re.compile(r"^(\d+)\.(\d+)")
_SAY_VERSION = "import rpm; print(rpm.__version__)"


@dataclass(frozen=True, order=True, slots=True)
class RpmVersion:
    """Major and minor version of rpm; `str()` is `4.20`."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class DistributionRpm:
    """The rpm of the distribution under test.

    `version` is null if its repositories have no package `rpm`. `root` is a directory that becomes
    / while spec files are evaluated: it has that rpm, its Python module and `python`, the
    interpreter inside it. Without a root the host's rpm evaluates; `problem` says why there is none
    although the versions differ.
    """

    version: RpmVersion | None = None
    root: Path | None = None
    python: str = HOST_PYTHON
    problem: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report: the host's rpm was used instead of another version."""
        host = host_rpm()
        if self.root is not None or host is None or self.version in (None, host):
            return ()
        why = f": {self.problem}" if self.problem else ""
        return (
            f"Spec files were evaluated with this host's rpm {host}, not with the distribution's"
            f" rpm {self.version}{why}.",
        )


UNKNOWN_RPM = DistributionRpm()


class PublishedPackages(Protocol):
    """The part of a pool (`bot.closure.Pool`) that tells the distribution's rpm."""

    def selects(self, request: str) -> tuple[Nevra, ...]:
        """The packages that match a request; empty if none does."""
        ...


def rpm_version(text: str) -> RpmVersion | None:
    """The version that a text such as `4.18.0+dfsg` begins with; null if it is none.

    >>> str(rpm_version("4.20.1"))
    '4.20'
    """
    match = _VERSION.match(text)
    return None if match is None else RpmVersion(int(match[1]), int(match[2]))


def published_rpm(pool: PublishedPackages) -> RpmVersion | None:
    """The newest version of the package `rpm`; null if there is none."""
    versions = (rpm_version(nevra.version) for nevra in pool.selects("rpm") if nevra.name == "rpm")
    return max((version for version in versions if version is not None), default=None)


@functools.cache
def host_rpm() -> RpmVersion | None:
    """The version of the rpm module that evaluates on this host; null if it has none."""
    command = [HOST_PYTHON, "-I", "-c", _SAY_VERSION]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return rpm_version(finished.stdout)


# In all of these versions, and for no construct that only some versions know.
_SHARED = re.compile(
    r"unclosed %if|with no %if|field must be present |package has no %description|"
    r"empty tag: |malformed tag: |malformed %include|unable to open |could not open %include|"
    r"package \S+ (already exists|does not exist)|duplicate \S+ entries in package|"
    r"(second|duplicate) %\w+|second %changelog|illegal sequence \"\.\.\"|"
    r"%changelog entries must start with|(missing name|no description) in %changelog|"
    r"incomplete %changelog entry|bad date in %changelog|"
    r"too many levels of recursion|unclosed macro or bad line continuation|"
    r"only noarch subpackages are supported|epoch field must be an unsigned number|"
    r"script program must begin|triggers must have --|internal script must end|"
    r"illegal char '-' \(0x2d\) in|version required: |versioned file name not permitted",
    re.IGNORECASE,
)
# Only a newer rpm may accept these: a new tag, section, option or form of dependency.
_UNKNOWN = re.compile(
    r"unknown tag: |unknown option |bad option |bad \S+: qualifiers: |tag takes single token only|"
    r"dependency tokens must begin with|unterminated |macro \S+ has (unterminated|illegal name)|"
    r"doesn't belong to any section|rich dependency|buildsystem|"
    r"append and prepend specified|not allowed after (the )?build",
    re.IGNORECASE,
)
_UNKNOWN_TAG = re.compile(r"unknown tag: ([a-z]\w*?)\d*[\s:(]", re.IGNORECASE)
# Tags of every version (build/parsePreamble.c). A tag that is almost one of them is misspelled.
_TAGS = (
    "name", "version", "release", "epoch", "summary", "license", "sourcelicense", "group", "url",
    "distribution", "disturl", "disttag", "vendor", "packager", "bugurl", "translationurl",
    "upstreamreleases", "modularitylabel", "vcs", "source", "patch", "nosource", "nopatch",
    "icon", "exclusivearch", "excludearch", "exclusiveos", "excludeos", "buildarch",
    "buildarchitectures", "buildrequires", "buildprereq", "buildconflicts", "buildroot",
    "buildsystem", "buildoption", "requires", "prereq", "provides", "conflicts", "obsoletes",
    "recommends", "suggests", "supplements", "enhances", "orderwithrequires", "prefix",
    "prefixes", "docdir", "autoreq", "autoprov", "autoreqprov", "removepathpostfixes",
)  # fmt: skip
_MISSPELLED = 0.84  # SequenceMatcher's ratio; `Licence` and `License` have 0.86
# The lines of %prep that unpack and patch: later versions of rpm have more of their options.
_UNPACKING = re.compile(r"^\s*%\{?\??(setup|autosetup|autopatch|patch\d*)\b")
_PATCH_OBSOLETE = RpmVersion(4, 20)
_PATCH = re.compile(rb"^[ \t]*(?:%\{[!?\w]+:[ \t]*)*%\{?(patch\d{1,5})\b", re.MULTILINE)


def may_be_taken(message: str, host: RpmVersion | None, distribution: RpmVersion | None) -> bool:
    """Return whether the distribution's rpm may accept what the host's refuses with `message`.

    False if both have the same version, or if either is unknown.
    """
    if host is None or distribution is None or host == distribution:
        return False
    patterns = (_SHARED,) if distribution > host else (_SHARED, _UNKNOWN)
    # Lines without a letter point at a position in the previous line.
    lines = [line for line in message.splitlines() if re.search(r"[A-Za-z]", line)]
    return not lines or not all(
        any(pattern.search(line) for pattern in patterns) or _is_misspelled(line) for line in lines
    )


def _is_misspelled(message: str) -> bool:
    """Return whether rpm does not know a tag, and it is almost one that some version has.

    >>> _is_misspelled("line 6: Unknown tag: Requiers: x")
    True
    >>> _is_misspelled("line 6: Unknown tag: BuildSystem: autotools")
    False
    """
    match = _UNKNOWN_TAG.search(message)
    tag = match[1].lower() if match else ""
    return tag not in _TAGS and bool(get_close_matches(tag, _TAGS, 1, _MISSPELLED))


def host_refuses(message: str, host: RpmVersion, distribution: RpmVersion, problem: str) -> str:
    """The message for a refusal of the host's rpm alone; `problem` says why the distribution's was
    not used."""
    why = f" That rpm could not be used: {problem}." if problem else ""
    return (
        f"This host's rpm {host} refuses the spec file, which the distribution's rpm {distribution}"
        f" may take: {message.rstrip('.')}.{why}"
    )


def patch_definitions(
    text: bytes, host: RpmVersion | None, distribution: RpmVersion | None
) -> dict[str, str]:
    """Definitions with which an rpm since 4.20 reads the `%patchN` of a spec file's `text`.

    How a patch is applied does not affect dependencies. Empty if the host's rpm accepts `%patchN`
    itself, or the distribution's refuses it too.
    """
    if host is None or host < _PATCH_OBSOLETE:
        return {}
    if distribution is not None and distribution >= _PATCH_OBSOLETE:
        return {}
    names = sorted({name.decode() for name in _PATCH.findall(text)})
    return {f"{name}(-)": f"%{{patch -P{name.removeprefix('patch')} %**}}" for name in names}


def without_unpacking(text: str) -> str:
    """The text of a spec file with its lines that unpack and patch sources made empty.

    They do not affect packages and dependencies. Other lines of %prep, %build and the like stay:
    they may define macros (2,340 lines in 23,184 specs of Fedora), or be a macro that ends the
    section and describes packages (`%gopkgfiles`).
    """
    lines = text.split("\n")
    for start, end in logical_lines(lines):
        if _UNPACKING.match(lines[start]):
            lines[start : end + 1] = [""] * (end + 1 - start)
    return "\n".join(lines)
