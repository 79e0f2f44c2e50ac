"""How often one may call: per user with a valid token, per address without."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from limits import RateLimitItem, parse
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from libs.common.errors import TooManyRequests
from libs.common.settings import SettingsProblem
from libs.common.tokens import Caller
from services.gateway.routes import SIGNING_IN
from services.gateway.settings import GatewaySettings

log = logging.getLogger(__name__)


def is_trusted(address: str, proxies: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether an address is a trusted proxy's."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in proxies)


def client_address(
    peer: str, forwarded_for: str, proxies: Sequence[IPv4Network | IPv6Network]
) -> str:
    """The first address, from the peer backwards, that no trusted proxy has. Whatever stands
    before it in `X-Forwarded-For` is only the client's word."""
    address = peer
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    while hops and is_trusted(address, proxies):
        hop = hops.pop()
        try:
            address = str(ip_address(hop))
        except ValueError:
            break
    return address


def bucket(address: str) -> str:
    """Who shares a limit: an IPv4 address, or an IPv6 /64, of which one customer has all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Network((parsed, 64), strict=False))
    return address


class Limits:
    """Counts requests in fixed windows, in this process or in Redis."""

    def __init__(self, settings: GatewaySettings) -> None:
        uri = settings.rate_limit_storage
        try:
            storage = storage_from_string(f"async+{uri}", wrap_exceptions=True)
        except ConfigurationError as error:
            raise SettingsProblem(
                f"GATEWAY_RATE_LIMIT_STORAGE is not usable ({error}). Use memory://, or "
                "redis://host:6379 with `pip install coredis`."
            ) from error
        self._limiter = FixedWindowRateLimiter(storage)
        self._user = parse(settings.rate_limit_user) if settings.rate_limit_user else None
        self._address = parse(settings.rate_limit_address) if settings.rate_limit_address else None
        self._login = parse(settings.rate_limit_login) if settings.rate_limit_login else None

    def _apply(
        self, method: str, path: str, caller: Caller | None, address: str
    ) -> list[tuple[RateLimitItem, str, str]]:
        limits: list[tuple[RateLimitItem | None, str, str]] = []
        if caller is not None:
            limits.append((self._user, "user", str(caller.user_id)))
        else:
            limits.append((self._address, "address", bucket(address)))
        if (method, path) in SIGNING_IN:
            limits.append((self._login, "login", bucket(address)))
        return [(item, kind, who) for item, kind, who in limits if item is not None]

    async def admit(
        self, method: str, path: str, caller: Caller | None, address: str
    ) -> dict[str, str]:
        """Count one request: the headers that tell what is left, or TooManyRequests."""
        told: dict[str, str] = {}
        least = math.inf
        for item, kind, who in self._apply(method, path, caller, address):
            try:
                admitted = await self._limiter.hit(item, kind, who)
                window = await self._limiter.get_window_stats(item, kind, who)
            except StorageError as error:
                # A broken counter must not take the whole house down.
                log.error("rate limits are off: their storage fails", exc_info=error)
                continue
            reset_s = max(1, math.ceil(window.reset_time - time.time()))
            headers = {
                "RateLimit-Limit": str(item.amount),
                "RateLimit-Remaining": str(window.remaining),
                "RateLimit-Reset": str(reset_s),
            }
            if not admitted:
                raise TooManyRequests(
                    f"That was more than {item.amount} requests in {item.get_expiry()} seconds. "
                    f"Go on in {reset_s} s.",
                    headers=headers | {"Retry-After": str(reset_s)},
                )
            if window.remaining < least:
                least, told = window.remaining, headers
        return told
