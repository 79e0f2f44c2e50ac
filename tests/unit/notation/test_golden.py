"""The golden scores: kept as their source says, and read alike by everybody who opens them."""

from __future__ import annotations

import io
import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import music21
import pytest
import verovio
from jsonschema_rs import validator_for
from lxml import etree

from libs.common.drums import GM_NOTE, Articulation, DrumPiece
from services.notation.domain.clock import bar_starts, sounding_start
from services.notation.domain.document import SCHEMA_PATH, ScoreDocument
from services.notation.domain.exports import export
from services.notation.domain.kit import STANDARD
from tests.golden.build import documents, kept, written
from tests.golden.grooves import GROOVES
from tests.unit.notation.readers import needs_musescore, schema_faults, through_musescore

NAMES = list(GROOVES)
GOLDEN = documents()

Struck = Counter[tuple[int, int]]
"""Tick at 480 to the quarter, key."""


@pytest.mark.parametrize("name", NAMES)
def test_the_kept_json_is_what_its_source_says(name: str) -> None:
    """`python -m tests.golden` writes it anew."""
    assert kept(name) == written(GOLDEN[name])


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_to_the_schema_and_reads_back_equal(name: str) -> None:
    faults = validator_for(json.loads(SCHEMA_PATH.read_text("utf-8"))).iter_errors
    assert [fault.message for fault in faults(json.loads(kept(name)))] == []
    document = ScoreDocument.from_json(kept(name))
    assert document == GOLDEN[name]
    assert ScoreDocument.from_json(document.to_json()) == document


@pytest.mark.parametrize("name", NAMES)
def test_each_groove_is_four_to_eight_bars_of_what_it_is_known_by(name: str) -> None:
    """What a drummer would name it for; so that no edit of the source loses it unseen."""
    document = GOLDEN[name]
    assert 4 <= len(document.score.bars) <= 8
    struck = [
        (event.start, note.piece, set(note.articulations))
        for _, event, note in document.score.notes()
    ]
    swings = bool(document.timeline.swing)
    triplets = any(event.tuplet for _, event, _ in document.score.notes())
    ghosts = sum(Articulation.GHOST in marks for _, _, marks in struck)
    cross = sum(piece is DrumPiece.CROSS_STICK for _, piece, _ in struck)
    known = {
        "rock": any(Articulation.FLAM in marks for _, _, marks in struck),
        "shuffle": swings and triplets,
        "bossa": cross == 3 * 3 + 2 * 2 + 4 and not swings,
        "half-time-shuffle": triplets and not swings and ghosts >= 20,
        "train": sum(Articulation.ACCENT in marks for _, _, marks in struck) == 4 * 4 + 2,
        "blast": sum(piece is DrumPiece.SNARE for _, piece, _ in struck) == 5 * 8 + 4,
        "samba": {at for at, piece, _ in struck if piece is DrumPiece.KICK}
        == {Fraction(0), Fraction(3, 16), Fraction(1, 4), Fraction(7, 16)},
        "songo": not any(at == 0 for at, piece, _ in struck if piece is DrumPiece.KICK),
        "waltz": swings and str(document.score.bars[0].meter) == "3/4",
        "ballad": str(document.score.bars[0].meter) == "6/8",
        "funk": ghosts >= 12
        and {note.ring for _, _, note in document.score.notes() if note.ring} == {Fraction(1, 8)},
        "jazz": swings and triplets and not ghosts,
    }
    assert known[name]


# MusicXML


@pytest.mark.parametrize("name", NAMES)
def test_its_musicxml_keeps_to_the_schema(name: str) -> None:
    assert schema_faults(export(GOLDEN[name], "musicxml").data) == []


def places(document: ScoreDocument) -> Counter[tuple[Fraction, str, int]]:
    """In quarters from the first bar, and where on the staff; graces are no places."""
    starts = dict(
        zip(
            (bar.number for bar in document.score.bars),
            bar_starts(document.score.bars),
            strict=False,
        )
    )
    return Counter(
        (
            4 * (starts[bar.number] + event.start),
            STANDARD.entries[note.piece].step,
            STANDARD.entries[note.piece].octave,
        )
        for bar, event, note in document.score.notes()
    )


