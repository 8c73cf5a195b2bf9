"""What is asked for is checked in one place: the command line and Python refuse the same, in the same words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Clips, VmafTune, untimed
from vmaftune_frv2 import (
    AttachRequest,
    CompareRequest,
    EncodeRequest,
    LadderRequest,
    PerShotRequest,
    PredictRequest,
    ScoreRequest,
    SweepRequest,
    TrainRequest,
    UpgradeRequest,
    ladder,
    per_shot,
    predict_source,
    predict_sources,
    score_cells,
    sweep,
)
from vmaftune_frv2.contract.options import Option, Request, options_of
from vmaftune_frv2.errors import ExitCode, TuneError, UsageError

SOURCE = "x.mkv"
REQUESTS: dict[str, tuple[type[Request], dict[str, Any]]] = {
    "predict": (PredictRequest, {"sources": SOURCE}),
    "encode": (EncodeRequest, {"sources": SOURCE, "output": "out.mkv"}),
    "ladder": (LadderRequest, {"source": SOURCE, "encoders": "libx264", "heights": "72"}),
    "per-shot": (PerShotRequest, {"source": SOURCE, "target_vmaf": 90}),
    "compare": (CompareRequest, {"sources": SOURCE, "encoders": "libx264", "target_vmaf": 90}),
    "corpus": (SweepRequest, {"sources": SOURCE}),
    "train-v2": (TrainRequest, {"smoke": True}),
    "upgrade": (UpgradeRequest, {"corpus": "old.jsonl", "output": "new.jsonl"}),
    "attach": (AttachRequest, {"corpus": "old.jsonl"}),
    "score": (ScoreRequest, {"distorted": SOURCE, "reference": SOURCE}),
}
"""{command: its request, and the least that it takes}."""


def wrong_values(field: Option) -> list[object]:
    """Values that a field cannot have."""
    found = list[object]()
    if field.kind in ("int", "float"):
        found += ["nan", "inf", "many"] + (["1.5"] if field.kind == "int" else [])
        low, high = field.low, field.high
        found += [] if low is None else [low if field.above else low - 1]
        found += [] if high is None else [high if field.below else high + 1]
    if field.choices and not field.flags:
        found.append("nonsense")
    if field.names:
        found.append(".." if field.names == "file" else __file__)
    return found


VALUES = [
    (command, field.name, value)
    for command, (request, _) in REQUESTS.items()
    for field in options_of(request)
    for value in wrong_values(field)
]


def as_arguments(request: type[Request], values: dict[str, Any]) -> list[str]:
    """A request as it is written on a command line."""
    found = []
    for field in options_of(request):
        given = values.get(field.name)
        if field.argument or given is None:
            found += [str(given)] if given is not None else []
        elif field.kind == "bool":
            found += [field.spelled] if given else []
        else:
            each = given if isinstance(given, (list, tuple)) else [given]
            found += [f"{field.spelled}={value}" for value in each]
    return found


def refused(command: str, values: dict[str, Any], vmaf_tune: VmafTune) -> str:
    """What the command line says of a request that cannot be."""
    request = REQUESTS[command][0]
    result = vmaf_tune(command, *as_arguments(request, values))
    assert (result.code, result.out) == (ExitCode.USAGE, ""), result.err
    (line,) = [line for line in result.err.splitlines() if line.startswith("Error: ")]
    return line.removeprefix("Error: ")


@pytest.mark.parametrize(("command", "name", "value"), VALUES, ids=str)
def test_value_that_cannot_be_is_refused_alike(
    command: str, name: str, value: object, vmaf_tune: VmafTune
) -> None:
    request, least = REQUESTS[command]
    values = {**least, name: str(value)}
    with pytest.raises(UsageError) as error:
        request(**values)
    assert str(error.value) == refused(command, values, vmaf_tune)
    (field,) = [field for field in options_of(request) if field.name == name]
    assert field.spelled in str(error.value)


RULES: dict[str, tuple[str, dict[str, Any], str]] = {
    "nothing asked about": ("predict", {"sources": None}, "give one of SOURCE, --features and --corpus"),
    "two things": ("predict", {"features": "f.json"}, "give one of SOURCE, --features and --corpus"),
    "tolerance without a search": ("predict", {"target_vmaf": 80, "tolerance": 0.5}, "--tolerance needs --verify"),
    "encodes without a search": ("predict", {"target_vmaf": 80, "max_encodes": 3}, "--max-encodes needs --verify"),
    "encodes of an unverified ladder": ("ladder", {"max_encodes": 3}, "--max-encodes needs --verify"),
    "tolerance of unverified shots": ("per-shot", {"tolerance": 1}, "--tolerance needs --verify"),
    "search for nothing": ("predict", {"verify": True}, "--verify needs SOURCE and --target-vmaf"),
    "confidence without a target": ("predict", {"confidence": 0.9}, "--confidence needs --target-vmaf"),
    "frames without a target": ("predict", {"min_vmaf_frame": 80}, "--min-vmaf-frame needs --target-vmaf"),
    "size that is none": ("predict", {"max_size": "7 apples"}, "--max-size '7 apples': not a size"),
    "size of a shot": ("per-shot", {"max_size": "7MB"}, "--max-size is the size of a whole"),
    "percentile that is no pair": ("predict", {"target_percentiles": "90"}, "write P=VMAF, as in 1=90"),
    "percentile of no number": ("per-shot", {"target_percentiles": "low=90"}, "write P=VMAF"),
    "percentile nan": ("predict", {"target_percentiles": "nan=90"}, "write P=VMAF"),
    "percentile too high": ("predict", {"target_percentiles": "95=90"}, "percentiles run from 0"),
    "percentile beyond VMAF": ("predict", {"target_percentiles": "1=190"}, "VMAF from 0 to 100"),
    "percentile twice": ("predict", {"target_percentiles": ["1=90", "1.0=80"]}, "has a target already"),
    "percentile by two names": (
        "predict", {"target_percentiles": "5=90", "min_vmaf_frame": 80}, "give one of them",
    ),
    "percentile of features": (
        "predict", {"sources": None, "features": "f.json", "target_percentiles": "5=90"},
        "--target-percentile needs SOURCE and a curve model",
    ),
    "model of features": (
        "predict", {"sources": None, "features": "f.json", "vmaf_model": "neg"},
        "--vmaf-model needs SOURCE and a curve model",
    ),
    "further model of rows": (
        "predict", {"sources": None, "corpora": "c.jsonl", "also_models": "neg"},
        "--also-model needs SOURCE and a curve model",
    ),
    "model that is none": ("predict", {"vmaf_model": "a b"}, "is no VMAF model"),
    "phone model that is none": ("ladder", {"vmaf_model": "vmaf_4k_v0.6.1:enable_transform=true"}, "for phones"),
    "confidence in what is measured": (
        "predict", {"target_vmaf": 80, "verify": True, "confidence": 0.9}, "leave out --confidence",
    ),
    "length of no window": ("predict", {"sample_seconds": 2}, "--sample-seconds needs --samples"),
    "windows and the middle": ("predict", {"samples": 2, "sample_clip_seconds": 1}, "give one of them"),
    "grid of a corpus": ("predict", {"sources": None, "corpora": "c.jsonl", "crfs": "30"}, "leave out the grid"),
    "probe that is none": ("predict", {"probes": "libx264:medium"}, "is not a cell"),
    "half a size": ("predict", {"width": 64}, "--width and --height go together"),
    "rate of no video": ("corpus", {"framerate": "fast"}, "--framerate 'fast': not a frame rate"),
    "encode of nothing": ("encode", {"sources": None}, "give one SOURCE or several"),
    "encode to nowhere": ("encode", {"output": None}, "give -o OUT"),
    "two encoders of one file": ("encode", {"encoders": ["libx264", "libx265"]}, "give one --encoder"),
    "two presets of one file": ("encode", {"presets": ["fast", "slow"]}, "give one --preset"),
    "search for one crf": ("encode", {"crfs": "30", "tolerance": 1}, "--tolerance needs --target-vmaf, or"),
    "search that is not made": ("encode", {"no_verify": True, "max_encodes": 3}, "leave out --no-verify"),
    "confidence in a search": ("encode", {"confidence": 0.9}, "--confidence needs --no-verify"),
    "length of no windows": ("encode", {"samples": 0, "sample_seconds": 2}, "leave out --samples 0"),
    "sound of no encoder": ("encode", {"audio": "loud"}, "names no encoder"),
    "sound that is a file": ("encode", {"audio": "-c:a aac -i x.wav"}, "-i is not about the encoder of sound"),
    "sound that turns the picture": (
        "encode",
        {"audio": "-c:a aac -filter:v hflip"},
        "-filter:v is not about the encoder of sound",
    ),
    "sound with a crf": ("encode", {"audio": "-c:a aac -crf 5"}, "-crf is not about the encoder of sound"),
    "sound and a file": ("encode", {"audio": "-c:a aac other.mkv"}, "other.mkv is not about the encoder of sound"),
    "sound and few frames": ("encode", {"audio": "-c:a aac -frames:v 5"}, "-frames:v is not about"),
    "sound of few frames": ("encode", {"audio": "-frames:a 5 -c:a aac"}, "-frames:a is not about"),
    "sound at a rate of frames": ("encode", {"audio": "-c:a aac -r 5"}, "-r is not about the encoder of sound"),
    "sound that cuts": ("encode", {"audio": "-c:a aac -shortest"}, "-shortest is not about the encoder of sound"),
    "sound without a value": ("encode", {"audio": "-c:a aac -b:a"}, "-b:a has no value"),
    "sound with an option as a value": ("encode", {"audio": "-c:a -b:a 96k"}, "-c:a has no value"),
    "crf of half a number": ("encode", {"crfs": "23."}, "--crf '23.': write a number (23) or a range"),
    "crf that is none": ("encode", {"crfs": "nan"}, "--crf 'nan': write a number (23) or a range"),
    "crf with a comma": ("encode", {"crfs": "23,5"}, "--crf '23,5': write a number (23) or a range"),
    "sound of an open quotation": ("encode", {"audio": "-c:a 'aac"}, "--audio"),
    "half a pair": ("score", {"reference": None}, "give DISTORTED and REFERENCE"),
    "offset of words": ("score", {"offset": "soon"}, "write a number of frames"),
    "offset that is known": ("score", {"offset": "3", "max_offset": 9}, "is for --offset auto"),
    "crop of a pair": ("score", {"crop": "100:50"}, "write WIDTH:HEIGHT:X:Y"),
    "odd crop of a pair": ("score", {"crop": "101:50:0:0"}, "even numbers only"),
    "ladder of nothing": ("ladder", {"source": None}, "give one SOURCE"),
    "ladder of no encoder": ("ladder", {"encoders": None}, "give --encoder"),
    "ladder without heights": ("ladder", {"heights": None}, "give --heights, as in 1080,720,480"),
    "height of many digits": ("ladder", {"heights": "7" * 5000}, "is not a height"),
    "compressed record": ("predict", {"record": "c.jsonl.zst"}, "compress it afterwards"),
    "cache that is none": ("predict", {"cache_dir": "c", "no_cache": True}, "--cache-dir and --no-cache"),
    "size of no cache": ("ladder", {"cache_size": "1GB", "no_cache": True}, "--cache-size and --no-cache"),
    "size of a cache": ("per-shot", {"cache_size": "1 cup"}, "--cache-size '1 cup': not a size"),
    "rungs too close": ("ladder", {"min_step": 0.9}, "--min-step 0.9: it is at least 1"),
    "limits crossed": ("ladder", {"min_bitrate": 9, "max_bitrate": 8}, "--min-bitrate is above --max-bitrate"),
    "odd height": ("ladder", {"heights": "71"}, "71 is odd"),
    "range of one end": ("ladder", {"vmaf_range": "40"}, "write LOW:HIGH"),
    "range upside down": ("ladder", {"vmaf_range": "95:40"}, "the lower end first"),
    "comparison of nothing": ("compare", {"sources": None}, "give at least one SOURCE"),
    "comparison of no encoder": ("compare", {"encoders": None}, "give --encoder, two of them"),
    "comparison at no target": ("compare", {"target_vmaf": None}, "give --target-vmaf"),
    "windows and the middle of a comparison": ("compare", {"samples": 2, "sample_clip_seconds": 1}, "give one"),
    "shots of nothing": ("per-shot", {"source": None}, "give one SOURCE"),
    "shots without a target": ("per-shot", {"target_vmaf": None}, "give --target-vmaf"),
    "sweep of nothing": ("corpus", {"sources": None}, "give at least one SOURCE"),
    "cluster without an address": ("corpus", {"executor": "dask"}, "--executor dask and --scheduler ADDRESS"),
    "address without a cluster": ("corpus", {"scheduler": "tcp://x:1"}, "go together"),
    "compressed output": ("corpus", {"output": "c.jsonl.gz"}, "compress it afterwards"),
    "further model that is none": ("corpus", {"also_models": "a b"}, "is no VMAF model"),
    "open quotation": ("corpus", {"extra_params": "-tune 'film"}, "--enc"),
    "keyframes of no distance": ("predict", {"keyint": "often"}, "write frames (48) or seconds (2s)"),
    "grain of no level": ("ladder", {"film_grain": "much"}, "write a level"),
    "two chains of filters": ("per-shot", {"vfilter": "split[a][b]"}, "write one chain"),
    "crop of three numbers": ("corpus", {"crop": "1:2:3"}, "write WIDTH:HEIGHT:X:Y"),
    "crop by odd numbers": ("predict", {"crop": "64:64:1:0"}, "by even numbers only"),
    "scale without a number": ("predict", {"scale": "hd"}, "write WIDTH:HEIGHT"),
    "training on nothing": ("train-v2", {"smoke": None}, "give --corpus, or --smoke"),
    "smoke of a corpus": ("train-v2", {"corpora": "c.jsonl"}, "leave --corpus out"),
    "smoke with a codec": ("train-v2", {"codec": "x"}, "--codec needs --corpus"),
    "two ways to tell the codec": ("predict", {"codec": "x", "codec_from_source": True}, "give one"),
    "codec of a source": ("predict", {"codec": "x"}, "--codec needs --corpus"),
    "files of a source": ("predict", {"codec_from_source": True}, "--codec-from-source needs --corpus"),
    "crf of another encoder": ("encode", {"encoders": "libx264", "crfs": "libx265=20"}, "not in --encoder"),
    "preset of another": ("encode", {"encoders": "libx264", "presets": "libx265=slow"}, "not in --encoder"),
    "preset that is none": ("encode", {"encoders": "libx264", "presets": "tardy"}, "no preset 'tardy'"),
    "model id": ("train-v2", {"model_id": "No Id"}, "--model-id takes"),
    "probe cell that is none": ("train-v2", {"probes": "x"}, "is not a cell"),
    **{
        f"{name} of features": (
            "predict", {"sources": None, "features": "f.json", "target_vmaf": 80, name: value},
            f"--{spelled} needs SOURCE and a curve model",
        )
        for name, value, spelled in (
            ("bitrate_model", "x", "bitrate-model"), ("record", "c.jsonl", "record"),
            ("confidence", 0.9, "confidence"),
            ("min_vmaf_frame", 70, "min-vmaf-frame"), ("max_bitrate", 5, "max-bitrate"),
            ("max_size", "5MB", "max-size"), ("pool", "mean", "pool"),
            ("probes", "libx264:medium:22", "probe"), ("tunes", "film", "tune"),
            ("vfilter", "null", "vfilter"), ("jobs", 2, "jobs"), ("samples", 2, "samples"),
        )
    },
    **{
        f"{name} of rows": (
            "predict", {"sources": None, "corpora": "c.jsonl", **values},
            f"--{next(iter(values)).replace('_', '-')}",
        )
        for name, values in {
            "pool": {"pool": "harmonic_mean"}, "size": {"width": 64, "height": 64}, "rate": {"framerate": "25"},
            "track": {"video_track": 1}, "middle": {"sample_clip_seconds": 2}, "cache": {"no_cache": True},
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize(("command", "change", "message"), RULES.values(), ids=RULES)
def test_values_that_do_not_go_together_are_refused_alike(
    command: str, change: dict[str, Any], message: str, vmaf_tune: VmafTune
) -> None:
    request, least = REQUESTS[command]
    values = {name: value for name, value in {**least, **change}.items() if value is not None}
    with pytest.raises(UsageError) as error:
        request(**values)
    assert message in str(error.value)
    assert str(error.value) == refused(command, values, vmaf_tune)


FUNCTIONS = {"predict": predict_source, "ladder": ladder, "per-shot": per_shot, "corpus": sweep}
LATER: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown encoder": ("predict", {"encoders": "x263"}, "x263"),
    "unknown preset": ("ladder", {"presets": "tardy"}, "tardy"),
    "crf out of range": ("per-shot", {"encoders": "libx264", "crfs": "99"}, "99"),
    "crf between steps": (
        "predict",
        {"encoders": "libx264", "crfs": "20:32:0.125"},
        "libx264 takes crfs in steps of 0.05",
    ),
    "crf between whole ones": (
        "corpus",
        {"encoders": "libvpx-vp9", "crfs": "30:31:0.5"},
        "crf 30.5: libvpx-vp9 takes crfs in steps of 1",
    ),
    "rung between steps": (
        "ladder",
        {"presets": "medium", "crfs": "libx264=28.53"},
        "crf 28.53: libx264 takes crfs in steps of 0.05",
    ),
    "encoder not learnt": ("predict", {"encoders": "libaom-av1"}, "libaom-av1"),
    "missing file": ("predict", {"sources": "nowhere.mkv"}, "nowhere.mkv: no such file"),
    "missing file of a sweep": ("corpus", {"sources": "nowhere.mkv"}, "nowhere.mkv: no such file"),
    "raw without a size": ("predict", {"sources": "raw.yuv"}, "give --width and --height"),
    "size that is another": ("predict", {"width": 64, "height": 64}, "is 160x96, not 64x64"),
    "height above the source": ("ladder", {"heights": "720"}, "720 is above the source's 96 rows"),
    "model without a name": ("predict", {"model": ""}, "no model ''"),
    "model that is none": ("predict", {"model": "nobody"}, "no model 'nobody'"),
    "format of a picture": ("corpus", {"vmaf_model": "a b"}, "is no VMAF model"),
}


@pytest.mark.parametrize(("command", "change", "message"), LATER.values(), ids=LATER)
def test_what_only_shows_when_it_is_asked_is_refused_alike(
    command: str, change: dict[str, Any], message: str, clip: Clips, curve_models: tuple[object, ...],
    vmaf_tune: VmafTune,
) -> None:  # fmt: skip
    request, least = REQUESTS[command]
    found = clip("testsrc2", frames=16)
    named = {name: str(found) for name in ("source", "sources") if name in least}
    models = {} if command == "corpus" else {"model": str(curve_models[1]), "bitrate_model": str(curve_models[3])}
    values = {**least, **named, **models, **change}
    Path("raw.yuv").write_bytes(bytes(100))
    with pytest.raises(TuneError) as error:
        FUNCTIONS[command](request(**values))
    told = vmaf_tune(command, *as_arguments(request, values))
    assert message in str(error.value)
    assert told.err.splitlines()[-1] == f"Error: {str(error.value).splitlines()[-1]}"
    assert told.code == error.value.exit_code


@pytest.mark.parametrize("name", ["emit", "plot"])
def test_outputs_of_curves_need_a_curve_model(
    name: str, model_dir: Path, clip: Clips, vmaf_tune: VmafTune
) -> None:
    value = "ffmpeg" if name == "emit" else "x.svg"
    regressor = model_dir / "fr_regressor_v2.onnx"
    asked = ("--model", regressor, "--target-vmaf", 80, f"--{name}={value}")
    result = vmaf_tune("predict", clip("testsrc2"), *asked)
    assert result.code == ExitCode.USAGE
    assert f"--{name} needs SOURCE and a curve model" in result.err


def test_regressor_refuses_what_only_curves_answer(model_dir: Path, clip: Clips, vmaf_tune: VmafTune) -> None:
    values = {
        "sources": str(clip("testsrc2")), "model": str(model_dir / "fr_regressor_v2.onnx"), "pool": "mean",
    }  # fmt: skip
    with pytest.raises(UsageError, match="--pool needs SOURCE and a curve model") as error:
        score_cells(PredictRequest(**values))
    assert str(error.value) == refused("predict", values, vmaf_tune)


def test_source_shorter_than_its_window_is_used_whole_and_said(
    clip: Clips, vmaf_tune: VmafTune, curve_models: tuple[object, ...]
) -> None:
    source = clip("testsrc2", size="128x96", frames=12)
    line = ("--encoder", "libx264", "--preset", "veryfast")
    asked = ("predict", source, *curve_models, *line, "--crf", "30:33", "--format", "json")
    whole, windowed = vmaf_tune(*asked), vmaf_tune(*asked, "--sample-clip-seconds", 9)
    assert f"{source} lasts 0.50 s, no longer than 9 s; all of it is used" in windowed.err
    assert untimed(json.loads(windowed.out)) == untimed(json.loads(whole.out))
    assert "lasts" not in whole.err + vmaf_tune(*asked, "--sample-clip-seconds", 0.25).err


def test_lists_tuples_paths_and_lone_values_are_read_alike() -> None:
    alone = PredictRequest(sources="a.mkv", encoders="libx264", crfs=30, record="c.jsonl")
    listed = PredictRequest(sources=[Path("a.mkv")], encoders=("libx264",), crfs=["30"], record=Path("c.jsonl"))
    assert alone == listed
    assert hash(alone) == hash(listed)


@pytest.mark.parametrize("value", ["2", "2.0", "2e0", 2.0, np.int64(2), np.float32(2)], ids=repr)
def test_whole_numbers_are_read_however_they_are_written(value: object, vmaf_tune: VmafTune) -> None:
    assert PredictRequest(sources="x", jobs=value).jobs == 2
    told = vmaf_tune("predict", "nowhere.mkv", "--jobs", value)
    assert (told.code, "no such file" in told.err) == (ExitCode.INPUT, True)


def test_numbers_and_arrays_of_numpy_are_values_like_others() -> None:
    target, verify = np.float32(90), np.bool_(True)
    request = PredictRequest(sources="x", crfs=np.arange(20, 26, 5), target_vmaf=target, verify=verify)
    assert (request.crfs, request.target_vmaf, request.verify) == (("20", "25"), 90.0, True)


@pytest.mark.parametrize("value", [b"x", [None], {"a": 1}, object()], ids=["bytes", "None", "dict", "object"])
def test_what_is_no_text_is_no_source(value: object) -> None:
    with pytest.raises(UsageError):
        LadderRequest(source=value, encoders="libx264", heights="72")


def test_a_request_is_changed_by_making_another() -> None:
    request = PredictRequest(sources="x", target_vmaf=90, verify=True, tolerance=1)
    assert request.changed(target_vmaf=93).target_vmaf == 93
    assert request.changed(verify=None, tolerance=None) == PredictRequest(sources="x", target_vmaf=90)
    with pytest.raises(AttributeError):
        request.verify = False
    with pytest.raises(TypeError, match="no field 'vmaf'"):
        PredictRequest(sources="x", vmaf=90)


def test_questions_that_need_a_source_say_so() -> None:
    with pytest.raises(UsageError, match="give SOURCE or --features"):
        score_cells(PredictRequest(corpora="c.jsonl"))
    with pytest.raises(UsageError, match="give one SOURCE"):
        list(predict_sources(PredictRequest(features="f.json")))
