"""How audio is put together, for its own process and for the embedded system."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI

from libs.common.backend import Backend
from libs.common.events import AudioWorkFailed, AudioWorkStarted
from libs.common.messaging.transport import Transport
from libs.common.offload import Offload
from libs.common.service import BackgroundTask, Running, make_app
from libs.common.settings import SettingsProblem
from libs.common.work import EventAnnouncer, Worker
from services.audio import api, api_stems
from services.audio.consumers import consumers
from services.audio.domain import demucs
from services.audio.domain.hear import hearers
from services.audio.domain.weights import is_address
from services.audio.settings import AudioSettings
from services.audio.transcribe import Transcriber


def make_audio_app() -> FastAPI:
    """The app with its routes, not yet attached to anything."""
    app = make_app("audio", "Backbeat: hearing")
    app.include_router(api.router)
    app.include_router(api_stems.router)
    return app


def check_demucs(settings: AudioSettings) -> None:
    """SettingsProblem now, and not in the first user's job."""
    weights = settings.demucs_weights
    if weights and not demucs.is_installed():
        raise SettingsProblem(
            "AUDIO_DEMUCS_WEIGHTS is set, but Demucs is not installed: pip install "
            "'backbeat[separation]'."
        )
    if weights and not is_address(weights) and not Path(weights).is_file():
        raise SettingsProblem(f"AUDIO_DEMUCS_WEIGHTS is {weights!r}, and there is no such file.")


async def build(settings: AudioSettings, transport: Transport | None = None) -> Running:
    """Audio, ready to serve; SettingsProblem for a model or for weights that are not there."""
    if settings.model not in hearers():
        raise SettingsProblem(
            f"AUDIO_MODEL is {settings.model!r}; there are {', '.join(hearers())}."
        )
    check_demucs(settings)
    # For the child processes: idle OpenMP threads that spin slow the working ones down.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    backend = Backend.open("audio", settings, transport)
    app = make_audio_app()
    app.state.offload = offload = Offload()
    transcriber = Transcriber(settings, backend.storage, backend.transport)
    worker = Worker(
        "audio",
        backend.sessions,
        transcriber.handlers(),
        EventAnnouncer(AudioWorkStarted, AudioWorkFailed),
        concurrency=settings.workers,
        grace_s=settings.stop_grace_s,
    )

    async def stop_children() -> None:
        offload.kill()
        transcriber.close()

    bound = consumers.bind(sessions=backend.sessions, storage=backend.storage, settings=settings)
    work: tuple[BackgroundTask, ...] = (worker.run,) if settings.workers else ()
    return backend.running(app, bound, *work, on_close=(stop_children,))
