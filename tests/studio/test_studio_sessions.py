"""Signed in and out: silently, in every tab at once, with nothing for a script to steal."""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import Page, Request, Route, expect

from tests.e2e.conftest import PASSWORD, User
from tests.e2e.test_notation_routes import rock, write
from tests.integration.waiting import until
from tests.studio.acting import comes_true, says
from tests.studio.conftest import Visiting, drawn

IN_AN_HOUR = "() => { const now = Date.now; Date.now = () => now.call(Date) + 3_600_000; }"
EXPIRED = {"type": "https://backbeat.dev/problems/token-expired", "title": "", "status": 401}


class Renewals:
    """The requests for new tokens that a page sends."""

    def __init__(self, *pages: Page) -> None:
        self.sent: list[Request] = []
        for page in pages:
            page.on("request", self._look)

    def _look(self, request: Request) -> None:
        if request.url.endswith("/auth/refresh"):
            self.sent.append(request)


async def in_the_library(page: Page) -> None:
    await says(page.get_by_role("heading", level=1), "Your videos")
    await page.get_by_text("Nothing here yet").wait_for()


async def test_a_token_that_the_server_refuses_is_renewed_silently(
    visiting: Visiting, drummer: User
) -> None:
    score = await write(drummer, events=rock(), title="Kept")
    visit = await visiting(expected=("401",))
    page = await visit.at_score(score["id"], drummer)
    renewals = Renewals(page)
    refused = []

    async def expire_once(route: Route) -> None:
        if route.request.method == "PUT" and not refused:
            refused.append(route.request.headers["authorization"])
            await route.fulfill(status=401, json=EXPIRED)
        else:
            await route.fallback()

    await page.route(f"**/notation/{score['id']}", expire_once)
    await page.get_by_role("button", name="Rename").click()
    await page.get_by_role("dialog").get_by_label("Title").fill("Renewed")
    await page.keyboard.press("Enter")
    await says(page.locator(".top .title"), "Renewed")
    assert len(refused) == len(renewals.sent) == 1
    assert (await drummer.http.get(f"/notation/{score['id']}")).json()["title"] == "Renewed"
    assert page.url.endswith(score["id"])


async def test_a_token_that_has_ended_is_not_even_sent(visiting: Visiting, drummer: User) -> None:
    page = await (await visiting()).sign_in(drummer)
    await in_the_library(page)
    await page.evaluate(IN_AN_HOUR)
    renewals = Renewals(page)
    await page.get_by_label("Your account").click()
    await page.get_by_role("link", name="Account", exact=True).click()
    # The address stands there at once; the account itself comes with the answer.
    await expect(page.get_by_role("button", name="Delete account")).to_be_enabled()
    # All that is asked at once shares one renewal.
    assert len(renewals.sent) == 1


@pytest.mark.parametrize("locks", [True, False], ids=["with locks", "without locks"])
async def test_tabs_that_renew_at_once_stay_signed_in(
    visiting: Visiting, drummer: User, locks: bool
) -> None:
    visit = await visiting()
    if not locks:
        # As on a plain http address in the house.
        away = "Object.defineProperty(navigator, 'locks', { value: undefined })"
        await visit.context.add_init_script(away)
    await visit.sign_in(drummer)
    pages = [visit.page, await visit.context.new_page(), await visit.context.new_page()]
    for _ in range(2):
        renewals = Renewals(*pages)
        await asyncio.gather(*(page.goto(f"{visit.url}/account") for page in pages))
        for page in pages:
            await says(page.get_by_role("main"), drummer.email)
            await (
                page.get_by_role("button", name="Delete account")
                .and_(page.locator(":enabled"))
                .wait_for()
            )
        assert len(renewals.sent) == len(pages)
    assert all(page.url.endswith("/account") for page in pages)


async def test_signing_out_in_one_tab_signs_out_the_others(
    visiting: Visiting, drummer: User
) -> None:
    score = await write(drummer, events=rock(), title="Open")
    visit = await visiting()
    page = await visit.at_score(score["id"], drummer)
    other = await visit.context.new_page()
    await other.goto(visit.url)
    await says(other.get_by_role("heading", level=1), "Your videos")
    (cookie,) = await visit.context.cookies()
    await other.get_by_label("Your account").click()
    await other.get_by_role("button", name="Sign out").click()
    await says(other.get_by_role("heading", level=1), "From a drum video")
    await page.wait_for_url("**/sign-in?next=*")
    await says(page.locator(".toast"), "You are signed out.")

    async def taken_back() -> bool:
        return not await visit.context.cookies()

    # One is out at once; the server is told meanwhile.
    await until(taken_back)
    # Neither does what the cookie held open anything any more.
    ended = await drummer.http.post("/auth/refresh", json={"refresh_token": cookie["value"]})
    assert ended.status_code == 401
    # Signing in again in one tab is noticed in the other.
    await page.get_by_label("E-mail address").fill(drummer.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await drawn(page)
    await says(other.get_by_role("heading", level=1), "Your videos")


async def test_no_script_can_read_what_renews_a_session(visiting: Visiting, drummer: User) -> None:
    visit = await visiting()
    answers: list[str] = []

    async def keep(route: Route) -> None:
        answer = await route.fetch()
        answers.append(await answer.text())
        await route.fulfill(response=answer)

    await visit.page.route("**/auth/login", keep)
    await visit.page.route("**/auth/refresh", keep)
    page = await visit.sign_in(drummer)
    await in_the_library(page)
    await page.reload()
    await in_the_library(page)
    assert [json.loads(answer)["refresh_token"] for answer in answers] == ["", ""]
    (cookie,) = await visit.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/auth")
    readable = await page.evaluate(
        "() => document.cookie + JSON.stringify([{ ...localStorage }, { ...sessionStorage }])"
    )
    assert readable == json.dumps(
        [{"backbeat.signed-in": drummer.email}, {}], separators=(",", ":")
    )
    assert (
        await page.evaluate("() => Object.keys(globalThis).filter((k) => /token/i.test(k))") == []
    )


@pytest.mark.parametrize(
    "wanted",
    ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example",
     "/%09/elsewhere.example", "javascript:alert(1)"],
)  # fmt: skip
async def test_no_link_leads_away_after_signing_in(
    visiting: Visiting, drummer: User, wanted: str
) -> None:
    visit = await visiting()
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    page = await visit.open(f"/sign-in?next={wanted}")
    await page.get_by_label("E-mail address").fill(drummer.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await in_the_library(page)
    await comes_true(page, "() => location.pathname === '/'")
    assert not [url for url in asked if not url.startswith(visit.url)]


async def test_whoever_signs_out_offline_is_out_and_the_server_is_told_later(
    visiting: Visiting, drummer: User
) -> None:
    visit = await visiting(expected=("ERR_INTERNET_DISCONNECTED",))
    page = await visit.sign_in(drummer)
    await in_the_library(page)
    cookies = [c for c in await visit.context.cookies() if c.get("name") == "backbeat_session"]
    assert len(cookies) == 1
    await visit.context.set_offline(True)
    await page.get_by_label("Your account").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_text("signed out on this device").wait_for()
    await page.get_by_role("link", name="Make an account").wait_for()
    async with page.expect_response("**/auth/logout") as told:
        await visit.context.set_offline(False)
    assert (await told.value).status == 204

    async def taken_back() -> bool:
        return not await visit.context.cookies()

    await until(taken_back)
    # What the cookie held renews nothing any more.
    stale = {"Cookie": f"backbeat_session={cookies[0].get('value')}"}
    answer = await drummer.http.post("/auth/refresh", headers=stale)
    assert answer.status_code == 401
