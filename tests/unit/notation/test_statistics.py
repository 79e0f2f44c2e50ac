"""A score in numbers, against bars counted by hand."""

from dataclasses import replace

from services.notation.domain.document import ScoreDocument
from services.notation.domain.engrave import write_bar
from services.notation.domain.score import Timeline
from services.notation.domain.stats import Deviation, Limbs, Timing, statistics
from tests.unit.notation.charts import FOUR, A, F, Hand, P, Pen, document_of


def played(late_ms: dict[str, float], confidences: dict[str, float] | None = None) -> ScoreDocument:
    """Bar 1: kick on 1 and 3, snare on 2 (accent, right) and 4 (flam), a ghost by the left before
    it. Bar 2: a crash. 60 a minute, so that beat n of bar 1 is second 1 + n."""
    pen = Pen()
    first = write_bar(1, FOUR, [
        pen.note(0, P.KICK), pen.note(F(1, 2), P.KICK),
        pen.note(F(1, 4), P.SNARE, A.ACCENT, hand=Hand.RIGHT), pen.note(F(3, 4), P.SNARE, A.FLAM),
        pen.note(F(11, 16), P.SNARE, A.GHOST, hand=Hand.LEFT),
    ])  # fmt: skip
    second = write_bar(2, FOUR, [pen.note(0, P.CRASH)])
    document = document_of([first, second], bpm=60)
    events = tuple(
        replace(
            event,
            onset_s=event.onset_s + late_ms.get(event.id, 0.0) / 1000,
            confidence=(confidences or {}).get(event.id, 1.0),
        )
        for event in document.performance.events
    )
    return replace(document, performance=replace(document.performance, events=events))


# In the order of writing; a flam's grace comes before its note.
KICK_1, KICK_3, SNARE_2, GRACE, SNARE_4, GHOST, CRASH = (f"ev-{n:06d}" for n in range(1, 8))


def test_strokes_are_counted_by_piece_and_limb():
    found = statistics(played({}))
    assert (found.notes, found.graces, found.unwritten, found.unsure) == (6, 1, 0, 0)
    snare, kick, crash = found.by_piece
    assert [one.piece for one in found.by_piece] == [P.SNARE, P.KICK, P.CRASH]
    assert (snare.notes, snare.ghosts, snare.accents, snare.flams, snare.graces) == (3, 1, 1, 1, 1)
    assert (kick.notes, crash.notes) == (2, 1)
    # 115 and 90 and 30: accent, plain, ghost.
    assert snare.mean_velocity == 78.3
    assert found.limbs == Limbs(hands=5, feet=2, right=1, left=1, both=0, untold=3)
    assert found.articulations == {A.ACCENT: 1, A.FLAM: 1, A.GHOST: 1}
    assert [(bar.bar, bar.strokes) for bar in found.bars] == [(1, 6), (2, 1)]


def test_timing_is_played_less_written_and_graces_are_not_asked():
    late = {KICK_1: 20.0, KICK_3: -10.0, SNARE_2: 0.0, SNARE_4: 4.0, GHOST: -12.0, CRASH: 30.0,
            GRACE: 500.0}  # fmt: skip
    found = statistics(played(late))
    kick = next(one.timing for one in found.by_piece if one.piece is P.KICK)
    assert kick == Timing(
        notes=2, mean_ms=5.0, median_ms=5.0, spread_ms=15.0, mean_off_ms=15.0, early=0, late=1
    )
    # Sorted -12 -10 0 4 20 30: the middle half reaches from -7.5 to 16.
    assert found.timing == Timing(
        notes=6, mean_ms=5.33, median_ms=2.0, spread_ms=23.5, mean_off_ms=12.67, early=1, late=2
    )
    assert found.worst[:2] == (
        Deviation(CRASH, 2, "0", P.CRASH, 30.0),
        Deviation(KICK_1, 1, "0", P.KICK, 20.0),
    )
    assert [one.id for one in found.worst[2:]] == [GHOST, KICK_3, SNARE_4, SNARE_2]


def test_doubtful_strokes_are_counted_with_their_graces():
    found = statistics(played({}, {GRACE: 0.3, KICK_1: 0.59, KICK_3: 0.6}))
    assert found.unsure == 2
    assert {one.piece: one.unsure for one in found.by_piece} == {P.SNARE: 1, P.KICK: 1, P.CRASH: 0}


def test_without_beats_nothing_is_said_of_timing():
    document = played({})
    meters = document.timeline.meters
    found = statistics(replace(document, timeline=Timeline(meters=meters)))
    assert (found.timing, found.worst, found.notes) == (None, (), 6)
    assert {one.timing for one in found.by_piece} == {None}
