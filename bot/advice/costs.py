"""The cost of a package in one number: tier first, then bytes, then one for the package itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.advice.candidates import Candidate, Candidates
from bot.advice.maxsat import Optimum
from bot.model.advice import Figures, Metric


def size_of(candidate: Candidate, metric: Metric) -> int | None:
    """Return a package's size in bytes by a metric; None where it is not known."""
    if metric == "download":
        return candidate.download_size
    return candidate.nodocs_size if metric == "nodocs" else candidate.installed_size


def figures(candidates: Candidates, numbers: Iterable[int], metric: Metric) -> Figures:
    """Return the number of packages and the sum of their sizes, None where one is not known."""
    members = [candidates.packages[n] for n in numbers]
    sizes = [size_of(candidate, metric) for candidate in members]
    known = [size for size in sizes if size is not None]
    return Figures(len(members), sum(known) if len(known) == len(sizes) else None)


class Scale:
    """Costs of packages as whole numbers in which each criterion outweighs all that follow it.

    The criteria are: tier, bytes, number of packages, and then others (severities of edits), whose
    sum is at most `least`. A package of unknown size costs no bytes, so that a bound stays a bound.
    The units are powers of two and the same for most images, so that a part which two images share
    costs the same in both.
    """

    def __init__(self, packages: Sequence[tuple[Candidate, int | None]], least: int = 0) -> None:
        self.package = _unit(least, 10)
        self.byte = self.package * _unit(len(packages), 12)
        self.tier = self.byte * _unit(sum(size or 0 for _, size in packages), 40)
        self.costs = tuple(
            candidate.second_tier * self.tier + (size or 0) * self.byte + self.package
            for candidate, size in packages
        )

    def bytes_of(self, found: Optimum) -> int:
        """Return the lower bound in bytes that follows from an optimum's bound.

        It is 0 where the bound allows for fewer packages of the second tier than were found.
        """
        sure = found.bound // self.tier >= found.cost // self.tier
        return found.bound % self.tier // self.byte if sure else 0


def _unit(most: int, least_bits: int) -> int:
    """Return a power of two above `most`, at least 2 to the power of `least_bits`."""
    return 1 << max(most.bit_length(), least_bits)
