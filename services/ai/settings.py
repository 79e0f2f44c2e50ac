"""The ai service's settings: `AI_…`, and `OPENAI_…` as the user's own description names them."""

from __future__ import annotations

from typing import Any, Final

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from libs.common.settings import BackendSettings


def _openai(name: str) -> AliasChoices:
    return AliasChoices(f"OPENAI_{name}", f"AI_OPENAI_{name}")


_PLACEHOLDERS: Final = ("your-openai-api-key", "your-api-key")


class AiSettings(BackendSettings):
    """What the teacher takes. Without a key it speaks by rules."""

    model_config = SettingsConfigDict(
        env_prefix="AI_", env_file=".env", extra="ignore", populate_by_name=True
    )

    openai_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=_openai("API_KEY"),
        description="Empty: no model, but for a server of one's own at openai_base_url.",
    )
    openai_base_url: str = Field(
        "",
        validation_alias=_openai("BASE_URL"),
        pattern=r"^(https?://\S+)?$",
        description="Any server that speaks the OpenAI protocol; empty: OpenAI's own.",
    )
    openai_model: str = Field(
        "gpt-4", min_length=1, max_length=200, validation_alias=_openai("MODEL")
    )
    openai_max_tokens: int = Field(
        1500, ge=64, le=100_000, validation_alias=_openai("MAX_TOKENS"), description="Of an answer."
    )
    openai_temperature: float = Field(0.7, ge=0, le=2, validation_alias=_openai("TEMPERATURE"))

    attempt_limit_s: float = Field(30, gt=0, description="Longest time for one answer.")
    time_limit_s: float = Field(60, gt=0, description="Longest time with all tries.")
    wait_s: float = Field(
        25,
        ge=0,
        description="How long a request waits for the model; it goes on when that is over.",
    )
    attempts: int = Field(3, ge=1, le=10, description="Tries on 429, 5xx and cut connections.")
    retry_pause_s: float = Field(0.5, gt=0, description="Before the second try; then twice that.")
    breaker_failures: int = Field(
        5, ge=1, description="Failures in a row after which nobody is asked for a while."
    )
    breaker_pause_s: float = Field(60, gt=0, description="How long that while is.")
    concurrency: int = Field(4, ge=1, le=64, description="Questions to the model at once.")

    daily_tokens_user: int = Field(30_000, ge=0, description="A model's, for a user, a day.")
    daily_tokens_premium: int = Field(300_000, ge=0, description="The same for premium and admin.")
    price_input: float = Field(0, ge=0, description="Dollars for a million tokens asked.")
    price_output: float = Field(0, ge=0, description="Dollars for a million tokens answered.")

    analysis_limit_s: float = Field(40, gt=0, description="Longest time to measure a score.")
    workers: int = Field(1, ge=0, le=64, description="Jobs worked on at once; 0: none.")

    @field_validator("openai_api_key", mode="before")
    @classmethod
    def _no_placeholder(cls, value: Any) -> Any:
        """A key that was copied from an example is none."""
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        return "" if any(word in text for word in _PLACEHOLDERS) else text.strip()

    @field_validator("openai_base_url", mode="before")
    @classmethod
    def _trimmed(cls, value: Any) -> Any:
        return str(value).strip()

    @property
    def has_model(self) -> bool:
        """Whether a model may be asked: OpenAI's own wants a key, others may do without."""
        return bool(self.openai_api_key.get_secret_value() or self.openai_base_url)
