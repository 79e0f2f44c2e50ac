"""Requests' heads, bounded in size and time.

uvicorn's protocol on httptools bounds neither: a header that never ends would fill the memory,
and a connection that never finishes its head would stay open for ever.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from libs.common.errors import PROBLEM_JSON, TYPE_BASE

MAX_HEAD_BYTES: Final = 64 * 1024
"""Plus what one read of the socket may bring."""
HEAD_TIMEOUT_S: Final = 30.0


class BoundedHeads(HttpToolsProtocol):
    """Answers 431 to a head (or a chunk's frame, or trailers) that grows without end, and hangs
    up on one that does not come."""

    head_timeout_s = HEAD_TIMEOUT_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parsed = False
        self._pending_bytes = 0
        """Taken in since the parser last gave something out."""
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Await no more."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and count what gives nothing."""
        self._parsed = False
        super().data_received(data)
        self._pending_bytes = 0 if self._parsed else self._pending_bytes + len(data)
        if self._pending_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        """A head has come."""
        self._parsed = True
        self._head_came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Part of a body has come."""
        self._parsed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A whole request has come."""
        self._parsed = True
        super().on_message_complete()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self._head_came()
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._too_slow)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if self._answering():
            # A pipelined request's head: the answer before it goes first.
            self._await_head()
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        if not self._answering():
            title = "Request Header Fields Too Large"
            body = json.dumps(
                {
                    "type": TYPE_BASE + "head-too-large",
                    "title": title,
                    "status": 431,
                    "detail": f"The request's head is over {MAX_HEAD_BYTES // 1024} KB.",
                }
            ).encode()
            self.transport.write(
                f"HTTP/1.1 431 {title}\r\nContent-Type: {PROBLEM_JSON}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
        self.transport.close()
