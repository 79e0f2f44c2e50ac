"""Out and in again: what MusicXML and MIDI can hold comes back, from us and from MuseScore."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import mido
import musicdiff
import pytest
from musicdiff.detaillevel import DetailLevel

from libs.common.drums import GM_NOTE, Articulation, DrumPiece
from services.notation.domain.clock import bar_starts
from services.notation.domain.document import ScoreDocument
from services.notation.domain.exports import export
from services.notation.domain.imports import read
from services.notation.domain.kit import KITS, STANDARD
from services.notation.domain.score import Score, Timeline, VoiceEvent
from tests.golden.build import documents
from tests.golden.grooves import GROOVES
from tests.unit.notation.charts import chart
from tests.unit.notation.made_scores import score_of
from tests.unit.notation.readers import needs_musescore, schema_faults, through_musescore

NAMES = list(GROOVES)
GOLDEN = documents()
SEEDS = range(40)
OPEN = (DrumPiece.HAT_OPEN, DrumPiece.HAT_HALF_OPEN)


def imported(data: bytes) -> ScoreDocument:
    return read(data, file_name="song.xyz", kit=STANDARD)


# MusicXML


ONCE = {Articulation.ACCENT, Articulation.STRONG_ACCENT, Articulation.CHOKE}
"""What a chord shows once, whichever of its notes it is on."""


def page(document: ScoreDocument) -> tuple[Score, Timeline, list[set[Articulation]]]:
    """All that MusicXML holds: not how long a hat rings, nor seconds, nor what follows from the
    rest. Chords have no order, and neither have a note's marks."""
    score = document.score
    bars = tuple(
        replace(
            bar, voices=tuple(replace(v, events=tuple(map(plain, v.events))) for v in bar.voices)
        )
        for bar in score.bars
    )
    timeline = replace(
        document.timeline,
        beats=(),
        alternatives=(),
        tempo_map=tuple(replace(mark, bpm=0.0) for mark in document.timeline.tempo_map),
    )
    shown = [
        {mark for note in event.notes for mark in note.articulations} & ONCE
        for bar in score.bars
        for voice in bar.voices
        for event in voice.events
    ]
    return replace(score, bars=bars, repeats=()), timeline, shown


def plain(event: VoiceEvent) -> VoiceEvent:
    return replace(
        event,
        notes=tuple(
            replace(note, ring=None, articulations=tuple(sorted({*note.articulations} - ONCE)))
            for note in sorted(event.notes, key=lambda note: note.piece)
        ),
    )


def tempos(document: ScoreDocument) -> list[float]:
    return [mark.bpm for mark in document.timeline.tempo_map]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ending", ["musicxml", "mxl"])
def test_a_golden_score_comes_back_from_musicxml_whole(name: str, ending: str) -> None:
    document = GOLDEN[name]
    back = imported(export(document, ending).data)
    assert page(back) == page(document)
    assert tempos(back) == tempos(document)
    assert back.score.repeats == document.score.repeats
    assert export(back, "musicxml").data == export(document, "musicxml").data


@pytest.mark.parametrize("seed", SEEDS)
def test_any_score_comes_back_from_musicxml_whole(seed: int) -> None:
    document = score_of(seed)
    back = imported(export(document, "musicxml").data)
    assert page(back) == page(document)
    # The file has the quarters' tempo to a hundredth.
    assert tempos(back) == pytest.approx(tempos(document), abs=0.021)


def test_any_score_comes_back_from_its_own_json_whole() -> None:
    for seed in SEEDS:
        document = score_of(seed)
        assert imported(export(document, "json").data) == document


def test_the_made_scores_keep_to_musicxmls_schema() -> None:
    for seed in range(8):
        assert schema_faults(export(score_of(seed), "musicxml").data) == []


@pytest.mark.parametrize("kit", list(KITS))
def test_what_another_kit_drew_is_read_as_the_same_pieces(kit: str) -> None:
    """Some tables draw two pieces alike; the instrument tells them apart."""
    document = chart()
    back = imported(export(document, "musicxml", KITS[kit]).data)
    assert Counter(n.piece for _, _, n in back.score.notes()) == Counter(
        n.piece for _, _, n in document.score.notes()
    )


