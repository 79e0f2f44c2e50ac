"""Drums of a MIDI file as a score: a part on its grid note for note, a performance quantised.

The file's own bars, meters and tempos are kept. Notes that lie on the grid, as a notation program
or a sequencer writes them, get exactly their place; where people played to the click, as in Groove
MIDI, the places are chosen as for a recording.
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Final

import mido

from libs.common.drums import DrumPiece, Hit
from libs.common.meter import Meter
from services.notation.domain import form, grids, strokes
from services.notation.domain.assemble import Tempo, TempoMap, anchors_of, assemble
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import STANDARD, Kit
from services.notation.domain.pulse import Pulse
from services.notation.domain.score import (
    MAX_BARS,
    MAX_DURATION_S,
    MAX_EVENTS,
    PlayedEvent,
    ScoreError,
    Source,
    Swing,
    read_meter,
)
from services.notation.domain.sheet import Frame

_DRUMS: Final = 9
_QUARTER: Final = Fraction(1, 4)
_DEFAULT_US: Final = 500_000
# So many to the beat, the plainest first.
_GRIDS: Final = (1, 2, 4, 3, 8, 6, 12, 5, 7, 9, 16)
_ON_GRID: Final = 0.98
_NEAR_BEATS: Final = 1 / 200
_FLAMMED: Final = frozenset(
    {DrumPiece.SNARE, DrumPiece.RIMSHOT, DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR}
)
_GRACE_S: Final = 0.09
_GRACE_QUARTERS: Final = Fraction(1, 10)
_LATE: Final = Fraction(2, 3)
_SWUNG_LEAST: Final = 6
_SWUNG_MORE: Final = 1.2


@dataclass(frozen=True, slots=True)
class _Struck:
    """A note-on, in quarters from the beginning."""

    at: Fraction
    piece: DrumPiece
    velocity: int


@dataclass(frozen=True, slots=True)
class _File:
    struck: Sequence[_Struck]
    tempos: Sequence[Tempo]
    meters: Sequence[tuple[Fraction, Meter]]
    """From which place on, in whole notes."""
    name: str
    unknown: Mapping[int, int]
    """Notes that no piece of the kit has, and how often."""


def read_midi(data: bytes, *, title: str, kit: Kit) -> ScoreDocument:
    """A document of the file's drums; ScoreError where there are none, or it is broken."""
    file = _read(data, kit)
    if not file.struck:
        raise ScoreError("notes", "the file holds no drums that the kit knows")
    clock = TempoMap(file.tempos)
    hits = [
        Hit(
            round(clock.time_s(struck.at / 4), 6), struck.piece, struck.velocity,
            id=f"ev-{number:06d}",
        )
        for number, struck in enumerate(file.struck, start=1)
    ]  # fmt: skip
    if hits[-1].onset_s > MAX_DURATION_S:
        raise ScoreError("duration_s", "the file is longer than twelve hours")
    frames = _frames(file)
    mains, places = _exact(file.struck, hits) or (None, None)
    swing = None
    if mains is not None and places is not None:
        straight = None
        if all(frame.meter.denominator <= 4 for frame in frames):
            straight = _swung(places, mains)
        if straight is not None:
            places, swing = straight, Swing(0, Fraction(1, 8), 2.0)
    else:
        mains = strokes.graces(hits)
        pulse = _pulse(clock, frames)
        placed = grids.place(hits, mains, pulse, "auto")
        places = [place * pulse.unit for place in placed.places]
        swing = placed.swing_mark(pulse.unit, 0)
    written = strokes.notes_of(hits, mains, places, ring_most=Fraction(1))
    first = _first_bar(frames, min(places))
    skipped = sum((frame.length for frame in frames[:first]), Fraction(0))
    notes = {note.id: (max(Fraction(0), place - skipped), note) for place, note in written.notes}
    frames = _with_pickup(frames[first:])
    tempos = [tempo.moved(-skipped) for tempo in file.tempos]
    document = assemble(
        title=file.name or title,
        kit=kit.id,
        events=[
            PlayedEvent(hit.id, hit.piece, hit.onset_s, hit.velocity, 1.0, Source.MIDI)
            for hit in hits
        ],
        dropped=written.dropped,
        frames=frames,
        notes=notes,
        tempos=tempos,
        anchors=anchors_of(frames, lambda place: clock.time_s(place + skipped)),
        swings=[(Fraction(0), swing)] if swing else [],
        source=_told(file.unknown),
    )
    found = form.find(document.score.bars)
    score = replace(
        document.score,
        sections=found.sections,
        dynamics=found.dynamics,
        hairpins=found.hairpins,
    )
    return replace(document, score=score)


