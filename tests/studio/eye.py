"""Vision in the test's hand: it tells what the test says, in vision's rows, files and events."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from PIL import Image

from libs.common.database import SessionMaker, make_engine, make_sessions
from libs.common.drums import FEET, DrumPiece, Hand
from libs.common.events import (
    VisionWorkAccepted,
    VisionWorkFailed,
    VisionWorkProgressed,
    VisionWorkStarted,
)
from libs.common.messaging import announce
from libs.common.messaging.event import Message
from libs.common.messaging.transport import Transport
from libs.common.options import VisionOptions
from libs.common.sight import SecondOpinion, Shot, Sight, Stroke, Sync
from libs.common.storage import Storage
from services.vision import steps
from services.vision.models import VideoAnalysis
from services.vision.watch import add_rows, columns
from tests.videos import make_video

OFFSET_S = 0.12
SYNC = Sync(OFFSET_S, 7.25, "wrists")
LEFT = frozenset({DrumPiece.SNARE, DrumPiece.CROSS_STICK, DrumPiece.RIMSHOT})


def strokes_of(view: dict[str, Any]) -> tuple[Stroke, ...]:
    """A drummer who plays the snare with the left hand and all else with the right one: every ninth
    stroke is not told, the first crash is both hands'."""
    found: list[Stroke] = []
    played = [
        note
        for note in view["notes"]
        if not note.get("grace") and note.get("played_s") and DrumPiece(note["piece"]) not in FEET
    ]
    for number, note in enumerate(sorted(played, key=lambda note: float(note["played_s"])), 1):
        piece = DrumPiece(note["piece"])
        hand: Hand | None = Hand.LEFT if piece in LEFT else Hand.RIGHT
        if number % 9 == 0:
            hand = None
        elif piece is DrumPiece.CRASH and not any(each.hand is Hand.BOTH for each in found):
            hand = Hand.BOTH
        sure = 0.62 if hand is None else (0.84, 0.93, 0.99)[number % 3]
        found.append(Stroke(note["id"], note["played_s"], piece, hand, sure, 0, 0.4, 0.6))
    return tuple(found)


def sight_of(view: dict[str, Any], sync: Sync | None = SYNC) -> Sight:
    """All of a score's strokes, from a camera that sees well until the last two seconds."""
    end_s = float(view["duration_s"])
    return Sight(
        usable=True,
        reason=None,
        words="One view shows the drummer well.",
        width=320,
        height=180,
        fps=30.0,
        duration_s=end_s,
        frames=round(30 * end_s),
        model_version="told-1",
        sync=sync,
        mirrored=False,
        handed="right",
        layout="right",
        shots=(
            Shot(0, 0.0, end_s - 2, usable=True, reasons=(), words="Both wrists are seen in 94 % "
                 "of the pictures.", sync=sync, body_share=0.98, wrists_share=0.94),
            Shot(1, end_s - 2, end_s, usable=False, reasons=("no-body",),
                 words="Nobody is to be seen."),
        ),
        strokes=strokes_of(view),
    )  # fmt: skip


BLIND = Sight(
    usable=False,
    reason="no-body",
    words="The drummer is not to be seen: film from the front or from the side, with both arms in "
    "the picture.",
    width=320,
    height=180,
    fps=30.0,
    duration_s=20.0,
    frames=600,
    model_version="told-1",
    shots=(Shot(0, 0.0, 20.0, usable=False, reasons=("no-body",), words="Nobody is to be seen."),),
    missing=("pose-weights",),
)


def still() -> bytes:
    """A small picture."""
    kept = io.BytesIO()
    Image.new("RGB", (160, 90), (40, 80, 60)).save(kept, "JPEG")
    return kept.getvalue()


@dataclass(frozen=True)
class Look:
    """A look that is under way."""

    job_id: UUID
    video_id: UUID
    user_id: UUID

    @property
    def about(self) -> dict[str, Any]:
        return {
            "video_id": self.video_id,
            "user_id": self.user_id,
            "job_id": self.job_id,
            "job_type": "vision",
        }


@dataclass(frozen=True)
class Eye:
    """Tells in vision's name."""

    sessions: SessionMaker
    storage: Storage
    transport: Transport

    async def begins(self, video_id: str, user_id: str) -> Look:
        """A look begins, as after `POST /vision/analyze/{video_id}`."""
        look = Look(uuid4(), UUID(video_id), UUID(user_id))
        async with self.sessions.begin() as session:
            announce(session, VisionWorkAccepted(**look.about))
            announce(session, VisionWorkStarted(**look.about))
        return look

    async def gets_on(self, look: Look, fraction: float) -> None:
        """It is so far."""
        event = VisionWorkProgressed(**look.about, fraction=fraction, message="Watching the hands")
        await self.transport.publish_transient(Message.of(event))

    async def fails(self, look: Look, message: str) -> None:
        """It comes to nothing."""
        async with self.sessions.begin() as session:
            announce(
                session, VisionWorkFailed(**look.about, code="media-unreadable", message=message)
            )

    async def tells(
        self,
        look: Look,
        sight: Sight,
        options: VisionOptions | None = None,
        clip: Path | None = None,
        stills: int = 0,
    ) -> None:
        """It ends with this."""
        analysis_id = uuid4()
        prefix = f"sight/{look.video_id}/{analysis_id}/{uuid4()}"
        async with self.sessions() as session:
            sight = replace(sight, hits_key=await steps.hits_of(session, look.video_id))
        await self.storage.write(f"{prefix}/sight.json", sight.to_json())
        if clip:
            await self.storage.write_file(f"{prefix}/preview.mp4", clip)
        still_keys = [f"{prefix}/still-{number + 1}.jpg" for number in range(stills)]
        for key in still_keys:
            await self.storage.write(key, still())
        analysis = VideoAnalysis(
            id=analysis_id,
            video_id=look.video_id,
            user_id=look.user_id,
            hits_key=sight.hits_key,
            options=(options or VisionOptions()).chosen(),
            sight_key=f"{prefix}/sight.json",
            watched_key="",
            clip_key=f"{prefix}/preview.mp4" if clip else None,
            still_keys=still_keys,
            **columns(sight),
        )
        async with self.sessions.begin() as session:
            session.add(analysis)
            await session.flush()
            await add_rows(session, analysis_id, sight)
            steps.tell(session, analysis, job_id=look.job_id, generation=1)


@asynccontextmanager
async def opened(database_url: str, storage: Storage, transport: Transport) -> AsyncIterator[Eye]:
    """An eye on a running system."""
    engine = make_engine(database_url, "vision")
    try:
        yield Eye(make_sessions(engine), storage, transport)
    finally:
        await engine.dispose()


def film(path: Path) -> Path:
    """A film of two seconds, as an overlay."""
    return make_video(path, np.zeros(2 * 44_100, np.float32), size=(160, 90))


def other_opinion(sight: Sight) -> Sight:
    """The first stroke is seen on another piece."""
    first = sight.strokes[0]
    opinion = SecondOpinion(first.hit, first.piece, DrumPiece.RIDE, 0.81)
    return replace(sight, opinions=(opinion,))
