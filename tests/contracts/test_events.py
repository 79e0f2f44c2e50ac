"""Every event keeps an example; what parses today must parse tomorrow."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from libs.common.asyncapi import asyncapi_document
from libs.common.events import DURABLE, SUBSCRIBERS, TRANSIENT
from libs.common.events.notation import ScoreEvent
from libs.common.messaging import Consumers, Event
from libs.common.messaging.event import Message

EXAMPLES = Path(__file__).parent / "examples"
BY_TYPE = {kind.type: kind for kind in SUBSCRIBERS}
KEPT = sorted(EXAMPLES.glob("*/*.json"))
HEARING = ("auth", "media", "audio", "notation", "ai", "vision")


def every_event(kind: type[Event] = Event) -> set[type[Event]]:
    """All classes that have a type of their own."""
    found = {kind} if "type" in vars(kind) else set()
    return found.union(*(every_event(child) for child in kind.__subclasses__()))


def kept(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def test_every_event_class_is_listed_with_its_subscribers() -> None:
    house = {kind for kind in every_event() if kind.__module__.startswith("libs.common.events")}
    assert house == set(SUBSCRIBERS)
    assert len(BY_TYPE) == len(SUBSCRIBERS)
    assert set(DURABLE).isdisjoint(TRANSIENT)


@pytest.mark.parametrize("kind", SUBSCRIBERS, ids=lambda kind: str(kind.type))
def test_an_events_type_is_publisher_thing_happened_and_version(kind: type[Event]) -> None:
    publisher, happened, version = kind.type.split(".")
    assert publisher in HEARING
    assert "-" in happened
    assert version.startswith("v")
    assert version[1:].isdigit()


@pytest.mark.parametrize("kind", SUBSCRIBERS, ids=lambda kind: str(kind.type))
def test_every_event_keeps_an_example(kind: type[Event]) -> None:
    assert (EXAMPLES / kind.type / "1.json").is_file()


@pytest.mark.parametrize("path", KEPT, ids=name)
def test_a_kept_example_is_of_a_known_type(path: Path) -> None:
    assert path.parent.name in BY_TYPE


@pytest.mark.parametrize("path", KEPT, ids=name)
def test_a_kept_example_parses_with_every_field_known_and_its_value_kept(path: Path) -> None:
    example, kind = kept(path), BY_TYPE[path.parent.name]
    event = kind.model_validate_json(path.read_bytes())
    assert set(example) <= set(kind.model_fields)
    written = json.loads(event.model_dump_json())
    assert {field: written[field] for field in example} == example


@pytest.mark.parametrize("path", KEPT, ids=name)
def test_a_kept_example_tells_whom_it_is_about(path: Path) -> None:
    example, kind = kept(path), BY_TYPE[path.parent.name]
    about = "video_id" if "video_id" in kind.model_fields else "user_id"
    if issubclass(kind, ScoreEvent):
        about = "notation_id"
    assert kind.model_validate(example).subject == example[about]


@pytest.mark.parametrize("path", KEPT, ids=name)
def test_an_older_reader_is_not_disturbed_by_a_field_that_is_new(path: Path) -> None:
    example, kind = kept(path), BY_TYPE[path.parent.name]
    assert kind.model_validate(example | {"added_later": 1}) == kind.model_validate(example)


@pytest.mark.parametrize("path", KEPT, ids=name)
def test_a_message_survives_its_journey(path: Path) -> None:
    event = BY_TYPE[path.parent.name].model_validate(kept(path))
    message = Message.of(event)
    assert Message.from_attributes(message.attributes(), message.body) == message
    assert type(event).model_validate_json(message.body) == event


def registered(service: str) -> Consumers:
    module = f"services.{service}.consumers"
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not written yet")
    consumers: Consumers = importlib.import_module(module).consumers
    return consumers


@pytest.mark.parametrize("service", HEARING)
def test_a_service_handles_exactly_what_it_is_subscribed_to(service: str) -> None:
    consumers = registered(service)
    subscribed = {kind.type for kind, hearers in SUBSCRIBERS.items() if service in hearers}
    assert consumers.service == service
    assert set(consumers.handlers) == subscribed
    for event_type, (kind, _) in consumers.handlers.items():
        assert kind is BY_TYPE[event_type]


def test_the_asyncapi_document_lists_every_event_with_who_sends_and_hears_it() -> None:
    document = asyncapi_document()
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses == set(BY_TYPE)
    told = {
        (key.split(".")[0], operation["action"], operation["channel"]["$ref"].split("/")[-1])
        for key, operation in document["operations"].items()
    }
    expected = {(kind.publisher(), "send", kind.__name__) for kind in SUBSCRIBERS} | {
        (service, "receive", kind.__name__)
        for kind, hearers in SUBSCRIBERS.items()
        for service in hearers
    }
    assert told == expected


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi_document()

    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if "$ref" in value else set()
            return own.union(*(references(part) for part in value.values()))
        if isinstance(value, list):
            return set().union(*(references(part) for part in value))
        return set()

    for reference in references(document):
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
    # It is JSON, and the same each time.
    assert json.loads(json.dumps(document)) == asyncapi_document()


@pytest.mark.parametrize("path", KEPT, ids=name)
def test_a_kept_example_fits_its_schema_in_the_asyncapi_document(path: Path) -> None:
    schemas = asyncapi_document()["components"]["schemas"]
    schema = schemas[BY_TYPE[path.parent.name].__name__]
    jsonschema_rs.validator_for(schema | {"components": {"schemas": schemas}}).validate(kept(path))
