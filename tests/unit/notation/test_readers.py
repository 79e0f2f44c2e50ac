"""What others make of our MusicXML: the 4.0 schema, and MuseScore where it is installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import xmlschema

from libs.common.drums import DrumPiece
from services.notation.domain.document import ScoreDocument
from services.notation.domain.exports import export
from services.notation.domain.kit import KITS
from services.notation.domain.quantise import Options, quantise
from tests.unit.notation.charts import chart
from tests.unit.notation.performances import played, rock, shuffle


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


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    """MusicXML 4.0's, which the package musicxml carries."""
    # Only its files are wanted: to import it raises warnings.
    found = importlib.util.find_spec("musicxml")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "generate_classes"
    builtin = Path(xmlschema.__file__).parent / "schemas"
    return xmlschema.XMLSchema(
        str(folder / "musicxml_4_0.xsd"),
        locations={
            "http://www.w3.org/XML/1998/namespace": str(builtin / "XML" / "xml.xsd"),
            "http://www.w3.org/1999/xlink": str(builtin / "XLINK" / "xlink.xsd"),
        },
        allow="local",
    )


def faults(schema: xmlschema.XMLSchema, data: bytes) -> list[str]:
    # The document type would be looked up elsewhere; the schema says the same.
    body = data.decode().partition("<score-partwise")[2]
    return [str(error.reason) for error in schema.iter_errors("<score-partwise" + body)]


@pytest.mark.parametrize("name", list(scores()))
def test_every_score_is_valid_musicxml(name: str, schema: xmlschema.XMLSchema) -> None:
    assert faults(schema, export(scores()[name], "musicxml").data) == []


@pytest.mark.parametrize("kit", list(KITS))
def test_every_kit_is_written_as_valid_musicxml(kit: str, schema: xmlschema.XMLSchema) -> None:
    assert faults(schema, export(chart(), "musicxml", KITS[kit], legend=True).data) == []


def test_repeat_signs_are_valid_musicxml(schema: xmlschema.XMLSchema) -> None:
    assert faults(schema, export(chart(), "musicxml", repeats="signs").data) == []


@pytest.mark.skipif(shutil.which("mscore3") is None, reason="MuseScore is not installed")
@pytest.mark.parametrize("name", list(scores()))
def test_musescore_opens_every_score_without_complaint(name: str, tmp_path: Path) -> None:
    source = tmp_path / "in.musicxml"
    # The installed one is of the third generation, which knows no sounding swing.
    source.write_bytes(export(scores()[name], "musicxml", schema="3.1").data)
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    told = subprocess.run(
        ["mscore3", "-o", str(tmp_path / "out.mid"), str(source)],
        env={
            "PATH": os.environ["PATH"],
            "QT_QPA_PLATFORM": "offscreen",
            "HOME": str(tmp_path),
            "XDG_RUNTIME_DIR": str(runtime),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    # It ends with 0 on invalid files, too.
    assert "not a valid" not in told.stdout + told.stderr
    assert (tmp_path / "out.mid").stat().st_size > 100
