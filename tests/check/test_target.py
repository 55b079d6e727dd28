"""A repository document that cannot be had is a problem, said once for what fails alike."""

from __future__ import annotations

from typing import Any, cast

from bot.check.target import Inputs, Remarks, open_target
from bot.distro.documents import RepositoryDocument
from bot.errors import SurroundingsError
from bot.spec.evaluate import SPEC_LIMITS


class Unreachable:
    """Pools whose repositories cannot be reached, for one architecture by a reason of its own."""

    def get(self, document: RepositoryDocument, arch: str) -> None:
        if arch == "s390x":
            raise SurroundingsError(f"https://example.org/{document.id}/ is no repository.")
        raise SurroundingsError(f"https://example.org/{arch}/ cannot be reached.", "Try later.")


def test_open_target_says_once_what_fails_alike_on_several_architectures() -> None:
    remarks = Remarks()
    unused = cast(Any, None)
    inputs = Inputs(unused, unused, cast(Any, Unreachable()), SPEC_LIMITS)
    document = RepositoryDocument("d", "D", "", "", "9", ("x86_64", "aarch64", "s390x"), ())
    assert open_target(inputs, document, document.architectures, remarks) is None
    assert remarks.interrupted
    assert remarks.problems == [
        "d x86_64, aarch64: not evaluated: https://example.org/x86_64/ cannot be reached. Try"
        " later.",
        "d s390x: not evaluated: https://example.org/d/ is no repository.",
    ]
