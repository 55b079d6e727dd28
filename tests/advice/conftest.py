"""Tiny repositories and dnf's answers, as the closures' tests have them."""

from tests.closure.conftest import dnf_answers, tiny

__all__ = ["dnf_answers", "tiny"]
