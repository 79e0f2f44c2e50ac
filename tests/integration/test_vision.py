"""Vision on a real database: from hits to told hands, in whatever order events come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from libs.common.database import SessionMaker
from libs.common.events import (
    EventsDetected,
    JobCancelled,
    JobRequested,
    StrokesDetected,
    VideoDeleted,
    VideoUploaded,
    VisionWorkAccepted,
    VisionWorkFailed,
    VisionWorkStarted,
)
from libs.common.messaging.event import utc_now
from libs.common.messaging.outbox import OutboxMessage
from libs.common.messaging.transport import Transport
from libs.common.sight import Sight
from libs.common.storage import Storage
from libs.common.tokens import Caller, current_caller
from libs.common.work import Cancelled, Control, EventAnnouncer, Refused, Worker, WorkItem
from services.vision import steps
from services.vision.domain.see import Seen
from services.vision.models import Hearing, SeenRegion, SeenStroke, Source, VideoAnalysis
from services.vision.settings import VisionSettings
from services.vision.watch import Watcher
from services.vision.wiring import make_vision_app
from tests import sights
from tests.conftest import SessionsOf
from tests.integration.waiting import running, until

ALICE = uuid4()


class Quiet:
    """A transport that only keeps how far work said it was."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def publish_transient(self, message: Any) -> None:
        self.told.append(message)


class AtOnce(Watcher):
    """Looks in this process."""

    async def _in_child(self, item: WorkItem, control: Control, *args: Any) -> Seen:
        return await asyncio.to_thread(sights.look, *args, progress=lambda fraction: None)


@pytest.fixture
def vision(sessions: SessionsOf) -> SessionMaker:
    return sessions("vision")


@pytest.fixture
def settings(storage_folder: Path, tmp_path: Path) -> VisionSettings:
    return VisionSettings(
        database_url="postgresql://",
        broker_url="amqp://",
        storage_url=str(storage_folder),
        jwks_url="http://",
        models=tmp_path / "models",
    )


class House:
    """Vision with a video, and what it hears of it."""

    def __init__(self, sessions: SessionMaker, settings: VisionSettings, storage: Storage) -> None:
        self.sessions = sessions
        self.settings = settings
        self.storage = storage
        self.video_id = uuid4()
        self.job_id = uuid4()
        self.caller_id = ALICE
        self.transport = Quiet()
        self.about: dict[str, Any] = {"video_id": self.video_id, "user_id": ALICE}

    async def upload(self, content: bytes = b"usable") -> None:
        key = f"videos/{self.video_id}/original"
        await self.storage.write(key, content)
        event = VideoUploaded(filename="a.mp4", storage_key=key, size_bytes=9, **self.about)
        async with self.sessions.begin() as session:
            await steps.uploaded(session, event)

    async def heard(self, *, count: int = 12, wanted: bool = True, **other: Any) -> EventsDetected:
        key = f"hits/{self.video_id}/{uuid4()}.json"
        await self.storage.write(key, sights.performance(count).to_json())
        return EventsDetected(
            job_id=uuid4(),
            job_type="onset",
            audio_id=uuid4(),
            hits_key=key,
            hit_count=count,
            beat_count=0,
            duration_s=6.0,
            model_version="ear-1",
            jobs={"onset": uuid4(), "vision": self.job_id} if wanted else {},
            **self.about | other,
        )

    async def hear(self, event: EventsDetected) -> None:
        async with self.sessions.begin() as session:
            await steps.heard(session, event, self.settings)

    def asking(
        self, generation: int = 1, job_id: UUID | None = None, **options: Any
    ) -> JobRequested:
        return JobRequested(
            job_id=job_id or uuid4(),
            job_type="vision",
            generation=generation,
            options=options,
            **self.about,
        )

    async def ask(self, event: JobRequested) -> None:
        async with self.sessions.begin() as session:
            await steps.requested(session, event, self.settings)

    def cancelling(self, job_id: UUID, generation: int = 1) -> JobCancelled:
        return JobCancelled(job_id=job_id, job_type="vision", generation=generation, **self.about)

    async def cancel(self, event: JobCancelled) -> None:
        async with self.sessions.begin() as session:
            await steps.cancelled(session, event)

    async def delete(self) -> None:
        await steps.deleted(self.sessions, self.storage, VideoDeleted(**self.about))

    async def work(self) -> None:
        """Whatever is queued, to its end."""
        watcher = AtOnce(
            self.settings, self.sessions, self.storage, cast(Transport, self.transport)
        )
        announcer = EventAnnouncer(VisionWorkStarted, VisionWorkFailed)
        worker = Worker("vision", self.sessions, watcher.handlers(), announcer)

        async def settled() -> bool:
            return all(item.state not in ("queued", "running") for item in await self.items())

        async with running(worker.run()):
            await until(settled)

    async def items(self) -> list[WorkItem]:
        return await self.all_of(WorkItem)

    async def all_of(self, model: type[Any]) -> list[Any]:
        async with self.sessions() as session:
            return list(await session.scalars(select(model)))

    async def told(self, kind: type[Any]) -> list[Any]:
        async with self.sessions() as session:
            rows = await session.scalars(
                select(OutboxMessage)
                .where(OutboxMessage.type == kind.type)
                .order_by(OutboxMessage.position)
            )
            return [kind.model_validate_json(row.body) for row in rows]

    async def seen(self, content: bytes = b"usable") -> StrokesDetected:
        """The pipeline, to its end."""
        await self.upload(content)
        await self.hear(await self.heard())
        await self.work()
        [event] = await self.told(StrokesDetected)
        return cast(StrokesDetected, event)


