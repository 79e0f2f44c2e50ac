"""Heavy work in a process of its own: the event loop stays free, and work can be killed.

The child is kept warm between calls (importing the sound libraries takes longer than hearing a
short clip) and replaced after it was killed, crashed, or ran over its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

_SPAWN = multiprocessing.get_context("spawn")


class ChildDied(Exception):
    """The process ended without an answer (killed, out of memory, a crash in native code)."""


class TookTooLong(Exception):
    """The time limit passed."""


class Stopped(Exception):
    """`stop` was set; the process was killed."""


def _child(connection: Connection) -> None:
    # Ctrl-C goes to the whole terminal group; the parent decides what ends when.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    while True:
        try:
            function, args = connection.recv()
        except (EOFError, OSError):
            return

        def progress(fraction: float) -> None:
            connection.send(("progress", fraction))

        try:
            answer = ("done", function(*args, progress=progress))
        except Exception as error:
            answer = ("error", error)
        try:
            connection.send(answer)
        except (BrokenPipeError, OSError):
            return
        except Exception as error:  # the answer or the exception cannot be pickled
            connection.send(("error", RuntimeError(f"{type(error).__name__}: {error}")))


class Offload:
    """One child process; calls take turns."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._process: Any = None
        self._connection: Connection | None = None

    def _start(self) -> Connection:
        if self._process is None or not self._process.is_alive() or self._connection is None:
            self.kill()
            ours, theirs = _SPAWN.Pipe()
            self._process = _SPAWN.Process(target=_child, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
            self._connection = ours
        return self._connection

    async def run(
        self,
        function: Callable[..., ResultT],
        *args: Any,
        on_progress: Callable[[float], None] | None = None,
        stop: asyncio.Event | None = None,
        timeout_s: float | None = None,
    ) -> ResultT:
        """`function(*args, progress=…)` in the child; what it raises is raised here. `function`
        and its arguments must be picklable. Raises Stopped, TookTooLong or ChildDied."""
        async with self._turn:
            connection = await asyncio.to_thread(self._start)
            loop = asyncio.get_running_loop()
            readable = asyncio.Event()
            loop.add_reader(connection.fileno(), readable.set)
            stopped = asyncio.ensure_future(stop.wait() if stop else asyncio.Event().wait())
            deadline_s = None if timeout_s is None else loop.time() + timeout_s
            finished = False
            try:
                try:
                    # In a thread: megabytes wait in the pipe until the child has started.
                    await asyncio.to_thread(connection.send, (function, args))
                except (BrokenPipeError, OSError) as error:
                    raise ChildDied("the worker process was gone") from error
                while True:
                    reading = asyncio.ensure_future(readable.wait())
                    left_s = None if deadline_s is None else deadline_s - loop.time()
                    done, _ = await asyncio.wait(
                        {reading, stopped},
                        timeout=left_s,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    reading.cancel()
                    if stopped in done:
                        raise Stopped
                    if not done:
                        raise TookTooLong(f"over {timeout_s} s")
                    readable.clear()
                    while connection.poll():
                        try:
                            kind, value = connection.recv()
                        except (EOFError, OSError) as error:
                            raise ChildDied("the worker process ended") from error
                        if kind == "progress":
                            if on_progress is not None:
                                on_progress(value)
                        else:
                            finished = True
                            if kind == "error":
                                raise value
                            return value  # type: ignore[no-any-return]
            finally:
                stopped.cancel()
                with contextlib.suppress(OSError, ValueError):
                    loop.remove_reader(connection.fileno())
                if not finished:
                    self.kill()

    def kill(self) -> None:
        """End the child now; the next call starts another."""
        # The process first: a thread may still be writing to its pipe, and ends with an error
        # once nobody reads, whereas a closed descriptor may be another's by then.
        if self._process is not None:
            if self._process.is_alive():
                self._process.kill()
            self._process.join(5)
            self._process = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
