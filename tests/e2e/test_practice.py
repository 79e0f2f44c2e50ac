"""What is practised, by its routes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.e2e.conftest import System, User
from tests.e2e.test_notation_routes import rock, write

NOW = datetime.now(UTC).replace(microsecond=0)


def told(**changed: Any) -> dict[str, Any]:
    return {
        "from_bar": 1, "to_bar": 2, "speed": 0.75, "loops": 3, "seconds": 12.0,
        "started_at": NOW.isoformat(),
    } | changed  # fmt: skip


async def test_a_session_grows_and_is_listed_once(drummer: User) -> None:
    notation = await write(drummer, events=rock(), tempo=120, time_signature="4/4")
    path = f"/notation/{notation['id']}/practice"
    first, second = uuid4(), uuid4()
    for seconds in (4.0, 12.0):
        answer = await drummer.http.put(f"{path}/{first}", json=told(seconds=seconds))
        assert answer.status_code == 200, answer.text
    await drummer.http.put(f"{path}/{second}", json=told(to_bar=1, loops=0, speed=1.5, seconds=3))
    listed = (await drummer.http.get(path)).json()
    assert [(one["id"], one["seconds"]) for one in listed["items"]] == [
        (str(second), 3), (str(first), 12)
    ]  # fmt: skip
    page = (await drummer.http.get(path, params={"limit": 1})).json()
    rest = await drummer.http.get(path, params={"limit": 1, "cursor": page["next_cursor"]})
    assert [one["id"] for one in rest.json()["items"]] == [str(first)]
    summary = (await drummer.http.get(f"{path}/summary")).json()
    assert (summary["total_seconds"], summary["sessions"]) == (15, 2)
    assert summary["bars"] == [
        {"bar": 1, "seconds": 9, "best_speed": 0.75},
        {"bar": 2, "seconds": 6, "best_speed": 0.75},
    ]
    assert summary["days"] == [{"date": NOW.date().isoformat(), "seconds": 15}]
    assert datetime.fromisoformat(summary["last_at"]) == NOW


async def test_what_cannot_have_been_practised_is_refused(drummer: User) -> None:
    notation = await write(drummer, events=rock(), tempo=120, time_signature="4/4")
    path = f"/notation/{notation['id']}/practice/{uuid4()}"
    for wrong in (
        {"speed": 0.2}, {"speed": 2.1}, {"loops": -1}, {"seconds": -1}, {"seconds": 90_000},
        {"from_bar": 3}, {"to_bar": 99_999}, {"started_at": "2026-01-01T00:00:00"},
        {"started_at": "0001-01-01T00:00:00+14:00"},
        {"started_at": (NOW + timedelta(days=2)).isoformat()}, {"mood": "good"},
    ):  # fmt: skip
        answer = await drummer.http.put(path, json=told(**wrong))
        assert answer.status_code == 422, (wrong, answer.text)
    assert (await drummer.http.get(path.rsplit("/", 1)[0])).json()["items"] == []


async def test_practice_is_ones_own_and_goes_with_the_score(
    drummer: User, embedded_system: System
) -> None:
    notation = await write(drummer, events=rock(), tempo=120)
    path = f"/notation/{notation['id']}/practice"
    await drummer.http.put(f"{path}/{uuid4()}", json=told())
    stranger = await embedded_system.user()
    for answer in (
        await stranger.http.get(path),
        await stranger.http.get(f"{path}/summary"),
        await stranger.http.put(f"{path}/{uuid4()}", json=told()),
    ):
        assert answer.status_code == 404
    await stranger.http.aclose()
    assert (await drummer.http.delete(f"/notation/{notation['id']}")).status_code == 204
    assert (await drummer.http.get(path)).status_code == 404
