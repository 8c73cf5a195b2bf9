"""Hardware encoders, and librav1e: what ffmpeg is told, whether it takes that, and what becomes of their rows."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import av
import pytest

from conftest import Clips, FakeRunner, VmafTune
from training_kit import made_row, made_rows, sidecar, train, write_rows
from vmaftune_frv2.commands.doctor.summary import summary
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.contract.encoders import ENCODERS, EncoderTable
from vmaftune_frv2.contract.rowcheck import check_row
from vmaftune_frv2.errors import ExitCode, ToolError, UsageError
from vmaftune_frv2.media.checkup import Finding, check_up
from vmaftune_frv2.media.encode import work_argv
from vmaftune_frv2.media.ffmpeg import FFmpeg, inspect, try_encoder
from vmaftune_frv2.media.opening import open_source

NVENC, QSV, AMF = "-preset p4 -rc vbr -cq 30 -b:v 0", "-preset medium -global_quality 30", "-quality balanced"
CQP, LEVEL = "-rc cqp -qp_i 30 -qp_p 30", "-compression_level 4 -rc_mode CQP -global_quality 30"
TOLD = {
    **{f"{video}_nvenc": NVENC for video in ("h264", "hevc", "av1")},
    **{f"{video}_qsv": QSV for video in ("h264", "hevc", "av1")},
    **{f"{video}_amf": f"{AMF} {CQP}" for video in ("h264", "hevc", "av1")},
    **{f"{video}_vaapi": LEVEL for video in ("h264", "hevc", "av1")},
    **{f"{video}_videotoolbox": "-realtime 0 -q:v 30" for video in ("h264", "hevc")},
    "librav1e": "-speed 6 -qp 30 -threads 2",
}
"""{encoder: what the cell (medium, 30) becomes}."""
HANDED = {
    "nvenc": ("yuv420p", "p010le"), "qsv": ("nv12", "p010le"), "amf": ("yuv420p", "p010le"),
    "videotoolbox": ("yuv420p", "p010le"), "librav1e": ("yuv420p", "yuv420p10le"),
}  # fmt: skip
"""{interface: pixel formats that ffmpeg hands over, of 8 and 10 bit}."""
OF_EVERY_ENCODER = {"-c:v", "-b:v", "-q:v", "-global_quality", "-compression_level", "-threads"}
AXIS = {"_nvenc": "-cq", "_amf": "-qp_p", "librav1e": "-qp"}
RANGES = {
    "h264_nvenc": (1, 51), "hevc_nvenc": (1, 51), "av1_nvenc": (1, 63), "h264_qsv": (1, 51), "hevc_qsv": (1, 51),
    "av1_qsv": (1, 51), "h264_amf": (0, 51), "hevc_amf": (0, 51), "av1_amf": (0, 255), "h264_vaapi": (1, 51),
    "hevc_vaapi": (1, 51), "av1_vaapi": (1, 255), "h264_videotoolbox": (0, 100), "hevc_videotoolbox": (0, 100),
    "librav1e": (0, 255),
}  # fmt: skip
UPSTREAM = {
    "nvenc": ["p7", "p7", "p6", "p5", "p4", "p3", "p2", "p1", "p1", "p1"],
    "amf": ["quality"] * 4 + ["balanced"] + ["speed"] * 5,
    "videotoolbox": ["0"] * 5 + ["1"] * 5,
}
"""What upstream's adapters make of placebo, slowest, ..., ultrafast."""
SHARED = ["placebo", "slowest", "slower", "slow", "medium", "fast", "faster", "veryfast", "superfast", "ultrafast"]


def optional() -> list[str]:
    return [encoder.name for encoder in ENCODERS if encoder.optional]


def test_the_table_has_every_encoder_that_upstream_adapts_and_those_of_vaapi() -> None:
    assert set(optional()) == set(TOLD) == set(RANGES)
    assert all(ENCODERS.get(name).hardware for name in optional() if name != "librav1e")


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("name", TOLD)
def test_argv(name: str, depth: int, clip: Clips, ffmpeg: FFmpeg) -> None:
    encoder = ENCODERS.get(name)
    pix_fmt = "yuv420p" if depth == 8 else "yuv420p10le"
    if pix_fmt not in encoder.pix_fmts:
        assert name.startswith("h264_")
        return
    path = clip("testsrc2", size="128x96", frames=12, pix_fmt=pix_fmt)
    source = open_source(ffmpeg, str(path), hash_file=False)
    cell = Cell.resolve(name, "medium", 30)
    argv = work_argv(source, encoder, cell, Path("out.mp4"), threads=2)
    before, after = argv[: argv.index("-i")], argv[argv.index("-vf") :]
    line = " ".join(after)
    assert f"-c:v {name} {TOLD[name]} file:" in line
    if "vaapi" in name:
        assert before[:4] == ["-init_hw_device", "vaapi=hw", "-filter_hw_device", "hw"]
        assert after[1].endswith(f",format={'nv12' if depth == 8 else 'p010le'},hwupload")
        assert "-pix_fmt" not in argv
    else:
        assert "hwupload" not in line
        assert f"-pix_fmt {HANDED[name.rsplit('_', maxsplit=1)[-1]][depth > 8]} " in line


