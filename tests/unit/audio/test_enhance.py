"""Enhancement, measured: it must help where it is asked to, and do no harm elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from scipy.signal import lfilter, resample_poly

from backbeat.drumsounds import play
from libs.common.drums import DrumPiece, Hit
from services.audio.domain.enhance import PIECES, TRUE_PEAK_DBTP, enhance, limit, true_peaks
from services.audio.domain.errors import EmptyAudio
from services.audio.domain.levels import measure_loudness
from tests.synth import SAMPLE_RATE, clicks, groove, tone, write

STROKES = {
    "kick": DrumPiece.KICK,
    "snare": DrumPiece.SNARE,
    "hats": DrumPiece.HAT_CLOSED,
    "toms": DrumPiece.TOM_MID,
    "cymbals": DrumPiece.CRASH,
}


def store(path, samples, rate=SAMPLE_RATE):
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def hiss(length, colour=0.0):
    """Noise; a colour near 1 is dark."""
    return lfilter([1], [1, -colour], np.random.default_rng(4).normal(size=length))


def noisy(drums, snr_db, colour):
    noise = hiss(len(drums), colour)
    noise *= np.sqrt(np.square(drums).mean() / np.square(noise).mean()) * 10 ** (-snr_db / 20)
    return drums + noise, noise


def snr(heard, drums):
    """What of `heard` is the drums, at whatever level, against all else; dB."""
    drums = drums * (heard @ drums) / (drums @ drums)
    return 10 * np.log10(np.square(drums).sum() / np.square(heard - drums).sum())


def run(path, **options):
    target = path.with_suffix(".flac")
    made = enhance(path, target, **options)
    samples, rate = soundfile.read(target)
    assert (rate, len(samples) / rate) == (made.sample_rate, made.duration_s)
    return made, samples


@pytest.mark.parametrize("colour", [0.0, 0.97], ids=["white", "dark"])
@pytest.mark.parametrize(("snr_db", "gained_db"), [(10, 5.0), (20, 3.0), (30, 1.5)])
def test_denoising_raises_the_signal_above_the_noise(tmp_path, colour, snr_db, gained_db):
    drums, _ = groove(bars=4)
    heard, noise = noisy(drums * 0.5, snr_db, colour)
    made, out = run(store(tmp_path / "in.wav", heard), loudness_lufs=None)
    assert snr(heard, drums) == pytest.approx(snr_db, abs=0.1)
    assert snr(out, drums) > snr_db + gained_db
    rms_dbfs = 10 * np.log10(np.square(noise).mean())
    # A softer noise drowns in what the drums leave ringing.
    assert -1.5 < made.noise_floor_dbfs - rms_dbfs < (1.5 if snr_db < 20 else 4.5)


def test_between_strokes_the_noise_falls_by_most_of_what_was_asked(tmp_path):
    drums = clicks(1.0, 3.0, duration_s=4.0)
    heard, _ = noisy(drums, 10, 0.0)
    path = store(tmp_path / "in.wav", heard * 0.3)
    quiet = slice(round(1.5 * SAMPLE_RATE), round(2.5 * SAMPLE_RATE))
    for wanted_db in (6.0, 20.0):
        _, out = run(path, loudness_lufs=None, reduction_db=wanted_db)
        before = np.square(heard[quiet] * 0.3).mean()
        fallen_db = 10 * np.log10(before / np.square(out[quiet]).mean())
        assert 0.7 * wanted_db < fallen_db <= wanted_db + 0.2
        # The strokes themselves stay as loud as they were.
        assert np.abs(out).max() == pytest.approx(np.abs(heard * 0.3).max(), rel=0.1)


def test_a_clean_recording_stays_as_it_is(tmp_path):
    drums, _ = groove(bars=4)
    _, out = run(store(tmp_path / "in.wav", drums * 0.5), loudness_lufs=None)
    assert snr(out, drums) > 55


@pytest.mark.parametrize("piece", PIECES)
def test_the_emphasised_piece_comes_forward_more_than_the_whole(tmp_path, piece):
    order = list(STROKES)
    hits = [Hit(0.5 + n * 0.7, STROKES[order[n % 5]], 100) for n in range(20)]
    sound = play(hits, 15.0) * 0.4
    path = store(tmp_path / "in.wav", sound)
    _, out = run(path, denoise=False, emphasis=[piece], emphasis_db=6.0, loudness_lufs=None)

    def energy(samples, wanted):
        at = [round(hit.onset_s * SAMPLE_RATE) for hit in hits if hit.piece in wanted]
        return sum(np.square(samples[first : first + 5_000]).sum() for first in at)

    def share_db(samples):
        everything = energy(samples, list(STROKES.values()))
        mine = energy(samples, [STROKES[piece]])
        return 10 * np.log10(mine / (everything - mine))

    risen_db = 10 * np.log10(energy(out, [STROKES[piece]]) / energy(sound, [STROKES[piece]]))
    assert 4.0 < risen_db < 6.3
    # Toms and kick share their depth, hats and cymbals their height.
    assert share_db(out) - share_db(sound) > 1.0


def test_emphasis_leaves_what_does_not_strike(tmp_path):
    hum = tone(80.0, 6.0, 0.3)
    _, out = run(
        store(tmp_path / "in.wav", hum),
        denoise=False, emphasis=["kick"], emphasis_db=12.0, loudness_lufs=None,
    )  # fmt: skip
    middle = slice(2 * SAMPLE_RATE, 5 * SAMPLE_RATE)
    np.testing.assert_allclose(out[middle], hum[middle], atol=1e-3)


@pytest.mark.parametrize("target_lufs", [-30.0, -23.0, -16.0])
@pytest.mark.parametrize("level", [0.02, 0.5])
def test_loudness_comes_to_the_target_and_peaks_stay_below_theirs(tmp_path, target_lufs, level):
    drums, _ = groove(bars=4)
    made, out = run(store(tmp_path / "in.wav", drums * level), loudness_lufs=target_lufs)
    found = measure_loudness(tmp_path / "in.flac").integrated_lufs
    assert found == pytest.approx(target_lufs, abs=0.5)
    assert made.loudness_after_lufs == pytest.approx(found, abs=0.02)
    # Sixteen times oversampled, four times finer than the limiter looks.
    peak_dbtp = 20 * np.log10(np.abs(resample_poly(out, 16, 1)).max())
    assert peak_dbtp <= TRUE_PEAK_DBTP
    assert made.true_peak_after_dbtp == pytest.approx(peak_dbtp, abs=0.4)


def test_strokes_are_not_crushed_for_a_loudness_out_of_reach(tmp_path):
    made, _ = run(store(tmp_path / "in.wav", clicks(1, 2, 3, 4) * 0.5), loudness_lufs=-8.0)
    assert made.loudness_after_lufs < -12
    assert made.true_peak_before_dbtp + made.gain_db <= TRUE_PEAK_DBTP + 12.0 + 0.1


def test_stereo_stays_stereo(tmp_path):
    drums, _ = groove(bars=2)
    both = np.stack([drums * 0.5, drums * 0.25], axis=1) + hiss(2 * len(drums)).reshape(-1, 2) / 500
    made, out = run(store(tmp_path / "in.wav", both), emphasis=["snare"])
    assert (made.channels, out.shape) == (2, both.shape)
    balance = np.square(out).sum(axis=0)
    assert 10 * np.log10(balance[0] / balance[1]) == pytest.approx(6.02, abs=0.3)


@pytest.mark.parametrize("same", [True, False], ids=["one microphone", "two microphones"])
def test_the_noise_floor_is_the_same_in_one_channel_and_in_two(tmp_path, same):
    drums = clicks(1.0, 3.0, duration_s=5.0)[:, np.newaxis]
    noise = 0.003 * hiss(2 * len(drums)).reshape(-1, 2)
    heard = drums * 0.5 + (noise[:, :1].repeat(2, axis=1) if same else noise)
    made, _ = run(store(tmp_path / "in.wav", heard), loudness_lufs=None)
    assert made.noise_floor_dbfs == pytest.approx(20 * np.log10(0.003), abs=1.0)


def test_the_limiter_touches_nothing_below_the_ceiling_and_holds_every_peak():
    samples = (0.4 * hiss(50_000)).astype(np.float32)[:, np.newaxis]
    limited = limit(samples, 0.5, 264)
    assert true_peaks(limited).max() <= 0.501
    quiet = samples * np.float32(0.01)
    assert limit(quiet, 0.5, 264) is quiet


@pytest.mark.parametrize("length", [40, 4_000, 300_001])
def test_silence_and_very_short_sounds_are_no_trouble(tmp_path, length):
    made, out = run(write(tmp_path / "none.wav", np.zeros(length)), emphasis=["kick"])
    assert made.loudness_after_lufs is None
    assert len(out) == length
    assert not out.any()
    run(write(tmp_path / "short.wav", 0.1 * hiss(length)), emphasis=["hats"])
    with pytest.raises(EmptyAudio):
        enhance(write(tmp_path / "empty.wav", np.zeros(0)), tmp_path / "out.flac")


def test_progress_rises(tmp_path):
    drums, _ = groove(bars=4)
    told: list[float] = []
    path = write(tmp_path / "in.wav", drums * 0.5)
    enhance(path, tmp_path / "out.flac", emphasis=["kick"], progress=told.append)
    assert told == sorted(told)
    assert 0.7 < told[-1] <= 0.99
