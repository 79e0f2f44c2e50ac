"""Vision's own look at rendered players, in its child process, and on to the score."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from benchmarks.seeing.drummer.film import Film, write
from libs.common.database import SessionMaker
from libs.common.drums import FEET, Beat, Hand
from libs.common.events import (
    EventsDetected,
    StrokesDetected,
    VisionWorkFailed,
    VisionWorkProgressed,
    VisionWorkStarted,
)
from libs.common.messaging.transport import Transport
from libs.common.options import VisionOptions
from libs.common.performance import Performance
from libs.common.sight import Sight
from libs.common.storage import Storage
from libs.common.work import EventAnnouncer, Worker
from services.notation.domain.document import ScoreDocument
from services.notation.domain.score import Chooser, Note
from services.vision import weights
from services.vision.domain import watching
from services.vision.domain.pose import JOINTS, Pose
from services.vision.domain.see import Seen, see
from services.vision.models import SeenStroke, VideoAnalysis
from services.vision.settings import VisionSettings
from services.vision.watch import Watcher
from tests.conftest import SessionsOf
from tests.integration import test_fusion, test_vision
from tests.integration.test_fusion import ALICE
from tests.integration.waiting import running, until
from tests.unit.vision.seeing import filmed, hits_of, performance, silent

SIZE = (320, 180)
TEMPO_BPM = 100.0


def heard(film: Film) -> Performance:
    """As an ear without faults has it, with the beats."""
    period_s = 60 / TEMPO_BPM
    beats = tuple(Beat(0.6 + n * period_s, n % 4 + 1) for n in range(14))
    return replace(performance(hits_of(film.strokes)), beats=beats, meter="4/4")


def truth(film: Film) -> dict[str, Hand | None]:
    return {stroke.hit.id: stroke.hand for stroke in film.strokes}


class FilmsTruth:
    """In the pose network's place: the drummer's true joints, trembling as the network's do, for
    every frame in turn."""

    film: Film

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        joints = self.film.joints(JOINTS) * SIZE
        across = np.median(np.linalg.norm(joints[:, 1] - joints[:, 2], axis=1))
        joints += np.random.default_rng(3).normal(0, 0.018 * across, joints.shape)
        seen = np.concatenate([joints, np.ones((*joints.shape[:2], 1))], axis=2)
        self.poses = iter(seen.astype(np.float32))

    def follow(self, frame: NDArray[np.uint8]) -> Pose:
        return Pose(joints=next(self.poses), score=0.99)

    def bodies(self, frame: NDArray[np.uint8]) -> int:
        return 1

    def reset(self) -> None:
        """Frames go on being counted."""


@pytest.fixture(scope="module")
def film() -> Film:
    # A stroke at least each second, so that every frame is looked at.
    return filmed("front-high", groove="paradiddle", seed=5, size=SIZE, tempo_bpm=TEMPO_BPM)


@pytest.fixture(scope="module")
def path(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("films") / "paradiddle.mp4"
    write(film, target)
    return target


@pytest.fixture
def true_joints(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FilmsTruth, "film", film, raising=False)
    monkeypatch.setattr(watching, "PoseTracker", FilmsTruth)
    monkeypatch.setattr(watching, "available", lambda folder: True)
    monkeypatch.setattr(weights, "state", lambda folder=None: "whole")


@pytest.mark.usefixtures("true_joints")
def test_where_the_wrists_are_known_the_hands_are_right(
    film: Film, path: Path, tmp_path: Path
) -> None:
    sight = see(
        path, heard(film), tmp_path, VisionOptions(), weights=tmp_path, progress=silent
    ).sight
    assert (sight.usable, sight.reason, sight.missing) == (True, None, ())
    assert sight.sync is not None
    assert sight.sync.offset_s == pytest.approx(film.offset_s, abs=0.02)
    by_hand = [stroke for stroke in film.strokes if stroke.hit.piece not in FEET]
    assert [stroke.hit for stroke in sight.strokes] == [stroke.hit.id for stroke in by_hand]
    marked = [stroke for stroke in sight.strokes if stroke.hand is not None]
    right = [stroke for stroke in marked if stroke.hand is truth(film)[stroke.hit]]
    assert len(marked) >= 0.6 * len(by_hand)
    assert len(right) >= 0.95 * len(marked)


class Looks(test_vision.House):
    """Vision with a rendered film, and its own child process or none."""

    def __init__(
        self,
        sessions: SessionMaker,
        settings: VisionSettings,
        storage: Storage,
        film: Film,
        path: Path,
    ) -> None:
        super().__init__(sessions, settings, storage)
        self.film, self.path = film, path

    async def hears(self, **other: Any) -> EventsDetected:
        """The film is there, and its hits."""
        await self.upload(self.path.read_bytes())
        event = await self.heard(**other)
        await self.storage.write(event.hits_key, heard(self.film).to_json())
        await self.hear(event)
        return event

    @contextlib.contextmanager
    def _watcher(self, kind: type[Watcher]) -> Iterator[Watcher]:
        watcher = kind(self.settings, self.sessions, self.storage, cast(Transport, self.transport))
        try:
            yield watcher
        finally:
            watcher.close()

    async def look(self, kind: type[Watcher] = Watcher) -> None:
        """Whatever is queued, to its end."""

        async def settled() -> bool:
            return all(item.state not in ("queued", "running") for item in await self.items())

        with self._watcher(kind) as watcher:
            announcer = EventAnnouncer(VisionWorkStarted, VisionWorkFailed)
            worker = Worker("vision", self.sessions, watcher.handlers(), announcer)
            async with running(worker.run()):
                await until(settled)

    async def newest(self) -> tuple[StrokesDetected, Sight]:
        event = cast(StrokesDetected, (await self.told(StrokesDetected))[-1])
        return event, Sight.from_json(await self.storage.read(event.sight_key))


class InThisProcess(Watcher):
    """The child's work here, where a test may put another network in its place."""

    async def _in_child(self, item: Any, control: Any, *args: Any) -> Seen:
        return await asyncio.to_thread(self.look, *args, progress=silent)


