"""The ear's training, from samples to what is served, on little data."""

from __future__ import annotations

import fcntl

import numpy as np
import pytest
import torch

from libs.common.drums import DrumPiece
from services.audio.domain.network import Card, activations, listen
from services.audio.domain.spectra import BANDS, WINDOWS
from services.audio.domain.vocabulary import FAMILIES, ONSET_OUTPUTS, OUTPUTS, PIECES
from tests.unit.training.practice import make_data, make_real
from training.ear.kits import RATE, Shelf
from training.ear.model import Ear, targets
from training.ear.pool import SHARD_TAKES, Shards, render
from training.ear.release import release
from training.ear.strokes import PIECES_ALL, Player, Stroke
from training.ear.studio import _CODECS, Studio, through_codec
from training.ear.train import train


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def work(data, tmp_path_factory):
    """A pool and a held-out set, rendered."""
    folder = tmp_path_factory.mktemp("work")
    for held_out in (False, True):
        render(data, folder, 1, SHARD_TAKES, 10_000, held_out, 10_000)
    return folder


def player(seed=1):
    take = [Stroke(0.25 * n, DrumPiece.SNARE, 0.5) for n in range(64)]
    return Player([take], np.random.default_rng(seed))


def test_what_is_played_is_in_order_and_within_bounds():
    play = player()
    for _ in range(60):
        strokes = play.play(6.0)
        assert strokes == sorted(strokes)
        assert all(0 <= s.at_s < 6 and 0 < s.velocity <= 1 for s in strokes)


def test_every_piece_is_played_sooner_or_later():
    play = player()
    assert {s.piece for _ in range(150) for s in play.play(6.0)} == set(PIECES_ALL)


def test_no_hand_strikes_a_piece_twice_within_18_ms():
    play = player()
    for _ in range(60):
        last: dict[DrumPiece, float] = {}
        for s in play.play(6.0):
            assert s.at_s - last.get(s.piece, -1) >= 0.018
            last[s.piece] = s.at_s


def test_held_out_kits_are_not_trained_on(data, tmp_path):
    assert set(Shelf(data, tmp_path, held_out=False).kits) == {"home"}
    assert set(Shelf(data, tmp_path, held_out=True).kits) == {"sonor_force"}


def test_a_take_sounds_where_its_strokes_are(data, tmp_path):
    """Energy rises at most strokes, whatever room, noise and codec were drawn."""
    rng = np.random.default_rng(5)
    studio = Studio(data, Shelf(data, tmp_path, held_out=False), player(), rng)
    rises = []
    for _ in range(12):
        take = studio.take(4.0)
        assert np.isfinite(take.samples).all()
        assert len(take.samples) == 4 * RATE
        for s in take.strokes:
            at = round(s.at_s * RATE)
            if s.velocity > 0.5 and 2000 < at < 4 * RATE - 2000:
                before = np.mean(take.samples[at - 1500 : at - 200] ** 2)
                rises.append(np.mean(take.samples[at : at + 1300] ** 2) > before)
    assert len(rises) > 40
    assert np.mean(rises) > 0.75


@pytest.mark.parametrize("codec", _CODECS)
def test_a_codec_displaces_nothing(codec):
    clicks = np.zeros(2 * RATE, np.float32)
    noise = np.random.default_rng(1).standard_normal(400).astype(np.float32)
    for at in (11_111, 50_000, 77_777):
        clicks[at : at + 400] = 0.5 * noise
    coded = through_codec(clicks, *codec)
    assert len(coded) == len(clicks)
    lags = np.correlate(coded[50_000 - 600 : 50_400 + 600], clicks[50_000:50_400], "valid")
    assert abs(int(np.argmax(lags)) - 600) <= 30


def test_targets_share_a_hit_between_two_frames():
    rows = np.array([[10.25, PIECES.index(DrumPiece.HAT_OPEN), 0.8]], np.float32)
    onsets, speeds, weights = targets([rows], 20)
    hat = len(PIECES) + list(FAMILIES).index("hat")
    for row in (PIECES.index(DrumPiece.HAT_OPEN), hat):
        np.testing.assert_allclose(onsets[0, row, 9:13], [0, 0.75, 0.25, 0])
    assert float(onsets.sum()) == pytest.approx(2)
    family = list(FAMILIES).index("hat")
    np.testing.assert_allclose(speeds[0, family, 10:12], [0.8, 0.8])
    np.testing.assert_allclose(weights[0, family, 10:12], [0.75, 0.25])


def test_shards_hold_the_hits_of_their_takes(work):
    shards = Shards(work / "pool")
    assert len(shards) == SHARD_TAKES
    levels, hits = shards.draw(8, 300, np.random.default_rng(0))
    assert levels.shape == (8, len(WINDOWS), BANDS, 300)
    assert sum(len(rows) for rows in hits) > 20
    assert all((rows[:, 0] < 300).all() and (rows[:, 0] > -1).all() for rows in hits)


def test_a_renderer_goes_on_and_shares_its_folder_with_no_other(data, work):
    shards = len(list((work / "pool").glob("*.hits.npy")))
    render(data, work, 1, SHARD_TAKES, 10_000, False, 10_000)
    assert len(list((work / "pool").glob("*.hits.npy"))) == shards
    with (work / "pool/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            render(data, work, 1, 2 * SHARD_TAKES, 10_000, False, 10_000)


def test_training_goes_on_and_its_network_is_served(work, tmp_path):
    """Two spells of training; the served file gives torch's numbers and hears a recording."""
    train(work, 0.05, 1, 2, 1e-3, "cpu", 32)
    first = torch.load(work / "ear.pt", weights_only=True)
    train(work, 0.05, 1, 2, 1e-3, "cpu", 32)  # spent: nothing is left to do
    again = torch.load(work / "ear.pt", weights_only=True)
    assert again["step"] == first["step"] > 0
    train(work, 0.15, 1, 2, 1e-3, "cpu", 32)
    state = torch.load(work / "ear.pt", weights_only=True)
    assert state["step"] > first["step"]
    assert state["spent_s"] >= 0.15 * 60

    real = make_real(tmp_path / "real")
    release(work / "ear.pt", work / "held-out", real, tmp_path, "tiny", 1, "a test", 20)
    card = Card.model_validate_json((tmp_path / "tiny.json").read_text())
    assert set(card.families) == set(FAMILIES)
    assert {"stems: 5 classes", "mixes: 5 classes", "rendered: 5 classes"} <= set(card.scores)
    assert all(0 <= score <= 1 for score in card.scores.values())

    net = Ear(32)
    net.load_state_dict(state["averaged"])
    net.eval()
    begun = Ear(32)
    begun.load_state_dict(torch.load(work / "tiny.pt", weights_only=True))
    for kept, start in zip(net.parameters(), begun.parameters(), strict=True):
        torch.testing.assert_close(start, kept, atol=2e-3, rtol=2e-3)
    spectra = np.random.default_rng(0).uniform(-90, 0, (len(WINDOWS), BANDS, 333))
    spectra = spectra.astype(np.float32)
    served = activations(spectra, tmp_path / "tiny.onnx")
    with torch.no_grad():
        trained = torch.sigmoid(net(torch.from_numpy(spectra)[None]))[0].numpy()
    assert served.shape == (OUTPUTS, 333)
    np.testing.assert_allclose(served, trained, atol=1e-3)

    parts = list(listen(real / "Made.flac", "tiny", lambda done: None, tmp_path / "tiny.onnx"))
    assert parts[0].onsets.shape[0] == ONSET_OUTPUTS
