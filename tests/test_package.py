"""The package as it is installed: what the wheel carries, and where it is found."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from vmaftune_frv2 import __version__, resources
from vmaftune_frv2.contract.files import sha256_bytes

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_carries_schemas_and_models(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("schemas", "model/tiny"):
        for file in (ROOT / folder).iterdir():
            assert f"vmaftune_frv2/_data/{folder}/{file.name}" in names
    assert "vmaftune_frv2/py.typed" in names


def test_resources_are_found_in_an_unpacked_wheel(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    script = (
        "import json; from vmaftune_frv2 import resources as r;"
        " print(r.__file__, json.loads(r.schema_path('corpus_row.v3').read_text())['$id'],"
        " (r.shipped_models_dir() / 'registry.json').is_file())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [
        str(tmp_path / "vmaftune_frv2" / "resources.py"), "urn:vmaftune:corpus_row:v3", "True",
    ]  # fmt: skip


def test_resources_are_found_in_the_checkout() -> None:
    assert (
        json.loads(resources.schema_path("model_registry").read_text())["$id"] == "urn:vmaftune:model_registry:v1"
    )
    assert (resources.shipped_models_dir() / "registry.json").is_file()


@pytest.mark.parametrize(
    "module", [[sys.executable, "-m", "vmaftune_frv2"], [str(Path(sys.executable).parent / "vmaf-tune-frv2")]]
)
def test_the_program_runs_under_its_other_names(module: list[str]) -> None:
    done = subprocess.run([*module, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"vmaf-tune, version {__version__}"


def test_what_only_training_and_tests_need_is_no_runtime_dependency(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    required = re.findall(r"^Requires-Dist: ([\w-]+)(.*)$", archive.read(metadata).decode(), re.MULTILINE)
    runtime = {name for name, rest in required if "extra ==" not in rest}
    assert runtime == {
        "backports-zstd", "click", "imageio-ffmpeg", "jsonschema-rs", "numpy", "onnxruntime", "orjson",
        "platformdirs", "pluggy",
    }  # fmt: skip


def test_the_shipped_model_is_production_and_predicts(vmaf_tune, tmp_path: Path) -> None:
    features = tmp_path / "features.json"
    means = {
        "adm2": 0.95,
        "vif_scale0": 0.5,
        "vif_scale1": 0.85,
        "vif_scale2": 0.9,
        "vif_scale3": 0.94,
        "motion2": 3.0,
    }
    features.write_text(json.dumps(means))
    result = vmaf_tune(
        "predict", "--features", features, "--encoder", "x264", "--crf", "18:48:30", "--format", "json"
    )
    assert result.code == 0, result.err
    assert "smoke" not in result.err
    good, bad = (r["vmaf_predicted"] for r in json.loads(result.out) if r["preset"] == "medium")
    assert good > 85 > 60 > bad
    sidecar = json.loads((resources.shipped_models_dir() / "fr_regressor_v2.json").read_text())
    corpora = [ROOT / f"bench/corpus/{name}.jsonl.zst" for name in ("clips", "made", "packaged")]
    assert sidecar["training"]["corpus_sha256"] == sha256_bytes(b"".join(path.read_bytes() for path in corpora))
