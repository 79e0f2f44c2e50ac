"""A client of the public API, as the command line uses it: sign in, upload, watch, fetch."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx


class ApiProblem(Exception):
    """The API answered with a problem; the message is its detail."""

    def __init__(self, answer: httpx.Response) -> None:
        try:
            problem = answer.json()
        except ValueError:
            problem = {}
        self.status = answer.status_code
        self.type = str(problem.get("type", ""))
        super().__init__(problem.get("detail") or f"HTTP {answer.status_code}")


class Client:
    """One signed-in user. Tokens are refreshed when they expire."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(
            base_url=base_url, timeout=httpx.Timeout(60, write=None, read=600)
        )
        self._refresh_token = ""

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def sign_in(self, email: str, password: str, *, register: bool = False) -> None:
        """Sign in; with `register` an account is made first when there is none."""
        if register:
            answer = self._http.post("/auth/register", json={"email": email, "password": password})
            if answer.status_code not in (201, 409):
                raise ApiProblem(answer)
        answer = self._http.post("/auth/login", json={"email": email, "password": password})
        self._take_tokens(answer)

    def _take_tokens(self, answer: httpx.Response) -> None:
        if answer.status_code != 200:
            raise ApiProblem(answer)
        tokens = answer.json()
        self._http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self._refresh_token = tokens["refresh_token"]

    def _refresh(self) -> None:
        """New tokens; ApiProblem when the session has ended."""
        self._take_tokens(
            self._http.post("/auth/refresh", json={"refresh_token": self._refresh_token})
        )

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """A request that raises ApiProblem unless it went well."""
        answer = self._http.request(method, path, **kwargs)
        if answer.status_code == 401 and self._refresh_token:
            self._refresh()
            answer = self._http.request(method, path, **kwargs)
        if answer.status_code >= 400:
            raise ApiProblem(answer)
        return answer

    def upload(self, path: Path) -> dict[str, Any]:
        """Upload a video; its description with its jobs."""
        with path.open("rb") as file:
            answer = self.request("POST", "/media/videos/", files={"file": (path.name, file)})
        video: dict[str, Any] = answer.json()
        return video

    def watch(self, video_id: str) -> Iterator[dict[str, Any]]:
        """The video's jobs as they change, until all have ended. A stream that breaks is taken
        up where it was."""
        last_id = ""
        while True:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            with (
                contextlib.suppress(httpx.TransportError),
                self._http.stream(
                    "GET", f"/media/videos/{video_id}/events", headers=headers
                ) as answer,
            ):
                if answer.status_code == 401 and self._refresh_token:
                    self._refresh()
                    continue
                if answer.status_code >= 400:
                    answer.read()
                    raise ApiProblem(answer)
                kind = ""
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if name == "event":
                        kind = value
                    elif name == "id":
                        last_id = value
                    elif name == "data" and kind == "job":
                        yield json.loads(value)
                    elif name == "data" and kind == "end":
                        return
            time.sleep(0.5)
