from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from backbeat import cli, embedded


def test_a_server_that_does_not_answer_is_told_in_a_sentence(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"")
    server = ["--server", "http://127.0.0.1:9", "--email", "a@b.dev", "--password", "x"]
    ended = CliRunner().invoke(cli.app, ["transcribe", str(video), *server])
    assert ended.exit_code == 1
    assert "http://127.0.0.1:9 does not answer" in ended.stderr


def test_ctrl_c_while_the_embedded_system_starts_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[bool] = []

    @contextlib.asynccontextmanager
    async def slow_start(*_given: Any, **_named: Any) -> AsyncIterator[SimpleNamespace]:
        await asyncio.sleep(0.2)
        yield SimpleNamespace(url="http://127.0.0.1:1")
        stopped.append(True)

    class Interrupted(queue.Queue[Any]):
        def get(self, *_given: Any, **_named: Any) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setattr(embedded, "running", slow_start)
    monkeypatch.setattr(cli.queue, "Queue", Interrupted)
    # The process's log stays pytest's.
    monkeypatch.setattr(cli.logging, "FileHandler", lambda _path: logging.NullHandler())
    monkeypatch.setattr(cli.logging, "basicConfig", lambda **_: None)
    with pytest.raises(KeyboardInterrupt), cli.embedded_server(tmp_path, 0):
        pass
    assert stopped == [True]
