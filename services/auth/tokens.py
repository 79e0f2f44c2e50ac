"""Signing in and staying so: short access tokens, rotating refresh tokens (RFC 9700, 4.14)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker
from libs.common.errors import TooManyRequests, Unauthorized
from libs.common.messaging.event import utc_now
from libs.common.tokens import AUDIENCE, ISSUER, digest_of
from services.auth import keys, passwords
from services.auth.models import FailedLogin, RefreshToken, User
from services.auth.settings import AuthSettings

WINDOW = timedelta(minutes=15)
FAILURES_PER_ADDRESS = 10
"""Wrong passwords from one address for one account within the window."""
FAILURES_PER_ACCOUNT = 100
"""From anywhere. Much higher, so that a stranger cannot lock somebody out with ten tries."""
COOKIE_LEEWAY = timedelta(seconds=30)
"""A browser whose answer was lost on the way, or whose tabs refresh at once, sends its cookie's
token again this soon, and is believed: the cookie is out of scripts' reach."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What signing in gives."""

    access_token: str
    refresh_token: str
    expires_in_s: int


async def _issue(
    session: AsyncSession, settings: AuthSettings, user: User, family_id: UUID, now: datetime
) -> Tokens:
    key = await keys.signing_key(session, settings.secret_key, settings.algorithm)
    lifetime = timedelta(minutes=settings.access_token_expire_minutes)
    access = keys.encode(
        {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user.id),
            "jti": uuid4().hex,
            "iat": now,
            "exp": now + lifetime,
            "use": "access",
            "roles": [role.name for role in user.roles],
        },
        key,
        settings.secret_key,
    )
    refresh = "rt_" + secrets.token_urlsafe(32)
    session.add(
        RefreshToken(
            family_id=family_id,
            user_id=user.id,
            token_hash=digest_of(refresh),
            expires_at=now + timedelta(days=settings.refresh_token_expire_days),
        )
    )
    return Tokens(access, refresh, int(lifetime.total_seconds()))


async def _throttle(session: AsyncSession, email: str, address: str) -> None:
    since = utc_now() - WINDOW
    recent = select(func.count()).where(FailedLogin.email == email, FailedLogin.at > since)
    here = await session.scalar(recent.where(FailedLogin.address == address)) or 0
    anywhere = await session.scalar(recent) or 0
    if here >= FAILURES_PER_ADDRESS or anywhere >= FAILURES_PER_ACCOUNT:
        raise TooManyRequests(
            "Too many wrong passwords for this account. Wait a quarter of an hour.",
            code="login-throttled",
            headers={"Retry-After": str(int(WINDOW.total_seconds()))},
        )


async def sign_in(
    sessions: SessionMaker,
    settings: AuthSettings,
    email: str,
    password: str,
    address: str,
    *,
    instead_of: str | None = None,
) -> Tokens:
    """Tokens for the right password. Which of address and password was wrong is not told. The
    family of the refresh token `instead_of`, whosever it is, ends with it."""
    email = email.lower()
    async with sessions() as session:
        await _throttle(session, email, address)
        user = await session.scalar(
            select(User).where(User.email == email, User.deleted_at.is_(None))
        )
    if user is None:
        await passwords.waste_time(password, settings.bcrypt_rounds)
        right = False
    else:
        right = await passwords.is_right(password, user.password_hash)
    async with sessions.begin() as session:
        if right and user is not None:
            if instead_of:
                await sign_out(session, instead_of)
            return await _issue(session, settings, user, uuid4(), utc_now())
        session.add(FailedLogin(email=email, address=address))
        await session.execute(
            delete(FailedLogin).where(FailedLogin.at < utc_now() - timedelta(days=1))
        )
    raise Unauthorized("The address or the password is not right.", code="wrong-credentials")


async def refresh(
    sessions: SessionMaker,
    settings: AuthSettings,
    token: str,
    *,
    leeway: timedelta = timedelta(0),
) -> Tokens:
    """New tokens for a refresh token, which is thereby used up. One that comes a second time,
    later than `leeway` after the first, was stolen or lost: the whole family ends, whoever holds
    it."""
    reused = False
    async with sessions.begin() as session:
        user_id = await session.scalar(
            select(RefreshToken.user_id).where(RefreshToken.token_hash == digest_of(token))
        )
        if user_id is not None:
            await _take_turn(session, user_id)
        row = await session.scalar(
            select(RefreshToken)
            .where(RefreshToken.token_hash == digest_of(token))
            .with_for_update()
        )
        now = utc_now()
        if row is not None and row.revoked_at is None and row.expires_at > now:
            if row.used_at is None or now - row.used_at < leeway:
                user = await session.scalar(
                    select(User).where(User.id == row.user_id, User.deleted_at.is_(None))
                )
                if user is not None:
                    row.used_at = row.used_at or now
                    return await _issue(session, settings, user, row.family_id, now)
            else:
                reused = True
                await _revoke_family(session, row.family_id)
    if reused:
        raise Unauthorized(
            "This refresh token was used before. For safety its session has ended; sign in again.",
            code="refresh-token-reused",
        )
    raise Unauthorized(
        "The refresh token is not valid any more. Sign in again.", code="refresh-token-invalid"
    )


async def _take_turn(session: AsyncSession, user_id: UUID) -> None:
    """Before a user's refresh tokens are read to be followed or revoked, till the transaction's
    end: a revocation does not see the successor that a refresh has not yet committed."""
    await session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"auth:refresh:{user_id}", 0)))
    )


async def _revoke_family(session: AsyncSession, family_id: UUID) -> None:
    await session.execute(
        update(RefreshToken)
        .where(RefreshToken.family_id == family_id, RefreshToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )


async def sign_out(session: AsyncSession, token: str) -> None:
    """End the token's family; fine when there is none."""
    found = await session.execute(
        select(RefreshToken.user_id, RefreshToken.family_id).where(
            RefreshToken.token_hash == digest_of(token)
        )
    )
    row = found.one_or_none()
    if row is not None:
        await _take_turn(session, row.user_id)
        await _revoke_family(session, row.family_id)


async def revoke_all(session: AsyncSession, user_id: UUID) -> None:
    """End every session of a user."""
    await _take_turn(session, user_id)
    await session.execute(
        update(RefreshToken)
        .where(RefreshToken.user_id == user_id, RefreshToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )


async def purge(sessions: SessionMaker) -> None:
    """Forget refresh tokens that expired over a month ago."""
    async with sessions.begin() as session:
        await session.execute(
            delete(RefreshToken).where(RefreshToken.expires_at < utc_now() - timedelta(days=30))
        )
