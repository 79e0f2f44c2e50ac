"""Auth's routes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Cookie, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, EmailStr, Field, field_validator
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker, open_session
from libs.common.errors import (
    Conflict,
    Forbidden,
    NotFound,
    TooManyRequests,
    Unauthorized,
    problem_responses,
)
from libs.common.paging import Cursor, Limit, Page, page_of
from libs.common.tokens import CurrentAdmin, CurrentCaller
from services.auth import accounts, keys, tokens
from services.auth.models import User
from services.auth.passwords import MAX_LENGTH
from services.auth.settings import AuthSettings

Session = Annotated[AsyncSession, Depends(open_session, scope="function")]

Password = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]


def auth_settings(request: Request) -> AuthSettings:
    """The running service's settings."""
    settings: AuthSettings = request.app.state.settings
    return settings


def session_maker(request: Request) -> SessionMaker:
    """For use cases that open and end their own transactions."""
    sessions: SessionMaker = request.app.state.sessions
    return sessions


Settings = Annotated[AuthSettings, Depends(auth_settings)]
Sessions = Annotated[SessionMaker, Depends(session_maker)]


class Credentials(BaseModel):
    """An address and a password."""

    email: EmailStr = Field(max_length=254, examples=["ringo@example.com"])
    password: Password = Field(examples=["a long phrase that only you know"])


class SignIn(Credentials):
    """An address and a password, and where the refresh token is to be kept."""

    cookie: bool = Field(
        False,
        description="For web pages: the refresh token comes as a cookie that scripts cannot read "
        "and not in the answer. Refresh and sign out without a body then.",
    )


class RefreshRequest(BaseModel):
    """A refresh token."""

    refresh_token: str = Field(min_length=1, max_length=200)


class PasswordChange(BaseModel):
    """Old and new password."""

    current_password: Password
    new_password: Password


class UserUpdate(BaseModel):
    """What can change about an account."""

    email: EmailStr | None = Field(None, max_length=254)
    current_password: Password | None = Field(
        None, description="Needed to change one's own address."
    )


class TokenRead(BaseModel):
    """What signing in gives."""

    model_config = ConfigDict(from_attributes=True)

    access_token: str = Field(description="Send it as `Authorization: Bearer …`.")
    refresh_token: str = Field(
        description="Gives new tokens at POST /auth/refresh, once. Empty where it is a cookie."
    )
    token_type: str = "bearer"
    expires_in: int = Field(validation_alias="expires_in_s", description="Seconds.")


class UserRead(BaseModel):
    """An account."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    roles: list[str]
    created_at: datetime
    updated_at: datetime

    @field_validator("roles", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return [getattr(role, "name", role) for role in value]


class RoleRead(BaseModel):
    """A role."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    description: str | None


router = APIRouter(prefix="/auth", tags=["auth"])


@router.post(
    "/register", status_code=201, response_model=UserRead, responses=problem_responses(Conflict)
)
async def register(body: Credentials, session: Session, settings: Settings) -> User:
    """Make an account. It can sign in at once."""
    return await accounts.register(session, settings, body.email, body.password)


COOKIE = "backbeat_session"
SessionCookie = Annotated[str | None, Cookie(alias=COOKIE, max_length=200)]


def keep_in_cookie(
    request: Request, response: Response, settings: AuthSettings, issued: tokens.Tokens
) -> tokens.Tokens:
    """Put the refresh token where no script reads it; what is left for the answer's body."""
    response.set_cookie(
        COOKIE,
        issued.refresh_token,
        max_age=settings.refresh_token_expire_days * 24 * 3600,
        path="/auth",
        httponly=True,
        # Sent by our own pages alone, so that no other site can refresh or sign out.
        samesite="strict",
        secure=request.headers.get("x-forwarded-proto", request.url.scheme) == "https",
    )
    return replace(issued, refresh_token="")


@router.post(
    "/login",
    response_model=TokenRead,
    responses=problem_responses(Unauthorized, TooManyRequests),
)
async def login(
    body: SignIn, request: Request, response: Response, sessions: Sessions, settings: Settings
) -> tokens.Tokens:
    """Sign in. With `cookie`, the session of the cookie that came with the request ends: somebody
    else's, perhaps, whose signing out never arrived."""
    # The gateway appends the client's address; the last entry is the one that it vouches for.
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    address = forwarded or (request.client.host if request.client else "")
    issued = await tokens.sign_in(
        sessions,
        settings,
        body.email,
        body.password,
        address,
        instead_of=request.cookies.get(COOKIE) if body.cookie else None,
    )
    return keep_in_cookie(request, response, settings, issued) if body.cookie else issued


