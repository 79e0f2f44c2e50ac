from __future__ import annotations

import pytest

from libs.common.errors import RangeNotSatisfiable
from libs.common.ranges import byte_range


@pytest.mark.parametrize(
    ("header", "start", "length", "shown"),
    [
        ("bytes=0-", 0, 10, "bytes 0-9/10"),
        ("bytes=0-0", 0, 1, "bytes 0-0/10"),
        ("bytes=2-5", 2, 4, "bytes 2-5/10"),
        ("bytes=7-", 7, 3, "bytes 7-9/10"),
        ("bytes=8-999", 8, 2, "bytes 8-9/10"),
        ("bytes=-3", 7, 3, "bytes 7-9/10"),
        ("bytes=-999", 0, 10, "bytes 0-9/10"),
        (" bytes=9-9 ", 9, 1, "bytes 9-9/10"),
    ],
)
def test_one_range_of_ten_bytes(header: str, start: int, length: int, shown: str) -> None:
    part = byte_range(header, 10)
    assert part is not None
    assert (part.start, part.length, part.header) == (start, length, shown)


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=0-1,3-4",
     "items=0-1", "bytes=-1-2", "bytes=0x1-2", "bytes=" + "9" * 40 + "-", "bytes=1 -2"],
)  # fmt: skip
def test_what_may_be_ignored_means_the_whole_file(header: str | None) -> None:
    assert byte_range(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [("bytes=10-", 10), ("bytes=99-100", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)],
)
def test_a_range_past_the_end_is_refused_with_the_size(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        byte_range(header, size)
    assert caught.value.headers == {"Content-Range": f"bytes */{size}"}