def _told(unknown: Mapping[int, int]) -> str:
    """What was left out, in words: "midi; left out: 5 x note 39"."""
    parts = [f"{times} x note {note}" for note, times in sorted(unknown.items())]
    return ("midi" + (f"; left out: {', '.join(parts)}" if parts else ""))[:200]


def _read(data: bytes, kit: Kit) -> _File:
    try:
        midi = mido.MidiFile(file=io.BytesIO(data), clip=True)
        timed = _merged(midi.tracks)
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ScoreError("format", f"this MIDI file is broken: {error}") from error
    if midi.type == 2:
        raise ScoreError("format", "MIDI files of type 2 hold separate songs; export type 0 or 1")
    if midi.ticks_per_beat <= 0:
        raise ScoreError("format", "MIDI files that count in film frames have no bars")
    channel = _channel([message for _, message in timed])
    heights = _by_pitch(kit, (m.note for _, m in timed if m.type == "note_on" and m.velocity))
    pedal: int | None = None
    struck: list[_Struck] = []
    unknown: Counter[int] = Counter()
    tempos: dict[Fraction, float] = {}
    meters: dict[Fraction, Meter] = {}
    for tick, message in timed:
        at = Fraction(tick, midi.ticks_per_beat)
        if message.type == "set_tempo":
            tempos[at / 4] = 60e6 / max(1, message.tempo)
        elif message.type == "time_signature":
            text = f"{message.numerator}/{message.denominator}"
            meters[at / 4] = read_meter(text, "time_signature")
        elif message.type == "control_change" and message.control == 4:
            pedal = message.value if message.channel == channel else pedal
        elif message.type == "note_on" and message.velocity and message.channel == channel:
            piece = heights.get(message.note)
            piece = piece or kit.piece_of(message.note, pedal, message.velocity)
            if piece is None:
                unknown[message.note] += 1
                continue
            struck.append(_Struck(at, piece, message.velocity))
            if len(struck) > MAX_EVENTS:
                raise ScoreError("notes", f"more than {MAX_EVENTS} notes")
    tempos.setdefault(Fraction(0), 60e6 / _DEFAULT_US)
    meters.setdefault(Fraction(0), Meter(4, 4))
    return _File(
        struck=struck,
        tempos=[Tempo(at, tempos[at]) for at in sorted(tempos)],
        meters=sorted(meters.items(), key=lambda item: item[0]),
        name=_name(midi),
        unknown=unknown,
    )


_TOMS: Final = (DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR)


def _by_pitch(kit: Kit, notes: Iterable[int]) -> dict[int, DrumPiece]:
    """General MIDI has six toms, the page three: where a file has no more than three, and two of
    them would be one on the page, they are named by their height beside each other.

    An e-drum module's notes are not, for its neighbours are the head and the rim of one tom.
    """
    for tom in _TOMS:
        own, general = kit.entries[tom], STANDARD.entries[tom]
        if (own.midi_note, own.also) != (general.midi_note, general.also):
            return {}
    found = {note: kit.piece_of(note, None, 64) for note in set(notes)}
    used = sorted((note for note, piece in found.items() if piece in _TOMS), reverse=True)
    if len(used) > len(_TOMS) or len({found[note] for note in used}) == len(used):
        return {}
    low = len(used) == 2 and found[used[0]] is DrumPiece.TOM_FLOOR
    return dict(zip(used, _TOMS[1:] if low else _TOMS, strict=False))