@router.post("/refresh", response_model=TokenRead, responses=problem_responses(Unauthorized))
async def refresh(
    request: Request,
    response: Response,
    sessions: Sessions,
    settings: Settings,
    body: RefreshRequest | None = None,
    cookie: SessionCookie = None,
) -> tokens.Tokens:
    """New tokens. Each refresh token works once; keep the new one. Without a body the cookie of
    `POST /auth/login` counts."""
    if body is not None:
        return await tokens.refresh(sessions, settings, body.refresh_token)
    if not cookie:
        raise Unauthorized("You are not signed in.", code="refresh-token-missing")
    issued = await tokens.refresh(sessions, settings, cookie, leeway=tokens.COOKIE_LEEWAY)
    return keep_in_cookie(request, response, settings, issued)


@router.post("/logout", status_code=204)
async def logout(
    session: Session, body: RefreshRequest | None = None, cookie: SessionCookie = None
) -> Response:
    """Sign out: the refresh token and its successors end. Without a body, the cookie's."""
    token = cookie if body is None else body.refresh_token
    if token:
        await tokens.sign_out(session, token)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/auth", httponly=True, samesite="strict")
    return response


@router.get("/me", response_model=UserRead, responses=problem_responses(Unauthorized))
async def me(caller: CurrentCaller, session: Session) -> User:
    """Who am I?"""
    return await accounts.find(session, caller.user_id)


@router.post(
    "/change-password", status_code=204, responses=problem_responses(Unauthorized, Forbidden)
)
async def change_password(
    body: PasswordChange, caller: CurrentCaller, sessions: Sessions, settings: Settings
) -> Response:
    """Change one's password and sign out everywhere else."""
    await accounts.change_password(
        sessions, settings, caller.user_id, body.current_password, body.new_password
    )
    return Response(status_code=204)


@router.get("/jwks")
async def jwks(session: Session, response: Response) -> dict[str, Any]:
    """The public keys that access tokens are signed with (RFC 7517)."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return await keys.jwks(session)


users = APIRouter(prefix="/users", tags=["users"])


@users.get("/", response_model=Page[UserRead], responses=problem_responses(Unauthorized, Forbidden))
async def list_users(
    _admin: CurrentAdmin, session: Session, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """All accounts, newest first (admin)."""
    rows = select(User).where(User.deleted_at.is_(None))
    found, next_cursor = await page_of(
        session, rows, User.created_at, User.id, limit=limit, cursor=cursor
    )
    return {"items": found, "next_cursor": next_cursor}


@users.get("/{user_id}", response_model=UserRead, responses=problem_responses(NotFound))
async def get_user(user_id: UUID, caller: CurrentCaller, session: Session) -> User:
    """One account: one's own, or any as an admin."""
    if caller.user_id != user_id and not caller.is_admin:
        raise NotFound("There is no such user.", code="user-not-found")
    return await accounts.find(session, user_id)


@users.put(
    "/{user_id}",
    response_model=UserRead,
    responses=problem_responses(NotFound, Conflict, Forbidden),
)
async def update_user(
    user_id: UUID, body: UserUpdate, caller: CurrentCaller, session: Session
) -> User:
    """Change an account: one's own, or any as an admin."""
    return await accounts.update(
        session,
        caller,
        user_id,
        email=body.email,
        current_password=body.current_password,
    )


@users.delete("/{user_id}", status_code=204, responses=problem_responses(NotFound, Conflict))
async def delete_user(user_id: UUID, caller: CurrentCaller, session: Session) -> Response:
    """Delete an account and all that it owns: one's own, or any as an admin."""
    await accounts.remove(session, caller, user_id)
    return Response(status_code=204)


@users.put(
    "/{user_id}/roles/{role}", response_model=UserRead, responses=problem_responses(NotFound)
)
async def assign_role(user_id: UUID, role: str, _admin: CurrentAdmin, session: Session) -> User:
    """Give a role (admin). It counts from the user's next refresh on."""
    return await accounts.assign_role(session, user_id, role)


@users.delete(
    "/{user_id}/roles/{role}",
    response_model=UserRead,
    responses=problem_responses(NotFound, Conflict),
)
async def take_role(user_id: UUID, role: str, _admin: CurrentAdmin, session: Session) -> User:
    """Take a role away (admin)."""
    return await accounts.take_role(session, user_id, role)


roles = APIRouter(prefix="/roles", tags=["users"])


@roles.get("/", response_model=list[RoleRead])
async def list_roles(_admin: CurrentAdmin, session: Session) -> Any:
    """The roles there are (admin)."""
    return await accounts.roles(session)
