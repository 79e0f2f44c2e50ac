"""Resumable upload: tus 1.0 (https://tus.io/protocols/resumable-upload) on `tuspyserver`.

The library speaks the protocol; bytes and rows are `uploads`'. Its endpoints are called from
routes of our own, because as they stand they write a body down before they look at its sender,
type and version, buffer a POST's body and open the storage's handle as a local file, say absolute
addresses, and advertise extensions that a custom storage does not have.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from inspect import signature
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect
from tuspyserver import create_tus_router
from tuspyserver.storage import TusStorage

from libs.common.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Problem,
    ProblemDocument,
    TooLarge,
    Unauthorized,
    UnsupportedMedia,
    problem_responses,
)
from libs.common.messaging.event import utc_now
from libs.common.paging import Cursor, Limit, Page
from libs.common.tokens import CurrentCaller
from services.media import uploads
from services.media.bodies import drain
from services.media.models import Upload
from services.media.uploads import Part, Refused, Uploads

log = logging.getLogger(__name__)
# It logs files' names at every HEAD.
logging.getLogger("tuspyserver").setLevel(logging.WARNING)

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,expiration,termination"
BODY_TYPE: Final = "application/offset+octet-stream"
PREFIX: Final = "/media/uploads"

Endpoint = Callable[..., Awaitable[Any]]


class Gone(Problem):
    """It was there."""

    status = 410
    code = "upload-expired"


class UploadRead(BaseModel):
    """A file on its way in, and what became of it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    filename: str
    size_bytes: int
    received_bytes: int = Field(description="What is kept; go on from here.")
    state: Literal["receiving", "accepting", "accepted", "refused"]
    video_id: UUID | None = Field(description="Once it is accepted.")
    problem: ProblemDocument | None = Field(description="Why it was refused.")
    created_at: datetime
    expires_at: datetime = Field(description="When it is forgotten, unless more comes.")


def shown(upload: Upload) -> UploadRead:
    """An upload as its owner sees it."""
    whole = upload.received_bytes == upload.size_bytes
    state = "accepting" if upload.state == "receiving" and whole else upload.state
    return UploadRead.model_validate(
        {name: getattr(upload, name) for name in UploadRead.model_fields if name != "state"}
        | {"state": state}
    )


@dataclass(slots=True)
class Exchange:
    """One request, for the storage that the library calls with an id alone."""

    uploads: Uploads
    start_byte: int = 0
    part: Part | None = None
    failure: Exception | None = None


_exchange: ContextVar[Exchange] = ContextVar("tus_exchange")


class PieceStorage(TusStorage):
    """The library's storage on ours. Holds nothing itself: any process serves any request."""

    async def create(self, uid: str) -> None:
        raise NotImplementedError("a row is made before the library is asked")

    async def exists(self, uid: str) -> bool:
        return await self._row(uid) is not None

    async def size(self, uid: str) -> int:
        upload = await self._row(uid)
        return 0 if upload is None else upload.received_bytes

    async def append(self, uid: str, chunk: bytes) -> None:
        exchange = _exchange.get()
        assert exchange.part is not None
        with self._noted(exchange):
            await exchange.uploads.add(exchange.part, chunk)

    async def flush(self, uid: str) -> None:
        exchange = _exchange.get()
        if exchange.part is not None and exchange.failure is None:
            with self._noted(exchange):
                await exchange.uploads.flush(exchange.part)

    async def finalize(self, uid: str) -> None:
        return None

    async def read(self, uid: str) -> bytes | None:
        raise NotImplementedError("a file is never read whole")

    async def delete(self, uid: str) -> None:
        await _exchange.get().uploads.remove(UUID(uid))

    async def read_info(self, uid: str) -> dict[str, Any] | None:
        upload = await self._row(uid)
        if upload is None:
            return None
        return {
            "metadata": {"filename": upload.filename, "filetype": upload.filetype},
            "size": upload.size_bytes,
            "offset": upload.received_bytes,
            "created_at": upload.created_at.isoformat(),
            "expires": http_date(upload.expires_at),
        }

    async def write_info(self, uid: str, data: dict[str, Any]) -> None:
        # Pieces count by their own rows; the library's word for the offset is not needed, and
        # after a failure not true.
        return None

    async def list_uids(self) -> list[str]:
        raise NotImplementedError("the sweep is ours")

    def location(self, uid: str) -> str:
        return uid

    @contextlib.asynccontextmanager
    async def lock(self, uid: str) -> AsyncIterator[None]:  # type: ignore[override] # its own slip
        """No lock but a place in the row: the last request at the right offset may write."""
        exchange = _exchange.get()
        exchange.part = await exchange.uploads.take(UUID(uid), exchange.start_byte)
        try:
            yield
        finally:
            # Also when the server stops, or the body turned out too long: what came counts.
            with contextlib.suppress(HTTPException):
                await self.flush(uid)

    @staticmethod
    async def _row(uid: str) -> Upload | None:
        return await _exchange.get().uploads.get(UUID(uid))

    @staticmethod
    @contextlib.contextmanager
    def _noted(exchange: Exchange) -> Iterator[None]:
        # The library lets its own kind of error pass and answers 204 after any other.
        try:
            yield
        except Exception as error:
            exchange.failure = error
            raise HTTPException(500, "not kept") from error


