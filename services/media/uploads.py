"""Files that come in pieces, over connections that break: kept piece by piece, then accepted.

What has arrived lies in storage as objects under `uploads/{id}/`, and a row says how much of it
counts. A piece counts when its row commits, and only for the writer that the upload's row names,
so that any process may take up where another was cut off and no lock is held while a slow client
sends. See docs/adr/0008.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import DATABASE_AWAY, SessionMaker, new_id
from libs.common.errors import (
    TYPE_BASE,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    ProblemDocument,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from libs.common.events import UserDeleted
from libs.common.messaging.event import utc_now
from libs.common.offload import Offload
from libs.common.paging import page_of
from libs.common.storage import Storage
from libs.common.teaching import EnhancementType
from services.media import ingest
from services.media.domain.sniff import display_name
from services.media.models import Upload, UploadPiece
from services.media.settings import MediaSettings

log = logging.getLogger(__name__)

PIECE_BYTES: Final = 4 * 1024 * 1024
"""Held in memory for one request, at most, beside what the socket brings at once."""
MAX_SMALL_PIECES: Final = 2_000
"""Connections may break, but a file sent byte by byte would be as many objects."""
MAX_UNFINISHED: Final = 50
"""A user's uploads under way: each may hold as much storage as a whole file."""
LEASE_S: Final = 20.0
HEARTBEAT_S: Final = 5.0
OUTCOME_WITHIN_S: Final = 45.0
"""So long one waits for another request that is accepting the same upload."""


class Refused(Problem):
    """The problem that an upload ended with, told again."""

    def __init__(self, document: dict[str, Any]) -> None:
        told = ProblemDocument.model_validate(document)
        field = told.errors[0].field if told.errors else None
        super().__init__(told.detail, code=told.type.removeprefix(TYPE_BASE), field=field)
        self.status = told.status


@dataclass(slots=True)
class Part:
    """What one request adds to an upload."""

    upload_id: UUID
    start_byte: int
    """Where `buffer` belongs."""
    writer: UUID
    buffer: bytearray


def prefix_of(upload_id: UUID) -> str:
    """Where an upload's pieces lie."""
    return f"uploads/{upload_id}"


def taken_over() -> Conflict:
    """The answer to a writer that another one has overtaken."""
    return Conflict(
        "Another request goes on with this upload, or it has ended. Ask with HEAD where it is.",
        code="upload-offset-conflict",
    )


async def find(session: AsyncSession, user_id: UUID, upload_id: UUID) -> Upload:
    """One's own upload, or NotFound."""
    upload = await session.get(Upload, upload_id)
    if upload is None or upload.user_id != user_id:
        raise NotFound("There is no such upload.", code="upload-not-found")
    return upload


async def page(
    session: AsyncSession, user_id: UUID, limit: int, cursor: str | None
) -> tuple[list[Upload], str | None]:
    """One's own unfinished uploads, newest first."""
    rows = select(Upload).where(
        Upload.user_id == user_id, Upload.state == "receiving", Upload.expires_at > func.now()
    )
    return await page_of(session, rows, Upload.created_at, Upload.id, limit=limit, cursor=cursor)


