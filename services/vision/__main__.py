"""`python -m services.vision`."""

from libs.common.service import run_service
from libs.common.settings import load
from services.vision.settings import VisionSettings
from services.vision.wiring import build

if __name__ == "__main__":
    run_service("vision", lambda: build(load(VisionSettings)))
