"""Every word of the studio lies in one file, and every word there is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.gateway.studio import FOLDER

TEXTS = FOLDER / "texts" / "en.js"
MODULES = sorted(
    path for path in FOLDER.rglob("*.js") if "vendor" not in path.parts and path != TEXTS
)
KEY = re.compile(r'^ {2}"([^"]+)": (?:"|\{)', re.MULTILINE)
KNOWN = KEY.findall(TEXTS.read_text())
# All that is quoted and looks like a key: some are chosen by a condition or a table, not by t("…").
QUOTED = re.compile(r'"([a-z][\w-]*\.[\w./-]+)"')
CALLED = re.compile(r'\bt\(\s*"([^"]+)"')
COMPOSED = re.compile(r"\b(?:t|orElse)\(\s*`([^`]+)`|= `([a-z]+\.\$\{[^`]+)`")
HTML = re.compile(r"html`")


def source(path: Path) -> str:
    """A module without its comments."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    return re.sub(r"(?m)(^|\s)//.*$", "", text)


SOURCES = {path: source(path) for path in MODULES}


def patterns() -> list[re.Pattern[str]]:
    """What keys composed of parts may be: `piece.${name}` is any that begins with "piece."."""
    found = [one or other for text in SOURCES.values() for one, other in COMPOSED.findall(text)]
    return [
        re.compile(".+".join(re.escape(part) for part in re.split(r"\$\{[^}]*\}", template)))
        for template in found
    ]


def test_no_text_has_two_meanings() -> None:
    assert len(KNOWN) == len(set(KNOWN)) > 300


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_what_a_module_says_is_written_down(module: Path) -> None:
    assert set(CALLED.findall(SOURCES[module])) <= set(KNOWN)


def test_composed_keys_exist() -> None:
    for pattern in patterns():
        assert any(pattern.fullmatch(key) for key in KNOWN), pattern.pattern


def test_what_is_written_down_is_said() -> None:
    named = {key for text in SOURCES.values() for key in QUOTED.findall(text)}
    silent = [
        key
        for key in KNOWN
        if key not in named and not any(pattern.fullmatch(key) for pattern in patterns())
    ]
    assert silent == []


def templates(text: str) -> list[str]:
    """The literal text of each html`…`, with a blank where a `${…}` stands."""
    found: list[str] = []
    for begin in HTML.finditer(text):
        at, literal = begin.end(), ""
        while text[at] != "`":
            if text.startswith("${", at):
                at = _end_of_hole(text, at + 2)
                literal += "\0"
            else:
                literal += text[at]
                at += 1
        found.append(literal)
    return found


def _end_of_hole(text: str, at: int) -> int:
    """The place after the brace that closes a `${`; templates inside have holes of their own."""
    depth, inside = 1, False
    while depth:
        if text[at] == "`":
            inside = not inside
        elif text.startswith("${", at):
            at = _end_of_hole(text, at + 2)
            continue
        elif not inside:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_no_template_holds_words_of_its_own(module: Path) -> None:
    said = []
    for literal in templates(SOURCES[module]):
        # A tag's attributes may hold words that are read out; classes and the like are not words.
        for name in ("aria-label", "title", "alt", "placeholder"):
            said += re.findall(rf'\s{name}="([^"]*[A-Za-z]{{2}}[^"]*)"', literal)
        between = re.sub(r"<[^>]*>?", " ", re.sub(r"^[^<>]*>", " ", literal))
        # Units are the same in any language that counts with our digits.
        said += [word for word in re.findall(r"[A-Za-z]{2,}", between) if word not in ("ms",)]
    assert said == []
