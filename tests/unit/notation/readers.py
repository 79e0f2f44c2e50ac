"""Real readers of what we write: MusicXML's schema and MuseScore."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import xmlschema

from services.notation.domain.document import ScoreDocument
from services.notation.domain.exports import export

needs_musescore = pytest.mark.skipif(
    shutil.which("mscore3") is None, reason="MuseScore is not installed"
)


@cache
def musicxml_schema() -> xmlschema.XMLSchema:
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


def schema_faults(data: bytes) -> list[str]:
    """What MusicXML's schema says of a file."""
    # The document type would be looked up elsewhere; the schema says the same.
    body = "<score-partwise" + data.decode().partition("<score-partwise")[2]
    return [str(error.reason) for error in musicxml_schema().iter_errors(body)]


def through_musescore(document: ScoreDocument, folder: Path, *endings: str) -> list[bytes]:
    """What it writes of our MusicXML; it must have no complaint. One start for all endings."""
    source = folder / "in.musicxml"
    # The installed one is of the third generation, which knows no sounding swing.
    source.write_bytes(export(document, "musicxml", schema="3.1").data)
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    jobs = folder / "jobs.json"
    outs = [folder / f"out.{ending}" for ending in endings]
    names = ", ".join(f'"{out}"' for out in outs)
    jobs.write_text(f'[{{"in": "{source}", "out": [{names}]}}]')
    told = subprocess.run(
        ["mscore3", "-j", str(jobs)],
        env={
            "PATH": os.environ["PATH"],
            "QT_QPA_PLATFORM": "offscreen",
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(runtime),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    # It ends with 0 on invalid files, too.
    assert "not a valid" not in told.stdout + told.stderr
    return [out.read_bytes() for out in outs]
