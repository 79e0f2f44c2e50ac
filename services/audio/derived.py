"""What is computed from a sound when it is asked for, and kept: outline, picture, loudness,
advice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.steps import HearingOptions
from libs.common.work import WorkItem
from services.audio import steps
from services.audio.domain.levels import measure_loudness
from services.audio.domain.pictures import spectrogram_png, waveform_peaks

QUIET_LUFS = -35.0
CLIPPED_DBFS = -0.1
UNSURE = 0.6
SURE = 0.9


class Recommendation(BaseModel):
    """Settings that suit a sound, and why."""

    hearing: HearingOptions
    reasons: list[str]


def peaks_json(path: Path, buckets: int, *, progress: Callable[[float], None]) -> bytes:
    """`[[least, greatest], …]`, -1 to 1."""
    peaks = waveform_peaks(path, buckets, progress)
    return json.dumps([[round(float(v), 4) for v in pair] for pair in peaks]).encode()


def spectrogram(
    path: Path,
    width: int,
    height: int,
    start_s: float,
    end_s: float,
    *,
    progress: Callable[[float], None],
) -> bytes:
    """PNG."""
    return spectrogram_png(
        path, width=width, height=height, start_s=start_s, end_s=end_s, progress=progress
    )


def loudness_json(path: Path, *, progress: Callable[[float], None]) -> bytes:
    """Integrated loudness, peak and mean level."""
    found = measure_loudness(path, progress)
    return json.dumps(
        {
            "integrated_lufs": found.integrated_lufs,
            "peak_dbfs": found.peak_dbfs,
            "rms_dbfs": found.rms_dbfs,
        }
    ).encode()


async def extraction_under_way(session: AsyncSession, user_id: UUID, audio_id: UUID) -> UUID | None:
    """The open job that makes this sound."""
    return await session.scalar(
        select(WorkItem.id).where(
            WorkItem.user_id == user_id,
            WorkItem.kind == steps.EXTRACTION,
            WorkItem.state.in_(["queued", "running"]),
            WorkItem.params["audio_id"].astext == str(audio_id),
        )
    )


def recommend(
    model: str,
    integrated_lufs: float | None,
    peak_dbfs: float | None,
    median_confidence: float | None,
    sensitivity: float,
) -> Recommendation:
    """Advice by rule; every change has its reason."""
    reasons = []
    wanted = sensitivity
    if peak_dbfs is not None and peak_dbfs > CLIPPED_DBFS:
        reasons.append(
            "The sound reaches full scale and may be clipped: lower the recording level next time."
        )
    if integrated_lufs is None or integrated_lufs < QUIET_LUFS:
        wanted += 0.1
        reasons.append("The recording is quiet: a higher sensitivity finds more of its soft hits.")
    if median_confidence is not None and median_confidence < UNSURE:
        wanted -= 0.15
        reasons.append(
            f"Half of the hits heard had a confidence below {median_confidence:.2f}: a lower "
            "sensitivity leaves out doubtful ones."
        )
    elif median_confidence is not None and median_confidence > SURE:
        reasons.append("The last hearing was sure of most hits: its settings suit this sound.")
    if not reasons:
        reasons.append("Nothing speaks against the defaults.")
    return Recommendation(
        hearing=HearingOptions(model=model, sensitivity=round(min(max(wanted, 0.0), 1.0), 2)),
        reasons=reasons,
    )
