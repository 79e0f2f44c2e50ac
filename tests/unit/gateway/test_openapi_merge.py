from typing import Any

from services.gateway.domain.openapi import merge


def document(path: str, schemas: dict[str, Any], **operation: Any) -> dict[str, Any]:
    first = next(iter(schemas), "None")
    answer = {"schema": {"$ref": f"#/components/schemas/{first}"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "One of many", "version": "9"},
        "paths": {
            path: {
                "get": {
                    "operationId": "read",
                    "responses": {"200": {"content": {"application/json": answer}}},
                    **operation,
                }
            }
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"HTTPBearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def answer_of(merged: dict[str, Any], path: str) -> str:
    content = merged["paths"][path]["get"]["responses"]["200"]["content"]
    reference: str = content["application/json"]["schema"]["$ref"]
    return reference.rpartition("/")[2]


PROBLEM = {"type": "object", "properties": {"detail": {"type": "string"}}}


def test_equal_schemas_are_there_once_under_their_own_name():
    merged = merge(
        {
            "auth": document("/a", {"Problem": PROBLEM}),
            "media": document("/m", {"Problem": PROBLEM}),
        }
    )
    assert merged["components"]["schemas"] == {"Problem": PROBLEM}
    assert answer_of(merged, "/m") == "Problem"


def test_schemas_that_differ_carry_their_services_name_and_are_referred_to_by_it():
    a, b = {"type": "string"}, {"type": "integer"}
    merged = merge({"auth": document("/a", {"Id": a}), "media": document("/m", {"Id": b})})
    assert merged["components"]["schemas"] == {"AuthId": a, "MediaId": b}
    assert answer_of(merged, "/a") == "AuthId"
    assert answer_of(merged, "/m") == "MediaId"


def test_a_schema_of_equal_text_that_refers_to_a_differing_one_differs_too():
    page = {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
    merged = merge(
        {
            "auth": document("/a", {"Page": page, "Item": {"type": "string"}}),
            "media": document("/m", {"Page": page, "Item": {"type": "integer"}}),
        }
    )
    schemas = merged["components"]["schemas"]
    assert schemas["AuthPage"]["items"] == {"$ref": "#/components/schemas/AuthItem"}
    assert schemas["MediaPage"]["items"] == {"$ref": "#/components/schemas/MediaItem"}
    assert sorted(schemas) == ["AuthItem", "AuthPage", "MediaItem", "MediaPage"]


def test_discriminator_mappings_follow_a_renamed_schema():
    shape = {
        "oneOf": [{"$ref": "#/components/schemas/Kind"}],
        "discriminator": {"propertyName": "k", "mapping": {"x": "#/components/schemas/Kind"}},
    }
    merged = merge(
        {
            "auth": document("/a", {"Shape": shape, "Kind": {"type": "string"}}),
            "media": document("/m", {"Kind": {"type": "integer"}}),
        }
    )
    mapping = merged["components"]["schemas"]["Shape"]["discriminator"]["mapping"]
    assert mapping == {"x": "#/components/schemas/AuthKind"}


def test_the_bearer_scheme_is_one_and_operations_name_it():
    merged = merge({"auth": document("/a", {"P": PROBLEM}, security=[{"HTTPBearer": []}])})
    assert list(merged["components"]["securitySchemes"]) == ["bearer"]
    assert merged["paths"]["/a"]["get"]["security"] == [{"bearer": []}]


def test_tags_stay_and_operation_ids_are_made_unique():
    merged = merge(
        {
            "auth": document("/a", {"P": PROBLEM}, tags=["auth"]),
            "media": document("/m", {"P": PROBLEM}, tags=["media"]),
        }
    )
    assert merged["paths"]["/m"]["get"]["tags"] == ["media"]
    ids = [merged["paths"][path]["get"]["operationId"] for path in ("/a", "/m")]
    assert ids == ["read", "media_read"]


def test_services_that_are_away_are_listed_and_the_originals_stay_as_they_were():
    given = document("/a", {"P": PROBLEM}, security=[{"HTTPBearer": []}])
    merged = merge({"auth": given}, ("media", "audio"))
    assert merged["x-unavailable"] == ["audio", "media"]
    assert merged["info"]["title"] == "Backbeat"
    assert given["paths"]["/a"]["get"]["security"] == [{"HTTPBearer": []}]


def test_no_documents_give_an_empty_document():
    assert merge({})["paths"] == {}
