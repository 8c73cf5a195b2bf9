"""``vmaf-tune corpus``: HDR labels, shots, encoder statistics, the model for a height, what outputs may be."""

from __future__ import annotations

import gzip

import pytest

from vmaftune_frv2.errors import ExitCode

QUICK = ("--encoder", "libx264", "--preset", "ultrafast", "--crf", "30")


def swept(vmaf_tune, rows_of, tmp_path, *arguments):
    result = vmaf_tune("corpus", *arguments)
    assert result.code == ExitCode.OK, result.err
    assert vmaf_tune("validate", "corpus.jsonl").code == ExitCode.OK
    return rows_of(tmp_path / "corpus.jsonl"), result.err


def test_shots_are_counted_once_per_source(clip, vmaf_tune, rows_of, tmp_path):
    cuts = clip("testsrc2", frames=32, filters="negate=enable='gte(n,16)'")
    rows, _ = swept(vmaf_tune, rows_of, tmp_path, cuts, *QUICK, "--crf", "40", "--shots")
    keys = ("shot_count", "shot_avg_duration_sec", "shot_duration_std_sec")
    assert [[row[key] for key in keys] for row in rows] == [[2, pytest.approx(16 / 24), 0.0]] * 2


def test_without_the_option_shots_and_statistics_are_unknown(clip, vmaf_tune, rows_of, tmp_path):
    (row,), _ = swept(vmaf_tune, rows_of, tmp_path, clip(), *QUICK)
    assert {row["shot_count"], row["enc_internal_qp_mean"], row["enc_internal_skip_ratio"]} == {None}


def test_encoder_statistics_are_the_encoder_s_or_unknown(clip, vmaf_tune, rows_of, tmp_path):
    plain = ("--encoder", "libx264", "--encoder", "libsvtav1", "--preset", "veryfast", "--crf", "30")
    with_stats, _ = swept(vmaf_tune, rows_of, tmp_path, clip(), *plain, "--encoder-stats")
    by_encoder = {row["encoder"]: row for row in with_stats}
    assert by_encoder["libx264"]["enc_internal_qp_mean"] == pytest.approx(30, abs=12)
    assert by_encoder["libx264"]["enc_internal_bits_mean"] > 0
    assert by_encoder["libsvtav1"]["enc_internal_qp_mean"] is None
    (tmp_path / "corpus.jsonl").unlink()
    without, _ = swept(vmaf_tune, rows_of, tmp_path, clip(), *plain)
    for row in without:
        assert row["encode_size_bytes"] == by_encoder[row["encoder"]]["encode_size_bytes"]
        assert row["vmaf_score"] == by_encoder[row["encoder"]]["vmaf_score"]


@pytest.mark.parametrize(
    ("option", "values", "warns"),
    [
        ("--force-hdr-pq", ("pq", "bt2020", True), True),
        ("--force-hdr-hlg", ("hlg", "bt2020", True), True),
        ("--force-sdr", ("", "", True), False),
        ("--auto-hdr", ("", "", False), False),
    ],
)
def test_a_forced_label_is_in_the_row_and_leaves_the_score(
    option, values, warns, clip, vmaf_tune, rows_of, tmp_path
):
    source = clip(pix_fmt="yuv420p10le")
    (row,), err = swept(vmaf_tune, rows_of, tmp_path, source, *QUICK, option)
    assert (row["hdr_transfer"], row["hdr_primaries"], row["hdr_forced"]) == values
    assert ("libvmaf has no HDR model" in err) == warns
    (tmp_path / "corpus.jsonl").unlink()
    (plain,), _ = swept(vmaf_tune, rows_of, tmp_path, source, *QUICK)
    assert row["vmaf_score"] == pytest.approx(plain["vmaf_score"], abs=1e-3)


def test_a_forced_label_is_another_request(clip, vmaf_tune, rows_of, tmp_path):
    swept(vmaf_tune, rows_of, tmp_path, clip(), *QUICK)
    rows, _ = swept(vmaf_tune, rows_of, tmp_path, clip(), *QUICK, "--force-hdr-pq")
    again = vmaf_tune("corpus", clip(), *QUICK, "--force-hdr-pq")
    assert len(rows) == 2
    assert "1 already there" in again.err


