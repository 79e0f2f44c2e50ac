from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.common.settings import BackendSettings, SettingsProblem, StrongSecret, load

GOOD = "u0Qe9m-Vw3sKx7RzB4nTfLpYc1GdHj6AiOqEr8XkWv5"


class DrumSettings(BackendSettings):
    model_config = SettingsConfigDict(env_prefix="DRUM_", env_file=".env", extra="ignore")

    secret_key: StrongSecret = Field(description="Keeps keys.")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "JWKS_URL"):
        monkeypatch.setenv(f"DRUM_{name}", "x")
    monkeypatch.setenv("DRUM_SECRET_KEY", GOOD)


def fault() -> str:
    with pytest.raises(SettingsProblem) as caught:
        load(DrumSettings)
    return str(caught.value)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRUM_PORT", "9000")
    settings = load(DrumSettings)
    assert (settings.port, settings.database_url) == (9000, "x")
    assert settings.secret_key.get_secret_value() == GOOD
    assert GOOD not in repr(settings)


def test_each_missing_setting_is_named_with_its_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRUM_DATABASE_URL")
    monkeypatch.delenv("DRUM_SECRET_KEY")
    said = fault()
    assert "DRUM_DATABASE_URL is missing (PostgreSQL, as postgresql://" in said
    assert "DRUM_SECRET_KEY is missing (Keeps keys.)." in said
    assert "Make one with: python -c" in said


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "too weak"),
        ("short", "too weak"),
        ("change-me-" + GOOD, "too weak"),
        ("my-Secret-" + GOOD, "too weak"),
        ("a" * 64, "too regular"),
        ("abc123" * 10, "too regular"),
    ],
)
def test_a_weak_secret_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, secret: str, why: str
) -> None:
    monkeypatch.setenv("DRUM_SECRET_KEY", secret)
    said = fault()
    assert said.startswith(f"DRUM_SECRET_KEY is {why}")
    assert "python -c 'import secrets" in said
    assert not secret or secret not in said


def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRUM_PORT", "many")
    monkeypatch.setenv("DRUM_DATABASE_POOL", "0")
    said = fault()
    assert "DRUM_PORT Input should be a valid integer" in said
    assert "DRUM_DATABASE_POOL Input should be greater than or equal to 1" in said


def test_what_is_given_in_code_counts_more_than_the_environment() -> None:
    other = SecretStr(GOOD[::-1])
    assert load(DrumSettings, secret_key=other, port=1).port == 1
