"""``vmaf-tune export-check``: which rules of upstream's readers a folder of models breaks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from conftest import VmafTune
from model_kit import edit, reregister, write
from training_kit import document
from vmaftune_frv2.contract.sidecar import read_sidecar
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.predict.weights import operators, opset
from vmaftune_frv2.resources import shipped_models_dir

MODEL = "fr_regressor_v2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped models, free to be spoilt."""
    return Path(shutil.copytree(shipped_models_dir(), tmp_path / "tiny"))


def first_name(path: Path) -> str:
    """What stands in quotes behind the first ``"name"`` of a file."""
    return path.read_text().split('"name"', 1)[1].split('"')[1]


def test_the_shipped_models_hold(vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("export-check", shipped_models_dir())
    assert (result.code, result.out, result.err) == (0, "", "9 models: all rules hold\n")


def test_every_shipped_sidecar_is_read_by_its_name() -> None:
    for path in shipped_models_dir().glob("*.onnx"):
        assert first_name(path.with_suffix(".json")) == path.stem


def test_shipped_sidecars_are_what_is_written(folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        beside = path.with_suffix(".json")
        assert list(read_sidecar(beside).to_json().items()) == list(document(beside).items())


def test_json_has_the_rule_of_each_finding(vmaf_tune: VmafTune, folder: Path) -> None:
    assert json.loads(vmaf_tune("export-check", folder, "--json").out) == {
        "folder": str(folder), "models": 9, "holds": True, "findings": [],
    }  # fmt: skip
    edit(folder / f"{MODEL}.json", lambda found: found.pop("name"))
    result = vmaf_tune("export-check", folder, "--json")
    assert result.code == ExitCode.MODEL
    report = json.loads(result.out)
    assert report["holds"] is False
    (finding,) = report["findings"]
    assert (finding["file"], finding["rule"]) == (str(folder / f"{MODEL}.json"), "sidecar")


def registry_entry(change: Callable[[dict[str, Any]], object], name: str = MODEL) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        edit(folder / "registry.json", lambda found: change(next(e for e in found["models"] if e["id"] == name)))

    return spoil


def sidecar(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda folder: edit(folder / f"{MODEL}.json", change)


def name_last(found: dict[str, Any]) -> None:
    found["name"] = found.pop("name")


def name_as_value(found: dict[str, Any]) -> None:
    rest = dict(found)
    found.clear()
    found.update(about="name", tail="x", **rest)


def scaler_last(found: dict[str, Any]) -> None:
    found["before"] = [{"feature_mean": [0.0]}]
    found["feature_mean"] = found.pop("feature_mean")


def graph(*nodes: onnx.NodeProto, version: int = 17) -> bytes:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])
    made = helper.make_model(
        helper.make_graph(nodes, "g", [value], [value]), opset_imports=[helper.make_opsetid("", version)]
    )
    data: bytes = made.SerializeToString()
    return data


def within(op: str, depth: int, container: str = "If") -> onnx.NodeProto:
    """A node of ``op`` below ``depth`` subgraphs."""
    node = helper.make_node(op, ["x"], ["y"])
    for _ in range(depth):
        node = helper.make_node(container, ["x"], ["y"], body=helper.make_graph([node], "inner", [], []))
    return node


def take_graph(*nodes: onnx.NodeProto, version: int = 17) -> Callable[[Path], None]:
    return lambda folder: reregister(folder, MODEL, graph(*nodes, version=version))


def grow(path: str, size: int) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        text = (folder / path).read_text()
        (folder / path).write_text(text + " " * (size - len(text.encode())))

    return spoil


def instead(name: str, target: str = "") -> Callable[[Path], None]:
    """A pipe in the place of a file, or a link."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        if target:
            (folder / name).symlink_to(target)
        else:
            os.mkfifo(folder / name)

    return spoil


def half_a_pair(folder: Path) -> None:
    entry = document(folder / "registry.json")["models"][-1] | {"id": "\ud800"}
    write(folder / "registry.json", {"schema_version": 1, "models": [entry, entry]})


FAULTS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "no name": (
        sidecar(lambda found: found.pop("name")),
        [f"{MODEL}.json: no name; libvmaf calls the model 'mean fold PLCC'"],
    ),
    "no name and no gate": (
        sidecar(lambda found: [found.pop(key) for key in ("name", "gate")]),
        [f"{MODEL}.json: no name; libvmaf calls the model 'vmaf_tiny_model'"],
    ),
    "the name stands last": (
        sidecar(name_last), [f"{MODEL}.json: libvmaf reads name as 'mean fold PLCC'; it is '{MODEL}'"],
    ),
    "a value before it is called name": (
        sidecar(name_as_value), [f"{MODEL}.json: libvmaf reads name as 'x'; it is '{MODEL}'"],
    ),
    "another kind": (
        sidecar(lambda found: found.update(kind="nr")), [f"{MODEL}.json: libvmaf reads kind as 'nr'; it is 'fr'"],
    ),
    "quantised by its sidecar alone": (
        sidecar(lambda found: found.update(quant_mode="dynamic")),
        [f"{MODEL}.json: libvmaf reads quant_mode as 'dynamic'; it is 'fp32'"],
    ),
    "more features than VMAFx takes": (
        sidecar(lambda found: found.update(feature_order=["f"] * 33)),
        [f"{MODEL}.json: 33 feature_order; VMAFx's libvmaf has room for 32"],
    ),
    "another scaler before the model's": (
        sidecar(scaler_last),
        [f"{MODEL}.json: VMAFx's libvmaf reads a nested feature_mean that stands before the model's own"],
    ),
    "a sidecar that is no JSON": (lambda folder: (folder / f"{MODEL}.json").write_text("{"), ["not JSON"]),
    "a sidecar that is too large": (
        grow(f"{MODEL}.json", (1 << 20) + 1), ["1048577 bytes; libvmaf reads files up to 1048576"],
    ),
    "no sidecar": (
        lambda folder: (folder / f"{MODEL}.json").unlink(), [f"{MODEL}.json: there is no sidecar"],
    ),
    "a model name that is too long": (
        registry_entry(lambda entry: entry.update(onnx="x" * 5000 + ".onnx")),
        ["must have at most 256 characters", "x.onnx: File name too long"],
    ),
    "a model that is a pipe": (instead(f"{MODEL}.onnx"), [f"{MODEL}.onnx: not a regular file"]),
    "a sidecar that is a pipe": (instead(f"{MODEL}.json"), [f"{MODEL}.json: not a regular file"]),
    "a model without end": (
        instead(f"{MODEL}.onnx", "/dev/zero"), [f"{MODEL}.onnx: not a regular file"],
    ),
    "a sidecar without end": (
        instead(f"{MODEL}.json", "/dev/zero"), [f"{MODEL}.json: not a regular file"],
    ),
    "half a surrogate pair": (
        half_a_pair, ["registry.json: it holds what is no JSON", "registry.json: \\ud800 is registered twice"],
    ),
    "an unknown key in the registry": (
        lambda folder: edit(folder / "registry.json", lambda found: found.update(made_by="us")),
        ['registry.json: made_by = "us": unknown key'],
    ),
    "an unknown key in an entry": (
        registry_entry(lambda entry: entry.update(bytes=1)), ["models[2].bytes = 1: unknown key"],
    ),
    "an upper-case file name": (
        registry_entry(lambda entry: entry.update(onnx="../tiny/FR.onnx")),
        ["models[2].onnx =", "FR.onnx: No such file"],
    ),
    "long notes": (
        registry_entry(lambda entry: entry.update(notes="x" * 513)), ["must have at most 512 characters"],
    ),
    "an opset of tomorrow": (
        registry_entry(lambda entry: entry.update(opset=22)),
        ["models[2].opset = 22: must be <= 21", "the graph is of opset 17, registry.json says 22"],
    ),
    "no opset": (
        registry_entry(lambda entry: entry.pop("opset")), [f"registry.json: {MODEL} has no opset"],
    ),
    "no license": (
        registry_entry(lambda entry: entry.pop("license")), [f"registry.json: {MODEL} has no license"],
    ),
    "no kind": (
        registry_entry(lambda entry: entry.pop("kind")),
        ["models[2].kind = null: required key is missing"],
    ),
    "quantised without a digest": (
        registry_entry(lambda entry: entry.update(quant_mode="static")),
        [f"{MODEL} is quantised and has no int8_sha256", "libvmaf reads quant_mode as 'fp32'; it is 'static'"],
    ),
    "twice": (
        lambda folder: edit(folder / "registry.json", lambda found: found["models"].append(found["models"][-1])),
        ["registry.json: vmaf_curve_v2 is registered twice"],
    ),
    "no model": (lambda folder: (folder / f"{MODEL}.onnx").unlink(), [f"{MODEL}.onnx: No such file"]),
    "other bytes": (
        lambda folder: (folder / f"{MODEL}.onnx").write_bytes(graph(within("Relu", 0))),
        [f"{MODEL}.onnx: sha256 is "],
    ),
    "an operator that libvmaf refuses": (
        take_graph(within("Where", 0), within("Relu", 0)),
        [f"{MODEL}.onnx: libvmaf does not let a graph use 'Where'"],
    ),
    "one in a subgraph": (take_graph(within("IsNaN", 2)), ["libvmaf does not let a graph use 'IsNaN'"]),
    "subgraphs that nest too deeply": (take_graph(within("Relu", 9)), ["its subgraphs nest too deeply"]),
    "seventeen loops": (
        take_graph(*(within("Relu", 1, "Loop") for _ in range(17))), ["17 Loops; libvmaf takes 16"],
    ),
    "another opset": (
        take_graph(within("Relu", 0), version=18), ["the graph is of opset 18, registry.json says 17"],
    ),
    "no graph": (lambda folder: reregister(folder, MODEL, b""), ["not an ONNX file that libvmaf reads: no graph"]),
    "no protobuf": (
        lambda folder: reregister(folder, MODEL, b"\x3a\xff"), ["not an ONNX file that libvmaf reads"],
    ),
    "a large model": (
        lambda folder: reregister(
            folder, MODEL, graph(within("Relu", 0)) + b"\x12" + b"\x80\x80\x80\x19" + b"x" * (50 << 20)
        ),
        ["bytes; libvmaf reads files up to 52428800"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "messages"), FAULTS.values(), ids=FAULTS)
def test_every_broken_rule_is_one_line(
    vmaf_tune: VmafTune, folder: Path, spoil: Callable[[Path], Any], messages: list[str]
) -> None:
    spoil(folder)
    result = vmaf_tune("export-check", folder)
    assert result.code == ExitCode.MODEL
    lines = result.out.splitlines()
    assert len(lines) == len(messages), result.out
    for line, message in zip(lines, messages, strict=True):
        assert message in line
    assert result.err == f"{len(document(folder / 'registry.json')['models'])} models: {len(lines)} findings\n"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (instead("registry.json"), "not a regular file"),
        (instead("registry.json", "/dev/zero"), "not a regular file"),
        (grow("registry.json", (1 << 20) + 1), "1048577 bytes; libvmaf reads files up to 1048576"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--add-names",)])
def test_a_registry_that_is_not_to_be_read_is_a_finding(
    vmaf_tune: VmafTune, folder: Path, spoil: Callable[[Path], Any], message: str, options: tuple[str, ...]
) -> None:
    spoil(folder)
    result = vmaf_tune("export-check", folder, *options)
    assert (result.code, result.out) == (ExitCode.MODEL, f"{folder / 'registry.json'}: {message}\n")


def test_files_that_are_too_large_are_not_read(vmaf_tune: VmafTune, folder: Path) -> None:
    for name in (f"{MODEL}.onnx", f"{MODEL}.json"):
        os.truncate(folder / name, 1 << 34)
    result = vmaf_tune("export-check", folder, "--add-names")
    assert result.code == ExitCode.MODEL
    assert [line.split(": ", 1)[1] for line in result.out.splitlines()] == [
        f"{1 << 34} bytes; libvmaf reads files up to {limit}" for limit in (50 << 20, 1 << 20)
    ]


def test_nothing_in_a_registry_is_trusted(vmaf_tune: VmafTune, folder: Path) -> None:
    odd = {"id": [], "kind": {}, "onnx": f"{MODEL}.onnx", "sha256": 1, "quant_mode": [], "opset": "x", "smoke": 1}
    for models in (
        [odd],
        [odd, odd],
        [1, None, "x"],
        {"id": 1},
        None,
        [{"onnx": 1}],
        [{"onnx": "."}],
        [{"onnx": "\0.onnx"}],
        [{"onnx": "\ud800.onnx"}],
        [{"onnx": "x" * 5000}],
        [{"onnx": "/"}],
        [{"onnx": ""}],
    ):
        write(folder / "registry.json", {"schema_version": 1, "models": models})
        for options in ((), ("--add-names",)):
            result = vmaf_tune("export-check", folder, *options)
            assert result.code == ExitCode.MODEL
            assert result.out
            assert "Traceback" not in result.err


def test_a_smoke_model_needs_no_sidecar(vmaf_tune: VmafTune, folder: Path) -> None:
    registry_entry(lambda entry: (entry.update(smoke=True), entry.pop("opset")))(folder)
    (folder / f"{MODEL}.json").unlink()
    assert vmaf_tune("export-check", folder).code == 0


def test_a_folder_without_a_registry_is_an_error(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    result = vmaf_tune("export-check", tmp_path)
    assert (result.code, result.out) == (ExitCode.MODEL, "")
    assert result.err == f"Error: {tmp_path / 'registry.json'}: No such file or directory\n"


def test_names_are_added_where_they_are_missing_and_nothing_else(vmaf_tune: VmafTune, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in (MODEL, "vmaf_curve_v2"):
        path = folder / f"{name}.json"
        path.write_text(path.read_text().replace(f'  "name": "{name}",\n', "", 1))
    result = vmaf_tune("export-check", folder, "--add-names")
    assert (result.code, result.out) == (0, "")
    named = [line for line in result.err.splitlines() if line.startswith("named: ")]
    assert named == [f"named: {folder / MODEL}.json", f"named: {folder / 'vmaf_curve_v2'}.json"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


NAMED = [
    (b'{\r\n  "id": "x",\r\n  "n": 1.10\r\n}\r\n', b'{\r\n  "id": "x",\r\n  "name": "x",\r\n  "n": 1.10\r\n}\r\n'),
    (b'\xef\xbb\xbf{"id":"x","n":1E2}', b'\xef\xbb\xbf{"id":"x","name":"x","n":1E2}'),
    (b'{"n": 1.0,\t"id" : "x"}', b'{"n": 1.0,\t"id" : "x",\t"name" : "x"}'),
    (b'{"name": "", "id": "x", "g": {"name": "y"}}', b'{"id": "x", "name": "x", "g": {"name": "y"}}'),
    (b'{"id": "x", "g": {"name": "y"} , "name": "z"}', b'{"id": "x", "name": "z", "g": {"name": "y"} }'),
    (b'{"id": "x", "name": null}', b'{"id": "x", "name": "x"}'),
    (b'{"n": 1.10, "name": "own", "id": "x"}', None),
    (b'{"n": 1.10}', None),
]
UNNAMED = [
    (b'{"id": "x", "id": "y"}', "twice"),
    (b'{"id": 1.10}', "its id is no text"),
    (b'{"g": {"name": "y"}, "id": "x"}', "another name first"),
    ('{"id": "x"}'.encode("utf-16"), "can't decode"),
    (b'{"id": "x", "n": NaN}', "not a finite number"),
    (b"{", "not JSON"),
]


@pytest.mark.parametrize(("before", "after"), NAMED)
def test_a_name_is_all_that_is_put_in(
    before: bytes, after: bytes | None, vmaf_tune: VmafTune, folder: Path
) -> None:
    path = folder / f"{MODEL}.json"
    path.write_bytes(before)
    result = vmaf_tune("export-check", folder, "--add-names")
    assert path.read_bytes() == (after or before)
    assert (f"named: {path}\n" in result.err) == (after is not None), result.err


@pytest.mark.parametrize(("text", "reason"), UNNAMED)
def test_what_cannot_be_named_safely_stays_as_it_is(
    text: bytes, reason: str, vmaf_tune: VmafTune, folder: Path
) -> None:
    path = folder / f"{MODEL}.json"
    path.write_bytes(text)
    result = vmaf_tune("export-check", folder, "--add-names")
    (line,) = (line for line in result.err.splitlines() if line.startswith("not named: "))
    assert line.startswith(f"not named: {path}: ")
    assert reason in line
    assert (result.code, path.read_bytes()) == (ExitCode.MODEL, text)


def test_a_name_of_its_own_moves_to_the_front(vmaf_tune: VmafTune, folder: Path) -> None:
    sidecar(lambda found: (found.pop("name"), found.update(name="house_model")))(folder)
    assert vmaf_tune("export-check", folder, "--add-names").code == 0
    assert first_name(folder / f"{MODEL}.json") == "house_model"


def test_names_are_not_written_outside_of_the_folder(vmaf_tune: VmafTune, folder: Path) -> None:
    outside = folder.parent / "x.json"
    write(outside, {"id": "x"})
    registry_entry(lambda entry: entry.update(onnx="../x.onnx"))(folder)
    vmaf_tune("export-check", folder, "--add-names")
    assert document(outside) == {"id": "x"}


def test_a_sidecar_without_a_name_is_read_as_before(vmaf_tune: VmafTune, folder: Path) -> None:
    edit(folder / f"{MODEL}.json", lambda found: found.pop("name"))
    assert vmaf_tune("models", "--model-dir", folder).code == 0


def test_operators_and_opset_are_those_that_onnx_reads() -> None:
    for path in shipped_models_dir().glob("*.onnx"):
        model = onnx.load(str(path))
        data = path.read_bytes()
        assert operators(data, 8) == [node.op_type for node in model.graph.node]
        assert opset(data) == model.opset_import[0].version


def test_neither_onnx_nor_torch_is_imported() -> None:
    script = (
        "import sys; from vmaftune_frv2.host.cli import run;"
        f" code = run(['export-check', {str(shipped_models_dir())!r}]);"
        " sys.exit(code or 100 * bool({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
