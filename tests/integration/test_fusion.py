"""What vision saw, on scores in a real database: whichever comes first, once, and never over what
somebody has set."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from sqlalchemy import select

from libs.common.database import SessionMaker
from libs.common.events import (
    EventsDetected,
    NotationRevised,
    ScoreKept,
    StrokesDetected,
    VideoDeleted,
    VideoUploaded,
)
from libs.common.messaging import Permanent
from libs.common.messaging.event import utc_now
from libs.common.messaging.outbox import OutboxMessage
from libs.common.migrate import migrate
from libs.common.part import Part
from libs.common.storage import Storage
from libs.common.tokens import Caller, current_caller
from services.notation import consumers, fusion, pipeline, scores
from services.notation.domain.document import ScoreDocument
from services.notation.models import Look, Notation, NotationVersion, PublishedPart
from services.notation.scribe import Scribe
from services.notation.settings import NotationSettings
from services.notation.wiring import make_notation_app
from tests.conftest import SessionsOf
from tests.unit.notation.performances import played, rock
from tests.unit.notation.test_sticking_fusion import HandOf, L, R, sight_of, usual

ALICE = uuid4()
MOMENT = utc_now()
HITS = "hits/a.json"


class Here:
    """A child's work in this process, and whatever a test wants to happen meanwhile."""

    def __init__(self) -> None:
        self.meanwhile: dict[str, Callable[[], Awaitable[Any]]] = {}
        """By the name of the work that it happens during, once."""

    async def run(self, function: Callable[..., Any], *args: Any, timeout_s: float) -> Any:
        del timeout_s
        made = function(*args, progress=lambda fraction: None)
        meanwhile = self.meanwhile.pop(function.__name__, None)
        if meanwhile:
            await meanwhile()
        return made

    def kill(self) -> None:
        """Nothing to end."""


class House:
    """Notation with a video in it."""

    def __init__(self, sessions: SessionMaker, storage: Storage) -> None:
        self.sessions, self.storage = sessions, storage
        self.scribe = Scribe(NotationSettings.model_construct(time_limit_s=60, edit_limit_s=60))
        self.child = Here()
        for name in ("writer", "editor", "drawer", "guest_drawer"):
            setattr(self.scribe, name, self.child)
        self.video_id = uuid4()
        self.performance = played(rock())

    async def upload(self) -> None:
        uploaded = VideoUploaded(
            video_id=self.video_id, user_id=ALICE, storage_key="v", content_type="video/mp4",
            size_bytes=1, filename="v.mp4", jobs={},
        )  # fmt: skip
        async with self.sessions.begin() as session:
            await pipeline.uploaded(session, uploaded)

    async def hear(self, hits_key: str = HITS, *, score: bool = True) -> EventsDetected:
        """Hits come, and a score is written."""
        await self.storage.write(hits_key, self.performance.to_json())
        heard = EventsDetected(
            video_id=self.video_id, user_id=ALICE, job_id=uuid4(), job_type="onset",
            audio_id=uuid4(), hits_key=hits_key, hit_count=1, beat_count=0, duration_s=1.0,
            model_version="test", jobs={"notation": uuid4()} if score else {},
        )  # fmt: skip
        await pipeline.heard(self.sessions, self.storage, self.scribe, heard)
        return heard

    async def look(
        self,
        hand_of: HandOf = usual,
        *,
        hits_key: str = HITS,
        usable: bool = True,
        later_s: float = 0.0,
        video_id: UUID | None = None,
    ) -> StrokesDetected:
        """A look's event, its file in storage."""
        key = f"sights/{uuid4()}.json"
        sight = replace(sight_of(self.performance, hand_of, usable=usable), hits_key=hits_key)
        await self.storage.write(key, sight.to_json())
        return StrokesDetected(
            video_id=video_id or self.video_id, user_id=ALICE, job_id=uuid4(), job_type="vision",
            analysis_id=uuid4(), sight_key=key, hits_key=hits_key, usable=usable, stroke_count=1,
            marked_count=1, model_version="eye", occurred_at=MOMENT + timedelta(seconds=later_s),
        )  # fmt: skip

    async def see(self, event: StrokesDetected) -> None:
        await consumers.on_strokes_detected(event, self.sessions, self.storage, self.scribe)

    async def notation(self) -> Notation:
        async with self.sessions() as session:
            return (await session.scalars(select(Notation))).one()

    async def document(self, version: int | None = None) -> ScoreDocument:
        notation = await self.notation()
        async with self.sessions() as session:
            kept = await scores.kept(session, notation.id, version or notation.version)
        return ScoreDocument.from_json(kept.document)

    async def hands(self, version: int | None = None) -> str:
        """Of the hands' first notes, in their order."""
        return "".join(
            note.sticking or "-"
            for _, _, note in (await self.document(version)).score.notes()[:8]
            if note.piece != "kick"
        )

    async def versions(self) -> list[tuple[int, str, str]]:
        async with self.sessions() as session:
            rows = await session.scalars(select(NotationVersion).order_by(NotationVersion.version))
            return [(row.version, row.author, row.change) for row in rows]

    async def told(self, kind: str) -> int:
        async with self.sessions() as session:
            rows = await session.scalars(select(OutboxMessage).where(OutboxMessage.type == kind))
            return len(rows.all())

    async def keep(self) -> None:
        """What follows on the newest version that was told of."""
        notation = await self.notation()
        kept = ScoreKept(notation_id=notation.id, user_id=ALICE, version=notation.version)
        await consumers.on_score_kept(kept, self.sessions, self.storage, self.scribe)


