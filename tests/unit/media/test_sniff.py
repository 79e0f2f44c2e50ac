from __future__ import annotations

import pytest

from services.media.domain.sniff import HEAD_BYTES, display_name, media_type

TS_PACKET = b"\x47" + bytes(187)

KINDS = {
    b"\0\0\0\x18ftypisom": "video/mp4",
    b"\0\0\0\x18ftypmp42": "video/mp4",
    b"\0\0\0\x14ftypqt  ": "video/quicktime",
    b"\0\0\0\x18ftypM4A ": "audio/mp4",
    b"\0\0\0\x18ftyp3gp5": "video/3gpp",
    b"\0\0\0\x08wide\0\0\0\0": "video/quicktime",
    b"\0\0\0\x08moov\0\0\0\0": "video/quicktime",
    b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x84webm": "video/webm",
    b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x88matroska": "video/x-matroska",
    b"RIFF\0\0\0\0AVI LIST": "video/x-msvideo",
    b"RIFF\0\0\0\0WAVEfmt ": "audio/wav",
    b"RF64\xff\xff\xff\xffWAVEds64": "audio/wav",
    b"OggS\0\x02" + bytes(22) + b"\x01\x1e\x01vorbis": "audio/ogg",
    b"OggS\0\x02" + bytes(22) + b"\x01*\x80theora": "video/ogg",
    b"fLaC\0\0\0\x22": "audio/flac",
    b"FLV\x01\x05\0\0\0\x09": "video/x-flv",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9": "video/x-ms-asf",
    b"\0\0\x01\xba\x44\0\x04\0": "video/mpeg",
    b"FORM\0\0\0\0AIFFCOMM": "audio/aiff",
    b"caff\0\x01\0\0": "audio/x-caf",
    b"ID3\x04\0\0\0\0\0\0": "audio/mpeg",
    b"\xff\xfb\x90\x64\0\0": "audio/mpeg",
    b"\xff\xf1\x50\x80\0\0": "audio/mpeg",
    TS_PACKET * 3: "video/mp2t",
}


@pytest.mark.parametrize(("head", "kind"), KINDS.items(), ids=KINDS.values())
def test_a_media_file_is_known_by_its_first_bytes(head: bytes, kind: str) -> None:
    assert media_type(head) == kind
    assert media_type(head + bytes(HEAD_BYTES)) == kind


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0",
        b"#EXTM3U\nhttp://169.254.169.254/",
        b"ffconcat version 1.0\nfile /etc/passwd",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1",
        b"<?xml version='1.0'?><MPD/>",
        b"This is a text, named drums.mp4",
        b"%PDF-1.7",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"GIF89a",
        b"PK\x03\x04",
        b"\x7fELF",
        b"MZ\x90\0",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"FORM\0\0\0\0ILBM",
        b"ftypisom",
        b"\xff\xff\xff\xff",
        b"\x47" + bytes(500),
        bytes(4096),
    ],
)
def test_other_files_are_not_media(head: bytes) -> None:
    assert media_type(head) is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("groove.mp4", "groove.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ringo\\take 1.mov", "take 1.mov"),
        ("/abs/olute.mp4", "olute.mp4"),
        ("a\x00b\r\nc.mp4", "abc.mp4"),
        ("right\u202eto left.mp4", "rightto left.mp4"),
        ("Schlagzeug – für Ünal 🥁.mp4", "Schlagzeug – für Ünal 🥁.mp4"),
        ("  spaces.mp4 ", "spaces.mp4"),
        ("", "video"),
        (None, "video"),
        (".", "video"),
        ("..", "video"),
        ("folder/", "video"),
        ("\x00", "video"),
        ("x" * 300 + ".mp4", "x" * 196 + ".mp4"),
        ("y" * 300, "y" * 200),
        ("z." + "e" * 300, "z." + "e" * 198),
    ],
)
def test_a_file_name_is_made_fit_to_show(given: str | None, shown: str) -> None:
    assert display_name(given) == shown
