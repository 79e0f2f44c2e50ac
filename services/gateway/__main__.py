"""`python -m services.gateway`."""

from libs.common.service import run_service
from libs.common.settings import load
from services.gateway.settings import GatewaySettings
from services.gateway.wiring import build

if __name__ == "__main__":
    run_service("gateway", lambda: build(load(GatewaySettings)))
