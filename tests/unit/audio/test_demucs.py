"""Separation by Demucs, on small networks that the test makes."""

from __future__ import annotations

import json
import os
import tracemalloc

import numpy as np
import pytest
import soundfile
import torch
from demucs.apply import apply_model
from demucs.htdemucs import HTDemucs
from demucs.states import get_state
from safetensors.torch import save_file

from services.audio.domain.demucs import load_model, separate_demucs, separated
from services.audio.domain.weights import WeightsBroken
from tests.demucs_weights import SMALL, SOURCES, make_checkpoint
from tests.synth import SAMPLE_RATE, groove

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(make_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.th"))


def noise(length, channels=2):
    return np.random.default_rng(1).normal(0.01, 0.1, (channels, length)).astype(np.float32)


def blocks_of(samples, size=10_007):
    return iter([samples[:, at : at + size] for at in range(0, samples.shape[1], size)])


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("length_s", [0.1, 2.0, 6.3])
def test_segment_by_segment_it_is_what_demucs_itself_gives_for_the_whole(tmp_path, kind, length_s):
    model = load_model(make_checkpoint(tmp_path / "tiny.th", kind))
    mix = noise(round(length_s * SAMPLE_RATE))
    mean, deviation = float(mix.mean()), float(mix.std())
    tensor = torch.from_numpy((mix - mean) / deviation)[None]
    whole = apply_model(model.network, tensor, shifts=0, overlap=0.25)[0].numpy()
    found = np.concatenate(list(separated(model, blocks_of(mix), mean, deviation)), axis=-1)
    assert found.shape == (4, 2, mix.shape[1])
    np.testing.assert_allclose(found, whole * deviation + mean, atol=1e-5)


def test_the_files_hold_what_the_network_gives_at_the_sounds_own_length(tmp_path, model):
    mix = noise(3 * SAMPLE_RATE + 17)
    soundfile.write(tmp_path / "mix.wav", mix.T, SAMPLE_RATE, subtype="FLOAT")
    mono = mix.mean(axis=0)
    expected = np.concatenate(
        list(separated(model, blocks_of(mix), float(mono.mean()), float(mono.std()))), axis=-1
    )
    stems = separate_demucs(model, tmp_path / "mix.wav", tmp_path)
    assert [stem.name for stem in stems] == SOURCES
    for stem, source in zip(stems, expected, strict=True):
        samples, rate = soundfile.read(stem.path)
        assert (rate, samples.shape) == (SAMPLE_RATE, (mix.shape[1], 2))
        np.testing.assert_allclose(samples, np.clip(source.T, -1, 1), atol=1 / 32_768)
        assert stem.peak == pytest.approx(np.abs(source).max(), rel=1e-4)


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (48_000, 2), (44_100, 1)])
def test_another_rate_and_one_channel_are_taken_too(tmp_path, model, rate, channels):
    mix = noise(2 * rate, channels)
    soundfile.write(tmp_path / "mix.wav", mix.T, rate, subtype="FLOAT")
    [drums] = separate_demucs(model, tmp_path / "mix.wav", tmp_path, ("drums",))
    assert (drums.name, drums.sample_rate, drums.channels) == ("drums", 44_100, channels)
    assert drums.duration_s == pytest.approx(2.0, abs=1e-4)
    assert np.isfinite(soundfile.read(drums.path)[0]).all()


def test_silence_stays_finite(tmp_path, model):
    soundfile.write(tmp_path / "none.wav", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    [drums] = separate_demucs(model, tmp_path / "none.wav", tmp_path, ("drums",))
    assert drums.peak < 1e-3


def test_a_longer_recording_needs_no_more_memory(tmp_path, model):
    def peak_bytes(seconds):
        chunk = noise(SAMPLE_RATE)
        tracemalloc.start()
        for _ in separated(model, iter([chunk] * seconds), 0.0, 0.1):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_bytes(15) < 1.2 * peak_bytes(5)


def test_progress_rises(tmp_path, model):
    samples, _ = groove(bars=2)
    soundfile.write(tmp_path / "mix.wav", samples, SAMPLE_RATE)
    told: list[float] = []
    separate_demucs(model, tmp_path / "mix.wav", tmp_path, ("drums",), told.append)
    assert told == sorted(told)
    assert len(told) > 3
    assert told[-1] == 1.0


def test_weights_as_the_hugging_face_hub_has_them_are_read(tmp_path, model):
    network = model.network
    args, kwargs = network._init_args_kwargs
    segment = kwargs["segment"]
    said = kwargs | {
        "segment": {
            "_type": "fraction",
            "numerator": segment.numerator,
            "denominator": segment.denominator,
        }
    }
    save_file(
        {name: value.contiguous() for name, value in get_state(network, None).items()},
        tmp_path / "tiny.safetensors",
        {
            "klass": "demucs.htdemucs.HTDemucs",
            "args": json.dumps(list(args)),
            "kwargs": json.dumps(said),
        },
    )
    found = load_model(tmp_path / "tiny.safetensors")
    assert isinstance(found.network, HTDemucs)
    assert found.segment_samples == model.segment_samples
    theirs = network.state_dict()
    for name, value in found.network.state_dict().items():
        assert torch.equal(value, theirs[name])


class Harmful:
    """A pickle that runs a command when it is read."""

    def __reduce__(self):
        return os.system, ("touch /tmp/backbeat-was-harmed",)


@pytest.mark.parametrize(
    "package",
    [
        {"klass": HTDemucs, "args": [SOURCES], "kwargs": Harmful(), "state": {}},
        {"klass": Harmful, "args": [], "kwargs": {}, "state": {}},
        {"state": {}},
        [1, 2],
        {"klass": torch.Tensor, "args": [], "kwargs": {}, "state": {}},
        {"klass": HTDemucs, "args": [SOURCES], "kwargs": {"unheard_of": 1}, "state": {}},
    ],
)
def test_a_file_that_is_no_network_of_demucs_is_refused_unexecuted(tmp_path, package):
    torch.save(package, tmp_path / "bad.th")
    with pytest.raises(WeightsBroken, match=r"bad\.th"):
        load_model(tmp_path / "bad.th")
    assert not os.path.exists("/tmp/backbeat-was-harmed")  # noqa: PTH110


@pytest.mark.parametrize("name", ["bad.th", "bad.safetensors"])
def test_a_file_of_something_else_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"<html>not found</html>")
    with pytest.raises(WeightsBroken):
        load_model(tmp_path / name)


def test_a_network_without_drums_is_refused(tmp_path):
    with pytest.raises(WeightsBroken, match="no drums"):
        load_model(make_checkpoint(tmp_path / "song.th", sources=["vocals", "other"]))
