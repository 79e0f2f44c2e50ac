"""What carries messages: RabbitMQ in a cluster, PostgreSQL in the embedded system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.common.messaging.consumers import Consumers
from libs.common.messaging.event import Message


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be handled, with the reason."""

    id: str
    service: str
    type: str
    reason: str
    attempts: int
    died_at: datetime | None
    body: str


class Transport(Protocol):
    """Delivers each published message to every service that consumes its type, at least once."""

    async def start(self) -> None:
        """Prepare to publish. Does not fail when the broker is away: publishing does."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return once the broker has safely taken all of them, in order; else raise."""

    async def publish_transient(self, message: Message) -> None:
        """Best effort: lost when nobody listens or the broker is away."""

    async def consume(self, consumers: Sequence[Consumers]) -> None:
        """Deliver until cancelled, reconnecting as often as it takes. Cancellation waits for the
        handlers that run, then hands back the rest."""

    async def ready(self) -> bool:
        """Whether messages can be published now."""

    async def dead_letters(self, service: str, limit: int = 100) -> list[DeadLetter]:
        """The parked messages of `service`, oldest first."""

    async def replay(self, service: str, ids: Sequence[str] | None) -> int:
        """Deliver parked messages again (all without `ids`); how many."""

    async def drop(self, service: str, ids: Sequence[str] | None) -> int:
        """Throw parked messages away (all without `ids`); how many."""

    async def close(self) -> None:
        """Let go of connections."""
