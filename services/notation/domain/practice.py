"""What somebody's practising of a score adds up to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

DAYS = 60


@dataclass(frozen=True, slots=True)
class Practised:
    """Some bars, looped for a while."""

    from_bar: int
    to_bar: int
    speed: float
    """1 as recorded."""
    loops: int
    seconds: float
    started_at: datetime


@dataclass(frozen=True, slots=True)
class BarPractice:
    """A bar's share of the time, and the fastest it was played through."""

    bar: int
    seconds: float
    best_speed: float | None


@dataclass(frozen=True, slots=True)
class DayPractice:
    """The time of the sessions that began on that day."""

    date: date
    seconds: float


@dataclass(frozen=True, slots=True)
class PracticeSummary:
    """All sessions; bars in order, days with any practice, the latest first."""

    total_seconds: float
    sessions: int
    last_at: datetime | None
    bars: tuple[BarPractice, ...]
    days: tuple[DayPractice, ...]


def practice_summary(
    sessions: Iterable[Practised], *, now: datetime, utc_offset: timedelta = timedelta(0)
) -> PracticeSummary:
    """A session's time is divided evenly among its bars, so that they add up to the whole. Days
    are those of the last 60, as somebody `utc_offset` ahead of UTC counts them."""
    sessions = list(sessions)
    zone = timezone(utc_offset)
    first_day = now.astimezone(zone).date() - timedelta(days=DAYS - 1)
    seconds: dict[int, float] = defaultdict(float)
    speeds: dict[int, float] = {}
    days: dict[date, float] = defaultdict(float)
    for one in sessions:
        bars = range(one.from_bar, one.to_bar + 1)
        for bar in bars:
            seconds[bar] += one.seconds / len(bars)
            if one.loops:
                speeds[bar] = max(speeds.get(bar, 0.0), one.speed)
        day = one.started_at.astimezone(zone).date()
        if day >= first_day:
            days[day] += one.seconds
    return PracticeSummary(
        total_seconds=round(sum(one.seconds for one in sessions), 1),
        sessions=len(sessions),
        last_at=max((one.started_at for one in sessions), default=None),
        bars=tuple(
            BarPractice(bar, round(seconds[bar], 1), speeds.get(bar)) for bar in sorted(seconds)
        ),
        days=tuple(DayPractice(day, round(days[day], 1)) for day in sorted(days, reverse=True)),
    )
