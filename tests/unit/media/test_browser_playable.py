import pytest

from services.media.models import Video
from services.media.videos import is_browser_playable


@pytest.mark.parametrize(
    ("content_type", "video_codec", "audio_codec", "plays"),
    [
        ("video/mp4", "h264", "aac", True),
        ("video/mp4", "h264", None, True),
        ("video/quicktime", "h264", "aac", True),
        ("video/quicktime", "prores", "pcm_s16le", False),
        ("video/mp4", "hevc", "aac", False),
        ("video/mp4", "h264", "ac3", False),
        ("video/webm", "vp9", "opus", True),
        ("video/webm", None, "opus", True),
        ("video/x-matroska", "h264", "aac", False),
        ("video/x-msvideo", "mpeg4", "mp3", False),
        ("video/mpeg", "mpeg2video", "mp2", False),
        ("audio/wav", None, "pcm_s16le", True),
        ("audio/aiff", None, "pcm_s16be", False),
        # Uploaded before codecs were kept.
        ("video/mp4", None, None, True),
        ("video/x-matroska", None, None, False),
    ],
)
def test_container_and_codecs_say_whether_a_browser_plays_it(
    content_type: str, video_codec: str | None, audio_codec: str | None, plays: bool
) -> None:
    video = Video(content_type=content_type, video_codec=video_codec, audio_codec=audio_codec)
    assert is_browser_playable(video) is plays
