from libs.common.routing import RouteSet


def test_a_placeholder_is_one_segment_and_the_rest_is_text():
    routes = RouteSet([("PATCH", "/a.b/{id}"), ("GET", "/x/{one}/y/{two}")])
    assert ("PATCH", "/a.b/1-2") in routes
    assert ("GET", "/x/1/y/2") in routes
    assert ("POST", "/a.b/1") not in routes
    assert ("PATCH", "/aXb/1") not in routes
    assert ("PATCH", "/a.b/") not in routes
    assert ("PATCH", "/a.b/1/2") not in routes
    assert ("GET", "/x//y/2") not in routes
