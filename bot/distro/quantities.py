"""Sizes and durations as configuration has them: `60 MB`, `1.5 GiB`, `4096`; `30 min`, `2 h`."""

from __future__ import annotations

import re

_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_SIZE = re.compile(r"^(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)$")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)\s*(?P<unit>s|min|h|d)")


def parse_size(text: str) -> int:
    """Bytes in `text`; kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024.

    Raises ValueError with a sentence that says what is expected.
    """
    match = _SIZE.match(text.strip())
    factor = _BYTES.get(match["unit"].lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"expected a size such as `60 MB` or `500 KiB`, not `{text}`")
    whole, _, fraction = match["number"].partition(".")
    # In whole numbers: 0.1 MB is 100000 bytes, whatever a float makes of it.
    return int(whole + fraction) * factor // int("1" + "0" * len(fraction))


def parse_duration(text: str) -> float:
    """Seconds in `text`. Raises ValueError with a sentence that says what is expected."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected a duration such as `30 min` or `2 h`, not `{text}`")
    return float(found["number"]) * _SECONDS[found["unit"]]
