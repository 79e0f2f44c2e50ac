"""The services as processes of their own, as a cluster runs them, on RabbitMQ through a proxy
that can be cut and on a PostgreSQL that can be restarted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from libs.common.migrate import BACKENDS
from libs.common.service import bind
from tests.integration.waiting import until

ALL = (*BACKENDS, "gateway")
SECRET = "k3J9-vQ2m_XwT7pLzR4nB8sYc6HdFgU1eAoIiW0qMtSx5VbN"


def free_port() -> int:
    """A port that was free just now."""
    listening = bind("127.0.0.1", 0)
    port: int = listening.getsockname()[1]
    listening.close()
    return port


class Processes:
    """`python -m services.<name>` for each service, with exactly the environment that the
    containers get."""

    def __init__(self, database_url: str, broker_url: str, prefix: str, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ALL}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        shared: Mapping[str, str] = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AUTH_BCRYPT_ROUNDS": "4",
            "AUTH_SECRET_KEY": SECRET,
            "GATEWAY_RATE_LIMIT_USER": "",
            "GATEWAY_RATE_LIMIT_ADDRESS": "",
            "GATEWAY_RATE_LIMIT_LOGIN": "",
            "GATEWAY_JWKS_URL": f"{self.url_of('auth')}/auth/jwks",
        }
        self.environment = dict(shared)
        for name in BACKENDS:
            upper = name.upper()
            self.environment |= {
                f"{upper}_DATABASE_URL": database_url,
                f"{upper}_BROKER_URL": broker_url,
                f"{upper}_BROKER_PREFIX": prefix,
                f"{upper}_STORAGE_URL": str(folder / "files"),
                f"{upper}_JWKS_URL": f"{self.url_of('auth')}/auth/jwks",
                f"{upper}_STOP_GRACE_S": "5",
                f"GATEWAY_{upper}_URL": self.url_of(name),
            }
        for name in ALL:
            self.environment[f"{name.upper()}_PORT"] = str(self.ports[name])

    def url_of(self, name: str) -> str:
        """A service's address."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def log_of(self, name: str) -> str:
        """What a service has logged so far."""
        return (self.folder / f"{name}.log").read_text()

    def start(self, name: str) -> None:
        """Start one."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", f"services.{name}"],
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    async def start_all(self) -> None:
        """Start them and wait until each is ready."""
        for name in ALL:
            self.start(name)
        for name in ALL:
            await self.ready(name)

    async def ready(self, name: str) -> None:
        """Wait until it says that it is ready."""

        async def is_ready() -> bool:
            assert self.running[name].poll() is None, self.log_of(name)
            try:
                async with httpx.AsyncClient() as http:
                    answer = await http.get(f"{self.url_of(name)}/readyz", timeout=5)
            except httpx.HTTPError:
                return False
            return answer.status_code == 200

        await until(is_ready)

    async def kill(self, name: str) -> None:
        """SIGKILL: no goodbye."""
        process = self.running.pop(name)
        process.kill()
        await asyncio.to_thread(process.wait)

    async def stop(self, name: str) -> int:
        """SIGTERM; the exit status."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(process.wait, 60)

    async def stop_all(self) -> None:
        """Stop whatever runs."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            await asyncio.to_thread(process.wait, 60)
        self.running.clear()
