"""Passwords: bcrypt over a digest, so that no length is cut (bcrypt alone reads 72 bytes)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets

import bcrypt

from libs.common.errors import Invalid

MIN_LENGTH = 8
MAX_LENGTH = 1024
COMMON = frozenset(
    """
    password password1 password123 12345678 123456789 1234567890 qwertyui qwerty123 iloveyou
    11111111 00000000 letmein1 sunshine football baseball princess drummer1 abcd1234
    """.split()  # noqa: SIM905 - a list of words reads better as words
)


def check_strength(password: str, email: str, field: str) -> None:
    """Refuse what is guessed first (NIST SP 800-63B: length and a deny list, no composition
    rules); Invalid with the reason."""
    if len(password) < MIN_LENGTH:
        raise Invalid(
            f"The password is too short: {MIN_LENGTH} characters or more.",
            code="weak-password",
            field=field,
        )
    if password.lower() in COMMON or password.lower() in (email, email.partition("@")[0]):
        raise Invalid(
            "This password is among the first that are guessed. Choose another.",
            code="weak-password",
            field=field,
        )


def _digest(password: str) -> bytes:
    # base64, since bcrypt stops at a zero byte.
    return base64.b64encode(hashlib.sha256(password.encode()).digest())


async def hash_password(password: str, rounds: int) -> str:
    """The hash to keep. In a thread: it takes a quarter of a second by design."""
    hashed = await asyncio.to_thread(bcrypt.hashpw, _digest(password), bcrypt.gensalt(rounds))
    return hashed.decode()


async def is_right(password: str, hashed: str) -> bool:
    """Whether `password` made `hashed`."""
    return await asyncio.to_thread(bcrypt.checkpw, _digest(password), hashed.encode())


_dummies: dict[int, str] = {}


async def waste_time(password: str, rounds: int) -> None:
    """Check against a hash that nothing makes, so that an unknown address takes as long as a
    wrong password."""
    if rounds not in _dummies:
        _dummies[rounds] = await hash_password(secrets.token_urlsafe(), rounds)
    await is_right(password, _dummies[rounds])