@pytest.mark.parametrize("name", [*NAMES, "chart"])
def test_musicdiff_finds_nothing_between_a_score_and_its_return(name: str, tmp_path: Path) -> None:
    ours = export(chart() if name == "chart" else GOLDEN[name], "musicxml").data
    assert differences(ours, export(imported(ours), "musicxml").data, tmp_path) == 0


def test_musicdiff_finds_a_single_ghost(tmp_path: Path) -> None:
    """So that the test above can fail."""
    ours = export(GOLDEN["rock"], "musicxml").data
    ghost = ours.replace(b"<notehead>normal", b'<notehead parentheses="yes">normal', 1)
    assert differences(ours, ghost, tmp_path) > 0


def differences(one: bytes, other: bytes, folder: Path) -> int:
    files = []
    for name, data in (("one", one), ("other", other)):
        (folder / name).mkdir()
        # Where there is no other title, the file's name is one.
        files.append(folder / name / "score.musicxml")
        files[-1].write_bytes(data)
    detail = DetailLevel.AllObjects | DetailLevel.Style | DetailLevel.Metadata
    found = musicdiff.diff(files[0], files[1], visualize_diffs=False, detail=detail)
    assert found is not None
    return found


# MIDI


def struck(document: ScoreDocument) -> Counter[tuple[Fraction, DrumPiece, int, int]]:
    """Place in quarters from the first bar, piece, velocity, graces."""
    lines = _lines(document)
    return Counter(
        (4 * (lines[bar.number] + event.start), note.piece, note.velocity, len(note.graces))
        for bar, event, note in document.score.notes()
    )


def _lines(document: ScoreDocument) -> dict[int, Fraction]:
    bars = document.score.bars
    return dict(zip((bar.number for bar in bars), bar_starts(bars), strict=False))


def frames(document: ScoreDocument) -> list[tuple[int, str, Fraction]]:
    return [(bar.number, str(bar.meter), bar.length) for bar in document.score.bars]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["written", "performed"])
def test_a_golden_score_comes_back_from_midi_in_the_same_places(name: str, mode: str) -> None:
    document = GOLDEN[name]
    back = imported(export(document, "midi", mode=mode).data)
    assert struck(back) == struck(document)
    assert frames(back) == frames(document)
    assert back.score.title == document.score.title
    tempo, was = back.timeline.tempo_map[0], document.timeline.tempo_map[0]
    assert (tempo.bpm, tempo.unit) == (pytest.approx(was.bpm, abs=0.01), was.unit)
    assert len(back.timeline.tempo_map) == 1
    assert [(mark.bar, mark.unit) for mark in back.timeline.swing] == [
        (mark.bar, mark.unit) for mark in document.timeline.swing
    ]
    for mark, own in zip(back.timeline.swing, document.timeline.swing, strict=True):
        assert mark.ratio == pytest.approx(own.ratio, abs=0.02)
    # As written, too: tuplets and all.
    assert [
        (bar.number, voice.number, e.start, e.duration, e.tuplet)
        for bar in back.score.bars
        for voice in bar.voices
        for e in voice.events
    ] == [
        (bar.number, voice.number, e.start, e.duration, e.tuplet)
        for bar in document.score.bars
        for voice in bar.voices
        for e in voice.events
    ]


