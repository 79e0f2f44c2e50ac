"""Model files that whoever runs the service names by path or address: fetched once, checked."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

MAX_BYTES: Final = 4 << 30
_CHUNK_BYTES: Final = 1 << 20
_TIMEOUT_S: Final = 60
# Demucs' own files carry the beginning of their digest in the name.
_DIGEST_IN_NAME: Final = re.compile(r"-([0-9a-f]{8,64})\.th$")


class WeightsUnavailable(Exception):
    """The file cannot be had; it may be there the next time."""


class WeightsBroken(Exception):
    """The file is there, and is not what it should be."""


def is_address(weights: str) -> bool:
    """Whether it is fetched, and not a path."""
    return weights.startswith(("http://", "https://"))


def file_name(weights: str) -> str:
    """The last part of a path or an address."""
    return Path(unquote(urlsplit(weights).path) if is_address(weights) else weights).name


def default_cache() -> Path:
    """The user's own cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "backbeat" / "models"


def local_weights(
    weights: str,
    cache: Path,
    sha256: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """The file, downloaded into `cache` when it is an address that was not fetched before.

    `sha256` may be the beginning of the digest; without one the digest in a name such as
    `955717e8-8726e21a.th` counts. WeightsUnavailable or WeightsBroken.
    """
    named = _DIGEST_IN_NAME.search(file_name(weights))
    expected = (sha256 or (named[1] if named else "")).lower()
    if not is_address(weights):
        path = Path(weights)
        if not path.is_file():
            raise WeightsUnavailable(f"There is no file {path.name}.")
        if expected:
            _check(path, expected)
        return path
    cache.mkdir(parents=True, exist_ok=True)
    # Two addresses that end alike are two files.
    prefix = hashlib.sha256(weights.encode()).hexdigest()[:12]
    path = cache / f"{prefix}-{file_name(weights)}"
    with _sole_use(path):
        if path.exists() and expected:
            try:
                _check(path, expected)
            except WeightsBroken:
                path.unlink()
        if not path.exists():
            _download(weights, path, expected, progress)
    return path


@contextlib.contextmanager
def _sole_use(path: Path) -> Iterator[None]:
    """Two workers that want the same file fetch it once."""
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check(path: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    _compare(digest.hexdigest(), expected)


def _compare(found: str, expected: str) -> None:
    if not found.startswith(expected):
        raise WeightsBroken(f"Its SHA-256 is {found}, and not {expected}.")


def _download(
    address: str, path: Path, expected: str, progress: Callable[[float], None] | None
) -> None:
    # One name, written anew under the lock: whoever is killed on the way leaves no second one.
    partial = path.with_name(path.name + ".part")
    try:
        with (
            # The address is the operator's, and of http or https alone.
            urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer,
            partial.open("wb") as part,
        ):
            total = int(answer.headers.get("Content-Length") or 0)
            if not total and not expected:
                raise WeightsUnavailable(
                    "The server tells no length; without a SHA-256 a broken-off file would look "
                    "whole."
                )
            digest = hashlib.sha256()
            done = 0
            while chunk := answer.read(_CHUNK_BYTES):
                done += len(chunk)
                if done > MAX_BYTES:
                    raise WeightsBroken(f"It has more than {MAX_BYTES >> 30} GiB.")
                digest.update(chunk)
                part.write(chunk)
                if progress and total:
                    progress(min(done / total, 1.0))
            if total and done != total:
                raise WeightsUnavailable(f"{done} of {total} bytes came.")
            if expected:
                _compare(digest.hexdigest(), expected)
        partial.replace(path)
    except http.client.HTTPException as error:
        # Its text may hold the address, and that a password.
        raise WeightsUnavailable(
            f"The server's answer broke off ({type(error).__name__})."
        ) from error
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise WeightsUnavailable(str(error)) from error
    finally:
        partial.unlink(missing_ok=True)
