"""Notation's routes for seeing a score on a screen: its view, and what it holds in numbers."""

from __future__ import annotations

import asyncio
import gzip
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field

from libs.common.drums import Articulation, DrumPiece, Hand
from libs.common.errors import NotFound, problem_responses
from libs.common.tokens import CurrentCaller
from services.notation import scores
from services.notation.api import Sessions, TheScribe
from services.notation.domain.score import Chooser, StickingShown
from services.notation.domain.view import WIDTHS_MM
from services.notation.views import Views, Wish, drawn, order_of

router = APIRouter(prefix="/notation", tags=["notation"])


class SystemRead(BaseModel):
    """One line of music."""

    svg: str = Field(description="Its picture; signs are used from `defs`.")
    width: float = Field(description="In millimetres.")
    height: float
    bars: list[int]


class ViewBar(BaseModel):
    """A bar, and when it was played. Times are null where fewer than two beats are known."""

    bar: int
    id: str = Field(description="Of its group in the picture.")
    start_s: float | None
    end_s: float | None
    length: str = Field(description="In whole notes.")
    meter: str
    beats: list[float] | None = Field(description="The second of each beat.")


class MovedRead(BaseModel):
    """A note that was heard on one piece and seen on another."""

    heard: DrumPiece
    confidence: float | None = Field(description="The eye's.")


class ViewNote(BaseModel):
    """A note, or a grace before it."""

    id: str = Field(description="Of its group in the picture.")
    bar: int
    start: str = Field(description="From the bar line, in whole notes; a grace's is its note's.")
    voice: int
    piece: DrumPiece
    velocity: int
    confidence: float | None = Field(description="Null: nobody heard it, somebody wrote it.")
    articulations: list[Articulation]
    sticking: Hand | None
    written_s: float | None
    duration_s: float | None
    played_s: float | None = Field(None, description="Missing where nobody played it.")
    unsure: bool = Field(False, description="The ear doubted it; missing where it did not.")
    grace: bool = Field(False, description="Missing where it is none.")
    sticking_source: Chooser | None = Field(
        None, description="Who told the hand; missing where that came with the score."
    )
    sticking_confidence: float | None = Field(
        None, description="The eye's; missing where the hand was not seen."
    )
    sticking_hidden: bool = Field(
        False, description="Its letter is not drawn; missing where it is."
    )
    moved: MovedRead | None = Field(
        None, description="It was seen on this piece; missing where it stands as it was heard."
    )


class Unwritten(BaseModel):
    """A hit that was heard and is not on the page."""

    id: str
    onset_s: float
    piece: DrumPiece
    velocity: int
    confidence: float
    reason: str


class SwingRead(BaseModel):
    """From `bar` on."""

    bar: int
    unit: str
    ratio: float


class SectionRead(BaseModel):
    """A part of the song that begins with `bar`."""

    bar: int
    name: str


class AlternativeRead(BaseModel):
    """Another way to count it."""

    factor: str
    bpm: float
    chance: float


class SharedViewRead(BaseModel):
    """A score to draw and to follow, for a guest."""

    format: str
    version: int
    title: str
    tempo: int | None
    time_signature: str
    kit: str
    duration_s: float
    width_mm: int
    unsure_below: float = Field(description="Notes of less confidence have the class `unsure`.")
    sticking_shown: StickingShown
    defs: str = Field(description="An SVG of no size that goes into the page once.")
    systems: list[SystemRead]
    bars: list[ViewBar]
    notes: list[ViewNote] = Field(description="In order of `written_s`.")
    unwritten: list[Unwritten]
    swing: list[SwingRead]
    sections: list[SectionRead]
    alternatives: list[AlternativeRead]


class ViewRead(SharedViewRead):
    """A score to draw and to follow."""

    notation_id: UUID
    video_id: UUID | None


class TimingRead(BaseModel):
    """How far from their places notes were played, above 0 late. Graces are not asked."""

    notes: int
    mean_ms: float
    median_ms: float
    spread_ms: float = Field(description="How far the middle half lies apart.")
    mean_off_ms: float = Field(description="Early or late alike.")
    early: int = Field(description="More than 10 ms.")
    late: int


class PieceStats(BaseModel):
    """One piece's notes."""

    piece: DrumPiece
    notes: int
    ghosts: int
    accents: int
    flams: int
    drags: int
    graces: int
    mean_velocity: float
    unsure: int
    timing: TimingRead | None = Field(
        description="Null where the beats are not known or no note was played."
    )


