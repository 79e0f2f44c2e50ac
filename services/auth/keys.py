"""Signing keys: made here, kept encrypted, published as JWKS (RFC 7517), rotated by command."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import timedelta
from typing import Any

import jwt
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from pydantic import SecretStr
from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.messaging.event import utc_now
from libs.common.settings import SettingsProblem
from services.auth.models import SigningKey

STILL_VERIFIES = timedelta(days=2)
"""How long a retired key stays published: longer than any access token lives."""

PrivateKey = Ed25519PrivateKey | RSAPrivateKey


def _cipher(secret: SecretStr) -> Fernet:
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"backbeat signing keys").derive(
        secret.get_secret_value().encode()
    )
    return Fernet(base64.urlsafe_b64encode(derived))


def _generate(algorithm: str) -> tuple[PrivateKey, dict[str, Any]]:
    private: PrivateKey
    if algorithm == "EdDSA":
        private = Ed25519PrivateKey.generate()
        public = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        private = generate_private_key(public_exponent=65537, key_size=3072)
        public = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return private, json.loads(json.dumps(public))


async def rotate(session: AsyncSession, secret: SecretStr, algorithm: str) -> SigningKey:
    """Make a new signing key and retire the others. Tokens that they signed stay good."""
    await session.execute(
        update(SigningKey).where(SigningKey.retired_at.is_(None)).values(retired_at=func.now())
    )
    private, public = _generate(algorithm)
    kid = secrets.token_urlsafe(12)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = SigningKey(
        kid=kid,
        algorithm=algorithm,
        public_jwk=public | {"kid": kid, "use": "sig", "alg": algorithm},
        private_encrypted=_cipher(secret).encrypt(pem).decode(),
    )
    session.add(key)
    await session.flush()
    return key


async def forget_all(session: AsyncSession) -> None:
    """Withdraw every key: no token signed so far verifies any more."""
    await session.execute(delete(SigningKey))


async def signing_key(session: AsyncSession, secret: SecretStr, algorithm: str) -> SigningKey:
    """The key that signs now; the first start makes it."""
    current = select(SigningKey).where(
        SigningKey.retired_at.is_(None), SigningKey.algorithm == algorithm
    )
    key = await session.scalar(current)
    if key is None:
        # Replicas that start at once must agree on one.
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('auth:signing-key'))"))
        key = await session.scalar(current)
    return key or await rotate(session, secret, algorithm)


def private_key(key: SigningKey, secret: SecretStr) -> PrivateKey:
    """Decrypted; SettingsProblem when AUTH_SECRET_KEY is not the one it was encrypted with."""
    try:
        pem = _cipher(secret).decrypt(key.private_encrypted.encode())
    except InvalidToken:
        raise SettingsProblem(
            "AUTH_SECRET_KEY is not the one that the signing keys in the database were encrypted "
            "with. Set the former one, or give up the old keys with `backbeat admin rotate-keys "
            "--forget` (everybody signs in again)."
        ) from None
    loaded = load_pem_private_key(pem, password=None)
    assert isinstance(loaded, Ed25519PrivateKey | RSAPrivateKey)
    return loaded


async def jwks(session: AsyncSession) -> dict[str, Any]:
    """The public keys that tokens may be signed with."""
    rows = await session.scalars(
        select(SigningKey)
        .where(
            or_(
                SigningKey.retired_at.is_(None),
                SigningKey.retired_at > utc_now() - STILL_VERIFIES,
            )
        )
        .order_by(SigningKey.created_at.desc())
    )
    return {"keys": [row.public_jwk for row in rows]}


def encode(claims: dict[str, Any], key: SigningKey, secret: SecretStr) -> str:
    """A signed token."""
    return jwt.encode(
        claims, private_key(key, secret), algorithm=key.algorithm, headers={"kid": key.kid}
    )
