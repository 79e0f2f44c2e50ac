"""The promises of messaging, kept by both transports alike."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import func, select

from libs.common.database import SessionMaker
from libs.common.events import AudioWorkProgressed, JobRequested
from libs.common.idempotency import IdempotentAnswer
from libs.common.messaging import Consumers, Event, Permanent, announce, first_time
from libs.common.messaging import consumers as consumers_module
from libs.common.messaging import postgres as postgres_module
from libs.common.messaging import rabbit as rabbit_module
from libs.common.messaging.event import Message
from libs.common.messaging.outbox import OutboxMessage
from libs.common.messaging.relay import Relay
from libs.common.messaging.transport import Transport
from tests.conftest import MakeTransport, SessionsOf
from tests.integration.proxy import proxied
from tests.integration.waiting import running, until

DURABLE = {JobRequested.type: ("audio", "notation")}
TRANSIENT = {AudioWorkProgressed.type: ("audio",)}
VIDEO, USER = uuid4(), uuid4()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries and take-overs in fractions of a second. A queue is declared per delay, so both
    modules must see the same."""
    for module in (consumers_module, rabbit_module):
        monkeypatch.setattr(module, "RETRY_DELAYS_S", (0.1, 0.2, 0.4))
    monkeypatch.setattr(postgres_module, "STALE_AFTER_S", 2.0)


@pytest.fixture
async def transport(make_transport: MakeTransport) -> Transport:
    return await make_transport(DURABLE, TRANSIENT)


def asked(number: int = 0, video_id: UUID = VIDEO) -> JobRequested:
    return JobRequested(
        video_id=video_id,
        user_id=USER,
        job_id=uuid4(),
        job_type="onset",
        options={"number": number},
    )


def progressed(fraction: float) -> AudioWorkProgressed:
    return AudioWorkProgressed(
        video_id=VIDEO, user_id=USER, job_id=uuid4(), job_type="onset", fraction=fraction
    )


def hearing(service: str, handler: Callable[[JobRequested], Awaitable[None]]) -> Consumers:
    consumers = Consumers(service)
    consumers.on(JobRequested)(handler)
    return consumers.bind()


