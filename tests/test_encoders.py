"""The encoder table, the codec block built from it, the grid that is asked for, and libvmaf's spellings."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

from vmaftune_frv2.contract.cells import Cell, Line, by_line
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.crf import parse_crfs
from vmaftune_frv2.contract.encoder import SHARED_PRESETS, Encoder
from vmaftune_frv2.contract.encoders import ENCODERS, EncoderTable
from vmaftune_frv2.contract.features import CANONICAL6, read_metric
from vmaftune_frv2.contract.grid import build_grid
from vmaftune_frv2.errors import ToolError, UsageError
from vmaftune_frv2.media import vmaf
from vmaftune_frv2.media.ffmpeg import QUIET, FFmpeg, try_encoder

X26X = ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"]
FAST_TO_SLOW = {
    "libx264": X26X,
    "libx265": X26X,
    "libsvtav1": ["13", "12", "11", "10", "9", "8", "7", "6", "5", "4", "3", "2", "1", "0"],
    "libvvenc": ["faster", "fast", "medium", "slow", "slower"],
    "libvpx-vp9": ["5", "4", "3", "2", "1", "0"],
    "libaom-av1": ["6", "5", "4", "3", "2", "1", "0"],
}
SHARED = ["placebo", "slowest", "slower", "slow", "medium", "fast", "faster", "veryfast", "superfast", "ultrafast"]
SHARED_RUN_AS = {
    "libsvtav1": ["0", "1", "3", "5", "7", "9", "11", "13"],
    "libvpx-vp9": ["0", "0", "1", "2", "3", "4", "5", "5", "5", "5"],
    "libvvenc": ["slower", "slower", "slower", "slow", "medium", "fast", "faster", "faster", "faster", "faster"],
}
CRF_RANGE = {
    "libx264": (0, 51), "libx265": (0, 51), "libsvtav1": (1, 63), "libvvenc": (0, 63),
    "libvpx-vp9": (0, 63), "libaom-av1": (0, 63),
}  # fmt: skip
ALIASES = {
    "h264": "libx264", "avc": "libx264", "x264": "libx264",
    "hevc": "libx265", "h265": "libx265", "x265": "libx265",
    "av1": "libsvtav1", "vp9": "libvpx-vp9", "vvc": "libvvenc", "h266": "libvvenc",
    "svt-av1": "libsvtav1", "svtav1": "libsvtav1", "svt_av1": "libsvtav1", "svt": "libsvtav1",
    "vpx": "libvpx-vp9", "vpx-vp9": "libvpx-vp9", "vvenc": "libvvenc",
    "aom": "libaom-av1", "aomenc": "libaom-av1", "aom-av1": "libaom-av1", "libaom": "libaom-av1",
}  # fmt: skip


@pytest.mark.parametrize("name", FAST_TO_SLOW)
def test_presets_rise_from_0_fast_to_9_slow(name):
    encoder = ENCODERS.get(name)
    assert list(encoder.presets) == FAST_TO_SLOW[name]
    ordinals = [encoder.preset_ordinal(preset) for preset in FAST_TO_SLOW[name]]
    assert (ordinals[0], ordinals[-1]) == (0.0, 9.0)
    assert all(fast < slow for fast, slow in itertools.pairwise(ordinals))


def test_six_encoders_are_used_without_being_named():
    assert list(EncoderTable().usual()) == list(FAST_TO_SLOW)


@pytest.mark.parametrize("name", SHARED_RUN_AS)
def test_shared_presets_run_as_the_upstream_tool_runs_them(name):
    assert list(SHARED_PRESETS) == SHARED
    encoder = ENCODERS.get(name)
    run_as = [encoder.resolve_preset(shared) for shared, _ in zip(SHARED, SHARED_RUN_AS[name], strict=False)]
    assert run_as == SHARED_RUN_AS[name]


@pytest.mark.parametrize("preset", ["superfast", "ultrafast"])
def test_svt_av1_has_nothing_faster_than_veryfast(preset):
    with pytest.raises(UsageError, match=preset):
        ENCODERS.get("libsvtav1").resolve_preset(preset)


@pytest.mark.parametrize("name", FAST_TO_SLOW)
@pytest.mark.parametrize("preset", ["turbo", "", "14", "-1", "Medium"])
def test_unknown_preset_is_refused_with_the_known_ones(name, preset):
    with pytest.raises(UsageError) as refused:
        ENCODERS.get(name).preset_ordinal(preset)
    assert FAST_TO_SLOW[name][0] in str(refused.value)


@pytest.mark.parametrize("alias", ALIASES)
def test_alias_names_the_encoder(alias):
    assert ENCODERS.get(alias).name == ALIASES[alias]
    assert ENCODERS.get(alias.upper()).name == ALIASES[alias]


@pytest.mark.parametrize("name", CRF_RANGE)
def test_crf_range_is_the_encoders(name):
    encoder = ENCODERS.get(name)
    low, high = CRF_RANGE[name]
    assert [encoder.check_crf(crf) for crf in (low, high)] == [low, high]
    for outside in (low - 1, high + 1):
        with pytest.raises(UsageError, match=f"{low}..{high}"):
            encoder.check_crf(outside)


@pytest.mark.parametrize("name", FAST_TO_SLOW)
def test_defaults_are_cells_that_run(name):
    cells = build_grid([name], [], [])
    assert len(cells) > 1
    assert all(Cell.resolve(cell.encoder, cell.preset, cell.crf) == cell for cell in cells)


@pytest.mark.parametrize(("name", "numbers", "last"), [("libvpx-vp9", "678", "5"), ("libaom-av1", "78", "6")])
def test_speeds_past_the_last_give_the_stream_of_the_last(name, numbers, last, ffmpeg, tmp_path):
    encoder = ENCODERS.get(name)
    streams = set()
    for speed in (last, *numbers):
        assert encoder.resolve_preset(speed) == last
        output = tmp_path / f"{speed}.ivf"
        done = ffmpeg.run(
            ["-v", "error", "-f", "lavfi", "-i", "mandelbrot=size=160x96:rate=24", "-frames:v", "10",
             "-pix_fmt", "yuv420p", *encoder.codec_argv(speed, 40, 1), "-bitexact", str(output)]
        )  # fmt: skip
        assert done.ok, done.stderr
        streams.add(output.read_bytes())
    assert len(streams) == 1


def test_registered_encoder_is_found_and_a_taken_name_refused():
    table = EncoderTable()
    mine = Encoder("mine", ("quick", "good"), 0, 10, (), ("yuv420p",), "mkv", "x")
    table.register(mine)
    assert table.get("mine") is mine
    assert mine.preset_ordinal("good") == 9.0
    with pytest.raises(UsageError, match="mine"):
        table.register(mine)


@pytest.mark.parametrize(("version", "width"), [(1, 8), (2, 14), (3, 18)])
def test_codec_block_width_and_layout(version, width):
    block = CodecBlock.of_version(version)
    assert block.width == width == len(block.layout)
    assert block.layout[-2:] == ["preset_norm", "crf_norm"]


def test_default_codec_block_has_eight_values_in_order():
    block = CodecBlock.of_version(1)
    assert block.vocab == ("libx264", "libx265", "libsvtav1", "libvvenc", "libvpx-vp9", "unknown")
    assert block.vector(Cell("libsvtav1", "0", 63)) == [0, 0, 1, 0, 0, 0, 1.0, 1.0]
    assert block.vector(Cell("libx264", "ultrafast", 0)) == [1, 0, 0, 0, 0, 0, 0.0, 0.0]
    assert block.vector(Cell("libvvenc", "medium", 21)) == [0, 0, 0, 1, 0, 0, 0.5, pytest.approx(21 / 63)]


def test_encoder_outside_the_vocabulary_is_blind():
    assert CodecBlock.of_version(1).vector(Cell("av1_nvenc", "p4", 30)) == [0, 0, 0, 0, 0, 1, 0.5, 0.5]


def test_known_encoder_with_an_unknown_preset_is_an_error_and_no_default():
    with pytest.raises(UsageError, match="turbo"):
        CodecBlock.of_version(1).vector(Cell("libx264", "turbo", 30))


def test_vocabulary_without_unknown_refuses():
    with pytest.raises(UsageError, match="prores_ks"):
        CodecBlock.of_version(3).vector(Cell("prores_ks", "hq", 10))
    with pytest.raises(UsageError, match="9"):
        CodecBlock.of_version(9)


def test_matrix_stacks_vectors_of_any_number_of_cells():
    block = CodecBlock.of_version(1)
    cells = [Cell("libx264", "medium", 20), Cell("libx265", "slow", 30)]
    assert block.matrix(cells).tolist() == [pytest.approx(block.vector(cell)) for cell in cells]
    assert block.matrix([]).shape == (0, 8)


@pytest.mark.parametrize(
    ("texts", "crfs"),
    [
        (["23"], (23,)),
        (["18:20"], (18, 19, 20)),
        (["18:43:10"], (18, 28, 38)),
        (["30", "20:24:2", "22"], (20, 22, 24, 30)),
        (["23.10", "23.0"], (23, 23.1)),
        (["27.9:28.3:0.1"], (27.9, 28, 28.1, 28.2, 28.3)),
        (["30:31:0.25"], (30, 30.25, 30.5, 30.75, 31)),
        (["20.5:23"], (20.5, 21.5, 22.5)),
        (["0.1:0.75:0.3"], (0.1, 0.4, 0.7)),
    ],
)
def test_crf_ranges_include_their_ends(texts, crfs):
    assert list(map(repr, parse_crfs(texts))) == list(map(repr, crfs))


def test_every_value_of_a_fine_range_is_an_exact_decimal():
    assert [str(crf) for crf in parse_crfs(["0:51:0.1"])] == [
        f"{tenths // 10}.{tenths % 10}".removesuffix(".0") for tenths in range(511)
    ]


STEPS = {
    "libx264": 20, "libx265": 20, "libsvtav1": 4, "libvvenc": 1, "libvpx-vp9": 1, "libaom-av1": 1,
}  # fmt: skip
"""Steps of each encoder's crf in a whole one."""


