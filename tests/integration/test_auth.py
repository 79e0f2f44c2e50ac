"""Accounts over HTTP, on a real database."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr
from sqlalchemy import func, select, update

from libs.common.database import SessionMaker
from libs.common.events import UserDeleted, UserRegistered
from libs.common.messaging.outbox import OutboxMessage
from libs.common.service import bind, serving
from libs.common.settings import SettingsProblem
from libs.common.tokens import AUDIENCE, ISSUER, TokenVerifier
from services.auth import accounts, keys, tokens
from services.auth.models import RefreshToken, User
from services.auth.settings import AuthSettings
from services.auth.wiring import build
from tests.conftest import SessionsOf

SECRET = "u0Qe9m-Vw3sKx7RzB4nTfLpYc1GdHj6AiOqEr8XkWv5"
PASSWORD = "a long phrase of mine"
PROBLEM = "application/problem+json"


class Away:
    """A transport that is not there: auth needs none to answer."""

    async def start(self) -> None: ...

    async def publish(self, messages: Any) -> None:
        raise ConnectionError

    async def publish_transient(self, message: Any) -> None: ...

    async def consume(self, consumers: Any) -> None: ...

    async def ready(self) -> bool:
        return True

    async def close(self) -> None: ...


def settings_for(database_url: str, **more: Any) -> AuthSettings:
    values = {
        "database_url": database_url,
        "broker_url": "amqp://127.0.0.1:1/",
        "secret_key": SecretStr(SECRET),
        "bcrypt_rounds": 4,
    }
    return AuthSettings(_env_file=None, **(values | more))


Start = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def start(
    database_url: str, sessions: SessionsOf, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> AsyncIterator[Start]:
    """Starts auth as its process does, on a free port; a client for it."""
    sessions("auth")
    monkeypatch.chdir(tmp_path)
    stops: list[Callable[[], Awaitable[Any]]] = []

    async def begin(**more: Any) -> httpx.AsyncClient:
        running = await build(settings_for(database_url, **more), transport=Away())  # type: ignore[arg-type]
        # Events stay in the outbox, where tests read them.
        running.background = running.background[1:]
        listening = bind("127.0.0.1", 0)
        service = serving(running, listening)
        await service.__aenter__()
        port = listening.getsockname()[1]
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        stops.append(lambda: service.__aexit__(None, None, None))
        stops.append(client.aclose)
        return client

    yield begin
    for stop in reversed(stops):
        await stop()


@pytest.fixture
async def client(start: Start) -> httpx.AsyncClient:
    return await start()


@pytest.fixture
def auth(sessions: SessionsOf) -> SessionMaker:
    return sessions("auth")


async def registered(client: httpx.AsyncClient, email: str) -> dict[str, Any]:
    answer = await client.post("/auth/register", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    user: dict[str, Any] = answer.json()
    return user


async def signed_in(
    client: httpx.AsyncClient, email: str, password: str = PASSWORD
) -> dict[str, Any]:
    answer = await client.post("/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    given: dict[str, Any] = answer.json()
    return given


def bearer(given: dict[str, Any] | str) -> dict[str, str]:
    token = given if isinstance(given, str) else given["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def admin(client: httpx.AsyncClient, sessions: SessionMaker) -> tuple[str, dict[str, str]]:
    user = await registered(client, "admin@example.com")
    async with sessions.begin() as session:
        await accounts.assign_role(session, UUID(user["id"]), "admin")
    return user["id"], bearer(await signed_in(client, "admin@example.com"))


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"https://backbeat.dev/problems/{code}"
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


# Accounts


async def test_a_new_account_is_a_user_and_is_told_of(
    client: httpx.AsyncClient, auth: SessionMaker
) -> None:
    user = await registered(client, "Ringo@Example.com")
    assert (user["email"], user["roles"]) == ("ringo@example.com", ["user"])
    assert set(user) == {"id", "email", "roles", "created_at", "updated_at"}
    async with auth() as session:
        [told] = (await session.scalars(select(OutboxMessage))).all()
        kept = await session.scalar(select(User.password_hash))
    assert (told.type, told.subject) == (UserRegistered.type, user["id"])
    assert b"ringo" not in told.body
    assert kept is not None
    assert PASSWORD not in kept


async def test_an_address_is_taken_once_whatever_its_case(client: httpx.AsyncClient) -> None:
    await registered(client, "ringo@example.com")
    again = {"email": "RINGO@example.com", "password": PASSWORD}
    assert_problem(await client.post("/auth/register", json=again), 409, "email-taken")


async def test_of_ten_registrations_at_once_one_wins(client: httpx.AsyncClient) -> None:
    body = {"email": "ringo@example.com", "password": PASSWORD}
    answers = await asyncio.gather(*(client.post("/auth/register", json=body) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9


@pytest.mark.parametrize("password", ["short", "password123", "ringo@example.com", "1234567890"])
async def test_a_guessable_password_is_refused(client: httpx.AsyncClient, password: str) -> None:
    body = {"email": "ringo@example.com", "password": password}
    problem = assert_problem(await client.post("/auth/register", json=body), 422, "weak-password")
    assert problem["errors"][0]["field"] == "body.password"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "ringo@example.com"},
        {"email": "ringo", "password": PASSWORD},
        {"email": "a\x00b@example.com", "password": PASSWORD},
        {"email": "ringo@example.com", "password": "x" * 1025},
        {"email": "ringo@example.com", "password": 12345678},
        {"email": "ringo@example.com", "password": "\ud800" * 10},
        {"email": "x" * 300 + "@example.com", "password": PASSWORD},
        [],
        "text",
        None,
    ],
)
async def test_a_registration_that_is_none_is_a_422(client: httpx.AsyncClient, body: Any) -> None:
    content = json.dumps(body)
    answer = await client.post(
        "/auth/register", content=content, headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 422, "invalid")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b""])
async def test_a_body_that_is_no_json_is_told_so(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post(
        "/auth/login", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == PROBLEM


async def test_a_body_over_the_limit_is_a_413_declared_or_not(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b" " * 1_000_000

    json_type = {"Content-Type": "application/json"}
    declared = await client.post("/auth/login", content=b" " * 10_000_001, headers=json_type)
    assert_problem(declared, 413, "too-large")
    chunked = await client.post("/auth/login", content=endless(), headers=json_type)
    assert_problem(chunked, 413, "too-large")


async def test_passwords_that_differ_only_after_72_bytes_differ(
    client: httpx.AsyncClient,
) -> None:
    long = "é" * 36 + "end"
    body = {"email": "ringo@example.com", "password": long}
    assert (await client.post("/auth/register", json=body)).status_code == 201
    await signed_in(client, "ringo@example.com", long)
    other = await client.post("/auth/login", json=body | {"password": "é" * 36 + "END"})
    assert_problem(other, 401, "wrong-credentials")


async def test_a_password_may_hold_any_character(client: httpx.AsyncClient) -> None:
    body = {"email": "ringo@example.com", "password": "with\x00nul and 🥁"}
    assert (await client.post("/auth/register", json=body)).status_code == 201
    await signed_in(client, body["email"], body["password"])
    cut = await client.post("/auth/login", json=body | {"password": "with"})
    assert_problem(cut, 401, "wrong-credentials")


# Signing in


async def test_who_signs_in_can_ask_who_they_are(client: httpx.AsyncClient) -> None:
    user = await registered(client, "ringo@example.com")
    given = await signed_in(client, "Ringo@example.com")
    assert (given["token_type"], given["expires_in"]) == ("bearer", 1800)
    answer = await client.get("/auth/me", headers=bearer(given))
    assert (answer.status_code, answer.json()) == (200, user)


async def test_a_wrong_password_and_an_unknown_address_answer_alike(
    client: httpx.AsyncClient,
) -> None:
    await registered(client, "ringo@example.com")
    bodies = []
    for email in ("ringo@example.com", "nobody@example.com"):
        answer = await client.post("/auth/login", json={"email": email, "password": "wrong one"})
        problem = assert_problem(answer, 401, "wrong-credentials")
        assert answer.headers["www-authenticate"] == "Bearer"
        del problem["request_id"]
        bodies.append(problem)
    assert bodies[0] == bodies[1]


async def test_after_ten_wrong_passwords_the_right_one_has_to_wait(
    client: httpx.AsyncClient,
) -> None:
    await registered(client, "ringo@example.com")
    wrong = {"email": "ringo@example.com", "password": "wrong one"}
    for _ in range(tokens.FAILURES_PER_ADDRESS):
        assert_problem(await client.post("/auth/login", json=wrong), 401, "wrong-credentials")
    right = wrong | {"password": PASSWORD}
    answer = await client.post("/auth/login", json=right)
    assert_problem(answer, 429, "login-throttled")
    assert answer.headers["retry-after"] == "900"
    # From elsewhere its owner still comes in, and others are not touched.
    elsewhere = {"X-Forwarded-For": "198.51.100.7"}
    assert (await client.post("/auth/login", json=right, headers=elsewhere)).status_code == 200
    await registered(client, "charlie@example.com")
    await signed_in(client, "charlie@example.com")


async def test_a_refresh_token_gives_new_tokens_once(client: httpx.AsyncClient) -> None:
    await registered(client, "ringo@example.com")
    first = await signed_in(client, "ringo@example.com")
    answer = await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    second = answer.json()
    assert answer.status_code == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert (await client.get("/auth/me", headers=bearer(second))).status_code == 200


async def test_a_refresh_token_used_twice_ends_its_family_and_no_other(
    client: httpx.AsyncClient,
) -> None:
    await registered(client, "ringo@example.com")
    stolen = await signed_in(client, "ringo@example.com")
    other = await signed_in(client, "ringo@example.com")

    async def refresh(token: str) -> httpx.Response:
        return await client.post("/auth/refresh", json={"refresh_token": token})

    successor = (await refresh(stolen["refresh_token"])).json()
    assert_problem(await refresh(stolen["refresh_token"]), 401, "refresh-token-reused")
    assert_problem(await refresh(successor["refresh_token"]), 401, "refresh-token-invalid")
    assert (await refresh(other["refresh_token"])).status_code == 200


async def with_cookie(client: httpx.AsyncClient, **headers: str) -> tuple[dict[str, Any], str]:
    """Sign in as a web page does: the answer, and its cookie as the browser is told of it."""
    credentials = {"email": "ringo@example.com", "password": PASSWORD, "cookie": True}
    answer = await client.post("/auth/login", json=credentials, headers=headers)
    assert answer.status_code == 200
    client.cookies.clear()
    return answer.json(), answer.headers["set-cookie"]


def sent_back(cookie: str) -> dict[str, str]:
    """The header that a browser makes of a cookie."""
    return {"Cookie": cookie.split(";", maxsplit=1)[0]}


async def test_a_web_pages_refresh_token_is_in_a_cookie_that_no_script_reads(
    client: httpx.AsyncClient,
) -> None:
    await registered(client, "ringo@example.com")
    given, cookie = await with_cookie(client)
    assert given["refresh_token"] == ""
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/auth"} <= parts
    assert "secure" not in parts
    _, on_https = await with_cookie(client, **{"X-Forwarded-Proto": "https"})
    assert "Secure" in on_https
    answer = await client.post("/auth/refresh", headers=sent_back(cookie))
    assert answer.status_code == 200
    assert answer.json()["refresh_token"] == ""
    assert answer.headers["set-cookie"].split(";")[0] != cookie.split(";")[0]
    assert (await client.get("/auth/me", headers=bearer(answer.json()))).status_code == 200


async def test_a_cookies_answer_that_was_lost_is_given_again_for_a_moment(
    client: httpx.AsyncClient, auth: SessionMaker
) -> None:
    await registered(client, "ringo@example.com")
    _, cookie = await with_cookie(client)
    for _ in range(2):
        assert (await client.post("/auth/refresh", headers=sent_back(cookie))).status_code == 200
        client.cookies.clear()
    # As a token in a body it gets no such grace: a program keeps what it is given.
    body = {"refresh_token": cookie.split(";")[0].partition("=")[2]}
    async with auth.begin() as session:
        used = RefreshToken.used_at.is_not(None)
        await session.execute(
            update(RefreshToken)
            .where(used)
            .values(used_at=RefreshToken.used_at - tokens.COOKIE_LEEWAY)
        )
    late = await client.post("/auth/refresh", headers=sent_back(cookie))
    assert_problem(late, 401, "refresh-token-reused")
    answer = await client.post("/auth/refresh", json=body)
    assert_problem(answer, 401, "refresh-token-invalid")


async def test_signing_out_by_cookie_ends_the_session_and_takes_the_cookie_back(
    client: httpx.AsyncClient,
) -> None:
    await registered(client, "ringo@example.com")
    _, cookie = await with_cookie(client)
    out = await client.post("/auth/logout", headers=sent_back(cookie))
    assert out.status_code == 204
    assert 'backbeat_session=""' in out.headers["set-cookie"]
    client.cookies.clear()
    gone = await client.post("/auth/refresh", headers=sent_back(cookie))
    assert_problem(gone, 401, "refresh-token-invalid")
    assert_problem(await client.post("/auth/refresh"), 401, "refresh-token-missing")
    # Signing out without having been in is fine.
    assert (await client.post("/auth/logout")).status_code == 204


async def test_signing_in_ends_the_session_that_the_browser_still_holds(
    client: httpx.AsyncClient,
) -> None:
    await registered(client, "ringo@example.com")
    await registered(client, "paul@example.com")
    _, left = await with_cookie(client)
    _, other = await with_cookie(client)

    async def status_of(cookie: str) -> int:
        answer = await client.post("/auth/refresh", headers=sent_back(cookie))
        client.cookies.clear()
        return answer.status_code

    paul = {"email": "paul@example.com", "password": PASSWORD, "cookie": True}
    for body, status in ((paul | {"password": "wrong one"}, 401), (paul | {"cookie": False}, 200)):
        answer = await client.post("/auth/login", json=body, headers=sent_back(left))
        assert answer.status_code == status
        assert await status_of(left) == 200
    answer = await client.post("/auth/login", json=paul, headers=sent_back(left))
    assert answer.status_code == 200
    client.cookies.clear()
    assert [await status_of(left), await status_of(other)] == [401, 200]
    assert await status_of(answer.headers["set-cookie"]) == 200
    for odd in ("backbeat_session=gone", "backbeat_session=", f"backbeat_session={'x' * 300}"):
        answer = await client.post("/auth/login", json=paul, headers={"Cookie": odd})
        assert answer.status_code == 200
        client.cookies.clear()


@pytest.mark.parametrize("everywhere", [False, True])
async def test_after_signing_out_no_successor_lives_that_a_refresh_was_just_making(
    client: httpx.AsyncClient,
    auth: SessionMaker,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    everywhere: bool,
) -> None:
    user = await registered(client, "ringo@example.com")
    token = (await signed_in(client, "ringo@example.com"))["refresh_token"]
    issue, making, go_on = tokens._issue, asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any) -> tokens.Tokens:
        made = await issue(*args)
        making.set()
        await go_on.wait()
        return made

    async def sign_out() -> None:
        async with auth.begin() as session:
            if everywhere:
                await tokens.revoke_all(session, UUID(user["id"]))
            else:
                await tokens.sign_out(session, token)

    monkeypatch.setattr(tokens, "_issue", slowly)
    refreshing = asyncio.create_task(tokens.refresh(auth, settings_for(database_url), token))
    await making.wait()
    leaving = asyncio.create_task(sign_out())
    await asyncio.sleep(0.3)
    go_on.set()
    made = await refreshing
    await leaving
    async with auth() as session:
        revoked = await session.scalars(
            select(RefreshToken.revoked_at).where(RefreshToken.user_id == UUID(user["id"]))
        )
        assert [moment is not None for moment in revoked] == [True, True]
    answer = await client.post("/auth/refresh", json={"refresh_token": made.refresh_token})
    assert_problem(answer, 401, "refresh-token-invalid")


async def test_of_two_refreshes_at_once_at_most_one_gives_tokens(
    client: httpx.AsyncClient,
) -> None:
    await registered(client, "ringo@example.com")
    body = {"refresh_token": (await signed_in(client, "ringo@example.com"))["refresh_token"]}
    answers = await asyncio.gather(*(client.post("/auth/refresh", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


@pytest.mark.parametrize("token", ["rt_unknown", "\x00", "x" * 200])
async def test_an_unknown_refresh_token_is_a_401(client: httpx.AsyncClient, token: str) -> None:
    answer = await client.post("/auth/refresh", json={"refresh_token": token})
    assert_problem(answer, 401, "refresh-token-invalid")


async def test_an_expired_refresh_token_is_a_401(
    client: httpx.AsyncClient, auth: SessionMaker
) -> None:
    await registered(client, "ringo@example.com")
    given = await signed_in(client, "ringo@example.com")
    async with auth.begin() as session:
        await session.execute(
            update(RefreshToken).values(expires_at=func.now() - timedelta(seconds=1))
        )
    answer = await client.post("/auth/refresh", json={"refresh_token": given["refresh_token"]})
    assert_problem(answer, 401, "refresh-token-invalid")


async def test_signing_out_ends_the_session(client: httpx.AsyncClient) -> None:
    await registered(client, "ringo@example.com")
    body = {"refresh_token": (await signed_in(client, "ringo@example.com"))["refresh_token"]}
    for _ in range(2):
        assert (await client.post("/auth/logout", json=body)).status_code == 204
    assert_problem(await client.post("/auth/refresh", json=body), 401, "refresh-token-invalid")


async def test_a_changed_password_ends_every_session(client: httpx.AsyncClient) -> None:
    await registered(client, "ringo@example.com")
    given = await signed_in(client, "ringo@example.com")

    async def change(old: str, new: str) -> httpx.Response:
        return await client.post(
            "/auth/change-password",
            json={"current_password": old, "new_password": new},
            headers=bearer(given),
        )

    assert_problem(await change("not it at all", "another phrase"), 403, "wrong-password")
    assert_problem(await change(PASSWORD, "short"), 422, "weak-password")
    assert (await change(PASSWORD, "another phrase")).status_code == 204
    refresh = {"refresh_token": given["refresh_token"]}
    assert_problem(await client.post("/auth/refresh", json=refresh), 401, "refresh-token-invalid")
    old = {"email": "ringo@example.com", "password": PASSWORD}
    assert_problem(await client.post("/auth/login", json=old), 401, "wrong-credentials")
    await signed_in(client, "ringo@example.com", "another phrase")


# Tokens and keys


async def test_the_published_keys_verify_the_tokens_and_hold_nothing_private(
    client: httpx.AsyncClient,
) -> None:
    user = await registered(client, "ringo@example.com")
    given = await signed_in(client, "ringo@example.com")
    document = (await client.get("/auth/jwks")).json()
    [key] = document["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
    claims = jwt.decode(
        given["access_token"],
        jwt.PyJWK(key),
        algorithms=["EdDSA"],
        audience=AUDIENCE,
        issuer=ISSUER,
    )
    assert (claims["sub"], claims["roles"], claims["use"]) == (user["id"], ["user"], "access")
    assert claims["exp"] - claims["iat"] == 1800
    verifier = TokenVerifier.from_url(f"{client.base_url}/auth/jwks")
    assert str((await verifier.verify(given["access_token"])).user_id) == user["id"]


async def test_rs256_can_be_chosen(start: Start) -> None:
    client = await start(algorithm="RS256")
    await registered(client, "ringo@example.com")
    given = await signed_in(client, "ringo@example.com")
    assert jwt.get_unverified_header(given["access_token"])["alg"] == "RS256"
    [key] = (await client.get("/auth/jwks")).json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg", "key_ops"} - (
        set() if "key_ops" in key else {"key_ops"}
    )
    assert (await client.get("/auth/me", headers=bearer(given))).status_code == 200


async def test_tokens_signed_before_a_key_rotation_stay_good(
    client: httpx.AsyncClient, auth: SessionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.common.tokens.REFETCH_AT_MOST_EVERY_S", 0.0)
    await registered(client, "ringo@example.com")
    before = await signed_in(client, "ringo@example.com")
    assert (await client.get("/auth/me", headers=bearer(before))).status_code == 200
    async with auth.begin() as session:
        await keys.rotate(session, SecretStr(SECRET), "EdDSA")
    after = await signed_in(client, "ringo@example.com")
    kids = [jwt.get_unverified_header(x["access_token"])["kid"] for x in (before, after)]
    assert kids[0] != kids[1]
    published = {key["kid"] for key in (await client.get("/auth/jwks")).json()["keys"]}
    assert published == set(kids)
    for given in (before, after):
        assert (await client.get("/auth/me", headers=bearer(given))).status_code == 200


async def test_replicas_that_start_at_once_agree_on_one_key(start: Start) -> None:
    clients = await asyncio.gather(*(start() for _ in range(3)))
    found = [(await client.get("/auth/jwks")).json() for client in clients]
    assert len(found[0]["keys"]) == 1
    assert found[0] == found[1] == found[2]


async def test_another_secret_than_the_keys_were_kept_with_stops_the_start(
    start: Start, database_url: str
) -> None:
    await start()
    with pytest.raises(SettingsProblem, match="AUTH_SECRET_KEY is not the one"):
        await start(secret_key=SecretStr("Zk2-another-4xTq9LwPm7vBn3RcYs8HdGf6JaUe1"))


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def test_forged_expired_and_foreign_tokens_are_refused(
    client: httpx.AsyncClient, auth: SessionMaker
) -> None:
    user = await registered(client, "ringo@example.com")
    given = await signed_in(client, "ringo@example.com")
    async with auth() as session:
        key = await keys.signing_key(session, SecretStr(SECRET), "EdDSA")
    private = keys.private_key(key, SecretStr(SECRET))
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user["id"],
        "jti": "1",
        "iat": now,
        "exp": now + 60,
        "use": "access",
        "roles": ["admin"],
    }
    head = {"alg": "EdDSA", "typ": "JWT", "kid": key.kid}
    stranger = Ed25519PrivateKey.generate()

    def signed(claims: dict[str, Any], with_key: Any = private, **header: Any) -> str:
        return jwt.encode(claims, with_key, "EdDSA", headers={"kid": key.kid} | header)

    payload, signature = given["access_token"].split(".")[1:]
    refused = {
        "alg none": f"{part(head | {'alg': 'none'})}.{part(good)}.",
        "alg None": f"{part(head | {'alg': 'None'})}.{part(good)}.{signature}",
        "hmac with the public key": jwt.encode(
            good, key.public_jwk["x"] * 2, "HS256", headers={"kid": key.kid}
        ),
        "another's signature": signed(good, stranger),
        "changed claims": f"{part(head)}.{part(good)}.{signature}",
        "unknown key": signed(good, stranger, kid="unknown"),
        "no key id": jwt.encode(good, stranger, "EdDSA"),
        "wrong audience": signed(good | {"aud": "elsewhere"}),
        "wrong issuer": signed(good | {"iss": "elsewhere"}),
        "refresh use": signed(good | {"use": "refresh"}),
        "no use": signed({k: v for k, v in good.items() if k != "use"}),
        "no expiry": signed({k: v for k, v in good.items() if k != "exp"}),
        "not yet": signed(good | {"iat": now + 600, "nbf": now + 600}),
        "no id": signed(good | {"sub": "root"}),
        "roles no list": signed(good | {"roles": 7}),
        "cut": given["access_token"][:-5],
        "a refresh token": given["refresh_token"],
        "no token": "x",
        "empty parts": "..",
        "payload only": payload,
    }
    for name, token in refused.items():
        answer = await client.get("/auth/me", headers=bearer(token))
        assert answer.status_code == 401, name
        assert_problem(answer, 401, "unauthorized")
    expired = signed(good | {"iat": now - 120, "exp": now - 60})
    assert_problem(await client.get("/auth/me", headers=bearer(expired)), 401, "token-expired")
    assert (await client.get("/auth/me", headers=bearer(signed(good)))).status_code == 200


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "x"}])
async def test_without_a_token_one_is_asked_to_sign_in(
    client: httpx.AsyncClient, header: dict[str, str]
) -> None:
    answer = await client.get("/auth/me", headers=header)
    assert_problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


# Users and roles


async def test_admins_page_through_all_users_newest_first(
    client: httpx.AsyncClient, auth: SessionMaker
) -> None:
    admin_id, headers = await admin(client, auth)
    ids = [admin_id] + [(await registered(client, f"u{n}@example.com"))["id"] for n in range(6)]
    found: list[str] = []
    params: dict[str, Any] = {"limit": 3}
    for size in (3, 3, 1):
        page = (await client.get("/users/", params=params, headers=headers)).json()
        assert len(page["items"]) == size
        found += [user["id"] for user in page["items"]]
        params["cursor"] = page["next_cursor"]
    assert params["cursor"] is None
    assert found == ids[::-1]
    # A missing slash is served too.
    assert (await client.get("/users", headers=headers)).status_code == 200


async def test_only_admins_see_and_change_others(
    client: httpx.AsyncClient, auth: SessionMaker
) -> None:
    admin_id, headers = await admin(client, auth)
    user = await registered(client, "ringo@example.com")
    own = bearer(await signed_in(client, "ringo@example.com"))
    assert_problem(await client.get("/users/", headers=own), 403, "forbidden")
    assert_problem(await client.get("/roles/", headers=own), 403, "forbidden")
    assert_problem(await client.get(f"/users/{admin_id}", headers=own), 404, "user-not-found")
    assert_problem(
        await client.put(f"/users/{admin_id}", json={}, headers=own), 404, "user-not-found"
    )
    assert_problem(await client.delete(f"/users/{admin_id}", headers=own), 404, "user-not-found")
    promote = await client.put(f"/users/{user['id']}/roles/admin", headers=own)
    assert_problem(promote, 403, "forbidden")
    assert (await client.get(f"/users/{user['id']}", headers=own)).json() == user
    assert (await client.get(f"/users/{user['id']}", headers=headers)).json() == user


async def test_changing_ones_address_takes_the_password(
    client: httpx.AsyncClient, auth: SessionMaker
) -> None:
    _, headers = await admin(client, auth)
    user = await registered(client, "ringo@example.com")
    own = bearer(await signed_in(client, "ringo@example.com"))
    url = f"/users/{user['id']}"
    change = {"email": "Starr@example.com"}
    assert_problem(await client.put(url, json=change, headers=own), 422, "invalid")
    wrong = change | {"current_password": "wrong one"}
    assert_problem(await client.put(url, json=wrong, headers=own), 403, "wrong-password")
    answer = await client.put(url, json=change | {"current_password": PASSWORD}, headers=own)
    assert (answer.status_code, answer.json()["email"]) == (200, "starr@example.com")
    assert answer.json()["updated_at"] > user["updated_at"]
    await signed_in(client, "starr@example.com")
    by_admin = await client.put(url, json={"email": "rs@example.com"}, headers=headers)
    assert by_admin.json()["email"] == "rs@example.com"
    taken = await client.put(url, json={"email": "admin@example.com"}, headers=headers)
    assert_problem(taken, 409, "email-taken")


async def test_a_deleted_account_is_gone_told_of_and_its_address_free(
    client: httpx.AsyncClient, auth: SessionMaker
) -> None:
    user = await registered(client, "ringo@example.com")
    given = await signed_in(client, "ringo@example.com")
    assert (await client.delete(f"/users/{user['id']}", headers=bearer(given))).status_code == 204
    login = {"email": "ringo@example.com", "password": PASSWORD}
    assert_problem(await client.post("/auth/login", json=login), 401, "wrong-credentials")
    refresh = {"refresh_token": given["refresh_token"]}
    assert_problem(await client.post("/auth/refresh", json=refresh), 401, "refresh-token-invalid")
    assert_problem(await client.get("/auth/me", headers=bearer(given)), 404, "user-not-found")
    again = await registered(client, "ringo@example.com")
    assert again["id"] != user["id"]
    async with auth() as session:
        rows = await session.execute(
            select(OutboxMessage.type, OutboxMessage.subject).order_by(OutboxMessage.position)
        )
        assert [tuple(row) for row in rows] == [
            (UserRegistered.type, user["id"]),
            (UserDeleted.type, user["id"]),
            (UserRegistered.type, again["id"]),
        ]
        deleted = select(User.deleted_at).where(User.id == UUID(user["id"]))
        assert await session.scalar(deleted) is not None


async def test_roles_are_given_and_taken_and_show_in_the_next_token(
    client: httpx.AsyncClient, auth: SessionMaker
) -> None:
    _, headers = await admin(client, auth)
    user = await registered(client, "ringo@example.com")
    given = await signed_in(client, "ringo@example.com")
    names = [role["name"] for role in (await client.get("/roles/", headers=headers)).json()]
    assert names == ["admin", "premium", "user"]
    url = f"/users/{user['id']}/roles"
    for _ in range(2):
        answer = await client.put(f"{url}/premium", headers=headers)
        assert (answer.status_code, answer.json()["roles"]) == (200, ["premium", "user"])
    refreshed = await client.post("/auth/refresh", json={"refresh_token": given["refresh_token"]})
    claims = jwt.decode(refreshed.json()["access_token"], options={"verify_signature": False})
    assert claims["roles"] == ["premium", "user"]
    for _ in range(2):
        answer = await client.delete(f"{url}/premium", headers=headers)
        assert (answer.status_code, answer.json()["roles"]) == (200, ["user"])
    assert_problem(await client.put(f"{url}/king", headers=headers), 404, "not-found")
    nobody = await client.put(f"/users/{uuid4()}/roles/premium", headers=headers)
    assert_problem(nobody, 404, "user-not-found")


async def test_the_last_admin_stays(client: httpx.AsyncClient, auth: SessionMaker) -> None:
    admin_id, headers = await admin(client, auth)
    url = f"/users/{admin_id}"
    assert_problem(await client.delete(url, headers=headers), 409, "last-admin")
    assert_problem(await client.delete(f"{url}/roles/admin", headers=headers), 409, "last-admin")
    second = await registered(client, "second@example.com")
    await client.put(f"/users/{second['id']}/roles/admin", headers=headers)
    assert (await client.delete(url, headers=headers)).status_code == 204
    own = bearer(await signed_in(client, "second@example.com"))
    assert_problem(await client.delete(f"/users/{second['id']}", headers=own), 409, "last-admin")


async def test_two_admins_who_leave_at_once_leave_one_behind(
    client: httpx.AsyncClient, auth: SessionMaker
) -> None:
    first_id, first = await admin(client, auth)
    second = await registered(client, "second@example.com")
    await client.put(f"/users/{second['id']}/roles/admin", headers=first)
    own = bearer(await signed_in(client, "second@example.com"))
    answers = await asyncio.gather(
        client.delete(f"/users/{first_id}", headers=first),
        client.delete(f"/users/{second['id']}", headers=own),
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_the_first_user_is_admin_where_that_is_set(start: Start) -> None:
    client = await start(first_user_is_admin=True)
    assert (await registered(client, "first@example.com"))["roles"] == ["admin", "user"]
    assert (await registered(client, "second@example.com"))["roles"] == ["user"]


async def test_the_configured_admin_is_there_from_the_start(start: Start) -> None:
    first = {
        "first_admin_email": "Boss@example.com",
        "first_admin_password": SecretStr(PASSWORD),
    }
    for _ in range(2):
        client = await start(**first)
        me = await client.get(
            "/auth/me", headers=bearer(await signed_in(client, "boss@example.com"))
        )
        assert me.json()["roles"] == ["admin", "user"]


# Never a 500


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/users/%00", 422),
        ("GET", "/users/not-an-id", 422),
        ("PUT", "/users/{id}/roles/%00", 422),
        ("DELETE", "/users/{id}/roles/a%00b", 422),
        ("PUT", "/users/{id}/roles/%ED%A0%80", 404),
        ("PUT", "/users/{id}/roles/" + "x" * 5000, 404),
        ("GET", "/users/?cursor=%00", 422),
        ("GET", "/users/?cursor=abc", 422),
        ("GET", "/users/?cursor=WzEsIDJd", 422),
        ("GET", "/users/?limit=0", 422),
        ("GET", "/users/?limit=99999999999999999999", 422),
        ("GET", "/nowhere%00", 404),
        ("PATCH", "/users/", 405),
    ],
)
async def test_odd_characters_and_numbers_are_problems_and_never_a_500(
    client: httpx.AsyncClient, auth: SessionMaker, method: str, path: str, status: int
) -> None:
    admin_id, headers = await admin(client, auth)
    answer = await client.request(method, path.replace("{id}", admin_id), headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM


async def test_a_fault_of_ours_is_a_500_without_its_innards(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("innards: the table of passwords")

    monkeypatch.setattr(keys, "jwks", broken)
    answer = await client.get("/auth/jwks")
    assert_problem(answer, 500, "internal-error")
    assert "innards" not in answer.text


async def test_health_readiness_and_metrics_are_served(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    ready = await client.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert ready.json()["checks"] == {"database": True, "broker": True, "storage": True}
    await client.get(f"/users/{uuid4()}")
    metrics = (await client.get("/metrics")).text
    assert (
        'backbeat_http_requests_total{method="GET",route="/users/{user_id}",service="auth",'
        'status="401"}' in metrics
    )
