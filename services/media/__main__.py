"""`python -m services.media`."""

from libs.common.service import run_service
from libs.common.settings import load
from services.media.settings import MediaSettings
from services.media.wiring import build

if __name__ == "__main__":
    run_service("media", lambda: build(load(MediaSettings)))
