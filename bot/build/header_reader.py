"""Reads RPM headers and writes them as JSON. Runs alone, inside the sandbox.

The files were made by untrusted code, so librpm meets them only there. This file imports nothing of
the project: it is started by the system's own Python (the one that `rpm` belongs to) as

    python3 header_reader.py FILE...

and writes one JSON object for each file, one on a line, in the order of the arguments, to the
descriptor for results; of a folder, which is an rpm database, one for each package. Flags are those
of rpmds.h and rpmfiles.h.
"""

import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rpm

# RPMSENSE_META: Requires(meta), never an ordering; some rpm Python modules do not export it.
_META = 1 << 29
_QUALIFIERS = (
    (rpm.RPMSENSE_SCRIPT_PRE, "pre"),
    (rpm.RPMSENSE_SCRIPT_POST, "post"),
    (rpm.RPMSENSE_SCRIPT_PREUN, "preun"),
    (rpm.RPMSENSE_SCRIPT_POSTUN, "postun"),
    (rpm.RPMSENSE_PRETRANS, "pretrans"),
    (rpm.RPMSENSE_POSTTRANS, "posttrans"),
    (getattr(rpm, "RPMSENSE_PREUNTRANS", 1 << 20), "preuntrans"),
    (getattr(rpm, "RPMSENSE_POSTUNTRANS", 1 << 21), "postuntrans"),
    (rpm.RPMSENSE_SCRIPT_VERIFY, "verify"),
    (rpm.RPMSENSE_INTERP, "interp"),
    (rpm.RPMSENSE_MISSINGOK, "missingok"),
    (_META, "meta"),
)
# config(NAME) is also made by rpmbuild alone, under its own flag.
_GENERATED = rpm.RPMSENSE_FIND_REQUIRES | rpm.RPMSENSE_FIND_PROVIDES | rpm.RPMSENSE_CONFIG
# The letters of rpmfc.c's dependency types that bring a package in.
_LETTERS = {"R": "requires", "r": "recommends", "S": "supplements"}
# Some packages have a thousand scripts with one interpreter: a few are enough.
_MOST_FILES = 5
_KINDS = "requires provides conflicts obsoletes recommends suggests supplements enhances"


def files_by_dependency(header: Any) -> dict[tuple[str, int], list[str]]:
    """Return the first files for which each dependency was generated, by its kind and index.

    rpmbuild stores them in DEPENDSDICT, a letter and an index in one number; each file has
    FILEDEPENDSN of them from FILEDEPENDSX on (rpmfcGenerateDepends in rpm's build/rpmfc.c).
    """
    dictionary = header[rpm.RPMTAG_DEPENDSDICT] or []
    starts = header[rpm.RPMTAG_FILEDEPENDSX] or []
    counts = header[rpm.RPMTAG_FILEDEPENDSN] or []
    files: dict[tuple[str, int], list[str]] = {}
    for file, start, count in zip(rpm.files(header), starts, counts, strict=False):
        for number in dictionary[start : start + count]:
            kind = _LETTERS.get(chr(number >> 24 & 0xFF))
            if kind is not None:
                paths = files.setdefault((kind, number & 0xFFFFFF), [])
                if len(paths) < _MOST_FILES:
                    paths.append(file.name)
    return files


def dependencies(header: Any) -> list[list[Any]]:
    """Return [kind, capability, qualifiers, generated, files] of all but `rpmlib(...)`."""
    records = []
    files = files_by_dependency(header)
    for kind in _KINDS.split():
        for index, dependency in enumerate(rpm.ds(header, kind)):
            if dependency.Flags() & rpm.RPMSENSE_RPMLIB:
                continue
            capability = dependency.DNEVR()[2:]  # "R name >= evr", the letter is the kind's
            flags = dependency.Flags()
            qualifiers = sorted(name for bit, name in _QUALIFIERS if flags & bit)
            generated = bool(flags & _GENERATED)
            records.append([kind, capability, qualifiers, generated, files.get((kind, index), [])])
    return records


def size_without_documentation(header: Any) -> int:
    """Return the bytes that `--nodocs` installs: no %doc, no %ghost, hard links once.

    Symbolic links count too. Without %doc files it is RPMTAG_SIZE, which counts the same (rpm's
    build/files.c).
    """
    total = 0
    inodes = set()
    for file in rpm.files(header):
        if file.fflags & (rpm.RPMFILE_DOC | rpm.RPMFILE_GHOST):
            continue
        if not (stat.S_ISREG(file.mode) or stat.S_ISLNK(file.mode)):
            continue
        if file.nlink > 1:
            if file.inode in inodes:
                continue
            inodes.add(file.inode)
        total += file.size
    return total


def headers(path: str) -> Iterator[Any]:
    """Yield the header of one RPM file, or those of an rpm database except its keys."""
    database = Path(path).is_dir()
    if database:
        # SQLite writes files beside a database that it reads.
        rpm.addMacro("_dbpath", shutil.copytree(path, "/tmp/database"))
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(-1)  # signatures are not checked here
    if database:
        yield from (header for header in transaction.dbMatch() if header[rpm.RPMTAG_ARCH])
        return
    with Path(path).open("rb") as file:
        yield transaction.hdrFromFdno(file)


def describe(header: Any) -> dict[str, object]:
    """Return a header as plain values."""
    return {
        "name": header[rpm.RPMTAG_NAME],
        "epoch": header[rpm.RPMTAG_EPOCH] or 0,
        "version": header[rpm.RPMTAG_VERSION],
        "release": header[rpm.RPMTAG_RELEASE],
        "arch": header[rpm.RPMTAG_ARCH],
        "source_rpm": header[rpm.RPMTAG_SOURCERPM],
        "installed_size": header[rpm.RPMTAG_LONGSIZE],
        "installed_size_nodocs": size_without_documentation(header),
        "dependencies": dependencies(header),
        "files": [file.name for file in rpm.files(header)],
    }


if __name__ == "__main__":
    with os.fdopen(int(os.environ["MINIMIZE_RESULT"]), "wb") as result:
        for argument in sys.argv[1:]:
            for package in headers(argument):
                text = json.dumps(describe(package), ensure_ascii=False)
                result.write(text.encode("utf-8", "surrogateescape") + b"\n")
