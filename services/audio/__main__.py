"""`python -m services.audio`."""

from libs.common.service import run_service
from libs.common.settings import load
from services.audio.settings import AudioSettings
from services.audio.wiring import build

if __name__ == "__main__":
    run_service("audio", lambda: build(load(AudioSettings)))