class Uploads:
    """The use cases, on the running service's database, storage and worker process."""

    def __init__(
        self,
        sessions: SessionMaker,
        storage: Storage,
        offload: Offload,
        settings: MediaSettings,
    ) -> None:
        self.sessions = sessions
        self.storage = storage
        self.offload = offload
        self.settings = settings

    @property
    def _kept_for(self) -> timedelta:
        return timedelta(days=self.settings.upload_keep_days)

    async def begin(self, user_id: UUID, size_bytes: int | None, metadata: dict[str, str]) -> UUID:
        """A new upload. TooLarge or Invalid by its declared length."""
        if size_bytes is None or size_bytes < 0:
            raise Invalid(
                "Say how long the file is, in bytes.",
                code="upload-length-missing",
                field="header.Upload-Length",
            )
        if size_bytes == 0:
            raise Invalid("The file is empty.", code="file-empty", field="header.Upload-Length")
        if size_bytes > self.settings.max_file_size:
            raise ingest.too_large(self.settings)
        async with self.sessions.begin() as session:
            # Locked, so that two requests cannot both make the last one.
            await session.execute(
                select(func.pg_advisory_xact_lock(func.hashtextextended(f"uploads:{user_id}", 0)))
            )
            unfinished = await session.scalar(
                select(func.count()).where(
                    Upload.user_id == user_id,
                    Upload.state == "receiving",
                    Upload.expires_at > func.now(),
                )
            )
            if (unfinished or 0) >= MAX_UNFINISHED:
                # Not 409 or 429: clients of the protocol try those again by themselves.
                raise Forbidden(
                    f"You have {MAX_UNFINISHED} unfinished uploads. Finish or delete some "
                    "(GET /media/uploads/ lists them).",
                    code="too-many-uploads",
                )
            upload = Upload(
                id=new_id(),
                user_id=user_id,
                filename=display_name(metadata.get("filename") or metadata.get("name")),
                filetype=(metadata.get("filetype") or "application/octet-stream")[:200],
                process=not _only_stored(metadata),
                enhance=_enhance(metadata),
                watch=watch_asked(metadata),
                size_bytes=size_bytes,
                expires_at=utc_now() + self._kept_for,
            )
            session.add(upload)
        return upload.id

    async def get(self, upload_id: UUID) -> Upload | None:
        """The row as it is now."""
        async with self.sessions() as session:
            return await session.get(Upload, upload_id)

    async def take(self, upload_id: UUID, start_byte: int) -> Part:
        """Begin to add at `start_byte`. Whoever was adding no longer can, so that a client whose
        connection broke need not wait until that is noticed here. With another offset than the
        upload's nothing changes and nothing can be added."""
        part = Part(upload_id, start_byte, new_id(), bytearray())
        async with self.sessions.begin() as session:
            await session.execute(
                update(Upload)
                .where(
                    Upload.id == upload_id,
                    Upload.received_bytes == start_byte,
                    Upload.received_bytes < Upload.size_bytes,
                    Upload.state == "receiving",
                )
                .values(writer=part.writer)
            )
        return part

    async def add(self, part: Part, chunk: bytes) -> None:
        """Take in a chunk; full pieces are kept. Conflict when another has taken over."""
        part.buffer += chunk
        while len(part.buffer) >= PIECE_BYTES:
            await self._keep(part, bytes(memoryview(part.buffer)[:PIECE_BYTES]))

    async def flush(self, part: Part) -> None:
        """Keep what `add` still holds."""
        if part.buffer:
            await self._keep(part, bytes(part.buffer))

    async def _keep(self, part: Part, data: bytes) -> None:
        # A key of the writer's own: one that was overtaken must not overwrite the other's piece.
        key = f"{prefix_of(part.upload_id)}/{part.start_byte:015d}-{part.writer.hex}"
        end_byte = part.start_byte + len(data)
        await self.storage.write(key, data)
        async with self.sessions.begin() as session:
            counted = await session.scalar(
                update(Upload)
                .where(
                    Upload.id == part.upload_id,
                    Upload.writer == part.writer,
                    Upload.received_bytes == part.start_byte,
                    Upload.size_bytes >= end_byte,
                    Upload.state == "receiving",
                )
                .values(received_bytes=end_byte, expires_at=utc_now() + self._kept_for)
                .returning(Upload.size_bytes)
            )
            if counted is not None:
                piece = UploadPiece(
                    upload_id=part.upload_id,
                    start_byte=part.start_byte,
                    size_bytes=len(data),
                    storage_path=key,
                )
                session.add(piece)
                await session.flush()
                if len(data) < PIECE_BYTES and end_byte < counted:
                    await self._bound_pieces(session, part.upload_id, counted)
        if counted is None:
            part.buffer.clear()
            await self.storage.delete(key)
            raise taken_over()
        part.start_byte = end_byte
        del part.buffer[: len(data)]

    async def _bound_pieces(self, session: AsyncSession, upload_id: UUID, size_bytes: int) -> None:
        count = await session.scalar(select(func.count()).where(UploadPiece.upload_id == upload_id))
        if (count or 0) > MAX_SMALL_PIECES + size_bytes // PIECE_BYTES:
            raise TooLarge(
                "The file came in too many small parts. Send it anew, in parts of 1 MB or more.",
                code="too-many-parts",
            )

    async def accept(self, upload_id: UUID) -> Upload:
        """Make a wholly received upload a video, once, whoever asks and however often; the row
        with its outcome, or as it is while bytes are missing. NotFound when it is gone,
        Unavailable when another is at it for long, or storage or database fail."""
        lease = await self._lease(upload_id)
        if isinstance(lease, Upload):
            return lease
        holding = asyncio.create_task(self._hold(upload_id, lease))
        try:
            upload = await self.get(upload_id)
            if upload is None:
                raise NotFound("There is no such upload.", code="upload-not-found")
            try:
                received = await ingest.receive(
                    self.storage,
                    self.offload,
                    self.settings,
                    upload.filename,
                    self._content(upload_id),
                )
            except (Invalid, TooLarge, UnsupportedMedia) as refusal:
                await self._end(upload_id, lease, refusal)
            else:
                await self._end(upload_id, lease, received)
        except BaseException:
            # Nobody need wait for the lease to run out.
            with contextlib.suppress(*DATABASE_AWAY):
                await asyncio.shield(self._let_go(upload_id, lease))
            raise
        finally:
            holding.cancel()
        ended = await self.get(upload_id)
        if ended is None:
            raise NotFound("There is no such upload.", code="upload-not-found")
        return ended

    async def _lease(self, upload_id: UUID) -> UUID | Upload:
        """The right to accept, or the row when there is nothing to accept."""
        lease = new_id()
        deadline_s = asyncio.get_running_loop().time() + OUTCOME_WITHIN_S
        while True:
            async with self.sessions.begin() as session:
                mine = await session.scalar(
                    update(Upload)
                    .where(
                        Upload.id == upload_id,
                        Upload.state == "receiving",
                        Upload.received_bytes == Upload.size_bytes,
                        or_(Upload.lease_until.is_(None), Upload.lease_until < func.now()),
                    )
                    .values(lease=lease, lease_until=func.now() + timedelta(seconds=LEASE_S))
                    .returning(Upload.id)
                )
            if mine is not None:
                return lease
            upload = await self.get(upload_id)
            if upload is None:
                raise NotFound("There is no such upload.", code="upload-not-found")
            if upload.state != "receiving" or upload.received_bytes < upload.size_bytes:
                return upload
            if asyncio.get_running_loop().time() > deadline_s:
                raise Unavailable(
                    "The file is whole and still being looked into. Ask again in a moment.",
                    code="upload-being-accepted",
                    headers={"Retry-After": "5"},
                )
            await asyncio.sleep(0.3)

    async def _hold(self, upload_id: UUID, lease: UUID) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            with contextlib.suppress(*DATABASE_AWAY):
                async with self.sessions.begin() as session:
                    await session.execute(
                        update(Upload)
                        .where(Upload.id == upload_id, Upload.lease == lease)
                        .values(lease_until=func.now() + timedelta(seconds=LEASE_S))
                    )

    async def _let_go(self, upload_id: UUID, lease: UUID) -> None:
        async with self.sessions.begin() as session:
            await session.execute(
                update(Upload)
                .where(Upload.id == upload_id, Upload.lease == lease)
                .values(lease_until=None)
            )

    async def _content(self, upload_id: UUID) -> AsyncIterator[bytes]:
        async with self.sessions() as session:
            rows = await session.execute(
                select(UploadPiece.storage_path)
                .where(UploadPiece.upload_id == upload_id)
                .order_by(UploadPiece.start_byte)
            )
            keys = list(rows.scalars())
        for key in keys:
            async for chunk in self.storage.read_stream(key):
                yield chunk

    async def _end(self, upload_id: UUID, lease: UUID, outcome: ingest.Received | Problem) -> None:
        """Write the outcome, video and row together. When the commit fails the file is left to
        the sweep: the commit may have come through all the same."""
        async with self.sessions.begin() as session:
            upload = await session.get(Upload, upload_id, with_for_update=True)
            mine = upload is not None and upload.state == "receiving" and upload.lease == lease
            if upload is not None and mine:
                if isinstance(outcome, ingest.Received):
                    video = await ingest.accept(
                        session,
                        upload.user_id,
                        outcome,
                        process=upload.process,
                        enhance=upload.enhance,
                        watch=self.settings.watch if upload.watch is None else upload.watch,
                    )
                    upload.state, upload.video_id = "accepted", video.id
                else:
                    upload.state, upload.problem = "refused", document_of(outcome)
                upload.lease = upload.lease_until = upload.writer = None
                await session.execute(delete(UploadPiece).where(UploadPiece.upload_id == upload_id))
        if not mine and isinstance(outcome, ingest.Received):
            await self.storage.delete(outcome.key)
        if mine:
            await self._forget_files([upload_id])

    async def _forget_files(self, upload_ids: list[UUID]) -> None:
        for upload_id in upload_ids:
            # What is left behind now the sweep finds.
            with contextlib.suppress(OSError):
                await self.storage.delete_all(prefix_of(upload_id))

    async def remove(self, upload_id: UUID) -> None:
        """Forget an upload and its pieces; the video that came of it stays."""
        async with self.sessions.begin() as session:
            await session.execute(delete(Upload).where(Upload.id == upload_id))
        await self._forget_files([upload_id])

    async def finish(self) -> None:
        """Accept what is whole and has nobody at it: left by a process that was killed."""
        async with self.sessions() as session:
            waiting = await session.scalars(
                select(Upload.id).where(
                    Upload.state == "receiving",
                    Upload.received_bytes == Upload.size_bytes,
                    or_(Upload.lease_until.is_(None), Upload.lease_until < func.now()),
                )
            )
        for upload_id in waiting.all():
            try:
                await self.accept(upload_id)
            except Exception as error:
                # One that cannot be finished must not keep the others waiting.
                log.warning("upload not accepted", exc_info=error)

    async def sweep(self) -> int:
        """Remove uploads whose time is over, and pieces that no upload counts; how many uploads
        went. Pieces younger than an hour may be about to be counted."""
        async with self.sessions.begin() as session:
            gone = await session.scalars(
                delete(Upload)
                .where(
                    Upload.expires_at < func.now(),
                    or_(Upload.lease_until.is_(None), Upload.lease_until < func.now()),
                )
                .returning(Upload.id)
            )
            expired = list(gone.all())
        await self._forget_files(expired)
        for key in await self.storage.keys_older_than("uploads", age_s=3600):
            async with self.sessions() as session:
                counted = await session.scalar(
                    select(UploadPiece.upload_id).where(
                        UploadPiece.upload_id == UUID(key.split("/")[1]),
                        UploadPiece.storage_path == key,
                    )
                )
            if counted is None:
                await self.storage.delete(key)
        return len(expired)


