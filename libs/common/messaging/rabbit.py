"""The RabbitMQ transport, through aio-pika.

Topology: one durable topic exchange; a quorum queue per (service, event); per retry delay a
fan-out exchange with one queue whose messages expire back to the queue they came from; a quorum
queue of dead letters per service. Every process declares all of it when it connects, so that an
event told before its consumer first started waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
)
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from libs.common.messaging.consumers import RETRY_DELAYS_S, Again, Consumers, Dead, Done
from libs.common.messaging.event import Message, utc_now
from libs.common.messaging.transport import DeadLetter

log = logging.getLogger(__name__)

EXCHANGE = "backbeat.events"
PREFETCH = 32
PUBLISH_TIMEOUT_S = 15.0
FINISH_WITHIN_S = 20.0
QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
ATTEMPT = "x-backbeat-attempt"
REASON = "x-backbeat-reason"
QUEUE = "x-backbeat-queue"
DIED_AT = "x-backbeat-died-at"


def queue_name(service: str, event_type: str) -> str:
    """The queue of one event in one service."""
    return f"{service}:{event_type}"


def dead_queue_name(service: str) -> str:
    """The queue of a service's dead letters."""
    return f"{service}:dead"


def retry_name(delay_s: float) -> str:
    """The exchange and the queue of one retry delay."""
    return f"backbeat.retry.{delay_s:g}s"


