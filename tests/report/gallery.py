"""The gallery: every situation's comment as GitHub and GitLab show it, in `var/gallery`.

`python -m tests.report.gallery` writes the pages and prints what each comment costs in review.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape, unescape
from pathlib import Path

from markdown_it import MarkdownIt

from bot.engine.rendering import line_suggestion
from bot.forge.values import suggestion_body
from bot.report.render import render_comment, status_line
from bot.report.suggestion import offered
from tests.report.situations import SITUATIONS

GALLERY = Path(__file__).parents[2] / "var" / "gallery"
FORGES = ("github", "gitlab")
_FIGURE = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Cost:
    """A comment's cost in review, of what is seen before its first fold.

    `words` are split at white space, `figures` the numbers in the headline, `repeated` how often
    the phrase of three words that comes most often is there.
    """

    words: int
    figures: int
    phrase: str
    repeated: int


@cache
def comment(name: str) -> str:
    """The comment in one situation, with the lines for chat and a page."""
    return render_comment(
        SITUATIONS[name][1](), page_url=f"https://minimize.example/checks/{name}", chat=True
    )


def comments_on_lines(name: str) -> tuple[str, ...]:
    """The review comments of one situation, each a suggestion on its line of the diff."""
    lines = map(line_suggestion, offered(SITUATIONS[name][1]()))
    return tuple(suggestion_body(line, "suggestion") for line in lines)


def rendered(text: str) -> str:
    """A comment's Markdown as HTML, as a forge's renderer makes it."""
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)


def seen_at_once(text: str) -> str:
    """The text of a rendered comment before its first fold, on one line."""
    html, *_ = rendered(text).split("<details>")
    inline = re.sub(r"</?(?:code|strong|a|em)\b[^>]*>|<!--.*?-->", "", html, flags=re.DOTALL)
    shown = re.sub(r"<[^>]*>", " ", inline)
    return " ".join(unescape(shown).split())


def cost_of(text: str) -> Cost:
    """The cost of a comment in Markdown."""
    shown = seen_at_once(text)
    words = shown.split()
    phrases = Counter(zip(words, words[1:], words[2:], strict=False))
    phrase, repeated = phrases.most_common(1)[0] if phrases else ((), 0)
    headline = re.search(r"<h3>(.*?)</h3>", rendered(text), re.DOTALL)
    figures = len(_FIGURE.findall(headline[1])) if headline else 0
    return Cost(len(words), figures, " ".join(phrase), repeated)


def write(folder: Path) -> dict[str, Cost]:
    """Write a page for each situation and forge, and a list of them; the costs by name."""
    folder.mkdir(parents=True, exist_ok=True)
    costs = {}
    for name, (words, make) in SITUATIONS.items():
        text, *on_lines = texts = (comment(name), *comments_on_lines(name))
        costs[name] = cost_of(text)
        (folder / f"{name}.md").write_text("\n".join(texts))
        status = status_line(make())[0]
        for forge in FORGES:
            page = _page(forge, words, status, text, on_lines)
            (folder / f"{name}-{forge}.html").write_text(page)
    (folder / "index.html").write_text(_list(costs))
    return costs


def _page(forge: str, words: str, status: str, text: str, on_lines: Sequence[str]) -> str:
    body = rendered(text).replace("<details>", '<details class="fold">')
    reviews = "".join(
        f"<article><header><b>minimize</b> <span>commented on a line of the change</span></header>"
        f'<div class="body">{rendered(suggestion)}</div></article>'
        for suggestion in on_lines
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(words)}, {forge}</title><style>{_STYLE}</style>
<body class="{forge}"><main>
<article><header><b>minimize</b> <span>commented just now</span></header>
<div class="body">{body}</div></article>
<p class="status"><b>minimize</b> {escape(status)}</p>
{reviews}
</main></body></html>
"""


def _list(costs: dict[str, Cost]) -> str:
    rows = "".join(
        f"<tr><td>{escape(SITUATIONS[name][0])}</td>"
        + "".join(f'<td><a href="{name}-{forge}.html">{forge}</a></td>' for forge in FORGES)
        + f"<td>{cost.words}</td><td>{cost.figures}</td><td>{cost.repeated}</td></tr>"
        for name, cost in costs.items()
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Comments of minimize</title><style>{_STYLE}</style>
<body class="github"><main class="body"><h3>Comments of minimize</h3><table>
<tr><th>Situation<th colspan="2">Comment<th>Words<th>Figures in the headline<th>Repeats</tr>
{rows}</table></main></body></html>
"""


# Sizes and colours close to those of the forges, in both themes.
_STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --page: #fff; --line: #d1d9e0; --soft: #f6f8fa;
  --dim: #59636e; --link: #0969da; }
.gitlab { --text: #28272d; --line: #dcdcde; --soft: #fbfafd; --dim: #626168; --link: #0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --text: #f0f6fc; --page: #0d1117; --line: #3d444d; --soft: #151b23; --dim: #9198a1;
    --link: #4493f8; }
  .gitlab { --text: #ececef; --page: #18171d; --line: #4c4b51; --soft: #28272d; --dim: #a4a3a8;
    --link: #63a6e9; }
}
body { margin: 0; background: var(--page); color: var(--text);
  font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", Roboto, sans-serif; }
.gitlab { font-size: 14px; line-height: 1.43; }
main { max-width: 860px; margin: 0 auto; padding: 16px; }
article { border: 1px solid var(--line); border-radius: 6px; }
article header { padding: 8px 16px; border-bottom: 1px solid var(--line); background: var(--soft); }
header span, .status { color: var(--dim); }
.body { padding: 16px; overflow-wrap: break-word; }
.body h3 { font-size: 1.25em; font-weight: 600; margin: 0 0 16px; line-height: 1.25; }
.body table { display: block; overflow: auto; border-collapse: collapse; margin: 0 0 16px; }
.body th, .body td { border: 1px solid var(--line); padding: 6px 13px; text-align: left; }
.gitlab .body th, .gitlab .body td { padding: 8px 12px; vertical-align: top; }
.body code { background: color-mix(in srgb, var(--dim) 20%, transparent); border-radius: 6px;
  padding: .2em .4em; font: 85%/1 ui-monospace, "Liberation Mono", monospace; }
.body pre { background: var(--soft); padding: 16px; overflow: auto; border-radius: 6px; }
.body pre code { background: none; }
.body a { color: var(--link); }
.body p, .body ul { margin: 0 0 12px; }
details { margin: 0 0 8px; }
"""


if __name__ == "__main__":
    for name, cost in write(GALLERY).items():
        seen = f"{cost.words:4} words  {cost.figures:2} figures in the headline"
        print(f"{name:20} {seen}  {cost.repeated} x {cost.phrase}")
    print(f"{GALLERY}/index.html")
