"""Koji's hub: the XML-RPC calls that read tasks, builds and their files, without a log-in.

The calls are those of koji's `kojihub/kojihub.py`; answers are read in a limited process. koji
(PyPI, LGPL 2.1) was weighed in November 2026: it needs gssapi, of which PyPI has no wheel for
Linux, so a compiler and the headers of Kerberos, for six calls without a log-in; and its import
replaces XML-RPC's parser in the whole process. The standard library's marshalling is the same.
"""

from __future__ import annotations

import json
import xmlrpc.client
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, TypeVar, cast
from xml.parsers.expat import ExpatError

from pydantic import Field, TypeAdapter, ValidationError

from bot.build.service_builds import (
    POLICY,
    Answer,
)
from bot.distro.failover import RefusedFileError
from bot.limited.call import CallLimits, call_limited
from bot.limited.fields import problem
from bot.limited.forker import UnreadableError
from bot.limits import HUB_ANSWER
from bot.settings.operation import BuildService

_T = TypeVar("_T")
_CALL = CallLimits(seconds=20.0, answer=2 * HUB_ANSWER)
# koji.TASK_STATES and koji.BUILD_STATES, by their numbers.
TASK_STATES = ("free", "open", "closed", "canceled", "assigned", "failed")
BUILD_STATES = ("building", "complete", "deleted", "failed", "canceled")

_Number = Annotated[int, Field(ge=0, le=2**53)]
_Text = Annotated[str, Field(max_length=2000)]


class KojiTask(Answer):
    """A task: `request` are its arguments, `label` the architecture of a part."""

    id: _Number
    state: Annotated[int, Field(ge=0, lt=len(TASK_STATES))]
    method: _Text
    label: _Text | None = None
    arch: _Text | None = None
    request: tuple[object, ...] | None = None

    @property
    def source(self) -> str:
        """Its source: the URL of a git repository with a commit, or the path of a .src.rpm."""
        return str(self.request[0]) if self.request else ""

    @property
    def is_scratch(self) -> bool:
        """Return whether it is a scratch build, whose packages go into no repository."""
        options = self.request[2] if self.request and len(self.request) > 2 else None
        return isinstance(options, Mapping) and bool(options.get("scratch"))


class _Fault(Answer):
    code: int = Field(alias="faultCode")
    text: str = Field(alias="faultString")


class FileStat(Answer):
    """A file: its size in bytes, and its modification time in seconds since 1970."""

    size: Annotated[int, Field(ge=0, alias="st_size")]
    time: Annotated[float, Field(alias="st_mtime")] = 0.0


class KojiBuild(Answer):
    """A build; its files are on the volume `volume_name`; `source` is as a task's."""

    id: _Number
    state: Annotated[int, Field(ge=0, lt=len(BUILD_STATES))]
    name: _Text
    version: _Text
    release: _Text
    volume_name: _Text | None = None
    source: _Text | None = None


class KojiPackage(Answer):
    """A package of a build; `size` in bytes, `buildtime` seconds since 1970."""

    name: _Text
    version: _Text
    release: _Text
    epoch: _Number | None = None
    arch: _Text
    size: _Number
    buildtime: _Number = 0


_TASK: TypeAdapter[KojiTask | None] = TypeAdapter(KojiTask | None)
_DESCENDENTS: TypeAdapter[dict[str, list[KojiTask]]] = TypeAdapter(dict[str, list[KojiTask]])
_OUTPUT: TypeAdapter[dict[str, dict[str, FileStat]]] = TypeAdapter(dict[str, dict[str, FileStat]])
_BUILD: TypeAdapter[KojiBuild | None] = TypeAdapter(KojiBuild | None)
_BUILDS: TypeAdapter[list[KojiBuild]] = TypeAdapter(list[KojiBuild])
_RPMS: TypeAdapter[list[KojiPackage]] = TypeAdapter(list[KojiPackage])
_ANYTHING: TypeAdapter[object] = TypeAdapter(object)


def read_answer(content: bytes) -> bytes:
    """Return the value of an XML-RPC answer, or its fault, as JSON. Raises UnreadableError.

    Values that JSON does not have (times, base64) become text.
    """
    try:
        values, _ = xmlrpc.client.loads(content)
        return json.dumps(values[0], default=str).encode()
    except xmlrpc.client.Fault as fault:
        text = {"faultCode": fault.faultCode, "faultString": str(fault.faultString)}
        return json.dumps(text, default=str).encode()
    except (
        ExpatError,
        xmlrpc.client.Error,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        raise UnreadableError(f"it is no answer of XML-RPC: {error}") from error


@dataclass(frozen=True, slots=True)
class KojiHub:
    """The hub of a service, used without a log-in."""

    service: BuildService

    def task(self, number: int) -> KojiTask | None:
        """Return a task with its request; None where there is none."""
        return self._call(_TASK, "getTaskInfo", number, request=True)

    def parts(self, task: KojiTask) -> Iterator[KojiTask]:
        """Yield the tasks of single architectures that a task consists of; itself if it is one."""
        descendants = self._call(_DESCENDENTS, "getTaskDescendents", task.id, request=True)
        for part in chain([task], *descendants.values()):
            if part.method == "buildArch":
                yield part

    def files(self, task: KojiTask) -> Mapping[str, Mapping[str, FileStat]]:
        """Return the files of a task's output: by name, by volume."""
        return self._call(_OUTPUT, "listTaskOutput", task.id, stat=True, all_volumes=True)

    def failure(self, task: KojiTask) -> str:
        """Return the hub's message on why a task failed."""
        fault = self._call(_ANYTHING, "getTaskResult", task.id, raise_fault=False)
        if not isinstance(fault, Mapping):
            return ""
        return " ".join(str(fault.get("faultString", "")).split())[:300]

    def build(self, number: int) -> KojiBuild | None:
        """Return a build; None where there is none."""
        return self._call(_BUILD, "getBuild", number)

    def build_of(self, task: KojiTask) -> KojiBuild | None:
        """Return the build that a task made; None where it made none."""
        builds = self._call(_BUILDS, "listBuilds", taskID=task.id)
        return builds[0] if builds else None

    def rpms(self, build: KojiBuild) -> Sequence[KojiPackage]:
        """Return the packages of a build."""
        return self._call(_RPMS, "listRPMs", buildID=build.id)

    def _call(
        self, answer: TypeAdapter[_T], method: str, *arguments: object, **options: object
    ) -> _T:
        """Return the answer of a call. Raises SurroundingsErrors."""
        from bot.distro import http
        from bot.distro.connections import Reach

        # koji.encode_args: the last argument has the named ones.
        parameters = (*arguments, {**options, "__starstar": True}) if options else arguments
        url = self.service.hub_url or ""
        body = xmlrpc.client.dumps(cast(Any, parameters), method, allow_none=True).encode()
        content = http.call(
            url, body, "text/xml", HUB_ANSWER, reach=Reach(places=(url,)), retry_policy=POLICY
        )
        try:
            text = call_limited(read_answer, content, limits=_CALL)
        except UnreadableError as error:
            raise RefusedFileError(url, f"of {method}, {error}") from error
        try:
            return answer.validate_json(text)
        except ValidationError as error:
            why = problem(error)
            try:
                fault = _Fault.model_validate_json(text)
            except ValidationError:
                raise RefusedFileError(url, f"its answer to {method} is not one: {why}") from error
            raise RefusedFileError(url, f"it refuses {method}: {fault.text[:300]}") from error