class RabbitTransport:
    """`subscribers` says for each event type which services hear it. `prefix` keeps systems on
    one broker apart (tests)."""

    def __init__(
        self,
        url: str,
        subscribers: Mapping[str, Sequence[str]],
        transient: Mapping[str, Sequence[str]],
        *,
        prefix: str = "",
    ) -> None:
        self.url = url
        self.subscribers = subscribers
        self.transient = transient
        self.prefix = prefix
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchange: AbstractExchange | None = None
        self._connecting = asyncio.Lock()

    async def start(self) -> None:
        """Connect if the broker is there; if not, the relay will find it later."""
        with contextlib.suppress(OSError, AMQPError, TimeoutError):
            await self._publisher()

    async def _publisher(self) -> AbstractExchange:
        async with self._connecting:
            if self._exchange is None or self._channel is None or self._channel.is_closed:
                await self._disconnect()
                self._connection = await aio_pika.connect(self.url, timeout=10)
                self._channel = await self._connection.channel(publisher_confirms=True)
                self._exchange = await self._declare_topology(self._channel)
            return self._exchange

    async def _declare_topology(self, channel: AbstractChannel) -> AbstractExchange:
        exchange = await channel.declare_exchange(
            self.prefix + EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True
        )
        services: set[str] = set()
        for event_type, hearers in self.subscribers.items():
            for service in hearers:
                services.add(service)
                queue = await channel.declare_queue(
                    self.prefix + queue_name(service, event_type), durable=True, arguments=QUORUM
                )
                await queue.bind(exchange, event_type)
        for event_type, hearers in self.transient.items():
            for service in hearers:
                # What nobody reads within seconds is stale; the cap keeps memory flat.
                arguments: dict[str, Any] = {"x-message-ttl": 10_000, "x-max-length": 10_000}
                queue = await channel.declare_queue(
                    self.prefix + queue_name(service, event_type), arguments=arguments, durable=True
                )
                await queue.bind(exchange, event_type)
        for service in services:
            await channel.declare_queue(
                self.prefix + dead_queue_name(service), durable=True, arguments=QUORUM
            )
        for delay_s in RETRY_DELAYS_S:
            name = self.prefix + retry_name(delay_s)
            fanout = await channel.declare_exchange(
                name, aio_pika.ExchangeType.FANOUT, durable=True
            )
            retrying: dict[str, Any] = {
                "x-message-ttl": int(delay_s * 1000),
                # The default exchange routes by queue name, which is the kept routing key.
                "x-dead-letter-exchange": "",
                **QUORUM,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            }
            waiting = await channel.declare_queue(name, durable=True, arguments=retrying)
            await waiting.bind(fanout)
        return exchange

    async def publish(self, messages: Sequence[Message]) -> None:
        """With publisher confirms; subjects in parallel, each subject's messages in order."""
        exchange = await self._publisher()

        async def publish_in_order(group: list[Message]) -> None:
            for message in group:
                await exchange.publish(
                    amqp_message(message, aio_pika.DeliveryMode.PERSISTENT),
                    routing_key=message.type,
                    mandatory=False,
                    timeout=PUBLISH_TIMEOUT_S,
                )

        by_subject = sorted(messages, key=lambda message: message.subject)
        async with asyncio.TaskGroup() as group:
            for _, same in groupby(by_subject, key=lambda message: message.subject):
                group.create_task(publish_in_order(list(same)))

    async def publish_transient(self, message: Message) -> None:
        """Not persistent, and not retried."""
        with self._broker_may_be_away():
            exchange = await self._publisher()
            await exchange.publish(
                amqp_message(message, aio_pika.DeliveryMode.NOT_PERSISTENT),
                routing_key=message.type,
                mandatory=False,
                timeout=2.0,
            )

    @contextlib.contextmanager
    def _broker_may_be_away(self) -> Iterator[None]:
        try:
            yield
        except (OSError, AMQPError, ChannelInvalidStateError, TimeoutError) as error:
            # Progress is allowed to be lost; the job's row has the state that matters.
            log.debug("transient event lost", exc_info=error)

    async def consume(self, consumers: Sequence[Consumers]) -> None:
        """Own connection, apart from the publisher's, so that a blocked publisher (memory
        alarm) does not stop consuming."""
        pause_s = 0.5
        while True:
            try:
                await self._consume_once(consumers)
                pause_s = 0.5
            except (OSError, AMQPError, ChannelInvalidStateError, TimeoutError) as error:
                log.warning("broker lost", extra={"pause_s": pause_s}, exc_info=error)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 10.0)

    async def _consume_once(self, consumers: Sequence[Consumers]) -> None:
        connection = await aio_pika.connect(self.url, timeout=10)
        running: set[asyncio.Task[None]] = set()
        lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        try:
            publishing = await connection.channel(publisher_confirms=True)
            await self._declare_topology(publishing)
            tags = []
            for mine in consumers:
                for event_type in [*mine.durable_types(), *mine.transient_types()]:
                    channel = await connection.channel()
                    # The server closes a channel on its own for a consumer timeout.
                    channel.close_callbacks.add(lambda *_: lost.set())
                    await channel.set_qos(prefetch_count=PREFETCH)
                    name = self.prefix + queue_name(mine.service, event_type)
                    queue = await channel.get_queue(name, ensure=False)
                    receiver = _Receiver(mine, name, self.prefix, publishing, running)
                    durable = event_type in self.subscribers
                    tags.append((queue, await queue.consume(receiver.receive, no_ack=not durable)))
            try:
                await lost.wait()
            finally:
                # Cancelled (SIGTERM): take no more, let what runs finish and be acknowledged.
                # What was prefetched and not begun goes back when the connection closes.
                if not lost.is_set():
                    for queue, tag in tags:
                        with contextlib.suppress(AMQPError, ChannelInvalidStateError):
                            await queue.cancel(tag)
                if running:
                    await asyncio.wait(running, timeout=FINISH_WITHIN_S)
        finally:
            with contextlib.suppress(Exception):
                await connection.close()
            for task in running:
                # Over its time, and not acknowledged: another consumer gets the delivery.
                task.cancel()

    async def ready(self) -> bool:
        """Connected, and the channel is open."""
        with contextlib.suppress(OSError, AMQPError, TimeoutError):
            await self._publisher()
            return True
        return False

    async def _dead(self, service: str) -> tuple[AbstractChannel, Any]:
        await self._publisher()
        assert self._connection is not None
        channel = await self._connection.channel(publisher_confirms=True)
        queue = await channel.declare_queue(
            self.prefix + dead_queue_name(service), durable=True, arguments=QUORUM
        )
        return channel, queue

    async def dead_letters(self, service: str, limit: int = 100) -> list[DeadLetter]:
        """Read and put back."""
        channel, queue = await self._dead(service)
        letters: list[DeadLetter] = []
        while len(letters) < limit and (m := await queue.get(fail=False)) is not None:
            letters.append(dead_letter(service, m))
        # Closing the channel returns what was read and not acknowledged.
        await channel.close()
        return letters

    async def replay(self, service: str, ids: Sequence[str] | None) -> int:
        """Back to the queue it died from, with its tries counted anew."""
        return await self._settle_dead(service, ids, replay=True)

    async def drop(self, service: str, ids: Sequence[str] | None) -> int:
        """Gone for good."""
        return await self._settle_dead(service, ids, replay=False)

    async def _settle_dead(self, service: str, ids: Sequence[str] | None, *, replay: bool) -> int:
        channel, queue = await self._dead(service)
        parked = []
        # All of them first: one that dies again at once must not come round for ever.
        while (message := await queue.get(fail=False)) is not None:
            parked.append(message)
        settled = 0
        for message in parked:
            if ids is not None and dead_letter(service, message).id not in ids:
                continue
            if replay:
                headers = {
                    key: value for key, value in message.headers.items() if not key.startswith("x-")
                }
                await channel.default_exchange.publish(
                    again(message, headers), routing_key=str(message.headers[QUEUE])
                )
            await message.ack()
            settled += 1
        await channel.close()
        return settled

    async def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                await self._connection.close()
        self._connection = self._channel = self._exchange = None

    async def close(self) -> None:
        """Close the publisher's connection."""
        await self._disconnect()


