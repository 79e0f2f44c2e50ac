"""One OpenAPI document out of the services'."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

Document = dict[str, Any]
Names = dict[tuple[str, str], str]
"""(section of components, name) to the name in the merged document."""

INFO: Final = {
    "title": "Backbeat",
    "version": "0.1.0",
    "description": "A drum video comes in; a score that a drummer can read comes out. Sign in at "
    "`POST /auth/login`, upload at `POST /media/videos/`, follow the jobs, read the score at "
    "`/notation`.",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The access token that POST /auth/login answers with.",
}
PREFIX: Final = "#/components/"


def _is_bearer(scheme: Mapping[str, Any]) -> bool:
    return scheme.get("type") == "http" and str(scheme.get("scheme", "")).lower() == "bearer"


def _map_references(node: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(node, list):
        return [_map_references(item, rename) for item in node]
    if not isinstance(node, dict):
        return node
    mapped = {key: _map_references(value, rename) for key, value in node.items()}
    if isinstance(node.get("$ref"), str):
        mapped["$ref"] = rename(node["$ref"])
    discriminator = node.get("discriminator")
    if isinstance(discriminator, dict) and isinstance(discriminator.get("mapping"), dict):
        mapped["discriminator"]["mapping"] = {
            value: rename(reference) for value, reference in discriminator["mapping"].items()
        }
    return mapped


def _renamer(names: Names) -> Callable[[str], str]:
    def rename(reference: str) -> str:
        if not reference.startswith(PREFIX):
            return reference
        section, _, rest = reference.removeprefix(PREFIX).partition("/")
        name, slash, deeper = rest.partition("/")
        return f"{PREFIX}{section}/{names.get((section, name), name)}{slash}{deeper}"

    return rename


def _renames(documents: Mapping[str, Document]) -> dict[str, Names]:
    """Per service, the components that mean something else elsewhere, under a name of their own.
    One whose text is equal but that refers to such a one differs as well, hence the rounds."""
    names: dict[str, Names] = {service: {} for service in documents}
    holders: dict[tuple[str, str], list[str]] = {}
    for service, document in documents.items():
        for section, parts in document.get("components", {}).items():
            if section != "securitySchemes":
                for name in parts:
                    holders.setdefault((section, name), []).append(service)
    shared = {key: services for key, services in holders.items() if len(services) > 1}
    changed = True
    while changed:
        changed = False
        for (section, name), services in shared.items():
            if (section, name) in names[services[0]]:
                continue
            bodies = [
                _map_references(
                    documents[service]["components"][section][name], _renamer(names[service])
                )
                for service in services
            ]
            if any(body != bodies[0] for body in bodies[1:]):
                for service in services:
                    own = service.capitalize() + name
                    while (section, own) in holders:
                        own += "_"
                    names[service][section, name] = own
                changed = True
    return names


def _unique_operation_ids(service: str, item: Any, taken: set[str]) -> None:
    for operation in item.values():
        if isinstance(operation, dict) and "operationId" in operation:
            if operation["operationId"] in taken:
                operation["operationId"] = f"{service}_{operation['operationId']}"
            taken.add(operation["operationId"])


def _name_bearer(node: Any, schemes: Mapping[str, Any]) -> None:
    """In the `security` of a document or an operation, say `bearer`."""
    for requirement in node.get("security", []):
        for name in list(requirement):
            if _is_bearer(schemes.get(name, {})):
                requirement["bearer"] = requirement.pop(name)


def merge(documents: Mapping[str, Document], unavailable: tuple[str, ...] = ()) -> Document:
    """The documents, by service, as one. Components of equal name and content are there once,
    those that differ carry their service's name. `unavailable` services are listed as such."""
    merged: Document = {
        "openapi": max((d.get("openapi", "3.1.0") for d in documents.values()), default="3.1.0"),
        "info": dict(INFO),
        "paths": {},
        "components": {"schemas": {}, "securitySchemes": {"bearer": dict(BEARER)}},
    }
    tags: dict[str, Any] = {}
    ids: set[str] = set()
    names = _renames(documents)
    for service, original in documents.items():
        document = _map_references(deepcopy(original), _renamer(names[service]))
        components = document.get("components", {})
        schemes = components.pop("securitySchemes", {})
        for path, item in document.get("paths", {}).items():
            _unique_operation_ids(service, item, ids)
            for operation in item.values():
                if isinstance(operation, dict):
                    if "security" not in operation and "security" in document:
                        operation["security"] = deepcopy(document["security"])
                    _name_bearer(operation, schemes)
            present = merged["paths"].setdefault(path, {})
            merged["paths"][path] = item | present
        for section, parts in components.items():
            kept = merged["components"].setdefault(section, {})
            for name, part in parts.items():
                kept[names[service].get((section, name), name)] = part
        for name, scheme in schemes.items():
            if not _is_bearer(scheme):
                merged["components"]["securitySchemes"].setdefault(name, scheme)
        for tag in document.get("tags", []):
            tags.setdefault(tag["name"], tag)
    if tags:
        merged["tags"] = list(tags.values())
    if unavailable:
        merged["x-unavailable"] = sorted(unavailable)
    return merged
