"""From a sound file to hits, and to a whole performance with its beats."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from libs.common.drums import DrumPiece, Hit
from libs.common.performance import Performance
from libs.common.pulse.beats import with_beats
from services.audio.domain.errors import NoDrumsHeard, SilentAudio
from services.audio.domain.network import Card, card, listen
from services.audio.domain.peaks import Picker, hits_from
from services.audio.domain.vocabulary import PIECES

MODEL_VERSION: Final = "ear-1"

_HEARING_SHARE: Final = 0.9
_SILENT_PEAK: Final = 10 ** (-60 / 20)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a hearer found."""

    hits: list[Hit]
    """By onset, then piece; ids `ev-000001` on."""
    duration_s: float


class Hearer(Protocol):
    """The seam between hearing and everything after it."""

    @property
    def version(self) -> str:
        """Kept with every performance that it made."""

    @property
    def kind(self) -> str:
        """How it works, in a few words."""

    @property
    def pieces(self) -> frozenset[DrumPiece]:
        """What it can name."""

    @property
    def card(self) -> Card:
        """What it was made from, how good it is, and where it fails."""

    def hear(
        self,
        path: Path,
        progress: Callable[[float], None] | None = None,
        *,
        sensitivity: float = 0.5,
        pieces: Collection[DrumPiece] | None = None,
    ) -> Heard:
        """Hear a FLAC or WAV of any length in constant memory (hits aside).

        `sensitivity` 0 (only what is sure) to 1 (everything that may be a hit); `pieces` are
        those that may be heard, None all. Raises SilentAudio, NoDrumsHeard, EmptyAudio or
        UnreadableMedia, ValueError for a sensitivity outside 0..1, and whatever `progress` raises.
        """


class EarHearer:
    """A convolutional network over spectra, trained by us (training/ear)."""

    kind: Final = "convolutional network, trained on human performances played on sampled kits"
    pieces: Final = frozenset(PIECES)

    def __init__(self, version: str) -> None:
        self.version: Final = version

    @property
    def card(self) -> Card:
        """See `Hearer.card`."""
        return card(self.version)

    def hear(
        self,
        path: Path,
        progress: Callable[[float], None] | None = None,
        *,
        sensitivity: float = 0.5,
        pieces: Collection[DrumPiece] | None = None,
    ) -> Heard:
        """See `Hearer.hear`."""
        if not 0 <= sensitivity <= 1:
            raise ValueError(f"sensitivity {sensitivity} is outside 0 to 1")
        picker = Picker(self.card)
        peak, duration_s = 0.0, 0.0
        for heard in listen(path, self.version, progress or (lambda fraction: None)):
            picker.take(heard)
            peak, duration_s = heard.peak, heard.read_s
        picker.finish()
        if peak < _SILENT_PEAK:
            raise SilentAudio
        hits = hits_from(
            picker.peaks, self.card, duration_s, sensitivity=sensitivity, pieces=pieces
        )
        if not hits:
            raise NoDrumsHeard
        return Heard(hits, duration_s)


def hearers() -> Mapping[str, Hearer]:
    """Every hearer that can be chosen, by the name to choose it with."""
    return {MODEL_VERSION: EarHearer(MODEL_VERSION)}


def hear_performance(
    path: Path,
    progress: Callable[[float], None] | None = None,
    *,
    model: str = MODEL_VERSION,
    sensitivity: float = 0.5,
    pieces: Collection[DrumPiece] | None = None,
) -> Performance:
    """Hits, beats and tempo of a sound file; errors as `Hearer.hear`, and KeyError for a `model`
    that `hearers` has not."""
    hearer = hearers()[model]
    tell = progress or (lambda fraction: None)
    heard = hearer.hear(
        path, lambda done: tell(done * _HEARING_SHARE), sensitivity=sensitivity, pieces=pieces
    )
    performance = with_beats(
        Performance(
            duration_s=heard.duration_s,
            hits=tuple(heard.hits),
            model_version=hearer.version,
        )
    )
    tell(1.0)
    return performance