@pytest.mark.parametrize("name", STEPS)
def test_crf_between_an_encoders_steps_is_refused(name):
    encoder, parts = ENCODERS.get(name), STEPS[name]
    for hundredths in range(2000, 2101):
        if hundredths * parts % 100 == 0:
            assert encoder.check_crf(hundredths / 100) == hundredths / 100
        else:
            with pytest.raises(
                UsageError, match=f"^crf {hundredths / 100}: {name} takes crfs in steps of {1 / parts:g}$"
            ):
                encoder.check_crf(hundredths / 100)


@pytest.mark.parametrize("name", ["libx264", "libx265"])
def test_every_twentieth_is_an_encode_of_its_own(name: str, ffmpeg: FFmpeg, tmp_path: Path) -> None:
    entry, found = ENCODERS.get(name), set()
    for crf in parse_crfs(["20:20.2:0.05"]):
        argv = ["-f", "lavfi", "-i", "testsrc2=size=128x128:rate=25:duration=0.2,noise=alls=20:all_seed=1"]
        done = ffmpeg.run(
            [*QUIET, *argv, *entry.codec_argv("fast", entry.check_crf(crf), 1), "-y", "o.nut"], cwd=tmp_path
        )
        assert done.ok, done.stderr
        found.add(ffmpeg.run([*QUIET, "-i", "o.nut", "-f", "md5", "-"], cwd=tmp_path).stdout)
    assert len(found) == 5


