"""Who is asking: access tokens are checked here, by every service, and issued only by auth."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

import aiohttp
import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from libs.common.errors import Forbidden, Unauthorized, Unavailable

ISSUER: Final = "backbeat"
AUDIENCE: Final = "backbeat-api"
ALGORITHMS: Final = ["EdDSA", "RS256"]
"""Asymmetric ones only: a service that can check a token must not be able to make one."""
LEEWAY_S: Final = 10
KEYS_FRESH_S: Final = 300.0
REFETCH_AT_MOST_EVERY_S: Final = 5.0
ASKED_AGAIN_AFTER_S: Final = 10.0

bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="The access token that POST /auth/login answers with.",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a valid access token."""

    user_id: UUID
    roles: frozenset[str]
    token_id: str

    @property
    def is_admin(self) -> bool:
        """Whether the admin role is among the token's."""
        return "admin" in self.roles


def digest_of(token: str) -> str:
    """What is kept of a token that is told once: SHA-256, in hex. Services tell each other of a
    token by it, so that all must make it alike."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


FetchKeys = Callable[[], Awaitable[dict[str, Any]]]


class TokenVerifier:
    """Checks signature, issuer, audience, expiry and kind against auth's published keys.

    Keys are fetched when first needed and when a token names an unknown one (rotation), the
    latter at most every few seconds, so that forged key ids cannot make us hammer auth.
    """

    def __init__(self, fetch: FetchKeys) -> None:
        self._fetch = fetch
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = -1e9
        self._lock = asyncio.Lock()

    @staticmethod
    def from_url(url: str) -> TokenVerifier:
        """Keys from a JWKS address."""

        async def fetch() -> dict[str, Any]:
            timeout = aiohttp.ClientTimeout(total=5)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url) as answer,
            ):
                answer.raise_for_status()
                document: dict[str, Any] = await answer.json()
                return document

        return TokenVerifier(fetch)

    async def _key(self, key_id: str) -> jwt.PyJWK:
        age_s = time.monotonic() - self._fetched_at
        known = self._keys.get(key_id)
        if known is not None and age_s < KEYS_FRESH_S:
            return known
        async with self._lock:
            age_s = time.monotonic() - self._fetched_at
            unknown = key_id not in self._keys
            if (unknown and age_s > REFETCH_AT_MOST_EVERY_S) or age_s > KEYS_FRESH_S:
                try:
                    document = await self._fetch()
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    # A key once fetched stays good while auth is away; it is asked again soon, but
                    # not by every request.
                    self._fetched_at = time.monotonic() - KEYS_FRESH_S + ASKED_AGAIN_AFTER_S
                    if unknown:
                        raise Unavailable(
                            "The sign-in service does not answer, so your token cannot be "
                            "checked. Try again in a moment.",
                            headers={"Retry-After": "2"},
                        ) from error
                else:
                    self._keys = {
                        key["kid"]: jwt.PyJWK(key)
                        for key in document["keys"]
                        if key.get("alg") in ALGORITHMS
                    }
                    self._fetched_at = time.monotonic()
        try:
            return self._keys[key_id]
        except KeyError:
            raise Unauthorized("The token is signed with an unknown key. Sign in again.") from None

    async def verify(self, token: str) -> Caller:
        """The caller, or Unauthorized with the reason."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
                raise Unauthorized("The token is not one of ours. Sign in again.")
            key = await self._key(header["kid"])
            claims = jwt.decode(
                token,
                key,
                algorithms=[str(key.algorithm_name)],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "sub", "iss", "aud", "jti"]},
            )
            if claims.get("use") != "access":
                raise Unauthorized("This is not an access token.")
            return Caller(
                user_id=UUID(claims["sub"]),
                roles=frozenset(str(role) for role in claims.get("roles", [])),
                token_id=str(claims["jti"]),
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized(
                "The token has expired. Refresh it at POST /auth/refresh or sign in again.",
                code="token-expired",
            ) from error
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Unauthorized("The token is not valid. Sign in again.") from error


async def current_caller(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """A route's caller; 401 without a valid token."""
    if credentials is None:
        raise Unauthorized(
            "Sign in first: send the access token as `Authorization: Bearer …`.",
        )
    verifier: TokenVerifier = request.app.state.verifier
    caller = await verifier.verify(credentials.credentials)
    request.state.user_id = caller.user_id
    return caller


CurrentCaller = Annotated[Caller, Depends(current_caller)]


async def current_admin(caller: CurrentCaller) -> Caller:
    """A route's caller, who must be an admin."""
    if not caller.is_admin:
        raise Forbidden("Only an admin may do this.")
    return caller


CurrentAdmin = Annotated[Caller, Depends(current_admin)]