def _merged(tracks: Iterable[Iterable[mido.Message]]) -> list[tuple[int, mido.Message]]:
    """All messages with their ticks in order of time; mido's own way copies each of them twice."""
    timed = []
    for track in tracks:
        tick = 0
        for message in track:
            tick += message.time
            timed.append((tick, message))
    timed.sort(key=lambda item: item[0])
    return timed


def _channel(messages: Sequence[mido.Message]) -> int:
    """Channel 10; where nothing is on it, the one channel that has notes."""
    counts = Counter(m.channel for m in messages if m.type == "note_on" and m.velocity)
    if not counts or _DRUMS in counts:
        return _DRUMS
    if len(counts) > 1:
        raise ScoreError("notes", "no drums on channel 10, and several other channels; export one")
    channel: int = next(iter(counts))
    return channel


def _name(midi: mido.MidiFile) -> str:
    """The first track's, by convention the song's."""
    for message in midi.tracks[0] if midi.tracks else ():
        if message.type == "track_name" and message.time == 0:
            name = "".join(char if char.isprintable() else " " for char in message.name).strip()
            return name[:200]
    return ""


def _frames(file: _File) -> list[Frame]:
    """Bars up to the last note."""
    end = max(struck.at for struck in file.struck) / 4
    frames: list[Frame] = []
    at = Fraction(0)
    meters = list(file.meters)
    index = 0
    while at <= end:
        while index + 1 < len(meters) and meters[index + 1][0] <= at:
            index += 1
        meter = meters[index][1]
        length = meter.length
        if index + 1 < len(meters) and meters[index + 1][0] < at + length:
            # A meter that comes early cuts the bar short, which only a meter of its own can say.
            length = meters[index + 1][0] - at
            fitting = Meter.of(length)
            if fitting is None:
                raise ScoreError(
                    "time_signature", "changes in the middle of a bar, where no meter fits"
                )
            meter = fitting
        frames.append(Frame(meter, length))
        at += length
        if len(frames) > MAX_BARS:
            raise ScoreError("score.bars", f"more than {MAX_BARS}")
    return frames


def _with_pickup(frames: Sequence[Frame]) -> list[Frame]:
    """The same bars; a first one of at most half the next one's length is a pickup of it."""
    if len(frames) > 1 and 2 * frames[0].length <= frames[1].length:
        return [Frame(frames[1].meter, frames[0].length), *frames[1:]]
    return list(frames)


def _first_bar(frames: Sequence[Frame], first: Fraction) -> int:
    """The bar of the first note: a recording may begin at bar 33 of a song."""
    at = Fraction(0)
    for index, frame in enumerate(frames):
        at += frame.length
        if first < at:
            return index
    return 0


def _pulse(clock: TempoMap, frames: Sequence[Frame]) -> Pulse:
    """The file's own beats."""
    meters = {frame.meter for frame in frames}
    if all(meter.is_compound and meter.denominator == 8 for meter in meters):
        unit = Fraction(3, 8)
    elif all(frame.length.denominator <= 4 for frame in frames):
        unit = _QUARTER
    else:
        unit = min(Fraction(1, frame.length.denominator) for frame in frames)
    downbeats = []
    at = Fraction(0)
    for frame in frames:
        if at % unit == 0:
            downbeats.append(int(at / unit))
        at += frame.length
    count = int(at / unit) + 2
    times_s = [clock.time_s(unit * beat) for beat in range(count)]
    return Pulse(times_s, downbeats, unit, frames[-1].meter)


