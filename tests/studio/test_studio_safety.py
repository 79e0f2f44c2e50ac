"""What the page's headers promise is kept, and nobody's words become the page's own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Frame, Page

from services.gateway.studio import Studio
from tests.e2e.conftest import System, Transcribed, User
from tests.e2e.test_notation_routes import put, rock, write
from tests.studio.acting import code_of, panel, playable, says
from tests.studio.conftest import Visiting, drawn

FIRST_LOAD_LIMIT_BYTES = 300_000
WICKED = "<img src=x onerror=alert(1)>"


@pytest.fixture
async def anybody(embedded_system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=embedded_system.url, timeout=30) as client:
        yield client


async def link_to(user: User, notation_id: str) -> str:
    made = await user.http.post(f"/notation/{notation_id}/shares", json={"name": WICKED})
    return str(made.json()["token"])


@pytest.mark.parametrize(
    "path", ["/", "/demo", "/sign-in", "/register", "/account", "/videos/x", "/scores/x", "/s/x"]
)
async def test_every_page_forbids_scripts_of_others_and_frames(
    anybody: httpx.AsyncClient, path: str
) -> None:
    answer = await anybody.get(path, headers={"Accept": "text/html"})
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert answer.status_code == 200
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"
    same = await anybody.get(
        path, headers={"Accept": "text/html", "If-None-Match": answer.headers["etag"]}
    )
    assert (same.status_code, same.content) == (304, b"")


async def test_files_are_zipped_and_kept_for_ever_and_unknown_ones_are_problems(
    anybody: httpx.AsyncClient,
) -> None:
    digest = Studio.load().digest
    for name in ("main.js", "styles/base.css", "icon.svg", "vendor/lit-html.js"):
        answer = await anybody.get(f"/assets/{digest}/{name}", headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
    plain = await anybody.get(f"/assets/{digest}/main.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for path in (f"{digest}/nothing.js", "0" * 16 + "/nothing.js", f"{digest}/index.html", digest):
        assert code_of(await anybody.get(f"/assets/{path}"))[0] == 404
    unknown = await anybody.get(f"/assets/{digest}/nothing.js")
    assert code_of(unknown) == (404, "asset-not-found")
    assert unknown.headers["content-type"] == "application/problem+json"
    part = await anybody.get(f"/assets/{digest}/demo/demo.mp4", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")


async def test_nothing_is_fetched_from_elsewhere_and_the_first_load_is_small(
    visiting: Visiting, player: tuple[User, Transcribed]
) -> None:
    user, made = player
    token = await link_to(user, made.notation_id)
    keeper = await visiting()
    await keeper.sign_in(user)
    known = await keeper.context.storage_state()
    for path, state in (
        ("/", None), ("/demo", None), (f"/s/{token}", None), (f"/embed/{token}", None),
        ("/", known), (f"/scores/{made.notation_id}", known),
    ):  # fmt: skip
        # A browser that was never here.
        visit = await visiting(storage_state=state)
        asked: list[str] = []
        visit.page.on("request", lambda request, asked=asked: asked.append(request.url))
        sizes = await received(visit.page)
        page = await visit.open(path)
        if path == "/":
            await page.get_by_role("heading", level=1).wait_for()
        else:
            await drawn(page)
            await playable(page)
        await page.wait_for_load_state("networkidle")
        elsewhere = [
            url
            for url in asked
            if not url.startswith((visit.url, visit.url.replace("http", "blob:http", 1), "data:"))
        ]
        assert elsewhere == []
        assert 20_000 < sum(sizes.values()) < FIRST_LOAD_LIMIT_BYTES, path
        if state is not None:
            # The cookie that renews works once: the next window needs the new one.
            known = await visit.context.storage_state()


async def received(page: Page) -> dict[str, int]:
    """Bytes as they came over the line by request, without the recording's."""
    sizes: dict[str, int] = {}
    media: set[str] = set()
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")

    def answered(event: dict[str, str]) -> None:
        if event.get("type") == "Media":
            media.add(event["requestId"])

    def finished(event: dict[str, float]) -> None:
        if event["requestId"] not in media:
            sizes[str(event["requestId"])] = int(event["encodedDataLength"])

    session.on("Network.responseReceived", answered)
    session.on("Network.loadingFinished", finished)
    return sizes


