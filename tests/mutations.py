"""Metadata as broken mirrors have it: mutated, cut off, of another kind."""

from __future__ import annotations

import random

INSERTED = (
    *(b"<", b">", b"&", b"\0", b"&#0;", b"\xff", b"UTF-16", b"9" * 5000, b"9" * 25, b"-1", b"<a>"),
    *(b"</metadata>", b'encoding="x"', b"[", b"{", b": ", b"\n- ", b"&a ", b"*a ", b"\xc2\xb2"),
)
# What a mirror may answer with in the place of any file.
FOREIGN = (
    b"",
    b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Log in</body></html>",
    b"<html><body>Log in</body></html>",
    b"\x7fELF\x02\x01\x01" + bytes(range(256)),
    b'<?xml version="1.0" encoding="klingon"?><repomd/>',
    b'<?xml version="1.0" encoding="UTF-7"?><repomd/>',
    b'<?xml version="1.0" encoding="EUC-JP"?><repomd/>',
    b"\xff\xfe<\0r\0e\0p\0o\0m\0d\0>\0",
    b"<data><data type='primary'><location href='x'/></data></data>",
    b"a: [1\nb",
    b"[" * 2000,
)


def mutated(content: bytes, seed: int) -> bytes:
    """`content` with up to four changes that `seed` draws: bytes, cuts, repeats, odd insertions."""
    chance = random.Random(seed)
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data)) if data else 0
        match chance.randrange(5):
            case 0:
                data[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[place : place + chance.randint(1, 40)]
            case 2:
                data[place:place] = data[max(0, place - 60) : place]
            case 3:
                data[place:place] = chance.choice(INSERTED)
            case _:
                del data[place:]
    return bytes(data)
