"""The gateway's settings: `GATEWAY_…`."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from limits import parse
from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import ServiceSettings


def _upstream(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("is not an http address such as http://media:8000")
    return value.rstrip("/")


def _rate(value: str) -> str:
    if value:
        try:
            parse(value)
        except ValueError:
            raise ValueError("is not a rate such as 600/minute, nor empty for none") from None
    return value


def _listed(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _networks(value: str) -> str:
    for item in _listed(value):
        try:
            ip_network(item, strict=False)
        except ValueError:
            raise ValueError(f"names {item}, which is no address and no network") from None
    return value


def _origins(value: str) -> str:
    for item in _listed(value):
        parts = urlsplit(item)
        if item != "*" and (not parts.scheme or not parts.netloc or parts.path):
            raise ValueError(f"names {item}; an origin looks like https://studio.example.org")
    return value


Upstream = Annotated[str, AfterValidator(_upstream)]
Rate = Annotated[str, AfterValidator(_rate)]


class GatewaySettings(ServiceSettings):
    """What the gateway takes."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_", env_file=".env", extra="ignore", populate_by_name=True
    )

    auth_url: Upstream = Field("http://127.0.0.1:8001", description="Where auth answers.")
    media_url: Upstream = Field("http://127.0.0.1:8002", description="Where media answers.")
    audio_url: Upstream = Field("http://127.0.0.1:8003", description="Where audio answers.")
    notation_url: Upstream = Field("http://127.0.0.1:8004", description="Where notation answers.")
    ai_url: Upstream = Field("", description="Where ai answers; empty: not installed.")
    vision_url: Upstream = Field("", description="Where vision answers; empty: not installed.")
    jwks_url: Upstream = Field("", description="Auth's keys; empty: <auth_url>/auth/jwks.")

    connect_timeout_s: float = Field(5.0, gt=0, description="To reach a service.")
    request_timeout_s: float = Field(
        60.0, gt=0, description="From a request's first byte to its answer's first, but uploads."
    )
    stall_timeout_s: float = Field(
        60.0, gt=0, description="Of silence in the middle of an upload or of an answer."
    )

    cors_origins: Annotated[str, AfterValidator(_origins)] = Field(
        "", description="Web pages that may call, as https://a.example,https://b.example."
    )
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = Field(
        "", description="Addresses or networks whose X-Forwarded-* headers are believed."
    )

    rate_limit_user: Rate = Field("1200/minute", description="Per signed-in user; empty: none.")
    rate_limit_address: Rate = Field(
        "600/minute", description="Per address without a valid token; empty: none."
    )
    rate_limit_login: Rate = Field(
        "60/minute", description="Per address, to register and to sign in; empty: none."
    )
    rate_limit_storage: str = Field(
        "memory://", description="memory:// counts per process, redis://host:6379 for all of them."
    )

    @property
    def upstreams(self) -> dict[str, str]:
        """Every service's base URL, "" where it is not installed."""
        return {
            "auth": self.auth_url,
            "media": self.media_url,
            "audio": self.audio_url,
            "notation": self.notation_url,
            "ai": self.ai_url,
            "vision": self.vision_url,
        }

    @property
    def origins(self) -> list[str]:
        """The allowed origins."""
        return _listed(self.cors_origins)

    @property
    def proxies(self) -> list[IPv4Network | IPv6Network]:
        """The trusted networks."""
        return [ip_network(item, strict=False) for item in _listed(self.trusted_proxies)]