@pytest.fixture
def house(vision: SessionMaker, settings: VisionSettings, storage: Storage) -> House:
    return House(vision, settings, storage)


async def test_hits_of_the_pipeline_become_told_hands(house: House) -> None:
    event = await house.seen()
    assert (event.job_id, event.job_type, event.usable) == (house.job_id, "vision", True)
    assert (event.stroke_count, event.marked_count, event.offset_s) == (9, 6, 0.08)
    [analysis] = await house.all_of(VideoAnalysis)
    assert (analysis.id, analysis.offset_source) == (event.analysis_id, "wrists")
    kept = Sight.from_json(await house.storage.read(event.sight_key))
    assert (kept.marked, kept.hits_key) == (6, event.hits_key)
    rows = sorted(await house.all_of(SeenStroke), key=lambda row: int(row.position))
    assert [row.hand for row in rows] == ["R", "L", None] * 3
    assert [row.picture_seconds for row in rows] == pytest.approx(
        [row.time_seconds - 0.08 for row in rows]
    )
    assert "kick" not in {row.instrument for row in rows}
    regions = await house.all_of(SeenRegion)
    assert sorted((row.kind, row.instrument) for row in regions) == [
        ("head", None),
        ("struck", "snare"),
    ]
    assert [started.job_id for started in await house.told(VisionWorkStarted)] == [house.job_id]


async def test_no_usable_view_is_an_answer_with_its_reason(house: House) -> None:
    event = await house.seen(b"still")
    assert (event.usable, event.reason) == (False, "no-usable-view")
    assert event.words == "The drummer is too far away."
    assert (event.stroke_count, event.marked_count, event.offset_s) == (9, 0, None)
    [analysis] = await house.all_of(VideoAnalysis)
    assert (analysis.clip_key, analysis.still_keys) == (None, [])
    assert await house.told(VisionWorkFailed) == []


async def test_a_broken_video_fails_with_its_code_and_leaves_nothing(house: House) -> None:
    await house.upload(b"broken")
    await house.hear(await house.heard())
    await house.work()
    [failure] = await house.told(VisionWorkFailed)
    assert (failure.job_id, failure.code, failure.retryable) == (
        house.job_id,
        "video-unreadable",
        False,
    )
    assert await house.told(StrokesDetected) == []
    assert await house.storage.keys("sight") == []


async def test_hits_heard_twice_are_looked_at_once(house: House) -> None:
    await house.upload()
    event = await house.heard()
    for _ in range(2):
        await house.hear(event)
    await house.work()
    assert len(await house.told(StrokesDetected)) == 1
    # The same asked for once more is answered by what there is, under the new job's name.
    again = house.asking()
    await house.ask(again)
    assert [told.job_id for told in await house.told(StrokesDetected)] == [
        house.job_id,
        again.job_id,
    ]
    assert len(await house.items()) == 1


async def test_equal_work_of_two_jobs_is_seen_once_and_told_to_both(house: House) -> None:
    await house.upload()
    await house.hear(await house.heard())
    second = house.asking()
    await house.ask(second)
    await house.work()
    told = await house.told(StrokesDetected)
    assert {event.job_id for event in told} == {house.job_id, second.job_id}
    assert len({event.sight_key for event in told}) == 1
    assert len(await house.all_of(VideoAnalysis)) == 1


async def test_another_look_is_given_what_was_watched(house: House) -> None:
    await house.seen()
    await house.ask(house.asking(mirrored=True))
    await house.work()
    first, second = await house.told(StrokesDetected)
    assert first.analysis_id != second.analysis_id
    async with house.sessions() as session:
        analysis = await steps.find_latest(session, house.video_id)
    assert analysis is not None
    assert analysis.id == second.analysis_id
    assert await house.storage.read(analysis.watched_key) == b"++"