@pytest.mark.parametrize("name", NAMES)
def test_midi_as_performed_keeps_every_onset_to_a_millisecond(name: str) -> None:
    document = GOLDEN[name]
    random = Random(7)
    events = tuple(
        replace(event, onset_s=event.onset_s + random.gauss(0, 0.008))
        for event in document.performance.events
    )
    loose = replace(document, performance=replace(document.performance, events=events))
    back = imported(export(loose, "midi", mode="performed").data)
    wanted = sorted((event.piece, event.onset_s, event.velocity) for event in events)
    found = sorted((e.piece, e.onset_s, e.velocity) for e in back.performance.events)
    assert [(piece, velocity) for piece, _, velocity in found] == [
        (piece, velocity) for piece, _, velocity in wanted
    ]
    assert [at for _, at, _ in found] == pytest.approx([at for _, at, _ in wanted], abs=0.001)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_score_comes_back_from_midi_in_the_same_places(seed: int) -> None:
    """Half-open hats are their pedal's to tell; a triplet shuffle may come back as swing."""
    document = score_of(seed, words=False, cuts=(1, 2, 4, 8) if seed % 2 else (1, 2, 3, 4))
    back = imported(export(document, "midi").data)
    if not back.timeline.swing:
        assert struck(back) == struck(document)
    assert frames(back) == frames(document)
    assert back.performance.dropped == ()


# MuseScore's files


@needs_musescore
@pytest.mark.parametrize("name", NAMES)
def test_what_musescore_makes_of_a_golden_score_is_read_as_the_same(
    name: str, tmp_path: Path
) -> None:
    document = GOLDEN[name]
    as_musicxml, as_midi = through_musescore(document, tmp_path, "musicxml", "mid")
    back = imported(as_musicxml)
    assert places(back) == places(document)
    assert frames(back) == frames(document)
    assert back.score.title == document.score.title
    assert [part.name for part in back.score.sections] == [
        part.name for part in document.score.sections
    ]
    assert [(mark.bar, mark.mark) for mark in back.score.dynamics] == [
        (mark.bar, mark.mark) for mark in document.score.dynamics
    ]
    assert ghosts(back) == ghosts(document)
    assert back.timeline.tempo_map[0].bpm == document.timeline.tempo_map[0].bpm
    played = imported(as_midi)
    assert places(played) == places(document)
    assert frames(played) == frames(document)


def places(document: ScoreDocument) -> Counter[tuple[Fraction, DrumPiece, int]]:
    return Counter(
        {(at, piece, graces): n for (at, piece, _, graces), n in _no_velocity(document).items()}
    )


def _no_velocity(document: ScoreDocument) -> Counter[tuple[Fraction, DrumPiece, int, int]]:
    return Counter((at, piece, 0, graces) for at, piece, _, graces in struck(document).elements())


def ghosts(document: ScoreDocument) -> int:
    return sum(Articulation.GHOST in note.articulations for _, _, note in document.score.notes())


# Other programs' MIDI, made here


def midi_file(
    notes: Iterable[tuple[int, int, int]],
    *,
    channel: int = 9,
    kind: int = 1,
    ticks: int = 480,
    extra: Iterable[tuple[int, Any]] = (),
) -> bytes:
    """`notes` as tick, key, velocity; `extra` as tick and message, sorted in before them."""
    timed: list[tuple[int, int, Any]] = [(at, 0, message) for at, message in extra]
    for at, key, velocity in notes:
        on = mido.Message("note_on", channel=channel, note=key, velocity=velocity)
        timed.append((at, 1, on))
        timed.append((at + 30, 2, mido.Message("note_off", channel=channel, note=key)))
    track = mido.MidiTrack()
    now = 0
    for at, _, message in sorted(timed, key=lambda item: item[:2]):
        track.append(message.copy(time=at - now))
        now = at
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    if kind == 1:
        file.tracks.append(mido.MidiTrack())
    file.tracks.append(track)
    data = io.BytesIO()
    file.save(file=data)
    return data.getvalue()


def as_notes(name: str) -> list[tuple[int, int, int]]:
    """A golden score at 480 ticks to the quarter."""
    return [
        (int(at * 480), GM_NOTE[piece], velocity)
        for at, piece, velocity, _ in struck(GOLDEN[name]).elements()
    ]


def tempo(bpm: float) -> Any:
    return mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))


def meter(numerator: int, denominator: int) -> Any:
    return mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator)


