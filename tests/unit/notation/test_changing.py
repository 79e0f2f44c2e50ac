"""One change after another: what the process that makes them keeps, and what it tells."""

from __future__ import annotations

from typing import Any

import pytest

from services.notation.domain.document import ScoreDocument
from services.notation.domain.score import ScoreError
from services.notation.domain.written import Recent, Written
from services.notation.writing import Changed, Known, NotKnown, change_score
from tests.unit.notation.charts import chart


def change(document: bytes | Known, **wanted: Any) -> Changed:
    return change_score(document, wanted, progress=lambda _fraction: None)


SECTION = [{"op": "set-section", "bar": 1, "name": "Verse"}]


def test_a_change_on_a_named_document_is_the_change_on_that_document() -> None:
    first = change(chart().to_json(), operations=SECTION)
    again = [{"op": "set-section", "bar": 2, "name": "Fill"}]
    named = change(Known(first.now.digest), operations=again)
    assert named == change(first.now.document, operations=again)
    renamed = change(Known(named.now.digest), title="Named")
    assert (renamed.now.title, renamed.what) == ("Named", "Renamed")
    sections = ScoreDocument.from_json(renamed.now.document).score.sections
    assert [section.name for section in sections][:2] == ["Verse", "Fill"]


def test_a_document_that_is_not_there_has_to_be_sent() -> None:
    with pytest.raises(NotKnown):
        change(Known("nobody's"), title="Named")


def test_a_refused_change_leaves_what_was_kept_as_it_was() -> None:
    first = change(chart().to_json(), operations=SECTION)
    with pytest.raises(ScoreError) as failed:
        change(Known(first.now.digest), operations=[{"op": "delete", "ids": ["nobody"]}])
    assert failed.value.field == "operations[0].ids[0]"
    with pytest.raises(ScoreError) as failed:
        change(Known(first.now.digest), title="a\x00b")
    assert failed.value.field == "score.title"
    assert change(Known(first.now.digest), title="x") == change(first.now.document, title="x")


def test_what_is_told_of_a_document_is_what_reading_it_tells() -> None:
    made = change(chart().to_json(), operations=[{"op": "set-kit", "kit": "mine"}])
    assert (made.kit_before, made.now.kit) == (chart().score.kit, "mine")
    assert made.now == Written.read(made.now.document)
    assert made.what == "Edited: set-kit"


def test_only_the_last_documents_are_kept() -> None:
    one, two, three = (
        change(chart().to_json(), title=title).now for title in ("One", "Two", "Six")
    )
    recent = Recent(most_bytes=2 * len(one.document))
    for written in (one, two):
        recent.keep(written, chart(), engraved=False)
    assert recent.get(one.digest) == (chart(), False)
    recent.keep(three, chart(), engraved=True)
    assert [recent.get(each.digest) is None for each in (one, two, three)] == [False, True, False]
