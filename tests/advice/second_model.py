"""The best edits of a small world by a second model, on a second optimiser (HiGHS).

It is made from the packages as they are written into the repositories, and shares only the readers
of NEVRAs and rich dependencies with the bot: rules of repositories and modules are applied here
anew, and a rich dependency is a tree of variables instead of clauses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import highspy

from bot.model.capability import Node, parse_rich
from bot.model.nevra import Nevra, parse_nevra
from tests.closure.conftest import TinyPackage

ISA = re.compile(r"\((?:x86|aarch)-(?:32|64)\)$")
Edit = tuple[str, str]
"""A package's name and the capability that it requires, without an architecture's tag; of a request
its name and the one in its place."""


def exact_optimiser() -> highspy.Highs:
    """HiGHS without a tolerance that a byte of an image passes."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.setOptionValue("mip_abs_gap", 0.5)
    solver.setOptionValue("mip_feasibility_tolerance", 1e-9)
    return solver


@dataclass(frozen=True, eq=False)
class Member:
    """A package that may be installed; `priority` is its repository's, the least is the best."""

    nevra: Nevra
    package: TinyPackage
    priority: int
    native: bool
    provides: frozenset[str]

    def of_kind(self, kind: str) -> Sequence[str]:
        return self.package.dependencies.get(kind, ())

    def replaces(self, other: Member) -> bool:
        """Return whether this package obsoletes another: by its name, never by what it provides."""
        return any(
            name == other.nevra.name and (not version or other.nevra.version < version)
            for name, _, version in (c.partition(" < ") for c in self.of_kind("obsoletes"))
        )

    @property
    def order(self) -> tuple[int, str]:
        return -self.priority, self.nevra.version


@dataclass
class World:
    """One architecture: its repositories' packages, what is requested, and today's image.

    `streams` has the stream of the module `lang` that is enabled.
    """

    arch: str
    requests: Sequence[str]
    stream: str | None
    today: frozenset[str]
    members: list[Member] = field(default_factory=list)

    def add(self, packages: Iterable[TinyPackage], priority: int, exclude: Iterable[str]) -> None:
        """Add the packages of a repository, without those that it excludes."""
        for package in packages:
            nevra = parse_nevra(package.nevra)
            native = nevra.arch in (self.arch, "noarch")
            texts = (nevra.name, f"{nevra.name}.{nevra.arch}")
            if any(fnmatchcase(text, glob) for text in texts for glob in exclude):
                continue
            provides = {nevra.name, *package.dependencies.get("provides", ()), *package.files}
            self.members.append(Member(nevra, package, priority, native, frozenset(provides)))

    def filtered(self) -> list[Member]:
        """The packages that a module's streams leave: those of the stream that is enabled, and in
        the place of others of their names."""

        def stream(member: Member) -> str | None:
            match = re.search(r"\.module(\d)", member.nevra.release)
            return match[1] if match else None

        active = {m.nevra.name for m in self.members if stream(m) and stream(m) == self.stream}
        return [
            m
            for m in self.members
            if (stream(m) == self.stream if stream(m) else m.nevra.name not in active)
        ]

    def first_tier(self) -> list[Member]:
        """Return of each name the best version in the repository of the best priority, without
        packages that another such package obsoletes."""
        best: dict[tuple[str, str], list[Member]] = {}
        for member in self.filtered():
            place = member.nevra.name, "" if member.native else member.nevra.arch
            known = best.get(place, [])
            if not known or member.order > known[0].order:
                best[place] = [member]
            elif member.order == known[0].order:
                known.append(member)
        first = [member for members in best.values() for member in members]
        here = {(m.nevra.name, m.nevra.arch) for m in first if str(m.nevra) in self.today}

        def obsoletes(other: Member, member: Member) -> bool:
            near = other.native or (other.nevra.name, other.nevra.arch) in here
            return (
                other.replaces(member)
                and other.nevra.name != member.nevra.name
                and (near or other.nevra.arch == member.nevra.arch)
            )

        return [
            member
            for member in first
            if str(member.nevra) in self.today
            or not any(obsoletes(other, member) for other in first)
        ]


def edit_name(capability: str) -> str | None:
    """The capability as an edit names it; None for what only a generator writes."""
    name = ISA.sub("", capability)
    return capability if capability.startswith("(") else None if "(" in name else name


