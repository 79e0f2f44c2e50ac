"""What can go wrong, in the words of HTTP problem details (RFC 9457).

Use cases raise these; one handler turns them into `application/problem+json`. A `type` is
stable: clients switch on it, people read `detail`, which says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

TYPE_BASE: Final = "https://backbeat.dev/problems/"
PROBLEM_JSON: Final = "application/problem+json"


class FieldError(BaseModel):
    """One thing that is wrong with the input."""

    field: str = Field(description="Where: a path such as `body.tempo` or `query.limit`.")
    message: str = Field(description="What is wrong with it.")


class ProblemDocument(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(examples=[TYPE_BASE + "not-found"])
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: list[FieldError] | None = None
    request_id: str | None = None


class Problem(Exception):
    """Base of every expected failure. `code` ends the problem's `type`."""

    status: int = 400
    code: str = "bad-request"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code
        self.field = field
        self.headers = dict(headers or {})
        self.extra = extra

    def response(self, request: Request) -> JSONResponse:
        """The answer to `request`."""
        errors = [FieldError(field=self.field, message=self.detail)] if self.field else None
        return problem_response(
            request, self.status, self.code, self.detail, errors, self.headers, self.extra
        )


class NotFound(Problem):
    """It is not there, or it is another's: the two answer alike."""

    status = 404
    code = "not-found"


class Invalid(Problem):
    """The input breaks a rule; `field` says which."""

    status = 422
    code = "invalid"


class Conflict(Problem):
    """The thing is not in a state for this."""

    status = 409
    code = "conflict"


class PreconditionFailed(Problem):
    """`If-Match` names a version that is not the current one."""

    status = 412
    code = "version-changed"


class PreconditionRequired(Problem):
    """The edit came without `If-Match`."""

    status = 428
    code = "if-match-required"


class Unauthorized(Problem):
    """No valid token."""

    status = 401
    code = "unauthorized"

    def __init__(self, detail: str, **kwargs: Any) -> None:
        kwargs.setdefault("headers", {"WWW-Authenticate": "Bearer"})
        super().__init__(detail, **kwargs)


class Forbidden(Problem):
    """Known, but not allowed."""

    status = 403
    code = "forbidden"


class TooLarge(Problem):
    """More bytes than the limit."""

    status = 413
    code = "too-large"


class UnsupportedMedia(Problem):
    """The content is of a kind that is not taken."""

    status = 415
    code = "unsupported-media"


class RangeNotSatisfiable(Problem):
    """The asked bytes lie past the end."""

    status = 416
    code = "range-not-satisfiable"


class TooManyRequests(Problem):
    """The limit is reached; `Retry-After` says for how long."""

    status = 429
    code = "too-many-requests"


class Unavailable(Problem):
    """Something behind does not answer; trying again may help."""

    status = 503
    code = "unavailable"


class GatewayTimeout(Problem):
    """Something behind took too long."""

    status = 504
    code = "timeout"


def problem_response(
    request: Request,
    status: int,
    code: str,
    detail: str,
    errors: list[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """A problem document as an answer."""
    document = ProblemDocument(
        type=TYPE_BASE + code,
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=errors,
        request_id=getattr(request.state, "request_id", None),
    )
    content = sendable(document.model_dump(exclude_none=True) | dict(extra or {}))
    return JSONResponse(
        content, status_code=status, media_type=PROBLEM_JSON, headers=dict(headers or {})
    )


def sendable(value: Any) -> Any:
    """Without the lone surrogates that JSON can name and UTF-8 cannot carry: a problem repeats
    parts of the input."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {sendable(key): sendable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [sendable(part) for part in value]
    return value


async def send_problem(scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
    """Answer with `problem` from plain ASGI."""
    await problem.response(Request(scope))(scope, receive, send)


STATUS_CODES: Final = {
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "too-large",
    415: "unsupported-media",
}


def install_problem_handlers(app: FastAPI) -> None:
    """Every failure of `app` leaves as a problem document, unexpected ones as a 500 without
    internals (the log has them, under the same request id)."""

    async def on_problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return error.response(request)

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code = STATUS_CODES.get(error.status_code, "http-error")
        detail = str(error.detail)
        if error.status_code == 404 and detail == "Not Found":
            detail = "There is nothing at this address. /docs lists what there is."
        return problem_response(request, error.status_code, code, detail, headers=error.headers)

    async def on_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        errors = [
            FieldError(field=".".join(str(part) for part in e["loc"]), message=str(e["msg"]))
            for e in error.errors()
        ]
        shown = "; ".join(f"{e.field}: {e.message}" for e in errors[:5])
        return problem_response(request, 422, "invalid", f"The input is not valid. {shown}", errors)

    async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
        # Starlette raises it again after this answer, and the server logs it.
        request_id = getattr(request.state, "request_id", None)
        return problem_response(
            request,
            500,
            "internal-error",
            "Something went wrong on our side. Try again; if it stays, report the request's id.",
            headers={"X-Request-Id": request_id} if request_id else None,
        )

    app.add_exception_handler(Exception, on_unexpected)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)


def problem_responses(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for the problems that a route can answer with."""
    return {
        kind.status: {
            "description": HTTPStatus(kind.status).phrase,
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for kind in kinds
    }