class _Receiver:
    """Settles the deliveries of one queue."""

    def __init__(
        self,
        consumers: Consumers,
        queue: str,
        prefix: str,
        publishing: AbstractChannel,
        running: set[asyncio.Task[None]],
    ) -> None:
        self.consumers = consumers
        self.queue = queue
        self.prefix = prefix
        self.publishing = publishing
        self.running = running

    async def receive(self, incoming: AbstractIncomingMessage) -> None:
        # A task of its own, so that the consumer's cancellation does not cut a handler short.
        task = asyncio.create_task(self._settle(incoming))
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        await asyncio.shield(task)

    async def _settle(self, incoming: AbstractIncomingMessage) -> None:
        try:
            attempt = int(str(incoming.headers.get(ATTEMPT, 0)))
            outcome: Done | Again | Dead
            try:
                attributes = {key: str(value) for key, value in incoming.headers.items()}
                message = Message.from_attributes(attributes, incoming.body)
            except (KeyError, ValueError) as error:
                outcome = Dead(f"not a message of ours: {error!r}")
            else:
                outcome = await self.consumers.deliver(message, attempt)
            headers = dict(incoming.headers)
            if isinstance(outcome, Again):
                headers |= {ATTEMPT: attempt + 1, REASON: outcome.reason}
                retry = await self.publishing.get_exchange(
                    self.prefix + retry_name(outcome.delay_s), ensure=False
                )
                await retry.publish(again(incoming, headers), routing_key=self.queue)
            elif isinstance(outcome, Dead):
                headers |= {
                    ATTEMPT: attempt,
                    REASON: outcome.reason,
                    QUEUE: self.queue,
                    DIED_AT: utc_now().isoformat(),
                }
                await self.publishing.default_exchange.publish(
                    again(incoming, headers),
                    routing_key=self.prefix + dead_queue_name(self.consumers.service),
                )
            if incoming.delivery_tag is not None and not incoming.processed:
                await incoming.ack()
        except (OSError, AMQPError, ChannelInvalidStateError, TimeoutError) as error:
            # Not acknowledged: the broker delivers it again, and the inbox knows it.
            log.warning("delivery not settled", extra={"queue": self.queue}, exc_info=error)


def amqp_message(message: Message, mode: aio_pika.DeliveryMode) -> aio_pika.Message:
    """CloudEvents binary mode: attributes as application properties, the body as it is."""
    return aio_pika.Message(
        message.body,
        headers=dict(message.attributes()),
        content_type="application/json",
        delivery_mode=mode,
        message_id=str(message.id),
        type=message.type,
        timestamp=message.time,
    )


def again(message: AbstractIncomingMessage, headers: Mapping[str, Any]) -> aio_pika.Message:
    """The same message with other headers."""
    return aio_pika.Message(
        message.body,
        headers=dict(headers),
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=message.message_id,
        type=message.type,
        timestamp=message.timestamp,
    )


def dead_letter(service: str, message: AbstractIncomingMessage) -> DeadLetter:
    """A parked message as an operator reads it."""
    headers = message.headers
    died_at = headers.get(DIED_AT)
    return DeadLetter(
        id=message.message_id or "",
        service=service,
        type=message.type or "",
        reason=str(headers.get(REASON, "")),
        attempts=int(str(headers.get(ATTEMPT, 0))),
        died_at=None if died_at is None else utc_now().fromisoformat(str(died_at)),
        body=message.body.decode(errors="replace"),
    )