def test_whole_crf_is_an_integer_however_it_is_written():
    cells = [Cell.parse("libx264:medium:28.0"), Cell.resolve("libx264", "medium", 28.0)]
    assert [str(cell) for cell in cells] == ["libx264:medium:28"] * 2
    assert ENCODERS.get("libx264").codec_argv("medium", 28.0, 1) == ENCODERS.get("libx264").codec_argv(
        "medium", 28, 1
    )


@pytest.mark.parametrize("step", [0.3, 0, -0.5, 2])
def test_step_that_whole_crfs_are_not_on_is_refused(step):
    encoder = dataclasses.replace(ENCODERS.get("libx264"), crf_step=step)
    with pytest.raises(UsageError, match="crf_step"):
        encoder.check_crf(20.5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "30:20",
        "20:30:0",
        "20:30:0.0",
        "1e1",
        "nan",
        "20:30:1e-1",
        "20:30:0.0001",
        "0.5:",
        ".5",
        "20:30:-1",
        "1:2:3:4",
        "20:",
        "20-30",
    ],
)
def test_crf_that_is_no_range_is_refused(text):
    with pytest.raises(UsageError, match="--crf"):
        parse_crfs([text])


def test_bound_values_go_to_their_encoder_alone():
    cells = build_grid(["x264", "av1"], ["libx264=fast", "libsvtav1=10"], ["30", "av1=50:60:10"])
    assert cells == (
        Cell("libx264", "fast", 30), Cell("libsvtav1", "10", 50), Cell("libsvtav1", "10", 60),
    )  # fmt: skip


