"""Alembic's entry for this schema."""

from libs.common.database import CommonBase
from libs.common.migrate import run_env
from services.vision.models import Base

run_env(CommonBase.metadata, Base.metadata)
