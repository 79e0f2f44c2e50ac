"""What notation tells when a score cannot be written."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from libs.common.events import EventsDetected, NotationWorkFailed, UserDeleted
from libs.common.messaging.outbox import OutboxMessage
from libs.common.offload import ChildDied
from libs.common.storage import Storage
from services.notation import kits, pipeline
from services.notation.models import UserKit
from tests.conftest import SessionsOf


class Crashing:
    """A scribe whose process dies of every performance."""

    async def write(self, *_given: Any) -> bytes:
        raise ChildDied("the worker process ended")


async def test_a_score_whose_writing_crashes_fails_with_a_reason(
    sessions: SessionsOf, storage: Storage
) -> None:
    notation = sessions("notation")
    await storage.write("hits/a.json", b"{}")
    job_id = uuid4()
    heard = EventsDetected(
        video_id=uuid4(),
        user_id=uuid4(),
        job_id=uuid4(),
        job_type="onset",
        audio_id=uuid4(),
        hits_key="hits/a.json",
        hit_count=1,
        beat_count=0,
        duration_s=1.0,
        model_version="test",
        jobs={"notation": job_id},
    )
    for _ in range(2):
        await pipeline.heard(notation, storage, Crashing(), heard)  # type: ignore[arg-type]
    async with notation() as session:
        [told] = (await session.scalars(select(OutboxMessage))).all()
    body = json.loads(told.body)
    assert told.type == NotationWorkFailed.type
    assert (body["job_id"], body["code"], body["retryable"]) == (
        str(job_id),
        "worker-crashed",
        True,
    )


async def test_a_deleted_users_kits_are_forgotten_and_nobody_elses(sessions: SessionsOf) -> None:
    notation = sessions("notation")
    gone, stays = uuid4(), uuid4()
    table = {"format": "backbeat-kit/1", "name": "Mine", "base": "pas"}
    async with notation.begin() as session:
        for user_id in (gone, stays):
            await kits.keep(session, user_id, "mine", table)
    async with notation.begin() as session:
        await pipeline.user_deleted(session, UserDeleted(user_id=gone))
    async with notation() as session:
        assert (await session.scalars(select(UserKit.user_id))).all() == [stays]