def ffmpegs(bundled: FFmpeg) -> list[FFmpeg]:
    """The one that is used, and the one on PATH, if it is another."""
    on_path = shutil.which("ffmpeg")
    return [bundled, *([inspect(on_path, "PATH")] if on_path not in (None, bundled.path) else [])]


@pytest.mark.parametrize("name", TOLD)
def test_ffmpeg_lists_the_options_their_values_and_the_pixel_formats(name: str, ffmpeg: FFmpeg) -> None:
    encoder = ENCODERS.get(name)
    helped = [each for each in ffmpegs(ffmpeg) if name in each.encoders]
    if not helped:
        pytest.skip(f"no ffmpeg here has {name}")
    for each in helped:
        page = each.run(["-hide_banner", "-h", f"encoder={name}"]).stdout
        argv = encoder.codec_argv("PRESET", 30, 1)
        for option, value in zip(argv[::2], argv[1::2], strict=True):
            if option in OF_EVERY_ENCODER:
                continue
            listed = re.search(rf"^  {option} +<(\w+)>.*\n((?:     .*\n)*)", page, re.MULTILINE)
            assert listed, option
            values = encoder.presets if value == "PRESET" else [value]
            if listed[1] == "int" and not values[0].isdigit():
                assert [v for v in values if not re.search(rf"^     {v} ", listed[2], re.MULTILINE)] == []
        for suffix, option in AXIS.items():
            if name.endswith(suffix):
                top = re.search(rf"^  {option} .* to (\d+)\) \(default", page, re.MULTILINE)
                assert top
                assert int(top[1]) == encoder.crf_max
        (formats,) = re.findall(r"Supported pixel formats: (.*)", page)
        for pix_fmt in encoder.pix_fmts:
            _, handed = encoder.handed_over(pix_fmt)
            assert (handed[1] if handed else "vaapi") in formats.split()


@pytest.mark.parametrize("name", [name for name in TOLD if name != "librav1e"])
def test_a_device_works_or_the_reason_is_one_line_and_no_refused_option(name: str, ffmpeg: FFmpeg) -> None:
    encoder = ENCODERS.get(name)
    if name not in ffmpeg.encoders:
        with pytest.raises(UsageError, match=f"no encoder {name}"):
            try_encoder(ffmpeg, encoder, encoder.presets[0])
        return
    for preset in encoder.presets:
        try:
            assert try_encoder(ffmpeg, encoder, preset).preset == preset
        except ToolError as error:
            text = str(error)
            assert text.startswith(f"{name} does not work on this machine: ")
            assert "\n" not in text
            assert not re.search("option|parse|constant|Unrecognized|No such filter|no message", text)


@pytest.mark.parametrize("name", RANGES)
def test_axis(name: str) -> None:
    encoder, (low, high) = ENCODERS.get(name), RANGES[name]
    assert [encoder.check_crf(crf) for crf in (low, high)] == [low, high]
    for outside in (low - 1, high + 1):
        with pytest.raises(UsageError, match=f"{low}..{high}"):
            encoder.check_crf(outside)
    assert (encoder.loss(low) > encoder.loss(high)) == ("videotoolbox" in name)


@pytest.mark.parametrize("name", [name for name in TOLD if name.split("_")[-1] in UPSTREAM])
def test_shared_presets_run_as_upstream_runs_them(name: str) -> None:
    encoder = ENCODERS.get(name)
    assert [encoder.resolve_preset(shared) for shared in SHARED] == UPSTREAM[name.split("_")[-1]]


