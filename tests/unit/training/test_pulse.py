"""The training of the pulse: what it practises on is true, and what is exported is what it made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import libs.common.pulse  # noqa: E402
from libs.common.drums import DrumPiece  # noqa: E402
from libs.common.pulse.net import run_beats, run_frames  # noqa: E402
from training.pulse import fit as fitting  # noqa: E402
from training.pulse.fit import Plan, draw_beats, fit  # noqa: E402
from training.pulse.grooves import make_groove  # noqa: E402
from training.pulse.model import BarsNet, PulseNet, export  # noqa: E402
from training.pulse.practice import in_meter, mishear, play, with_lead  # noqa: E402
from training.pulse.takes import INDEX, Take  # noqa: E402

NETWORKS = Path(libs.common.pulse.__file__).parent / "networks"


def four(bars: int = 8) -> Take:
    """Kick on one, snare on two, low tom on three, hat on four."""
    pieces = [DrumPiece.KICK, DrumPiece.SNARE, DrumPiece.TOM_FLOOR, DrumPiece.HAT_CLOSED]
    return Take(
        name="four", at=np.arange(4.0 * bars), bars=np.full(bars, 4), bpm=120,
        piece=np.array([INDEX[piece] for piece in pieces] * bars), velocity=np.full(4 * bars, 90.0),
    )  # fmt: skip


@pytest.mark.parametrize("meter", [2, 3, 5, 6, 7])
def test_a_take_in_another_meter_has_its_kick_on_one_in_every_bar(meter):
    take = in_meter(four(), meter, np.random.default_rng(1))
    assert list(take.at) == list(range(8 * meter))
    if meter != 2:
        assert set(take.piece[::meter]) == {INDEX[DrumPiece.KICK]}
    assert len({tuple(bar) for bar in take.piece.reshape(8, meter)}) == 1


@pytest.mark.parametrize("seed", range(6))
def test_beats_stay_with_the_strokes_at_any_tempo(seed):
    rng = np.random.default_rng(seed)
    played = play(with_lead(four(), rng), rng)
    ones_s = played.beats_s[played.positions == 1]
    kicks_s = played.onsets_s[played.piece == INDEX[DrumPiece.KICK]]
    assert min(np.abs(kicks_s[:, None] - ones_s).min(axis=1)[-8:]) < 1e-6
    assert np.all(np.diff(played.beats_s) > 0.2)


def test_mishearing_nothing_changes_nothing():
    played = play(four(), np.random.default_rng(1), steady=True)
    assert mishear(played, np.random.default_rng(2), 0) is played


@pytest.mark.parametrize("meter", [3, 4, 5, 6, 7])
def test_a_made_groove_is_in_the_meter_asked_for(meter):
    take = make_groove(np.random.default_rng(meter), meter, compound=False)
    assert set(take.bars) == {meter}
    assert take.at[-1] < take.bars.sum() + 1


@pytest.mark.parametrize(("net", "rows"), [(PulseNet, 6), (BarsNet, 73)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_exported_network_says_what_torch_says(net, rows, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.manual_seed(1)
    made = net().eval()
    export(made, tmp_path / "net.onnx")
    seen = torch.rand(1, rows, 777)
    with torch.no_grad():
        wanted = made(seen).numpy()
    if net is PulseNet:
        wanted = 1 / (1 + np.exp(-wanted))
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (said,) = session.run(None, {"rows": seen.numpy()})
    np.testing.assert_allclose(said, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("net", "name", "rows"), [(PulseNet, "pulse-1", 6), (BarsNet, "pulse-1-bars", 73)]
)
def test_the_shipped_network_says_what_torch_says_with_its_weights(net, name, rows):
    onnx = pytest.importorskip("onnx")
    shipped = onnx.load(NETWORKS / f"{name}.onnx").graph.initializer
    made = net().eval()
    # In order: a layer without weights may have moved the numbers in their names.
    kept = zip(made.state_dict(), shipped, strict=True)
    made.load_state_dict(
        {key: torch.tensor(onnx.numpy_helper.to_array(value)) for key, value in kept}
    )
    torch.manual_seed(1)
    seen = torch.rand(1, rows, 1200) * (torch.rand(1, rows, 1200) < 0.1)
    with torch.no_grad():
        wanted = made(seen)[0].numpy()
    if net is PulseNet:
        wanted = 1 / (1 + np.exp(-wanted))
    said = (run_frames if net is PulseNet else run_beats)(seen[0].numpy())
    np.testing.assert_allclose(said, wanted, atol=1e-3)
    assert said.std() > 0.05


def test_without_a_better_look_training_ends_and_gives_its_best(tmp_path, monkeypatch, capsys):
    drawn = draw_beats([four()], np.ones(1), np.random.default_rng(1), 4)
    monkeypatch.setattr(fitting, "draw_beats", lambda *_: drawn)
    monkeypatch.setattr(fitting, "read_groove", lambda *_: [four()])
    plan = Plan(bars=True, steps=60, batch=4, rate=0.3, patience=2)
    best = fit(tmp_path, plan, tmp_path / "net.pt", every=5)
    kept = torch.load(tmp_path / "net.pt", weights_only=True)
    assert kept["step"] == min(60, kept["best_step"] + 10)
    with torch.no_grad():
        lost = fitting._loss(best(drawn[0]), drawn[1]).sum().item()
    assert lost == pytest.approx(kept["least"], rel=1e-4)
    told = capsys.readouterr().out
    assert f"the weights of step {kept['best_step']}" in told
    again = fit(tmp_path, plan, tmp_path / "net.pt", every=5)
    for one, other in zip(best.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
