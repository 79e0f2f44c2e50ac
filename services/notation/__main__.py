"""`python -m services.notation`."""

from libs.common.service import run_service
from libs.common.settings import load
from services.notation.settings import NotationSettings
from services.notation.wiring import build

if __name__ == "__main__":
    run_service("notation", lambda: build(load(NotationSettings)))
