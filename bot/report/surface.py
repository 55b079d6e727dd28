"""Sentences on the attack surface: a change's effect, and fixes that pinned images lack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from bot.model.image import ImageKey
from bot.model.surface import Surface
from bot.report.answers import image_text
from bot.report.blocks import Block, Detail, Paragraph, truncated_listing
from bot.report.grouping import Row
from bot.report.phrase import Phrase, code, joined, plain, to_text, visible
from bot.report.sizes import MINUS, plural
from bot.report.template import say

# The kinds of surface in report order: noun and items of an image.
_KINDS: tuple[tuple[str, Callable[[Surface], Sequence[str]]], ...] = (
    ("setuid file", lambda s: s.setuid),
    ("setgid file", lambda s: s.setgid),
    ("file with capabilities", lambda s: [file.path for file in s.capabilities]),
    ("world-writable path", lambda s: s.world_writable),
    ("interpreter", lambda s: s.interpreters),
    ("package manager", lambda s: s.package_managers),
    ("service", lambda s: s.services),
    ("socket", lambda s: s.sockets),
    ("timer", lambda s: s.timers),
    ("kernel module", lambda s: s.kernel_modules),
    ("sudo rule", lambda s: s.sudo),
    ("polkit file", lambda s: s.polkit),
    ("PAM service", lambda s: s.pam),
    ("D-Bus service", lambda s: s.dbus),
    ("cron job", lambda s: s.cron),
    ("user", lambda s: s.users or ()),
    ("fix that its packages lack", lambda s: s.unapplied or ()),
    ("CVE without a fix", lambda s: s.unfixed or ()),
)
_NOUNS = {
    "file with capabilities": "files with capabilities",
    "fix that its packages lack": "fixes that its packages lack",
    "CVE without a fix": "CVEs without a fix",
}  # irregular plurals
_NAMES = 3  # number of items of a kind that are named


def attack_surface(rows: Sequence[Row], detail: Detail) -> list[Block]:
    """Return one sentence on the changed images' surface, all together; none if it is unchanged.

    Images count if headers were read on both sides.
    """
    moves: list[Phrase] = []
    surfaces = [(i.base.surface, i.head.surface) for row in rows for i in row.images]
    known = [(base, head) for base, head in surfaces if base is not None and head is not None]
    for sign, pairs in (("+", known), (MINUS, [(head, base) for base, head in known])):
        for noun, items_of in _KINDS:
            items = sorted(
                {item for old, new in pairs for item in {*items_of(new)} - {*items_of(old)}}
            )
            if items:
                nouns = _NOUNS.get(noun, noun) if len(items) > 1 else noun
                kind = nouns if noun in _NOUNS else plural(len(items), noun).partition(" ")[2]
                names = [code(item) for item in items]
                moves.append(
                    say.surface_move(
                        count=f"{sign}{len(items)}",
                        kind=kind,
                        names=truncated_listing(names, min(_NAMES, detail.open_rows), noun),
                    )
                )
    fixes = max((_new_advisories(base, head) for base, head in known), default=0)
    if not moves and not fixes:
        return []
    had = say.surface_fixes(fixes=fixes) if fixes else ()
    sentence = say.surface_moves(moves=joined([*moves, *([had] if had else [])], ", "))
    return [Paragraph(sentence)]


def _new_advisories(base: Surface, head: Surface) -> int:
    """Return how many more advisories head has than base; 0 where one is not known."""
    if base.advisories is None or head.advisories is None:
        return 0
    return max(0, head.advisories.total - base.advisories.total)


def pinned_text(
    images: Iterable[tuple[ImageKey, Sequence[str] | None, Sequence[str] | None]],
) -> str:
    """Return each image with its unapplied advisories, and its CVEs without a fix."""
    return "".join(f"{line}\n" for image in images for line in _lines(*image))


def _lines(
    key: ImageKey, unapplied: Sequence[str] | None, unfixed: Sequence[str] | None
) -> Iterator[str]:
    named = plain(image_text(key))
    if unapplied is None:
        yield _words(say.pinned_unknown(image=named))
    else:
        yield _words(say.pinned_fixes(image=named, fixes=len(unapplied)))
        yield from (f"  {visible(advisory)}" for advisory in unapplied)
    if unfixed is not None:
        yield _words(say.pinned_unfixed(image=named, cves=len(unfixed)))
        yield from (f"  {visible(cve)}" for cve in unfixed)


def _words(phrase: Phrase) -> str:
    return to_text(phrase)
