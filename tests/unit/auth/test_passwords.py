from __future__ import annotations

import pytest

from libs.common.errors import Invalid
from services.auth import passwords


async def test_a_hash_is_made_by_its_password_alone() -> None:
    hashed = await passwords.hash_password("correct horse", 4)
    assert hashed.startswith("$2b$04$")
    assert await passwords.is_right("correct horse", hashed)
    assert not await passwords.is_right("correct horsf", hashed)
    assert await passwords.hash_password("correct horse", 4) != hashed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x" * 72 + "a", "x" * 72 + "b"),
        ("é" * 36 + "a", "é" * 36 + "b"),
        ("zero\x00one", "zero\x00two"),
        ("trailing ", "trailing"),
    ],
)
async def test_no_part_of_a_password_is_cut(one: str, other: str) -> None:
    assert not await passwords.is_right(other, await passwords.hash_password(one, 4))


@pytest.mark.parametrize(
    "password", ["1234567", "PASSWORD123", "Drummer1", "ringo@example.com", "ringostarr"]
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    email = "ringostarr@example.com" if password == "ringostarr" else "ringo@example.com"
    with pytest.raises(Invalid) as caught:
        passwords.check_strength(password, email, "body.password")
    assert (caught.value.code, caught.value.field) == ("weak-password", "body.password")


@pytest.mark.parametrize("password", ["12345679", "eight ch", "日本語のパスワード"])
def test_length_is_enough(password: str) -> None:
    passwords.check_strength(password, "ringo@example.com", "body.password")