@pytest.mark.parametrize("name", TOLD)
def test_every_shared_preset_is_known_and_slower_ones_are_no_faster(name: str) -> None:
    encoder = ENCODERS.get(name)
    ordinals = [encoder.preset_ordinal(shared) for shared in SHARED]
    assert ordinals == sorted(ordinals, reverse=True)
    assert (ordinals[0], ordinals[-1]) == (9.0, 0.0)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("h264_nvenc", "h264_nvenc"), ("nvenc_h265", "hevc_nvenc"), ("HEVC-QSV", "hevc_qsv"),
        ("qsv_av1", "av1_qsv"), ("vce_h264", "h264_amf"), ("avc_vaapi", "h264_vaapi"),
        ("vt_h265", "hevc_videotoolbox"), ("rav1e", "librav1e"),
    ],
)  # fmt: skip
def test_names_that_people_type(typed: str, name: str) -> None:
    assert ENCODERS.get(typed).name == name


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("nvenc", "h264_nvenc, hevc_nvenc, av1_nvenc"),
        ("vt", "h264_videotoolbox, hevc_videotoolbox"),
        ("av1_videotoolbox", "{h264,hevc}_videotoolbox"),
        ("vt_av1", "unknown encoder 'vt_av1'"),
    ],
)
def test_names_that_are_several_or_none(typed: str, says: str, vmaf_tune: VmafTune, source: Path) -> None:
    told = vmaf_tune("corpus", source, "--encoder", typed)
    assert told.code == ExitCode.USAGE
    assert says in told.err
    assert len(told.err.splitlines()) == 1


def test_a_plugin_may_take_the_place_of_an_optional_encoder_once() -> None:
    table = EncoderTable()
    mine = dataclasses.replace(table.get("hevc_nvenc"), presets=("mine",), optional=False)
    table.register(mine)
    assert table.get("hevc_nvenc") is mine
    for taken in (mine, table.get("libx264")):
        with pytest.raises(UsageError, match="registered twice"):
            table.register(taken)


MISSING = {
    "nvenc": "[h264_nvenc @ 0x5] [error] Cannot load libcuda.so.1\n"
    "[vost#0:0 @ 0x5] [error] Error while opening encoder - maybe incorrect parameters\n",
    "vaapi": "[AVHWDeviceContext @ 0x5] [verbose] Cannot open DRM render node for device 0.\n"
    "[error] Device creation failed: -542398533.\n[error] Failed to set value 'vaapi=hw' for option\n"
    "[fatal] Error parsing global options: Generic error in an external library\n",
    "qsv": "ffmpeg version 9\nimplib-gen: libvpl.so.2: failed to load library\nffmpeg: Assertion failed.\n",
}


@pytest.mark.parametrize(
    ("api", "reason"),
    [
        ("nvenc", "Cannot load libcuda.so.1"),
        ("vaapi", "Cannot open DRM render node for device 0."),
        ("qsv", "implib-gen: libvpl.so.2: failed to load library"),
        ("amf", "no message"),
    ],
)
def test_fake_runner_why_a_device_is_missing(api: str, reason: str, fake_runner: FakeRunner) -> None:
    name = f"h264_{api}"
    fake_runner.answer(name, returncode=1).answer(name, "level+verbose", returncode=1, stderr=MISSING.get(api, ""))
    ffmpeg = FFmpeg("ffmpeg", "PATH", "7", frozenset({name}), True, runner=fake_runner)
    with pytest.raises(ToolError) as refused:
        try_encoder(ffmpeg, ENCODERS.get(name), ENCODERS.get(name).presets[0])
    assert str(refused.value) == f"{name} does not work on this machine: {reason}"


@pytest.mark.parametrize(
    ("name", "stderr", "version"),
    [
        ("hevc_nvenc", "[hevc_nvenc @ 0x1] Loaded Nvenc version 13.0\n", "13.0"),
        ("h264_vaapi", "[x @ 0x1] VAAPI driver: Intel iHD driver - 25.1.2 ().\n", "Intel iHD driver - 25.1.2 ()"),
        (
            "av1_qsv",
            "Use Intel(R) oneVPL to create MFX session, API version is 2.14, the required implementation version",
            "2.14",
        ),
        ("hevc_amf", "AMF initialisation succeeded via Vulkan.\n", None),
    ],
)
def test_fake_runner_device_works(name: str, stderr: str, version: str | None, fake_runner: FakeRunner) -> None:
    fake_runner.answer(name, stderr=stderr)
    ffmpeg = FFmpeg("ffmpeg", "PATH", "7", frozenset({name}), True, runner=fake_runner)
    assert try_encoder(ffmpeg, ENCODERS.get(name), ENCODERS.get(name).presets[0]).version == version
    (argv,) = fake_runner.calls
    assert "testsrc2=size=640x360:rate=25:duration=0.12" in argv


