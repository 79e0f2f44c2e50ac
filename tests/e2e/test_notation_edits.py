"""Editing a score by its routes: operations, undo, kits of one's own, files of other programs."""

from __future__ import annotations

import io
import json
from typing import Any
from uuid import UUID

import asyncpg
import mido

from tests.e2e.conftest import System, User
from tests.e2e.test_notation_routes import put, rock, strokes, write


def note_at(notation: dict[str, Any], bar: int, start: str, piece: str) -> str:
    """The id of a note."""
    return next(
        note["id"]
        for each in notation["notation_json"]["score"]["bars"]
        if each["number"] == bar
        for voice in each["voices"]
        for event in voice["events"]
        if event["start"] == start
        for note in event.get("notes", [])
        if note["piece"] == piece
    )


async def step(user: User, notation: dict[str, Any], way: str) -> dict[str, Any]:
    """Undo or redo."""
    answer = await user.http.post(
        f"/notation/{notation['id']}/{way}", headers={"If-Match": f'"{notation["version"]}"'}
    )
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    return changed


async def test_operations_change_a_score_and_are_told_in_its_versions(drummer: User) -> None:
    notation = await write(drummer, events=rock(), tempo=120, time_signature="4/4")
    snare = note_at(notation, 1, "1/4", "snare")
    changed = await put(
        drummer,
        notation,
        operations=[
            {"op": "set-piece", "ids": [snare], "piece": "cross-stick"},
            {"op": "set-section", "bar": 3, "name": "Chorus"},
        ],
    )
    assert (1, "1/4", "cross-stick") in strokes(changed)
    assert changed["notation_json"]["score"]["sections"] == [{"bar": 3, "name": "Chorus"}]
    versions = (await drummer.http.get(f"/notation/{notation['id']}/versions")).json()
    assert [each["change"] for each in versions] == [
        "Edited: set-piece, set-section",
        "Written from events",
    ]
    assert versions[0]["changed_by"] == drummer.id


