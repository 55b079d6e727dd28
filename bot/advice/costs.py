"""The costs of packages: fewest of the second tier, then bytes, then packages, in one number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.advice.candidates import Candidate, Candidates
from bot.advice.maxsat import Optimum
from bot.model.advice import Figures, Metric


def size_of(candidate: Candidate, metric: Metric) -> int | None:
    """A package's size by a metric; null where it is not known."""
    if metric == "download":
        return candidate.download_size
    return candidate.nodocs_size if metric == "nodocs" else candidate.installed_size


def figures(candidates: Candidates, numbers: Iterable[int], metric: Metric) -> Figures:
    """How many packages, and their size: null where one is not known."""
    found = [candidates.packages[n] for n in numbers]
    sizes = [size_of(candidate, metric) for candidate in found]
    known = [size for size in sizes if size is not None]
    return Figures(len(found), sum(known) if len(known) == len(sizes) else None)


class Scale:
    """The costs of packages in whole numbers, so that each kind outweighs all that follow it.

    `least` is what may come after packages in the order (severities of edits), their sum. An
    unknown size costs nothing, so that a bound stays one. The units are powers of two, the same for
    most images: so a part that two of them have in common costs the same in both.
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
        """The bytes that no answer is below, by an optimum's bound.

        With fewer of the second tier than found, as the bound may have, bytes have no bound.
        """
        sure = found.bound // self.tier >= found.cost // self.tier
        return found.bound % self.tier // self.byte if sure else 0


def _unit(most: int, least_bits: int) -> int:
    """A power of two above `most`, of so many bits at least."""
    return 1 << max(most.bit_length(), least_bits)
