"""An edit whose answer was lost is sent again, and done once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from tests.e2e.conftest import User
from tests.e2e.test_notation_routes import put, rock, strokes, write


def headers(version: int, key: str) -> dict[str, str]:
    return {"If-Match": f'"{version}"', "Idempotency-Key": key}


async def count(user: User, notation: dict[str, Any]) -> int:
    return len((await user.http.get(f"/notation/{notation['id']}/versions")).json())


async def test_a_save_sent_again_answers_with_the_version_that_it_made(drummer: User) -> None:
    notation = await write(drummer, events=rock(), title="One")
    path, sent = f"/notation/{notation['id']}", headers(1, str(uuid4()))
    snare = {"op": "add", "bar": 1, "start": "3/16", "piece": "snare", "id": "mine"}
    first = await drummer.http.put(path, json={"operations": [snare]}, headers=sent)
    assert (first.status_code, first.json()["version"]) == (200, 2), first.text
    again = await drummer.http.put(path, json={"operations": [snare]}, headers=sent)
    assert again.status_code == 200, again.text
    assert (again.json(), again.headers["etag"]) == (first.json(), '"2"')
    later = await put(drummer, first.json(), title="Two")
    assert later["version"] == 3
    again = await drummer.http.put(path, json={"operations": [snare]}, headers=sent)
    assert again.status_code == 200, again.text
    assert (again.json()["version"], again.headers["etag"]) == (2, '"2"')
    assert (again.json()["title"], strokes(again.json())) == ("One", strokes(first.json()))
    assert again.json()["notation_json"] == first.json()["notation_json"]
    assert await count(drummer, notation) == 3


async def test_a_rewriting_sent_again_is_known_whatever_was_chosen_before(drummer: User) -> None:
    notation = await write(drummer, events=rock(), detail="teaching", grid="straight")
    path, sent = f"/notation/{notation['id']}", headers(1, str(uuid4()))
    for _ in range(2):
        answer = await drummer.http.put(path, json={"tempo": 60}, headers=sent)
        assert (answer.status_code, answer.json()["version"]) == (200, 2), answer.text
    assert await count(drummer, notation) == 2


async def test_undo_redo_and_restore_sent_again_go_one_step(drummer: User) -> None:
    notation = await write(drummer, events=rock(), title="One")
    path = f"/notation/{notation['id']}"
    await put(drummer, notation, title="Two")
    version = 2
    for way, title in (("undo", "One"), ("redo", "Two"), ("versions/1/restore", "One")):
        sent = headers(version, str(uuid4()))
        answers = [await drummer.http.post(f"{path}/{way}", headers=sent) for _ in range(3)]
        version += 1
        for answer in answers:
            assert answer.status_code == 200, answer.text
            assert (answer.json()["version"], answer.json()["title"]) == (version, title)
            assert answer.headers["etag"] == f'"{version}"'
    assert await count(drummer, notation) == version


async def test_the_same_save_sent_twice_at_once_is_done_once(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    path, sent = f"/notation/{notation['id']}", headers(1, str(uuid4()))
    answers = await asyncio.gather(
        *(drummer.http.put(path, json={"title": "Once"}, headers=sent) for _ in range(5))
    )
    statuses = {answer.status_code for answer in answers}
    # Those that come while the first is being kept are told to wait.
    assert statuses <= {200, 409}
    assert {a.json()["version"] for a in answers if a.status_code == 200} == {2}
    assert await count(drummer, notation) == 2


async def test_a_key_is_for_one_edit(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    path, key = f"/notation/{notation['id']}", str(uuid4())
    await drummer.http.put(path, json={"title": "One"}, headers=headers(1, key))
    for send in (
        drummer.http.put(path, json={"title": "Two"}, headers=headers(1, key)),
        drummer.http.put(path, json={"title": "One"}, headers=headers(2, key)),
        drummer.http.post(f"{path}/undo", headers=headers(2, key)),
    ):
        answer = await send
        assert answer.status_code == 422
        assert answer.json()["type"].endswith("idempotency-key-reused")


async def test_an_edit_that_failed_may_be_sent_again_with_its_key(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    path, key = f"/notation/{notation['id']}", str(uuid4())
    stale = await drummer.http.put(path, json={"title": "x"}, headers=headers(9, key))
    assert stale.status_code == 412
    right = await drummer.http.put(path, json={"title": "x"}, headers=headers(1, key))
    assert (right.status_code, right.json()["version"]) == (200, 2)


async def test_who_comes_too_late_is_told_who_changed_what(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    path = f"/notation/{notation['id']}"
    await put(drummer, notation, operations=[{"op": "set-section", "bar": 2, "name": "B"}])
    late = {"If-Match": '"1"'}
    for send in (
        drummer.http.put(path, json={"title": "x"}, headers=late),
        drummer.http.post(f"{path}/undo", headers=late),
        drummer.http.post(f"{path}/versions/1/restore", headers=late),
    ):
        answer = await send
        assert (answer.status_code, answer.headers["etag"]) == (412, '"2"')
        problem = answer.json()
        assert problem["type"].endswith("version-changed")
        told = (problem["current_version"], problem["changed_by"], problem["change"])
        assert told == (2, drummer.id, "Edited: set-section")
