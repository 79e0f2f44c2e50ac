"""What vision saw, on the scores that were written from the same hits.

A look is kept for its performance file, so that it may come before the score or after it. Each
score remembers the look that it was given: the same event, or an undone look, is not given twice.
Every version that is kept asks once more (ScoreKept), so that a score that was being written while
the look came is not left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker
from libs.common.events import StrokesDetected
from libs.common.messaging import Permanent
from libs.common.offload import ChildDied, TookTooLong
from libs.common.storage import MissingObject, Storage
from services.notation import scores
from services.notation.domain.score import ScoreError
from services.notation.models import KnownVideo, Look, Notation
from services.notation.scribe import Scribe

MOST_TRIES: Final = 20


class AlwaysChanging(Exception):
    """Somebody edits the score all the time; delivered again, the look will find a moment."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A look to write a score with."""

    look_id: UUID
    sight: bytes | None
    """None: nothing was told of hands."""


async def newest(
    sessions: SessionMaker, storage: Storage, video_id: UUID, hits_key: str
) -> Seen | None:
    """What was seen last of the hits in a performance file; None where nobody has looked."""
    async with sessions() as session:
        look = await session.get(Look, (video_id, hits_key))
    return None if look is None else await _read(storage, look)


async def given(scribe: Scribe, document: bytes, seen: Seen | None) -> tuple[bytes, UUID | None]:
    """A new score with what was seen, for somebody who waits for it, and the look that it has now;
    where that takes too long it comes later, as a version of its own."""
    if seen is None:
        return document, None
    if seen.sight is None:
        return document, seen.look_id
    try:
        fused = await scribe.fuse(document, seen.sight)
    except (TookTooLong, ChildDied):
        return document, None
    return (fused.now.document if fused else document), seen.look_id


async def _read(storage: Storage, look: Look) -> Seen | None:
    if not look.usable:
        return Seen(look.look_id, None)
    try:
        return Seen(look.look_id, await storage.read(look.sight_key))
    except MissingObject:
        # It was there when the look was kept: taken back, and another may be on its way.
        return None


async def seen(
    sessions: SessionMaker, storage: Storage, scribe: Scribe, event: StrokesDetected
) -> None:
    """Keep the look, and give it to the scores that are there."""
    if not event.hits_key:
        return
    async with sessions() as session:
        if await _is_gone(session, event.video_id):
            return
    if event.usable:
        try:
            sight = await storage.read(event.sight_key)
        except MissingObject:
            async with sessions() as session:
                if await _is_gone(session, event.video_id):
                    return
            raise
        try:
            await scribe.check_sight(sight, event.hits_key)
        except ScoreError as error:
            raise Permanent(str(error)) from error
    async with sessions.begin() as session:
        # Held, so that a deletion comes before this or takes it along.
        if await _is_gone(session, event.video_id, lock=True):
            return
        values = {
            "look_id": event.analysis_id,
            "analysis_id": event.analysis_id,
            "sight_key": event.sight_key,
            "usable": event.usable,
            "occurred_at": event.occurred_at,
        }
        await session.execute(
            insert(Look)
            .values(video_id=event.video_id, hits_key=event.hits_key, **values)
            .on_conflict_do_update(
                index_elements=[Look.video_id, Look.hits_key],
                set_=values,
                # An older look that comes late, or the same again, changes nothing.
                where=Look.occurred_at < event.occurred_at,
            )
        )
    async with sessions() as session:
        rows = await session.scalars(
            select(Notation.id)
            .where(Notation.video_id == event.video_id, Notation.hits_key == event.hits_key)
            .order_by(Notation.created_at, Notation.id)
        )
        notation_ids = rows.all()
    for notation_id in notation_ids:
        await catch_up(sessions, storage, scribe, notation_id)


async def _is_gone(session: AsyncSession, video_id: UUID, *, lock: bool = False) -> bool:
    video = await session.get(KnownVideo, video_id, with_for_update=lock or None)
    return video is not None and video.deleted_at is not None


async def catch_up(
    sessions: SessionMaker, storage: Storage, scribe: Scribe, notation_id: UUID
) -> None:
    """Give a score the newest look at its hits, unless it has had that."""
    for _ in range(MOST_TRIES):
        async with sessions() as session:
            found = await _behind(session, notation_id)
            if found is None:
                return
            notation, look = found
            kept = await scores.kept(session, notation.id, notation.version)
        told = await _read(storage, look)
        if told is None:
            return
        fused = await scribe.fuse(kept.document, told.sight)
        async with sessions.begin() as session:
            found = await _behind(session, notation_id, lock=True)
            if found is None:
                return
            now, newer = found
            if now.version != kept.version or newer.look_id != told.look_id:
                continue
            now.look_id = told.look_id
            if fused is not None:
                change = (
                    f"Hands seen in the video: {fused.marked} of {fused.strokes} notes"
                    if told.sight is not None
                    else "Hands are not told any more: no usable view of the drummer"
                )
                await scores.replace(
                    session,
                    now.user_id,
                    now,
                    now.version,
                    fused.now,
                    change,
                    author="vision",
                )
            return
    raise AlwaysChanging(f"{notation_id} changed {MOST_TRIES} times meanwhile")


async def _behind(
    session: AsyncSession, notation_id: UUID, *, lock: bool = False
) -> tuple[Notation, Look] | None:
    """The score and its newest look, where there is one that it was not given."""
    notation = await session.get(Notation, notation_id, with_for_update=lock or None)
    if notation is None or notation.video_id is None or notation.hits_key is None:
        return None
    look = await session.get(Look, (notation.video_id, notation.hits_key))
    if look is None or look.look_id == notation.look_id:
        return None
    return notation, look
