"""Computing in a thread of the test, with a checker of the test."""

from __future__ import annotations

from typing import Any

from bot.engine.outcome import in_thread


class InThread:
    """Computing that ends nothing: the checker of a test sees to it itself."""

    def __init__(self, checker: Any) -> None:
        self.checker = checker
        self.ended: list[str] = []
        # Whether each answer counts as large, and whether it would be read then.
        self.large = False
        self.accepted: list[bool] = []

    async def run(
        self,
        run: str,
        slot: str,
        seconds: float,
        work: Any,
        about: str = "",
        accepts_large: Any = None,
    ) -> Any:
        if self.large and accepts_large is not None:
            self.accepted.append(await accepts_large())
        return await in_thread(seconds, lambda: work(self.checker))

    def end(self, run: str) -> None:
        self.ended.append(run)

    async def warm_up(self) -> None:
        pass

    def drop_idle(self) -> int:
        return 0

    def close(self) -> None:
        pass
