"""The studio: a web page of plain files, read once, compressed once, served from memory.

Nothing is built: browsers load the modules as they lie in `web/`. Their addresses hold a digest of
them all, so that they may be kept for ever, and a new release is a new address. See
docs/adr/0012.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.responses import PlainTextResponse

from libs.common.errors import NotFound
from libs.common.ranges import part_of

FOLDER: Final = Path(__file__).parent / "web"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mid": "audio/midi",
    ".mp4": "video/mp4",
    ".musicxml": "application/vnd.recordare.musicxml+xml",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
PACKED: Final = frozenset({".mp4", ".pdf", ".png"})
"""What is compressed already."""

VIEWS: Final = frozenset({"videos", "scores", "demo", "sign-in", "register", "account"})
"""First segments of the page's own addresses."""
OPEN_VIEWS: Final = frozenset({"s", "embed"})
"""The same, each with a share link's token after it."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; object-src 'none'"
)
HEADERS: Final = {
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    data: bytes
    packed: bytes | None
    """By gzip; None where that gains nothing."""
    media_type: str


def _asset(path: Path, data: bytes) -> Asset:
    # Without a time of packing, so that equal files give equal bytes.
    packed = None if path.suffix in PACKED else gzip.compress(data, 9, mtime=0)
    return Asset(data, packed, TYPES[path.suffix])


@dataclass(frozen=True, slots=True)
class Studio:
    """All files of the page."""

    digest: str
    page: Asset
    assets: dict[str, Asset]

    @classmethod
    @cache
    def load(cls, folder: Path = FOLDER) -> Studio:
        """Read the folder; files of unknown kinds are left out."""
        found = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix in TYPES
        }
        whole = hashlib.sha256()
        for name, path in found.items():
            whole.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
        digest = whole.hexdigest()[:16]
        page = found.pop("index.html")
        modules = [name for name in found if name.endswith(".js")]
        links = "\n".join(
            # Found at once, and not one import after the other.
            f'<link rel="modulepreload" href="/assets/{digest}/{name}">'
            for name in modules
            if "/later/" not in f"/{name}"
        )
        shell = page.read_text().replace("{digest}", digest).replace("<!--modules-->", links)
        return cls(
            digest,
            _asset(page, shell.encode()),
            {name: _asset(path, path.read_bytes()) for name, path in found.items()},
        )


def is_view(path: str) -> bool:
    """Whether a bare path is an address of the page."""
    _, first, *rest = path.split("/")
    return (first in VIEWS and len(rest) <= 1) or (first in OPEN_VIEWS and len(rest) == 1)


def is_asset(path: str) -> bool:
    """Whether a bare path is one of the page's files."""
    return path.startswith("/assets/") or path in ("/favicon.ico", "/robots.txt")


router = APIRouter(include_in_schema=False)


def shell(request: Request, path: str) -> Response:
    """The page, whichever view is asked for: its script reads the address."""
    studio = Studio.load()
    embedded = path.startswith("/embed/")
    framed_by = "*" if embedded else "'none'"
    headers = HEADERS | {
        "Content-Security-Policy": f"{POLICY}; frame-ancestors {framed_by}",
        "Cache-Control": "no-cache",
        "ETag": f'"{studio.digest}"',
        "Vary": "Accept, Accept-Encoding",
    }
    if not embedded:
        headers["X-Frame-Options"] = "DENY"
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return _answer(request, studio.page, headers)


def _answer(request: Request, asset: Asset, headers: dict[str, str]) -> Response:
    data = asset.data
    if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        data = asset.packed
        headers = headers | {"Content-Encoding": "gzip"}
    return Response(data, media_type=asset.media_type, headers=headers)


@router.get("/assets/{digest}/{name:path}")
async def asset(digest: str, name: str, request: Request) -> Response:
    """One of the page's files."""
    studio = Studio.load()
    found = studio.assets.get(name)
    if found is None:
        raise NotFound("There is no such file. Load the page anew.", code="asset-not-found")
    # A page left open over a release asks for files of the one before: the present ones serve it
    # better than none, and must not be kept under that address.
    kept = FOR_EVER if digest == studio.digest else "no-store"
    headers = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
    if not found.media_type.startswith("video/"):
        return _answer(request, found, headers)
    part = part_of(request.headers.get("range"), len(found.data))
    return Response(
        found.data[part.start : part.start + part.length],
        status_code=part.status,
        media_type=found.media_type,
        headers=headers | part.headers,
    )


@router.get("/favicon.ico")
async def icon(request: Request) -> Response:
    """For browsers that ask before they have read the page."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return _answer(request, Studio.load().assets["icon.svg"], headers)


@router.get("/robots.txt")
async def robots() -> Response:
    """Scores are private, share links are for those who were given them."""
    return PlainTextResponse("User-agent: *\nAllow: /$\nDisallow: /\n")


async def view(request: Request) -> Response:
    """One of the page's own addresses."""
    return shell(request, request.url.path)


for name in sorted(VIEWS):
    router.add_api_route(f"/{name}", view, methods=["GET"])
for name in sorted(VIEWS | OPEN_VIEWS):
    router.add_api_route(f"/{name}/{{rest}}", view, methods=["GET"])
