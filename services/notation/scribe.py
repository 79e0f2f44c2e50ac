"""The heavy work, in child processes: writing, editing, reading in and drawing scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from libs.common.errors import Invalid, Unavailable
from libs.common.offload import ChildDied, Offload, TookTooLong
from libs.common.steps import NotationOptions
from services.notation import writing
from services.notation.domain.kit import Kit
from services.notation.domain.quantise import Options
from services.notation.domain.score import ScoreError
from services.notation.settings import NotationSettings

MadeT = TypeVar("MadeT")

MAX_GUESTS_WAITING: Final = 8


class Scribe:
    """Writes, edits and draws scores in child processes, one for each, so that a long drawing or
    a big file does not hold up the pipeline; and one for guests, who hold up nobody else."""

    def __init__(self, settings: NotationSettings) -> None:
        self.settings = settings
        self.writer = Offload()
        self.editor = Offload()
        self.drawer = Offload()
        self.guest_drawer = Offload()
        self._guests = 0
        """Drawings for guests, under way and waiting."""

    async def write(
        self,
        performance: bytes,
        options: NotationOptions,
        title: str,
        sight: bytes | None = None,
    ) -> bytes:
        """A score document, with the hands of a sight file; ScoreError when there is nothing to
        write."""
        return await self.writer.run(
            writing.write_score,
            performance,
            Options(
                title=(options.title or title)[:200],
                tempo_bpm=options.tempo,
                time_signature=options.time_signature,
                grid=options.grid,
                swing=options.swing,
                detail=options.detail,
            ),
            sight,
            timeout_s=self.settings.time_limit_s,
        )

    async def write_now(self, performance: bytes, options: NotationOptions, title: str) -> bytes:
        """The same for somebody who waits for it: Invalid, or Unavailable."""
        try:
            return await self.write(performance, options, title)
        except ScoreError as error:
            raise invalid(error) from error
        except (TookTooLong, ChildDied) as error:
            raise Unavailable("Writing this score took too long. Send fewer events.") from error

    async def check_sight(self, sight: bytes, hits_key: str) -> None:
        """ScoreError where a file is no sight of these hits."""
        await self.writer.run(
            writing.check_sight, sight, hits_key, timeout_s=self.settings.time_limit_s
        )

    async def fuse(self, document: bytes, sight: bytes | None) -> writing.Fused | None:
        """A score with what was seen, or without what was seen before; None where nothing
        changes."""
        return await self.writer.run(
            writing.fuse_score, document, sight, timeout_s=self.settings.time_limit_s
        )

    async def part(self, document: bytes) -> bytes:
        """The part of a score."""
        made: bytes = await self.writer.run(
            writing.publish_part, document, timeout_s=self.settings.time_limit_s
        )
        return made

    async def write_part(self, part: bytes) -> bytes:
        """A score document of a composed part; ScoreError where it breaks a rule."""
        made: bytes = await self.writer.run(
            writing.write_part, part, timeout_s=self.settings.time_limit_s
        )
        return made

    async def change(
        self, document: bytes | writing.Known, change: dict[str, Any]
    ) -> writing.Changed:
        """The changed score; ScoreError where it cannot be, NotKnown where it must be sent."""
        try:
            return await self.editor.run(
                writing.change_score, document, change, timeout_s=self.settings.edit_limit_s
            )
        except (TookTooLong, ChildDied) as error:
            raise Unavailable("Changing this score took too long.") from error

    async def read_in(self, data: bytes, source: writing.Source) -> bytes:
        """A score document made of a file; ScoreError where it cannot be read."""
        try:
            made: bytes = await self.editor.run(
                writing.read_file, data, source, timeout_s=self.settings.edit_limit_s
            )
        except (TookTooLong, ChildDied) as error:
            raise Unavailable("Reading this file took too long.") from error
        return made

    async def _draw(self, guest: bool, function: Callable[..., MadeT], *args: Any) -> MadeT:
        """In the child of those with an account, or in the guests' where not too many wait."""
        limit_s = self.settings.time_limit_s
        if not guest:
            return await self.drawer.run(function, *args, timeout_s=limit_s)
        if self._guests > MAX_GUESTS_WAITING:
            raise Unavailable(
                "Too many guests are waiting for a drawing. Ask again in a moment.",
                code="too-many-guests",
                headers={"Retry-After": "5"},
            )
        self._guests += 1
        try:
            return await self.guest_drawer.run(function, *args, timeout_s=limit_s)
        finally:
            self._guests -= 1

    async def export(
        self,
        document: bytes,
        kind: str,
        kit: Kit,
        options: dict[str, Any],
        *,
        guest: bool = False,
    ) -> Any:
        """A file made of a score."""
        try:
            return await self._draw(
                guest, writing.make_export, document, kind, kit.to_dict(), options
            )
        except (TookTooLong, ChildDied) as error:
            raise Unavailable(
                "Making this file took too long. Try MusicXML or MIDI, which are quicker.",
                headers={"Retry-After": "10"},
            ) from error

    async def view(
        self, document: bytes, drawing: writing.Drawing, *, guest: bool = False
    ) -> bytes:
        """A score's view, zipped."""
        try:
            return await self._draw(guest, writing.draw_view, document, drawing)
        except (TookTooLong, ChildDied) as error:
            raise Unavailable(
                "Drawing this score took too long. Try it without its longest part.",
                headers={"Retry-After": "10"},
            ) from error

    async def stats(self, document: bytes) -> dict[str, Any]:
        """A score in numbers."""
        try:
            made: dict[str, Any] = await self.editor.run(
                writing.count_strokes, document, timeout_s=self.settings.edit_limit_s
            )
        except (TookTooLong, ChildDied) as error:
            raise Unavailable("Counting in this score took too long.") from error
        return made

    async def close(self) -> None:
        """End the child processes."""
        self.writer.kill()
        self.editor.kill()
        self.drawer.kill()
        self.guest_drawer.kill()


def invalid(error: ScoreError, prefix: str = "body") -> Invalid:
    """A broken rule of scores, as a problem."""
    return Invalid(error.message, code="invalid-score", field=f"{prefix}.{error.field}")
