"""``vmaf-tune encode``: what goes along into the file, at which times, and what the certificate says of it."""

from __future__ import annotations

import json
import shlex
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import jsonschema
import numpy as np
import pytest

import vmaftune_frv2 as vt
from conftest import VmafTune
from encode_kit import (
    FONT,
    FRAMES,
    LATE_S,
    X264,
    first_sound,
    hashes,
    made,
    picture_subtitles,
    rich_source,
    side_data,
    streams_of,
    times_of,
)
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.containers import MATROSKA
from vmaftune_frv2.contract.encode_request import EncodeRequest
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.carrying import Carried
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.vmaf import score
from vmaftune_frv2.media.whole_encode import Whole, final_argv
from vmaftune_frv2.resources import schema_path

AT_30 = (*X264, "--crf", 30)


@pytest.fixture(scope="module")
def rich(ffmpeg: FFmpeg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rich_source(ffmpeg, tmp_path_factory.mktemp("rich"))


@pytest.fixture(scope="module")
def in_matroska(rich: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, vt.Certificate]:
    output = tmp_path_factory.mktemp("made") / "out.mkv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VMAFTUNE_PLUGINS", "")
        request = EncodeRequest(sources=rich, output=output, encoders="libx264", presets="veryfast", crfs=30)
        return output, vt.encode(request)


def test_everything_goes_along_into_matroska(rich: Path, in_matroska: tuple[Path, vt.Certificate]) -> None:
    output, certificate = in_matroska
    before, after = streams_of(rich), streams_of(output)
    assert [s.codec for s in after[1:]] == [s.codec for s in before[1:-1]]  # all but the cover
    for old, new in zip(before[:-1], after, strict=True):
        assert (new.kind, new.language, new.disposition) == (old.kind, old.language, old.disposition)
        assert new.tags.get("title") == old.tags.get("title")
    assert "bps" not in after[0].tags
    assert before[0].tags["bps"] == "123456"
    assert [note for note in certificate.notes if "cover" in note]
    with av.open(str(output)) as file:
        assert file.metadata["title"] == "A film"
        assert [(c["start"], c["metadata"]["title"]) for c in file.chapters()] == [
            (0, "One"),
            (1_000_000_000, "Two"),
        ]
        (font,) = [s for s in file.streams if s.type == "attachment"]
        assert bytes(font.data) == FONT


def test_sound_and_subtitles_are_the_same_bits(
    rich: Path, in_matroska: tuple[Path, vt.Certificate], ffmpeg: FFmpeg
) -> None:
    assert hashes(ffmpeg, in_matroska[0], "a", "s") == hashes(ffmpeg, rich, "a", "s")


def test_picture_begins_as_long_after_the_sound(rich: Path, in_matroska: tuple[Path, vt.Certificate]) -> None:
    before, after = times_of(rich), times_of(in_matroska[0])
    assert after == pytest.approx(before, abs=0.0011)
    assert after[0] == pytest.approx(LATE_S, abs=0.01)
    assert first_sound(in_matroska[0]) == pytest.approx(first_sound(rich), abs=0.0011)


def test_certificate_is_what_another_reader_and_another_score_find(
    rich: Path, in_matroska: tuple[Path, vt.Certificate], ffmpeg: FFmpeg
) -> None:
    output, found = in_matroska
    scored = np.asarray(
        score(ffmpeg, output, open_source(ffmpeg, str(rich), hash_file=False), pix_fmt="yuv420p").vmaf
    )
    measured = found.measured
    assert measured.vmaf == pytest.approx(scored.mean(), abs=1e-4)
    assert measured.vmaf_harmonic_mean == pytest.approx(1 / np.mean(1 / (scored + 1)) - 1, abs=1e-4)
    assert [measured.vmaf_p05, measured.vmaf_p01] == pytest.approx(np.percentile(scored, [5, 1]), abs=1e-4)
    assert measured.vmaf_min == pytest.approx(scored.min(), abs=1e-4)
    with av.open(str(output)) as file:
        packets = [packet.size for packet in file.demux(video=0)]
    assert measured.video_bytes == sum(packets)
    assert (measured.frames, measured.seconds) == (FRAMES, 1.5)
    assert measured.kbps == pytest.approx(sum(packets) * 8 / 1000 / 1.5)
    assert measured.size_bytes == output.stat().st_size
    assert found.size_percent == pytest.approx(100 * output.stat().st_size / rich.stat().st_size)
    # The very encode that was promised, made once more.
    assert found.promised.vmaf == pytest.approx(measured.vmaf, abs=1e-9)
    assert found.promised.size_bytes == pytest.approx(measured.size_bytes, rel=0.1)


