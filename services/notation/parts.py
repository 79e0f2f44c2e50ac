"""Parts: scores published for the teacher, and what the teacher composed written down."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from libs.common.database import SessionMaker, new_id
from libs.common.events import PartPublished, ScoreKept, ScoreRemoved, VariationsCreated
from libs.common.messaging import announce, first_time
from libs.common.storage import Storage
from services.notation import scores
from services.notation.models import Notation, PublishedPart
from services.notation.scribe import Scribe


def _folder(notation_id: object) -> str:
    return f"parts/{notation_id}/"


async def publish(
    sessions: SessionMaker, storage: Storage, scribe: Scribe, event: ScoreKept
) -> None:
    """Put the score's newest part into storage and tell where; the one before it goes."""
    async with sessions() as session:
        notation = await session.get(Notation, event.notation_id)
        before = await session.get(PublishedPart, event.notation_id)
        # A later version tells of itself, and may have done so.
        if notation is None or notation.version != event.version:
            return
        if before is not None and before.version >= event.version:
            return
        kept = await scores.kept(session, notation.id, notation.version)
    part = await scribe.part(kept.document)
    # A key of its own for each try: one that is beaten takes away nothing but its own.
    key = f"{_folder(event.notation_id)}{event.version}-{new_id()}.json"
    await storage.write(key, part)
    try:
        replaced = await _keep(sessions, event, key)
    except Exception:
        # A commit whose answer was lost may have counted.
        if not await _is_kept(sessions, event.notation_id, key):
            await storage.delete(key)
        raise
    if replaced is not None:
        await storage.delete(replaced)


async def _is_kept(sessions: SessionMaker, notation_id: UUID, key: str) -> bool:
    async with sessions() as session:
        found = await session.get(PublishedPart, notation_id)
    return found is not None and found.part_key == key


async def _keep(sessions: SessionMaker, event: ScoreKept, key: str) -> str | None:
    """The key of the file that nobody needs any more."""
    async with sessions.begin() as session:
        if not await first_time(session, event):
            return key
        # Locked, so that its removal comes before this or after it.
        notation = await session.get(Notation, event.notation_id, with_for_update=True)
        if notation is None or notation.version != event.version:
            return key
        before = await session.scalar(
            select(PublishedPart.part_key).where(PublishedPart.notation_id == notation.id)
        )
        values = {"version": event.version, "part_key": key}
        await session.execute(
            insert(PublishedPart)
            .values(notation_id=notation.id, **values)
            .on_conflict_do_update(index_elements=[PublishedPart.notation_id], set_=values)
        )
        announce(
            session,
            PartPublished(
                notation_id=notation.id,
                user_id=notation.user_id,
                version=event.version,
                video_id=notation.video_id,
                title=notation.title,
                part_key=key,
            ),
        )
        return before


async def removed(sessions: SessionMaker, storage: Storage, event: ScoreRemoved) -> None:
    """Take the files of a score that is gone."""
    await storage.delete_all(_folder(event.notation_id))
    async with sessions.begin() as session:
        if not await first_time(session, event):
            return
        found = await session.get(PublishedPart, event.notation_id)
        if found is not None:
            await session.delete(found)


async def write_variations(
    sessions: SessionMaker, storage: Storage, scribe: Scribe, event: VariationsCreated
) -> None:
    """Scores of what the teacher composed. Its parts were held to the same rules before they were
    told of: one that cannot be written is a fault, and parks the event."""
    documents = [
        await scribe.write_part(await storage.read(one.part_key)) for one in event.variations
    ]
    async with sessions.begin() as session:
        if not await first_time(session, event):
            return
        # Locked, so that a deletion of it, or of its owner, comes before this or takes these along.
        original = await session.get(Notation, event.notation_id, with_for_update=True)
        if original is None:
            for one in event.variations:
                announce(session, ScoreRemoved(notation_id=one.notation_id, user_id=event.user_id))
            return
        for one, document in zip(event.variations, documents, strict=True):
            await scores.create(
                session,
                notation_id=one.notation_id,
                user_id=event.user_id,
                video_id=None,
                job_id=None,
                document=document,
                options={"variation_of": str(event.notation_id), "kind": one.kind},
                change=one.change[:500],
            )
