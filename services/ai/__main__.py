"""`python -m services.ai`."""

from libs.common.service import run_service
from libs.common.settings import load
from services.ai.settings import AiSettings
from services.ai.wiring import build

if __name__ == "__main__":
    run_service("ai", lambda: build(load(AiSettings)))