def test_json_is_the_certificate_and_nothing_else(rich: Path, vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("encode", rich, "-o", "out.mkv", *AT_30, "--json")
    assert result.code == 0, result.err
    (line,) = result.out.splitlines()
    record = json.loads(line)
    schema = json.loads(schema_path("encode_certificate").read_text())
    jsonschema.Draft202012Validator(schema).validate(record)
    assert json.loads(Path("out.mkv.vmaf.json").read_text()) == record
    assert record["targets"] == {}
    assert sorted(path.name for path in Path().iterdir()) == ["out.mkv", "out.mkv.vmaf.json"]


def test_table_shows_what_was_measured_beside_what_was_promised(rich: Path, vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("encode", rich, "-o", "out.mkv", *X264, "--target-vmaf", 80)
    assert result.code == 0, result.err
    lines = {line[:26].strip(): line[26:].split() for line in result.out.splitlines()}
    record = json.loads(Path("out.mkv.vmaf.json").read_text())
    assert lines["VMAF, mean"] == [f"{record[key]['vmaf']:.2f}" for key in ("measured", "promised")]
    assert lines["VMAF, 1 % low"] == [f"{record['measured']['vmaf_p01']:.2f}"]
    assert 80 <= record["measured"]["vmaf"] < 84
    assert (record["targets"], record["missed"]) == ({"mean": 80.0}, [])


def test_settings_of_the_encoder_are_not_those_of_the_cover_or_the_sound(rich: Path, vmaf_tune: VmafTune) -> None:
    for option in ("-profile:v high", "-profile high", "-tag:v avc1", "-tag avc1"):
        asked = ("-o", "out.mp4", *AT_30, "--no-attachments", "--no-subs", "--overwrite", "--enc", option)
        result = vmaf_tune("encode", rich, *asked)
        assert result.code == 0, result.err
        films = [s.codec for s in streams_of(Path("out.mp4")) if s.kind == "video"]
        assert films == ["h264", "mjpeg"], option


def test_mp4_gets_text_of_its_own_kind_and_the_cover(rich: Path, vmaf_tune: VmafTune, ffmpeg: FFmpeg) -> None:
    result = vmaf_tune("encode", rich, "-o", "out.mp4", *AT_30, "--no-attachments")
    assert result.code == 0, result.err
    assert "subtitle 0:3 (subrip, eng) becomes mov_text" in result.err
    assert "subtitle 0:4 (ass) becomes mov_text, without its styles" in result.err
    found = streams_of(Path("out.mp4"))
    films = [s for s in found if s.kind == "video"]
    assert [s.codec for s in found if s.kind == "subtitle"] == ["mov_text"] * 2
    assert [s.codec for s in films] == ["h264", "mjpeg"]
    assert films[1].disposition & 0x400  # attached picture
    assert hashes(ffmpeg, Path("out.mp4"), "a") == hashes(ffmpeg, rich, "a")
    assert times_of(Path("out.mp4")) == pytest.approx(times_of(rich), abs=0.0011)


@pytest.mark.parametrize(
    ("name", "options", "named"),
    [
        ("out.mp4", AT_30, ["attachment 0:5 (ttf, font.ttf); leave it out with --no-attachments"]),
        ("out.webm", AT_30, ["cannot hold the video of libx264", "write .mkv"]),
        (
            "out.webm",
            ("--encoder", "libsvtav1", "--preset", 10, "--crf", 40),
            ["audio 0:1 (aac, eng); encode it with --audio '-c:a libopus", "audio 0:2 (ac3", "attachment 0:5"],
        ),
    ],
)  # fmt: skip
def test_what_a_container_cannot_hold_is_named_before_the_search(
    name: str, options: tuple[object, ...], named: list[str], rich: Path, vmaf_tune: VmafTune
) -> None:
    result = vmaf_tune("encode", rich, "-o", name, *options)
    assert result.code == ExitCode.USAGE
    assert [words for words in named if words not in result.err] == []
    assert "encoded" not in result.err
    assert list(Path().iterdir()) == []


def test_picture_subtitles_stay_in_matroska_and_are_refused_in_mp4(
    rich: Path, ffmpeg: FFmpeg, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    pictures = picture_subtitles(tmp_path / "x.sup")
    source = made(
        ffmpeg, tmp_path / "pgs.mkv", "-i", rich, "-f", "sup", "-i", pictures, "-map", "0:V", "-map", "0:a:0",
        "-map", 1, "-c", "copy",
    )  # fmt: skip
    refused = vmaf_tune("encode", source, "-o", "out.mp4", *AT_30)
    assert refused.code == ExitCode.USAGE
    assert "subtitle 0:2 (hdmv_pgs_subtitle); they are pictures, not text: leave all" in refused.err
    assert vmaf_tune("encode", source, "-o", "out.mp4", *AT_30, "--no-subs").code == 0
    assert [s.kind for s in streams_of(Path("out.mp4"))][:2] == ["video", "audio"]
    assert "subtitle" not in [s.kind for s in streams_of(Path("out.mp4"))]
    assert vmaf_tune("encode", source, "-o", "out.mkv", *AT_30).code == 0
    assert hashes(ffmpeg, Path("out.mkv"), "s") == hashes(ffmpeg, source, "s")


def test_sound_is_encoded_or_left_out_as_asked(rich: Path, vmaf_tune: VmafTune) -> None:
    svt = ("--encoder", "libsvtav1", "--preset", 10, "--crf", 40, "--no-attachments")
    result = vmaf_tune("encode", rich, "-o", "out.webm", *svt, "--audio", "-c:a libopus -b:a 64k")
    assert result.code == 0, result.err
    found = streams_of(Path("out.webm"))
    assert [s.codec for s in found] == ["libdav1d", "opus", "opus", "webvtt", "webvtt"]
    assert [s.language for s in found][1:4] == ["eng", "ger", "eng"]
    assert times_of(Path("out.webm")) == pytest.approx(times_of(rich), abs=0.0011)
    assert vmaf_tune("encode", rich, "-o", "out.mkv", *AT_30, "--audio", "none").code == 0
    assert "audio" not in [s.kind for s in streams_of(Path("out.mkv"))]
    wrong = vmaf_tune("encode", rich, "-o", "x.mkv", *AT_30, "--audio", "-c:a libopus -b:a 64x")
    assert wrong.code == ExitCode.USAGE
    assert "cannot be encoded so" in wrong.err


def test_hdr10_metadata_is_that_of_the_source(ffmpeg: FFmpeg, vmaf_tune: VmafTune, tmp_path: Path) -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    labels = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    source = made(
        ffmpeg, tmp_path / "hdr.mkv", "-f", "lavfi", "-i", "testsrc2=size=160x96:rate=24:duration=0.5",
        "-vf", f"format=yuv420p10le,{labels}", "-c:v", "libx265", "-preset", "ultrafast",
        "-x265-params", f"log-level=error:master-display={display}:max-cll=1000,400",
    )  # fmt: skip
    before = {k: v for k, v in side_data(source).items() if "MASTERING" in k or "LIGHT" in k}
    assert len(before) == 2
    for encoder, preset in (("libx264", "ultrafast"), ("libx265", "ultrafast"), ("libsvtav1", "10")):
        asked = ("--encoder", encoder, "--preset", preset, "--crf", 35)
        result = vmaf_tune("encode", source, "-o", f"{encoder}.mkv", *asked, "--json")
        assert result.code == 0, result.err
        assert json.loads(result.out)["notes"] == []
        after = side_data(Path(f"{encoder}.mkv"))
        assert before.keys() <= after.keys()
        assert after[next(k for k in before if "LIGHT" in k)] == before[next(k for k in before if "LIGHT" in k)]
        with av.open(f"{encoder}.mkv") as file:
            frame = next(file.decode(video=0))
            assert (frame.color_trc, frame.color_primaries, frame.colorspace) == (16, 9, 9)


def test_hdr10_metadata_that_is_lost_is_named(ffmpeg: FFmpeg, tmp_path: Path) -> None:
    from vmaftune_frv2.media.hdr_metadata import Signalling

    full = Signalling({"Mastering display metadata": "x"}, {"color_trc": "smpte2084", "color_range": "tv"})
    assert full.lost_in(Signalling({}, {})) == [
        "mastering display (HDR10) is lost",
        "color_trc is unknown, and smpte2084 in the source",
    ]
    assert full.lost_in(full) == []


@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_uneven_times_and_late_pictures_stay(
    container: str, ffmpeg: FFmpeg, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    """Frames 18 ms to 82 ms apart, which no frame rate has a grid for, and sound from 0.25 s before."""
    source = made(
        ffmpeg, tmp_path / "uneven.mkv", "-f", "lavfi", "-i", "testsrc2=size=160x96:rate=24:duration=1.5",
        "-f", "lavfi", "-i", "sine=duration=2", "-vf", "settb=1/1000,setpts='250+N*50+mod(N*N,7)*8'",
        "-fps_mode", "passthrough", "-enc_time_base", "1/1000", "-c:v", "libx264", "-qp", 8, "-bf", 0,
        "-c:a", "aac",
    )  # fmt: skip
    result = vmaf_tune("encode", source, "-o", f"out.{container}", *AT_30)
    assert result.code == 0, result.err
    assert times_of(Path(f"out.{container}")) == pytest.approx(times_of(source), abs=0.0011)
    assert hashes(ffmpeg, Path(f"out.{container}"), "a") == hashes(ffmpeg, source, "a")


def test_turned_and_anamorphic_pictures_are_shown_as_before(
    ffmpeg: FFmpeg, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    plain = made(
        ffmpeg, tmp_path / "plain.mp4", "-f", "lavfi", "-i", "testsrc2=size=160x96:rate=24:duration=0.5",
        "-vf", "setsar=4/3", "-c:v", "libx264", "-qp", 8,
    )  # fmt: skip
    source = made(ffmpeg, tmp_path / "turned.mp4", "-display_rotation", 90, "-i", plain, "-c", "copy")
    assert vmaf_tune("encode", source, "-o", "out.mkv", *AT_30).code == 0
    with av.open("out.mkv") as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height) == (96, 160)
        assert stream.sample_aspect_ratio == Fraction(3, 4)
        assert next(file.decode(video=0)).rotation == 0


def test_emitted_command_is_the_one_that_encode_runs(rich: Path, vmaf_tune: VmafTune, ffmpeg: FFmpeg) -> None:
    asked = (*X264, "--target-vmaf", 80, "--verify")
    emitted = vmaf_tune("predict", rich, *asked, "--emit", "ffmpeg")
    assert emitted.code == 0, emitted.err
    argv = shlex.split(emitted.out)
    assert ffmpeg.run(argv[1:]).ok
    by_hand = Path(argv[-1].removeprefix("file:"))
    assert by_hand.suffix == ".mkv"  # mp4 holds no fonts
    assert vmaf_tune("encode", rich, "-o", "out.mkv", *X264, "--target-vmaf", 80).code == 0
    assert hashes(ffmpeg, by_hand, "V", "a", "s") == hashes(ffmpeg, Path("out.mkv"), "V", "a", "s")
    assert times_of(by_hand) == times_of(Path("out.mkv"))
    assert by_hand.stat().st_size == Path("out.mkv").stat().st_size


@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_transport_streams_begin_where_their_first_stream_does(
    container: str, rich: Path, ffmpeg: FFmpeg, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    source = made(
        ffmpeg, tmp_path / "rich.ts", "-i", rich, "-map", "0:V", "-map", "0:a:1", "-c:v", "mpeg2video",
        "-qscale:v", 2, "-c:a", "copy",
    )  # fmt: skip
    output = Path(f"out.{container}")
    assert vmaf_tune("encode", source, "-o", output, *AT_30).code == 0
    late = [times_of(path)[0] - first_sound(path) for path in (source, output)]
    assert late[0] == pytest.approx(LATE_S, abs=0.05)
    assert late[1] == pytest.approx(late[0], abs=0.0015)
    assert np.diff(times_of(output)) == pytest.approx(np.diff(times_of(source)), abs=0.0011)
    assert hashes(ffmpeg, output, "a") == hashes(ffmpeg, source, "a")


def test_vvc_that_begins_late_is_refused_where_frames_would_be_lost(rich: Path, vmaf_tune: VmafTune) -> None:
    asked = ("--encoder", "libvvenc", "--preset", "faster", "--crf", 45, "--no-attachments")
    result = vmaf_tune("encode", rich, "-o", "out.mp4", *asked)
    assert (result.code, "which .mp4 cannot hold of libvvenc; write .mkv" in result.err) == (ExitCode.USAGE, True)
    assert vmaf_tune("encode", rich, "-o", "out.mkv", *asked).code == 0
    assert times_of(Path("out.mkv")) == pytest.approx(times_of(rich), abs=0.0011)


@pytest.mark.parametrize("how", [(), ("--segments",)], ids=["zones", "segments"])
def test_commands_of_shots_take_everything_along(
    how: tuple[str, ...], rich: Path, vmaf_tune: VmafTune, ffmpeg: FFmpeg, tmp_path: Path
) -> None:
    emitted = vmaf_tune("per-shot", rich, *X264, "--target-vmaf", 80, "--emit", "ffmpeg", *how)
    assert emitted.code == 0, emitted.err
    script = subprocess.run(["/bin/sh", "-e"], input=emitted.out, capture_output=True, text=True, check=False)
    assert script.returncode == 0, script.stderr
    (output,) = tmp_path.glob("rich.libx264.veryfast.shots.mkv")
    assert [s.codec for s in streams_of(output)] == [s.codec for s in streams_of(rich)][:-1]
    assert [s.disposition for s in streams_of(output)] == [s.disposition for s in streams_of(rich)][:-1]
    assert hashes(ffmpeg, output, "a", "s") == hashes(ffmpeg, rich, "a", "s")
    assert times_of(output) == pytest.approx(times_of(rich), abs=0.0011)
    with av.open(str(output)) as file:
        assert len(file.chapters()) == 2


def test_progress_says_how_large_the_file_will_be(rich: Path, vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("encode", rich, "-o", "out.mkv", *AT_30, "--progress", "json")
    assert result.code == 0, result.err
    events = [json.loads(line) for line in result.err.splitlines()]
    schema = json.loads(schema_path("progress_event").read_text())
    for event in events:
        jsonschema.Draft202012Validator(schema).validate(event)
    (last,) = [each for each in events if each.get("predicted_bytes") and each["event"] == "finished"]
    made_bytes = Path("out.mkv").stat().st_size
    assert (last["done"], last["total"], last["size_bytes"]) == (FRAMES, FRAMES, made_bytes)
    assert last["predicted_bytes"] == pytest.approx(made_bytes, rel=0.1)


def test_time_codes_are_made_anew_and_other_data_is_named(
    rich: Path, vmaf_tune: VmafTune, ffmpeg: FFmpeg, tmp_path: Path
) -> None:
    timed = made(ffmpeg, tmp_path / "t.mov", "-i", rich, "-map", "0:V", "-c", "copy", "-timecode", "01:00:00:00")
    assert "data" in [s.kind for s in streams_of(timed)]
    result = vmaf_tune("encode", timed, "-o", "out.mp4", *AT_30, "--json")
    assert (result.code, json.loads(result.out)["notes"]) == (0, [])
    with av.open("out.mp4") as file:
        assert file.streams.video[0].metadata["timecode"] == "01:00:00:00"
    noted = made(
        ffmpeg, tmp_path / "noted.ts", "-i", rich, "-f", "data", "-i", tmp_path / "t.mov", "-map", "0:V",
        "-map", 1, "-c", "copy", "-t", 1,
    )  # fmt: skip
    result = vmaf_tune("encode", noted, "-o", "out.mkv", *AT_30, "--json")
    assert "is left out: it is neither sound nor subtitles" in "".join(json.loads(result.out)["notes"])


def test_worst_frames_are_aimed_at_and_held_against_the_target(rich: Path, vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("encode", rich, "-o", "out.mkv", *X264, "--target-percentile", "10=75", "--json")
    assert result.code == 0, result.err
    record = json.loads(result.out)
    assert (record["targets"], record["missed"]) == ({"p10": 75.0}, [])
    assert record["measured"]["vmaf_p05"] < 79
    assert record["measured"]["vmaf"] > 75


def test_an_encoder_that_does_not_work_is_no_fault_of_the_container(rich: Path, vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("encode", rich, "-o", "out.mkv", "--encoder", "h264_vaapi", "--crf", 30)
    if result.code == 0:
        pytest.skip("this machine has the device")
    assert result.code == ExitCode.TOOL
    assert "h264_vaapi does not work on this machine" in result.err


def test_a_device_is_opened_before_the_source(rich: Path, ffmpeg: FFmpeg) -> None:
    encoder = ENCODERS.get("h264_vaapi")
    whole = Whole(open_source(ffmpeg, str(rich), hash_file=False), None, Carried(MATROSKA))
    argv = final_argv(whole, encoder, Cell(encoder.name, encoder.presets[0], 30), Path("x.mkv"), threads=1)
    assert encoder.device
    assert argv[: len(encoder.device)] == list(encoder.device)