class LimbStats(BaseModel):
    """Strokes with their graces, by voice; of the hands by sticking."""

    hands: int
    feet: int
    right: int
    left: int
    both: int
    untold: int


class DeviationRead(BaseModel):
    """A note far from its place."""

    id: str
    bar: int
    start: str
    piece: DrumPiece
    off_ms: float


class BarStats(BaseModel):
    """How much is in a bar."""

    bar: int
    strokes: int


class StatsRead(BaseModel):
    """A score in numbers."""

    notes: int
    graces: int
    unwritten: int
    unsure: int
    articulations: dict[Articulation, int]
    limbs: LimbStats
    by_piece: list[PieceStats]
    timing: TimingRead | None = Field(
        description="Null where the beats are not known or no note was played."
    )
    worst: list[DeviationRead] = Field(description="At most ten, the farthest first.")
    bars: list[BarStats]


def views_of(request: Request) -> Views:
    """What was drawn last."""
    views: Views = request.app.state.views
    return views


TheViews = Annotated[Views, Depends(views_of)]
Width = Annotated[
    int,
    Query(
        ge=WIDTHS_MM[0],
        le=WIDTHS_MM[1],
        description="How wide a line is, rounded down to tens; notes stay as big.",
    ),
]
Repeats = Annotated[
    Literal["written", "signs"], Query(description="Write repeated bars out, or show signs.")
]
Legend = Annotated[bool, Query(description="Show what the kit's notes mean.")]
ViewKit = Annotated[
    str | None,
    Query(max_length=64, description="A kit table, see GET /notation/kits. Null: the score's."),
]
Known = Annotated[
    str | None, Header(alias="If-None-Match", max_length=1000, description="ETags you have.")
]
Encodings = Annotated[
    str | None, Header(alias="Accept-Encoding", max_length=1000, include_in_schema=False)
]

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "You have it"}}


@router.get(
    "/{notation_id}/view",
    response_class=Response,
    responses={200: {"model": ViewRead}} | NOT_MODIFIED | problem_responses(NotFound),
)
async def view_notation(
    notation_id: UUID,
    caller: CurrentCaller,
    sessions: Sessions,
    scribe: TheScribe,
    views: TheViews,
    width_mm: Width = 210,
    version: Annotated[int | None, Query(ge=1, description="Null: the current one.")] = None,
    kit: ViewKit = None,
    repeats: Repeats = "written",
    legend: Legend = True,
    if_none_match: Known = None,
    accept_encoding: Encodings = None,
) -> Response:
    """All that it takes to show a score and to follow it: a picture of each line of music, and the
    times of bars, beats and notes."""
    wish = Wish(width_mm, repeats, legend, kit, version)
    async with sessions() as session:
        order = await order_of(session, caller.user_id, notation_id, wish)
    headers = {"ETag": order.tag, "Cache-Control": "private, no-cache"}
    if knows(if_none_match, order.tag):
        return Response(status_code=304, headers=headers | {"Vary": "Accept-Encoding"})
    return await zipped(await drawn(sessions, scribe, views, order), accept_encoding, headers)


def knows(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has what this tag stands for."""
    given = [one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")]
    return "*" in given or tag.removeprefix("W/") in given


async def zipped(data: bytes, accept_encoding: str | None, headers: dict[str, str]) -> Response:
    """JSON that is zipped already, unzipped for a client that does not take it so."""
    headers = headers | {"Vary": "Accept-Encoding"}
    if takes_gzip(accept_encoding):
        headers["Content-Encoding"] = "gzip"
    else:
        data = await asyncio.to_thread(gzip.decompress, data)
    return Response(data, media_type="application/json", headers=headers)


def takes_gzip(accept_encoding: str | None) -> bool:
    """RFC 9110, 12.5.3, as far as gzip goes."""
    for one in (accept_encoding or "").lower().split(","):
        name, _, weight = one.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False


@router.get("/{notation_id}/stats", response_model=StatsRead, responses=problem_responses(NotFound))
async def notation_stats(
    notation_id: UUID, caller: CurrentCaller, sessions: Sessions, scribe: TheScribe
) -> dict[str, Any]:
    """A score in numbers: what is struck how often, and how near to its place. `timing` is
    null where that cannot be said: where no beats are known, or nobody played the notes."""
    async with sessions() as session:
        notation = await scores.get(session, caller.user_id, notation_id)
        kept = await scores.kept(session, notation.id, notation.version)
    return await scribe.stats(kept.document)
