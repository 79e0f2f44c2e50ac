"""Links by which a score is shown to anybody, until they end."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from tests.e2e.conftest import System, User
from tests.e2e.test_notation_routes import put, rock, write


@pytest.fixture
async def guest(embedded_system: System) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without an account."""
    async with httpx.AsyncClient(base_url=embedded_system.url, timeout=60) as http:
        yield http


async def share(user: User, notation: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = await user.http.post(f"/notation/{notation['id']}/shares", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def assert_leads_nowhere(guest: httpx.AsyncClient, token: str) -> None:
    for path in ("", "/view", "/export"):
        answer = await guest.get(f"/shared/{token}{path}")
        problem = answer.json()
        assert (answer.status_code, problem["type"].split("/")[-1]) == (404, "share-not-found")
        assert problem["detail"] == "This link leads nowhere, or no longer."


async def test_a_guest_sees_the_score_and_nothing_of_whose_it_is(
    drummer: User, guest: httpx.AsyncClient
) -> None:
    notation = await write(drummer, events=rock(), tempo=120, time_signature="4/4", title="Ours")
    made = await share(drummer, notation, name="for the band")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", made["token"])
    assert (made["url"], made["embed_url"]) == (f"/s/{made['token']}", f"/embed/{made['token']}")
    lasts = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert lasts == timedelta(days=30)
    shown = await guest.get(f"/shared/{made['token']}")
    assert shown.json() == {
        "title": "Ours", "tempo": 120, "time_signature": "4/4", "bar_count": 4,
        "note_count": len(rock()), "version": 1, "with_video": False,
        "expires_at": made["expires_at"],
    }  # fmt: skip
    view = await guest.get(f"/shared/{made['token']}/view", params={"width_mm": 100})
    own = await drummer.http.get(f"/notation/{notation['id']}/view", params={"width_mm": 100})
    told = own.json()
    assert view.json() == {k: told[k] for k in told if k not in ("notation_id", "video_id")}
    file = await guest.get(f"/shared/{made['token']}/export", params={"format": "midi"})
    assert file.content[:4] == b"MThd"
    for answer in (shown, view, file):
        assert answer.headers["cache-control"] == "private, no-store"
        assert notation["id"] not in answer.text
        assert drummer.id not in answer.text


async def test_a_link_shows_the_score_as_it_is_now_and_counts_its_guests(
    drummer: User, guest: httpx.AsyncClient
) -> None:
    notation = await write(drummer, events=rock(), title="One")
    made = await share(drummer, notation)
    await put(drummer, notation, title="Two")
    for _ in range(3):
        assert (await guest.get(f"/shared/{made['token']}")).json()["title"] == "Two"
    (listed,) = (await drummer.http.get(f"/notation/{notation['id']}/shares")).json()["items"]
    assert (listed["id"], listed["views"]) == (made["id"], 3)
    assert listed["last_seen_at"] is not None
    assert "token" not in listed
    assert made["token"] not in str(listed)


async def test_a_revoked_link_ends_at_once_and_stays_listed(
    drummer: User, guest: httpx.AsyncClient
) -> None:
    notation = await write(drummer, events=rock())
    made, other = await share(drummer, notation), await share(drummer, notation)
    path = f"/notation/{notation['id']}/shares"
    assert (await guest.get(f"/shared/{made['token']}/view")).status_code == 200
    for _ in range(2):
        assert (await drummer.http.delete(f"{path}/{made['id']}")).status_code == 204
    await assert_leads_nowhere(guest, made["token"])
    assert (await guest.get(f"/shared/{other['token']}")).status_code == 200
    listed = (await drummer.http.get(path)).json()["items"]
    assert [(one["id"], one["revoked_at"] is None) for one in listed] == [
        (other["id"], True), (made["id"], False)
    ]  # fmt: skip


async def test_unknown_expired_and_deleted_answer_alike(
    drummer: User, guest: httpx.AsyncClient, embedded_system: System
) -> None:
    await assert_leads_nowhere(guest, "A" * 43)
    notation = await write(drummer, events=rock())
    old, made = await share(drummer, notation, expires_in_days=1), await share(drummer, notation)
    connection = await asyncpg.connect(embedded_system.database_url)
    await connection.execute(
        "UPDATE notation.share_links SET expires_at = now() WHERE id = $1", UUID(old["id"])
    )
    kept = await connection.fetchval(
        "SELECT token_hash FROM notation.share_links WHERE id = $1", UUID(made["id"])
    )
    await connection.close()
    assert made["token"] not in kept
    await assert_leads_nowhere(guest, old["token"])
    await assert_leads_nowhere(guest, kept)
    assert (await guest.get(f"/shared/{made['token']}")).status_code == 200
    await drummer.http.delete(f"/notation/{notation['id']}")
    await assert_leads_nowhere(guest, made["token"])


async def test_links_are_their_owners_alone(drummer: User, embedded_system: System) -> None:
    notation = await write(drummer, events=rock())
    made = await share(drummer, notation)
    path = f"/notation/{notation['id']}/shares"
    stranger = await embedded_system.user()
    own = await write(stranger, events=rock())
    for answer in (
        await stranger.http.get(path),
        await stranger.http.post(path, json={}),
        await stranger.http.delete(f"{path}/{made['id']}"),
        await stranger.http.delete(f"/notation/{own['id']}/shares/{made['id']}"),
        await drummer.http.delete(f"{path}/{uuid4()}"),
    ):
        assert answer.status_code == 404
    await stranger.http.aclose()
    (listed,) = (await drummer.http.get(path)).json()["items"]
    assert listed["revoked_at"] is None


async def test_a_guest_is_shown_the_score_by_its_own_kit_and_written_out(
    drummer: User, guest: httpx.AsyncClient
) -> None:
    table = {"format": "backbeat-kit/1", "name": "Mine", "base": "pas"}
    for name in ("shown", "hidden"):
        await drummer.http.put(f"/notation/kits/{name}", json=table)
    notation = await write(drummer, events=rock())
    await put(drummer, notation, operations=[{"op": "set-kit", "kit": "shown"}])
    token = (await share(drummer, notation))["token"]
    first = await guest.get(f"/shared/{token}/view")
    assert first.json()["kit"] == "shown"
    # Each wish would be another drawing, for anybody to ask for.
    for wish in ({"kit": "pas"}, {"kit": "hidden"}, {"repeats": "signs"}, {"width_mm": 219}):
        answer = await guest.get(f"/shared/{token}/view", params=wish)
        assert answer.headers["etag"] == first.headers["etag"]
        assert answer.json() == first.json()
    export = f"/shared/{token}/export"
    assert (await guest.get(export, params={"kit": "pas"})).status_code == 200
    hidden = await guest.get(export, params={"kit": "hidden"})
    assert (hidden.status_code, hidden.json()["errors"][0]["field"]) == (422, "query.kit")


async def test_fifty_live_links_are_the_most(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    made = [await share(drummer, notation) for _ in range(50)]
    path = f"/notation/{notation['id']}/shares"
    full = await drummer.http.post(path, json={})
    assert (full.status_code, full.json()["type"].split("/")[-1]) == (409, "too-many-shares")
    await drummer.http.delete(f"{path}/{made[0]['id']}")
    await share(drummer, notation)
    for body in ({"expires_in_days": 0}, {"expires_in_days": 366}, {"days": 3}):
        assert (await drummer.http.post(path, json=body)).status_code == 422