def http_date(moment: datetime) -> str:
    """As Upload-Expires has it."""
    return format_datetime(moment, usegmt=True)


def library() -> tuple[dict[str, Endpoint], Endpoint]:
    """The library's endpoints by method, and what it reads a PATCH's body with."""
    # The length is held against the declared one, which was held against our own limit.
    router = create_tus_router(prefix=PREFIX, max_size=2**62, storage=PieceStorage())
    endpoints = {
        method: route.endpoint
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    return endpoints, signature(endpoints["PATCH"]).parameters["_"].default.dependency


ENDPOINTS, receive_body = library()
CODES: Final[dict[int, tuple[type[Problem], str]]] = {
    404: (NotFound, "upload-not-found"),
    409: (Conflict, "upload-offset-conflict"),
    410: (Gone, "upload-expired"),
    412: (PreconditionFailed, "tus-version-unsupported"),
    413: (TooLarge, "upload-too-long"),
    415: (UnsupportedMedia, "upload-body-type"),
}
SAID: Final = {
    404: "There is no such upload.",
    409: "The upload stands at another offset. Ask with HEAD where it is and go on from there.",
    410: "The upload has expired. Begin anew.",
    412: f"Only tus {VERSION} is spoken here: send `Tus-Resumable: {VERSION}`.",
}


@contextlib.contextmanager
def as_problems(exchange: Exchange) -> Iterator[None]:
    """The library's errors in the words of the house."""
    try:
        yield
    except HTTPException as error:
        if exchange.failure is not None:
            raise exchange.failure from error
        kind, code = CODES.get(error.status_code, (Invalid, "bad-upload-request"))
        detail = SAID.get(error.status_code, str(error.detail))
        raise kind(detail, code=code, headers=TOLD | dict(error.headers or {})) from error


TOLD: Final = {"Tus-Resumable": VERSION}


def running_uploads(request: Request) -> Uploads:
    """The use cases on the running service."""
    state = request.app.state
    return Uploads(state.sessions, state.storage, state.offload, state.settings)


UseCases = Annotated[Uploads, Depends(running_uploads)]
UploadId = Annotated[UUID, Path(description="The last part of the upload's address.")]
TusResumable = Annotated[
    str | None, Header(description=f"The protocol's version: {VERSION}.", max_length=20)
]

NO_CONTENT: dict[int | str, dict[str, Any]] = {
    204: {
        "description": "Kept",
        "headers": {
            "Upload-Offset": {"schema": {"type": "integer"}, "description": "Bytes kept."},
            "Upload-Expires": {"schema": {"type": "string"}},
        },
    }
}

tus = APIRouter(prefix=PREFIX, tags=["media"])


def check_version(given: str | None) -> None:
    """PreconditionFailed for any other than ours."""
    if given != VERSION:
        raise PreconditionFailed(
            SAID[412],
            code="tus-version-unsupported",
            field="header.Tus-Resumable",
            headers={"Tus-Version": VERSION},
        )


async def own(cases: Uploads, user_id: UUID, upload_id: UUID) -> Upload:
    """One's own upload that has not expired; NotFound or Gone."""
    async with cases.sessions() as session:
        upload = await uploads.find(session, user_id, upload_id)
    if upload.expires_at < utc_now() and upload.state == "receiving":
        raise Gone(SAID[410], code="upload-expired")
    return upload


@tus.options("/", status_code=204)
async def tell_upload_abilities(cases: UseCases) -> Response:
    """What of tus is spoken here: its version, extensions, and the largest file in bytes."""
    return Response(
        status_code=204,
        headers={
            "Tus-Resumable": VERSION,
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(cases.settings.max_file_size),
        },
    )


@tus.post(
    "/",
    status_code=201,
    response_class=Response,
    responses={
        201: {
            "description": "Created, empty",
            "headers": {
                "Location": {
                    "schema": {"type": "string"},
                    "description": "Where its bytes go: a path on this host.",
                },
                "Upload-Expires": {"schema": {"type": "string"}},
            },
        },
        **problem_responses(Unauthorized, Forbidden, PreconditionFailed, TooLarge),
    },
)
async def begin_upload(
    request: Request,
    caller: CurrentCaller,
    cases: UseCases,
    upload_length: Annotated[
        int | None, Header(description="The file's size in bytes.", ge=0, le=2**62)
    ] = None,
    upload_metadata: Annotated[
        str | None,
        Header(
            description="`key base64(value)` pairs, by comma: `filename`, `filetype`, "
            "`process` (`false` only stores the video), `enhance` (such as `full_analysis`: what "
            "the teacher says at the end) and `watch` (`false` or `true`: whether the hands are "
            "watched).",
            max_length=4000,
        ),
    ] = None,
    tus_resumable: TusResumable = None,
) -> Response:
    """Begin a resumable upload (tus 1.0, creation). The answer's `Location` takes the bytes by
    PATCH, in parts of any size and over any number of connections; `HEAD` tells where to go on."""
    check_version(tus_resumable)
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        await drain(request.stream())
        raise Invalid(
            "Bytes are sent by PATCH to the upload's address, not with its creation.",
            code="upload-body-with-creation",
            headers=TOLD,
        )
    for name in ("upload-concat", "upload-defer-length"):
        if name in request.headers:
            raise Invalid(
                f"{name.title()} is not taken: declare the file's whole Upload-Length.",
                code="tus-extension-unsupported",
                field=f"header.{name.title()}",
                headers=TOLD,
            )
    created: list[UUID] = []

    async def create(metadata: dict[str, str], info: dict[str, Any]) -> None:
        created.append(await cases.begin(caller.user_id, info["size"], metadata))

    exchange = Exchange(cases)
    _exchange.set(exchange)
    with as_problems(exchange):
        answer: Response = await ENDPOINTS["POST"](
            request=request,
            response=Response(status_code=201),
            upload_metadata=upload_metadata,
            upload_length=upload_length,
            upload_defer_length=None,
            upload_concat=None,
            tus_resumable=tus_resumable,
            _=None,
            on_complete=lambda *_: None,
            pre_create=create,
            file_dep=lambda _metadata: {"uid": created[0].hex},
        )
    upload = await own(cases, caller.user_id, created[0])
    answer.headers["Location"] = f"{PREFIX}/{upload.id}"
    answer.headers["Upload-Expires"] = http_date(upload.expires_at)
    return answer


@tus.get("/", responses=problem_responses(Unauthorized))
async def list_uploads(
    caller: CurrentCaller, cases: UseCases, limit: Limit = 50, cursor: Cursor = None
) -> Page[UploadRead]:
    """Your uploads that are not finished, newest first: those that one can go on with."""
    async with cases.sessions() as session:
        rows, next_cursor = await uploads.page(session, caller.user_id, limit, cursor)
    return Page(items=[shown(row) for row in rows], next_cursor=next_cursor)


async def settled(cases: Uploads, upload: Upload) -> Upload:
    """The upload, accepted or refused by now if it is whole: what a killed process or a lost
    answer left open is finished by whoever asks."""
    if upload.state == "receiving" and upload.received_bytes == upload.size_bytes:
        return await cases.accept(upload.id)
    return upload


@tus.get("/{upload_id}", responses=problem_responses(NotFound, Gone))
async def get_upload(upload_id: UploadId, caller: CurrentCaller, cases: UseCases) -> UploadRead:
    """How far an upload is; once it is whole, the video that it became or why it was refused."""
    return shown(await settled(cases, await own(cases, caller.user_id, upload_id)))


@tus.head(
    "/{upload_id}",
    response_class=Response,
    responses={
        200: {
            "description": "Where to go on",
            "headers": {
                "Upload-Offset": {"schema": {"type": "integer"}, "description": "Bytes kept."},
                "Upload-Length": {"schema": {"type": "integer"}},
                "Upload-Expires": {"schema": {"type": "string"}},
            },
        },
        **problem_responses(NotFound, Gone, PreconditionFailed),
    },
)
async def tell_upload_offset(
    request: Request,
    upload_id: UploadId,
    caller: CurrentCaller,
    cases: UseCases,
    tus_resumable: TusResumable = None,
) -> Response:
    """How many bytes are kept: where to go on after a break."""
    check_version(tus_resumable)
    upload = await settled(cases, await own(cases, caller.user_id, upload_id))
    exchange = Exchange(cases)
    _exchange.set(exchange)
    with as_problems(exchange):
        answer: Response = await ENDPOINTS["HEAD"](
            request=request,
            response=Response(),
            uuid=upload.id.hex,
            tus_resumable=tus_resumable,
            _=None,
            file_dep=lambda _metadata: None,
        )
    # The file's length is no length of an answer.
    del answer.headers["Content-Length"]
    answer.headers["Upload-Expires"] = http_date(upload.expires_at)
    return answer


@tus.patch(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    responses={
        **NO_CONTENT,
        **problem_responses(
            Unauthorized, NotFound, Conflict, Gone, PreconditionFailed, TooLarge, UnsupportedMedia
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {BODY_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def add_to_upload(
    request: Request,
    upload_id: UploadId,
    caller: CurrentCaller,
    cases: UseCases,
    upload_offset: Annotated[
        int | None, Header(description="Bytes kept so far, as HEAD tells.", ge=0, le=2**62)
    ] = None,
    tus_resumable: TusResumable = None,
) -> Response:
    """Send bytes from `Upload-Offset` on. What arrives is kept even when the connection breaks.
    With the last byte the file becomes a video, or is refused with the same problems as at
    `POST /media/videos/`; `GET` tells which, also later."""
    try:
        check_version(tus_resumable)
        upload = await own(cases, caller.user_id, upload_id)
        check_part(request, upload, upload_offset)
    except Problem as problem:
        problem.headers |= TOLD
        await drain(request.stream())
        raise
    exchange = Exchange(cases, start_byte=upload_offset or 0)
    _exchange.set(exchange)
    try:
        with as_problems(exchange):
            whole = await receive_body(request, upload.id.hex, False, None)
            if not whole:
                raise ClientDisconnect
            answer: Response = await ENDPOINTS["PATCH"](
                request=request,
                response=Response(status_code=204),
                uuid=upload.id.hex,
                content_length=0,
                upload_offset=upload_offset,
                upload_length=None,
                content_type=BODY_TYPE,
                tus_resumable=tus_resumable,
                _=None,
                __=None,
                on_complete=lambda *_: None,
                file_dep=lambda _metadata: None,
            )
    except ClientDisconnect:
        # Nobody reads this answer.
        raise Invalid("The upload was cut off.", code="upload-cut-off") from None
    except Problem as problem:
        problem.headers |= TOLD
        await drain(request.stream())
        raise
    ended = await settled(cases, await own(cases, caller.user_id, upload_id))
    if ended.problem is not None:
        refusal = Refused(ended.problem)
        refusal.headers |= TOLD
        raise refusal
    return answer


def check_part(request: Request, upload: Upload, offset: int | None) -> None:
    """What the library asks too late, or not at all; before a byte is read."""
    if request.headers.get("content-type") != BODY_TYPE:
        raise UnsupportedMedia(
            f"Send the bytes as `Content-Type: {BODY_TYPE}`.",
            code="upload-body-type",
            field="header.Content-Type",
        )
    if offset is None:
        raise Invalid(
            "Say from which byte on you send.",
            code="upload-offset-missing",
            field="header.Upload-Offset",
        )
    if offset != upload.received_bytes:
        raise Conflict(SAID[409], code="upload-offset-conflict", field="header.Upload-Offset")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and offset + int(declared) > upload.size_bytes:
        raise TooLarge(
            f"That is more than the {upload.size_bytes} bytes that were declared.",
            code="upload-too-long",
            field="header.Content-Length",
        )


@tus.delete(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    responses=problem_responses(NotFound, PreconditionFailed),
)
async def end_upload(
    request: Request,
    upload_id: UploadId,
    caller: CurrentCaller,
    cases: UseCases,
    tus_resumable: TusResumable = None,
) -> Response:
    """Give an upload up and forget what has arrived. A video that it became stays."""
    check_version(tus_resumable)
    async with cases.sessions() as session:
        await uploads.find(session, caller.user_id, upload_id)
    await cases.remove(upload_id)
    return Response(status_code=204, headers=TOLD)
