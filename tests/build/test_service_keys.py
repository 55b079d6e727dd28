"""The keys of Koji's and Copr's answers: those that the client reads and the stand-ins have.

Of kojihub/kojihub.py of koji at 2083513a (Task.fields, get_build, list_rpms, os.stat's) and of
coprs/views/apiv3_ns of Copr at 5d37cd838 (to_dict of builds and build chroots, schemas.Nevra).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from bot.build.copr import CoprBuild, _Chroot, _Package, _SourcePackage
from bot.build.koji_hub import FileStat, KojiBuild, KojiPackage, KojiTask
from tests.build.services import Copr, Koji

TASK = {
    "id",
    "state",
    "create_time",
    "create_ts",
    "start_time",
    "start_ts",
    "completion_time",
    "completion_ts",
    "channel_id",
    "host_id",
    "parent",
    "label",
    "waiting",
    "awaited",
    "owner",
    "method",
    "arch",
    "priority",
    "weight",
    "request",
}
BUILD = {
    "id",
    "version",
    "release",
    "build_id",
    "epoch",
    "draft",
    "state",
    "completion_time",
    "promotion_time",
    "start_time",
    "task_id",
    "creation_event_id",
    "creation_time",
    "package_id",
    "package_name",
    "name",
    "volume_id",
    "volume_name",
    "nvr",
    "creation_ts",
    "start_ts",
    "completion_ts",
    "promotion_ts",
    "owner_id",
    "owner_name",
    "promoter_id",
    "promoter_name",
    "cg_id",
    "source",
    "extra",
    "cg_name",
}
RPM = {
    "id",
    "name",
    "version",
    "release",
    "nvr",
    "arch",
    "epoch",
    "draft",
    "payloadhash",
    "size",
    "buildtime",
    "build_id",
    "buildroot_id",
    "external_repo_id",
    "external_repo_name",
    "metadata_only",
    "extra",
}
STAT = {
    f"st_{name}"
    for name in ["mode", "ino", "dev", "nlink", "uid", "gid", "size", "atime", "mtime", "ctime"]
}
COPR_BUILD = {
    "id",
    "state",
    "projectname",
    "ownername",
    "repo_url",
    "source_package",
    "submitted_on",
    "started_on",
    "ended_on",
    "submitter",
    "chroots",
    "project_dirname",
    "is_background",
}
COPR_SOURCE = {"name", "version", "url"}
COPR_CHROOT = {"name", "started_on", "ended_on", "result_url", "state"}
COPR_PACKAGE = {"arch", "epoch", "release", "version", "name"}


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (KojiTask, TASK), (KojiBuild, BUILD), (KojiPackage, RPM), (FileStat, STAT),
        (CoprBuild, COPR_BUILD), (_SourcePackage, COPR_SOURCE), (_Chroot, COPR_CHROOT),
        (_Package, COPR_PACKAGE),
    ],
)  # fmt: skip
def test_what_the_client_reads_is_there(model: type[BaseModel], keys: set[str]) -> None:
    read = {field.alias or name for name, field in model.model_fields.items()}
    assert read <= keys


def test_the_stand_ins_answer_with_no_other_keys(tmp_path: Path) -> None:
    koji, copr = Koji(tmp_path), Copr(tmp_path, url="http://127.0.0.1:9")
    koji.scratch(7, "git+https://x#1", "tool-1-1.src.rpm", {"x86_64": []})
    for number in koji.tasks:
        assert koji._getTaskInfo(number, request=True).keys() <= TASK
    file = koji.folder(9) / "tool.rpm"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    ((by_volume),) = koji._listTaskOutput(9, stat=True, all_volumes=True).values()
    assert by_volume["DEFAULT"].keys() <= STAT
    copr.build(3, "tool", "succeeded")
    copr.chroots[3, "fedora-43-x86_64"] = "succeeded"
    build = copr.answer("build/3", {})
    assert build.keys() <= COPR_BUILD
    assert build["source_package"].keys() <= COPR_SOURCE
    chroot = copr.answer("build-chroot/", {"build_id": "3", "chrootname": "fedora-43-x86_64"})
    assert chroot.keys() <= COPR_CHROOT
