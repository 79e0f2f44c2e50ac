"""What others make of our MusicXML: the 4.0 schema, and MuseScore where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from libs.common.drums import DrumPiece
from services.notation.domain.document import ScoreDocument
from services.notation.domain.exports import export
from services.notation.domain.kit import KITS
from services.notation.domain.quantise import Options, quantise
from tests.unit.notation.charts import chart
from tests.unit.notation.performances import played, rock, shuffle
from tests.unit.notation.readers import needs_musescore, schema_faults, through_musescore


def scores() -> dict[str, ScoreDocument]:
    """One of each kind of writing that there is."""
    pieces = [(place * 0.5, piece, 90) for place, piece in enumerate(DrumPiece)]
    flam = [*rock(2), (8 - 1 - 0.05, DrumPiece.SNARE, 60), (-0.5, DrumPiece.SNARE, 90)]
    return {
        "rock": quantise(played(rock(4), beats=17), Options(title="Rock")),
        "shuffle": quantise(played(shuffle(4), beats=17), Options(title="Straße & <Söhne>")),
        "every piece": quantise(played(pieces, beats=12)),
        "flam and pickup": quantise(played(flam, beats=10)),
        "six eight": quantise(played(rock(3), beats=13), Options(time_signature="6/8")),
        "chart": chart(),
    }


@pytest.mark.parametrize("name", list(scores()))
def test_every_score_is_valid_musicxml(name: str) -> None:
    assert schema_faults(export(scores()[name], "musicxml").data) == []


@pytest.mark.parametrize("kit", list(KITS))
def test_every_kit_is_written_as_valid_musicxml(kit: str) -> None:
    assert schema_faults(export(chart(), "musicxml", KITS[kit], legend=True).data) == []


def test_repeat_signs_are_valid_musicxml() -> None:
    assert schema_faults(export(chart(), "musicxml", repeats="signs").data) == []


@needs_musescore
@pytest.mark.parametrize("name", list(scores()))
def test_musescore_opens_every_score_without_complaint(name: str, tmp_path: Path) -> None:
    (midi,) = through_musescore(scores()[name], tmp_path, "mid")
    assert len(midi) > 100