def test_doctor_misses_no_device(vmaf_tune: VmafTune) -> None:
    told = vmaf_tune("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(told.out)["checks"]}
    assert [name for name in TOLD if checks[name]["needed"]] == []
    assert checks["h264_videotoolbox"]["ok"] or checks["h264_videotoolbox"]["detail"]
    assert all("\n" not in check["detail"] for check in checks.values())
    assert told.code == ExitCode.OK


def test_doctor_puts_alike_reasons_on_one_line(fake_runner: FakeRunner) -> None:
    fake_runner.answer("ffmpeg", returncode=1)
    for api in ("nvenc", "vaapi"):
        fake_runner.answer(f"_{api}", "level+verbose", returncode=1, stderr=MISSING[api])
    fake_runner.answer("libx264", stderr="x264 - core 165")
    names = frozenset(name for name in ENCODERS.names() if not name.endswith(("_qsv", "_amf", "_videotoolbox")))
    findings = check_up(FFmpeg("ffmpeg", "PATH", "7", names, True, runner=fake_runner))
    lines = {names: (state, detail) for state, names, detail in summary(findings)}
    assert lines["libx264"][0] == "ok"
    assert lines["libx265"][0] == "MISSING"
    assert lines["{h264,hevc,av1}_nvenc"] == ("without", "Cannot load libcuda.so.1")
    assert lines["{h264,hevc,av1}_vaapi"] == ("without", "Cannot open DRM render node for device 0.")
    assert lines["{h264,hevc,av1}_{qsv,amf}, {h264,hevc}_videotoolbox"] == ("without", "not in this ffmpeg")
    assert Finding("av1_qsv", False, "not in this ffmpeg", needed=False) in findings


def test_a_sweep_without_the_device_ends_in_one_line(vmaf_tune: VmafTune, source: Path, ffmpeg: FFmpeg) -> None:
    absent = [f for f in check_up_some(ffmpeg) if not f.ok]
    if not absent:
        pytest.skip("every device works here")
    told = vmaf_tune("corpus", source, "--encoder", absent[0].name)
    assert told.code == ExitCode.TOOL
    assert told.err == f"Error: {absent[0].name} does not work on this machine: {absent[0].detail}\n"
    assert not Path("corpus.jsonl").exists()


def check_up_some(ffmpeg: FFmpeg) -> list[Finding]:
    """What of NVENC, QSV and AMF there is."""
    table = EncoderTable(tuple(ENCODERS.get(f"h264_{api}") for api in ("nvenc", "qsv", "amf")))
    return [f for f in check_up(ffmpeg, table) if f.name in ffmpeg.encoders and f.name in table.names()]


@pytest.mark.parametrize("name", ["hevc_nvenc", "librav1e"])
def test_predict_refuses_what_no_model_learnt(name: str, vmaf_tune: VmafTune, source: Path) -> None:
    told = vmaf_tune("predict", source, "--encoder", name, "--target-vmaf", 90)
    assert told.code == ExitCode.MODEL
    assert f"was not trained on {name}" in told.err
    assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"encoder": "hevc_nvenc", "preset": "p4"}, None),
        ({"encoder": "hevc_nvenc", "preset": "medium"}, None),
        ({"encoder": "av1_qsv", "preset": "veryslow", "crf": 51}, None),
        ({"encoder": "h264_videotoolbox", "preset": "medium", "crf": 80}, None),
        ({"encoder": "av1_amf", "preset": "quality", "crf": 200}, None),
        ({"encoder": "hevc_nvenc", "preset": "turbo"}, "preset"),
        ({"encoder": "h264_nvenc", "preset": "p4", "crf": 0}, "crf"),
        ({"encoder": "h264_amf", "preset": "speed", "crf": 60}, "crf"),
    ],
)
def test_rows_are_checked(changes: dict[str, Any], wrong: str | None, good_row: dict[str, Any]) -> None:
    assert [violation.key for violation in check_row(good_row | changes)] == ([wrong] if wrong else [])


