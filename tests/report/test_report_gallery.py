"""What a comment costs in review: words before a fold, numbers in the headline, repeats."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.report.render import status_line
from tests.report.gallery import (
    FORGES,
    comment,
    comments_on_lines,
    cost_of,
    rendered,
    seen_at_once,
    write,
)
from tests.report.situations import SITUATIONS

each = pytest.mark.parametrize("name", SITUATIONS)
# The most words before a fold: of a whole fleet, of one image.
MOST_OF_MANY, MOST = 300, 200
MANY = ("library", "unsolvable")


def test_there_are_twenty_situations_and_more() -> None:
    assert len(SITUATIONS) >= 20


@each
def test_a_comment_is_read_in_ten_seconds(name: str) -> None:
    cost = cost_of(comment(name))
    assert cost.words <= (MOST_OF_MANY if name in MANY else MOST)
    assert cost.figures <= 8
    assert cost.repeated <= 2, cost.phrase


@each
def test_a_comment_begins_with_its_glyph_and_ends_with_the_full_report(name: str) -> None:
    text = comment(name)
    first = seen_at_once(text).split()[0]
    assert not first.isascii()
    assert f"[full report](<https://minimize.example/checks/{name}>)" in text.splitlines()[-1]


@each
def test_a_status_fits_and_has_no_markup(name: str) -> None:
    title, _ = status_line(SITUATIONS[name][1]())
    assert 0 < len(title) <= 140
    assert "**" not in title


def test_a_suggestion_says_its_saving_and_its_evidence_in_one_line_above_the_click() -> None:
    (comment,) = comments_on_lines("suggestion")
    above, block = rendered(comment).split("<pre>")
    assert (
        "Saves 56 MB (5 packages) in nginx" in above
        and "No file of the built packages uses" in above
    )
    assert "/minimize decline weaken:nginx:perl REASON" in above
    assert "Recommends: perl" in block
    assert comments_on_lines("predicted") == ()


@each
def test_each_fold_opens_and_closes(name: str) -> None:
    html = rendered(comment(name))
    assert html.count("<details>") == html.count("</details>") == html.count("<summary>")


def test_the_words_of_a_comment_end_at_its_first_fold() -> None:
    fold = "<details><summary>f</summary>\n\ng\n\n</details>\n"
    text = f"### a b 1.5\n\n| c |\n|---|\n| `d e` |\n\n{fold}"
    assert seen_at_once(text) == "a b 1.5 c d e"
    assert (cost_of(text).words, cost_of(text).figures) == (6, 1)
    assert cost_of("x y z and x y z").repeated == 2


def test_the_gallery_has_a_page_for_each_forge_and_a_list(tmp_path: Path) -> None:
    write(tmp_path)
    for name, (words, _) in SITUATIONS.items():
        for forge in FORGES:
            page = (tmp_path / f"{name}-{forge}.html").read_text()
            assert words in page
            assert rendered(comment(name)).split("<details>")[0] in page
            assert all(rendered(comment) in page for comment in comments_on_lines(name))
    assert (tmp_path / "index.html").read_text().count("<tr><td>") == len(SITUATIONS)
