from typing import Any

import pytest

from libs.common.settings import SettingsProblem, load
from services.gateway.limits import Limits, bucket, client_address
from services.gateway.proxy import answer_headers, request_headers
from services.gateway.settings import GatewaySettings


def scope(peer: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "scheme": "http",
        "client": (peer, 5000),
        "headers": list(headers),
        "state": {"request_id": "request-1"},
    }


def settings(**given: Any) -> GatewaySettings:
    return load(GatewaySettings, _env_file=None, **given)


def test_hop_by_hop_headers_and_those_that_connection_names_stay_here():
    sent = request_headers(
        scope(
            "192.0.2.7",
            (b"host", b"backbeat.example"),
            (b"connection", b"keep-alive, X-Secret"),
            (b"x-secret", b"1"),
            (b"te", b"trailers"),
            (b"upgrade", b"h2c"),
            (b"proxy-authorization", b"Basic x"),
            (b"transfer-encoding", b"chunked"),
            (b"expect", b"100-continue"),
            (b"authorization", b"Bearer t"),
            (b"range", b"bytes=0-1"),
        ),
        settings(),
    )
    assert dict(sent) == {
        "authorization": "Bearer t",
        "range": "bytes=0-1",
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "backbeat.example",
        "X-Request-Id": "request-1",
    }


def test_a_stranger_cannot_say_where_it_comes_from():
    forged = (
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"evil.example"),
        (b"forwarded", b"for=10.0.0.1"),
        (b"x-real-ip", b"10.0.0.1"),
        (b"host", b"backbeat.example"),
    )
    sent = request_headers(scope("192.0.2.7", *forged), settings())
    assert dict(sent) == {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "backbeat.example",
        "X-Request-Id": "request-1",
    }


def test_a_trusted_proxy_is_believed_about_its_own_peer_alone():
    proxies = settings(trusted_proxies="10.0.0.0/8, ::1")
    headers = (
        (b"x-forwarded-for", b"1.1.1.1, 198.51.100.4, 10.0.0.3"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"backbeat.example"),
    )
    sent = request_headers(scope("10.0.0.2", *headers), proxies)
    assert sent["X-Forwarded-For"] == "198.51.100.4"
    assert sent["X-Forwarded-Proto"] == "https"
    assert sent["X-Forwarded-Host"] == "backbeat.example"


def test_nonsense_from_a_trusted_proxy_leaves_the_proxys_own_address():
    proxies = settings(trusted_proxies="10.0.0.2").proxies
    assert client_address("10.0.0.2", "not an address", proxies) == "10.0.0.2"
    assert client_address("::ffff:10.0.0.2", "192.0.2.1", proxies) == "192.0.2.1"


def test_an_ipv6_network_shares_one_limit():
    assert bucket("2001:db8:1:2:3::4") == "2001:db8:1:2::/64"
    assert bucket("192.0.2.1") == "192.0.2.1"


def test_answers_keep_their_headers_but_those_for_one_hop():
    kept = answer_headers(
        [
            (b"Content-Type", b"video/mp4"),
            (b"Set-Cookie", b"a=1"),
            (b"Set-Cookie", b"b=2"),
            (b"Connection", b"close, X-Inner"),
            (b"X-Inner", b"1"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Date", b"now"),
            (b"Access-Control-Allow-Origin", b"*"),
        ]
    )
    assert kept == [
        (b"content-type", b"video/mp4"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rate_limit_user": "many"}, "GATEWAY_RATE_LIMIT_USER is not a rate"),
        ({"media_url": "media:8000"}, "GATEWAY_MEDIA_URL is not an http address"),
        ({"trusted_proxies": "lb.local"}, "GATEWAY_TRUSTED_PROXIES names lb.local"),
        ({"cors_origins": "studio.example"}, "GATEWAY_CORS_ORIGINS names studio.example"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(given: dict[str, str], said: str):
    with pytest.raises(SettingsProblem, match=said):
        settings(**given)


def test_an_unknown_storage_for_limits_stops_the_start_with_a_sentence():
    with pytest.raises(SettingsProblem, match="GATEWAY_RATE_LIMIT_STORAGE"):
        Limits(settings(rate_limit_storage="nowhere://"))
