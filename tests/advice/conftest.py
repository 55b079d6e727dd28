"""The fixtures of the closures' tests: tiny repositories, and dnf's answers."""

from tests.closure.conftest import dnf_answers, tiny

__all__ = ["dnf_answers", "tiny"]