class Heard:
    """A handler that keeps the numbers it was given, in the order in which it was done."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    async def __call__(self, event: JobRequested) -> None:
        self.numbers.append(event.options["number"])


class Effects:
    """A handler with an effect in the database, guarded by the inbox."""

    def __init__(self, sessions: SessionMaker) -> None:
        self.sessions = sessions
        self.deliveries = 0

    async def __call__(self, event: JobRequested) -> None:
        self.deliveries += 1
        async with self.sessions.begin() as session:
            if await first_time(session, event):
                session.add(
                    IdempotentAnswer(
                        user_id=uuid4(),
                        key=str(event.event_id),
                        fingerprint=str(event.options["number"]),
                        answer={},
                    )
                )

    async def numbers(self) -> list[int]:
        async with self.sessions() as session:
            found = await session.scalars(select(IdempotentAnswer.fingerprint))
            return sorted(int(number) for number in found)


async def told(sessions: SessionMaker, *events: Event) -> None:
    async with sessions.begin() as session:
        for event in events:
            announce(session, event)
            # A flush each, so that the rows are numbered in this order.
            await session.flush()


async def waiting(sessions: SessionMaker) -> int:
    async with sessions() as session:
        unsent = select(func.count()).where(OutboxMessage.published_at.is_(None))
        return await session.scalar(unsent) or 0


async def test_an_announced_event_reaches_each_subscriber_once(
    transport: Transport, sessions: SessionsOf
) -> None:
    audio, notation = Heard(), Heard()
    both = [hearing("audio", audio), hearing("notation", notation)]
    relay = Relay("media", sessions("media"), transport)
    async with running(relay.run(), transport.consume(both)):
        await told(sessions("media"), asked(1), asked(2))
        await until(lambda: len(audio.numbers) + len(notation.numbers) >= 4)
        await asyncio.sleep(0.3)
    assert (sorted(audio.numbers), sorted(notation.numbers)) == ([1, 2], [1, 2])
    assert await waiting(sessions("media")) == 0


async def test_nothing_is_delivered_of_a_transaction_that_rolls_back(
    transport: Transport, sessions: SessionsOf
) -> None:
    heard = Heard()
    relay = Relay("media", sessions("media"), transport)
    async with running(relay.run(), transport.consume([hearing("audio", heard)])):
        with pytest.raises(ZeroDivisionError):
            async with sessions("media").begin() as session:
                announce(session, asked(1))
                await session.flush()
                raise ZeroDivisionError
        await told(sessions("media"), asked(2))
        await until(lambda: heard.numbers != [])
    assert heard.numbers == [2]


async def test_the_same_message_delivered_twice_has_its_effect_once(
    transport: Transport, sessions: SessionsOf
) -> None:
    effects = Effects(sessions("audio"))
    message = Message.of(asked(7))
    async with running(transport.consume([hearing("audio", effects)])):
        await transport.publish([message])
        await transport.publish([message, message])
        await until(lambda: effects.deliveries == 3)
    assert await effects.numbers() == [7]


async def test_events_of_one_subject_are_handled_in_their_order(
    transport: Transport, sessions: SessionsOf
) -> None:
    done: dict[UUID, list[int]] = {}

    async def slow_at_times(event: JobRequested) -> None:
        number = event.options["number"]
        await asyncio.sleep(0.005 * (number % 3))
        done.setdefault(event.video_id, []).append(number)

    one, other = uuid4(), uuid4()
    await told(
        sessions("media"),
        *(asked(number, video_id) for number in range(200) for video_id in (one, other)),
    )
    relay = Relay("media", sessions("media"), transport)
    async with running(relay.run(), transport.consume([hearing("audio", slow_at_times)])):
        await until(lambda: sum(map(len, done.values())) == 400)
    assert done == {one: list(range(200)), other: list(range(200))}


async def test_what_fails_twice_is_tried_again_after_growing_delays(
    transport: Transport,
) -> None:
    tries_s: list[float] = []

    async def heals(event: JobRequested) -> None:
        tries_s.append(asyncio.get_running_loop().time())
        if len(tries_s) < 3:
            raise OSError("storage is away")

    async with running(transport.consume([hearing("audio", heals)])):
        await transport.publish([Message.of(asked())])
        await until(lambda: len(tries_s) == 3)
        await asyncio.sleep(0.5)
    waits_s = [later - earlier for earlier, later in pairwise(tries_s)]
    assert len(tries_s) == 3
    # Lower bounds only: a busy machine is late, never early.
    assert waits_s[0] >= 0.09
    assert waits_s[1] >= 0.19
    assert await transport.dead_letters("audio") == []


async def test_what_fails_every_time_dies_after_the_last_delay(transport: Transport) -> None:
    tries = 0

    async def fails(event: JobRequested) -> None:
        nonlocal tries
        tries += 1
        raise OSError("storage is away")

    async def dead() -> bool:
        return len(await transport.dead_letters("audio")) == 1

    async with running(transport.consume([hearing("audio", fails)])):
        await transport.publish([Message.of(asked())])
        await until(dead)
    [letter] = await transport.dead_letters("audio")
    assert tries == 4
    assert "OSError: storage is away" in letter.reason


async def test_what_cannot_heal_goes_to_the_dead_letters_at_once(transport: Transport) -> None:
    tries: list[int] = []

    async def refuses(event: JobRequested) -> None:
        tries.append(event.options["number"])
        raise Permanent("no such step")

    broken = asked(2)
    unparsable = Message(
        id=broken.event_id,
        type=JobRequested.type,
        source="/backbeat/media",
        subject=broken.subject,
        time=datetime.now(UTC),
        body=b'{"video_id": "no id", ',
    )

    async def both_dead() -> bool:
        return len(await transport.dead_letters("audio")) == 2

    refused = Message.of(asked(1))
    async with running(transport.consume([hearing("audio", refuses)])):
        await transport.publish([refused, unparsable])
        await until(both_dead)
    letters = {letter.id: letter for letter in await transport.dead_letters("audio")}
    assert tries == [1]
    assert set(letters) == {str(refused.id), str(broken.event_id)}
    assert "no such step" in letters[str(refused.id)].reason
    assert "ValidationError" in letters[str(broken.event_id)].reason
    assert letters[str(broken.event_id)].body == '{"video_id": "no id", '
    assert {(x.service, x.type) for x in letters.values()} == {("audio", JobRequested.type)}
    assert all(letter.died_at is not None for letter in letters.values())
    assert await transport.dead_letters("notation") == []


async def test_dead_letters_are_replayed_or_dropped_by_id(transport: Transport) -> None:
    heard = Heard()
    healed = False

    async def heals(event: JobRequested) -> None:
        if not healed:
            raise Permanent("not yet")
        await heard(event)

    messages = [Message.of(asked(number)) for number in range(4)]

    async def dead(count: int) -> bool:
        return len(await transport.dead_letters("audio")) == count

    async with running(transport.consume([hearing("audio", heals)])):
        await transport.publish(messages)
        await until(lambda: dead(4))
        healed = True
        assert await transport.replay("audio", [str(messages[2].id)]) == 1
        await until(lambda: heard.numbers == [2])
        await until(lambda: dead(3))
        assert await transport.drop("audio", [str(messages[0].id), str(uuid4())]) == 1
        await until(lambda: dead(2))
        assert await transport.replay("audio", None) == 2
        await until(lambda: len(heard.numbers) == 3)
    assert heard.numbers[0] == 2
    assert sorted(heard.numbers) == [1, 2, 3]
    assert await transport.dead_letters("audio") == []
    assert await transport.drop("audio", None) == 0


async def test_a_replayed_dead_letter_that_dies_again_is_not_replayed_for_ever(
    transport: Transport,
) -> None:
    tries = 0

    async def refuses(event: JobRequested) -> None:
        nonlocal tries
        tries += 1
        raise Permanent("still not mended")

    async def dead() -> bool:
        return len(await transport.dead_letters("audio")) == 2

    async with running(transport.consume([hearing("audio", refuses)])):
        await transport.publish([Message.of(asked(1)), Message.of(asked(2))])
        await until(dead)
        async with asyncio.timeout(10):
            assert await transport.replay("audio", None) == 2
        await until(lambda: tries == 4)
        await until(dead)


async def test_the_embedded_transport_publishes_over_one_pool(
    make_postgres: MakeTransport, empty_database_url: str
) -> None:
    transport = await make_postgres(DURABLE, TRANSIENT)
    assert all(await asyncio.gather(*(transport.ready() for _ in range(8))))
    await transport.close()
    connection = await asyncpg.connect(empty_database_url)

    async def alone() -> bool:
        rows = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()"
        return bool(await connection.fetchval(rows))

    async with asyncio.timeout(5):
        await until(alone)
    await connection.close()


async def test_transient_events_arrive_and_are_not_tried_again(transport: Transport) -> None:
    fractions: list[float] = []
    consumers = Consumers("audio")

    @consumers.on(AudioWorkProgressed)
    async def on_progress(event: AudioWorkProgressed) -> None:
        fractions.append(event.fraction)
        if event.fraction == 0.5:
            raise OSError("lost, and that is fine")

    async with running(transport.consume([consumers.bind()])):

        async def listens() -> bool:
            await transport.publish_transient(Message.of(progressed(0.0)))
            await asyncio.sleep(0.05)
            return fractions != []

        await until(listens)
        await transport.publish_transient(Message.of(progressed(0.5)))
        await transport.publish_transient(Message.of(progressed(1.0)))
        await until(lambda: fractions[-1] == 1.0)
        await asyncio.sleep(0.5)
    counted = Counter(fractions)
    assert (counted[0.5], counted[1.0]) == (1, 1)
    assert await transport.dead_letters("audio") == []


async def test_an_event_told_before_its_consumer_first_started_waits_for_it(
    transport: Transport, sessions: SessionsOf
) -> None:
    await told(sessions("media"), asked(5))
    assert await Relay("media", sessions("media"), transport).publish_batch() == 1
    heard = Heard()
    async with running(transport.consume([hearing("notation", heard)])):
        await until(lambda: heard.numbers == [5])


async def test_while_the_broker_is_away_events_wait_and_then_all_are_sent(
    make_transport: MakeTransport, backend_url: str, sessions: SessionsOf
) -> None:
    effects = Effects(sessions("audio"))
    async with proxied(backend_url) as proxy:
        transport = await make_transport(DURABLE, TRANSIENT, proxy.url)
        relay = Relay("media", sessions("media"), transport)
        async with running(relay.run(), transport.consume([hearing("audio", effects)])):
            await told(sessions("media"), asked(0))
            await until(lambda: effects.deliveries == 1)
            await proxy.cut()
            await told(sessions("media"), *(asked(number) for number in range(1, 31)))
            assert not await transport.ready()
            # Lost without a fuss, since it may be.
            await transport.publish_transient(Message.of(progressed(0.5)))
            assert await waiting(sessions("media")) == 30
            await proxy.restore()

            async def all_in() -> bool:
                return len(await effects.numbers()) == 31

            await until(all_in)
            assert await transport.ready()

            async def all_marked() -> bool:
                return await waiting(sessions("media")) == 0

            await until(all_marked)
    assert await effects.numbers() == list(range(31))


async def test_a_connection_cut_while_handling_brings_the_event_again_with_one_effect(
    make_transport: MakeTransport, backend_url: str, sessions: SessionsOf
) -> None:
    effects = Effects(sessions("audio"))
    begun = asyncio.Event()
    go_on = asyncio.Event()

    async def held_up(event: JobRequested) -> None:
        begun.set()
        await go_on.wait()
        await effects(event)

    publisher = await make_transport(DURABLE, TRANSIENT)
    async with proxied(backend_url) as proxy:
        transport = await make_transport(DURABLE, TRANSIENT, proxy.url)
        async with running(transport.consume([hearing("audio", held_up)])):
            await publisher.publish([Message.of(asked(number)) for number in range(3)])
            await begun.wait()
            await proxy.drop()
            go_on.set()

            async def all_in() -> bool:
                return len(await effects.numbers()) == 3

            await until(all_in)
            # Every delivery that was not acknowledged came again.
            await publisher.publish([Message.of(asked(3))])

            async def last_in() -> bool:
                return len(await effects.numbers()) == 4

            await until(last_in)
    assert await effects.numbers() == [0, 1, 2, 3]


async def test_a_cancelled_consumer_lets_its_handler_finish(
    transport: Transport, make_transport: MakeTransport
) -> None:
    begun = asyncio.Event()
    go_on = asyncio.Event()
    heard = Heard()

    async def slow(event: JobRequested) -> None:
        begun.set()
        await go_on.wait()
        await heard(event)

    await transport.publish([Message.of(asked(1))])
    consuming = asyncio.create_task(transport.consume([hearing("audio", slow)]))
    await begun.wait()
    consuming.cancel()
    await asyncio.sleep(0.1)
    assert not consuming.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await consuming
    assert heard.numbers == [1]
    # It was acknowledged: nobody gets it again.
    again = Heard()
    async with running(transport.consume([hearing("audio", again)])):
        await transport.publish([Message.of(asked(2))])
        await until(lambda: again.numbers != [])
        await asyncio.sleep(0.2)
    assert again.numbers == [2]


async def test_a_handler_that_outlasts_the_grace_is_handed_to_the_next_consumer(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rabbit_module, postgres_module):
        monkeypatch.setattr(module, "FINISH_WITHIN_S", 0.2)
    begun = asyncio.Event()

    async def endless(event: JobRequested) -> None:
        begun.set()
        await asyncio.Event().wait()

    await transport.publish([Message.of(asked(1))])
    consuming = asyncio.create_task(transport.consume([hearing("audio", endless)]))
    await begun.wait()
    consuming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consuming
    heard = Heard()
    async with running(transport.consume([hearing("audio", heard)])):
        await until(lambda: heard.numbers == [1])


async def test_a_body_that_is_no_message_at_all_does_not_stop_the_others(
    make_transport: MakeTransport, transport_kind: str, backend_url: str, rabbit_prefix: str
) -> None:
    transport = await make_transport(DURABLE, TRANSIENT)
    if transport_kind == "rabbitmq":
        import aio_pika

        connection = await aio_pika.connect(backend_url)
        async with connection:
            channel = await connection.channel()
            await channel.default_exchange.publish(
                aio_pika.Message(b"\xff\x00"),
                routing_key=rabbit_prefix + rabbit_module.queue_name("audio", JobRequested.type),
            )
    else:
        assert isinstance(transport, postgres_module.PostgresTransport)
        queries = await transport._queries()
        name = postgres_module.entrypoint_name("audio", JobRequested.type)
        await queries.enqueue([name], [b"\xff\x00"], [0])
    heard = Heard()

    async def dead() -> bool:
        return len(await transport.dead_letters("audio")) == 1

    async with running(transport.consume([hearing("audio", heard)])):
        await transport.publish([Message.of(asked(1))])
        await until(lambda: heard.numbers == [1])
        await until(dead)
    assert await transport.drop("audio", None) == 1
