"""What operators see: one JSON line per log record, RED metrics, a trace id everywhere."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.propagate import extract
from prometheus_client import Counter, Gauge, Histogram
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

tracer = trace.get_tracer("backbeat.http")

REQUESTS = Counter(
    "backbeat_http_requests_total", "Requests.", ["service", "method", "route", "status"]
)
REQUEST_S = Histogram(
    "backbeat_http_request_seconds",
    "Time to the end of the answer.",
    ["service", "method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
IN_FLIGHT = Gauge("backbeat_http_requests_in_flight", "Requests being answered.", ["service"])

STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,64}$")


class JsonLines(logging.Formatter):
    """A record as one line of JSON; `extra` fields stand beside the message."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "service": self.service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = f"{span.trace_id:032x}"
        line |= {k: v for k, v in record.__dict__.items() if k not in STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(service: str, level: str) -> None:
    """Everything to standard error, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Per-request lines come from the middleware below, with ids.
    for noisy in ("uvicorn.access", "aio_pika", "aiormq", "pgqueuer", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class RequestTelemetry:
    """Request id, trace, metrics and one log line per request, as plain ASGI so that streams
    pass through untouched."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app = app
        self.service = service
        self.log = logging.getLogger(f"backbeat.{service}.http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.match(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 500
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).setdefault("X-Request-Id", request_id)
            await send(message)

        IN_FLIGHT.labels(self.service).inc()
        context = extract({k: headers[k] for k in ("traceparent", "tracestate") if k in headers})
        try:
            with tracer.start_as_current_span(
                f"{self.service} {scope['method']}", context=context, kind=trace.SpanKind.SERVER
            ):
                await self.app(scope, receive, send_with_id)
        finally:
            took_s = time.perf_counter() - started
            # The route's template, never the raw path: metrics must not grow with ids.
            path = scope.get("metric_route") or getattr(scope.get("route"), "path", "unmatched")
            IN_FLIGHT.labels(self.service).dec()
            REQUESTS.labels(self.service, scope["method"], path, status).inc()
            REQUEST_S.labels(self.service, scope["method"], path).observe(took_s)
            if path not in ("/healthz", "/readyz", "/metrics"):
                self.log.info(
                    "request",
                    extra={
                        "method": scope["method"],
                        "route": path,
                        "status": status,
                        "took_ms": round(took_s * 1000, 1),
                        "request_id": request_id,
                    },
                )
