"""Object storage through obstore: a folder (embedded) or S3-compatible (cluster), one code.

Keys are ours alone (ids and fixed words), never a user's file name.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, S3Store

CHUNK_BYTES = 1024 * 1024
PART_BYTES = 8 * 1024 * 1024


class MissingObject(Exception):
    """There is nothing under this key."""


class StorageAway(ConnectionError):
    """The store does not answer, or answers with a fault of its own. It may heal."""


@contextlib.contextmanager
def _faults(key: str = "") -> Iterator[None]:
    """The store's failures in the two words above."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise MissingObject(key) from error
    except BaseError as error:
        raise StorageAway(str(error).partition("\n")[0]) from error


class Storage:
    """Bytes by key. Writing is all or nothing: a key is never seen half written."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @staticmethod
    def open(url: str) -> Storage:
        """`file:///folder` or a plain path; `s3://bucket/prefix?endpoint=http://…` with the keys
        in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. ValueError for anything else."""
        parts = urlsplit(url)
        if parts.scheme in ("", "file"):
            folder = Path(parts.path if parts.scheme else url)
            folder.mkdir(parents=True, exist_ok=True)
            return Storage(LocalStore(folder.resolve(), automatic_cleanup=True))
        if parts.scheme == "s3":
            options = dict(parse_qsl(parts.query))
            endpoint = options.get("endpoint")
            config: dict[str, Any] = {"region": options.get("region", "us-east-1")}
            client: dict[str, Any] = {"timeout": "60s", "connect_timeout": "5s"}
            if endpoint:
                config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
                client["allow_http"] = endpoint.startswith("http://")
            return Storage(
                S3Store(
                    parts.netloc,
                    prefix=parts.path.strip("/") or None,
                    client_options=client,  # type: ignore[arg-type]
                    **config,
                )
            )
        raise ValueError("the storage URL must be a path, file:///… or s3://bucket/…")

    async def write(self, key: str, data: bytes) -> None:
        """Put `data` under `key`, replacing what was there."""
        with _faults(key):
            await obstore.put_async(self._store, key, data)

    async def write_stream(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Put a stream under `key` in constant memory. When the stream raises, nothing is kept
        under the key and the error comes through."""
        try:
            async with obstore.open_writer_async(
                self._store, key, buffer_size=PART_BYTES, max_concurrency=2
            ) as writer:
                async for chunk in chunks:
                    await writer.write(chunk)
        except BaseError as error:
            raise StorageAway(str(error).partition("\n")[0]) from error
        except OSError as error:
            # The writer's own; what `chunks` raises is of a more telling kind.
            if type(error) is not OSError:
                raise
            raise StorageAway(str(error).partition("\n")[0]) from error

    async def write_file(self, key: str, path: Path) -> None:
        """Upload a local file."""
        with _faults(key):
            await obstore.put_async(
                self._store, key, path, chunk_size=PART_BYTES, max_concurrency=2
            )

    async def read(self, key: str) -> bytes:
        """All of it; MissingObject when there is none."""
        with _faults(key):
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())

    async def read_stream(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes from `start`, in chunks."""
        options: Any = None
        if length is not None:
            options = {"range": (start, start + length)}
        elif start:
            options = {"range": {"offset": start}}
        with _faults(key):
            result = await obstore.get_async(self._store, key, options=options)
            stream = aiter(result.stream(min_chunk_size=CHUNK_BYTES))
        while True:
            # Around the fetch alone, not around what the caller does with a chunk.
            with _faults(key):
                try:
                    chunk = await anext(stream)
                except StopAsyncIteration:
                    return
            yield bytes(chunk)

    async def size(self, key: str) -> int:
        """Bytes under `key`; MissingObject when there is none."""
        with _faults(key):
            return int((await obstore.head_async(self._store, key))["size"])

    async def fetch(self, key: str, path: Path) -> None:
        """Download into a local file."""
        with path.open("wb") as out:
            async for chunk in self.read_stream(key):
                out.write(chunk)

    async def delete(self, key: str) -> None:
        """Remove it; fine when it is not there."""
        with contextlib.suppress(MissingObject), _faults(key):
            await obstore.delete_async(self._store, key)

    async def delete_all(self, prefix: str) -> int:
        """Remove everything under `prefix/`; how many objects."""
        keys = await self.keys(prefix)
        if keys:
            try:
                with _faults(prefix):
                    await obstore.delete_async(self._store, keys)
            except MissingObject:
                # Somebody else is at it, too: what is left goes one by one.
                for key in keys:
                    await self.delete(key)
        return len(keys)

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys under `prefix/`, sorted."""
        found: list[str] = []
        with _faults(prefix):
            async for batch in obstore.list(self._store, prefix=prefix or None):
                found.extend(str(meta["path"]) for meta in batch)
        return sorted(found)

    async def keys_older_than(self, prefix: str, age_s: float) -> list[str]:
        """The keys under `prefix/` that were last written before `age_s` ago."""
        limit = datetime.now(UTC) - timedelta(seconds=age_s)
        found: list[str] = []
        with _faults(prefix):
            async for batch in obstore.list(self._store, prefix=prefix):
                found.extend(str(meta["path"]) for meta in batch if meta["last_modified"] < limit)
        return found

    def open_reader(self, key: str) -> BinaryIO:
        """A blocking, seekable reader that fetches ranges, for libraries that want a file;
        MissingObject when there is none."""
        with _faults(key):
            reader = obstore.open_reader(self._store, key, buffer_size=CHUNK_BYTES)
        return io.BufferedReader(_Stored(reader), CHUNK_BYTES)

    async def ready(self) -> bool:
        """Whether the store answers."""
        with _faults():
            async for _ in obstore.list(self._store, prefix="readiness", chunk_size=1):
                break
        return True


class _Stored(io.RawIOBase):
    """obstore's reader as the standard library's: it answers with bytes of its own kind, which
    decoders refuse."""

    def __init__(self, reader: obstore.ReadableFile) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()

    def readinto(self, buffer: Any, /) -> int:
        data = self._reader.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
