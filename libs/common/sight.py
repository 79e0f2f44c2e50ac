"""The file in which vision tells what it saw, and notation reads which hand played a hit.

Picture time is the video's own clock; sound time is that of hits and scores. Where the sound comes
`offset_s` after the picture, what is heard at `t` was seen at `t - offset_s`. Places in the picture
are fractions of its width and height, from the upper left corner, as it is shown (rotation
applied, mirroring not undone). Standard library only, like `drums`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from libs.common.drums import DrumPiece, Hand

FORMAT: Final = "backbeat-sight/1"

Side = Literal["right", "left"]
OffsetSource = Literal["flow", "wrists", "another-shot", "given"]


@dataclass(frozen=True, slots=True)
class Sync:
    """How far the sound lies after the picture, and how sure that is."""

    offset_s: float
    significance: float
    """How many standard deviations the link of picture and sound stands above chance (the
    same strokes with their times shaken)."""
    source: OffsetSource


@dataclass(frozen=True, slots=True)
class Shot:
    """What the camera took in one go, and what it is good for."""

    index: int
    start_s: float
    end_s: float
    """Picture time."""
    usable: bool
    """Whether hands are told in it."""
    reasons: tuple[str, ...]
    """Stable codes of what speaks against it; empty for a usable one."""
    words: str
    """The same for people."""
    sync: Sync | None = None
    """None: the link of picture and sound was not sure enough to be believed."""
    bodies: float = 0.0
    """People seen, on the average of the frames that were looked at."""
    body_share: float = 0.0
    """Part of those frames in which the drummer's body was found, 0 to 1."""
    wrists_share: float = 0.0
    """Part of those frames in which both wrists were seen, 0 to 1."""
    shoulders_px: float | None = None
    """Distance of the shoulders in the source's pixels: how near the camera is."""
    stillness: float = 0.0
    """Part of the frames in which the camera stood still, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """One heard hit as it was seen."""

    hit: str
    """The hit's id in the performance file, `ev-000001`."""
    onset_s: float
    """Sound time."""
    piece: DrumPiece
    """As heard."""
    hand: Hand | None
    """None: not sure. Never set for what feet play."""
    confidence: float
    """Probability of the likelier hand, 0.5 to 1; 0 where nothing was seen."""
    shot: int | None = None
    x: float | None = None
    y: float | None = None
    """Where the striking wrist was."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where a piece is struck, or the rim of a drum head."""

    kind: Literal["struck", "head"]
    shot: int
    piece: DrumPiece | None
    x: float
    y: float
    """Centre."""
    rx: float
    ry: float
    """Half axes; of `struck`, one standard deviation of the wrist's places."""
    angle_deg: float = 0.0
    """Of the first axis, clockwise in the picture, after scaling fractions to pixels."""
    strokes: int = 0
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """A hit that the ear was unsure of, and what the place of the stroke speaks for."""

    hit: str
    heard: DrumPiece
    seen: DrumPiece
    confidence: float


@dataclass(frozen=True, slots=True)
class Sight:
    """All that was seen in one video."""

    usable: bool
    reason: str | None
    """Stable code of why no hands are told; None when they are."""
    words: str
    width: int
    height: int
    fps: float
    """Frames a second on the average."""
    duration_s: float
    frames: int
    model_version: str
    hits_key: str = ""
    sync: Sync | None = None
    """Of the shot with the most hits; the studio shows this one."""
    mirrored: bool | None = None
    """Whether the picture is a mirror's; None: not known, taken as not."""
    handed: Side | None = None
    """None: not known."""
    layout: Literal["right", "left"] | None = None
    """Which way the kit stands in the picture: right has the hi-hat on the left side of the player
    that the picture shows. A mirrored right-handed kit looks left."""
    shots: tuple[Shot, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    """One for each hit that hands play, in time order; none when nothing was heard."""
    regions: tuple[Region, ...] = ()
    opinions: tuple[SecondOpinion, ...] = ()
    missing: tuple[str, ...] = ()
    """What the service had not at hand, such as `pose-weights`."""
    decode_errors: int = 0

    @property
    def marked(self) -> int:
        """How many strokes have a hand."""
        return sum(stroke.hand is not None for stroke in self.strokes)

    def to_json(self) -> bytes:
        """The file. Numbers are rounded to 0.0001: 0.1 ms for times."""
        return json.dumps(
            {"format": FORMAT} | _rounded(asdict(self)), separators=(",", ":"), allow_nan=False
        ).encode()

    @staticmethod
    def from_json(data: bytes) -> Sight:
        """Read the file back; ValueError for another format."""
        document: dict[str, Any] = json.loads(data)
        if document.pop("format", None) != FORMAT:
            raise ValueError(f"not a file of format {FORMAT}")
        sync = document.pop("sync")
        return Sight(
            **document
            | {
                "sync": Sync(**sync) if sync else None,
                "shots": tuple(_shot(shot) for shot in document["shots"]),
                "strokes": tuple(_stroke(stroke) for stroke in document["strokes"]),
                "regions": tuple(_region(region) for region in document["regions"]),
                "opinions": tuple(
                    SecondOpinion(
                        **opinion
                        | {
                            "heard": DrumPiece(opinion["heard"]),
                            "seen": DrumPiece(opinion["seen"]),
                        }
                    )
                    for opinion in document["opinions"]
                ),
                "missing": tuple(document["missing"]),
            }
        )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value


def _shot(document: dict[str, Any]) -> Shot:
    sync = document["sync"]
    return Shot(
        **document | {"sync": Sync(**sync) if sync else None, "reasons": tuple(document["reasons"])}
    )


def _stroke(document: dict[str, Any]) -> Stroke:
    hand = document["hand"]
    return Stroke(
        **document | {"piece": DrumPiece(document["piece"]), "hand": Hand(hand) if hand else None}
    )


def _region(document: dict[str, Any]) -> Region:
    piece = document["piece"]
    return Region(**document | {"piece": DrumPiece(piece) if piece else None})
