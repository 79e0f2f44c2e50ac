"""One file out of a multipart/form-data body (RFC 7578), as it comes in.

The framework's own parser writes the whole body to disk before the handler sees a byte, so that
neither limit nor type could be checked in time. python-multipart's parser does the grammar.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

MAX_FIELD_BYTES = 16 * 1024


class BadForm(Exception):
    """The body is not a form with a file field; the message says what is missing."""


class FileForm:
    """Reads up to the file, then streams it. Fields before the file are in `fields`."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes], file_field: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise BadForm(
                "Send the file as multipart/form-data, in a field named "
                f"`{file_field}` (curl: -F '{file_field}=@video.mp4')."
            )
        self.file_field = file_field
        self.file_name: str | None = None
        self.fields: dict[str, str] = {}
        self._body = body
        self._chunks: deque[bytes] = deque()
        self._in_file = False
        self._file_seen = False
        self._file_ended = False
        self._ended = False
        self._header_name = b""
        self._header_value = b""
        self._headers: dict[bytes, bytes] = {}
        self._field_name: str | None = None
        self._field_bytes = b""
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value_part,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise BadForm("The boundary of the multipart body is too long.") from error

    def _part_begin(self) -> None:
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_part(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name == self.file_field and not self._file_seen:
            self._in_file = self._file_seen = True
            given = options.get(b"filename")
            self.file_name = None if given is None else given.decode("utf-8", "replace")
        else:
            self._field_name = name
            self._field_bytes = b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._chunks.append(data[start:end])
        elif self._field_name is not None:
            self._field_bytes += data[start:end]
            if len(self._field_bytes) > MAX_FIELD_BYTES:
                raise BadForm(f"The field `{self._field_name}` is too long.")

    def _part_end(self) -> None:
        if self._in_file:
            self._in_file = False
            self._file_ended = True
        elif self._field_name is not None:
            self.fields[self._field_name] = self._field_bytes.decode("utf-8", "replace")
            self._field_name = None

    def _end(self) -> None:
        self._ended = True

    async def _feed(self) -> bool:
        """Parse one more piece of the body; False at its end."""
        async for piece in self._body:
            try:
                self._parser.write(piece)
            except FormParserError as error:
                raise BadForm("The multipart body is malformed.") from error
            return True
        return False

    async def open(self) -> None:
        """Read up to the file's first bytes; BadForm when there is no such field."""
        while not self._chunks and not self._file_ended:
            if not await self._feed():
                break
        if not self._file_seen:
            raise BadForm(f"There is no file in the form: name its field `{self.file_field}`.")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file's bytes; BadForm when the body ends inside it."""
        while True:
            while self._chunks:
                yield self._chunks.popleft()
            if self._file_ended:
                return
            if not await self._feed():
                raise BadForm("The upload was cut off before its end. Send it again.")

    async def finish(self) -> None:
        """Read what follows the file."""
        while not self._ended and await self._feed():
            self._chunks.clear()