async def test_what_is_asked_for_again_is_what_counts(house: House) -> None:
    first = await house.seen()
    await house.ask(house.asking(mirrored=True))
    await house.work()
    await house.ask(house.asking())
    async with house.sessions() as session:
        analysis = await steps.find_latest(session, house.video_id)
    assert analysis is not None
    assert analysis.id == first.analysis_id


async def test_without_hits_the_views_are_told_all_the_same(house: House) -> None:
    await house.upload()
    await house.ask(house.asking())
    await house.work()
    [event] = await house.told(StrokesDetected)
    assert (event.hits_key, event.usable, event.stroke_count) == ("", False, 0)


async def test_the_newest_hits_count_however_their_events_arrive(house: House) -> None:
    await house.upload()
    old = await house.heard(wanted=False)
    new = await house.heard(count=20, wanted=False)
    await house.hear(new)
    await house.hear(old)
    [hearing] = await house.all_of(Hearing)
    assert hearing.hits_key == new.hits_key
    assert await house.items() == []
    await house.ask(house.asking())
    await house.work()
    [event] = await house.told(StrokesDetected)
    assert (event.hits_key, event.stroke_count) == (new.hits_key, 15)


async def test_hits_that_overtook_their_video_are_looked_at_once_it_is_known(house: House) -> None:
    event = await house.heard()
    with pytest.raises(steps.NotToldYet):
        await house.hear(event)
    await house.upload()
    await house.hear(event)
    assert [item.id for item in await house.items()] == [house.job_id]


async def test_a_video_from_before_vision_ends_its_job_with_what_to_do(house: House) -> None:
    long_ago = utc_now() - timedelta(minutes=5)
    await house.hear(await house.heard(occurred_at=long_ago))
    asked = house.asking().model_copy(update={"occurred_at": long_ago})
    await house.ask(asked)
    failures = await house.told(VisionWorkFailed)
    assert [failure.job_id for failure in failures] == [house.job_id, asked.job_id]
    assert {failure.code for failure in failures} == {"video-not-known"}
    assert await house.items() == []


async def test_options_that_are_none_fail_the_job(house: House) -> None:
    await house.upload()
    await house.ask(house.asking(offset_s=7))
    [failure] = await house.told(VisionWorkFailed)
    assert failure.code == "invalid"
    assert "offset_s" in failure.message


async def test_a_deletion_takes_all_and_what_comes_after_it_is_dropped(house: House) -> None:
    await house.seen()
    await house.delete()
    for model in (VideoAnalysis, SeenStroke, SeenRegion, Hearing, WorkItem):
        assert await house.all_of(model) == []
    assert await house.storage.keys("sight") == []
    await house.hear(await house.heard())
    await house.ask(house.asking())
    assert await house.items() == []
    assert await house.all_of(Hearing) == []


async def test_a_deletion_that_overtook_the_upload_counts(house: House) -> None:
    await house.delete()
    await house.upload()
    await house.hear(await house.heard())
    [source] = await house.all_of(Source)
    assert source.deleted_at is not None
    assert await house.items() == []


async def test_a_video_deleted_while_it_is_looked_at_keeps_nothing(house: House) -> None:
    await house.upload()
    await house.hear(await house.heard())
    [item] = await house.items()
    watcher = AtOnce(house.settings, house.sessions, house.storage, cast(Transport, Quiet()))
    control = Control()
    finish = await watcher.watch(item, control)
    await house.delete()
    with pytest.raises(Cancelled):
        async with house.sessions.begin() as session:
            await finish(session)


async def test_a_try_that_does_not_count_takes_nothing_of_the_one_that_does(house: House) -> None:
    await house.upload()
    await house.hear(await house.heard())
    [item] = await house.items()
    watcher = AtOnce(house.settings, house.sessions, house.storage, cast(Transport, Quiet()))
    late = Control()
    await watcher.watch(item, late)
    finish = await watcher.watch(item, Control())
    async with house.sessions.begin() as session:
        await finish(session)
    for discard in late.discard:
        await discard()
    [analysis] = await house.all_of(VideoAnalysis)
    assert await house.storage.keys("sight") == sorted(
        [analysis.sight_key, analysis.watched_key, analysis.clip_key, *analysis.still_keys]
    )


