from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.media.domain.multipart import MAX_FIELD_BYTES, BadForm, FileForm

BOUNDARY = "x-the-boundary"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
CONTENT = b"\0\x01\r\n--x-the-boundar\r\n--not it\r\nvideo bytes\r\n"


def field(name: str, value: bytes, filename: str | None = None) -> bytes:
    named = "" if filename is None else f'; filename="{filename}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n'
    if filename is not None:
        head += "Content-Type: video/mp4\r\n"
    return head.encode() + b"\r\n" + value + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
BODY = (
    field("process", b"false")
    + field("file", CONTENT, "groove.mp4")
    + field("note", b"after the file")
    + END
)


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(form: FileForm) -> bytes:
    await form.open()
    content = b"".join([chunk async for chunk in form.chunks()])
    await form.finish()
    return content


async def test_a_file_and_the_fields_around_it_are_read() -> None:
    form = FileForm(TYPE, in_pieces(BODY), "file")
    await form.open()
    assert form.file_name == "groove.mp4"
    assert form.fields["process"] == "false"
    assert b"".join([chunk async for chunk in form.chunks()]) == CONTENT
    await form.finish()
    assert form.fields == {"process": "false", "note": "after the file"}


async def test_a_body_cut_anywhere_into_two_pieces_reads_the_same() -> None:
    for at in range(len(BODY) + 1):
        form = FileForm(TYPE, in_pieces(BODY[:at], BODY[at:]), "file")
        assert await read(form) == CONTENT, at
        assert form.file_name == "groove.mp4"
        assert form.fields == {"process": "false", "note": "after the file"}


async def test_a_body_that_comes_byte_by_byte_reads_the_same() -> None:
    form = FileForm(TYPE, in_pieces(*(bytes([byte]) for byte in BODY)), "file")
    assert await read(form) == CONTENT


async def test_a_body_that_ends_early_is_told_apart_from_a_whole_file() -> None:
    end_of_file = BODY.index(CONTENT) + len(CONTENT) + len(f"\r\n--{BOUNDARY}".encode())
    for length in range(end_of_file):
        with pytest.raises(BadForm):
            await read(FileForm(TYPE, in_pieces(BODY[:length]), "file"))


async def test_a_form_without_the_file_names_the_missing_field() -> None:
    body = field("process", b"true") + field("video", CONTENT, "a.mp4") + END
    with pytest.raises(BadForm, match="name its field `file`"):
        await FileForm(TYPE, in_pieces(body), "file").open()
    with pytest.raises(BadForm, match="name its field `file`"):
        await FileForm(TYPE, in_pieces(END), "file").open()
    with pytest.raises(BadForm):
        await FileForm(TYPE, in_pieces(), "file").open()


async def test_an_empty_file_is_an_empty_file() -> None:
    assert await read(FileForm(TYPE, in_pieces(field("file", b"", "a.mp4") + END), "file")) == b""


async def test_of_two_files_the_first_counts() -> None:
    body = field("file", b"one", "1.mp4") + field("file", b"two", "2.mp4") + END
    form = FileForm(TYPE, in_pieces(body), "file")
    assert await read(form) == b"one"
    assert form.file_name == "1.mp4"


async def test_a_file_field_without_a_file_name_is_taken() -> None:
    form = FileForm(TYPE, in_pieces(field("file", CONTENT) + END), "file")
    assert await read(form) == CONTENT
    assert form.file_name is None


async def test_a_field_without_end_does_not_fill_the_memory() -> None:
    body = field("note", b"x" * (MAX_FIELD_BYTES + 1)) + field("file", CONTENT, "a.mp4") + END
    with pytest.raises(BadForm, match="`note` is too long"):
        await FileForm(TYPE, in_pieces(body), "file").open()


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
        "application/x-www-form-urlencoded",
        "video/mp4",
    ],
)
def test_other_content_types_are_told_how_to_send(content_type: str) -> None:
    with pytest.raises(BadForm, match="multipart/form-data, in a field named `file`"):
        FileForm(content_type, in_pieces(), "file")


@pytest.mark.parametrize(
    "body", [b"no boundary at all", b"--another\r\n\r\n", b"--x-the-boundary\r\n: no name\r\n\r\n"]
)
async def test_a_malformed_body_is_a_bad_form(body: bytes) -> None:
    with pytest.raises(BadForm):
        await read(FileForm(TYPE, in_pieces(body), "file"))


@pytest.mark.parametrize("length", [256, 257, 4096, 100_000])
async def test_an_overlong_boundary_is_a_bad_form(length: int) -> None:
    content_type = "multipart/form-data; boundary=" + "b" * length
    with pytest.raises(BadForm):
        await read(FileForm(content_type, in_pieces(BODY), "file"))


async def test_a_file_name_in_any_bytes_is_read() -> None:
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="'.encode()
        + b"\xff\xfe.mp4"
        + b'"\r\n\r\n'
        + CONTENT
        + b"\r\n"
        + END
    )
    form = FileForm(TYPE, in_pieces(body), "file")
    assert await read(form) == CONTENT
    assert form.file_name == "\ufffd\ufffd.mp4"