@pytest.fixture
async def house(sessions: SessionsOf, storage: Storage) -> House:
    made = House(sessions("notation"), storage)
    await made.upload()
    return made


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx.AsyncClient]:
    app = make_notation_app()
    app.state.sessions = house.sessions
    app.state.storage = house.storage
    app.state.scribe = house.scribe
    app.dependency_overrides[current_caller] = lambda: Caller(ALICE, frozenset({"user"}), "t")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


SEEN = "RRRLRLRR"
UNSEEN = "-" * 8


async def test_hands_that_were_seen_first_are_in_the_first_version(house: House) -> None:
    await house.hear(score=False)
    await house.see(await house.look())
    await house.hear()
    assert await house.hands() == SEEN
    await house.keep()
    assert await house.versions() == [(1, "user", "Written from the recording")]


async def test_hands_that_are_seen_later_are_a_version_by_vision(house: House) -> None:
    await house.hear()
    assert await house.hands() == UNSEEN
    look = await house.look()
    for _ in range(2):
        await house.see(look)
    assert await house.hands() == SEEN
    assert await house.versions() == [
        (1, "user", "Written from the recording"),
        (2, "vision", "Hands seen in the video: 44 of 44 notes"),
    ]
    assert await house.told(NotationRevised.type) == 1
    assert await house.told(ScoreKept.type) == 2
    await house.keep()
    async with house.sessions() as session:
        (published,) = (await session.scalars(select(PublishedPart))).all()
    part = Part.from_json(await house.storage.read(published.part_key))
    assert {one.hand for _, one in part.strokes()} == {R, L, None}


async def test_a_look_that_comes_while_the_score_is_written_is_not_lost(house: House) -> None:
    async def meanwhile() -> None:
        await house.see(await house.look())

    house.child.meanwhile["write_score"] = meanwhile
    await house.hear()
    assert await house.hands() == UNSEEN
    for _ in range(2):
        await house.keep()
    assert await house.hands() == SEEN
    assert [author for _, author, _ in await house.versions()] == ["user", "vision"]


async def put(http: httpx.AsyncClient, notation: Notation, *operations: dict[str, Any]) -> None:
    answer = await http.put(
        f"/notation/{notation.id}",
        json={"operations": operations},
        headers={"If-Match": f'"{notation.version}"'},
    )
    assert answer.status_code == 200, answer.text


async def test_an_edit_that_is_made_meanwhile_is_not_lost(
    house: House, http: httpx.AsyncClient
) -> None:
    await house.hear()
    cowbell = {"op": "add", "bar": 1, "start": "1/16", "piece": "cowbell"}

    async def meanwhile() -> None:
        await put(http, await house.notation(), cowbell)

    house.child.meanwhile["fuse_score"] = meanwhile
    await house.see(await house.look())
    assert [author for _, author, _ in await house.versions()] == ["user", "user", "vision"]
    document = await house.document()
    assert "cowbell" in {note.piece for _, _, note in document.score.notes()}
    assert "L" in {note.sticking for _, _, note in document.score.notes()}


