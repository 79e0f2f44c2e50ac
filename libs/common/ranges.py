"""Parts of a file, for players that seek (RFC 9110, section 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from libs.common.errors import RangeNotSatisfiable


@dataclass(frozen=True, slots=True)
class Part:
    """What of a file an answer sends, and its status and headers."""

    start: int
    length: int
    status: int
    headers: dict[str, str]


def part_of(header: str | None, size: int) -> Part:
    """The answer to a `Range` header, or to none, for a file of `size` bytes; RangeNotSatisfiable
    for one that lies outside."""
    asked = byte_range(header, size)
    told = {"Accept-Ranges": "bytes"}
    if asked is None:
        return Part(0, size, 200, told | {"Content-Length": str(size)})
    told |= {"Content-Range": asked.header, "Content-Length": str(asked.length)}
    return Part(asked.start, asked.length, 206, told)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Part of a file: first byte, count, and size of the whole."""

    start: int
    length: int
    size: int

    @property
    def header(self) -> str:
        """The value of Content-Range."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"


def byte_range(header: str | None, size: int) -> ByteRange | None:
    """The one range that a `Range` header asks for (RFC 9110, 14.2); None means the whole file:
    no header, another unit, several ranges, or a malformed one, all of which may be ignored."""
    match = re.fullmatch(r"bytes=(\d{0,19})-(\d{0,19})", (header or "").strip())
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        start, end = max(size - int(last), 0), size - 1
        unsatisfiable = int(last) == 0 or size == 0
    else:
        start = int(first)
        end = min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
        unsatisfiable = start >= size
    if unsatisfiable:
        raise RangeNotSatisfiable(
            f"The file has {size} bytes.", headers={"Content-Range": f"bytes */{size}"}
        )
    return ByteRange(start, end - start + 1, size)
