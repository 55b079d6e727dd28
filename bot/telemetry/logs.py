"""Logs on standard error, as text or as one JSON object a line, each with its delivery, run and
step. The context follows asyncio's tasks and `asyncio.to_thread`; a compute process is given its
owner's."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import IO, Literal


@dataclass(frozen=True, slots=True)
class WorkContext:
    """The ids of a delivery and a run, and the name of a step; empty if there is none."""

    delivery: str = ""
    run: str = ""
    step: str = ""


_NONE = WorkContext()
_CURRENT: ContextVar[WorkContext] = ContextVar("work", default=_NONE)


def current_context() -> WorkContext:
    """The context of the current work."""
    return _CURRENT.get()


@contextmanager
def working_on(context: WorkContext | None = None, **changes: str) -> Iterator[WorkContext]:
    """Set the context of a block: `context` (null: the current one) with the named fields
    changed."""
    context_here = replace(context or _CURRENT.get(), **changes)
    token = _CURRENT.set(context_here)
    try:
        yield context_here
    finally:
        _CURRENT.reset(token)


LogFormat = Literal["text", "json"]
# They log each request, and each omitted table of a font.
_TALKATIVE = ("aiohttp.access", "fontTools")


class TextFormatter(logging.Formatter):
    """A formatter of text lines; the context is at the end."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging calls it so
        """The message, with the context of the thread that logs."""
        line = super().formatMessage(record)
        context = " ".join(f"{name}={value}" for name, value in _about(record).items())
        return f"{line} [{context}]" if context else line


class JsonFormatter(logging.Formatter):
    """A formatter of JSON objects: `time` (RFC 3339, UTC), `level`, `logger`, `message`, then
    `delivery`, `run` and `step` unless empty, and `exception` with the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_about(record),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


_FORMATTERS = {"text": TextFormatter, "json": JsonFormatter}


def log_to_stderr(form: LogFormat, stream: IO[str] | None = None) -> None:
    """Let this process log to standard error in this format; replaces earlier handlers."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_FORMATTERS[form]())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _about(record: logging.LogRecord) -> dict[str, str]:
    """The context of a record: its own if it was given one, else that of the thread."""
    context = getattr(record, "context", None) or current_context()
    return {name: value for name, value in asdict(context).items() if value}
