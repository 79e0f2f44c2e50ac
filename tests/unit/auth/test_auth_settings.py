from __future__ import annotations

from pathlib import Path

import pytest

from libs.common.settings import SettingsProblem, load
from services.auth.settings import AuthSettings

GOOD = "u0Qe9m-Vw3sKx7RzB4nTfLpYc1GdHj6AiOqEr8XkWv5"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTH_DATABASE_URL", "postgresql://localhost/x")
    monkeypatch.setenv("AUTH_BROKER_URL", "amqp://localhost/")


def test_without_a_secret_auth_says_which_is_missing_and_how_to_make_one() -> None:
    with pytest.raises(SettingsProblem) as caught:
        load(AuthSettings)
    said = str(caught.value)
    assert said.startswith("AUTH_SECRET_KEY is missing (Encrypts the signing keys")
    assert "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'" in said


@pytest.mark.parametrize("name", ["AUTH_SECRET_KEY", "SECRET_KEY"])
def test_a_weak_secret_is_refused_under_either_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "your-secret-key-here")
    with pytest.raises(SettingsProblem, match=r"^AUTH_SECRET_KEY is too weak; make one"):
        load(AuthSettings)


@pytest.mark.parametrize("name", ["AUTH_SECRET_KEY", "SECRET_KEY"])
def test_a_good_secret_is_taken_under_either_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, GOOD)
    settings = load(AuthSettings)
    assert settings.secret_key.get_secret_value() == GOOD
    assert (settings.algorithm, settings.access_token_expire_minutes) == ("EdDSA", 30)


def test_hs256_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", GOOD)
    monkeypatch.setenv("ALGORITHM", "HS256")
    with pytest.raises(SettingsProblem, match="ALGORITHM Input should be 'EdDSA' or 'RS256'"):
        load(AuthSettings)