def _exact(
    struck: Sequence[_Struck], hits: Sequence[Hit]
) -> tuple[dict[int, int], list[Fraction]] | None:
    """Graces, and places in whole notes, of a file whose notes lie on the grid; None of another."""
    mains = _written_graces(struck, hits)
    by_beat: dict[int, list[int]] = defaultdict(list)
    for index, each in enumerate(struck):
        if index not in mains:
            by_beat[int(each.at)].append(index)
    places: list[Fraction | None] = [None] * len(struck)
    graced = set(mains.values())
    off = 0
    for beat, inside in by_beat.items():
        for index, place in zip(
            inside, _on_grid(beat, [struck[i].at for i in inside]), strict=True
        ):
            places[index] = place
            off += place is None and index not in graced
        if off > (1 - _ON_GRID) * len(struck):
            return None
    # MuseScore plays the grace where the note is written, and the note after it.
    for grace, main in mains.items():
        if places[main] is None:
            places[main] = _on_grid(int(struck[grace].at), [struck[grace].at])[0]
    for index, place in enumerate(places):
        if index not in mains and place is None:
            places[index] = Fraction(round(struck[index].at * 24), 24)
    exact = [places[mains.get(index, index)] or Fraction(0) for index in range(len(struck))]
    return mains, [place / 4 for place in exact]


def _written_graces(struck: Sequence[_Struck], hits: Sequence[Hit]) -> dict[int, int]:
    """For each grace its note, as indices: at most two soft strokes of the same drum just before
    it, however slow the file's tempo spreads them."""
    mains = dict(strokes.graces(hits))
    runs: dict[DrumPiece, list[int]] = {}

    def close(run: list[int]) -> None:
        last = run[-1]
        softer = all(struck[index].velocity < struck[last].velocity for index in run[:-1])
        if 2 <= len(run) <= 3 and softer:
            mains.update(dict.fromkeys(run[:-1], last))

    for index, each in enumerate(struck):
        if each.piece not in _FLAMMED:
            continue
        run = runs.get(each.piece)
        if run:
            before = struck[run[-1]]
            near_s = hits[index].onset_s - hits[run[-1]].onset_s <= _GRACE_S
            leads = before.velocity <= each.velocity and each.at > before.at
            if leads and each.at - before.at <= _GRACE_QUARTERS and near_s:
                run.append(index)
                continue
            close(run)
        runs[each.piece] = [index]
    for run in runs.values():
        close(run)
    # One that is a grace itself leads no other.
    return {grace: mains.get(main, main) for grace, main in mains.items()}


def _swung(places: Sequence[Fraction], mains: Mapping[int, int]) -> list[Fraction] | None:
    """The same places where a shuffle is played exactly, its late offbeats as plain eighths; None
    where nothing swings. As in `grids`, triplets with their middle stay triplets."""
    inside: dict[int, set[Fraction]] = defaultdict(set)
    for index, place in enumerate(places):
        if index not in mains:
            inside[int(place * 4)].add(place * 4 % 1)
    late = {beat for beat, found in inside.items() if found - {0} == {_LATE}}
    others = sum(bool(found - {0}) for found in inside.values()) - len(late)
    if len(late) < _SWUNG_LEAST or len(late) <= _SWUNG_MORE * others:
        return None
    if any(Fraction(1, 2) in found for found in inside.values()):
        return None  # A straight eighth would be played late.
    return [
        place - Fraction(1, 24) if int(place * 4) in late and place * 4 % 1 == _LATE else place
        for place in places
    ]


def _on_grid(beat: int, inside: Sequence[Fraction]) -> list[Fraction | None]:
    """Places on the plainest grid that has all of them; else on the one that has most."""
    phases = [at - beat for at in inside]
    distinct = Counter(phases)
    best: dict[Fraction, Fraction | None] = {}
    fewest = len(inside) + 1
    for slots in _GRIDS:
        found = {phase: _nearest(phase, slots) for phase in distinct}
        missing = sum(times for phase, times in distinct.items() if found[phase] is None)
        if missing < fewest:
            best, fewest = found, missing
        if not missing:
            break
    return [None if (place := best[phase]) is None else beat + place for phase in phases]


@lru_cache(maxsize=65536)
def _nearest(phase: Fraction, slots: int) -> Fraction | None:
    """The place of a grid, in beats, that is as good as at this one."""
    place = Fraction(round(phase * slots), slots)
    return place if abs(phase - place) <= _NEAR_BEATS else None