async def remove_all_of(sessions: SessionMaker, storage: Storage, gone: UserDeleted) -> None:
    """Forget a deleted user's uploads. Done again it finds nothing, so it needs no inbox."""
    async with sessions.begin() as session:
        removed = await session.scalars(
            delete(Upload).where(Upload.user_id == gone.user_id).returning(Upload.id)
        )
        upload_ids = list(removed.all())
    for upload_id in upload_ids:
        await storage.delete_all(prefix_of(upload_id))


def document_of(problem: Problem) -> dict[str, Any]:
    """A problem as it is kept and shown: as it was answered, without the request's own parts."""
    errors = [FieldError(field=problem.field, message=problem.detail)] if problem.field else None
    return ProblemDocument(
        type=TYPE_BASE + problem.code,
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        errors=errors,
    ).model_dump(mode="json", exclude_none=True)


def _enhance(metadata: Mapping[str, str]) -> EnhancementType | None:
    """Invalid for a word that the teacher does not know; nothing where nothing is processed."""
    given = metadata.get("enhance")
    if _only_stored(metadata) or not given or not given.strip():
        return None
    try:
        return EnhancementType(given.strip().lower())
    except ValueError:
        raise Invalid(
            f"`enhance` in Upload-Metadata must be one of {', '.join(EnhancementType)}.",
            code="unknown-enhancement",
            field="header.Upload-Metadata",
        ) from None


def watch_asked(metadata: Mapping[str, str]) -> bool | None:
    """None where nothing is said, and where nothing is processed."""
    given = metadata.get("watch", "").strip().lower()
    if _only_stored(metadata) or not given:
        return None
    if given not in ("true", "false"):
        raise Invalid(
            "`watch` in Upload-Metadata must be true or false.",
            code="unknown-watch",
            field="header.Upload-Metadata",
        )
    return given == "true"


def _only_stored(metadata: Mapping[str, str]) -> bool:
    return metadata.get("process", "").strip().lower() == "false"
