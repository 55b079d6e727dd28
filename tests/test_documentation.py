"""Documents lead somewhere: their links, and the functions that the map names, are there."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from bot.check.repository_file import RepositoryFile

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob(".github/**/*.md"), *ROOT.glob("bot/**/*.md"),
     *ROOT.glob("deploy/*.md")]
)  # fmt: skip
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<to>[^)#]+)[^)]*\)")


def links(document: Path) -> list[tuple[str, str]]:
    found = [(m["text"], m["to"]) for m in LINK.finditer(document.read_text())]
    return [(text, to) for text, to in found if "://" not in to]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_of_a_document_lead_to_files(document: Path) -> None:
    missing = [to for _, to in links(document) if not (document.parent / to).exists()]
    assert missing == []


def test_the_map_names_functions_where_they_are() -> None:
    document = ROOT / "bot/README.md"
    for text, to in links(document):
        name = re.fullmatch(r"`([\w.]+)`", text)
        if name is None or "/" in text or to.endswith("/"):
            continue
        source = (document.parent / to).read_text()
        for part in name[1].split("."):
            assert re.search(rf"(def|class) {part}\b", source), f"{to} has no {part}"


def test_the_map_has_every_room() -> None:
    rooms = {p.name for p in (ROOT / "bot").iterdir() if p.is_dir() and p.name != "__pycache__"}
    named = {to.strip("/") for _, to in links(ROOT / "bot/README.md") if to.endswith("/")}
    assert rooms == named


def test_the_readme_has_every_field_of_the_repository_file() -> None:
    text = (ROOT / "README.md").read_text()
    section = text.split("### `.minimize.yaml`")[1].split("\n### ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert rows == [field.name for field in fields(RepositoryFile)]
