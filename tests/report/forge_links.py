"""The texts that GitHub and GitLab make links of by themselves, as far as their sources tell.

GitHub (cmark-gfm, extensions/autolink.c): `www.`, `http://`, `https://` and `ftp://`, and in a
second pass over the text e-mail addresses, `mailto:` and `xmpp:` with them. GitLab's parser is a
port of it (comrak); where another pipeline reads a text (a title, the message of a commit),
lib/banzai/filter/autolink_filter.rb takes any scheme before `://`. Neither links a bare domain.

These patterns take some more than the forges do, so that what passes them is no link there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it.token import Token

_LINK = re.compile(
    r"(?<![A-Za-z0-9])www\.\S"  # www_match
    r"|[A-Za-z][A-Za-z0-9+.-]*://[^\s>]"  # url_match, and LINK_PATTERN
    r"|[A-Za-z0-9.+_-]@[A-Za-z0-9_-]*\.?[A-Za-z0-9]"  # postprocess_text
)


def forge_link(tokens: Sequence[Token]) -> str | None:
    """The first text outside code and links, among inline tokens, that a forge would link."""
    inside = 0
    for token in tokens:
        inside += token.nesting if token.type in ("link_open", "link_close") else 0
        match = _LINK.search(token.content) if token.type == "text" and not inside else None
        if match:
            return match[0]
    return None
