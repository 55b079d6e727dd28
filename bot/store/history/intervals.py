"""Times in queries: rows that hold at a run, without reading all that ever held.

A row holds from `from_run` until just before `until_run`. Its fork is the number within that time
that is divisible by the highest power of two: one node of a binary tree over all runs. Every row
that holds at a run has its fork on the run's way to the tree's root, so an index on forks finds
them (H.-P. Kriegel, M. Pötke, T. Seidl: Managing Intervals Efficiently in Object-Relational
Databases, VLDB 2000).
"""

from __future__ import annotations

# Runs are numbered from 1; 2 ** 24 of them are one an hour for 1,900 years.
_LEVELS = 24


def fork(table: str = "") -> str:
    """The fork of a row that has ended, as an SQL expression; the same text makes the index."""
    first, end = (f"{table}{name}" for name in ("from_run", "until_run"))
    levels = (
        f" when ({first} - 1) >> {k + 1} = ({end} - 1) >> {k + 1} then ({end} - 1) >> {k} << {k}"
        for k in range(_LEVELS)
    )
    return f"(case{''.join(levels)} end)"


def forks(run: int) -> tuple[int, ...]:
    """The forks that rows holding at a run can have."""
    return tuple(dict.fromkeys((run >> (k + 1) << (k + 1)) | (1 << k) for k in range(_LEVELS)))


def holding(table: str, columns: str, run: int | None) -> str:
    """A select of the rows of a table with stays that hold at a run; null is now."""
    now = f"select {columns} from {table} where until_run is null"
    if run is None:
        return now
    run = int(run)
    nodes = ", ".join(map(str, forks(run)))
    return (
        f"{now} and from_run <= {run} union all select {columns} from {table}"
        f" indexed by idx_{table}_fork where until_run is not null"
        f" and {fork()} in ({nodes}) and from_run <= {run} and until_run > {run}"
    )


def held_at(run: int | None) -> str:
    """A condition on a row with stays: it holds at a run; null is now."""
    if run is None:
        return "until_run is null"
    return f"from_run <= {int(run)} and (until_run is null or until_run > {int(run)})"


def described(run: int | None) -> str:
    """A condition on `images`: some document described it at a run."""
    if run is None:
        return "images.gone_run is null"
    return f"(images.gone_run is null or images.gone_run > {int(run)})"


def moment(at: str | None) -> str:
    """An RFC 3339 time as it is stored; a date alone is the end of that day, null is after all."""
    if at is None:
        return "~"
    return f"{at}T23:59:59.999999Z" if len(at) == len("2027-03-01") else at
