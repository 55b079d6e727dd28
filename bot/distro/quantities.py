"""Sizes as people write them in configuration: `60 MB`, `500 kB`, `1.5 GiB`, `4096`."""

from __future__ import annotations

import re

_UNITS = {
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


def parse_size(text: str) -> int:
    """Bytes in `text`; kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024.

    Raises ValueError with a sentence that says what is expected.
    """
    match = _SIZE.match(text.strip())
    factor = _UNITS.get(match["unit"].lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"expected a size such as `60 MB` or `500 KiB`, not `{text}`")
    whole, _, fraction = match["number"].partition(".")
    # In whole numbers: 0.1 MB is 100000 bytes, whatever a float makes of it.
    return int(whole + fraction) * factor // int("1" + "0" * len(fraction))
