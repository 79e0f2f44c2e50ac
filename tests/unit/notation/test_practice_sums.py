"""What practising adds up to, against sums made by hand."""

from datetime import UTC, date, datetime, timedelta
from math import fsum

from hypothesis import given
from hypothesis import strategies as st

from services.notation.domain.practice import (
    BarPractice,
    DayPractice,
    Practised,
    practice_summary,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_time_is_shared_among_bars_and_speed_counts_once_played_through():
    found = practice_summary(
        [
            Practised(5, 8, 0.5, 4, 60.0, NOW - timedelta(hours=2)),
            Practised(8, 8, 1.25, 0, 10.0, NOW - timedelta(hours=1)),
            Practised(7, 8, 0.75, 1, 20.0, NOW - timedelta(days=1)),
        ],
        now=NOW,
    )
    assert (found.total_seconds, found.sessions) == (90.0, 3)
    assert found.last_at == NOW - timedelta(hours=1)
    assert found.bars == (
        BarPractice(5, 15.0, 0.5),
        BarPractice(6, 15.0, 0.5),
        BarPractice(7, 25.0, 0.75),
        BarPractice(8, 35.0, 0.75),
    )
    assert found.days == (
        DayPractice(date(2026, 11, 23), 70.0),
        DayPractice(date(2026, 11, 22), 20.0),
    )


def test_days_are_the_last_sixty_where_the_drummer_is():
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    sessions = [
        Practised(1, 1, 1.0, 1, 5.0, late),
        Practised(1, 1, 1.0, 1, 7.0, NOW - timedelta(days=59)),
        Practised(1, 1, 1.0, 1, 9.0, NOW - timedelta(days=60)),
    ]
    found = practice_summary(sessions, now=NOW)
    assert [(day.date, day.seconds) for day in found.days] == [
        (date(2026, 11, 22), 5.0),
        (date(2026, 9, 25), 7.0),
    ]
    ahead = practice_summary(sessions, now=NOW, utc_offset=timedelta(hours=1))
    assert ahead.days[0].date == date(2026, 11, 23)
    assert found.total_seconds == 21.0


def test_nothing_practised_is_nothing():
    found = practice_summary([], now=NOW)
    assert (found.total_seconds, found.sessions, found.last_at) == (0, 0, None)
    assert (found.bars, found.days) == ((), ())


@st.composite
def practised(draw: st.DrawFn) -> Practised:
    first = draw(st.integers(0, 30))
    return Practised(
        first,
        first + draw(st.integers(0, 12)),
        draw(st.sampled_from([0.25, 0.5, 0.75, 1.0, 2.0])),
        draw(st.integers(0, 2)),
        draw(st.floats(0, 86_400) | st.integers(0, 100).map(float)),
        NOW,
    )


@given(st.lists(practised(), max_size=20))
def test_bars_are_what_adding_them_up_one_by_one_gives(sessions):
    naive = []
    for bar in range(50):
        here = [one for one in sessions if one.from_bar <= bar <= one.to_bar]
        if here:
            seconds = fsum(one.seconds / (one.to_bar - one.from_bar + 1) for one in here)
            best = max((one.speed for one in here if one.loops), default=None)
            naive.append(BarPractice(bar, round(seconds, 1), best))
    assert practice_summary(sessions, now=NOW).bars == tuple(naive)


def test_many_sessions_over_a_long_score_are_summed_bar_by_bar_once():
    # Two hundred million additions one by one, which would take a minute.
    sessions = [Practised(1, 20_000, 1.0, 1, 20_000.0, NOW) for _ in range(10_000)]
    found = practice_summary(sessions, now=NOW)
    assert found.bars[0] == BarPractice(1, 10_000.0, 1.0)
    assert (len(found.bars), found.bars[-1]) == (20_000, BarPractice(20_000, 10_000.0, 1.0))
