"""Leased work on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import work
from libs.common.database import SessionMaker
from libs.common.idempotency import IdempotentAnswer
from libs.common.work import Cancelled, Control, Finish, Refused, Worker, WorkItem
from tests.conftest import SessionsOf
from tests.integration.waiting import running, until

ALICE, BOB = uuid4(), uuid4()


@pytest.fixture
def audio(sessions: SessionsOf, monkeypatch: pytest.MonkeyPatch) -> SessionMaker:
    monkeypatch.setattr(work, "POLL_S", 0.02)
    monkeypatch.setattr(work, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(work, "RETRY_DELAYS_S", (0.05, 0.1, 0.1, 0.1))
    return sessions("audio")


class Told:
    """An announcer that remembers."""

    def __init__(self) -> None:
        self.begun: list[UUID] = []
        self.failures: list[tuple[UUID, str, bool]] = []

    def started(self, session: AsyncSession, item: WorkItem) -> None:
        self.begun.append(item.id)

    def failed(self, session: AsyncSession, item: WorkItem, refusal: Refused) -> None:
        self.failures.append((item.id, refusal.code, refusal.retryable))


async def submitted(
    sessions: SessionMaker, user_id: UUID = ALICE, **given: Any
) -> tuple[UUID, bool]:
    job_id = given.pop("job_id", None) or uuid4()
    values = {"kind": "hear", "video_id": uuid4(), "params": {}, "dedupe_key": str(job_id)} | given
    async with sessions.begin() as session:
        item, new = await work.submit(session, job_id=job_id, user_id=user_id, **values)
        return item.id, new


async def state(sessions: SessionMaker, job_id: UUID) -> str | None:
    async with sessions() as session:
        return await session.scalar(select(WorkItem.state).where(WorkItem.id == job_id))


def has_state(sessions: SessionMaker, job_id: UUID, wanted: str) -> Callable[[], Any]:
    async def holds() -> bool:
        return await state(sessions, job_id) == wanted

    return holds


async def nothing(session: AsyncSession) -> None:
    """A finish that writes no more."""


def effect(item: WorkItem) -> Finish:
    async def finish(session: AsyncSession) -> None:
        session.add(IdempotentAnswer(user_id=item.id, key=str(uuid4()), fingerprint="", answer={}))

    return finish


async def effects(sessions: SessionMaker, job_id: UUID) -> int:
    async with sessions() as session:
        rows = select(func.count()).where(IdempotentAnswer.user_id == job_id)
        return await session.scalar(rows) or 0


async def test_one_users_many_jobs_do_not_hold_up_anothers_only_one(audio: SessionMaker) -> None:
    turns: list[UUID] = []

    async def hear(item: WorkItem, control: Control) -> Finish:
        turns.append(item.user_id)
        return nothing

    for _ in range(20):
        await submitted(audio, ALICE)
    await submitted(audio, BOB)
    async with running(Worker("audio", audio, {"hear": hear}, Told()).run()):
        await until(lambda: len(turns) == 21)
    assert turns.index(BOB) <= 1
    assert turns.count(ALICE) == 20


async def test_several_workers_do_each_item_once(audio: SessionMaker) -> None:
    done: list[UUID] = []

    async def hear(item: WorkItem, control: Control) -> Finish:
        await asyncio.sleep(0.005)
        done.append(item.id)
        return effect(item)

    ids = [(await submitted(audio, uuid4()))[0] for _ in range(30)]
    workers = [Worker("audio", audio, {"hear": hear}, Told(), concurrency=3) for _ in range(2)]
    async with running(*(worker.run() for worker in workers)):
        await until(lambda: len(done) >= 30)
        for job_id in ids:
            await until(has_state(audio, job_id, "done"))
    assert sorted(done, key=str) == sorted(ids, key=str)
    assert [await effects(audio, job_id) for job_id in ids] == [1] * 30


async def test_a_worker_leaves_kinds_that_it_has_no_handler_for(audio: SessionMaker) -> None:
    async def hear(item: WorkItem, control: Control) -> Finish:
        return nothing

    other, _ = await submitted(audio, kind="separate")
    mine, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": hear}, Told()).run()):
        await until(has_state(audio, mine, "done"))
    assert await state(audio, other) == "queued"


async def test_equal_work_asked_for_twice_is_one_item(audio: SessionMaker) -> None:
    first, new = await submitted(audio, dedupe_key="same")
    again, again_new = await submitted(audio, dedupe_key="same")
    assert (again, new, again_new) == (first, True, False)


async def test_equal_work_asked_for_many_times_at_once_is_one_item(audio: SessionMaker) -> None:
    answers = await asyncio.gather(*(submitted(audio, dedupe_key="at once") for _ in range(10)))
    assert len({job_id for job_id, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1


async def test_failed_work_can_be_asked_for_again_under_its_id(audio: SessionMaker) -> None:
    async def refuses(item: WorkItem, control: Control) -> Finish:
        raise Refused("no-drums", "No drums are heard.")

    job_id, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": refuses}, Told()).run()):
        await until(has_state(audio, job_id, "failed"))
    assert await submitted(audio, job_id=job_id) == (job_id, False)
    assert await submitted(audio, job_id=job_id, generation=2) == (job_id, True)
    assert await state(audio, job_id) == "queued"


async def test_a_cancellation_that_overtakes_the_retry_of_failed_work_stops_it(
    audio: SessionMaker,
) -> None:
    async def refuses(item: WorkItem, control: Control) -> Finish:
        raise Refused("no-drums", "No drums are heard.")

    job_id, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": refuses}, Told()).run()):
        await until(has_state(audio, job_id, "failed"))
    await cancel(audio, job_id)
    assert await state(audio, job_id) == "failed"
    await cancel(audio, job_id, generation=2)
    assert await submitted(audio, job_id=job_id, generation=2) == (job_id, False)
    assert await state(audio, job_id) == "cancelled"
    assert await submitted(audio, job_id=job_id, generation=3) == (job_id, True)


async def test_the_item_of_a_killed_worker_is_taken_over_when_its_lease_ends(
    audio: SessionMaker,
) -> None:
    job_id, _ = await submitted(audio)
    dead = Worker("audio", audio, {"hear": None}, Told())  # type: ignore[dict-item]
    claimed = await dead._claim(uuid4())
    assert claimed is not None

    async def hear(item: WorkItem, control: Control) -> Finish:
        return effect(item)

    told = Told()
    async with running(Worker("audio", audio, {"hear": hear}, told).run()):
        await asyncio.sleep(0.2)
        assert told.begun == []
        async with audio.begin() as session:
            await session.execute(
                update(WorkItem).values(lease_until=func.now() - timedelta(seconds=1))
            )
        await until(has_state(audio, job_id, "done"))
    assert told.begun == [job_id]
    assert await effects(audio, job_id) == 1
    async with audio() as session:
        assert await session.scalar(select(WorkItem.attempts)) == 2


async def test_an_item_that_takes_every_worker_down_is_given_up(audio: SessionMaker) -> None:
    job_id, _ = await submitted(audio)
    told = Told()
    for _ in range(work.MAX_ATTEMPTS):
        dead = Worker("audio", audio, {"hear": None}, told)  # type: ignore[dict-item]
        assert await dead._claim(uuid4()) is not None
        async with audio.begin() as session:
            await session.execute(
                update(WorkItem).values(lease_until=func.now() - timedelta(seconds=1))
            )
    assert await dead._claim(uuid4()) is None
    assert told.failures == [(job_id, "worker-crashed", True)]
    assert await state(audio, job_id) == "failed"


async def test_a_running_item_keeps_its_lease_however_long_it_takes(audio: SessionMaker) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    runs = 0

    async def hear(item: WorkItem, control: Control) -> Finish:
        nonlocal runs
        runs += 1
        begun.set()
        await go_on.wait()
        return effect(item)

    job_id, _ = await submitted(audio)
    leases: list[datetime] = []

    async def renewed() -> bool:
        async with audio() as session:
            lease = await session.scalar(select(WorkItem.lease_until))
        assert lease is not None
        leases.append(lease)
        return len(set(leases)) > 4

    # The lease moves on with every heartbeat: nothing here races a clock, however slow the machine.
    workers = [Worker("audio", audio, {"hear": hear}, Told()) for _ in range(2)]
    async with running(*(worker.run() for worker in workers)):
        await begun.wait()
        await until(renewed)
        go_on.set()
        await until(has_state(audio, job_id, "done"))
    assert leases == sorted(leases)
    assert runs == 1
    assert await effects(audio, job_id) == 1


async def test_the_result_of_a_lost_lease_does_not_count_and_is_discarded(
    audio: SessionMaker,
) -> None:
    begun = asyncio.Event()
    discarded: list[UUID] = []
    thief = uuid4()

    async def hear(item: WorkItem, control: Control) -> Finish:
        async def discard() -> None:
            discarded.append(item.id)

        control.discard.append(discard)
        begun.set()
        await control.cancelled.wait()
        # One that does not look at `control` and comes back with a result all the same.
        return effect(item)

    job_id, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": hear}, Told()).run()):
        await begun.wait()
        async with audio.begin() as session:
            await session.execute(
                update(WorkItem).values(
                    worker=thief, lease_until=func.now() + timedelta(seconds=60)
                )
            )
        await until(lambda: discarded != [])
    assert discarded == [job_id]
    assert await effects(audio, job_id) == 0
    async with audio() as session:
        row = await session.scalar(select(WorkItem))
        assert row is not None
        assert (row.worker, row.state) == (thief, "running")


async def test_a_lease_lost_between_the_check_and_the_commit_does_not_count_either(
    audio: SessionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No heartbeat tells: only the commit itself can notice.
    monkeypatch.setattr(work, "HEARTBEAT_S", 3600)
    discarded: list[UUID] = []

    async def hear(item: WorkItem, control: Control) -> Finish:
        async def discard() -> None:
            discarded.append(item.id)

        control.discard.append(discard)
        async with audio.begin() as session:
            await session.execute(update(WorkItem).values(worker=uuid4()))
        return effect(item)

    job_id, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": hear}, Told()).run()):
        await until(lambda: discarded != [])
    assert discarded == [job_id]
    assert await effects(audio, job_id) == 0


async def test_a_result_whose_commit_broke_off_after_all_was_kept_is_not_discarded(
    audio: SessionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    discarded: list[UUID] = []
    settled = Worker._settle

    async def breaks_off(self: Worker, item: WorkItem, token: UUID, finish: Finish) -> None:
        await settled(self, item, token, finish)
        raise ConnectionError("the database restarted before it could say that all is kept")

    async def hear(item: WorkItem, control: Control) -> Finish:
        async def discard() -> None:
            discarded.append(item.id)

        control.discard.append(discard)
        return effect(item)

    monkeypatch.setattr(Worker, "_settle", breaks_off)
    job_id, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": hear}, Told()).run()):
        await until(has_state(audio, job_id, "done"))
    assert discarded == []
    assert await effects(audio, job_id) == 1


async def cancel(sessions: SessionMaker, job_id: UUID, generation: int = 1) -> None:
    async with sessions.begin() as session:
        await work.cancel(
            session,
            job_id=job_id,
            kind="hear",
            video_id=uuid4(),
            user_id=ALICE,
            generation=generation,
        )


async def test_work_cancelled_while_it_waits_is_never_begun(audio: SessionMaker) -> None:
    begun: list[UUID] = []

    async def hear(item: WorkItem, control: Control) -> Finish:
        begun.append(item.id)
        return nothing

    cancelled, _ = await submitted(audio)
    await cancel(audio, cancelled)
    other, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": hear}, Told()).run()):
        await until(has_state(audio, other, "done"))
    assert begun == [other]
    assert await state(audio, cancelled) == "cancelled"


async def test_work_cancelled_while_it_runs_stops_and_leaves_nothing(audio: SessionMaker) -> None:
    begun = asyncio.Event()
    discarded: list[UUID] = []
    told = Told()

    async def hear(item: WorkItem, control: Control) -> Finish:
        async def discard() -> None:
            discarded.append(item.id)
            raise ConnectionError("the storage is away")  # must not end the worker

        control.discard.append(discard)
        begun.set()
        while True:
            control.check()
            await asyncio.sleep(0.01)

    job_id, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": hear}, told).run()) as [worker]:
        await begun.wait()
        await cancel(audio, job_id)
        await until(lambda: discarded != [])
        begun.clear()
        await submitted(audio)
        await begun.wait()
        assert not worker.done()
        await work_done_by_cancelling(audio)
    assert discarded[0] == job_id
    assert told.failures == []
    assert await state(audio, job_id) == "cancelled"


async def work_done_by_cancelling(sessions: SessionMaker) -> None:
    async with sessions() as session:
        ids = (await session.scalars(select(WorkItem.id).where(WorkItem.state == "running"))).all()
    for job_id in ids:
        await cancel(sessions, job_id)


async def test_work_cancelled_before_it_came_is_not_begun_by_the_pipeline(
    audio: SessionMaker,
) -> None:
    job_id = uuid4()
    await cancel(audio, job_id)
    assert await submitted(audio, job_id=job_id) == (job_id, False)
    assert await state(audio, job_id) == "cancelled"
    async with audio() as session:
        assert await work.was_cancelled(session, job_id, 1)
    # Asked for by hand it is wanted again.
    assert await submitted(audio, job_id=job_id, generation=2) == (job_id, True)
    assert await state(audio, job_id) == "queued"


async def test_work_that_is_refused_while_it_is_cancelled_does_not_end_the_worker(
    audio: SessionMaker,
) -> None:
    told = Told()

    async def hear(item: WorkItem, control: Control) -> Finish:
        if item.params.get("refuse"):
            await cancel(audio, item.id)
            raise Refused("no-drums", "No drums are heard.")
        return nothing

    first, _ = await submitted(audio, params={"refuse": True})
    second, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": hear}, told).run()):
        await until(has_state(audio, second, "done"))
    assert await state(audio, first) == "cancelled"
    assert told.failures == []


async def test_what_heals_is_tried_again_and_counts_once(audio: SessionMaker) -> None:
    tries_s: list[float] = []

    async def hear(item: WorkItem, control: Control) -> Finish:
        tries_s.append(asyncio.get_running_loop().time())
        if len(tries_s) < 3:
            raise OSError("the storage is away")
        return effect(item)

    told = Told()
    job_id, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": hear}, told).run()):
        await until(has_state(audio, job_id, "done"))
    assert len(tries_s) == 3
    assert tries_s[1] - tries_s[0] >= 0.05
    assert tries_s[2] - tries_s[1] >= 0.1
    assert await effects(audio, job_id) == 1
    assert told.failures == []


async def test_what_does_not_heal_is_given_up_and_told(audio: SessionMaker) -> None:
    tries = 0

    async def hear(item: WorkItem, control: Control) -> Finish:
        nonlocal tries
        tries += 1
        raise RuntimeError("a bug")

    told = Told()
    job_id, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": hear}, told).run()):
        await until(has_state(audio, job_id, "failed"))
    assert tries == work.MAX_ATTEMPTS
    assert told.failures == [(job_id, "internal-error", True)]


async def test_what_is_refused_fails_at_once(audio: SessionMaker) -> None:
    tries = 0

    async def hear(item: WorkItem, control: Control) -> Finish:
        nonlocal tries
        tries += 1
        raise Refused("no-sound", "The recording is silent.")

    told = Told()
    job_id, _ = await submitted(audio)
    async with running(Worker("audio", audio, {"hear": hear}, told).run()):
        await until(has_state(audio, job_id, "failed"))
    assert tries == 1
    assert told.failures == [(job_id, "no-sound", False)]


async def test_a_stopped_worker_hands_back_what_it_cannot_finish(audio: SessionMaker) -> None:
    begun = asyncio.Event()

    async def hear(item: WorkItem, control: Control) -> Finish:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    job_id, _ = await submitted(audio)
    stopped = asyncio.create_task(Worker("audio", audio, {"hear": hear}, Told(), grace_s=0.1).run())
    await begun.wait()
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    async with audio() as session:
        row = await session.scalar(select(WorkItem).where(WorkItem.id == job_id))
        assert row is not None
        assert (row.state, row.attempts, row.worker, row.lease_until) == ("queued", 0, None, None)


async def test_a_stopped_worker_finishes_what_fits_in_its_grace(audio: SessionMaker) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def hear(item: WorkItem, control: Control) -> Finish:
        begun.set()
        await go_on.wait()
        return effect(item)

    job_id, _ = await submitted(audio)
    later, _ = await submitted(audio)
    stopped = asyncio.create_task(Worker("audio", audio, {"hear": hear}, Told()).run())
    await begun.wait()
    stopped.cancel()
    await asyncio.sleep(0.05)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    assert await state(audio, job_id) == "done"
    assert await effects(audio, job_id) == 1
    assert await state(audio, later) == "queued"


async def test_a_deleted_videos_work_stops(audio: SessionMaker) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hear(item: WorkItem, control: Control) -> Finish:
        begun.set()
        try:
            while True:
                control.check()
                await asyncio.sleep(0.01)
        except Cancelled:
            ended.set()
            raise

    video_id = uuid4()
    await submitted(audio, video_id=video_id)
    async with running(Worker("audio", audio, {"hear": hear}, Told()).run()):
        await begun.wait()
        async with audio.begin() as session:
            await work.forget_video(session, video_id)
        await asyncio.wait_for(ended.wait(), 30)
    async with audio() as session:
        assert await session.scalar(select(func.count()).select_from(WorkItem)) == 0
