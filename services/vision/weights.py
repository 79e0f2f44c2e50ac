"""The pose networks' files: from a package registry, checked, made into ONNX, kept in a folder.

Nothing of them is in this repository. They are Google's, under Apache-2.0, and lie in the Python
package `mediapipe` and in the npm package `@mediapipe/pose`; the registries' own clients get them,
so that a machine's mirrors and proxies are respected. docs/models/pose.md tells more.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from services.vision.domain.pose import DETECTOR_FILE, LANDMARKS_FILE

WHEEL: Final = "mediapipe==0.10.21"
TARBALL: Final = "@mediapipe/pose@0.5.1675469404"
LICENCE: Final = "Apache-2.0"
LICENCE_ADDRESS: Final = "https://github.com/google-ai-edge/mediapipe/blob/master/LICENSE"
ABOUT: Final = "MediaPipe pose (BlazePose, full): where shoulders, elbows and wrists are"
NAME: Final = "mediapipe-pose"

_MANIFEST: Final = "origin.json"
_CONVERSION: Final = 1
"""One more whenever convert.py makes other files of the same weights."""
_MAX_BYTES: Final = 64 << 20
_CLIENT_TIMEOUT_S: Final = 900

State = Literal["whole", "missing", "broken"]


class FetchFailed(Exception):
    """The networks could not be had; the text says why and what to do."""


class WrongChecksum(FetchFailed):
    """A package holds another file than the one that was examined; it is not used."""


@dataclass(frozen=True, slots=True)
class Network:
    """One network, as it is in the packages and as it is kept."""

    file: str
    in_wheel: str
    in_tarball: str
    sha256: tuple[str, ...]
    """Of the TFLite file in the wheel, and in the tarball where that differs (in no weight)."""
    outputs: tuple[str, ...]


NETWORKS: Final = (
    Network(
        file=DETECTOR_FILE,
        in_wheel="mediapipe/modules/pose_detection/pose_detection.tflite",
        in_tarball="package/pose_solution_packed_assets.data",
        sha256=(
            "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
            "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85",
        ),
        outputs=("Identity=boxes", "Identity_1=scores"),
    ),
    Network(
        file=LANDMARKS_FILE,
        in_wheel="mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        in_tarball="package/pose_landmark_full.tflite",
        sha256=("e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",),
        # Not the silhouette, which takes a third of the time, nor the points in metres.
        outputs=("Identity=landmarks", "Identity_1=presence", "Identity_3=heatmap"),
    ),
)


def default_models_folder() -> Path:
    """BACKBEAT_MODELS, or the user's own cache folder."""
    given = os.environ.get("BACKBEAT_MODELS")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "backbeat" / "models"


def pose_folder(models: Path | None = None) -> Path:
    """Where the pose networks lie among all models: what PoseTracker is given."""
    return (models or default_models_folder()) / NAME


def state(models: Path | None = None) -> State:
    """Of the pose networks; reads them, some 20 ms."""
    folder = pose_folder(models)
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        if manifest["conversion"] != _CONVERSION:
            return "broken"
        sums = manifest["files"]
        whole = all(
            _sha256((folder / network.file).read_bytes()) == sums[network.file]
            for network in NETWORKS
        )
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError, KeyError, TypeError):
        return "broken"
    return "whole" if whole else "broken"


def fetch(
    models: Path | None = None,
    *,
    package: Path | None = None,
    tell: Callable[[str], None] = lambda _said: None,
) -> Path:
    """The folder of the pose networks, fetched unless they are there already.

    `package` is a wheel or a tarball that was brought to this machine, for those without a
    registry. Raises FetchFailed.
    """
    folder = pose_folder(models)
    # Before anything is written: an image's models may lie where nothing can be.
    if state(models) == "whole":
        tell(f"The pose networks are in {folder} already.")
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _sole_use(folder):
            # Another one may have fetched them meanwhile.
            if state(models) == "whole":
                return folder
            with tempfile.TemporaryDirectory() as scratch:
                origin, files = _read_any(package, Path(scratch), tell)
            _keep(folder, origin, files, tell)
    except OSError as error:
        raise FetchFailed(f"{folder} cannot be written: {error.strerror or error}.") from error
    tell(f"The pose networks are in {folder}.")
    return folder


