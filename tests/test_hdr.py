"""HDR labels arrive in every encoder's file, forced ones without touching a sample."""

from __future__ import annotations

import re

import pytest

from vmaftune_frv2 import PredictRequest, predict_source
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.media import opening
from vmaftune_frv2.media.encode import encode, encode_pix_fmt
from vmaftune_frv2.media.ffmpeg import QUIET
from vmaftune_frv2.media.hdr import MODES, Hdr, resolve, signalling_filters
from vmaftune_frv2.media.vmaf import score
from vmaftune_frv2.media.vmaf_models import default_vmaf_model, model_warning

FAST = {
    "libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "12", "libvvenc": "faster",
    "libvpx-vp9": "5", "libaom-av1": "6",
}  # fmt: skip
TRANSFER = {"pq": "smpte2084", "hlg": "arib-std-b67"}
DISPLAY = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"


@pytest.fixture
def hdr_clip(clip):
    """A 10-bit source labelled as HDR; PQ with mastering display and light levels."""

    def make(transfer, container="mp4"):
        params = "log-level=error:lossless=1" + (f":hdr10=1:{DISPLAY}" if transfer == "pq" else "")
        return clip(
            "testsrc2",
            frames=6,
            pix_fmt="yuv420p10le",
            container=container,
            codec=("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", params),
            filters="format=yuv420p10le,setparams=color_primaries=bt2020"
            f":color_trc={TRANSFER[transfer]}:colorspace=bt2020nc:range=tv",
        )

    return make


@pytest.fixture
def labels(ffmpeg):
    """What the first decoded frame of a file is labelled as."""

    def read(path):
        first = ["-frames:v", "1", "-vf", "showinfo=checksum=0", "-f", "null", "-"]
        log = ffmpeg.run(["-hide_banner", "-nostdin", "-i", str(path), *first]).stderr
        found = dict(re.findall(r"(color_\w+):(\S+)", log))
        found["pix_fmt"] = re.search(r" fmt:(\S+)", log)[1]
        display = re.search(r"side data - Mastering display.* r\(([\d.]+),.*max_luminance=([\d.]+)", log)
        light = re.search(r"side data - Content light level.*MaxCLL=(\d+), MaxFALL=(\d+)", log)
        found["display"] = tuple(map(float, display.groups())) if display else None
        found["light"] = tuple(map(int, light.groups())) if light else None
        return found

    return read


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("transfer", ["pq", "hlg"])
@pytest.mark.parametrize("encoder", FAST)
def test_labels_of_an_hdr_source_arrive(encoder, transfer, container, hdr_clip, labels, ffmpeg, tmp_path):
    source = opening.open_source(ffmpeg, str(hdr_clip(transfer)))
    hdr = resolve(source, "auto")
    assert hdr.row_values() == {"hdr_transfer": transfer, "hdr_primaries": "bt2020", "hdr_forced": False}
    assert signalling_filters(source, hdr) == ""
    output = tmp_path / f"encode.{container}"
    encode(ffmpeg, source, ENCODERS.get(encoder), Cell(encoder, FAST[encoder], 35), output)
    found = labels(output)
    assert found["color_trc"] == TRANSFER[transfer]
    assert found["color_primaries"] == "bt2020"
    assert found["color_space"] == "bt2020nc"
    assert found["color_range"] == "tv"
    assert found["pix_fmt"] == "yuv420p10le"
    assert found["display"] == ((0.68, 1000.0) if transfer == "pq" else None)
    assert found["light"] == ((1000, 400) if transfer == "pq" else None)


@pytest.fixture
def forced(ffmpeg, tmp_path):
    """Encodes a source under a forced mode."""

    def run(path, mode, encoder_name, container, *codec):
        source = opening.open_source(ffmpeg, str(path))
        encoder = ENCODERS.get(encoder_name)
        output = tmp_path / f"{mode}.{container}"
        filters = f"{source.filters}{signalling_filters(source, resolve(source, mode))}setpts=N/(24*TB)"
        done = ffmpeg.run(
            [
                *QUIET, *source.input_argv(), "-map", "0:v:0", "-map_metadata", "-1", "-vf", filters,
                "-fps_mode", "passthrough", "-pix_fmt", encode_pix_fmt(encoder, source),
                *(codec or encoder.codec_argv(FAST[encoder_name], 35, 1)), str(output),
            ]
        )  # fmt: skip
        assert done.ok, done.describe("encoding failed")
        return output

    return run


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("transfer", ["pq", "hlg"])
@pytest.mark.parametrize("encoder", FAST)
def test_forced_labels_arrive(encoder, transfer, container, clip, labels, forced):
    sdr = clip("testsrc2", frames=6, pix_fmt="yuv420p10le", container="mp4", filters="setparams=colorspace=bt709")
    found = labels(forced(sdr, f"force-hdr-{transfer}", encoder, container))
    assert found["color_trc"] == TRANSFER[transfer]
    assert found["color_primaries"] == "bt2020"
    assert found["color_space"] == "bt2020nc"
    assert found["pix_fmt"] == "yuv420p10le"


@pytest.mark.parametrize("encoder", FAST)
def test_forced_sdr_drops_every_hdr_label(encoder, hdr_clip, labels, forced):
    found = labels(forced(hdr_clip("pq"), "force-sdr", encoder, "mp4"))
    assert (found["color_trc"], found["color_primaries"], found["color_space"]) == ("bt709", "bt2020", "bt2020nc")
    assert found["display"] is None
    assert found["light"] is None
    assert found["pix_fmt"] == "yuv420p10le"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("labelled", ["unknown", "bt709", "pq"])