async def test_an_operation_that_cannot_be_done_changes_nothing(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    answer = await drummer.http.put(
        f"/notation/{notation['id']}",
        json={"operations": [{"op": "set-title", "title": "x"}, {"op": "delete", "ids": ["no"]}]},
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"].endswith("invalid-score")
    assert problem["errors"][0]["field"] == "body.operations[1].ids[0]"
    again = (await drummer.http.get(f"/notation/{notation['id']}")).json()
    assert (again["version"], again["title"]) == (1, notation["title"])


async def test_undo_goes_back_step_by_step_and_redo_forward(drummer: User) -> None:
    notation = await write(drummer, events=rock(), title="One")
    second = await put(drummer, notation, title="Two")
    third = await put(drummer, second, title="Three")
    undone = await step(drummer, third, "undo")
    assert undone["title"] == "Two"
    undone = await step(drummer, undone, "undo")
    assert undone["title"] == "One"
    nothing = await drummer.http.post(
        f"/notation/{notation['id']}/undo", headers={"If-Match": f'"{undone["version"]}"'}
    )
    assert (nothing.status_code, nothing.json()["type"].split("/")[-1]) == (409, "nothing-to-undo")
    redone = await step(drummer, await step(drummer, undone, "redo"), "redo")
    assert redone["title"] == "Three"
    nothing = await drummer.http.post(
        f"/notation/{notation['id']}/redo", headers={"If-Match": f'"{redone["version"]}"'}
    )
    assert nothing.status_code == 409


async def test_a_change_after_an_undo_forgets_what_was_undone(drummer: User) -> None:
    notation = await write(drummer, events=rock(), title="One")
    second = await put(drummer, notation, title="Two")
    other = await put(drummer, await step(drummer, second, "undo"), title="Other")
    answer = await drummer.http.post(
        f"/notation/{notation['id']}/redo", headers={"If-Match": f'"{other["version"]}"'}
    )
    assert answer.status_code == 409
    assert (await step(drummer, other, "undo"))["title"] == "One"


async def test_undo_wants_the_version_that_was_read(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    await put(drummer, notation, title="Two")
    bare = await drummer.http.post(f"/notation/{notation['id']}/undo")
    stale = await drummer.http.post(f"/notation/{notation['id']}/undo", headers={"If-Match": '"1"'})
    assert (bare.status_code, stale.status_code) == (428, 412)


async def test_the_list_of_operations_names_what_each_takes(drummer: User) -> None:
    listed = (await drummer.http.get("/notation/operations")).json()
    by_name = {each["op"]: each for each in listed}
    assert by_name["move"]["required"] == ["ids"]
    assert set(by_name["move"]["optional"]) == {"by", "bar", "start"}
    assert all(each["about"] for each in listed)


async def test_a_kit_of_ones_own_draws_the_score(drummer: User, embedded_system: System) -> None:
    stranger = await embedded_system.user()
    notation = await write(drummer, events=rock())
    table = {
        "format": "backbeat-kit/1",
        "name": "Mine",
        "base": "backbeat-standard",
        "pieces": {"kick": {"step": "E", "midi_note": 35}},
    }
    made = await drummer.http.put("/notation/kits/mine", json=table)
    assert made.status_code == 200, made.text
    assert made.json()["own"] is True
    listed = (await drummer.http.get("/notation/kits/")).json()
    assert {"backbeat-standard", "pas", "roland-td", "mine"} <= {each["id"] for each in listed}
    answer = await drummer.http.get(
        f"/notation/{notation['id']}/export", params={"format": "midi", "kit": "mine"}
    )
    notes = {m.note for m in mido.MidiFile(file=io.BytesIO(answer.content)) if m.type == "note_on"}
    assert 35 in notes
    assert 36 not in notes
    drawn = await put(drummer, notation, operations=[{"op": "set-kit", "kit": "mine"}])
    page = await drummer.http.get(f"/notation/{drawn['id']}/export", params={"format": "svg"})
    assert page.status_code == 200, page.text
    foreign = await stranger.http.get("/notation/kits/mine")
    await stranger.http.aclose()
    assert foreign.status_code == 404
    gone = await drummer.http.delete("/notation/kits/mine")
    assert gone.status_code == 204
    without = await drummer.http.get(f"/notation/{drawn['id']}/export", params={"format": "svg"})
    assert (without.status_code, without.json()["errors"][0]["field"]) == (422, "query.kit")
    other = await drummer.http.get(
        f"/notation/{drawn['id']}/export", params={"format": "svg", "kit": "pas"}
    )
    assert other.status_code == 200


async def test_a_broken_kit_names_the_culprit_and_ours_stay(drummer: User) -> None:
    table = {"format": "backbeat-kit/1", "name": "x", "base": "pas",
             "pieces": {"kick": {"octave": 99}}}  # fmt: skip
    broken = await drummer.http.put("/notation/kits/bad", json=table)
    assert (broken.status_code, broken.json()["errors"][0]["field"]) == (
        422,
        "body.pieces.kick.octave",
    )
    table["pieces"] = {}
    for call in (drummer.http.put("/notation/kits/pas", json=table),
                 drummer.http.delete("/notation/kits/pas")):  # fmt: skip
        answer = await call
        assert (answer.status_code, answer.json()["type"].split("/")[-1]) == (409, "kit-is-ours")


async def test_an_unknown_kit_is_refused_where_it_is_chosen(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    answer = await drummer.http.put(
        f"/notation/{notation['id']}",
        json={"operations": [{"op": "set-kit", "kit": "nobodys"}]},
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code == 422
    assert "nobodys" in answer.json()["detail"]


async def test_what_is_exported_comes_in_again_as_a_notation(drummer: User) -> None:
    notation = await write(drummer, events=rock(), tempo=120, time_signature="4/4", title="Round")
    for kind in ("musicxml", "mxl", "midi", "json"):
        data = (
            await drummer.http.get(f"/notation/{notation['id']}/export", params={"format": kind})
        ).content
        answer = await drummer.http.post(
            "/notation/import", params={"file_name": f"round.{kind}"}, content=data
        )
        assert answer.status_code == 201, (kind, answer.text)
        made = answer.json()
        assert strokes(made) == strokes(notation), kind
        assert (made["title"], made["tempo"]) == ("Round", 120), kind
        assert made["video_id"] is None


async def test_an_import_sent_twice_with_one_key_is_one_notation(drummer: User) -> None:
    notation = await write(drummer, events=rock())
    data = (
        await drummer.http.get(f"/notation/{notation['id']}/export", params={"format": "midi"})
    ).content
    made = [
        (
            await drummer.http.post(
                "/notation/import", content=data, headers={"Idempotency-Key": "import-1"}
            )
        ).json()["id"]
        for _ in range(2)
    ]
    assert made[0] == made[1]


async def test_what_is_no_score_is_refused_by_its_name(drummer: User) -> None:
    for data, status, code in (
        (b"%PDF-1.4 not music", 415, "unknown-score-file"),
        (b"", 422, "invalid"),
        (b"<html><body/></html>", 415, "unknown-score-file"),
    ):
        answer = await drummer.http.post("/notation/import", content=data)
        assert answer.status_code == status, answer.text
        assert code in answer.json()["type"]


async def test_given_beats_are_the_bars_that_are_written(drummer: User) -> None:
    # Three to the bar, and slower than the strokes alone would say.
    events = [{"time_seconds": 1 + i * 0.25, "instrument": "hat-closed"} for i in range(24)]
    beats = [{"time_seconds": 1 + i * 0.5, "position": i % 3 + 1} for i in range(12)]
    notation = await write(drummer, events=events, beats=beats)
    assert (notation["time_signature"], notation["tempo"], notation["bar_count"]) == ("3/4", 120, 4)


async def test_the_teaching_version_leaves_ghosts_out_and_keeps_them_in_the_performance(
    drummer: User,
) -> None:
    events = rock()
    events += [{"time_seconds": 0.875 + 2 * bar, "instrument": "snare", "velocity": 22}
               for bar in range(4)]  # fmt: skip
    full = await write(drummer, events=events, tempo=120)
    teaching = await put(drummer, full, detail="teaching")
    assert teaching["note_count"] == full["note_count"] - 4
    performance = teaching["notation_json"]["performance"]
    assert len(performance["events"]) == len(events)
    assert len(performance["dropped"]) == 4


async def test_every_format_that_is_listed_can_be_fetched(drummer: User) -> None:
    notation = await write(drummer, events=rock(), title="Every format")
    listed = (await drummer.http.get("/notation/formats")).json()
    assert {"musicxml", "mxl", "midi", "json", "pdf", "svg", "png", "lilypond", "abc", "tab", "csv",
            "timemap", "chart"} <= {each["format"] for each in listed}  # fmt: skip
    for each in listed:
        answer = await drummer.http.get(
            f"/notation/{notation['id']}/export", params={"format": each["format"]}
        )
        assert answer.status_code == 200, (each, answer.text)
        assert answer.headers["content-type"] == each["media_type"]
        assert answer.headers["content-disposition"].endswith(f'.{each["ending"]}"')
        assert answer.content


async def test_an_earlier_version_can_be_exported(drummer: User) -> None:
    notation = await write(drummer, events=rock(), title="Before")
    await put(drummer, notation, title="After")
    answer = await drummer.http.get(
        f"/notation/{notation['id']}/export", params={"format": "json", "version": 1}
    )
    assert answer.json()["score"]["title"] == "Before"
    assert answer.headers["etag"] == '"1"'


async def test_a_score_that_was_kept_in_format_1_is_read_and_edited_as_format_2(
    drummer: User, embedded_system: System
) -> None:
    notation = await write(drummer, events=rock())
    old = notation["notation_json"] | {"format": "backbeat-score/1"}
    old["timeline"] = old["timeline"] | {"swing": None}
    del old["timeline"]["alternatives"]
    connection = await asyncpg.connect(embedded_system.database_url)
    for table in ("notations", "notation_versions"):
        key = "id" if table == "notations" else "notation_id"
        await connection.execute(
            f"UPDATE notation.{table} SET notation_json = $1 WHERE {key} = $2",
            json.dumps(old),
            UUID(notation["id"]),
        )
    await connection.close()
    read = (await drummer.http.get(f"/notation/{notation['id']}")).json()
    assert read["notation_json"]["format"] == "backbeat-score/2"
    version = (await drummer.http.get(f"/notation/{notation['id']}/versions/1")).json()
    assert version["notation_json"]["format"] == "backbeat-score/2"
    changed = await put(drummer, read, operations=[{"op": "set-section", "bar": 2, "name": "B"}])
    assert strokes(changed) == strokes(notation)
    assert (await step(drummer, changed, "undo"))["notation_json"]["score"]["sections"] == []


async def test_a_restored_version_can_be_undone(drummer: User) -> None:
    notation = await write(drummer, events=rock(), title="One")
    third = await put(drummer, await put(drummer, notation, title="Two"), title="Three")
    answer = await drummer.http.post(
        f"/notation/{notation['id']}/versions/1/restore",
        headers={"If-Match": f'"{third["version"]}"'},
    )
    restored = answer.json()
    assert restored["title"] == "One"
    undone = await step(drummer, restored, "undo")
    assert undone["title"] == "Three"
    assert (await step(drummer, undone, "undo"))["title"] == "Two"


async def test_what_was_chosen_before_stays_chosen_when_written_anew(drummer: User) -> None:
    events = rock()
    events += [{"time_seconds": 0.875 + 2 * bar, "instrument": "snare", "velocity": 22}
               for bar in range(4)]  # fmt: skip
    notation = await write(drummer, events=events, detail="teaching", time_signature="4/4")
    assert len(notation["notation_json"]["performance"]["dropped"]) == 4
    changed = await put(drummer, notation, grid="straight")
    assert len(changed["notation_json"]["performance"]["dropped"]) == 4
    assert changed["options"]["grid"] == "straight"
    assert changed["options"]["detail"] == "teaching"


async def test_a_score_whose_own_kit_is_gone_can_still_be_edited(drummer: User) -> None:
    table = {"format": "backbeat-kit/1", "name": "Mine", "base": "pas"}
    await drummer.http.put("/notation/kits/gone", json=table)
    notation = await write(drummer, events=rock())
    drawn = await put(drummer, notation, operations=[{"op": "set-kit", "kit": "gone"}])
    await drummer.http.delete("/notation/kits/gone")
    renamed = await put(drummer, drawn, title="Still mine")
    await put(drummer, renamed, grid="triplet")


async def test_a_misspelt_wish_is_refused(drummer: User) -> None:
    answer = await drummer.http.post(
        "/notation/from-events", json={"events": rock(), "gird": "triplet"}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body.gird"


async def test_who_needs_no_document_gets_none(drummer: User) -> None:
    notation = await write(drummer, events=rock(), title="One")
    path = f"/notation/{notation['id']}"
    little = {"Prefer": 'respond-async, Return="minimal"'}
    edit = {"operations": [{"op": "set-section", "bar": 2, "name": "Chorus"}]}
    version = 1
    keyed = little | {"Idempotency-Key": "little"}
    answers = [
        await drummer.http.put(path, json=edit, headers=keyed | {"If-Match": '"1"'})
        for _ in range(2)
    ]
    answers += [
        await drummer.http.post(f"{path}/{way}", headers=little | {"If-Match": f'"{version}"'})
        for version, way in ((2, "undo"), (3, "redo"), (4, "versions/1/restore"))
    ]
    for answer, version in zip(answers, (2, 2, 3, 4, 5), strict=True):
        assert answer.status_code == 200, answer.text
        assert answer.headers["preference-applied"] == "return=minimal"
        assert answer.headers["etag"] == f'"{version}"'
        told = answer.json()
        assert (told["version"], told["title"]) == (version, "One")
        assert told.keys() == notation.keys() - {"notation_json"}
    whole = await drummer.http.put(
        path, json=edit, headers={"Prefer": "return=representation", "If-Match": '"5"'}
    )
    assert "preference-applied" not in whole.headers
    assert whole.json()["notation_json"]["score"]["sections"] == [{"bar": 2, "name": "Chorus"}]


async def test_one_edit_after_another_is_made_on_the_one_before(drummer: User) -> None:
    notation = await write(drummer, events=rock(), tempo=120, time_signature="4/4")
    path = f"/notation/{notation['id']}"
    for number in range(1, 4):
        edit = {"op": "add", "bar": number, "start": "1/16", "piece": "cowbell"}
        made = await put(drummer, notation, operations=[edit])
        kept = (await drummer.http.get(path)).json()
        assert kept == made
        assert await view_count(drummer, path) == made["note_count"]
        notation = made
    cowbells = [(bar, start) for bar, start, piece in strokes(notation) if piece == "cowbell"]
    assert cowbells == [(1, "1/16"), (2, "1/16"), (3, "1/16")]
    undone = await step(drummer, notation, "undo")
    again = await put(drummer, undone, title="After an undo")
    assert len(strokes(again)) == len(rock()) + 2


async def view_count(user: User, path: str) -> int:
    """How many notes are shown."""
    return len((await user.http.get(f"{path}/view")).json()["notes"])
