"""The image recipe, read; hadolint has the last word on it."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = ROOT / "deploy/Dockerfile"
LINES = DOCKERFILE.read_text().splitlines()


def last(instruction: str) -> str:
    return [line for line in LINES if line.startswith(f"{instruction} ")][-1]


def test_the_image_does_not_run_as_root():
    uid = last("USER").removeprefix("USER ").split(":")[0]
    assert int(uid) >= 10_000


def test_the_base_has_a_version_and_nothing_is_fetched_to_read_the_recipe():
    bases = [line.split()[1] for line in LINES if line.startswith("FROM ")]
    assert set(bases) == {"python:3.11-slim-bookworm"}
    assert not any(line.startswith("# syntax") for line in LINES)


def test_an_image_holds_one_service():
    copied = [line for line in LINES if line.startswith("COPY ") and "services" in line]
    assert copied == [
        "COPY services/__init__.py services/__init__.py",
        "COPY services/${SERVICE} services/${SERVICE}",
    ]


def test_the_process_hears_the_signals_itself():
    assert "exec python -m services.${SERVICE}" in last("CMD")
    assert last("CMD").startswith("CMD [")


def test_the_image_listens_beyond_itself():
    for service in ("AUTH", "MEDIA", "AUDIO", "NOTATION", "AI", "VISION", "GATEWAY"):
        assert any(line.strip().startswith(f"{service}_HOST=0.0.0.0") for line in LINES)


def test_hadolint_has_nothing_to_say():
    hadolint = shutil.which("hadolint") or shutil.which(
        "hadolint", path=Path(sys.executable).parent
    )
    if hadolint is None:
        pytest.skip('hadolint is not there: pip install -e ".[dev]"')
    done = subprocess.run(
        [hadolint, str(DOCKERFILE)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout + done.stderr == ""


def test_the_gateway_has_no_database_and_no_numbers():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert [re.split(r"[~=<>\[]", needed)[0] for needed in extras["gateway"]] == [
        "limits",
        "fastapi-offline",
    ]


def test_the_gateway_starts_without_what_only_the_others_need():
    """Imported in a Python in which the backends' libraries cannot be found."""
    blocked = ("sqlalchemy", "alembic", "asyncpg", "aio_pika", "obstore", "numpy", "av", "lxml")
    program = (
        "import sys\n"
        f"for name in {blocked!r}: sys.modules[name] = None\n"
        "import services.gateway.wiring, libs.common.service\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
