"""The teacher through the gateway: the project's own examples, call by call, and what is around
them."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import mido
import pytest

from libs.common.events import ScoreKept
from libs.common.migrate import migrate
from tests import fake_openai as fake
from tests.conftest import fresh_database
from tests.e2e.conftest import System, User, run_system
from tests.e2e.test_notation_routes import put, rock, write
from tests.integration.waiting import until
from tests.synth import rock_bar

BEAT_S = 0.5


def fill(bar: int) -> list[dict[str, Any]]:
    """Sixteenths down the toms in the second half of a bar."""
    begin_s = (4 * bar + 2) * BEAT_S
    return [
        {
            "time_seconds": begin_s + nth * BEAT_S / 4,
            "instrument": "tom-high" if nth < 4 else "tom-floor",
            "velocity": 95,
        }
        for nth in range(8)
    ]


def groove_with_fill(bars: int = 8) -> list[dict[str, Any]]:
    last = [one for one in rock(1) if one["time_seconds"] < 2 * BEAT_S]
    for one in last:
        one["time_seconds"] += 4 * (bars - 1) * BEAT_S
    return rock(bars - 1) + last + fill(bars - 1)


@pytest.fixture
async def score(user: User) -> dict[str, Any]:
    return await write(
        user, events=groove_with_fill(), tempo=120, time_signature="4/4", title="Lesson one"
    )


async def enhanced(user: User, notation_id: str, **body: Any) -> dict[str, Any]:
    answer = await user.http.post(f"/notation/{notation_id}/enhance", json=body)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def problem_of(user: User, method: str, path: str, **sent: Any) -> tuple[int, str, str]:
    answer = await user.http.request(method, path, **sent)
    body = answer.json()
    field = body["errors"][0]["field"] if body.get("errors") else ""
    return answer.status_code, body["type"].rsplit("/", 1)[-1], field


async def test_the_example_of_the_description_answers_in_its_shape(
    user: User, score: dict[str, Any]
) -> None:
    said = await enhanced(user, score["id"], enhancement_type="full_analysis")
    patterns, style, practice = (
        said["pattern_analysis"],
        said["style_classification"],
        said["practice_instructions"],
    )
    assert patterns["complexity"] in ("beginner", "intermediate", "advanced", "expert")
    assert "eighth-note rock beat" in patterns["key_patterns"]
    assert "a fill" in patterns["key_patterns"]
    # The events were exact.
    assert patterns["tempo_consistency"] == 1.0
    assert patterns["rhythmic_density"] == "medium"
    assert isinstance(style["primary_genre"], str)
    assert 0 <= style["confidence"] <= 1
    assert style["characteristics"]
    assert practice["difficulty"] == patterns["complexity"]
    assert "fill timing" in practice["focus_areas"]
    assert any("bar 8 from beat 3" in exercise for exercise in practice["exercises"])
    assert any("120 bpm" in exercise for exercise in practice["exercises"])
    assert (said["source"], said["status"], said["note"]) == ("rules", "complete", None)
    assert (said["notation_id"], said["version"]) == (score["id"], 1)
    assert len(said["styles"]) == 3


@pytest.mark.parametrize(
    "kind", ["pattern_analysis", "style_classification", "practice_instructions"]
)
async def test_each_type_answers_its_part(user: User, score: dict[str, Any], kind: str) -> None:
    said = await enhanced(user, score["id"], enhancement_type=kind)
    parts = ("pattern_analysis", "style_classification", "practice_instructions")
    assert [part for part in parts if said[part]] == [kind]


async def test_what_was_said_is_read_with_the_score_and_is_outdated_by_an_edit(
    user: User, score: dict[str, Any]
) -> None:
    path = f"/notation/{score['id']}/with-enhancements"
    before = (await user.http.get(path)).json()
    assert before["enhancements"] == {
        "pattern_analysis": None, "style_classification": None, "practice_instructions": None,
    }  # fmt: skip
    assert (before["title"], before["tempo"], before["bars"], before["outdated"]) == (
        "Lesson one",
        120.0,
        8,
        False,
    )
    said = await enhanced(user, score["id"])
    read = (await user.http.get(path)).json()
    assert read["enhancements"]["pattern_analysis"] == said["pattern_analysis"]
    assert read["told"]["pattern_analysis"]["source"] == "rules"
    assert (await enhanced(user, score["id"]))["cached"]

    await put(user, score, title="Lesson one, again")
    after = (await user.http.get(path, params={"version": 2})).json()
    assert (after["version"], after["title"], after["outdated"]) == (2, "Lesson one, again", True)
    assert (await enhanced(user, score["id"], version=2))["version"] == 2
    assert not (await user.http.get(path)).json()["outdated"]


async def test_variations_are_notations_of_their_own(user: User, score: dict[str, Any]) -> None:
    path = f"/notation/{score['id']}/variations"
    answer = await user.http.post(path, json={"count": 3})
    assert answer.status_code == 201, answer.text
    made = answer.json()["variations"]
    assert len(made) == 3
    for one in made:
        assert one["status"] == "written"
        notation = (await user.http.get(f"/notation/{one['notation_id']}")).json()
        assert notation["title"] == one["title"]
        assert notation["title"].startswith("Lesson one – ")
        remark = notation["notation_json"]["score"]["remark"]
        assert remark.startswith(one["description"])
        assert notation["options"] == {"variation_of": score["id"], "kind": one["kind"]}
        for kind in ("musicxml", "midi", "pdf", "json"):
            export = await user.http.get(
                f"/notation/{one['notation_id']}/export", params={"format": kind}
            )
            assert export.status_code == 200, export.text
    listed = (await user.http.get(path)).json()["items"]
    assert {one["notation_id"] for one in listed} == {one["notation_id"] for one in made}
    # A variation is a score like any other: it is varied and explained, too.
    first = made[0]["notation_id"]
    assert (await enhanced(user, first))["pattern_analysis"]["tempo_consistency"] is None


async def test_a_kind_a_direction_and_bars_can_be_chosen(user: User, score: dict[str, Any]) -> None:
    answer = await user.http.post(
        f"/notation/{score['id']}/variations",
        json={"kind": "simplify", "difficulty": "easier", "from_bar": 1, "to_bar": 2, "count": 1},
    )
    [one] = answer.json()["variations"]
    assert (one["kind"], one["direction"]) == ("simplify", "easier")
    assert one["difficulty_after"] < one["difficulty_before"]
    midi = await user.http.get(f"/notation/{one['notation_id']}/export", params={"format": "midi"})
    tracks = mido.MidiFile(file=io.BytesIO(midi.content)).tracks
    strokes = sum(m.type == "note_on" and m.velocity > 0 for track in tracks for m in track)
    assert 0 < strokes < len(rock(2))


async def test_the_same_key_makes_variations_once(user: User, score: dict[str, Any]) -> None:
    path = f"/notation/{score['id']}/variations"
    headers = {"Idempotency-Key": uuid4().hex}
    answers = [
        (await user.http.post(path, json={"count": 1}, headers=headers)).json() for _ in range(2)
    ]
    assert answers[0]["variations"][0]["notation_id"] == answers[1]["variations"][0]["notation_id"]
    assert len((await user.http.get(path)).json()["items"]) == 1


async def test_the_facts_are_there_to_read(user: User, score: dict[str, Any]) -> None:
    answer = await user.http.get(f"/notation/{score['id']}/analysis")
    facts = answer.json()["facts"]
    assert facts["meter"] == "4/4"
    assert facts["written_bpm"] == 120.0
    assert facts["form"]["fills"] == [
        {"bar": 8, "from_beat": 3, "beats": 2, "strokes": 8, "pieces": ["toms"]}
    ]
    assert facts["form"]["grooves"][0]["bars"][:7] == [1, 2, 3, 4, 5, 6, 7]
    assert facts["hardest"][0]["number"] == 8


async def test_a_plan_climbs_to_the_target(user: User, score: dict[str, Any]) -> None:
    answer = await user.http.get(
        f"/notation/{score['id']}/practice-plan",
        params={"days": 3, "minutes": 30, "target_bpm": 100},
    )
    plan = answer.json()
    assert (plan["target_bpm"], plan["start_bpm"], len(plan["days"])) == (100, 60, 3)
    assert [day["goal_bpm"] for day in plan["days"]] == [73, 87, 100]
    for day in plan["days"]:
        minutes = day["warm_up_minutes"] + day["loop_minutes"] + day["whole_minutes"]
        assert minutes == 30
    assert 8 in [loop["to_bar"] for loop in plan["loops"]]
    assert plan["loops"][0]["ladder_bpm"] == [60, 70, 80, 90, 100]


async def test_a_take_is_laid_over_its_target(user: User) -> None:
    """Four rounds of a bar: the snare late, one kick missing, a crash too many."""
    target = await write(user, events=rock(1), tempo=120, time_signature="4/4", title="Target")
    random = Random(3)
    take = []
    for bar in range(4):
        for hit in rock_bar(4 * bar * BEAT_S, BEAT_S):
            late_s = 0.025 if hit.piece == "snare" else 0.0
            time_s = 1.0 + hit.onset_s + late_s + random.uniform(-0.003, 0.003)
            take.append({"time_seconds": time_s, "instrument": hit.piece, "velocity": hit.velocity})
    kick = next(one for one in take if one["instrument"] == "kick" and one["time_seconds"] > 4)
    take.remove(kick)
    take.append({"time_seconds": 5.26, "instrument": "crash", "velocity": 90})
    beats = [{"time_seconds": 1.0 + beat * BEAT_S, "position": beat % 4 + 1} for beat in range(17)]
    played = await write(user, events=take, beats=beats, title="Take")
    answer = await user.http.post(
        f"/notation/{target['id']}/compare", json={"take_id": played["id"]}
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["rounds"], found["missed"], found["extra"]) == (4, 1, 1)
    assert found["strokes"] == 4 * len(rock(1))
    limbs = {limb["limb"]: limb for limb in found["limbs"]}
    assert limbs["kick"]["missed"] == 1
    assert limbs["crashes"]["extra"] == 1
    assert limbs["snare"]["late"] == limbs["snare"]["hit"] == 8
    assert limbs["snare"]["mean_ms"] == pytest.approx(25, abs=4)
    assert abs(limbs["hi-hat"]["mean_ms"]) < 3
    assert found["take_bpm"] == pytest.approx(120, abs=1)
    assert any("snare" in words and "late" in words for words in found["advice"])

    # Kept: asked for again it is one, and it goes with the take.
    again = await user.http.post(
        f"/notation/{target['id']}/compare", json={"take_id": played["id"]}
    )
    kept = (await user.http.get(f"/notation/{target['id']}/comparisons")).json()["items"]
    assert kept == [again.json()]
    assert kept[0]["take_title"] == "Take"
    await user.http.delete(f"/notation/{played['id']}")

    async def forgotten() -> bool:
        answer = await user.http.get(f"/notation/{target['id']}/comparisons")
        return not answer.json()["items"]

    await until(forgotten)


async def test_a_composed_score_is_no_take(user: User, score: dict[str, Any]) -> None:
    made = await user.http.post(
        f"/notation/{score['id']}/variations", json={"kind": "simplify", "count": 1}
    )
    [one] = made.json()["variations"]
    told = await problem_of(
        user, "POST", f"/notation/{score['id']}/compare", json={"take_id": one["notation_id"]}
    )
    assert told == (422, "cannot-compare-not-played", "body.take_id")


async def test_bad_questions_have_a_clear_answer(user: User, score: dict[str, Any]) -> None:
    base = f"/notation/{score['id']}"
    nowhere = f"/notation/{uuid4()}"
    asked: list[tuple[tuple[str, str, dict[str, Any]], tuple[int, str, str]]] = [
        (
            ("POST", f"{base}/enhance", {"enhancement_type": "praise"}),
            (422, "invalid", "body.enhancement_type"),
        ),
        (
            ("POST", f"{base}/enhance", {"version": 9}),
            (409, "version-not-known-yet", "body.version"),
        ),
        (("POST", f"{nowhere}/enhance", {}), (404, "notation-not-found", "")),
        (
            ("POST", f"{base}/variations", {"from_bar": 90, "to_bar": 91}),
            (422, "cannot-vary", "body.from_bar"),
        ),
        (
            ("POST", f"{base}/variations", {"kind": "thin-hats", "difficulty": "harder"}),
            (422, "cannot-vary", "body.difficulty"),
        ),
        (
            ("POST", f"{base}/compare", {"take_id": str(uuid4())}),
            (404, "take-not-found", "body.take_id"),
        ),
    ]
    for (method, path, body), expected in asked:
        assert await problem_of(user, method, path, json=body) == expected


async def test_another_users_score_is_not_there(
    system: System, user: User, score: dict[str, Any]
) -> None:
    other = await system.user()
    theirs = await write(other, events=rock(2), tempo=120)
    for method, path in (
        ("POST", "enhance"), ("GET", "with-enhancements"), ("POST", "variations"),
        ("GET", "variations"), ("GET", "analysis"), ("GET", "practice-plan"),
        ("GET", "comparisons"),
    ):  # fmt: skip
        told = await problem_of(other, method, f"/notation/{score['id']}/{path}")
        assert told[:2] == (404, "notation-not-found"), path
    told = await problem_of(
        user, "POST", f"/notation/{score['id']}/compare", json={"take_id": theirs["id"]}
    )
    assert told == (404, "take-not-found", "body.take_id")
    await other.http.aclose()


async def test_what_was_said_goes_with_the_score(
    system: System, user: User, score: dict[str, Any]
) -> None:
    await enhanced(user, score["id"])
    folder = f"parts/{score['id']}/"
    assert len(await system.storage.keys(folder)) == 1
    await user.http.delete(f"/notation/{score['id']}")

    async def gone() -> bool:
        answer = await user.http.get(f"/notation/{score['id']}/with-enhancements")
        return answer.status_code == 404

    await until(gone)

    async def taken_away() -> bool:
        return not await system.storage.keys(folder)

    await until(taken_away)


async def test_an_upload_may_end_with_an_explanation(user: User, groove_video: Path) -> None:
    video = await user.upload(groove_video, enhance="style_classification")
    assert [job["job_type"] for job in video["jobs"]] == [
        "extraction", "onset", "notation", "enrichment", "vision",
    ]  # fmt: skip
    jobs = await user.jobs_after(video["id"])
    assert jobs["enrichment"]["status"] == "completed", jobs["enrichment"]
    result = jobs["enrichment"]["result"]
    assert (result["enhancement_type"], result["source"]) == ("style_classification", "rules")
    notation_id = jobs["notation"]["result"]["notation_id"]
    read = (await user.http.get(f"/notation/{notation_id}/with-enhancements")).json()
    assert read["enhancements"]["style_classification"]["primary_genre"]
    assert read["enhancements"]["pattern_analysis"] is None


async def test_what_cannot_be_written_is_not_explained_later_either(
    system: System, user: User, silent_video: Path
) -> None:
    """Its pipeline failed; a score that somebody makes of it by hand explains nothing by itself."""
    video = await user.upload(silent_video, enhance="full_analysis")
    jobs = await user.jobs_after(video["id"])
    assert (jobs["enrichment"]["status"], jobs["enrichment"]["error_code"]) == (
        "cancelled",
        "skipped",
    )

    async def wanted() -> int:
        connection = await asyncpg.connect(system.database_url)
        count = await connection.fetchval(
            "SELECT count(*) FROM ai.wanted WHERE video_id = $1", UUID(video["id"])
        )
        await connection.close()
        return int(count)

    async def forgotten() -> bool:
        return await wanted() == 0

    await until(forgotten)


async def test_only_what_is_processed_can_be_explained(user: User, groove_video: Path) -> None:
    answer = await user.try_upload(groove_video, process=False, enhance="full_analysis")
    body = answer.json()
    assert answer.status_code == 422
    assert body["type"].endswith("/nothing-to-enhance")
    assert body["errors"][0]["field"] == "query.enhance"


async def test_a_job_explains_a_videos_newest_score(user: User, groove_video: Path) -> None:
    done = await user.transcribed(groove_video)
    answer = await user.http.post(
        "/jobs/",
        json={
            "video_id": done.video_id,
            "job_type": "enrichment",
            "options": {"enhancement_type": "full_analysis"},
        },
    )
    assert answer.status_code == 202, answer.text
    job = await user.job_after(answer.json()["id"])
    assert job["status"] == "completed"
    assert job["result"]["enriched_notation_id"] == done.notation_id
    heard = (await user.http.get(f"/notation/{done.notation_id}/analysis")).json()["facts"]
    # Clicks of a synthesised groove at a steady 120: what is heard of it is as steady.
    assert heard["tempo"]["bpm"] == pytest.approx(120, abs=1)
    assert heard["tempo"]["consistency"] > 0.9
    assert {one["who"] for one in heard["timing"]} >= {"all", "kick", "snare", "hi-hat"}


async def test_the_status_says_who_speaks(user: User) -> None:
    status = (await user.http.get("/ai/status")).json()
    assert (status["source"], status["model"], status["resting"]) == ("rules", None, False)
    assert status["usage"] == {"tokens_used": 0, "tokens_a_day": 30000, "questions": 0}


async def test_with_a_key_the_model_speaks_through_the_whole_system(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings of the description, a server that speaks the protocol, the public address."""
    async with fake.serving(fake.good) as model:
        monkeypatch.setenv("OPENAI_API_KEY", fake.KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", model.url)
        monkeypatch.setenv("OPENAI_MODEL", "gpt-4")
        monkeypatch.setenv("OPENAI_MAX_TOKENS", "1500")
        monkeypatch.setenv("OPENAI_TEMPERATURE", "0.7")
        async for system in run_system(server_url, tmp_path, "postgres"):
            user = await system.user()
            score = await write(user, events=rock(4), tempo=120, title="Jane's groove")
            said = await enhanced(user, score["id"], enhancement_type="full_analysis")
            assert (said["source"], said["model"], said["note"]) == ("model", "gpt-4", None)
            assert said["pattern_analysis"]["summary"].startswith("What a steady hand you have.")
            status = (await user.http.get("/ai/status")).json()
            assert (status["source"], status["model"]) == ("model", "gpt-4")
            assert status["usage"] == {
                "tokens_used": 1200, "tokens_a_day": 30000, "questions": 1,
            }  # fmt: skip
            # It fails from now on: the rules answer another question, and say why.
            model.manners = [fake.refused(401, "invalid_api_key")]
            other = await enhanced(user, score["id"], enhancement_type="pattern_analysis")
            assert other["source"] == "rules"
            assert "refused the question" in other["note"]
            read = (await user.http.get(f"/notation/{score['id']}/with-enhancements")).json()
            assert read["told"]["pattern_analysis"]["source"] == "model"
            metrics = (await user.http.get(f"{system.embedded.services['ai']}/metrics")).text
            await user.http.aclose()
    assert "Jane" not in str(model.asked)
    assert 'backbeat_ai_tokens_total{kind="prompt",model="gpt-4"}' in metrics
    assert fake.KEY not in metrics


async def test_scores_from_before_there_was_a_teacher_are_published_by_the_migration(
    server_url: str,
) -> None:
    """A score that was kept under the schema before parts tells of itself once."""
    async for url in fresh_database(server_url):
        await migrate(url, "notation", "0003")
        connection = await asyncpg.connect(url)
        notation_id, user_id = uuid4(), uuid4()
        await connection.execute(
            "INSERT INTO notation.notations (id, user_id, title, bar_count, note_count, options, "
            "version, notation_json) VALUES ($1, $2, 'old', 1, 1, '{}', 7, '{}')",
            notation_id,
            user_id,
        )
        await migrate(url, "notation")
        [row] = await connection.fetch("SELECT type, subject, body FROM notation.outbox")
        await connection.close()
        told = ScoreKept.model_validate_json(row["body"])
        assert (row["type"], UUID(row["subject"])) == (ScoreKept.type, notation_id)
        assert (told.notation_id, told.user_id, told.version) == (notation_id, user_id, 7)


async def test_many_edits_leave_one_part_and_the_newest(
    system: System, user: User, score: dict[str, Any]
) -> None:
    now = score
    for number in range(6):
        now = await put(user, now, title=f"Edit {number}")
    read = await user.http.get(
        f"/notation/{score['id']}/with-enhancements", params={"version": now["version"]}
    )
    assert (read.json()["version"], read.json()["title"]) == (7, "Edit 5")

    async def one_left() -> bool:
        return len(await system.storage.keys(f"parts/{score['id']}/")) == 1

    await until(one_left)
