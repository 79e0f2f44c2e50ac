import re
import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr

from libs.common.settings import strong_secret

ROOT = Path(__file__).resolve().parents[3]
SEED_NAMES = (
    "DATABASE_URL_ASYNC", "DATABASE_URL_SYNC", "SECRET_KEY", "ALGORITHM",
    "ACCESS_TOKEN_EXPIRE_MINUTES", "OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_MAX_TOKENS",
    "OPENAI_TEMPERATURE", "UPLOAD_DIR", "MAX_FILE_SIZE", "FFMPEG_PATH",
)  # fmt: skip


def make_env(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "deploy/make-env"), str(path)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def values(path: Path) -> dict[str, str]:
    lines = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", path.read_text(), re.MULTILINE)
    return dict(lines)


def test_the_example_explains_every_setting_of_the_seed_and_holds_no_secret():
    example = (ROOT / ".env.example").read_text()
    for name in SEED_NAMES:
        assert re.search(rf"\b{name}\b", example), name
    assert re.findall(r"^(\w*(?:PASSWORD|SECRET|KEY)\w*)=.+$", example, re.MULTILINE) == []


def test_every_secret_is_fresh_strong_and_fit_for_a_url(tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert make_env(first).returncode == 0
    assert make_env(second).returncode == 0
    example, made, again = values(ROOT / ".env.example"), values(first), values(second)
    empty = [name for name, value in example.items() if not value]
    assert len({made[name] for name in empty} | {again[name] for name in empty}) == 2 * len(empty)
    for name in empty:
        assert re.fullmatch(r"[A-Za-z0-9_-]{48}", made[name])
    assert strong_secret(SecretStr(made["SECRET_KEY"]))
    assert {name: value for name, value in made.items() if name not in empty} == {
        name: value for name, value in example.items() if value
    }


def test_the_file_is_its_owners_alone_and_is_never_written_over(tmp_path: Path):
    path = tmp_path / ".env"
    make_env(path)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text()
    refused = make_env(path)
    assert refused.returncode == 1
    assert "is there already" in refused.stderr
    assert path.read_text() == before