def test_vectors_have_the_encoders_slot_and_run_from_best_to_worst() -> None:
    third = CodecBlock.of_version(3)
    slot = third.vocab.index("h264_nvenc")
    assert third.vector(Cell("h264_nvenc", "p4", 21))[slot] == 1.0
    assert third.vector(Cell("h264_nvenc", "p4", 21))[-2:] == [0.5, pytest.approx(21 / 63)]
    assert third.vector(Cell("h264_videotoolbox", "0", 100))[-2:] == [1.0, 0.0]
    assert third.vector(Cell("h264_videotoolbox", "1", 25))[-2:] == [0.0, 0.75]
    assert third.vector(Cell("av1_amf", "balanced", 51))[-2:] == [0.5, 0.2]
    cells = [
        Cell(encoder.name, preset, crf)
        for encoder in ENCODERS
        if third.knows(encoder.name)
        for preset in encoder.presets
        for crf in (encoder.crf_min, 33, encoder.crf_max)
    ]
    assert third.matrix(cells).tolist() == [pytest.approx(third.vector(cell)) for cell in cells]


def hardware_rows(encoder: str, preset: str | None, crfs: tuple[int, ...]) -> list[dict[str, Any]]:
    old = {} if preset else {"upgraded_from": "hardware-clip"}
    return [
        made_row(f"title{title}_1.mp4", 10 * title + 1, encoder, preset or "", crf, **old) | {"preset": preset}
        for title in range(4)
        for crf in crfs
    ]


def test_a_regressor_learns_their_slots(tmp_path: Path) -> None:
    rows = made_rows(4, 1) + hardware_rows("h264_nvenc", "p4", (20, 28)) + hardware_rows("hevc_nvenc", None, (30,))
    told = train(write_rows(tmp_path / "corpus.jsonl", rows), "--vocab", 2)
    assert sidecar()["cells"]["h264_nvenc"] == {"presets": ["p4"], "crf_min": 20, "crf_max": 28}
    assert "rows dropped: 4: the preset is not known" in told.out
    told = train(write_rows(tmp_path / "corpus.jsonl", rows), "--vocab", 1)
    assert "rows in the unknown slot: 8: h264_nvenc\nrows in the unknown slot: 4: hevc_nvenc\n" in told.out


def test_curve_models_learn_those_of_the_corpus_whose_quality_falls(tmp_path: Path) -> None:
    rows = made_rows(4, 1) + hardware_rows("hevc_nvenc", "p4", (20, 28, 36))
    rows += hardware_rows("h264_videotoolbox", "0", (40, 60))
    train(write_rows(tmp_path / "corpus.jsonl", rows), "--curves")
    vocab = sidecar("vmaf_curve_v2")["encoder_vocab"]
    assert vocab == [*ENCODERS.usual(), "hevc_nvenc"]
    assert "hevc_nvenc" in sidecar("vmaf_curve_v2")["cells"]
    rising = "encoder h264_videotoolbox: its quality rises with the number, and curves fall"
    assert sidecar("vmaf_curve_v2")["training"]["dropped"] == {rising: 8}


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_librav1e_encodes_what_is_scored(
    pix_fmt: str, vmaf_tune: VmafTune, rows_of: Any, clip: Clips, ffmpeg: FFmpeg, tmp_path: Path
) -> None:
    if "librav1e" not in ffmpeg.encoders:
        pytest.skip("this ffmpeg has no librav1e")
    source = clip("testsrc2", size="128x96", frames=12, pix_fmt=pix_fmt)
    cells = ("--encoder", "rav1e", "--preset", "ultrafast", "--crf", "60:240:90")
    told = vmaf_tune("corpus", source, *cells, "--keep-encodes", "--encode-dir", tmp_path)
    assert told.code == 0, told.err
    rows = rows_of(tmp_path / "corpus.jsonl")
    rows.sort(key=lambda row: row["crf"])
    assert [(row["encoder"], row["preset"], row["crf"]) for row in rows] == [
        ("librav1e", "10", crf) for crf in (60, 150, 240)
    ]
    scores, rates = [row["vmaf_score"] for row in rows], [row["bitrate_kbps"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert rates == sorted(rates, reverse=True)
    with av.open(rows[0]["encode_path"]) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name in ("av1", "libdav1d", "libaom-av1")
        frames = [frame.format.name for frame in file.decode(video=0)]
    assert frames == [pix_fmt] * 12
    assert vmaf_tune("validate", tmp_path / "corpus.jsonl").code == 0


def test_every_entry_has_what_a_sweep_needs() -> None:
    for encoder in map(ENCODERS.get, optional()):
        assert isinstance(encoder, Encoder)
        assert all(encoder.check_crf(crf) == crf for crf in encoder.default_crfs)
        assert all(preset in encoder.presets for preset in encoder.default_presets)
