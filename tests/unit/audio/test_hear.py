"""Hits out of sound."""

from __future__ import annotations

import tracemalloc

import mir_eval
import numpy as np
import pytest
import soundfile

from backbeat.clip import compose
from backbeat.drumsounds import play
from libs.common.drums import DrumPiece, Hit
from libs.common.work import Refused
from services.audio.domain.errors import EmptyAudio, NoDrumsHeard, SilentAudio, UnreadableMedia
from services.audio.domain.hear import EarHearer, hear_performance, hearers
from services.audio.transcribe import hear_local
from tests.synth import HAT, KICK, SAMPLE_RATE, SNARE, clicks, groove, tone, write


def f_measure(truth: list[Hit], heard: list[Hit], pieces: set[DrumPiece] | None = None) -> float:
    """Micro F over the pieces at 50 ms."""
    right = total = 0
    for piece in pieces or set(DrumPiece):
        wanted = np.array([hit.onset_s for hit in truth if hit.piece == piece])
        said = np.array([hit.onset_s for hit in heard if hit.piece == piece])
        right += len(mir_eval.util.match_events(wanted, said, 0.05))
        total += len(wanted) + len(said)
    return 2 * right / total


@pytest.fixture
def hear(tmp_path):
    def of(samples, sample_rate=SAMPLE_RATE, **options):
        path = write(tmp_path / "sound.wav", samples, sample_rate)
        return EarHearer("ear-1").hear(path, **options)

    return of


def test_each_stroke_is_one_onset(hear):
    at_s = (0.5, 1.0, 1.25, 2.0)
    heard = hear(play([Hit(at, SNARE, 100) for at in at_s], 3))
    np.testing.assert_allclose([hit.onset_s for hit in heard.hits], at_s, atol=0.01)


def test_kick_and_hat_together_are_two_hits(hear):
    truth = [Hit(0.5 + n * 0.6, piece, 100) for n in range(6) for piece in (KICK, HAT)]
    heard = hear(play(truth, 5))
    assert f_measure(truth, heard.hits) >= 0.9
    together = [hit.piece for hit in heard.hits if abs(hit.onset_s - 1.1) < 0.03]
    assert sorted(together) == sorted([KICK, HAT])


def test_a_known_groove_is_heard(hear):
    samples, truth = groove()
    heard = hear(samples)
    assert f_measure(truth, heard.hits) >= 0.9
    assert [hit.id for hit in heard.hits[:2]] == ["ev-000001", "ev-000002"]
    assert heard.hits == sorted(heard.hits, key=lambda hit: (hit.onset_s, hit.piece))
    assert all(1 <= hit.velocity <= 127 and 0 < hit.confidence <= 1 for hit in heard.hits)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_demo_is_heard_with_its_fills_ghosts_and_cymbals(hear, seed):
    truth = compose(seed)
    heard = hear(play(truth.hits, truth.duration_s, seed))
    assert f_measure(list(truth.hits), heard.hits) >= 0.85
    assert f_measure(list(truth.hits), heard.hits, {KICK, SNARE}) >= 0.9


def test_a_quiet_recording_is_heard_as_a_loud_one(hear):
    samples, truth = groove()
    heard = hear(samples * 10 ** (-30 / 20))
    assert f_measure(truth, heard.hits) >= 0.9


@pytest.mark.parametrize("sample_rate", [22_050, 48_000])
def test_other_sample_rates_are_heard_too(hear, sample_rate):
    samples, truth = groove()
    count = round(len(samples) * sample_rate / SAMPLE_RATE)
    at = np.arange(count) * SAMPLE_RATE / sample_rate
    heard = hear(np.interp(at, np.arange(len(samples)), samples), sample_rate)
    assert heard.duration_s == pytest.approx(len(samples) / SAMPLE_RATE, abs=0.01)
    assert f_measure(truth, heard.hits, {KICK, SNARE}) >= 0.9


def test_a_harder_stroke_has_a_higher_velocity(hear):
    truth = [Hit(0.5 + 0.5 * n, SNARE, 115 if n % 2 == 0 else 45) for n in range(12)]
    heard = [hit for hit in hear(play(truth, 7)).hits if hit.piece == SNARE]
    velocity = {round(2 * hit.onset_s): hit.velocity for hit in heard}
    loud = [velocity[at] for at in velocity if at % 2 == 1]
    soft = [velocity[at] for at in velocity if at % 2 == 0]
    assert np.median(loud) > np.median(soft) + 30
    assert min(loud) > max(soft)


def test_only_the_asked_pieces_are_heard(hear):
    samples, _ = groove()
    assert {hit.piece for hit in hear(samples, pieces={KICK, SNARE}).hits} == {KICK, SNARE}


