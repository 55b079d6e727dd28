"""Conversion of `.deb` to `.rpm`, in two passes, as ELF dependencies between packages are needed
first. With one version of rpm the same `.deb` files give the same `.rpm` files, byte for byte."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.demo.distribution.debian import (
    RPM_ARCH,
    PackageSet,
    conflicts,
    obsoletes,
    package_evr,
    provides,
    requires,
    weak,
)
from bot.demo.distribution.recipes import Recipe, spec_text
from bot.demo.distribution.unpack import (
    DEPENDENCIES,
    NONE,
    UnpackedPackage,
    unpack,
    with_generated_files,
)
from bot.errors import SurroundingsError

# iconv's modules: no package requires them, and they only require each other.
NOT_SCANNED = re.compile(r"^/usr/lib/[^/]+/gconv/")
# Only rpm's generator for ELF is used: that for scripts would require interpreters that minimal
# images lack.
_MACROS = f"""
%_buildshell /bin/bash
%_build_id_links none
%_buildhost reference
%_binary_payload w3.zstdio
%_rpmformat 4
%_source_date_epoch_from_changelog 0
%source_date_epoch_from_changelog 0
%use_source_date_epoch_as_buildtime 1
%clamp_mtime_to_source_date_epoch 1
%build_mtime_policy clamp_to_source_date_epoch
%_binaries_in_noarch_packages_terminate_build 0
%_unpackaged_files_terminate_build 0
%_missing_doc_files_terminate_build 0
%_invalid_encoding_terminates_build 0
%_enable_debug_packages 0
%debug_package %{{nil}}
%__arch_install_post %{{nil}}
%__os_install_post %{{nil}}
%__check_files %{{nil}}
%_docdir_fmt none
%__docdir_path %{{nil}}
%vendor minimize
%packager minimize
%bugurl %{{nil}}
%optflags %{{nil}}
%__provides_exclude_from {NOT_SCANNED.pattern}
%__requires_exclude_from {NOT_SCANNED.pattern}
"""


@dataclass(frozen=True, slots=True)
class Rpm:
    """The host's rpm: its helper programs, and a private directory of configuration. `macro_files`
    are rpm's own and those of that directory: the host's and the user's macros are not read."""

    home: Path
    elfdeps: str
    macro_files: str


def open_rpm(home: Path) -> Rpm:
    """Prepare the private directory `home`; SurroundingsError if rpmbuild is missing."""
    configuration = Path(_evaluate("%{_rpmconfigdir}"))
    elfdeps = configuration / "elfdeps"
    attributes = configuration / "fileattrs/elf.attr"
    for path in (elfdeps, attributes):
        if not path.exists():
            raise SurroundingsError(
                f"{path} is missing: rpm cannot find the dependencies of programs.",
                "Install rpm (Debian, Ubuntu) or rpm-build (Fedora, CentOS).",
            )
    (home / "fileattrs").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(attributes, home / "fileattrs/elf.attr")
    macros = home / "macros"
    macros.write_text(_MACROS + f"%_fileattrsdir {home}/fileattrs\n")
    files = (
        f"{configuration}/macros",
        f"{configuration}/platform/%{{_target}}/macros",
        f"{home}/fileattrs/*.attr",
        f"{macros}",
    )
    return Rpm(home, str(elfdeps), ":".join(files))


