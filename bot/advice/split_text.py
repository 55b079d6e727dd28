"""The lines of a spec file that make a split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bot.advice.edits import Edit
from bot.advice.headers import Facts, HeaderFacts
from bot.advice.plans import Proposal
from bot.advice.programs import Opened
from bot.advice.splits import subpackage_name
from bot.image.listing import CONFIG, DOCUMENTATION
from bot.model.nevra import Nevra

_NOREPLACE = 1 << 4  # rpm's include/rpm/rpmfiles.h


def with_split_text(
    opened: Sequence[Opened], proposals: Iterable[Proposal], headers: HeaderFacts
) -> list[Proposal]:
    """Return the proposals, each split with the spec file lines that make it."""
    with_texts = []
    for proposal in proposals:
        changes = (
            replace(change, to=_text(opened, edit, headers)) if edit.kind == "split" else change
            for change, edit in zip(proposal.changes, proposal.answer.edits, strict=True)
        )
        with_texts.append(replace(proposal, changes=tuple(changes)))
    return with_texts


def _text(opened: Sequence[Opened], edit: Edit, headers: HeaderFacts) -> str:
    known: dict[str, Facts] = {}
    for image in opened:
        for number in image.candidates.named[edit.package]:
            nevra = image.candidates.packages[number].nevra
            facts = headers.of(nevra)
            if number in image.candidates.now and facts is not None:
                known[image.candidates.arch] = facts
                first = nevra
    return split_text(edit, first, known) if known else subpackage_name(edit)


def split_text(edit: Edit, nevra: Nevra, known: Mapping[str, Facts]) -> str:
    """Return the spec file lines that make a split, for a maintainer to start from.

    `known` are the facts of the package on each architecture. Upgrades keep the files: the
    subpackage obsoletes the old package, and the new package recommends it.
    """
    name = subpackage_name(edit)
    facts = next(iter(known.values()))
    flags = {f.path: f.flags for one in known.values() for f in one.files}
    units = [path.rpartition("/")[2] for path in edit.files if "/systemd/system/" in path]
    lines = [
        f"# In {edit.package}:",
        f"Recommends: {name} = %{{version}}-%{{release}}",
        "",
        f"%package -n {name}",
        f"Summary: Files of {edit.package} that need {edit.capability}",
        f"Requires: {edit.package} = %{{version}}-%{{release}}",
        f"Obsoletes: {edit.package} <= {str(nevra.evr).removeprefix('0:')}",
        f"%description -n {name}",
        f"Files of {edit.package} that need {edit.capability}.",
        "",
    ]
    for script in ("post", "preun", "postun") if units else ():
        lines += [f"%{script} -n {name}", *(f"%systemd_{script} {unit}" for unit in units), ""]
    for script, text in facts.scripts:
        named = sorted(p.rpartition("/")[2] for p in edit.files if p.rpartition("/")[2] in text)
        if named:
            lines.append(f"# %{script} of {edit.package} names {', '.join(named)}: move that part.")
    lines.append(
        f"# Remove these from %files of {edit.package} (%exclude where a pattern matches):"
    )
    lines.append(f"%files -n {name}")
    paths = {arch: {file.path for file in one.files} for arch, one in known.items()}
    of_arches: dict[tuple[str, ...], list[str]] = {}
    for path in edit.files:
        arches = tuple(sorted(arch for arch, own in paths.items() if path in own))
        of_arches.setdefault(arches, []).append(f"{_attribute(flags.get(path, 0))}{path}")
    lines += of_arches.pop(tuple(sorted(paths)), [])
    for arches, own in sorted(of_arches.items()):
        lines += [f"%ifarch {' '.join(arches)}", *own, "%endif"]
    return "\n".join(lines)


def _attribute(flags: int) -> str:
    """Return the words before a file in %files."""
    if flags & CONFIG:
        return "%config(noreplace) " if flags & _NOREPLACE else "%config "
    return "%doc " if flags & DOCUMENTATION else ""
