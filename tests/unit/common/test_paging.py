from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from libs.common.errors import Invalid
from libs.common.paging import decode_cursor, encode_cursor


def test_a_cursor_is_read_back_to_the_microsecond() -> None:
    moment, row_id = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), uuid4()
    cursor = encode_cursor(moment, row_id)
    assert decode_cursor(cursor) == (moment, row_id)
    assert len(cursor) <= 200
    assert not set(cursor) & set("=+/&?")


def made(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


ID = str(uuid4())


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "%%%",
        "ü",
        "\x00",
        "\ud800",
        made(None),
        made([]),
        made([1, 2]),
        made({}),
        made(["2026-01-01T00:00:00+00:00"]),
        made(["2026-01-01T00:00:00", ID]),
        made(["yesterday", ID]),
        made(["2026-01-01T00:00:00+00:00", "no id"]),
        made(["2026-01-01T00:00:00+00:00", 7]),
        made([["2026"], ID]),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    ],
)
def test_anything_else_is_invalid(cursor: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode_cursor(cursor)
    assert caught.value.field == "query.cursor"
