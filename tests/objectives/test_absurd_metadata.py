"""Metadata that no tool of rpm's would write: nothing of it stops a run, what is absurd is null."""

import hashlib
from pathlib import Path

import pytest

from tests.objectives.worlds import World

SIZE = '<size package="5" installed="10" archive="1"/>'
VERSION = '<version epoch="0" ver="1" rel="1"/>'
REPOMD = """<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>
<data type="primary"><checksum type="sha256">{0}</checksum><open-checksum type="sha256">{0}
</open-checksum><location href="repodata/primary.xml"/><timestamp>1</timestamp><size>{1}</size>
</data></repomd>"""
PRIMARY = """<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common"
 xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1"><package type="rpm">
<name>lib</name><arch>noarch</arch>{version}
<checksum type="sha256" pkgid="YES">{checksum}</checksum>
<summary>s</summary><description>d</description><packager/><url/><time file="1" build="1"/>{size}
<location href="lib.rpm"/><format><rpm:license>MIT</rpm:license>
<rpm:sourcerpm>lib-1-1.src.rpm</rpm:sourcerpm><rpm:provides><rpm:entry name="lib"/></rpm:provides>
</format></package></metadata>"""


def publish(world: World, size: str = SIZE, version: str = VERSION) -> None:
    """Makes the repository hold one package that is written as given."""
    folder = world.root / "repository" / "repodata"
    folder.mkdir(parents=True, exist_ok=True)
    checksum = hashlib.sha256((size + version).encode()).hexdigest()
    content = PRIMARY.format(size=size, version=version, checksum=checksum).encode()
    (folder / "primary.xml").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / "repomd.xml").write_text(
        REPOMD.replace("\n</open", "</open").format(digest, len(content))
    )


def sizes(size: int | str) -> str:
    return f'<size package="{size}" installed="{size}"/>'


@pytest.mark.parametrize(
    ("size", "installed", "download"),
    [
        (SIZE, 10, 5),
        (sizes(-5), None, None),
        (sizes(2**63), None, None),
        (sizes(2**63 - 1), None, None),
        (sizes("9" * 40), None, None),
        ("", None, None),
        # A package may hold nothing, but it is a file itself.
        (sizes(0), 0, None),
    ],
)
def test_a_size_that_cannot_be_is_not_known(
    tmp_path: Path, size: str, installed: int | None, download: int | None
) -> None:
    world = World(tmp_path)
    world.workload("app", "lib")
    world.objective("small", "app", "limits: {installed_size: 1 MB}")
    publish(world, size)
    with world.history() as history:
        tracked = world.track(history)
        (image,) = tracked.images
        facts = image.after.facts
        assert (facts.packages, facts.installed_size, facts.download_size) == (
            1,
            installed,
            download,
        )
        assert [s.state.met for s in tracked.statuses] == [None if installed is None else True]
        # The step to a package that is as it should be adds up all the same.
        publish(world, version=VERSION.replace('"1" rel', '"2" rel'))
        ((cause,),) = (image.causes for image in world.track(history).images)
        assert cause.known_delta == 10 - (installed or 0)
        assert cause.delta == (None if installed is None else 10 - installed)


@pytest.mark.parametrize(
    "version",
    [
        '<version epoch="-1" ver="1" rel="1"/>',
        '<version epoch="999999999999999999999" ver="1" rel="1"/>',
        '<version epoch="a" ver="1" rel="1"/>',
        '<version epoch="0" ver="1:2" rel="1"/>',
        '<version epoch="0" ver="1-2-3" rel="1"/>',
        '<version epoch="0" ver="" rel=""/>',
        '<version epoch="0" ver="1"/>',
        f'<version epoch="0" ver="{"1" * 10_000}" rel="1"/>',
        "",
    ],
)
def test_a_version_that_rpm_would_not_build_stops_no_run(tmp_path: Path, version: str) -> None:
    world = World(tmp_path)
    key = world.workload("app", "lib")
    publish(world)
    with world.history() as history:
        world.track(history)
        for written, size in ((version, SIZE), (VERSION, sizes(7)), (version, sizes(8))):
            publish(world, size, written)
            assert [image.after.facts.status for image in world.track(history).images] == ["ok"]
        assert [m.nevra.name for m in history.contents(key).members] == ["lib"]
        assert sum(step.known_delta for step in history.steps(key)) == 8 - 10
