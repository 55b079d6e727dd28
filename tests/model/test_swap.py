"""Which swaps of the smallest image are said unasked."""

from __future__ import annotations

from typing import Literal

import pytest

from bot.model.advice import Losses, Swap


@pytest.mark.parametrize(
    ("of", "take", "kind", "suggested"),
    [
        ("libcurl", "libcurl-minimal", "same-source", True),
        ("coreutils", "busybox", "other", False),
        ("perl-HTTP-Tiny", "perl-HTTP-Tiny-0:0.076-460.el9", "same-source", False),
        # Another package's NEVRA, of an architecture that a name alone does not choose.
        ("libcurl", "curl-libs-0:1-1.i686", "same-source", True),
    ],
)
def test_a_swap_is_suggested_for_the_same_source_and_no_older_version(
    of: str, take: str, kind: Literal["same-source", "other"], suggested: bool
) -> None:
    assert Swap((of,), take, 1, kind, Losses()).suggested is suggested
