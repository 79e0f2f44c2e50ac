"""What practising adds up to, against sums made by hand."""

from datetime import UTC, date, datetime, timedelta

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
