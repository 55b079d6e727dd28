"""Inputs made of others: bits turned, pieces taken out, repeated, joined, replaced by odd ones."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

# Most inputs are short: what a parser gets wrong, it mostly gets wrong there, and a hundred short
# ones take the time of a long one. Long ones show what grows faster than its input.
LONGEST = 256 * 1024
_SIZES = ((2 * 1024, 970), (16 * 1024, 998), (LONGEST, 1000))  # up to this size, that many of 1,000
_ODD = (
    *(
        b"",
        b"\0",
        b"\n",
        b"\r\n",
        b"\xff\xfe",
        b"\xe2\x80\xae",
        b"\xed\xa0\x80",
        b"%",
        b"%{",
        b"%(",
        b"}",
    ),
    *(
        b"\\",
        b'"',
        b"'",
        b"`",
        b"<",
        b"&#0;",
        b"&a;",
        b"]]>",
        b"<!DOCTYPE a>",
        b"[",
        b"{",
        b"(",
        b"*a",
    ),
    *(b"../", b"../../etc/passwd", b"/", b"//", b"-1", b"0", b"1e999", b"NaN", b"null", b"true"),
    *(b"2147483648", b"4294967296", b"9223372036854775808", b"1" * 5000, b"a" * 5000, b"\xff" * 8),
    *(
        b" No such file",
        b" needed by ",
        b"minimize-origin-0-1",
        b"%if 1\n",
        b"%global a %{a}%{a}\n",
    ),
)
_COUNTS = (2, 2, 3, 3, 5, 10, 10, 30, 100, 300, 1000, 30_000)


def mutated(seeds: Sequence[bytes], random: Random) -> bytes:
    """An input made of `seeds` by one to six changes, at most LONGEST bytes, few above 2 KiB."""
    drawn = random.randrange(1000)
    longest = next(size for size, share in _SIZES if drawn < share)
    content = random.choice(seeds)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        content = random.choice(_CHANGES)(content, seeds, random)[:longest]
    return content


def _span(content: bytes, random: Random, most: int = 64) -> tuple[int, int]:
    start = random.randint(0, len(content))
    return start, min(len(content), start + random.randint(0, random.choice((1, 4, most))))


def _turn_bit(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _set_bytes(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random, 8)
    return content[:start] + random.randbytes(end - start) + content[end:]


def _take_out(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random)
    return content[:start] + content[end:]


def _cut(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    return content[: random.randint(0, len(content))]


def _put_in(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random, 8)
    return content[:start] + random.choice(_ODD) + content[end:]


def _repeat(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random)
    count = min(random.choice(_COUNTS), LONGEST // max(end - start, 1))
    return content[:start] + content[start:end] * count + content[end:]


def _repeat_odd(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    start, _ = _span(content, random)
    odd = random.choice(_ODD)
    return (
        content[:start]
        + odd * min(random.choice(_COUNTS), LONGEST // max(len(odd), 1))
        + content[start:]
    )


def _repeat_line(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    lines = content.split(b"\n")
    at = random.randrange(len(lines))
    count = min(random.choice(_COUNTS), LONGEST // (len(lines[at]) + 1))
    return b"\n".join((*lines[:at], *[lines[at]] * count, *lines[at + 1 :]))


def _join(content: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(seeds)
    return content[: random.randint(0, len(content))] + other[random.randint(0, len(other)) :]


def _move(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random)
    rest = content[:start] + content[end:]
    at = random.randint(0, len(rest))
    return rest[:at] + content[start:end] + rest[at:]


_CHANGES = (
    *(_turn_bit, _set_bytes, _take_out, _put_in, _put_in, _move, _join),
    *(_repeat, _repeat_odd, _repeat_line, _cut),
)
