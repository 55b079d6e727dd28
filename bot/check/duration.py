"""How long, as people write it in configuration: `30 min`, `2 h`, `1.5 d`."""

from __future__ import annotations

import re

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)\s*(?P<unit>s|min|h|d)")


def parse_duration(text: str) -> float:
    """Seconds in `text`. Raises ValueError with a sentence that says what is expected."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected a duration such as `30 min` or `2 h`, not `{text}`")
    return float(found["number"]) * _UNITS[found["unit"]]