async def test_a_cancellation_counts_before_and_after_its_job_and_a_retry_revives(
    house: House,
) -> None:
    await house.upload()
    await house.cancel(house.cancelling(house.job_id))
    await house.hear(await house.heard())
    await house.work()
    assert await house.told(StrokesDetected) == []
    await house.ask(house.asking(generation=2, job_id=house.job_id))
    await house.work()
    assert [event.generation for event in await house.told(StrokesDetected)] == [2]


async def test_a_look_that_runs_tells_how_far_it_is_and_is_killed_when_cancelled(
    house: House,
) -> None:
    await house.upload(b"slow")
    await house.hear(await house.heard())
    [item] = await house.items()
    watcher = Watcher(
        house.settings,
        house.sessions,
        house.storage,
        cast(Transport, house.transport),
        sights.look,
    )
    control = Control()
    working = asyncio.create_task(watcher.watch(item, control))
    await until(lambda: bool(house.transport.told))
    control.cancelled.set()
    with pytest.raises(Cancelled):
        await asyncio.wait_for(working, 20)
    watcher.close()
    assert b"Watching the hands" in house.transport.told[0].body
    assert await house.storage.keys("sight") == []


async def test_a_look_that_takes_too_long_says_so(house: House) -> None:
    await house.upload(b"slow")
    await house.hear(await house.heard())
    [item] = await house.items()
    hasty = house.settings.model_copy(update={"time_limit_s": 0.5})
    watcher = Watcher(hasty, house.sessions, house.storage, cast(Transport, Quiet()), sights.look)
    with pytest.raises(Refused) as refused:
        await watcher.watch(item, Control())
    watcher.close()
    assert refused.value.code == "took-too-long"


def test_other_weights_make_another_analysis(settings: VisionSettings) -> None:
    video_id = uuid4()
    options = steps.VisionOptions()
    before = steps.look_id(settings, video_id, "hits", options)
    (settings.models / "pose").mkdir(parents=True)
    assert steps.look_id(settings, video_id, "hits", options) == before
    (settings.models / "pose" / "origin.json").write_bytes(b"{}")
    assert steps.look_id(settings, video_id, "hits", options) != before
    assert steps.look_id(settings, video_id, "", options) != before


