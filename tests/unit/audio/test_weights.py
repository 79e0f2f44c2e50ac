"""Fetching model files."""

from __future__ import annotations

import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.audio.domain.weights import WeightsBroken, WeightsUnavailable, local_weights

DATA = b"weights" * 100_000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def site():
    """An address that serves DATA, under any name but `missing`, and what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path == "/missing.th":
                self.send_error(404)
                return
            self.send_response(200)
            if self.path.startswith("/endless"):
                self.end_headers()  # no length: ended by the connection alone
                self.wfile.write(DATA[:100])
                return
            # One that promises more than it sends is cut off.
            extra = 10 if self.path == "/cut.th" else 0
            self.send_header("Content-Length", str(len(DATA) + extra))
            self.end_headers()
            self.wfile.write(DATA)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_an_address_is_fetched_once(tmp_path, site):
    url, asked = site
    told: list[float] = []
    first = local_weights(f"{url}/a.th", tmp_path / "cache", progress=told.append)
    assert first.read_bytes() == DATA
    assert told[-1] == 1.0
    assert local_weights(f"{url}/a.th", tmp_path / "cache") == first
    assert asked == ["/a.th"]


def test_a_path_is_taken_as_it_is(tmp_path):
    (tmp_path / "a.th").write_bytes(DATA)
    assert local_weights(str(tmp_path / "a.th"), tmp_path) == tmp_path / "a.th"
    with pytest.raises(WeightsUnavailable):
        local_weights(str(tmp_path / "b.th"), tmp_path)


def test_the_digest_counts_wherever_it_is_said(tmp_path, site):
    url, _ = site
    cache = tmp_path / "cache"
    assert local_weights(f"{url}/a.th", cache, DIGEST.upper()).exists()
    assert local_weights(f"{url}/sig-{DIGEST[:8]}.th", cache).exists()
    with pytest.raises(WeightsBroken, match=DIGEST):
        local_weights(f"{url}/b.th", cache, "0" * 64)
    with pytest.raises(WeightsBroken):
        local_weights(f"{url}/sig-00000000.th", cache)
    # What was fetched before is looked at too, and a path is.
    with pytest.raises(WeightsBroken):
        local_weights(f"{url}/a.th", cache, "1" * 8)
    (tmp_path / "sig-00000000.th").write_bytes(DATA)
    with pytest.raises(WeightsBroken):
        local_weights(str(tmp_path / "sig-00000000.th"), cache)


@pytest.mark.parametrize("name", ["missing.th", "cut.th"])
def test_what_does_not_come_whole_leaves_nothing(tmp_path, site, name):
    with pytest.raises(WeightsUnavailable):
        local_weights(f"{site[0]}/{name}", tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_nobody_there_may_heal(tmp_path):
    with pytest.raises(WeightsUnavailable):
        local_weights("http://127.0.0.1:1/a.th", tmp_path)


def test_without_a_length_or_a_digest_nothing_is_believed(tmp_path, site):
    url, _ = site
    with pytest.raises(WeightsUnavailable, match="length"):
        local_weights(f"{url}/endless.th", tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    part = hashlib.sha256(DATA[:100]).hexdigest()
    assert local_weights(f"{url}/endless.th", tmp_path, part).read_bytes() == DATA[:100]


def test_a_kept_file_that_went_bad_is_fetched_again(tmp_path, site):
    url, asked = site
    kept = local_weights(f"{url}/a.th", tmp_path, DIGEST)
    kept.write_bytes(b"rot")
    assert local_weights(f"{url}/a.th", tmp_path, DIGEST).read_bytes() == DATA
    assert len(asked) == 2


def test_an_answer_that_is_no_http_is_unavailable(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as client:
                client.recv(1000)
                client.sendall(b"nonsense\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(WeightsUnavailable):
            local_weights(f"http://127.0.0.1:{server.getsockname()[1]}/a.th", tmp_path)
        thread.join()