@asynccontextmanager
async def another_house(page: str) -> AsyncIterator[str]:
    """A page at another origin; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n{page}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_only_the_embedded_player_may_be_framed(
    visiting: Visiting, player: tuple[User, Transcribed]
) -> None:
    user, made = player
    token = await link_to(user, made.notation_id)
    visit = await visiting(
        expected=("frame-ancestors", "X-Frame-Options", "chrome-error", "ERR_BLOCKED_BY_RESPONSE")
    )
    framed = {"embed": f"/embed/{token}", "shared": f"/s/{token}", "home": "/", "demo": "/demo"}
    frames = "".join(
        f'<iframe name="{name}" src="{visit.url}{path}" width=600 height=400></iframe>'
        for name, path in framed.items()
    )
    async with another_house(f"<!doctype html>{frames}") as address:
        await visit.page.goto(address)
        embed = frame(visit.page, "embed")
        await embed.locator(".system g.note").first.wait_for(state="attached")
        await embed.get_by_role("button", name="Play", exact=True).click()
        await embed.locator(".system g.note.now").first.wait_for(state="attached")
        await embed.get_by_role("button", name="Pause", exact=True).click()
        assert await embed.get_by_role("link", name="Open in Backbeat").get_attribute("href")
        for name in ("shared", "home", "demo"):
            assert not await frame(visit.page, name).locator("#app").count(), name


def frame(page: Page, name: str) -> Frame:
    found = page.frame(name)
    assert found is not None
    return found


async def test_other_peoples_words_stay_words(
    visiting: Visiting, drummer: User, silent_video: Path
) -> None:
    video = await drummer.upload(silent_video, name=f"{WICKED}.mp4", process=False)
    score = await write(drummer, events=rock(), title=WICKED)
    section = {"op": "set-section", "bar": 2, "name": WICKED}
    await put(drummer, score, operations=[section])
    token = await link_to(drummer, score["id"])
    visit = await visiting()
    asked: list[str] = []
    opened: list[str] = []
    visit.page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    visit.page.on("dialog", lambda dialog: opened.append(dialog.message))
    page = await visit.sign_in(drummer)
    await says(page.locator(".card h3"), f"{WICKED}.mp4")
    await says(page.locator(".card h3").last, WICKED)
    await page.get_by_role("button", name=f"Delete {WICKED}.mp4").click()
    await says(page.get_by_role("dialog"), WICKED)
    await page.keyboard.press("Escape")
    await visit.open(f"/videos/{video['id']}")
    await says(page.get_by_role("heading", level=1), WICKED)
    await visit.open(f"/scores/{score['id']}")
    await drawn(page)
    await says(page.locator(".top .title"), WICKED)
    assert WICKED in await page.title()
    drawing = "".join(await page.locator(".system").all_text_contents())
    assert re.sub(r"\s", "", drawing).count(re.sub(r"\s", "", WICKED)) >= 1
    await says(await panel(page, "Share"), WICKED)
    await page.locator("#panel-body").get_by_role("button", name="Take back").click()
    await page.keyboard.press("Escape")
    await (await panel(page, "Facts")).locator(".versions li").nth(1).wait_for()
    await panel(page, "Correct")
    await page.get_by_role("button", name="Correct the score").click()
    await page.locator("#panel-body").get_by_role("button", name="Section", exact=True).click()
    await page.get_by_role("dialog").get_by_label("From bar").wait_for()
    await page.keyboard.press("Escape")
    await visit.open(f"/s/{token}")
    await drawn(page)
    await says(page.locator(".top .title"), WICKED)
    assert opened == []
    assert not [path for path in asked if path.endswith("/x")]
    assert not await page.locator('img[src="x"]').count()
