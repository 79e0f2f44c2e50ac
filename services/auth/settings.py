"""Auth's settings: `AUTH_…`, and the names of the user's own description without the prefix."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, EmailStr, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.common.settings import BackendSettings, StrongSecret


class AuthSettings(BackendSettings):
    """What auth takes."""

    model_config = SettingsConfigDict(
        env_prefix="AUTH_", env_file=".env", extra="ignore", populate_by_name=True
    )

    jwks_url: str = ""
    storage_url: str = Field(".", description="Not used by auth.")
    secret_key: StrongSecret = Field(
        validation_alias=AliasChoices("AUTH_SECRET_KEY", "SECRET_KEY"),
        description="Encrypts the signing keys in the database; 32 random characters or more.",
    )
    algorithm: Literal["EdDSA", "RS256"] = Field(
        "EdDSA",
        validation_alias=AliasChoices("AUTH_ALGORITHM", "ALGORITHM"),
        description="How access tokens are signed: EdDSA or RS256. HS256 is not offered, since "
        "every service that checks tokens could then make them.",
    )
    access_token_expire_minutes: int = Field(
        30,
        ge=1,
        le=24 * 60,
        validation_alias=AliasChoices(
            "AUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "ACCESS_TOKEN_EXPIRE_MINUTES"
        ),
    )
    refresh_token_expire_days: int = Field(30, ge=1, le=365)
    bcrypt_rounds: int = Field(12, ge=4, le=18, description="bcrypt's cost: 2**rounds.")
    first_user_is_admin: bool = Field(
        False,
        description="Make an account that registers while there is no admin an admin, as "
        "`backbeat serve` does.",
    )
    first_admin_email: EmailStr | None = Field(
        None, description="Make this account an admin at start, creating it if need be."
    )
    first_admin_password: SecretStr | None = Field(None, description="Its password.")
