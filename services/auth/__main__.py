"""`python -m services.auth`."""

from libs.common.service import run_service
from libs.common.settings import load
from services.auth.settings import AuthSettings
from services.auth.wiring import build

if __name__ == "__main__":
    run_service("auth", lambda: build(load(AuthSettings)))