@pytest.mark.parametrize("name", NAMES)
def test_music21_reads_the_same_notes_in_the_same_places(name: str) -> None:
    read = music21.converter.parseData(
        export(GOLDEN[name], "musicxml").data.decode(), format="musicxml"
    )
    found: Counter[tuple[Fraction, str, int]] = Counter()
    graces = 0
    for element in read.recurse().notes:
        at = Fraction(element.getOffsetInHierarchy(read)).limit_denominator(96)
        inside = element.notes if isinstance(element, music21.percussion.PercussionChord) else ()
        for note in inside or (element,):
            if element.duration.isGrace:
                graces += 1
            else:
                found[at, note.displayStep, note.displayOctave] += 1
    assert found == places(GOLDEN[name])
    assert graces == sum(len(note.graces) for _, _, note in GOLDEN[name].score.notes())


@pytest.mark.parametrize("name", NAMES)
def test_verovio_draws_every_note_under_its_id_and_has_nothing_to_say(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    toolkit = verovio.toolkit()
    toolkit.setOptions({"footer": "none", "header": "none"})
    assert toolkit.loadData(export(GOLDEN[name], "musicxml").data.decode())
    drawn: set[str] = set()
    for page in range(1, toolkit.getPageCount() + 1):
        svg = etree.fromstring(toolkit.renderToSVG(page).encode())
        drawn |= {
            element.get("id", "") for element in svg.iter() if "note" in element.get("class", "")
        }
    wanted = {i for _, event, _ in GOLDEN[name].score.notes() for i in event.stroke_ids()}
    assert wanted <= drawn
    told = capfd.readouterr()
    assert told.out + told.err + toolkit.getLog() == ""


# MuseScore


def midi_notes(data: bytes) -> list[tuple[int, int, int]]:
    """Tick at 480 to the quarter, key, velocity."""
    file = mido.MidiFile(file=io.BytesIO(data))
    found = []
    tick = 0
    for message in mido.merge_tracks(file.tracks):
        tick += message.time
        if message.type == "note_on" and message.velocity:
            assert message.channel == 9
            found.append((round(tick * 480 / file.ticks_per_beat), message.note, message.velocity))
    return found


def written_notes(document: ScoreDocument, *, swung: bool) -> list[tuple[int, int, Any]]:
    """Tick, key and note of all strokes but graces."""
    starts = bar_starts(document.score.bars)
    line = dict(zip((bar.number for bar in document.score.bars), starts, strict=False))
    found = []
    for bar, event, note in document.score.notes():
        at = sounding_start(bar, event, document.timeline) if swung else event.start
        found.append((round((line[bar.number] + at) * 1920), GM_NOTE[note.piece], note))
    return found


@needs_musescore
@pytest.mark.parametrize("name", NAMES)
def test_musescore_has_no_complaint_and_plays_the_same_notes(name: str, tmp_path: Path) -> None:
    document = GOLDEN[name]
    played = midi_notes(through_musescore(document, tmp_path, "mid")[0])
    wanted = written_notes(document, swung=False)
    graces = sum(len(note.graces) for _, _, note in document.score.notes())
    assert len(played) == len(wanted) + graces
    # It plays a flam's grace on the beat and puts the note off: only they may be elsewhere.
    plain = Counter((tick, key) for tick, key, note in wanted if not note.graces)
    assert plain - Counter((tick, key) for tick, key, _ in played) == Counter()
    assert Counter(key for _, key, _ in played) == Counter(
        key for _, key, note in wanted for _ in range(1 + len(note.graces))
    )
    # And as loud, where one key is struck once at its tick.
    loud = {(tick, key): velocity for tick, key, velocity in played}
    far = [
        (tick, key, note.velocity, loud[tick, key])
        for tick, key, note in wanted
        if not note.graces and not note.articulations and abs(loud[tick, key] - note.velocity) > 1
    ]
    assert far == []


@pytest.mark.parametrize("name", NAMES)
def test_our_own_midi_plays_it_when_it_sounds(name: str) -> None:
    played = midi_notes(export(GOLDEN[name], "midi").data)
    wanted = written_notes(GOLDEN[name], swung=True)
    graces = sum(len(note.graces) for _, _, note in GOLDEN[name].score.notes())
    assert len(played) == len(wanted) + graces
    assert Counter((t, k, n.velocity) for t, k, n in wanted) - Counter(played) == Counter()
