"""What an event is, and how it travels: CloudEvents 1.0 attributes around the model's JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Self
from uuid import UUID, uuid4

from opentelemetry.propagate import inject
from pydantic import BaseModel, ConfigDict, Field


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


class Event(BaseModel):
    """A fact, past tense. `type` is `<publisher>.<thing>-<happened>.v<N>` and the routing key.

    A new field with a default keeps the version; anything else is a new class and `.v2`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    transient: ClassVar[bool] = False
    """True for what may be lost: it skips outbox and inbox (progress)."""

    event_id: UUID = Field(default_factory=uuid4)
    occurred_at: datetime = Field(default_factory=utc_now)

    @property
    def subject(self) -> str:
        """The aggregate; events of one subject are published in order."""
        return str(self.event_id)

    @classmethod
    def publisher(cls) -> str:
        """The service that says it."""
        return cls.type.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Message:
    """An event on its way: CloudEvents attributes and the JSON body."""

    id: UUID
    type: str
    source: str
    subject: str
    time: datetime
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    """W3C trace context (`traceparent`, `tracestate`)."""

    @classmethod
    def of(cls, event: Event) -> Self:
        """The message that carries `event`, with the current trace."""
        headers: dict[str, str] = {}
        inject(headers)
        return cls(
            id=event.event_id,
            type=event.type,
            source=f"/backbeat/{event.publisher()}",
            subject=event.subject,
            time=event.occurred_at,
            body=event.model_dump_json().encode(),
            headers=headers,
        )

    def attributes(self) -> dict[str, str]:
        """The CloudEvents attributes as AMQP application properties (`cloudEvents:` prefix, per
        the AMQP protocol binding), plus the trace headers."""
        return {
            "cloudEvents:specversion": "1.0",
            "cloudEvents:id": str(self.id),
            "cloudEvents:type": self.type,
            "cloudEvents:source": self.source,
            "cloudEvents:subject": self.subject,
            "cloudEvents:time": self.time.isoformat(),
            **self.headers,
        }

    @classmethod
    def from_attributes(cls, attributes: dict[str, str], body: bytes) -> Self:
        """Read a message back; KeyError or ValueError when an attribute is missing or wrong."""
        return cls(
            id=UUID(attributes["cloudEvents:id"]),
            type=attributes["cloudEvents:type"],
            source=attributes["cloudEvents:source"],
            subject=attributes["cloudEvents:subject"],
            time=datetime.fromisoformat(attributes["cloudEvents:time"]),
            body=body,
            headers={k: attributes[k] for k in ("traceparent", "tracestate") if k in attributes},
        )
