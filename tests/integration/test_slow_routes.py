"""While something slow is made for a request, its service's database connections are free."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from libs.common.database import SessionMaker, async_url, make_sessions
from libs.common.steps import NotationOptions
from libs.common.storage import Storage
from libs.common.tokens import Caller, current_caller
from services.audio import api as audio_api
from services.audio.models import Sound
from services.audio.wiring import make_audio_app
from services.notation import writing
from services.notation.domain.exports import Export
from services.notation.domain.kit import Kit
from services.notation.domain.quantise import Options
from services.notation.domain.written import Recent
from services.notation.wiring import make_notation_app

ALICE = uuid4()
EVENTS = [{"time_seconds": n / 2, "instrument": "kick"} for n in range(8)]


def one_connection(database_url: str, service: str) -> AsyncEngine:
    """One that is asked for while the only one is held does not come."""
    return create_async_engine(
        async_url(database_url),
        pool_size=1,
        max_overflow=0,
        pool_timeout=1,
        connect_args={"server_settings": {"search_path": service}},
    )


async def with_a_connection(sessions: SessionMaker) -> None:
    async with sessions() as session:
        await session.execute(text("SELECT 1"))


class Watching:
    """A scribe that needs the connection while it works."""

    def __init__(self, sessions: SessionMaker) -> None:
        self.sessions = sessions

    async def write_now(self, performance: bytes, options: NotationOptions, title: str) -> bytes:
        await with_a_connection(self.sessions)
        return writing.write_score(
            performance,
            Options(title=title, tempo_bpm=options.tempo),
            progress=lambda fraction: None,
        )

    async def change(
        self, document: bytes | writing.Known, change: dict[str, Any]
    ) -> writing.Changed:
        await with_a_connection(self.sessions)
        return writing.change_score(document, change, progress=lambda fraction: None)

    async def read_in(self, data: bytes, source: writing.Source) -> bytes:
        await with_a_connection(self.sessions)
        return writing.read_file(data, source, progress=lambda fraction: None)

    async def export(
        self, document: bytes, kind: str, kit: Kit, options: dict[str, Any], *, guest: bool = False
    ) -> Export:
        await with_a_connection(self.sessions)
        return writing.make_export(
            document, kind, kit.to_dict(), options, progress=lambda fraction: None
        )

    async def view(
        self, document: bytes, drawing: writing.Drawing, *, guest: bool = False
    ) -> bytes:
        await with_a_connection(self.sessions)
        return writing.draw_view(document, drawing, progress=lambda fraction: None)

    async def stats(self, document: bytes) -> dict[str, Any]:
        await with_a_connection(self.sessions)
        return writing.count_strokes(document, progress=lambda fraction: None)


async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    app.dependency_overrides[current_caller] = lambda: Caller(ALICE, frozenset({"user"}), "t")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as http:
        yield http


@pytest.fixture
async def notation(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    engine = one_connection(database_url, "notation")
    app = make_notation_app()
    app.state.sessions = make_sessions(engine)
    app.state.storage = None
    app.state.scribe = Watching(app.state.sessions)
    async for http in client(app):
        yield http
    await engine.dispose()


async def test_writing_and_drawing_a_score_hold_no_connection(
    notation: httpx.AsyncClient,
) -> None:
    body = {"events": EVENTS, "tempo": 120}
    keyed = {"Idempotency-Key": str(uuid4())}
    made = await notation.post("/notation/from-events", json=body, headers=keyed)
    assert made.status_code == 201, made.text
    again = await notation.post("/notation/from-events", json=body, headers=keyed)
    assert again.json()["id"] == made.json()["id"]
    path = f"/notation/{made.json()['id']}"
    faster = await notation.put(path, json={"tempo": 90}, headers={"If-Match": '"1"'})
    assert (faster.status_code, faster.json()["version"]) == (200, 2), faster.text
    assert faster.json()["tempo"] == 90
    stale = await notation.put(path, json={"tempo": 100}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.headers["etag"]) == (412, '"2"')
    keyed |= {"Idempotency-Key": str(uuid4()), "If-Match": '"2"'}
    for _ in range(2):
        named = await notation.put(path, json={"title": "Named"}, headers=keyed)
        assert (named.status_code, named.json()["version"]) == (200, 3), named.text
    drawn = await notation.get(f"{path}/export?format=midi")
    assert drawn.status_code == 200, drawn.text
    for seen in (f"{path}/view", f"{path}/stats"):
        assert (await notation.get(seen)).status_code == 200
    shared = f"/shared/{(await notation.post(f'{path}/shares', json={})).json()['token']}"
    for seen in (shared, f"{shared}/view", f"{shared}/export?format=midi"):
        assert (await notation.get(seen)).status_code == 200
    read_in = await notation.post("/notation/import", content=drawn.content)
    assert read_in.status_code == 201, read_in.text


async def test_an_edit_is_made_whether_or_not_the_document_is_held_still(
    notation: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await notation.post("/notation/from-events", json={"events": EVENTS, "tempo": 120})
    path, sent = f"/notation/{made.json()['id']}", []
    whole = writing.change_score

    def seen(document: bytes | writing.Known, *args: Any, **given: Any) -> writing.Changed:
        sent.append(type(document))
        return whole(document, *args, **given)

    monkeypatch.setattr(writing, "change_score", seen)
    for version in range(1, 5):
        if version == 3:
            monkeypatch.setattr(writing, "_RECENT", Recent())
        edit = {"op": "add", "bar": 1, "start": f"{version}/16", "piece": "cowbell"}
        answer = await notation.put(
            path, json={"operations": [edit]}, headers={"If-Match": f'"{version}"'}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["note_count"] == len(EVENTS) + version
    assert sent == [bytes, writing.Known, writing.Known, bytes, writing.Known]


async def test_drawing_a_sound_holds_no_connection(
    database_url: str, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = one_connection(database_url, "audio")
    app = make_audio_app()
    app.state.sessions = sessions = make_sessions(engine)
    app.state.storage = storage
    sound = Sound(
        id=uuid4(),
        video_id=uuid4(),
        user_id=ALICE,
        title="",
        audio_key="audio/none",
        options={},
        sample_rate=44_100,
        channels=1,
        duration_s=2.0,
        peak=0.5,
        decode_errors=0,
    )

    async def draws(_request: Any, _sound: Sound, function: Any, *_args: Any) -> bytes:
        await with_a_connection(sessions)
        return b"[[-1, 1]]"

    monkeypatch.setattr(audio_api, "on_local_copy", draws)
    async with sessions.begin() as session:
        session.add(sound)
    async for http in client(app):
        outline = await http.get(f"/audio/waveform/{sound.id}?buckets=1")
        assert outline.json() == {"duration_seconds": 2.0, "peaks": [[-1, 1]]}
        picture = await http.get(f"/audio/spectrogram/{sound.id}")
        assert picture.status_code == 200
    async with sessions.begin() as session:
        await session.delete(sound)
    await engine.dispose()