def _evaluate(expression: str) -> str:
    try:
        finished = subprocess.run(
            ["rpm", "--eval", expression], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise SurroundingsError(
            f"rpm does not work on this machine: {error}",
            "Install rpm (Debian, Ubuntu) or rpm-build (Fedora, CentOS).",
        ) from error
    return finished.stdout.strip()


@dataclass(frozen=True, slots=True)
class ScannedPackage:
    """The result of the first pass: an unpacked package, and its programs' ELF capabilities."""

    unpacked: UnpackedPackage
    elf: ElfDependencies

    @property
    def name(self) -> str:
        return self.unpacked.fields["Package"]

    @property
    def arch(self) -> str:
        return RPM_ARCH[self.unpacked.fields["Architecture"]]


def scan(deb: Path, tree: Path, rpm: Rpm) -> ScannedPackage:
    """Unpack a `.deb` into `tree`, add files that its scripts would make, and scan its programs."""
    unpacked = with_generated_files(unpack(deb, tree))
    return ScannedPackage(unpacked, elf_dependencies(unpacked, rpm.elfdeps))


def recipe(
    scanned: ScannedPackage,
    dist: str,
    linked: frozenset[str],
    package_set: PackageSet,
    directories: frozenset[str] = frozenset(),
) -> Recipe:
    """The recipe of a package.

    `linked` are the packages it needs by ELF capabilities, `package_set` all packages of its
    architecture, `directories` those of the `filesystem` package.
    """
    fields = scanned.unpacked.fields
    name, version = fields["Package"], fields["Version"]
    source, _, source_version = fields.get("Source", name).partition(" ")
    summary, _, description = fields.get("Description", name).partition("\n")
    own = DEPENDENCIES.get(name, NONE)
    evr = package_evr(version, dist)
    requirements = requires(name, fields, dist, linked)
    if own.requires is not None:
        requirements = tuple(text.format(evr=evr) for text in own.requires)
    return Recipe(
        name=name,
        evr=evr,
        arch=scanned.arch,
        source=source,
        source_evr=package_evr(source_version.strip("()") or version, dist),
        summary=summary,
        description="\n".join(
            "" if line.strip() == "." else line.strip() for line in description.splitlines()
        ),
        url=fields.get("Homepage", ""),
        tree=scanned.unpacked.tree,
        entries=scanned.unpacked.entries,
        time=scanned.unpacked.time,
        config_files=scanned.unpacked.config_files,
        requires=tuple(dict.fromkeys((*requirements, *own.extra_requires))),
        provides=(
            *(provides(fields, dist) if own.provides is None else own.provides),
            *own.extra_provides,
        ),
        conflicts=tuple(conflicts(name, fields, package_set, dist)),
        obsoletes=tuple(obsoletes(name, fields, package_set)),
        recommends=weak("Recommends", fields, dist),
        suggests=weak("Suggests", fields, dist),
        enhances=weak("Enhances", fields, dist),
        directories_of_filesystem=directories,
    )


def write_rpm(recipe: Recipe, target_arch: str, rpm: Rpm, output: Path) -> Path:
    """Package a recipe's tree (which is moved away); return the `.rpm` in `output`.

    `target_arch` is rpmbuild's target; it does not matter for noarch packages. Raises
    SurroundingsError with rpmbuild's message.
    """
    work = rpm.home / "work" / f"{recipe.name}.{recipe.arch}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    spec = work / f"{recipe.name}.spec"
    spec.write_text(spec_text(recipe), encoding="utf-8")
    finished = subprocess.run(
        [
            "rpmbuild",
            "--quiet",
            f"--macros={rpm.macro_files}",
            "--target",
            f"{target_arch}-linux",
            f"--define=_topdir {work}",
            f"--define=_rpmdir {work}/out",
            f"--define=_tmppath {work}",
            f"--define=_rpmfilename {recipe.name}.rpm",
            "-bb",
            str(spec),
        ],
        env=_environment(recipe.time),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    file = work / "out" / f"{recipe.name}.rpm"
    if finished.returncode != 0 or not file.exists():
        complaint = "\n".join(finished.stderr.strip().splitlines()[-12:])
        raise SurroundingsError(f"rpmbuild could not repackage {recipe.name}: {complaint}")
    output.mkdir(parents=True, exist_ok=True)
    evr = recipe.evr
    place = output / f"{recipe.name}-{evr.version}-{evr.release}.{recipe.arch}.rpm"
    os.utime(file, (recipe.time, recipe.time))
    file.replace(place)
    shutil.rmtree(work)
    return place


def _environment(time: int) -> Mapping[str, str]:
    inherited = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    return {**inherited, "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(time), "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class ElfDependencies:
    """The capabilities that the programs and libraries of one package provide and require."""

    provides: frozenset[str]
    requires: frozenset[str]


def elf_dependencies(unpacked: UnpackedPackage, generator: str) -> ElfDependencies:
    """Run `generator` (rpm's elfdeps) on every scanned ELF file of a package."""
    paths = [
        f"{unpacked.tree}{entry.path}"
        for entry in unpacked.entries
        if entry.elf and not NOT_SCANNED.match(entry.path)
    ]
    if not paths:
        return ElfDependencies(frozenset(), frozenset())
    return ElfDependencies(
        _ask(generator, "--provides", paths), _ask(generator, "--requires", paths)
    )


def _ask(generator: str, question: str, paths: list[str]) -> frozenset[str]:
    finished = subprocess.run(
        [generator, question],
        input="".join(path + "\n" for path in paths),
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise SurroundingsError(f"{generator} {question} failed: {finished.stderr.strip()}")
    return frozenset(line for line in finished.stdout.splitlines() if line)


def linked_packages(
    name: str, elf: ElfDependencies, providers: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """The other packages whose ELF capabilities this one needs.

    `providers` maps a capability to the packages of the same architecture that provide it.
    """
    packages: set[str] = set()
    for capability in elf.requires - elf.provides:
        packages |= providers.get(capability, frozenset())
    return frozenset(packages - {name})


def elf_providers(packages: Mapping[str, ElfDependencies]) -> dict[str, frozenset[str]]:
    """A map from capabilities to the packages that provide them."""
    names_by_capability: dict[str, set[str]] = {}
    for name, elf in packages.items():
        for capability in elf.provides:
            names_by_capability.setdefault(capability, set()).add(name)
    return {capability: frozenset(names) for capability, names in names_by_capability.items()}