class SecondModel:
    """A linear programme over the packages of one or several architectures and the edits of all.

    `most` is the number of edits; `kept` says whether the programs that the images are for stay.
    """

    def __init__(self, worlds: Sequence[World], most: int, *, kept: bool = True) -> None:
        self._solver = exact_optimiser()
        self._edits: dict[Edit, Any] = {}
        self._parts = [_Part(world, self._solver, self._edit) for world in worlds]
        first, *others = self._parts
        instead = {
            request: first.replacements(request).intersection(
                *(part.replacements(request) for part in others)
            )
            for request in first.world.requests
        }
        for part in self._parts:
            part.state(instead)
            if kept:
                part.keep()
        if self._edits:
            self._solver.addConstr(sum(self._edits.values()) <= most)

    def bytes(self) -> int:
        """The smallest size; AssertionError where there is none."""
        self._solver.minimize()
        assert self._solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        values = self._solver.getSolution().col_value
        return sum(
            member.package.size
            for part in self._parts
            for member, variable in part.inside.items()
            if values[variable.index] > 0.5
        )

    def holds_today(self) -> bool:
        """Return whether today's images are possible without an edit."""
        for part in self._parts:
            known = {str(member.nevra) for member in part.inside}
            if not part.world.today <= known:
                return False
            for member, variable in part.inside.items():
                is_in = float(str(member.nevra) in part.world.today)
                self._solver.changeColBounds(variable.index, is_in, is_in)
        for variable in self._edits.values():
            self._solver.changeColBounds(variable.index, 0.0, 0.0)
        self._solver.minimize()
        possible = self._solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        variables = [v for part in self._parts for v in part.inside.values()]
        for variable in (*variables, *self._edits.values()):
            self._solver.changeColBounds(variable.index, 0.0, 1.0)
        return possible

    def _edit(self, edit: Edit) -> Any:
        if edit not in self._edits:
            self._edits[edit] = self._solver.addBinary(obj=0.0)
        return self._edits[edit]


