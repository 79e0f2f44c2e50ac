"""The studio's files hang together, and are small."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath

import pytest

from services.gateway.studio import FOLDER, Studio, is_asset, is_view

MODULES = sorted(FOLDER.rglob("*.js"))
OURS = [path for path in MODULES if "vendor" not in path.parts]
IMPORTED = re.compile(r"""(?:from|import)\s*\(?["'](\.[^"']+)["']""")
FIRST_LOAD_LIMIT_BYTES = 300_000


def name(path: object) -> str:
    return str(path).removeprefix(f"{FOLDER}/")


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_what_a_module_imports_is_there(module) -> None:
    for wanted in IMPORTED.findall(module.read_text()):
        assert (module.parent / wanted).resolve().is_file(), wanted


@pytest.mark.parametrize("module", OURS, ids=name)
def test_nothing_in_a_template_needs_unsafe_inline(module) -> None:
    text = module.read_text()
    # A style attribute or a handler in the markup would be refused by the page's own policy.
    assert not re.search(r"<[^>]*\sstyle=", text)
    assert not re.search(r"<[^>]*\son\w+=", text)
    assert "unsafeHTML" not in text
    assert "innerHTML" not in text
    assert "eval(" not in text


@pytest.mark.parametrize("module", OURS, ids=name)
def test_nothing_comes_from_elsewhere(module) -> None:
    addresses = re.findall(r"https?://[^\s\"'`)]+", module.read_text())
    assert not addresses


def test_the_page_names_every_module_but_those_that_may_come_later() -> None:
    studio = Studio.load()
    page = studio.page.data.decode()
    preloaded = set(re.findall(r'modulepreload" href="/assets/[^/]+/([^"]+)"', page))
    wanted = {name(path) for path in MODULES if "later" not in path.parts}
    assert preloaded == wanted
    assert "{digest}" not in page


def test_the_first_load_is_small() -> None:
    studio = Studio.load()
    first = [
        asset
        for path, asset in studio.assets.items()
        if PurePosixPath(path).parts[0] != "demo" and "later" not in PurePosixPath(path).parts
    ]
    sent_bytes = sum(len(asset.packed or asset.data) for asset in [studio.page, *first])
    assert 10_000 < sent_bytes < FIRST_LOAD_LIMIT_BYTES


def test_the_demo_has_a_drawing_for_each_width_that_it_tells() -> None:
    studio = Studio.load()
    told = json.loads(studio.assets["demo/demo.json"].data)["widths_mm"]
    for width_mm in told:
        view = json.loads(studio.assets[f"demo/view-{width_mm}.json"].data)
        assert view["width_mm"] == width_mm
        assert view["video_id"] is None
        assert " style=" not in json.dumps(view["systems"])
    drawn = {int(n[10:-5]) for n in studio.assets if n.startswith("demo/view-")}
    assert drawn == set(told)
    assert studio.assets["demo/demo.pdf"].data.startswith(b"%PDF")


@pytest.mark.parametrize(
    ("path", "view", "asset"),
    [
        ("/scores/abc", True, False),
        ("/videos/abc", True, False),
        ("/s/token", True, False),
        ("/embed/token", True, False),
        ("/s", False, False),
        ("/scores/abc/def", False, False),
        ("/notation/abc", False, False),
        ("/shared/abc", False, False),
        ("/assets/0123/main.js", False, True),
        ("/assetsx", False, False),
        ("/favicon.ico", False, True),
    ],
)
def test_addresses_are_the_pages_or_the_apis(path: str, view: bool, asset: bool) -> None:
    assert (is_view(path), is_asset(path)) == (view, asset)


def test_another_files_bytes_are_another_digest(tmp_path) -> None:
    for folder, text in (("a", "1"), ("b", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "index.html").write_text("{digest}<!--modules-->")
        (tmp_path / folder / "main.js").write_text(text)
    one, other = Studio.load(tmp_path / "a"), Studio.load(tmp_path / "b")
    assert one.digest != other.digest
    assert one.page.data.decode().startswith(one.digest)
