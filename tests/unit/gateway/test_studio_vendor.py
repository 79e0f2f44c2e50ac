"""What others made lies in the studio as they published it."""

from __future__ import annotations

import hashlib
import re

from services.gateway.studio import FOLDER

VENDOR = FOLDER / "vendor"
README = (VENDOR / "README.md").read_text()
ROW = re.compile(r"^\| `([^`]+)` \|[^|]+\| `([0-9a-f]{64})` \|$", re.MULTILINE)
LIBRARY = re.compile(r"^\| ([\w-]+) \| ([\d.]+) \| [\w-]+ \(`([^`]+)`\) \| (https://\S+) \|", re.M)


def test_each_file_is_the_one_that_is_written_down() -> None:
    written = dict(ROW.findall(README))
    lying = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    assert lying == written


def test_each_library_says_where_it_is_from_and_carries_its_licence() -> None:
    libraries = LIBRARY.findall(README)
    assert [name for name, *_ in libraries] == ["lit-html", "tus-js-client", "eventsource-parser"]
    for name, version, licence, address in libraries:
        assert address.endswith(f"/{name}-{version}.tgz")
        assert "Copyright (c)" in (VENDOR / licence).read_text()
