"""The effect of a change by dnf: with the changed package in the place of the published one."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import createrepo_c as cr

from tests.corpus.checking import Corpus, Image

_SCRIPT = Path(__file__).with_name("dnf_counterfactual.py")
_ANSWERS = Path(__file__).parents[1] / "closure"
_SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True, slots=True)
class Question:
    """One change, for dnf: `source`'s main package `changed` (a NEVRA) requires `requirement` too.

    `keep` are the NEVRAs that stand for the source on both sides: every other package of it
    leaves (CONTRACT, overlay).
    """

    source: str
    changed: str
    requirement: str
    keep: tuple[str, ...]


def dnf_images(corpus: Corpus, questions: Sequence[Question]) -> tuple[Image, ...]:
    """dnf's image of the environment and the changed package, before and after, for each question.

    Raises RuntimeError where the system's Python has no dnf or dnf fails as a whole.
    """
    if not questions:
        return ()
    with tempfile.TemporaryDirectory(prefix="minimize-corpus-dnf-") as temporary:
        work = Path(temporary)
        wanted = {question.changed: question.requirement for question in questions}
        folders = [*corpus.repositories, corpus.macros]
        _write_changed(work / "changed", folders, wanted)
        job = {
            "repositories": [
                *({"id": s.id, "baseurl": s.baseurl[0]} for s in corpus.sources),
                {"id": "changed", "baseurl": (work / "changed").as_uri() + "/"},
            ],
            "arch": corpus.arch,
            "platform": corpus.platform,
            "work": str(work),
            "questions": [
                {
                    "source": each.source,
                    "keep": each.keep,
                    "changed": each.changed,
                    "requests": [*corpus.environment, each.source],
                }
                for each in questions
            ],
        }
        finished = subprocess.run(
            [_SYSTEM_PYTHON, str(_SCRIPT), str(_ANSWERS)],
            input=json.dumps(job), capture_output=True, text=True, check=False,
        )  # fmt: skip
    if finished.returncode:
        raise RuntimeError(f"dnf's Python ended with {finished.returncode}: {finished.stderr}")
    return tuple(Image(*pair) for pair in json.loads(finished.stdout))


def _write_changed(place: Path, folders: Sequence[Path], wanted: Mapping[str, str]) -> None:
    """A repository of the packages whose NEVRAs are `wanted`, each with one more requirement."""
    packages = []
    for folder in folders:
        for package in read_packages(folder, wanted):
            requirement = wanted[nevra_of(package)]
            package.requires = [*package.requires, (requirement, None, None, None, None, False)]
            packages.append(package)
    repodata = place / "repodata"
    repodata.mkdir(parents=True)
    names = ("primary", "filelists", "other")
    files = {
        "primary": cr.PrimaryXmlFile(str(repodata / "primary.xml.gz")),
        "filelists": cr.FilelistsXmlFile(str(repodata / "filelists.xml.gz")),
        "other": cr.OtherXmlFile(str(repodata / "other.xml.gz")),
    }
    for file in files.values():
        file.set_num_of_pkgs(len(packages))
    for package in packages:
        for file in files.values():
            file.add_pkg(package)
    repomd = cr.Repomd()
    for name in names:
        files[name].close()
        record = cr.RepomdRecord(name, str(repodata / f"{name}.xml.gz"))
        record.fill(cr.SHA256)
        repomd.set_record(record)
    (repodata / "repomd.xml").write_text(repomd.xml_dump())


def read_packages(folder: Path, wanted: Collection[str]) -> list[cr.Package]:
    """The packages of a repository whose NEVRAs are wanted, with their files."""
    repomd = cr.Repomd(str(folder / "repodata" / "repomd.xml"))
    places = {record.type: str(folder / record.location_href) for record in repomd.records}
    found: dict[str, cr.Package] = {}

    def keep(package: cr.Package) -> None:
        if nevra_of(package) in wanted:
            found[package.pkgId] = package

    def known(checksum: str, _name: str, _arch: str) -> cr.Package | None:
        return found.get(checksum)

    cr.xml_parse_primary(places["primary"], pkgcb=keep, do_files=False)
    cr.xml_parse_filelists(places["filelists"], newpkgcb=known)
    return list(found.values())


def nevra_of(package: cr.Package) -> str:
    """A package's NEVRA with its epoch, as the program writes it."""
    version = f"{package.epoch or 0}:{package.version}-{package.release}"
    return f"{package.name}-{version}.{package.arch}"