class _Part:
    """The packages of one architecture."""

    def __init__(self, world: World, solver: highspy.Highs, edit: Callable[[Edit], Any]) -> None:
        self.world = world
        self._solver = solver
        self._edit = edit
        self.inside: Mapping[Member, Any] = {
            member: solver.addBinary(obj=float(member.package.size))
            for member in world.first_tier()
        }

    def state(self, instead: Mapping[str, Collection[str]]) -> None:
        """Add all that holds; `instead` are the names that may take the place of a request."""
        self._state_requests(instead)
        for member, variable in self.inside.items():
            for capability in member.of_kind("requires"):
                name = edit_name(capability)
                free = [] if name is None else [self._edit((member.nevra.name, name))]
                if member.provides.isdisjoint([capability]):
                    met = self._true(self._tree(capability), self._eligible)
                    self._solver.addConstr(met + sum(free) >= variable)
            for capability in member.of_kind("conflicts"):
                there = self._true(self._tree(capability), lambda c: self._having(c, self.inside))
                self._solver.addConstr(there + variable <= 1)
            for other, beside in self.inside.items():
                if other is not member and self._excluded(member, other):
                    self._solver.addConstr(variable + beside <= 1)

    def keep(self) -> None:
        """Add that the programs stay that the image is for."""
        for path in self._kept():
            owners = [v for m, v in self.inside.items() if path in m.package.files]
            self._solver.addConstr(sum(owners) >= 1)

    def _state_requests(self, instead: Mapping[str, Collection[str]]) -> None:
        for request in self.world.requests:
            wanted = self._wanted(request)
            met = self._any([self.inside[member] for member in wanted])
            edits = {name: self._edit((request, f"-> {name}")) for name in instead[request]}
            self._solver.addConstr(met + sum(edits.values()) >= 1)
            for name, edit in edits.items():
                named = [v for m, v in self.inside.items() if m.nevra.name == name and m.native]
                self._solver.addConstr(sum(named) >= edit)

    def _wanted(self, request: str) -> list[Member]:
        """The packages that a request means."""
        name, _, arch = request.partition(".")
        named = [m for m in self.inside if m.nevra.name == name]
        return [m for m in named if (m.nevra.arch == arch if arch else m.native)] or named

    def replacements(self, request: str) -> set[str]:
        """The names that may be requested in the place of a request: of its source, with a program
        that is to stay.

        A package without a program is requested for another thing, unless it is the main one.
        """
        wanted, kept = self._wanted(request), self._kept()
        sources = {m.package.source for m in wanted}
        files = {path for m in wanted for path in m.package.files}
        able = not files.isdisjoint(kept) or f"{request}-1-1" in sources
        if not able or "." in request:
            return set()
        return {
            m.nevra.name
            for m in self.inside
            if m.package.source in sources and not kept.isdisjoint(m.package.files)
        } - {request}

    def _excluded(self, member: Member, other: Member) -> bool:
        if member.replaces(other):
            return True
        if other.nevra.name != member.nevra.name:
            return False
        return member.native == other.native or member.nevra.evr != other.nevra.evr

    def _kept(self) -> set[str]:
        """The programs of requested packages' sources, and of what is required by its name for
        them."""
        today = [m for m in self.inside if str(m.nevra) in self.world.today]
        names = {request.partition(".")[0] for request in self.world.requests}
        sources = {m.package.source for m in today if m.nevra.name in names}
        own = [m for m in today if m.package.source in sources]
        kept = {path for m in own for path in m.package.files}
        todo = list(own)
        while todo:
            member = todo.pop()
            required = {edit_name(c) for c in member.of_kind("requires") if not c.startswith("(")}
            for other in today:
                program = f"/usr/bin/{other.nevra.name}"
                named = other.nevra.name in required and program in other.package.files
                if named and program not in kept:
                    kept.add(program)
                    todo.append(other)
        return kept

    # -- dependencies ---------------------------------------------------------------------------

    def _having(self, capability: str, among: Collection[Member]) -> list[Member]:
        return [m for m in among if capability in m.provides]

    def _eligible(self, capability: str) -> list[Member]:
        """Those that provide a capability; of foreign architectures those of today's image, and
        all of them only where no other does, of any version."""
        found = self._having(capability, self.inside)
        today = {
            (m.nevra.name, m.nevra.arch) for m in self.inside if str(m.nevra) in self.world.today
        }
        names = {m.nevra.name for m in self.inside if m.native}
        every = self._having(capability, self.world.filtered())
        if not any(m.native and m.nevra.name in names for m in every):
            return found
        return [m for m in found if m.native or (m.nevra.name, m.nevra.arch) in today]

    def _tree(self, capability: str) -> Node:
        tree = parse_rich(capability) if capability.startswith("(") else capability
        assert tree is not None
        return tree

    def _true(self, tree: Node, providers: Callable[[str], list[Member]]) -> Any:
        """Return a variable that is true where a dependency is met."""
        if isinstance(tree, str) or tree.operator in ("with", "without"):
            return self._any([self.inside[m] for m in self._satisfying(tree, providers)])
        left, right = self._true(tree.left, providers), self._true(tree.right, providers)
        if tree.operator in ("and", "or"):
            return self._any([left, right]) if tree.operator == "or" else self._both(left, right)
        missing = self._constant(tree.operator == "if")
        other = missing if tree.otherwise is None else self._true(tree.otherwise, providers)
        if tree.operator == "if":
            return self._choice(right, left, other)
        return self._choice(right, other, left)

    def _satisfying(self, tree: Node, providers: Callable[[str], list[Member]]) -> list[Member]:
        if isinstance(tree, str):
            return providers(tree)
        left = self._satisfying(tree.left, providers)
        right = self._satisfying(tree.right, providers)
        return [m for m in left if (m in right) == (tree.operator == "with")]

    def _constant(self, value: bool) -> Any:
        return self._solver.addVariable(lb=float(value), ub=float(value))

    def _any(self, variables: Sequence[Any]) -> Any:
        truth = self._solver.addBinary()
        self._solver.addConstr(truth <= sum(variables) if variables else truth <= 0)
        for variable in variables:
            self._solver.addConstr(truth >= variable)
        return truth

    def _both(self, first: Any, second: Any) -> Any:
        truth = self._solver.addBinary()
        self._solver.addConstr(truth >= first + second - 1)
        self._solver.addConstr(truth <= first)
        self._solver.addConstr(truth <= second)
        return truth

    def _choice(self, condition: Any, then: Any, otherwise: Any) -> Any:
        truth = self._solver.addBinary()
        self._solver.addConstr(truth >= condition + then - 1)
        self._solver.addConstr(truth <= then + 1 - condition)
        self._solver.addConstr(truth >= otherwise - condition)
        self._solver.addConstr(truth <= otherwise + condition)
        return truth
