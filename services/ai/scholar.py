"""The heavy work, in a child process: measuring, composing, comparing."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeVar

from libs.common.errors import Conflict, Unavailable
from libs.common.offload import ChildDied, Offload, TookTooLong
from libs.common.part import Part
from libs.common.storage import MissingObject, Storage
from services.ai.domain.study import Study, study
from services.ai.settings import AiSettings

MadeT = TypeVar("MadeT")

Progress = Callable[[float], None]
RECENT: Final = 64
MOST_WAITING: Final = 32
BUSY: Final = "teacher-busy"


def study_part(data: bytes, *, progress: Progress) -> Study:
    """For the child process."""
    del progress
    return study(Part.from_json(data))


class Scholar:
    """Reads parts and thinks about them; what it found of the last ones it knows."""

    def __init__(self, settings: AiSettings, storage: Storage) -> None:
        self._settings = settings
        self._storage = storage
        self._desk = Offload()
        self._recent: OrderedDict[str, Study] = OrderedDict()
        self._studying: dict[str, asyncio.Task[Study]] = {}
        self._waiting = 0

    async def part(self, key: str) -> bytes:
        """A part's file; Conflict where a newer version has just taken its place."""
        try:
            return await self._storage.read(key)
        except MissingObject:
            raise Conflict(
                "The score has just been changed. Ask again.",
                code="score-changed",
                headers={"Retry-After": "1"},
            ) from None

    async def study(self, key: str) -> Study:
        """What is known of the part at this key, which never changes."""
        found = self._recent.get(key)
        if found is not None:
            self._recent.move_to_end(key)
            return found
        task = self._studying.get(key)
        if task is None:
            task = asyncio.create_task(self._study(key))
            self._studying[key] = task
            task.add_done_callback(lambda done: self._studied(key, done))
        # Who hangs up does not stop what others wait for.
        return await asyncio.shield(task)

    async def _study(self, key: str) -> Study:
        return await self.run(study_part, await self.part(key))

    def _studied(self, key: str, task: asyncio.Task[Study]) -> None:
        del self._studying[key]
        if not task.cancelled() and task.exception() is None:
            self._recent[key] = task.result()
            while len(self._recent) > RECENT:
                self._recent.popitem(last=False)

    async def run(self, function: Callable[..., MadeT], *args: Any) -> MadeT:
        """In the child; Unavailable where it takes too long, or too many wait."""
        if self._waiting >= MOST_WAITING:
            raise Unavailable(
                "The teacher has too many scores on the desk. Ask again in a moment.",
                code=BUSY,
                headers={"Retry-After": "5"},
            )
        self._waiting += 1
        try:
            return await self._desk.run(function, *args, timeout_s=self._settings.analysis_limit_s)
        except (TookTooLong, ChildDied) as error:
            raise Unavailable(
                "This score took too long to think about. Try fewer bars.",
                code="analysis-too-long",
            ) from error
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """End the child, and who waits for it."""
        for task in self._studying.values():
            task.cancel()
        await asyncio.gather(*self._studying.values(), return_exceptions=True)
        self._desk.kill()