# Routes


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx.AsyncClient]:
    app = make_vision_app()
    app.state.sessions = house.sessions
    app.state.storage = house.storage
    app.state.settings = house.settings
    app.dependency_overrides[current_caller] = lambda: Caller(
        house.caller_id, frozenset({"user"}), "t"
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


async def test_the_analysis_says_what_each_view_is_good_for_and_where_the_rest_is(
    house: House, http: httpx.AsyncClient
) -> None:
    event = await house.seen()
    found = (await http.get(f"/vision/analysis/{house.video_id}")).json()
    assert (found["id"], found["usable"], found["heard"]) == (str(event.analysis_id), True, True)
    assert [(view["usable"], view["reasons"]) for view in found["views"]] == [
        (True, []),
        (False, ["too-far"]),
    ]
    assert found["views"][1]["words"] == "The drummer is too far away."
    assert found["sync"] == {"offset_s": 0.08, "significance": 9.5, "source": "wrists"}
    assert found["hands"] == {"right": 3, "left": 3, "both": 0, "unknown": 3}
    assert {one["instrument"] for one in found["pieces"]} == {"hat-closed", "snare", "tom-high"}
    assert found["opinions"] == [
        {"hit": "ev-000004", "heard": "tom-high", "seen": "tom-mid", "confidence": 0.7}
    ]
    assert found["outdated"] is False
    for link in (found["links"]["clip"], found["links"]["sight"], *found["links"]["stills"]):
        assert (await http.get(link)).status_code == 200
    assert len(found["links"]["stills"]) == 2
    await house.hear(await house.heard(wanted=False))
    assert (await http.get(f"/vision/analysis/{house.video_id}")).json()["outdated"] is True


async def test_strokes_come_in_pages_by_hand_by_time_and_as_csv(
    house: House, http: httpx.AsyncClient
) -> None:
    await house.seen()
    path = f"/vision/analysis/{house.video_id}/strokes"
    whole = (await http.get(path)).json()
    assert whole["next_cursor"] is None
    paged, cursor = [], None
    while True:
        given = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        page = (await http.get(path, params=given)).json()
        paged += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == whole["items"]
    assert [one["hand"] for one in paged] == ["R", "L", None] * 3
    unknown = (await http.get(path, params={"hand": ["unknown", "L"]})).json()["items"]
    assert {one["hand"] for one in unknown} == {"L", None}
    between = (await http.get(path, params={"from_s": 1.0, "to_s": 2.0})).json()["items"]
    assert [one["time_seconds"] for one in between] == [1.0, 1.5]
    table = await http.get(path, params={"format": "csv", "hand": "R"})
    assert table.headers["content-type"].startswith("text/csv")
    lines = table.text.splitlines()
    assert lines[0].startswith("hit,time_seconds,picture_seconds,instrument,hand")
    assert len(lines) == 4
    assert code_of(await http.get(path, params={"cursor": "x"})) == (422, "invalid")


async def test_the_sight_file_is_served_whole_and_known_again(
    house: House, http: httpx.AsyncClient
) -> None:
    await house.seen()
    path = f"/vision/analysis/{house.video_id}/sight"
    first = await http.get(path)
    assert Sight.from_json(first.content).marked == 6
    again = await http.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    regions = (await http.get(f"/vision/analysis/{house.video_id}/regions")).json()
    assert [(one["kind"], one["instrument"]) for one in regions] == [
        ("struck", "snare"),
        ("head", None),
    ]


async def test_the_clip_is_played_in_parts(house: House, http: httpx.AsyncClient) -> None:
    await house.seen()
    path = f"/vision/analysis/{house.video_id}/clip"
    whole = await http.get(path)
    assert (whole.content, whole.headers["content-type"]) == (sights.CLIP, "video/mp4")
    part = await http.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, sights.CLIP[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(sights.CLIP)}"
    beyond = await http.get(path, headers={"Range": "bytes=99999-"})
    assert beyond.status_code == 416
    still = await http.get(f"/vision/analysis/{house.video_id}/stills/1")
    assert (still.content, still.headers["content-type"]) == (b"\xff\xd8still", "image/jpeg")


async def test_what_is_not_there_says_why(house: House, http: httpx.AsyncClient) -> None:
    root = f"/vision/analysis/{house.video_id}"
    parts = ("", "/strokes", "/regions", "/sight", "/clip", "/stills/1")
    for part in parts:
        assert code_of(await http.get(root + part)) == (404, "video-not-found")
    await house.upload(b"still")
    for part in parts:
        assert code_of(await http.get(root + part)) == (404, "not-seen-yet")
    await house.hear(await house.heard())
    await house.work()
    assert (await http.get(root)).json()["links"]["clip"] is None
    for part in ("/clip", "/stills/1"):
        assert code_of(await http.get(root + part)) == (404, "no-overlay")
    house.caller_id = uuid4()
    for part in parts:
        assert code_of(await http.get(root + part)) == (404, "video-not-found")
    assert code_of(await http.post(f"/vision/analyze/{house.video_id}")) == (
        404,
        "video-not-found",
    )


async def test_a_look_is_asked_for_at_the_route_and_told_to_media(
    house: House, http: httpx.AsyncClient
) -> None:
    await house.seen()
    path = f"/vision/analyze/{house.video_id}"
    key = {"Idempotency-Key": "one-look"}
    first = await http.post(path, json={"mirrored": True}, headers=key)
    assert first.status_code == 202
    asked = first.json()
    assert first.headers["location"] == f"/jobs/{asked['job_id']}"
    assert (asked["status"], asked["job_type"]) == ("pending", "vision")
    assert asked["options"] == {"mirrored": True, "handed": None, "offset_s": None}
    again = await http.post(path, json={"mirrored": True}, headers=key)
    without = await http.post(path, json={"mirrored": True})
    assert {answer.json()["job_id"] for answer in (again, without)} == {asked["job_id"]}
    other = await http.post(path, json={"mirrored": False}, headers=key)
    assert code_of(other) == (422, "idempotency-key-reused")
    [accepted] = await house.told(VisionWorkAccepted)
    assert (str(accepted.job_id), accepted.options) == (asked["job_id"], asked["options"])
    await house.work()
    done = await http.post(path, json={"mirrored": True})
    assert (done.json()["job_id"], done.json()["status"]) == (asked["job_id"], "completed")
    # The pipeline's own look counts again once it is asked for again.
    before = await http.post(path)
    assert (before.json()["job_id"], before.json()["status"]) == (str(house.job_id), "completed")
    found = (await http.get(f"/vision/analysis/{house.video_id}")).json()
    assert found["options"]["mirrored"] is None
    wrong = await http.post(path, json={"offset_s": 3})
    assert code_of(wrong) == (422, "invalid")


async def test_without_weights_the_service_says_what_is_missing_and_how_to_get_it(
    http: httpx.AsyncClient,
) -> None:
    told = (await http.get("/vision/models")).json()
    [network] = told["models"]
    assert (network["state"], network["licence"]) == ("missing", "Apache-2.0")
    assert told["tells"] == ["views", "sync"]
    assert "backbeat models fetch" in told["words"]
