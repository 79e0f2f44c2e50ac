"""Links that play a video without a header: one's own tickets, and shared scores' videos."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, text

from libs.common.database import SessionMaker, make_engine, make_sessions
from libs.common.events import NotationDeleted, NotationShared, ShareRevoked
from libs.common.messaging.event import Message, utc_now
from services.media import links
from services.media.models import PlayTicket
from tests.e2e.conftest import System, User


@pytest.fixture
async def media(embedded_system: System) -> AsyncIterator[SessionMaker]:
    engine = make_engine(embedded_system.database_url, "media")
    yield make_sessions(engine)
    await engine.dispose()


@pytest.fixture
async def anybody(embedded_system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=embedded_system.url, timeout=30) as client:
        yield client


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


async def ticket(user: User, video_id: str) -> dict[str, Any]:
    answer = await user.http.post(f"/media/videos/{video_id}/ticket")
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_ticket_plays_and_seeks_without_a_header(
    drummer: User, anybody: httpx.AsyncClient, media: SessionMaker, mute_video: Path
) -> None:
    content = mute_video.read_bytes()
    video = await drummer.upload(mute_video, process=False)
    told = await ticket(drummer, video["id"])
    assert set(told) == {"url", "expires_at"}
    whole = await anybody.get(told["url"])
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["content-type"] == "video/mp4"
    part = await anybody.get(told["url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(content)}"
    for answer in (whole, part):
        assert answer.headers["Cache-Control"] == "private, no-store"
    beyond = await anybody.get(told["url"], headers={"Range": f"bytes={len(content)}-"})
    assert beyond.status_code == 416
    # Nobody who reads the database can play.
    async with media() as session:
        kept = await session.scalars(
            select(PlayTicket.token_hash).where(PlayTicket.video_id == UUID(video["id"]))
        )
    token = told["url"].rpartition("/")[2]
    assert list(kept) == [hashlib.sha256(token.encode()).hexdigest()]
    assert len(token) >= 43


async def test_a_ticket_is_for_ones_own_video(
    drummer: User, anybody: httpx.AsyncClient, embedded_system: System, mute_video: Path
) -> None:
    video = await drummer.upload(mute_video, process=False)
    stranger = await embedded_system.user()
    refused = await stranger.http.post(f"/media/videos/{video['id']}/ticket")
    assert code_of(refused) == (404, "video-not-found")
    assert (await anybody.post(f"/media/videos/{video['id']}/ticket")).status_code == 401
    await stranger.http.aclose()


async def test_a_ticket_ends_in_time_with_its_video_and_with_its_user(
    drummer: User,
    anybody: httpx.AsyncClient,
    embedded_system: System,
    media: SessionMaker,
    mute_video: Path,
) -> None:
    assert code_of(await anybody.get("/media/play/nonsense")) == (404, "ticket-expired")
    video = await drummer.upload(mute_video, process=False)
    over, live = await ticket(drummer, video["id"]), await ticket(drummer, video["id"])
    over_hash = links.digest_of(over["url"].rpartition("/")[2])
    async with media.begin() as session:
        await session.execute(
            text("UPDATE play_tickets SET expires_at = now() WHERE token_hash = :hash"),
            {"hash": over_hash},
        )
    assert code_of(await anybody.get(over["url"])) == (404, "ticket-expired")
    assert (await anybody.get(live["url"])).status_code == 200
    assert await links.sweep(media) >= 1
    async with media() as session:
        assert await session.get(PlayTicket, over_hash) is None
    assert (await anybody.get(live["url"])).status_code == 200
    await drummer.http.delete(f"/media/videos/{video['id']}")
    assert code_of(await anybody.get(live["url"])) == (404, "ticket-expired")
    leaving = await embedded_system.user()
    video = await leaving.upload(mute_video, process=False)
    told = await ticket(leaving, video["id"])
    assert (await leaving.http.delete(f"/users/{leaving.id}")).status_code < 300
    async with asyncio.timeout(20):
        while True:
            if (await anybody.get(told["url"])).status_code == 404:
                break
            await asyncio.sleep(0.05)
    await leaving.http.aclose()


class Share:
    """A share link as notation would tell of it."""

    def __init__(self, owner: User, video_id: str) -> None:
        self.token = uuid4().hex
        self.about = {
            "video_id": UUID(video_id),
            "user_id": UUID(owner.id),
            "notation_id": uuid4(),
        }
        self.share_id = uuid4()
        self.video = f"/shared/{self.token}/video"
        self.thumbnail = f"/shared/{self.token}/thumbnail"

    def made(self, *, with_video: bool = True, lives_s: float = 60) -> NotationShared:
        return NotationShared(
            **self.about,
            share_id=self.share_id,
            token_hash=hashlib.sha256(self.token.encode()).hexdigest(),
            with_video=with_video,
            expires_at=utc_now() + timedelta(seconds=lives_s),
        )

    def revoked(self) -> ShareRevoked:
        return ShareRevoked(**self.about, share_id=self.share_id)

    def deleted(self) -> NotationDeleted:
        return NotationDeleted(**self.about)


@pytest.fixture
async def share(drummer: User, mute_video: Path) -> Share:
    video = await drummer.upload(mute_video, process=False)
    return Share(drummer, video["id"])


async def test_a_shared_video_is_played_by_whoever_has_the_link(
    share: Share, anybody: httpx.AsyncClient, embedded_system: System, mute_video: Path
) -> None:
    content = mute_video.read_bytes()
    # The viewer is there before the event is.
    early = asyncio.create_task(anybody.get(share.video))
    await asyncio.sleep(0.1)
    await embedded_system.embedded.transport.publish([Message.of(share.made())])
    assert (await early).content == content
    part = await anybody.get(share.video, headers={"Range": "bytes=-7"})
    assert (part.status_code, part.content) == (206, content[-7:])
    still = await anybody.get(share.thumbnail, params={"width": 160})
    assert (still.status_code, still.content[:2]) == (200, b"\xff\xd8")
    for answer in (part, still):
        assert answer.headers["Cache-Control"] == "private, no-store"


async def tell(media: SessionMaker, *events: Any) -> None:
    for event in events:
        async with media.begin() as session:
            if isinstance(event, NotationShared):
                await links.shared(session, event)
            elif isinstance(event, ShareRevoked):
                await links.revoked(session, event)
            else:
                await links.unshared(session, event)


@pytest.mark.parametrize(
    "order",
    [
        ("made", "revoked"),
        ("revoked", "made"),
        ("made", "deleted"),
        ("deleted", "made"),
        ("made", "made", "revoked", "made"),
    ],
)
async def test_a_share_that_ended_shows_nothing_in_whatever_order_that_was_told(
    share: Share, anybody: httpx.AsyncClient, media: SessionMaker, order: tuple[str, ...]
) -> None:
    await tell(media, *[getattr(share, name)() for name in order])
    for path in (share.video, share.thumbnail):
        assert code_of(await anybody.get(path)) == (404, "share-not-found")


async def test_a_share_without_video_or_over_or_unknown_shows_nothing(
    drummer: User, share: Share, anybody: httpx.AsyncClient, media: SessionMaker
) -> None:
    alone = Share(drummer, str(share.about["video_id"]))
    over = Share(drummer, str(share.about["video_id"]))
    await tell(media, alone.made(with_video=False), over.made(lives_s=-1), share.made())
    for path in (alone.video, over.video, "/shared/nonsense/video"):
        assert code_of(await anybody.get(path)) == (404, "share-not-found")
    assert (await anybody.get(share.video)).status_code == 200
    await drummer.http.delete(f"/media/videos/{share.about['video_id']}")
    assert code_of(await anybody.get(share.video)) == (404, "share-not-found")
