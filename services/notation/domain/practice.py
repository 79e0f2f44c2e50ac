"""What somebody's practising of a score adds up to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from heapq import heappop, heappush
from itertools import pairwise

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
    days: dict[date, float] = defaultdict(float)
    for one in sessions:
        day = one.started_at.astimezone(zone).date()
        if day >= first_day:
            days[day] += one.seconds
    return PracticeSummary(
        total_seconds=round(sum(one.seconds for one in sessions), 1),
        sessions=len(sessions),
        last_at=max((one.started_at for one in sessions), default=None),
        bars=tuple(_by_bar(sessions)),
        days=tuple(DayPractice(day, round(days[day], 1)) for day in sorted(days, reverse=True)),
    )


def _by_bar(sessions: Sequence[Practised]) -> Iterator[BarPractice]:
    """The bars from the first to the last: between one that a session begins or ends with and the
    next such, all have the same sums."""
    begin: dict[int, list[Practised]] = defaultdict(list)
    end: dict[int, list[Practised]] = defaultdict(list)
    for one in sessions:
        begin[one.from_bar].append(one)
        end[one.to_bar + 1].append(one)
    # Exact, so that what is added and taken away again leaves nothing behind.
    seconds = Fraction(0)
    practising = 0
    fastest: list[tuple[float, int]] = []
    for bar, next_bar in pairwise(sorted(begin.keys() | end.keys())):
        seconds += sum(map(_share, begin[bar])) - sum(map(_share, end[bar]))
        practising += len(begin[bar]) - len(end[bar])
        for one in begin[bar]:
            if one.loops:
                heappush(fastest, (-one.speed, one.to_bar))
        while fastest and fastest[0][1] < bar:
            heappop(fastest)
        if practising:
            rounded, best = round(float(seconds), 1), -fastest[0][0] if fastest else None
            yield from (BarPractice(one, rounded, best) for one in range(bar, next_bar))


def _share(one: Practised) -> Fraction:
    return Fraction(one.seconds / (one.to_bar + 1 - one.from_bar))
