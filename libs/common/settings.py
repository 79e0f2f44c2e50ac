"""Settings from the environment, read once; a service does not start on a bad one."""

from __future__ import annotations

import math
import os
from collections import Counter
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

HOW_TO_MAKE_A_SECRET = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"


class SettingsProblem(Exception):
    """A sentence that says which setting is missing or wrong, and how to mend it."""


def strong_secret(value: SecretStr) -> SecretStr:
    """Refuse secrets that are short, guessable or copied from an example."""
    text = value.get_secret_value()
    lowered = text.lower()
    if len(text) < 32 or any(word in lowered for word in ("change", "secret", "example", "passw")):
        raise ValueError(f"is too weak; make one with: {HOW_TO_MAKE_A_SECRET}")
    counts = Counter(text)
    entropy_bits = -sum(n * math.log2(n / len(text)) for n in counts.values())
    period = (text + text).find(text, 1)
    if entropy_bits * period / len(text) < 80:
        raise ValueError(f"is too regular; make one with: {HOW_TO_MAKE_A_SECRET}")
    return value


StrongSecret = Annotated[SecretStr, AfterValidator(strong_secret)]


class ServiceSettings(BaseSettings):
    """What every service takes. Subclasses set the prefix: AUDIO_PORT, MEDIA_DATABASE_URL…"""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, description="Port to listen on; 0 takes a free one.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    stop_grace_s: float = Field(25.0, description="Seconds to finish work after SIGTERM.")


class BackendSettings(ServiceSettings):
    """What a service with a database takes besides."""

    database_url: str = Field(description="PostgreSQL, as postgresql://user:pass@host/database.")
    broker_url: str = Field(
        description="RabbitMQ, as amqp://user:pass@host/vhost; or the database's URL for the "
        "embedded transport."
    )
    broker_prefix: str = Field(
        "", description="Before every queue's name, to keep systems on one RabbitMQ apart."
    )
    storage_url: str = Field(description="A folder, or s3://bucket/prefix?endpoint=https://…")
    jwks_url: str = Field(description="Where auth publishes its keys: http://auth:8000/auth/jwks.")
    database_pool: int = Field(5, ge=1, description="Connections kept per process.")


def load(kind: type[SettingsT], **overrides: Any) -> SettingsT:
    """Read the settings; SettingsProblem with a sentence per fault. One database for all services
    may be given as DATABASE_URL_ASYNC or DATABASE_URL instead of once for each."""
    prefix = str(kind.model_config.get("env_prefix", "")).upper()
    if "database_url" in kind.model_fields and f"{prefix}DATABASE_URL" not in os.environ:
        shared = os.environ.get("DATABASE_URL_ASYNC") or os.environ.get("DATABASE_URL")
        if shared:
            overrides = {"database_url": shared} | overrides
    try:
        return kind(**overrides)
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", "")).upper()
        faults = []
        for fault in error.errors():
            field = ".".join(str(part) for part in fault["loc"])
            # An alias comes back as the environment spells it, a field by its own name.
            name = field if field.isupper() else f"{prefix}{field.upper()}"
            info = kind.model_fields.get(field.removeprefix(prefix).lower())
            about = f" ({info.description})" if info is not None and info.description else ""
            if fault["type"] == "missing":
                faults.append(f"{name} is missing{about}.")
                if info is not None and "SecretStr" in str(info.annotation):
                    faults.append(f"Make one with: {HOW_TO_MAKE_A_SECRET}")
            else:
                message = str(fault["msg"]).removeprefix("Value error, ")
                faults.append(f"{name} {message}{about}.")
        raise SettingsProblem(" ".join(faults)) from None
