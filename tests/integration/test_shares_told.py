"""Links to a video's score are told in the transaction that makes and ends them."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

from sqlalchemy import select

from libs.common.database import SessionMaker
from libs.common.events import NotationShared, ShareRevoked, UserDeleted
from libs.common.messaging.outbox import OutboxMessage
from libs.common.tokens import digest_of
from services.notation import pipeline, scores, shares
from services.notation.domain.practice import Practised
from services.notation.models import PracticeSession, ShareLink
from services.notation.practice_log import keep
from tests.conftest import SessionsOf
from tests.unit.notation.charts import chart


async def written(sessions: SessionMaker, user_id: UUID, video_id: UUID | None) -> UUID:
    notation_id = uuid4()
    async with sessions.begin() as session:
        await scores.create(
            session,
            notation_id=notation_id,
            user_id=user_id,
            video_id=video_id,
            job_id=None,
            document=chart().to_json(),
            options={},
            change="",
        )
    return notation_id


async def about_links(notation: SessionMaker) -> list[OutboxMessage]:
    """What was told of them, in order; the score tells of itself, too."""
    kinds = (NotationShared.type, ShareRevoked.type)
    async with notation() as session:
        rows = await session.scalars(
            select(OutboxMessage)
            .where(OutboxMessage.type.in_(kinds))
            .order_by(OutboxMessage.position)
        )
        return list(rows)


async def test_media_hears_of_a_link_and_of_its_end(sessions: SessionsOf) -> None:
    notation, user_id, video_id = sessions("notation"), uuid4(), uuid4()
    notation_id = await written(notation, user_id, video_id)
    async with notation.begin() as session:
        link, token = await shares.share(
            session, user_id, notation_id, days=3, with_video=True, name=""
        )
    for _ in range(2):
        async with notation.begin() as session:
            await shares.revoke(session, user_id, notation_id, link.id)
    told = await about_links(notation)
    kinds = {message.type: json.loads(message.body) for message in told}
    assert [message.type for message in told] == [NotationShared.type, ShareRevoked.type]
    shared = kinds[NotationShared.type]
    assert (shared["share_id"], shared["notation_id"], shared["video_id"], shared["user_id"]) == (
        str(link.id), str(notation_id), str(video_id), str(user_id)
    )  # fmt: skip
    assert (shared["with_video"], shared["token_hash"]) == (True, digest_of(token))
    assert token not in str(told) + str(kinds)
    assert kinds[ShareRevoked.type]["share_id"] == str(link.id)


async def test_without_a_video_nothing_is_told(sessions: SessionsOf) -> None:
    notation, user_id = sessions("notation"), uuid4()
    notation_id = await written(notation, user_id, None)
    async with notation.begin() as session:
        link, _ = await shares.share(
            session, user_id, notation_id, days=3, with_video=True, name=""
        )
        await shares.revoke(session, user_id, notation_id, link.id)
    assert link.with_video is False
    assert await about_links(notation) == []


async def test_a_deleted_user_leaves_no_link_and_no_practice(sessions: SessionsOf) -> None:
    notation, user_id = sessions("notation"), uuid4()
    notation_id = await written(notation, user_id, None)
    async with notation.begin() as session:
        link, token = await shares.share(
            session, user_id, notation_id, days=3, with_video=False, name=""
        )
        practised = Practised(1, 2, 1.0, 1, 5.0, link.created_at)
        await keep(session, user_id, notation_id, uuid4(), practised)
        assert (await shares.shown(session, token))[1].id == notation_id
    async with notation.begin() as session:
        await pipeline.user_deleted(session, UserDeleted(user_id=user_id))
    async with notation() as session:
        assert (await session.scalars(select(ShareLink))).all() == []
        assert (await session.scalars(select(PracticeSession))).all() == []
