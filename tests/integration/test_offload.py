"""Work in a real child process."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable

import pytest

from libs.common.offload import ChildDied, Offload, Stopped, TookTooLong
from libs.common.work import Refused
from tests.integration.waiting import until

Progress = Callable[[float], None]


def add(one: int, other: int, *, progress: Progress) -> int:
    return one + other


def child_id(*, progress: Progress) -> int:
    return os.getpid()


def count_up(*, progress: Progress) -> str:
    for quarter in range(5):
        progress(quarter / 4)
    return "counted"


def refuse(*, progress: Progress) -> None:
    raise Refused("no-sound", "The recording is silent.", retryable=True)


def fail_unpicklably(*, progress: Progress) -> None:
    class Local(Exception):
        pass

    raise Local("only known here")


def give_unpicklable(*, progress: Progress) -> object:
    return lambda: None


def sleep(seconds: float, *, progress: Progress) -> None:
    progress(0.0)
    time.sleep(seconds)


def crash(*, progress: Progress) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def big(size: int, data: bytes, *, progress: Progress) -> bytes:
    return data + bytes(size)


@pytest.fixture
async def offload() -> AsyncIterator[Offload]:
    child = Offload()
    yield child
    child.kill()


async def test_the_child_answers_and_stays_for_the_next_call(offload: Offload) -> None:
    assert await offload.run(add, 2, 3) == 5
    first = await offload.run(child_id)
    assert first != os.getpid()
    assert await offload.run(child_id) == first


async def test_calls_at_once_take_turns(offload: Offload) -> None:
    assert await asyncio.gather(*(offload.run(add, n, n) for n in range(5))) == [0, 2, 4, 6, 8]


async def test_progress_comes_in_order_and_before_the_answer(offload: Offload) -> None:
    fractions: list[float] = []
    assert await offload.run(count_up, on_progress=fractions.append) == "counted"
    assert fractions == [0.0, 0.25, 0.5, 0.75, 1.0]


async def test_what_the_function_raises_is_raised_here_with_its_fields(offload: Offload) -> None:
    child = await offload.run(child_id)
    with pytest.raises(Refused) as caught:
        await offload.run(refuse)
    refusal = caught.value
    assert (refusal.code, refusal.message, refusal.retryable) == (
        "no-sound",
        "The recording is silent.",
        True,
    )
    assert await offload.run(child_id) == child


async def test_what_cannot_be_pickled_is_an_error_and_no_hang(offload: Offload) -> None:
    child = await offload.run(child_id)
    with pytest.raises(RuntimeError, match="Local"):
        await offload.run(fail_unpicklably)
    with pytest.raises(RuntimeError, match="lambda"):
        await offload.run(give_unpicklable)
    assert await offload.run(child_id) == child


async def test_arguments_and_answers_larger_than_a_pipe_holds_get_through(
    offload: Offload,
) -> None:
    answer = await offload.run(big, 3_000_000, b"x" * 3_000_000)
    assert answer == b"x" * 3_000_000 + bytes(3_000_000)


async def test_stop_kills_the_child_and_the_next_call_gets_another(offload: Offload) -> None:
    child = await offload.run(child_id)
    stop = asyncio.Event()
    with pytest.raises(Stopped):
        # Stopped once it has begun.
        await offload.run(sleep, 600, on_progress=lambda _: stop.set(), stop=stop)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert await offload.run(add, 1, 1) == 2


async def test_what_takes_too_long_is_killed(offload: Offload) -> None:
    child = await offload.run(child_id)
    with pytest.raises(TookTooLong):
        await offload.run(sleep, 600, timeout_s=0.1)
    assert await offload.run(child_id) != child


async def test_a_crash_is_told_and_the_next_call_works(offload: Offload) -> None:
    with pytest.raises(ChildDied):
        await offload.run(crash)
    assert await offload.run(add, 1, 2) == 3


async def test_a_child_that_died_while_idle_is_replaced(offload: Offload) -> None:
    child = await offload.run(child_id)
    os.kill(child, signal.SIGKILL)
    await until(lambda: not offload._process.is_alive())
    assert await offload.run(child_id) != child


async def test_a_cancelled_call_kills_its_child(offload: Offload) -> None:
    child = await offload.run(child_id)
    begun = asyncio.Event()
    call = asyncio.create_task(offload.run(sleep, 600, on_progress=lambda _: begun.set()))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert await offload.run(add, 4, 4) == 8
