"""Handlers per event, and what becomes of a delivery: done, again later, or dead."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from opentelemetry import trace
from opentelemetry.propagate import extract
from prometheus_client import Counter, Histogram
from pydantic import ValidationError

from libs.common.messaging.event import Event, Message

log = logging.getLogger(__name__)
tracer = trace.get_tracer("backbeat.messaging")

HANDLED = Counter(
    "backbeat_events_handled_total",
    "Deliveries by outcome: done, retry, dead, or lost (transient ones only).",
    ["service", "type", "outcome"],
)
HANDLING_S = Histogram("backbeat_event_handling_seconds", "Time in a handler.", ["service", "type"])

RETRY_DELAYS_S = (1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
"""Growing waits before each further try; past the last, the message is dead. In all, one hour
and three quarters: longer than a database failover or a night's storage hiccup needs."""

EventT = TypeVar("EventT", bound=Event)
Handler = Callable[..., Awaitable[None]]


class Permanent(Exception):
    """Raised by a handler when trying again cannot help: straight to the dead letters."""


@dataclass(frozen=True, slots=True)
class Done:
    """Handled; acknowledge."""


@dataclass(frozen=True, slots=True)
class Again:
    """It may heal: deliver again after `delay_s`."""

    delay_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Dead:
    """It will not heal: park it."""

    reason: str


Outcome = Done | Again | Dead


class Consumers:
    """A service's handlers. `on` registers; a transport calls `deliver`."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.handlers: dict[str, tuple[type[Event], Handler]] = {}
        self.resources: Mapping[str, Any] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def on(self, event_type: type[EventT]) -> Callable[[Handler], Handler]:
        """Register the handler of an event: `async def h(event, <resources by name>)`."""

        def register(handler: Handler) -> Handler:
            if event_type.type in self.handlers:
                raise ValueError(f"{self.service} already handles {event_type.type}")
            self.handlers[event_type.type] = (event_type, handler)
            return handler

        return register

    def bind(self, **resources: Any) -> Consumers:
        """A copy whose handlers get these by parameter name; TypeError when one is missing."""
        bound = Consumers(self.service)
        bound.handlers = self.handlers
        bound.resources = resources
        for event_type, handler in self.handlers.values():
            wanted = list(inspect.signature(handler).parameters)[1:]
            missing = [name for name in wanted if name not in resources]
            if missing:
                raise TypeError(f"the handler of {event_type.type} wants {missing}")
        return bound

    def durable_types(self) -> list[str]:
        """Types that must not be lost."""
        return [t for t, (kind, _) in self.handlers.items() if not kind.transient]

    def transient_types(self) -> list[str]:
        """Types that may be lost."""
        return [t for t, (kind, _) in self.handlers.items() if kind.transient]

    async def handle(self, event: Event) -> None:
        """Call the handler of `event`; what it raises comes through."""
        _, handler = self.handlers[event.type]
        wanted = list(inspect.signature(handler).parameters)[1:]
        await handler(event, **{name: self.resources[name] for name in wanted})

    async def deliver(self, message: Message, attempt: int) -> Outcome:
        """Handle one delivery; `attempt` counts from 0. Never raises, but for cancellation.

        Deliveries run side by side, those of one subject one after the other as they came: the
        relay's order would be worth nothing if the second overtook the first here."""
        turn = self._turns.get(message.subject)
        if turn is None:
            turn = self._turns[message.subject] = asyncio.Lock()
        async with turn:
            return await self._deliver(message, attempt)

    async def _deliver(self, message: Message, attempt: int) -> Outcome:
        kind, _ = self.handlers[message.type]
        outcome: Outcome
        with (
            tracer.start_as_current_span(
                f"{self.service} {message.type}",
                context=extract(message.headers),
                kind=trace.SpanKind.CONSUMER,
            ),
            HANDLING_S.labels(self.service, message.type).time(),
        ):
            try:
                event = kind.model_validate_json(message.body)
                await self.handle(event)
                outcome = Done()
            except (ValidationError, Permanent) as error:
                log.error(
                    "event cannot be handled",
                    extra={"event_type": message.type, "event_id": str(message.id)},
                    exc_info=error,
                )
                outcome = Dead(f"{type(error).__name__}: {error}"[:500])
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"[:500]
                if attempt >= len(RETRY_DELAYS_S):
                    outcome = Dead(reason)
                else:
                    outcome = Again(RETRY_DELAYS_S[attempt], reason)
                log.warning(
                    "event handling failed",
                    extra={
                        "event_type": message.type,
                        "event_id": str(message.id),
                        "attempt": attempt,
                        "outcome": type(outcome).__name__,
                    },
                    exc_info=error,
                )
        name = {Done: "done", Again: "retry", Dead: "dead"}[type(outcome)]
        if kind.transient and not isinstance(outcome, Done):
            # Trying again would bring old progress after new.
            outcome, name = Done(), "lost"
        HANDLED.labels(self.service, message.type, name).inc()
        return outcome
