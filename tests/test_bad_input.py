"""Bad input ends in one clear line and an exit code, before the first encode and with nothing lost."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vmaftune_frv2.errors import ExitCode, ToolError
from vmaftune_frv2.media import ffmpeg as ffmpeg_module

KEPT = "kept.txt"


def bystander(text: str = "not a corpus\n") -> str:
    Path(KEPT).write_text(text)
    return KEPT


def empty_file() -> str:
    Path("empty.mkv").touch()
    return "empty.mkv"


def text_file() -> str:
    Path("notes.mkv").write_text("these are notes, not video\n" * 50)
    return "notes.mkv"


def folder() -> str:
    Path("folder.mkv").mkdir()
    return "folder.mkv"


def sound() -> str:
    ffmpeg = ffmpeg_module.locate()
    made = ffmpeg.run([*ffmpeg_module.QUIET, "-f", "lavfi", "-i", "sine=duration=0.2", "sound.mka"])
    assert made.ok, made.stderr
    return "sound.mka"


def garbage() -> str:
    Path("noise.mp4").write_bytes(bytes(range(256)) * 64)
    return "noise.mp4"


def raw_file(size: int = 160 * 96 * 3 // 2 * 4) -> str:
    Path("clip.yuv").write_bytes(b"\x80" * size)
    return "clip.yuv"


def tool(script: str) -> str:
    path = Path("tool")
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path.absolute())


def ffmpeg_without_libvmaf() -> str:
    return tool(
        'case "$*" in\n*-version*) echo "ffmpeg version 7.1";;\n'
        '*-encoders*) echo " V....D libx264  H.264";;\n*-filters*) echo " ... scale V->V  Scale";;\nesac'
    )


def interlaced(clip) -> Path:
    field_coded = ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-q:v", "2")
    return clip("testsrc2", rate="25", codec=field_coded, filters="setfield=tff")


def truncated(clip) -> str:
    data = clip("testsrc2", container="mp4").read_bytes()
    Path("torn.mp4").write_bytes(data[: len(data) // 2])
    return "torn.mp4"


Build = Callable[..., list[object]]
USAGE, INPUT, TOOL, OUTPUT = ExitCode.USAGE, ExitCode.INPUT, ExitCode.TOOL, ExitCode.OUTPUT
CASES: dict[str, tuple[Build, ExitCode, str]] = {
    "no source": (lambda clip: [], USAGE, "give at least one SOURCE"),
    "missing file": (lambda clip: ["absent.mkv"], INPUT, "absent.mkv: no such file"),
    "one of two missing": (lambda clip: [clip(), "absent.mkv"], INPUT, "absent.mkv"),
    "text": (lambda clip: [text_file()], INPUT, "notes.mkv"),
    "empty file": (lambda clip: [empty_file()], INPUT, "empty"),
    "folder as source": (lambda clip: [folder()], INPUT, "folder.mkv: no video in this folder"),
    "sound alone": (lambda clip: [sound()], INPUT, "sound.mka: there is no video in it"),
    "too few rows": (lambda clip: [clip(size="28x16")], INPUT, "28x16 is too small; libvmaf needs 18x18"),
    "too few columns": (lambda clip: [clip(size="16x28")], INPUT, "16x28 is too small"),
    "noise": (lambda clip: [garbage()], INPUT, "noise.mp4"),
    "torn file": (lambda clip: [truncated(clip)], INPUT, "torn.mp4"),
    "interlaced": (lambda clip: [interlaced(clip)], INPUT, "interlaced"),
    "odd width": (lambda clip: [clip(filters="scale=161:96")], INPUT, "161x96"),
    "odd height": (lambda clip: [clip(filters="scale=160:97")], INPUT, "160x97"),
    "raw without dimensions": (lambda clip: [raw_file()], USAGE, "--width"),
    "raw with a width alone": (lambda clip: [raw_file(), "--width", 160], USAGE, "--height"),
    "raw of no size": (lambda clip: [raw_file(), "--width", 0, "--height", 96], USAGE, "--width"),
    "raw shorter than a frame": (lambda clip: [raw_file(99), "--width", 160, "--height", 96], USAGE, "clip.yuv"),
    "raw of half frames": (
        lambda clip: [raw_file(160 * 96 * 2), "--width", 160, "--height", 96], USAGE, "clip.yuv",
    ),
    "raw in no pixel format": (
        lambda clip: [raw_file(), "--width", 160, "--height", 96, "--pix-fmt", "yuv999"], USAGE, "yuv999",
    ),
    "raw at no rate": (
        lambda clip: [raw_file(), "--width", 160, "--height", 96, "--framerate", "fast"], USAGE, "fast",
    ),
    "dimensions a container contradicts": (lambda clip: [clip(), "--width", 64, "--height", 64], USAGE, "160x96"),
    "duration a container contradicts": (lambda clip: [clip(), "--duration", 9], USAGE, "--duration"),
    "unknown encoder": (lambda clip: [clip(), "--encoder", "libx266"], USAGE, "libx266"),
    "unknown preset": (lambda clip: [clip(), "--preset", "turbo"], USAGE, "turbo"),
    "crf out of range": (lambda clip: [clip(), "--crf", 52], USAGE, "0..51"),
    "crf of one encoder out of range": (
        lambda clip: [clip(), "--encoder", "libx264", "--encoder", "av1", "--crf", 60], USAGE, "0..51",
    ),
    "range downwards": (lambda clip: [clip(), "--crf", "30:20"], USAGE, "30:20"),
    "range of text": (lambda clip: [clip(), "--crf", "low"], USAGE, "low"),
    "extra parameters half quoted": (
        lambda clip: [clip(), "--extra-params", "-tune 'film"], USAGE, "--enc",
    ),
    "unknown option": (lambda clip: [clip(), "--quality", 3], USAGE, "--quality"),
    "unknown container": (lambda clip: [clip(), "--container", "ogg"], USAGE, "ogg"),
    "jobs below 1": (lambda clip: [clip(), "--jobs", 0], USAGE, "--jobs"),
    "unknown VMAF model": (lambda clip: [clip(), "--vmaf-model", "vmaf_v9"], TOOL, "vmaf_v9"),
    "ffmpeg missing": (lambda clip: [clip(), "--ffmpeg-bin", "no-such-ffmpeg"], TOOL, "no-such-ffmpeg"),
    "ffmpeg path missing": (lambda clip: [clip(), "--ffmpeg-bin", "./no/ffmpeg"], TOOL, "no/ffmpeg"),
    "ffmpeg that is none": (lambda clip: [clip(), "--ffmpeg-bin", tool("echo hi")], TOOL, "not a working ffmpeg"),
    "ffmpeg that crashes": (lambda clip: [clip(), "--ffmpeg-bin", tool("exit 3")], TOOL, "exit code 3"),
    "ffmpeg without libvmaf": (
        lambda clip: [clip(), "--ffmpeg-bin", ffmpeg_without_libvmaf()], TOOL, "libvmaf",
    ),
    "output below a file": (lambda clip: [clip(), "--output", f"{bystander()}/c.jsonl"], OUTPUT, "c.jsonl"),
    "output is a folder": (lambda clip: [clip(), "--output", folder()], USAGE, "folder.mkv"),
    "output is no corpus": (lambda clip: [clip(), "--output", bystander()], INPUT, "not a corpus"),
    "output is other JSON": (
        lambda clip: [clip(), "--output", bystander('{"a": 1}\n{"b": 2}\n')], INPUT, "not a corpus",
    ),
    "output is no corpus and has no end": (
        lambda clip: [clip(), "--output", bystander("line\nlast line")], INPUT, "not a corpus",
    ),
    "encode folder below a file": (
        lambda clip: [clip(), "--keep-encodes", "--encode-dir", f"{bystander()}/encodes"], OUTPUT, "encodes",
    ),
}  # fmt: skip


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one_clear_line(err: str) -> str:
    said = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1, err
    assert "Traceback" not in err
    assert "internal error" not in err
    return said[0]


@pytest.mark.parametrize("what", CASES)
def test_bad_sweep_is_refused_before_the_first_encode(what, clip, vmaf_tune, tmp_path):
    build, code, named = CASES[what]
    arguments = build(clip) if what == "no source" else ["--preset", "ultrafast", *build(clip)]
    if "--preset" in arguments[1:] or "--encoder" in arguments:
        arguments = arguments[2:]
    before = files_below(tmp_path)
    result = vmaf_tune("corpus", *arguments)
    assert (result.code, result.out) == (code, "")
    assert named in one_clear_line(result.err)
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("size", ["18x18", "18x200", "200x18"])
def test_smallest_source_that_libvmaf_takes_is_measured(size, clip, vmaf_tune, rows_of, tmp_path):
    result = vmaf_tune("corpus", clip(size=size, frames=4), "--preset", "ultrafast", "--crf", 40)
    assert result.code == ExitCode.OK, result.err
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    assert 0 < row["vmaf_score"] < 100


def test_too_deep_a_source_is_refused_before_the_first_encode(clip, vmaf_tune, tmp_path):
    source = clip(pix_fmt="yuv420p12le")
    result = vmaf_tune("corpus", source, "--encoder", "libsvtav1", "--encoder", "libx265", "--crf", 40)
    assert result.code == ExitCode.INPUT
    assert "12-bit" in one_clear_line(result.err)
    assert files_below(tmp_path) == {}


def test_source_whose_name_is_not_text_is_refused_or_measured_whole(clip, vmaf_tune, rows_of, tmp_path):
    source = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mkv")
    Path(source).write_bytes(clip().read_bytes())
    result = vmaf_tune("corpus", source, "--preset", "ultrafast", "--crf", 40)
    if result.code == ExitCode.OK:
        assert len(rows_of(tmp_path / "corpus.jsonl")) == 1
    else:
        assert result.code in (ExitCode.USAGE, ExitCode.INPUT), result.err
        assert not (tmp_path / "corpus.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["validate", "absent.jsonl"], INPUT, "absent.jsonl"),
        (["validate"], USAGE, "CORPUS"),
        (["doctor", "--ffmpeg-bin", "no-such-ffmpeg"], TOOL, "no-such-ffmpeg"),
        (["no-such-command"], USAGE, "no-such-command"),
    ],
)
def test_other_commands_refuse_alike(arguments, code, named, vmaf_tune):
    result = vmaf_tune(*arguments)
    assert result.code == code
    assert named in one_clear_line(result.err)


def test_validate_refuses_a_folder_without_a_corpus(vmaf_tune, tmp_path):
    (tmp_path / "empty").mkdir()
    result = vmaf_tune("validate", "empty")
    assert result.code == INPUT
    assert "empty" in one_clear_line(result.err)


def test_fake_runner_with_a_crashing_encoder_list_reports_the_whole_command(fake_runner):
    fake_runner.answer("-version", returncode=9, stderr="\n".join(f"line {i}" for i in range(40)))
    with pytest.raises(ToolError) as failed:
        ffmpeg_module.inspect("/opt/my ffmpeg", "PATH", fake_runner)
    message = str(failed.value)
    assert "exit code 9" in message
    assert "'/opt/my ffmpeg' -version" in message
    assert "line 39" in message
    assert "line 1\n" not in message


def test_fake_runner_path_ffmpeg_without_libvmaf_gives_way_to_the_bundled_one(fake_runner, monkeypatch, tmp_path):
    on_path = tmp_path / "ffmpeg"
    on_path.write_text("#!/bin/sh\n")
    on_path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    fake_runner.answer(stdout="ffmpeg version 7.1")
    fake_runner.answer(ffmpeg_module.bundled_path(), "-filters", stdout=" .. libvmaf VV->V  VMAF")
    assert ffmpeg_module.locate(runner=fake_runner).origin == "imageio-ffmpeg"
    fake_runner.answer(str(on_path), "-filters", stdout=" .. libvmaf VV->V  VMAF")
    assert ffmpeg_module.locate(runner=fake_runner).origin == "PATH"


def test_python_dash_m_exits_with_the_code_and_keeps_stdout_for_data(ffmpeg):
    done = ffmpeg.runner([sys.executable, "-m", "vmaftune_frv2", "corpus", "absent.mkv"])
    assert (done.returncode, done.stdout) == (ExitCode.INPUT, "")
    assert done.stderr.splitlines() == ["Error: absent.mkv: no such file"]
