"""The AsyncAPI 3 document of the house's events, as OpenAPI is for its routes."""

from __future__ import annotations

import inspect
from typing import Any

from libs.common.events import SUBSCRIBERS
from libs.common.messaging.event import Event
from libs.common.messaging.rabbit import EXCHANGE, queue_name

SCHEMAS = "#/components/schemas/"


def asyncapi_document() -> dict[str, Any]:
    """Every event with its schema, who sends it, and who receives it on which queue."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    schemas: dict[str, Any] = {"CloudEvent": _cloud_event()}
    for kind, hearers in SUBSCRIBERS.items():
        name = kind.__name__
        schema = kind.model_json_schema(ref_template=SCHEMAS + "{model}")
        schemas |= schema.pop("$defs", {})
        schemas[name] = schema
        messages[name] = _message(kind)
        channels[name] = {
            "address": kind.type,
            "description": f"Routing key {kind.type} of the topic exchange {EXCHANGE}.",
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
            "bindings": {
                "amqp": {
                    "is": "routingKey",
                    "exchange": {"name": EXCHANGE, "type": "topic", "durable": True},
                }
            },
        }
        operations[f"{kind.publisher()}.send.{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": f"{kind.publisher()} tells it.",
            "tags": [{"name": kind.publisher()}],
        }
        for service in hearers:
            operations[f"{service}.receive.{name}"] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": f"{service} hears it on the queue {queue_name(service, kind.type)}.",
                "tags": [{"name": service}],
            }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Backbeat: events",
            "version": "0.1.0",
            "description": "Facts that the services tell one another.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def _message(kind: type[Event]) -> dict[str, Any]:
    lost = " It may be lost." if kind.transient else ""
    return {
        "name": kind.type,
        "title": kind.__name__,
        "summary": inspect.getdoc(kind) or "",
        "description": f"Carried as CloudEvents 1.0 in binary mode.{lost}",
        "contentType": "application/json",
        "headers": {"$ref": SCHEMAS + "CloudEvent"},
        "payload": {"$ref": SCHEMAS + kind.__name__},
    }


def _cloud_event() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "AMQP application properties; traceparent and tracestate are W3C's.",
        "required": [
            f"cloudEvents:{name}"
            for name in ("specversion", "id", "type", "source", "subject", "time")
        ],
        "properties": {
            "cloudEvents:specversion": {"const": "1.0"},
            "cloudEvents:id": {"type": "string", "format": "uuid"},
            "cloudEvents:type": text,
            "cloudEvents:source": text,
            "cloudEvents:subject": text,
            "cloudEvents:time": {"type": "string", "format": "date-time"},
            "traceparent": text,
            "tracestate": text,
        },
    }
