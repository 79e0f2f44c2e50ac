"""`backbeat hear`: hits and beats of any sound or video, without a running system."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from libs.common.drums import GM_NOTE
from libs.common.performance import Performance
from services.audio.domain.decode import extract_audio
from services.audio.domain.errors import NoDrumsHeard, SilentAudio, UnreadableMedia
from services.audio.domain.hear import MODEL_VERSION, hear_performance

NO_DRUMS = Performance(duration_s=0.0, hits=(), model_version=MODEL_VERSION)

_DECODING_SHARE = 0.3
_READ_AS_THEY_ARE = (".wav", ".flac")


def hear_file(
    path: Path, progress: Callable[[float], None], *, sensitivity: float = 0.5
) -> Performance:
    """What is played in a file; no hits when it is silent or has no drums.

    Raises HearingError when it cannot be read or has no sound, FileNotFoundError when it is not
    there, ValueError for a sensitivity outside 0 to 1.
    """
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    try:
        if path.suffix.lower() in _READ_AS_THEY_ARE:
            # What they do not bear, damage and odd codings, the decoder below does.
            with contextlib.suppress(UnreadableMedia):
                return hear_performance(path, progress, sensitivity=sensitivity)
        with tempfile.TemporaryDirectory(prefix="backbeat-") as folder:
            sound = Path(folder) / "sound.flac"
            extract_audio(
                path, sound, channels=1, progress=lambda done: progress(done * _DECODING_SHARE)
            )
            return hear_performance(
                sound,
                lambda done: progress(_DECODING_SHARE + done * (1 - _DECODING_SHARE)),
                sensitivity=sensitivity,
            )
    except (SilentAudio, NoDrumsHeard):
        return NO_DRUMS


def names_of(paths: Sequence[Path]) -> list[str]:
    """What each file is called in the answer: its name without the suffix, or the whole path
    where two have the same."""
    stems = [path.stem for path in paths]
    return [
        stem if stems.count(stem) == 1 else str(path)
        for stem, path in zip(stems, paths, strict=True)
    ]


def as_rows(heard: Performance) -> dict[str, Any]:
    """`{"hits": [[onset_s, gm_note, velocity, piece, confidence], …],
    "beats": [[time_s, position_in_bar], …]}`."""
    return {
        "hits": [
            [
                round(hit.onset_s, 4),
                GM_NOTE[hit.piece],
                hit.velocity,
                str(hit.piece),
                round(hit.confidence, 3),
            ]
            for hit in heard.hits
        ],
        "beats": [[round(beat.time_s, 4), beat.position] for beat in heard.beats],
    }