def test_the_model_follows_the_height_unless_it_is_named(clip, vmaf_tune, rows_of, tmp_path):
    small, tall = clip(frames=4), clip(size="64x2160", frames=4)
    rows, _ = swept(vmaf_tune, rows_of, tmp_path, small, tall, *QUICK)
    assert {row["height"]: row["vmaf_model"] for row in rows} == {96: "vmaf_v0.6.1", 2160: "vmaf_4k_v0.6.1"}
    (tmp_path / "corpus.jsonl").unlink()
    rows, _ = swept(vmaf_tune, rows_of, tmp_path, small, tall, *QUICK, "--vmaf-model", "vmaf_v0.6.1neg")
    assert {row["vmaf_model"] for row in rows} == {"vmaf_v0.6.1neg"}


@pytest.mark.parametrize("name", ["corpus.jsonl.gz", "corpus.jsonl.zst"])
def test_a_compressed_output_is_refused(name, clip, vmaf_tune, tmp_path):
    result = vmaf_tune("corpus", clip(), *QUICK, "--output", name)
    assert result.code == ExitCode.USAGE
    assert "compress it afterwards" in result.err
    assert not (tmp_path / name).exists()


def test_rows_that_lack_what_is_asked_now_are_told(clip, vmaf_tune, rows_of, tmp_path):
    both = ("--encoder", "libx264", "--encoder", "libsvtav1", "--preset", "veryfast", "--crf", "30")
    swept(vmaf_tune, rows_of, tmp_path, clip(), *both)
    rows, err = swept(vmaf_tune, rows_of, tmp_path, clip(), *both, "--encoder-stats")
    assert "1 of the rows already there lack what --encoder-stats adds; a new --output will have it" in err
    _, err = swept(vmaf_tune, rows_of, tmp_path, clip(), *both, "--shots", "--encoder-stats")
    assert "2 of the rows already there lack what --shots --encoder-stats adds" in err
    assert len(rows) == 2


def test_rows_that_have_what_is_asked_are_no_news(clip, vmaf_tune, rows_of, tmp_path):
    presets = ("--preset", "libx264=veryfast", "--preset", "libsvtav1=10")
    both = ("--encoder", "libx264", "--encoder", "libsvtav1", *presets, "--crf", "30")
    for _ in range(2):
        _, err = swept(vmaf_tune, rows_of, tmp_path, clip(), *both, "--shots", "--encoder-stats")
    assert err == "corpus.jsonl: 2 cells, 0 measured, 2 already there\n"


@pytest.fixture
def cached(clip, vmaf_tune, rows_of, tmp_path):
    """Sweeps one cell with a cache that holds it, into a new corpus; its row and what was said."""

    def sweep(*options):
        corpus = tmp_path / "corpus.jsonl"
        corpus.unlink(missing_ok=True)
        (row,), err = swept(vmaf_tune, rows_of, tmp_path, clip(), *QUICK, "--cache-dir", "cache", *options)
        return row, err

    sweep()
    return sweep


def test_cached_rows_get_the_shots_that_were_counted(cached):
    row, err = cached("--shots")
    assert "1 measured (1 from" in err
    assert row["shot_count"] == 1


@pytest.mark.parametrize(
    ("option", "key"), [("--encoder-stats", "enc_internal_qp_mean"), ("--keep-encodes", "encode_path")]
)
def test_a_cached_row_without_what_is_asked_is_measured_anew(option, key, cached):
    row, err = cached(option)
    assert "from" not in err
    assert row[key] is not None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_spoilt_cache_is_no_answer(content, cached, tmp_path):
    row, _ = cached()
    for file in (tmp_path / "cache").rglob("*.json.gz"):
        file.write_bytes(gzip.compress(content.encode()))
    again, err = cached()
    assert "from" not in err
    assert again["vmaf_score"] == row["vmaf_score"]


def test_an_encode_folder_that_cannot_be_written_is_one_clear_line(clip, vmaf_tune):
    result = vmaf_tune("corpus", clip(), *QUICK, "--encode-dir", "/proc")
    assert result.code == ExitCode.OUTPUT
    assert result.err == "Error: /proc: no folder can be made in it (No such file or directory)\n"


def test_a_cache_that_cannot_be_written_costs_no_row(clip, vmaf_tune, rows_of, tmp_path):
    result = vmaf_tune("corpus", clip(), *QUICK, "--cache-dir", "/proc")
    assert result.code == ExitCode.OK
    assert result.err.count("the cache is not used: /proc/") == 1
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    assert row["exit_status"] == 0
