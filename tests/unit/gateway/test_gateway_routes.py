import pytest

from services.gateway.routes import (
    IS_UPLOAD,
    BadPath,
    SeenRoutes,
    bare,
    checked_path,
    is_public,
    service_for,
    template,
)

ID = "0b0e7a9c-6f0e-4d43-9d9f-0d7f6b8d7a11"


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/auth/login", "auth"),
        ("/users", "auth"),
        ("/roles", "auth"),
        ("/media/videos", "media"),
        ("/jobs", "media"),
        ("/audio/models", "audio"),
        ("/notation/from-events", "notation"),
        ("/shared/abc", "notation"),
        ("/shared/abc/score", "notation"),
        ("/shared/abc/video", "media"),
        ("/shared/abc/thumbnail", "media"),
        ("/shared/abc/video/x", "notation"),
        ("/vision/analysis/1", "vision"),
        ("/ai/status", "ai"),
        (f"/notation/{ID}", "notation"),
        (f"/notation/{ID}/enhance", "ai"),
        (f"/notation/{ID}/with-enhancements", "ai"),
        (f"/notation/{ID}/variations", "ai"),
        (f"/notation/{ID}/variations/2", "notation"),
        ("/authx/login", None),
        ("/", None),
        ("//media/videos", None),
    ],
)
def test_a_path_goes_to_its_service(path: str, service: str | None):
    assert service_for(path) == service


@pytest.mark.parametrize(
    "raw",
    [
        b"/media/../auth/jwks",
        b"/media/%2e%2E/auth",
        b"/media/.",
        b"/media/a%2Fb",
        b"/media/a%5cb",
        b"/media/a\\b",
        b"/media/%00",
        b"/media/%0d%0a",
        b"/media/%zz",
        b"media",
    ],
)
def test_paths_of_two_meanings_are_refused(raw: bytes):
    with pytest.raises(BadPath) as refused:
        checked_path(raw)
    assert (refused.value.status, refused.value.code) == (400, "bad-path")


def test_a_path_is_sent_on_as_it_came_and_other_bytes_encoded():
    assert checked_path(b"/media/a%20b%252e/..c;x=1/") == "/media/a%20b%252e/..c;x=1/"
    assert checked_path(b'/media/"<') == "/media/%22%3C"


def test_only_the_named_routes_are_public():
    assert is_public("POST", bare("/auth/login/"))
    assert is_public("GET", "/auth/jwks")
    assert is_public("GET", "/shared/abc")
    assert is_public("POST", bare("/auth/%6cogin"))
    assert is_public("GET", "/media/play/kJ8_x-2")
    assert is_public("OPTIONS", bare("/media/uploads/"))
    assert not is_public("POST", "/media/play/kJ8_x-2")
    assert not is_public("GET", "/media/play/kJ8_x-2/more")
    assert not is_public("GET", "/media/uploads")
    assert not is_public("GET", "/auth/login")
    assert not is_public("GET", "/auth/me")
    assert not is_public("GET", "/sharedx/abc")
    assert not is_public("POST", "/auth/login/x")


def test_bodies_without_a_limit_are_uploads_alone():
    assert ("POST", bare("/media/videos/")) in IS_UPLOAD
    assert ("PATCH", f"/media/uploads/{ID}") in IS_UPLOAD
    assert ("POST", f"/media/uploads/{ID}") not in IS_UPLOAD
    assert ("PATCH", "/media/uploads") not in IS_UPLOAD
    assert ("PATCH", f"/media/uploads/{ID}/more") not in IS_UPLOAD
    assert ("PATCH", f"/notation/{ID}") not in IS_UPLOAD


def test_templates_hold_no_ids():
    assert template(f"/media/videos/{ID}/content") == "/media/videos/{id}/content"
    assert template("/shared/kJ8_x-2") == "/shared/{id}"
    assert template("/jobs/42") == "/jobs/{id}"
    assert template("/notation/stats/overview") == "/notation/stats/overview"
    assert template("/audio/" + "a" * 25) == "/audio/{id}"


def test_made_up_paths_make_no_new_route_names():
    seen = SeenRoutes(limit=2)
    assert seen.name("/media/nonsense", 404) == "/media/…"
    assert seen.name("/media/videos", 200) == "/media/videos"
    assert seen.name("/media/videos", 404) == "/media/videos"
    assert seen.name("/media/one", 200) == "/media/one"
    assert seen.name("/media/two", 200) == "/media/…"