@pytest.fixture
def looks(
    sessions: SessionsOf,
    storage: Storage,
    storage_folder: Path,
    tmp_path: Path,
    film: Film,
    path: Path,
) -> Looks:
    settings = VisionSettings(
        database_url="postgresql://",
        broker_url="amqp://",
        storage_url=str(storage_folder),
        jwks_url="http://",
        models=tmp_path / "none",
    )
    return Looks(sessions("vision"), settings, storage, film, path)


async def test_without_the_network_the_offset_is_told_and_what_is_missing(looks: Looks) -> None:
    await looks.hears()
    await looks.look()
    event, sight = await looks.newest()
    assert (event.usable, event.reason, event.marked_count) == (False, "weights-missing", 0)
    assert "backbeat models fetch" in event.words
    assert event.offset_s == pytest.approx(looks.film.offset_s, abs=0.02)
    assert sight.missing == ("pose-weights",)
    assert len(sight.strokes) == event.stroke_count > 0
    assert (sight.width, sight.height, round(sight.fps)) == (*SIZE, 25)
    progress = [VisionWorkProgressed.model_validate_json(m.body) for m in looks.transport.told]
    fractions = [one.fraction for one in progress]
    assert fractions
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1


async def test_a_look_with_other_wishes_takes_no_frame_a_second_time(looks: Looks) -> None:
    await looks.hears()
    await looks.look()
    await looks.ask(looks.asking(mirrored=True, handed="left"))
    await looks.look()
    first, second = await looks.all_of(VideoAnalysis)
    assert first.watched_key == second.watched_key
    kept = [key for key in await looks.storage.keys("sight") if key.endswith("watched.npz")]
    assert kept == [first.watched_key]
    _, sight = await looks.newest()
    assert (sight.mirrored, sight.handed) == (True, "left")


async def hands_of(looks: Looks, event: StrokesDetected) -> dict[str, str | None]:
    """Of the rows that the API reads."""
    async with looks.sessions() as session:
        rows = await session.scalars(
            select(SeenStroke).where(SeenStroke.analysis_id == event.analysis_id)
        )
        return {row.name: row.hand for row in rows}


@pytest.mark.usefixtures("true_joints")
async def test_hands_go_all_the_way_onto_the_score_and_a_mirror_swaps_them(
    looks: Looks, sessions: SessionsOf
) -> None:
    page = test_fusion.House(sessions("notation"), looks.storage)
    page.video_id, page.performance = looks.video_id, heard(looks.film)
    await page.upload()
    hits = await looks.hears(user_id=ALICE)
    await page.hear(hits.hits_key)
    await looks.look(InThisProcess)
    seen, _ = await looks.newest()
    assert seen.usable
    await page.see(seen)
    told = await hands_of(looks, seen)
    written = hands_on(await page.document())
    assert written == {name: told[name] for name in written}
    right = [name for name, hand in written.items() if hand == truth(looks.film)[name]]
    marked = [name for name, hand in written.items() if hand]
    assert len(marked) >= 0.6 * len(written)
    assert len(right) >= 0.95 * len(marked)
    # Seen in a mirror, each right is a left.
    await looks.ask(looks.asking(mirrored=True))
    await looks.look(InThisProcess)
    mirrored, _ = await looks.newest()
    other = {"R": "L", "L": "R", "B": "B", None: None}
    swapped = {name: other[hand] for name, hand in told.items()}
    assert await hands_of(looks, mirrored) == swapped
    await page.see(mirrored)
    assert hands_on(await page.document()) == {name: swapped[name] for name in written}
    assert [author for _, author, _ in await page.versions()] == ["user", "vision", "vision"]


def hands_on(document: ScoreDocument) -> dict[str, str | None]:
    """By note, of those that hands play; only vision may have told them."""
    notes: list[Note] = [note for _, _, note in document.score.notes() if note.piece not in FEET]
    for note in notes:
        assert note.sticking_source is (Chooser.VISION if note.sticking else None)
    return {note.id: note.sticking for note in notes}
