"""What the compose file promises, read from the file: no Docker is needed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, given in CONTAINERS.items() if "build" in given]
ONE_SHOT = [
    "migrate-auth",
    "migrate-media",
    "migrate-audio",
    "migrate-notation",
    "migrate-ai",
    "migrate-vision",
    "make-bucket",
]
BACKENDS = ["auth", "media", "audio", "notation", "ai", "vision"]


def example_names() -> set[str]:
    example = (ROOT / ".env.example").read_text()
    return set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE))


def test_every_service_has_a_container_and_a_migration():
    assert {"gateway", *BACKENDS, *(f"migrate-{name}" for name in BACKENDS)} == set(OURS)


def test_only_the_gateway_publishes_a_port_and_only_it_is_on_the_front_network():
    assert [name for name, given in CONTAINERS.items() if given.get("ports")] == ["gateway"]
    assert [name for name, given in CONTAINERS.items() if "front" in given["networks"]] == [
        "gateway"
    ]
    assert COMPOSE["networks"]["back"] == {"internal": True}


def test_only_the_teacher_and_the_gateway_reach_the_world():
    outside = {"front", "out"}
    assert {name for name, given in CONTAINERS.items() if outside & set(given["networks"])} == {
        "gateway",
        "ai",
    }


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_has_a_health_check_limits_and_no_new_privileges(name: str):
    given = CONTAINERS[name]
    if name in ONE_SHOT:
        assert given["healthcheck"] == {"disable": True}
        assert given["restart"] == "on-failure:3"
    else:
        assert given["healthcheck"]["test"][0] == "CMD"
        assert given["restart"] == "unless-stopped"
    assert set(given["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert given["pids_limit"] > 0
    assert given["security_opt"] == ["no-new-privileges:true"]
    assert given["logging"]["options"]["max-size"] == "10m"


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_neither_write_nor_become_root(name: str):
    given = CONTAINERS[name]
    assert given["user"] == "10001:10001"
    assert given["read_only"] is True
    assert given["cap_drop"] == ["ALL"]
    assert "cap_add" not in given
    assert "privileged" not in given


@pytest.mark.parametrize("name", [*BACKENDS, "gateway"])
def test_a_service_has_longer_to_stop_than_it_takes(name: str):
    from libs.common.settings import ServiceSettings

    grace_s = int(CONTAINERS[name]["stop_grace_period"].removesuffix("s"))
    assert grace_s > ServiceSettings.model_fields["stop_grace_s"].default


@pytest.mark.parametrize("name", BACKENDS)
def test_a_service_starts_after_its_schema_its_broker_and_its_files(name: str):
    waits = {other: how["condition"] for other, how in CONTAINERS[name]["depends_on"].items()}
    assert waits.pop(f"migrate-{name}") == "service_completed_successfully"
    assert waits.pop("rabbitmq") == "service_healthy"
    if name != "auth":
        assert waits.pop("make-bucket") == "service_completed_successfully"
    assert waits == {}


@pytest.mark.parametrize("name", BACKENDS)
def test_a_service_has_a_database_role_of_its_own_and_no_other(name: str):
    for container in (name, f"migrate-{name}"):
        urls = re.findall(r"postgresql://(\w+):", str(CONTAINERS[container]["environment"]))
        assert urls == [name]


def test_no_secret_stands_in_the_file():
    secret = re.compile(r"PASS|SECRET|ACCESS_KEY|TOKEN(?!S)")
    for container, given in CONTAINERS.items():
        for name, value in (given.get("environment") or {}).items():
            text = str(value or "")
            # Whatever stands between a user's name and the @ of a URL comes from outside too.
            for password in re.findall(r"://[^:/]+:(.*)@", text):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", password), (container, name)
            if secret.search(name) and "EXPIRE" not in name and value is not None:
                assert re.fullmatch(r"\$\{\w+:\?.+\}", text), (container, name)


def test_a_missing_secret_says_its_name_and_how_to_make_one():
    required = re.findall(r"\$\{(\w+):\?([^}]*)\}", TEXT)
    assert {name for name, _ in required} >= {"SECRET_KEY", "POSTGRES_PASSWORD"}
    for name, message in required:
        assert message == f"{name} has no value; deploy/make-env writes an .env with one"


def test_every_name_the_file_takes_stands_in_the_example():
    taken = set(re.findall(r"\$\{(\w+)", TEXT))
    taken |= {
        name
        for given in CONTAINERS.values()
        for name, value in (given.get("environment") or {}).items()
        if value is None
    }
    assert taken <= example_names()


@pytest.mark.parametrize("name", [*BACKENDS, "gateway"])
def test_the_environment_is_one_the_service_reads(name: str):
    """A setting that was renamed would be ignored without a word."""
    module = __import__(f"services.{name}.settings", fromlist=["settings"])
    settings = getattr(module, f"{name.capitalize()}Settings")
    for variable in CONTAINERS[name]["environment"]:
        if variable.startswith(("AWS_", "TMPDIR")):
            continue
        assert variable.startswith(f"{name.upper()}_")
        assert variable.removeprefix(f"{name.upper()}_").lower() in settings.model_fields


def test_every_image_names_a_version():
    for name, given in CONTAINERS.items():
        if name not in OURS:
            assert re.fullmatch(r"[\w./-]+:v?\d[\w.-]*", given["image"]), name


def test_prometheus_scrapes_every_service():
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    targets = [
        target
        for job in config["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    ]
    assert {f"{name}:8000" for name in [*BACKENDS, "gateway"]} <= set(targets)
    for target in targets:
        host = target.split(":")[0]
        assert host in CONTAINERS or host == "127.0.0.1"