def test_unbound_preset_goes_to_every_encoder_that_knows_it():
    cells = build_grid(["libx264", "libsvtav1"], ["medium", "veryslow", "12"], ["30"])
    assert [(c.encoder, c.preset) for c in cells] == [
        ("libx264", "medium"), ("libx264", "veryslow"), ("libsvtav1", "7"), ("libsvtav1", "12"),
    ]  # fmt: skip


def test_presets_that_run_as_one_are_one_cell():
    cells = build_grid(["libvvenc"], ["placebo", "slowest", "slower"], ["30"])
    assert cells == (Cell("libvvenc", "slower", 30),)


@pytest.mark.parametrize(
    ("encoders", "presets", "crfs", "named"),
    [
        (["libx266"], [], [], "libx266"),
        (["libx264"], ["turbo"], [], "turbo"),
        (["libx264", "libvvenc"], ["ultrafaster"], [], "ultrafaster"),
        (["libx264", "libsvtav1"], ["12"], [], "libx264"),
        (["libx264"], [], ["52"], "0..51"),
        (["libx264", "libsvtav1"], [], ["0"], "1..63"),
        (["libx264"], [], ["libx265=20"], "libx265"),
        (["libx264"], ["nobody=fast"], [], "nobody"),
        (["libx264"], ["libx264=13"], [], "13"),
    ],
)
def test_grid_that_cannot_run_is_refused(encoders, presets, crfs, named):
    with pytest.raises(UsageError, match=named):
        build_grid(encoders, presets, crfs)


@pytest.mark.parametrize("text", ["libx264", "libx264:medium", "libx264:medium:x", "libx264:medium:28:1", "a:b:3"])
def test_cell_text_that_is_no_cell_is_refused(text):
    with pytest.raises(UsageError):
        Cell.parse(text)


def test_cell_text_reads_aliases_and_shared_presets():
    assert Cell.parse("vp9:medium:31") == Cell("libvpx-vp9", "3", 31)
    assert str(Cell("libx264", "medium", 28)) == "libx264:medium:28"


@pytest.mark.parametrize("prefix", ["", "integer_", "float_"])
def test_libvmaf_log_reads_every_spelling(prefix):
    frames = [{"metrics": {"vmaf": 90.0 + i, **{prefix + f: i + 0.25 for f in CANONICAL6}}} for i in range(3)]
    scored = vmaf.parse_log({"version": "3.0.0", "frames": frames}, 0.5)
    assert scored.vmaf == [90.0, 91.0, 92.0]
    assert scored.features == {feature: [0.25, 1.25, 2.25] for feature in CANONICAL6}
    assert scored.version == "3.0.0"


def test_zero_is_a_reading_and_null_is_none():
    assert read_metric({"integer_motion2": 0.0}, "motion2") == 0.0
    with pytest.raises(KeyError):
        read_metric({"integer_motion2": None}, "motion2")


@pytest.mark.parametrize("absent", ["vmaf", "motion2", "vif_scale3"])
def test_libvmaf_log_without_a_metric_is_an_error(absent):
    metrics = {"vmaf": 90.0, **dict.fromkeys(CANONICAL6, 0.5)}
    del metrics[absent]
    with pytest.raises(ToolError, match=absent):
        vmaf.parse_log({"frames": [{"metrics": metrics}]}, 0.5)


@pytest.mark.parametrize("payload", [{}, {"frames": []}, {"frames": None}])
def test_libvmaf_log_without_frames_is_an_error(payload):
    with pytest.raises(ToolError, match="no frames"):
        vmaf.parse_log(payload, 0.5)


def test_fake_runner_says_preset_was_mapped_and_the_probe_reports_what_ran(fake_runner):
    fake_runner.answer(
        "libsvtav1",
        stderr="Svt[info]: SVT [version]: SVT-AV1 Encoder Lib v3.1.0\nSvt[warn]: Preset M13 is mapped to M11.\n",
    )
    ffmpeg = FFmpeg("ffmpeg", "PATH", "7", frozenset({"libsvtav1"}), True, runner=fake_runner)
    probe = try_encoder(ffmpeg, ENCODERS.get("av1"), "13")
    assert (probe.version, probe.preset) == ("v3.1.0", "11")


def test_cells_are_grouped_by_encoder_and_preset_in_the_order_in_which_they_come():
    cells = [Cell("libx265", "fast", 30), Cell("libx264", "fast", 20), Cell("libx265", "fast", 20)]
    lines = by_line(cells, lambda cell: cell.line)
    assert list(lines) == [Line("libx265", "fast"), Line("libx264", "fast")]
    assert lines["libx265", "fast"] == [cells[0], cells[2]]
