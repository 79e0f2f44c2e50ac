"""Pages in a stable order, by cursor: what is added meanwhile neither repeats nor skips."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.errors import Invalid

ItemT = TypeVar("ItemT")

Limit = Annotated[int, Query(ge=1, le=200, description="Items per page.")]
Cursor = Annotated[
    str | None, Query(max_length=200, description="`next_cursor` of the page before.")
]


class Page(BaseModel, Generic[ItemT]):
    """Some of the items, newest first, and how to get more."""

    items: list[ItemT]
    next_cursor: str | None = Field(None, description="Null on the last page.")


def encode_cursor(created_at: datetime, row_id: UUID) -> str:
    """Where a page ended."""
    text = json.dumps([created_at.isoformat(), str(row_id)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """`encode_cursor`, read back; Invalid for anything else."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        created_at, row_id = json.loads(base64.urlsafe_b64decode(padded.encode()))
        moment = datetime.fromisoformat(created_at)
        if moment.tzinfo is None:
            raise ValueError("no zone")
        return moment, UUID(row_id)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Invalid(
            "The cursor is not one that a page gave out.", field="query.cursor"
        ) from error


async def page_of(
    session: AsyncSession,
    rows: Select[Any],
    created_at: ColumnElement[datetime] | Any,
    row_id: ColumnElement[UUID] | Any,
    *,
    limit: int,
    cursor: str | None,
) -> tuple[list[Any], str | None]:
    """Up to `limit` rows, newest first, and the next page's cursor."""
    if cursor is not None:
        rows = rows.where(tuple_(created_at, row_id) < decode_cursor(cursor))
    rows = rows.order_by(created_at.desc(), row_id.desc()).limit(limit + 1)
    found = list((await session.scalars(rows)).all())
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], encode_cursor(last.created_at, last.id)
