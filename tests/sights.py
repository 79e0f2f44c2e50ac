"""Sights made up in the test, and a look that sees what the stored video's bytes say."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from libs.common.drums import FEET, DrumPiece, Hand, Hit
from libs.common.performance import Performance
from libs.common.sight import Region, SecondOpinion, Shot, Sight, Stroke, Sync
from libs.common.storage import Storage
from libs.common.work import Refused
from services.vision.domain.errors import UnreadableVideo
from services.vision.domain.see import Seen

SYNC = Sync(0.08, 9.5, "wrists")
CLIP = bytes(range(256)) * 4
PIECES = (DrumPiece.HAT_CLOSED, DrumPiece.KICK, DrumPiece.SNARE, DrumPiece.TOM_HIGH)


def performance(count: int = 12) -> Performance:
    """A hit each half second, each fourth a kick."""
    hits = tuple(
        Hit(0.5 * n, PIECES[n % 4], confidence=0.9, id=f"ev-{n + 1:06d}") for n in range(count)
    )
    return Performance(hits=hits, duration_s=0.5 * count, model_version="ear-1")


def sight(heard: Performance | None, hits_key: str = "", usable: bool = True) -> Sight:
    """Right, left, unknown in turn, from one shot of two; or nothing usable."""
    told = (Hand.RIGHT, Hand.LEFT, None)
    hits = [hit for hit in heard.hits if hit.piece not in FEET] if heard else []
    usable = usable and bool(hits)
    strokes = tuple(
        Stroke(
            hit.id,
            hit.onset_s,
            hit.piece,
            told[n % 3] if usable else None,
            0.9 if usable else 0.0,
            shot=0 if usable else None,
            x=0.4 if usable else None,
            y=0.6 if usable else None,
        )
        for n, hit in enumerate(hits)
    )
    front = Shot(0, 0.0, 4.0, True, (), "From the front, both hands in view.", SYNC, 1.0, 1.0, 0.9)
    far = Shot(1, 4.0, 6.0, False, ("too-far",), "The drummer is too far away.")
    return Sight(
        usable=usable,
        reason=None if usable else "no-usable-view",
        words="Hands are told in one view of two." if usable else "The drummer is too far away.",
        width=640,
        height=360,
        fps=29.97,
        duration_s=6.0,
        frames=180,
        model_version="eye-1",
        hits_key=hits_key,
        sync=SYNC if usable else None,
        mirrored=False if usable else None,
        handed="right" if usable else None,
        layout="right" if usable else None,
        shots=(front, far) if usable else (far,),
        strokes=strokes,
        regions=(
            Region("struck", 0, DrumPiece.SNARE, 0.5, 0.6, 0.05, 0.04, 10.0, 3, 0.8),
            Region("head", 0, None, 0.5, 0.6, 0.1, 0.06),
        )
        if usable
        else (),
        opinions=(SecondOpinion("ev-000004", DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, 0.7),)
        if usable
        else (),
        missing=("pose-weights",) if not usable else (),
    )


def look(
    storage_url: str,
    storage_key: str,
    hits: Path | None,
    watched: Path | None,
    folder: Path,
    options: dict[str, Any],
    models: Path,
    max_duration_s: float,
    threads: int,
    *,
    progress: Callable[[float], None],
) -> Seen:
    """As `services.vision.watch.look_at`, by the video's bytes: broken, slow, still (no usable
    view), or anything. What was watched before is marked in the new file."""
    with Storage.open(storage_url).open_reader(storage_key) as reader:
        content = reader.read()
    if content == b"broken":
        error = UnreadableVideo()
        raise Refused(error.code, str(error))
    progress(0.1)
    if content == b"slow":
        time.sleep(60)
    heard = Performance.from_json(hits.read_bytes()) if hits else None
    found = sight(heard, usable=content != b"still")
    kept = folder / "watched.npz"
    kept.write_bytes((watched.read_bytes() if watched else b"") + b"+")
    clip, still = folder / "preview.mp4", folder / "still-1.jpg"
    if found.usable:
        clip.write_bytes(CLIP)
        still.write_bytes(b"\xff\xd8still")
    return Seen(found, kept, clip if found.usable else None, (still, still) if found.usable else ())