def test_more_sensitivity_never_hears_less(hear):
    truth = compose(3)
    samples = play(truth.hits, truth.duration_s)
    counts = [len(hear(samples, sensitivity=level).hits) for level in (0.0, 0.5, 1.0)]
    assert counts == sorted(counts)
    assert counts[0] < counts[2]


def test_a_file_that_breaks_off_has_no_hits_after_its_end(tmp_path):
    samples, _ = groove(bars=8)
    path = tmp_path / "sound.wav"
    soundfile.write(path, samples, SAMPLE_RATE)
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(half)
    heard = EarHearer("ear-1").hear(path)
    assert heard.duration_s == pytest.approx(len(samples) / SAMPLE_RATE / 2, abs=0.05)
    assert max(hit.onset_s for hit in heard.hits) <= heard.duration_s


def test_one_absurd_sample_silences_nothing(tmp_path):
    samples, truth = groove()
    samples[30_000] = 1e30
    path = tmp_path / "sound.wav"
    soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")
    assert f_measure(truth, EarHearer("ear-1").hear(path).hits) >= 0.7


def test_channels_that_cancel_each_other_are_heard(tmp_path):
    samples, truth = groove()
    path = tmp_path / "sound.wav"
    soundfile.write(path, np.stack([samples, -samples], axis=1), SAMPLE_RATE)
    assert f_measure(truth, EarHearer("ear-1").hear(path).hits) >= 0.9


def test_a_sensitivity_outside_0_to_1_is_an_error(hear):
    with pytest.raises(ValueError, match="sensitivity"):
        hear(clicks(0.5), sensitivity=1.5)


@pytest.mark.parametrize("hz", [60, 110, 440, 3000])
def test_a_held_tone_is_no_drum(hear, hz):
    with pytest.raises(NoDrumsHeard) as raised:
        hear(tone(hz))
    assert raised.value.code == "no-drums-heard"


def test_a_pad_of_swelling_chords_is_no_drum(hear):
    chord = sum(tone(hz, 4.0, 0.15) for hz in (220, 277.2, 329.6, 440))
    with pytest.raises(NoDrumsHeard):
        hear(np.concatenate([chord, chord, chord]))


def test_silence_is_told_as_silence(hear):
    with pytest.raises(SilentAudio) as raised:
        hear(np.full(SAMPLE_RATE, 0.0005))
    assert raised.value.code == "audio-silent"


def test_no_samples_are_empty_audio(hear):
    with pytest.raises(EmptyAudio):
        hear(np.zeros(0))


def test_a_text_file_is_unreadable(tmp_path):
    (tmp_path / "sound.wav").write_text("not a sound")
    with pytest.raises(UnreadableMedia):
        hear_performance(tmp_path / "sound.wav")


def test_progress_grows_to_one_and_may_cancel(tmp_path):
    samples, _ = groove(bars=8)
    path = write(tmp_path / "sound.wav", samples)
    told: list[float] = []
    hear_performance(path, told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)

    def cancel(fraction: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        hear_performance(path, cancel)


def test_a_performance_carries_beats_tempo_and_the_model(tmp_path):
    samples, _ = groove(bars=6)
    performance = hear_performance(write(tmp_path / "sound.wav", samples))
    assert performance.model_version == "ear-1"
    assert performance.tempo_bpm == pytest.approx(100, abs=0.5)
    assert performance.duration_s == pytest.approx(len(samples) / SAMPLE_RATE)
    assert performance.beats[0].position == 1
    beats_s = [beat.time_s for beat in performance.beats][:24]
    np.testing.assert_allclose(beats_s, 0.5 + 0.6 * np.arange(24), atol=0.02)


def test_an_unknown_model_is_a_key_error(tmp_path):
    assert "ear-1" in hearers()
    with pytest.raises(KeyError):
        hear_performance(write(tmp_path / "sound.wav", clicks(0.5)), model="oracle")


def test_work_that_waited_for_a_model_that_is_gone_is_refused(tmp_path):
    path = write(tmp_path / "sound.wav", groove()[0])
    with pytest.raises(Refused) as raised:
        hear_local(path, {"model": "dsp-1", "sensitivity": 0.5}, progress=lambda done: None)
    assert raised.value.code == "unknown-model"


def test_ten_minutes_take_no_more_memory_than_one(tmp_path):
    minute, _ = groove(bars=25)

    def most_held_bytes(minutes: int) -> int:
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
            for _ in range(minutes):
                file.write(minute)
        tracemalloc.start()
        try:
            EarHearer("ear-1").hear(path)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # Hits grow: some kilobytes a minute, against ten megabytes of samples.
    assert most_held_bytes(10) < most_held_bytes(1) + 9 * 300_000