async def test_undo_takes_the_hands_back_and_redo_brings_them(
    house: House, http: httpx.AsyncClient
) -> None:
    await house.hear()
    look = await house.look()
    await house.see(look)
    path = f"/notation/{(await house.notation()).id}"
    undone = await http.post(f"{path}/undo", headers={"If-Match": '"2"'})
    assert (undone.status_code, await house.hands()) == (200, UNSEEN)
    # What was taken back is not given again.
    await house.see(look)
    await house.keep()
    assert (await house.notation()).version == 3
    redone = await http.post(f"{path}/redo", headers={"If-Match": '"3"'})
    assert (redone.status_code, await house.hands()) == (200, SEEN)
    listed = (await http.get(f"{path}/versions")).json()
    assert [one["author"] for one in listed] == ["user", "user", "vision", "user"]
    old = (await http.get(f"{path}/versions/1")).json()["notation_json"]
    assert b"sticking" not in str(old).encode()
    stale = await http.put(path, json={"title": "x"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412


async def test_undo_after_an_edit_and_a_look_takes_back_one_after_the_other(
    house: House, http: httpx.AsyncClient
) -> None:
    await house.hear()
    cowbell = {"op": "add", "bar": 1, "start": "1/16", "piece": "cowbell"}
    await put(http, await house.notation(), cowbell)
    await house.see(await house.look())
    path = f"/notation/{(await house.notation()).id}"
    for version, cowbells in ((3, 1), (4, 0)):
        await http.post(f"{path}/undo", headers={"If-Match": f'"{version}"'})
        notes = (await house.document()).score.notes()
        assert sum(note.piece == "cowbell" for _, _, note in notes) == cowbells
        assert {note.sticking for _, _, note in notes} == {None}


async def test_a_newer_look_replaces_an_older_and_not_what_a_user_set(
    house: House, http: httpx.AsyncClient
) -> None:
    await house.hear()
    first, second = await house.look(), await house.look(lambda hit: L, later_s=5)
    await house.see(first)
    mine = (await house.document()).score.notes()[0][2].id
    await put(http, await house.notation(), {"op": "set-sticking", "ids": [mine], "sticking": "B"})
    await house.see(second)
    assert await house.hands() == "BLLLLLLL"
    # The older one comes again, late.
    await house.see(first)
    assert await house.hands() == "BLLLLLLL"
    assert (await house.notation()).version == 4


async def test_a_look_that_is_withdrawn_takes_its_hands_along(house: House) -> None:
    await house.hear()
    await house.see(await house.look(usable=False))
    assert (await house.notation()).version == 1
    await house.see(await house.look(later_s=1))
    await house.see(await house.look(usable=False, later_s=2))
    assert await house.hands() == UNSEEN
    last = (await house.versions())[-1]
    assert last == (3, "vision", "Hands are not told any more: no usable view of the drummer")


async def test_other_hits_and_other_videos_leave_a_score_alone(house: House) -> None:
    await house.hear()
    await house.see(await house.look(hits_key="hits/b.json"))
    await house.see(await house.look(video_id=uuid4()))
    assert await house.versions() == [(1, "user", "Written from the recording")]
    nothing_heard = (await house.look()).model_copy(update={"hits_key": ""})
    await house.see(nothing_heard)
    assert (await house.notation()).version == 1


async def test_each_score_has_the_hands_of_its_own_hits(house: House) -> None:
    await house.hear()
    await house.hear("hits/b.json")
    await house.see(await house.look(hits_key="hits/b.json"))
    async with house.sessions() as session:
        rows = (await session.scalars(select(Notation))).all()
    assert {row.hits_key: row.version for row in rows} == {HITS: 1, "hits/b.json": 2}


async def test_a_score_that_a_user_writes_of_the_video_has_hands_and_one_of_own_events_none(
    house: House, http: httpx.AsyncClient
) -> None:
    await house.hear(score=False)
    await house.see(await house.look())
    told = {"video_id": str(house.video_id)}
    heard = await http.post("/notation/from-events", json=told)
    assert '"sticking":"L"' in heard.text.replace(": ", ":")
    events = [
        {"time_seconds": hit.onset_s, "instrument": hit.piece} for hit in house.performance.hits
    ]
    own = await http.post("/notation/from-events", json=told | {"events": events})
    assert (own.status_code, "sticking" in own.text) == (201, False)
    await house.see(await house.look(lambda hit: L, later_s=1))
    async with house.sessions() as session:
        rows = await session.execute(select(Notation.id, Notation.version))
        versions = {str(name): version for name, version in rows}
    assert versions == {heard.json()["id"]: 2, own.json()["id"]: 1}


async def test_a_rewriting_keeps_the_hands_and_a_later_look_changes_it(
    house: House, http: httpx.AsyncClient
) -> None:
    await house.hear()
    await house.see(await house.look())
    path = f"/notation/{(await house.notation()).id}"
    anew = await http.put(path, json={"grid": "8"}, headers={"If-Match": '"2"'})
    assert anew.status_code == 200, anew.text
    assert await house.hands() == SEEN
    await house.see(await house.look(lambda hit: L, later_s=1))
    assert await house.hands() == "L" * 8


async def test_a_video_that_is_deleted_takes_its_looks_along(house: House) -> None:
    await house.hear()
    await house.see(await house.look())
    late = await house.look(later_s=1)
    deleted = VideoDeleted(video_id=house.video_id, user_id=ALICE)
    async with house.sessions.begin() as session:
        await pipeline.video_deleted(session, deleted)
    await house.storage.delete(late.sight_key)
    await house.see(late)
    async with house.sessions() as session:
        assert (await session.scalars(select(Look))).all() == []


async def test_a_score_that_is_deleted_meanwhile_stays_deleted(
    house: House, http: httpx.AsyncClient
) -> None:
    await house.hear()
    path = f"/notation/{(await house.notation()).id}"

    async def meanwhile() -> None:
        assert (await http.delete(path)).status_code == 204

    house.child.meanwhile["fuse_score"] = meanwhile
    await house.see(await house.look())
    assert (await http.get(path)).status_code == 404


async def test_a_file_that_is_no_sight_is_parked_and_spoils_nothing(house: House) -> None:
    look = await house.look()
    await house.storage.write(look.sight_key, b'{"format": "other"}')
    with pytest.raises(Permanent, match="sight"):
        await house.see(look)
    await house.hear()
    assert await house.hands() == UNSEEN


async def test_a_score_is_written_although_the_sight_is_gone(house: House) -> None:
    look = await house.look()
    await house.see(look)
    await house.storage.delete(look.sight_key)
    await house.hear()
    await house.keep()
    assert (await house.hands(), (await house.notation()).version) == (UNSEEN, 1)


async def test_the_children_do_the_work(house: House) -> None:
    scribe = Scribe(NotationSettings.model_construct(time_limit_s=60, edit_limit_s=60))
    try:
        house.scribe = scribe
        await house.hear()
        await house.see(await house.look())
        assert await house.hands() == SEEN
    finally:
        await scribe.close()


async def test_a_score_that_changes_all_the_time_gets_its_hands_another_time(
    house: House, http: httpx.AsyncClient
) -> None:
    await house.hear()
    title = {"op": "set-title", "title": "Once more"}

    async def meanwhile() -> None:
        await put(http, await house.notation(), title)
        house.child.meanwhile["fuse_score"] = meanwhile

    house.child.meanwhile["fuse_score"] = meanwhile
    look = await house.look()
    with pytest.raises(fusion.AlwaysChanging):
        await house.see(look)
    house.child.meanwhile.clear()
    await house.see(look)
    assert await house.hands() == SEEN
    assert (await house.notation()).version == fusion.MOST_TRIES + 2


async def test_scores_from_before_know_their_hits_and_those_of_own_events_none(
    empty_database_url: str,
) -> None:
    await migrate(empty_database_url, "notation", "0004")
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute("SET search_path TO notation")
        video = uuid4()
        for key, at in (("hits/1.json", "2026-01-01"), ("hits/2.json", "2026-01-03")):
            await connection.execute(
                "INSERT INTO heard (id, video_id, user_id, audio_id, hits_key, title, created_at) "
                "VALUES (gen_random_uuid(), $1, $1, $1, $2, '', $3::text::timestamptz)",
                video, key, at,
            )  # fmt: skip
        written = [
            ("old", video, "ear-1", "2026-01-02"),
            ("new", video, "ear-1", "2026-01-04"),
            ("own", video, "given", "2026-01-04"),
            ("file", None, "musicxml", "2026-01-04"),
        ]
        for title, of_video, model, at in written:
            document = json.dumps({"performance": {"model_version": model}})
            await connection.execute(
                "INSERT INTO notations (video_id, user_id, title, bar_count, note_count, options, "
                "version, notation_json, created_at) "
                "VALUES ($1, $2, $3, 1, 1, '{}', 1, $4, $5::text::timestamptz)",
                of_video, ALICE, title, document, at,
            )  # fmt: skip
        await migrate(empty_database_url, "notation")
        rows = await connection.fetch("SELECT title, hits_key FROM notations")
    finally:
        await connection.close()
    assert {row["title"]: row["hits_key"] for row in rows} == {
        "old": "hits/1.json",
        "new": "hits/2.json",
        "own": None,
        "file": None,
    }