def test_labels_never_touch_a_sample(mode, labelled, clip, hdr_clip, forced, ffmpeg):
    path = hdr_clip("pq") if labelled == "pq" else clip(
        "testsrc2", frames=6, pix_fmt="yuv420p10le",
        filters=f"setparams=colorspace={labelled}:color_trc={labelled}:color_primaries={labelled}",
    )  # fmt: skip

    def digest(video):
        done = ffmpeg.run([*QUIET, "-i", str(video), "-map", "0:v:0", "-f", "md5", "-"])
        assert done.ok
        return done.stdout

    assert digest(forced(path, mode, "libx264", "mkv", "-c:v", "ffv1")) == digest(path)


@pytest.mark.parametrize("mode", MODES)
def test_labels_never_move_the_score(mode, clip, forced, ffmpeg):
    path = clip("testsrc2", frames=6, pix_fmt="yuv420p10le", filters="setparams=colorspace=bt709")
    source = opening.open_source(ffmpeg, str(path))
    plain = score(ffmpeg, forced(path, "auto", "libx264", "mp4"), source, pix_fmt="yuv420p10le").vmaf
    assert score(ffmpeg, forced(path, mode, "libx264", "mkv"), source, pix_fmt="yuv420p10le").vmaf == plain


def test_sdr_source_is_left_alone_in_auto_and_forced_sdr(clip, ffmpeg):
    source = opening.open_source(ffmpeg, str(clip("testsrc2")))
    assert resolve(source, "auto") == Hdr("", "", "", forced=False)
    assert resolve(source, "force-sdr") == Hdr("", "", "", forced=True)
    assert [signalling_filters(source, resolve(source, mode)) for mode in ("auto", "force-sdr")] == ["", ""]


def test_unknown_mode_is_refused(clip, ffmpeg):
    source = opening.open_source(ffmpeg, str(clip("testsrc2")))
    with pytest.raises(UsageError, match="force-hdr-pq, force-hdr-hlg"):
        resolve(source, "force-hdr")


@pytest.mark.parametrize(
    ("height", "model"),
    [(96, "vmaf_v0.6.1"), (2159, "vmaf_v0.6.1"), (2160, "vmaf_4k_v0.6.1"), (4320, "vmaf_4k_v0.6.1")],
)
def test_model_goes_by_height(height, model):
    assert default_vmaf_model(height) == model


def test_only_hdr_is_warned_of():
    assert model_warning("", "vmaf_v0.6.1") is None
    warning = model_warning("pq", "vmaf_4k_v0.6.1")
    assert "PQ" in warning
    assert "vmaf_4k_v0.6.1" in warning
    assert "\n" not in warning


FORMS = {
    "cells": (),
    "target": ("--target-vmaf", "80", "--verify"),
    "windows": ("--target-vmaf", "80", "--samples", "1", "--sample-seconds", "0.5"),
    "shots": ("--target-vmaf", "60"),
    "ladder": ("--heights", "96,48"),
    "middle": ("--sample-clip-seconds", "0.4"),
}
GRID = ("--encoder", "libx264", "--preset", "veryfast")


@pytest.fixture
def long_hdr_clip(clip):
    def make(transfer):
        params = "log-level=error:lossless=1"
        return clip(
            "testsrc2", frames=24, pix_fmt="yuv420p10le", container="mp4",
            codec=("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", params),
            filters="format=yuv420p10le,setparams=color_primaries=bt2020"
            f":color_trc={TRANSFER[transfer]}:colorspace=bt2020nc:range=tv",
        )  # fmt: skip

    return make


def warnings_of(err):
    return [line for line in err.splitlines() if "HDR" in line]


@pytest.mark.parametrize("transfer", ["pq", pytest.param("hlg", marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", FORMS)
def test_predictions_of_an_hdr_source_are_warned_of(form, transfer, long_hdr_clip, clip, curve_models, vmaf_tune):
    source = long_hdr_clip(transfer)
    command = {"shots": "per-shot", "ladder": "ladder"}.get(form, "predict")
    told = vmaf_tune(command, source, *GRID, *curve_models, *FORMS[form])
    assert told.code in (0, 1), told.err
    (line,) = warnings_of(told.err)
    assert line == f"Warning: {source}: {model_warning(transfer, 'vmaf_v0.6.1')}"
    sdr = vmaf_tune(command, clip("testsrc2", frames=24), *GRID, *curve_models, *FORMS[form])
    assert warnings_of(sdr.err) == []


def test_each_hdr_source_of_several_is_warned_of(long_hdr_clip, clip, curve_models, vmaf_tune):
    sources = [long_hdr_clip("pq"), clip("testsrc2", frames=24), long_hdr_clip("hlg")]
    told = vmaf_tune("predict", *sources, *GRID, *curve_models)
    assert told.code == 0, told.err
    assert sorted(warnings_of(told.err)) == sorted(
        f"Warning: {source}: {model_warning(transfer, 'vmaf_v0.6.1')}"
        for source, transfer in ((sources[0], "pq"), (sources[2], "hlg"))
    )


def test_regressor_warns_of_an_hdr_source_too(long_hdr_clip, model_dir, vmaf_tune):
    told = vmaf_tune("predict", long_hdr_clip("hlg"), *GRID, "--model", model_dir / "fr_regressor_v2.onnx")
    assert told.code == 0, told.err
    assert len(warnings_of(told.err)) == 1


def test_python_warns_of_an_hdr_source(long_hdr_clip, curve_models, caplog):
    models = {"model": str(curve_models[1]), "bitrate_model": str(curve_models[3])}
    request = PredictRequest(sources=str(long_hdr_clip("pq")), encoders="libx264", presets="veryfast", **models)
    predict_source(request)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert sum("HDR source (PQ)" in warning for warning in warnings) == 1
