"""Writing an rpm-md repository with createrepo_c: the same packages give the same bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from bot.temporary import temporary_directory


@cache
def createrepo() -> Any:
    """The createrepo_c module, imported when it is needed.

    Its wheel carries an rpm of its own, which reads the macros of the host's rpm while it is
    imported and prints an error where they are of another version: it is given empty ones.
    """
    before = os.environ.get("RPM_CONFIGDIR")
    with temporary_directory("rpm") as directory:
        for name in ("rpmrc", "macros"):
            (directory / name).touch()
        os.environ["RPM_CONFIGDIR"] = str(directory)
        try:
            import createrepo_c
        finally:
            del os.environ["RPM_CONFIGDIR"]
            if before is not None:
                os.environ["RPM_CONFIGDIR"] = before
    return createrepo_c


def write_repository(root: Path, packages: Iterable[Path], revision: int) -> None:
    """Writes `root/repodata` for the `.rpm` files, which lie below `root`.

    `revision` (seconds since 1970) becomes the revision and every timestamp.
    """
    createrepo_c = createrepo()
    ordered = sorted(packages)

    def described() -> Iterable[Any]:
        for path in ordered:
            package = createrepo_c.package_from_rpm(
                str(path),
                location_href=str(path.relative_to(root)),
                checksum_type=createrepo_c.SHA256,
                changelog_limit=0,
            )
            package.time_file = revision
            yield package

    write_metadata(root, described, len(ordered), revision)


def write_metadata(
    root: Path, packages: Callable[[], Iterable[Any]], count: int, revision: int
) -> None:
    """Writes `root/repodata` for createrepo_c packages: primary and filelists, compressed by zstd.

    (createrepo_c's gzip writes the clock into its header.)
    """
    createrepo_c = createrepo()
    data = root / "repodata"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    kinds = {
        "primary": (createrepo_c.PrimaryXmlFile, createrepo_c.xml_dump_primary),
        "filelists": (createrepo_c.FilelistsXmlFile, createrepo_c.xml_dump_filelists),
    }
    paths = {kind: data / f"{kind}.xml.zst" for kind in kinds}
    statistics = {kind: createrepo_c.ContentStat(createrepo_c.SHA256) for kind in kinds}
    files = {
        kind: write(str(paths[kind]), createrepo_c.ZSTD, statistics[kind])
        for kind, (write, _) in kinds.items()
    }
    for file in files.values():
        file.set_num_of_pkgs(count)
    for package in packages():
        for kind, (_, dump) in kinds.items():
            files[kind].add_chunk(dump(package))
    for file in files.values():
        file.close()
    repomd = createrepo_c.Repomd()
    repomd.set_revision(str(revision))
    for kind, path in paths.items():
        record = createrepo_c.RepomdRecord(kind, str(path))
        record.load_contentstat(statistics[kind])
        record.fill(createrepo_c.SHA256)
        record.timestamp = revision
        record.rename_file()
        repomd.set_record(record)
    (data / "repomd.xml").write_text(repomd.xml_dump(), encoding="utf-8")
