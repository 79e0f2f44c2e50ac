"""The view by its route: for whom, how sent, when not sent again."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from tests.e2e.conftest import System, User
from tests.e2e.test_notation_routes import put, rock, write


async def view(user: User, notation: dict[str, Any], **params: Any) -> httpx.Response:
    answer = await user.http.get(f"/notation/{notation['id']}/view", params=params)
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_view_shows_the_score_it_is_of(drummer: User) -> None:
    notation = await write(drummer, events=rock(), tempo=120, time_signature="4/4", title="Seen")
    told = (await view(drummer, notation)).json()
    facts = {k: told[k] for k in ("notation_id", "version", "title", "tempo", "time_signature")}
    assert facts == {
        "notation_id": notation["id"], "version": 1, "title": "Seen", "tempo": 120,
        "time_signature": "4/4",
    }  # fmt: skip
    assert told["video_id"] is None
    assert len(told["notes"]) == len(rock())
    # Two seconds to the bar.
    assert [(bar["start_s"], bar["end_s"]) for bar in told["bars"]] == [
        (0, 2), (2, 4), (4, 6), (6, 8)
    ]  # fmt: skip
    assert [system["bars"] for system in told["systems"]] == [[1, 2, 3, 4]]
    narrow = (await view(drummer, notation, width_mm=60)).json()
    assert [system["bars"] for system in narrow["systems"]] == [[1, 2], [3, 4]]


async def test_a_view_is_zipped_for_who_takes_it_so(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    path = f"/notation/{notation['id']}/view"
    zipped = await drummer.http.get(path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in zipped.headers["vary"]
    for wish in ("identity", "gzip;q=0", "br"):
        plain = await drummer.http.get(path, headers={"Accept-Encoding": wish})
        assert "content-encoding" not in plain.headers
        assert plain.json() == zipped.json()
        assert int(plain.headers["content-length"]) > 3 * int(zipped.headers["content-length"])


async def test_who_has_a_view_is_not_sent_it_again(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    path = f"/notation/{notation['id']}/view"
    first = await drummer.http.get(path)
    known = {"If-None-Match": f'"other", {first.headers["etag"]}'}
    again = await drummer.http.get(path, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    wider = await drummer.http.get(path, params={"width_mm": 300}, headers=known)
    assert wider.status_code == 200
    await put(drummer, notation, title="Changed")
    changed = await drummer.http.get(path, headers=known)
    assert (changed.status_code, changed.json()["title"]) == (200, "Changed")
    before = await drummer.http.get(path, params={"version": 1}, headers=known)
    assert before.status_code == 304


async def test_a_changed_kit_of_ones_own_is_drawn_anew(drummer: User) -> None:
    table: dict[str, Any] = {"format": "backbeat-kit/1", "name": "Mine", "base": "pas"}
    await drummer.http.put("/notation/kits/mine", json=table)
    notation = await write(drummer, events=rock())
    first = await view(drummer, notation, kit="mine")
    assert first.json()["kit"] == "mine"
    table["pieces"] = {"kick": {"octave": 5}}
    await drummer.http.put("/notation/kits/mine", json=table)
    second = await view(drummer, notation, kit="mine")
    assert second.headers["etag"] != first.headers["etag"]
    assert second.json()["systems"] != first.json()["systems"]


async def test_a_view_that_cannot_be_drawn_says_why(drummer: User, embedded_system: System) -> None:
    notation = await write(drummer, events=rock())
    path = f"/notation/{notation['id']}/view"
    for params, field in (
        ({"width_mm": 59}, "query.width_mm"),
        ({"width_mm": 601}, "query.width_mm"),
        ({"kit": "nobodys"}, "query.kit"),
    ):
        answer = await drummer.http.get(path, params=params)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    missing = await drummer.http.get(path, params={"version": 9})
    assert (missing.status_code, missing.json()["type"].split("/")[-1]) == (
        404,
        "version-not-found",
    )
    stranger = await embedded_system.user()
    foreign = await stranger.http.get(path)
    await stranger.http.aclose()
    assert foreign.status_code == 404


async def test_a_view_is_drawn_for_widths_in_tens_and_says_for_which(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    answers = [await view(drummer, notation, width_mm=width) for width in (200, 201, 209, 210)]
    assert [answer.json()["width_mm"] for answer in answers] == [200, 200, 200, 210]
    assert len({answer.headers["etag"] for answer in answers[:3]}) == 1
    assert answers[3].headers["etag"] != answers[0].headers["etag"]


async def test_many_ask_at_once_and_all_are_answered_alike(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    answers = await asyncio.gather(*(view(drummer, notation, width_mm=100) for _ in range(6)))
    assert len({answer.text for answer in answers}) == 1


async def test_numbers_are_those_of_the_score(drummer: User) -> None:
    events = rock()
    notation = await write(drummer, events=events, tempo=120, time_signature="4/4")
    told = (await drummer.http.get(f"/notation/{notation['id']}/stats")).json()
    assert told["notes"] == len(events)
    pieces = {one["piece"]: one["notes"] for one in told["by_piece"]}
    assert pieces == {
        piece: sum(event["instrument"] == piece for event in events)
        for piece in {str(event["instrument"]) for event in events}
    }
    assert abs(told["timing"]["mean_off_ms"]) < 1
    assert sum(bar["strokes"] for bar in told["bars"]) == told["notes"] + told["graces"]


async def test_numbers_of_a_score_without_beats_say_nothing_of_timing(
    drummer: User, embedded_system: System
) -> None:
    notation = await write(drummer, events=rock(), tempo=120, time_signature="4/4")
    connection = await asyncpg.connect(embedded_system.database_url)
    await connection.execute(
        "UPDATE notation.notation_versions "
        "SET notation_json = jsonb_set(notation_json, '{timeline,beats}', '[]') "
        "WHERE notation_id = $1",
        UUID(notation["id"]),
    )
    await connection.close()
    answer = await drummer.http.get(f"/notation/{notation['id']}/stats")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["notes"], told["timing"], told["worst"]) == (len(rock()), None, [])
    assert {one["piece"]: one["timing"] for one in told["by_piece"]} == {
        str(event["instrument"]): None for event in rock()
    }