@contextlib.contextmanager
def _sole_use(folder: Path) -> Iterator[None]:
    """Two that want the same files fetch them once."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_any(
    package: Path | None, scratch: Path, tell: Callable[[str], None]
) -> tuple[str, dict[str, bytes]]:
    """What the files came from, and the TFLite files by the name that they are kept under."""
    if package is not None:
        return package.name, read_package(package)
    failures = []
    for name, download in ((WHEEL, _from_pip), (TARBALL, _from_npm)):
        tell(f"Getting {name} …")
        try:
            return name, read_package(download(scratch))
        except WrongChecksum:
            raise
        except FetchFailed as failure:
            failures.append(f"{name}: {failure}")
    raise FetchFailed(
        "The pose networks could not be had.\n"
        + "\n".join(failures)
        + f"\nWithout a registry: bring the wheel of {WHEEL} here and name it with --from."
    )


def _from_pip(scratch: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise FetchFailed("this Python has no pip (python -m ensurepip brings it)")
    # Only data are taken out of it, so that one platform's wheel does for every machine.
    wanted = ("--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--abi=cp311")
    command = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    options = ("--no-input", "--no-deps", "--only-binary=:all:", "--implementation=cp", *wanted)
    return _run((*command, *options, f"--dest={scratch}", WHEEL), scratch, "*.whl")


def _from_npm(scratch: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise FetchFailed("there is no npm")
    command = (npm, "pack", "--loglevel=error", f"--pack-destination={scratch}", TARBALL)
    return _run(command, scratch, "*.tgz")


def _run(command: tuple[str, ...], scratch: Path, pattern: str) -> Path:
    """The file that a registry's client leaves in the folder."""
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=_CLIENT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise FetchFailed(f"no end after {_CLIENT_TIMEOUT_S} s") from None
    found = sorted(scratch.glob(pattern))
    if ended.returncode or not found:
        said = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        # The first complaint is nearest to the cause; what follows is advice.
        raise FetchFailed(next((line for line in said if "error" in line.lower()), said[-1]))
    return found[0]


def read_package(package: Path) -> dict[str, bytes]:
    """The TFLite files of a wheel or a tarball, by the name that they are kept under, checked.

    Raises FetchFailed, WrongChecksum.
    """
    files = {}
    try:
        with _members(package) as read:
            for network in NETWORKS:
                data = read(network)
                found = _sha256(data)
                if found not in network.sha256:
                    raise WrongChecksum(
                        f"{network.file} of {package.name} has SHA-256 {found}, and not "
                        f"{' or '.join(network.sha256)}: it is not used."
                    )
                files[network.file] = data
    except KeyError as error:
        raise FetchFailed(f"{package.name} lacks a file: {error.args[0]}") from error
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        raise FetchFailed(f"{package.name} cannot be read: {error}") from error
    return files


@contextlib.contextmanager
def _members(package: Path) -> Iterator[Callable[[Network], bytes]]:
    if zipfile.is_zipfile(package):
        with zipfile.ZipFile(package) as wheel:

            def from_wheel(network: Network) -> bytes:
                with wheel.open(network.in_wheel) as file:
                    return file.read(_MAX_BYTES)

            yield from_wheel
    else:
        with tarfile.open(package) as tarball:

            def from_tarball(network: Network) -> bytes:
                file = tarball.extractfile(network.in_tarball)
                if file is None:
                    raise KeyError(network.in_tarball)
                return file.read(_MAX_BYTES)

            yield from_tarball


def _keep(folder: Path, origin: str, files: dict[str, bytes], tell: Callable[[str], None]) -> None:
    """Convert and write; the manifest comes last, and what is there without it does not count."""
    try:
        from services.vision.convert import to_onnx

        tell("Converting to ONNX …")
        made = {
            network.file: to_onnx(files[network.file], network.outputs, Path(network.file).stem)
            for network in NETWORKS
        }
    except ModuleNotFoundError as error:
        raise FetchFailed(
            f"{error.name} is not installed; pip install 'backbeat[vision]' brings it."
        ) from error
    manifest = {
        "about": ABOUT,
        "origin": origin,
        "licence": LICENCE,
        "licence_text": LICENCE_ADDRESS,
        "changed": "Converted from TFLite to ONNX by Backbeat; the weights are as they were.",
        "conversion": _CONVERSION,
        "tflite": {name: _sha256(data) for name, data in files.items()},
        "files": {name: _sha256(data) for name, data in made.items()},
    }
    (folder / _MANIFEST).unlink(missing_ok=True)
    for name, data in made.items():
        _write(folder / name, data)
    _write(folder / _MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(data)
    partial.replace(path)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
