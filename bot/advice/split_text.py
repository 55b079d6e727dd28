"""The lines of a spec file that make a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """The proposals, each split with the lines that make it."""
    found = []
    for proposal in proposals:
        changes = (
            replace(change, to=_text(opened[0], edit, headers)) if edit.kind == "split" else change
            for change, edit in zip(proposal.changes, proposal.answer.edits, strict=True)
        )
        found.append(replace(proposal, changes=tuple(changes)))
    return found


def _text(one: Opened, edit: Edit, headers: HeaderFacts) -> str:
    candidates = one.candidates
    for number in candidates.named[edit.package]:
        nevra = candidates.packages[number].nevra
        facts = headers.of(nevra)
        if number in candidates.now and facts is not None:
            return split_text(edit, nevra, facts)
    return subpackage_name(edit)


def split_text(edit: Edit, nevra: Nevra, facts: Facts) -> str:
    """The lines of a spec file that make a split: what a maintainer begins with.

    Upgrades keep the files: the subpackage obsoletes the old package, which recommends it.
    """
    name = subpackage_name(edit)
    flags = {file.path: file.flags for file in facts.files}
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
            lines.append(f"# %{script} of {edit.package} speaks of {', '.join(named)}: move that.")
    lines.append(f"%files -n {name}")
    lines += [f"{_attribute(flags.get(path, 0))}{path}" for path in edit.files]
    return "\n".join(lines)


def _attribute(flags: int) -> str:
    """The words before a file in %files."""
    if flags & CONFIG:
        return "%config(noreplace) " if flags & _NOREPLACE else "%config "
    return "%doc " if flags & DOCUMENTATION else ""