def test_a_performance_like_grooves_is_quantised_to_its_own_click() -> None:
    """Human timing on channel 10, a TD-11's notes, the hat's pedal in controller 4 all along."""
    random = Random(3)
    roland = {GM_NOTE[DrumPiece.HAT_CLOSED]: 22, GM_NOTE[DrumPiece.HAT_OPEN]: 26}
    notes = [
        (max(0, at + round(random.gauss(0, 6))), roland.get(key, key), velocity)
        for at, key, velocity in as_notes("bossa")
    ]
    pedal = [
        (at, mido.Message("control_change", channel=9, control=4, value=90 + at % 30))
        for at in range(0, 6 * 1920, 117)
    ]
    data = midi_file(notes, extra=[(0, tempo(132)), (0, meter(4, 4)), *pedal])
    back = read(data, file_name="1_bossa_132_beat_4-4.mid", kit=KITS["roland-td"])
    assert struck(back) == struck(GOLDEN["bossa"])
    assert back.timeline.tempo_map[0].bpm == 132
    assert back.score.title == "1_bossa_132_beat_4-4"
    assert any(e.onset_s % (60 / 132 / 2) > 0.001 for e in back.performance.events)


def test_a_daws_file_without_names_or_tempo_on_channel_1_is_read() -> None:
    data = midi_file(as_notes("rock")[:20], channel=0, kind=0)
    back = imported(data)
    assert back.score.title == "song"
    assert back.timeline.tempo_map[0].bpm == 120
    first = Counter(
        (Fraction(at, 480), piece) for at, key, _ in as_notes("rock")[:20]
        for piece in DrumPiece if GM_NOTE[piece] == key and piece is not DrumPiece.HAT_HALF_OPEN
    )  # fmt: skip
    assert Counter((at, piece) for at, piece, _, _ in struck(back).elements()) == first


def test_silence_of_a_count_in_is_left_out_and_the_times_stay() -> None:
    notes = [(at + 2 * 1920, key, velocity) for at, key, velocity in as_notes("train")]
    back = imported(midi_file(notes, extra=[(0, tempo(112)), (0, meter(4, 4))]))
    assert frames(back) == frames(GOLDEN["train"])
    assert struck(back) == struck(GOLDEN["train"])
    assert back.performance.events[0].onset_s == pytest.approx(8 * 60 / 112, abs=1e-5)
    assert back.timeline.beats[0].time_s == pytest.approx(8 * 60 / 112, abs=1e-5)


def test_meters_change_where_the_file_says() -> None:
    notes = [(quarter * 480, 36, 90) for quarter in range(4 + 3 + 3)]
    notes += [(10 * 480 + eighth * 240, 42, 80) for eighth in range(7)]
    changes = [(0, meter(4, 4)), (4 * 480, meter(3, 4)), (10 * 480, meter(7, 8))]
    back = imported(midi_file(notes, extra=changes))
    assert [str(bar.meter) for bar in back.score.bars] == ["4/4", "3/4", "3/4", "7/8"]
    assert [(mark.bar, str(mark.meter)) for mark in back.timeline.meters] == [
        (1, "4/4"), (2, "3/4"), (4, "7/8"),
    ]  # fmt: skip


def test_a_short_first_bar_is_a_pickup_with_or_without_silence_before() -> None:
    notes = [(0, 38, 90), *((480 + at, key, v) for at, key, v in as_notes("rock"))]
    marks = [(0, meter(1, 4)), (480, meter(4, 4))]
    assert frames(imported(midi_file(notes, extra=marks)))[:2] == [
        (0, "4/4", Fraction(1, 4)),
        (1, "4/4", Fraction(1)),
    ]
    later = [(at + 1920, key, velocity) for at, key, velocity in notes]
    counted = [(0, meter(4, 4)), (1920, meter(1, 4)), (2400, meter(4, 4))]
    assert frames(imported(midi_file(later, extra=counted)))[:2] == [
        (0, "4/4", Fraction(1, 4)),
        (1, "4/4", Fraction(1)),
    ]
