"""Our hooks in upstream's emission of rows, on a stand-in for its package in two flavours."""

from __future__ import annotations

import copy
import fcntl
import json
import logging
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import read_rows
from upstream_kit import FEATURES, FRAMES, HEIGHT, RATE, WIDTH, importable, module, raw_video, write_standin
from vmaftune_frv2.contract.rowcheck import check_row
from vmaftune_frv2.errors import OutputError, ToolError, UsageError
from vmaftune_frv2.host.hookspecs import hookimpl
from vmaftune_frv2.host.plugins import Plugins, load_plugins
from vmaftune_frv2.upstream.install import Installation, install, uninstall
from vmaftune_frv2.upstream.resume import REQUEST

CELLS = (("medium", 20), ("medium", 30), ("fast", 20))


@pytest.fixture(params=["c2a3c7e", "successor"])
def upstream(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The stand-in, importable, in one flavour."""
    folder = write_standin(tmp_path / "site", successor=request.param == "successor")
    with importable(folder):
        yield folder
        uninstall()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return raw_video(tmp_path / "a.yuv")


def job_of(source: Path, *cells: tuple[str, int], duration: float = FRAMES / RATE, **others: Any) -> Any:
    stated = {"width": WIDTH, "height": HEIGHT, "pix_fmt": "yuv420p", "framerate": RATE, "duration_s": duration}
    return module("corpus").CorpusJob(source=source, cells=cells or CELLS, **(stated | others))


def sweep(job: Any, output: Path, log_of: Any = None, **options: Any) -> int:
    """What upstream's corpus subcommand does: rows as they come to the writer."""
    if log_of is not None:
        module("score").MADE_BY.append(log_of)
    corpus = module("corpus")
    opts = corpus.CorpusOptions(output=output, **options)
    return int(corpus.write_jsonl(corpus.iter_rows(job, opts), output))


class Plugin:
    """A plugin that enriches, refuses crf 30 and notes what it sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int | None]] = []

    @hookimpl
    def vmaftune_scored(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        self.seen.append((row["crf"], len(payload["frames"])))

    @hookimpl
    def vmaftune_enrich_row(self, row: dict[str, Any], payload: dict[str, Any] | None) -> dict[str, Any]:
        return {"mine_least": None if payload is None else min(f["metrics"]["vmaf"] for f in payload["frames"])}

    @hookimpl
    def vmaftune_check_row(self, row: dict[str, Any]) -> list[str]:
        return ["too coarse"] if row["crf"] == 30 else []


def with_plugin(plugin: Plugin) -> Plugins:
    plugins = load_plugins()
    plugins.manager.register(plugin, "mine")
    return plugins


def test_rows_are_enriched_strict_and_valid(upstream: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus.jsonl"
    with install() as installed:
        assert sweep(job_of(source), output) == 3
    rows = read_rows(output)
    assert [(row["preset"], row["crf"]) for row in rows] == list(CELLS)
    assert (installed.summary.measured, installed.summary.planned) == (3, 3)
    for row in rows:
        assert check_row(row) == []
        assert next(iter(row)) == "schema_version"
        assert list(row["per_frame_features"]) == list(FEATURES)
        assert len(row["per_frame_vmaf"]) == FRAMES
        assert math.isclose(row["vmaf_score"], sum(row["per_frame_vmaf"]) / FRAMES)
        assert row["adm2_std"] > 0  # which libvmaf's log does not pool
        unknown = ("shot_count", "enc_internal_qp_mean", "encoder_version", "ffmpeg_version")
        assert [row[key] for key in unknown] == [None] * 4
        assert row["vmaf_binary_version"] == "3.0.0"


def test_plugins_see_enrich_and_refuse(
    upstream: Path, source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output, plugin = tmp_path / "corpus.jsonl", Plugin()
    with install(with_plugin(plugin)) as installed:
        assert sweep(job_of(source), output) == 2
        again = sweep(job_of(source), output)
    rows = read_rows(output)
    assert [row["mine_least"] for row in rows] == [min(row["per_frame_vmaf"]) for row in rows]
    (vetoed,) = read_rows(tmp_path / "corpus.jsonl.vetoed")
    assert vetoed["reasons"] == ["mine: too coarse"]
    assert vetoed["row"]["crf"] == 30
    assert len(vetoed["row"]["per_frame_vmaf"]) == FRAMES
    assert sorted(plugin.seen) == [(20, FRAMES), (20, FRAMES), (30, FRAMES)]
    # Neither what is there nor what was refused is measured again.
    assert (again, installed.summary.skipped, installed.summary.vetoed) == (0, 2, 2)
    assert len(module("corpus").ENCODED) == 3
    assert "refused: mine: too coarse" in caplog.text


def test_refused_rows_do_not_reach_upstreams_own_code(upstream: Path, source: Path) -> None:
    with install(with_plugin(Plugin())):
        corpus = module("corpus")
        rows = list(corpus.iter_rows(job_of(source), corpus.CorpusOptions()))
    assert [row["crf"] for row in rows] == [20, 20]
    assert all(isinstance(row, dict) for row in rows)


def test_failed_cell_is_a_row_and_tried_again(upstream: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus.jsonl"
    with install() as installed:
        assert sweep(job_of(source, ("medium", 13), ("medium", 20)), output) == 2
        sweep(job_of(source, ("medium", 13)), output)
    failed, good, again = read_rows(output)
    assert "(exit code 65)" in failed["failure_reason"]
    assert failed["failure_reason"].endswith("no luck")
    assert (failed["vmaf_score"], failed["exit_status"], failed["adm2_mean"]) == (None, 65, None)
    assert (good["exit_status"], again["crf"]) == (0, 13)
    assert installed.summary.failed == 2
    assert [check_row(row) for row in (failed, good)] == [[], []]


def test_corpus_is_appended_to(upstream: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus.jsonl"
    old = '{"schema_version": 3, "vmaf_score": NaN, "run_id": "a row of upstream\'s"}\n'
    output.write_text(old)
    with install():
        assert sweep(job_of(source, ("medium", 20)), output) == 1
    text = output.read_text()
    assert text.startswith(old)
    assert len(text.splitlines()) == 2


def test_same_request_goes_on_where_it_stopped(upstream: Path, source: Path, tmp_path: Path) -> None:
    output, encoded = tmp_path / "corpus.jsonl", module("corpus").ENCODED
    with install():
        with pytest.raises(KeyboardInterrupt):
            sweep(job_of(source, ("medium", 20), ("medium", 50), ("medium", 30)), output)
        assert [row["crf"] for row in read_rows(output)] == [20]
        corpus = module("corpus")
        job, opts = job_of(source, ("medium", 20), ("medium", 30)), corpus.CorpusOptions(output=output)
        emitted: list[Any] = []

        def rows() -> Iterator[Any]:
            for row in corpus.iter_rows(job, opts):
                emitted.append(row)
                yield row

        assert corpus.write_jsonl(rows(), output) == 1
    assert [row["crf"] for row in emitted] == [20, 30]  # what was there is given to whoever asks, too
    assert [row["crf"] for row in read_rows(output)] == [20, 30]
    assert encoded == [("medium", 20), ("medium", 30)]


@pytest.mark.parametrize(
    "changed",
    [
        {"two_pass": True},
        {"vmaf_model": "vmaf_4k_v0.6.1"},
        {"encoder": "libx265"},
        {"sample_clip_seconds": 4 / RATE},
    ],
)
def test_another_request_is_measured(
    upstream: Path, source: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    output, cell = tmp_path / "corpus.jsonl", ("medium", 20)
    with install():
        assert sweep(job_of(source, cell), output) == 1
        assert sweep(job_of(source, cell), output, **changed) == 1
        assert sweep(job_of(source, cell), output, **changed) == 0
        other = raw_video(
            tmp_path / "other" / source.name if (tmp_path / "other").mkdir() is None else source, seed=3
        )
        assert sweep(job_of(other, cell), output) == 1
    assert len({row[REQUEST] for row in read_rows(output)}) == 2


def test_sources_without_a_hash_are_known_by_their_path(upstream: Path, source: Path, tmp_path: Path) -> None:
    output, cell = tmp_path / "corpus.jsonl", ("medium", 20)
    with install():
        assert sweep(job_of(source, cell), output, src_sha256=False) == 1
        assert sweep(job_of(source, cell), output, src_sha256=False) == 0
        (row,) = read_rows(output)
        output.write_text(json.dumps(row | {"timestamp": "2020-01-01T00:00:00+00:00"}) + "\n")
        assert sweep(job_of(source, cell), output, src_sha256=False) == 1, "the file is newer than the row"


def test_cell_asked_for_twice_is_measured_once(upstream: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus.jsonl"
    with install() as installed:
        assert sweep(job_of(source, ("medium", 20), ("medium", 20)), output) == 1
    assert (installed.summary.planned, len(read_rows(output))) == (1, 1)


@pytest.mark.parametrize("name", ["corpus.jsonl.zst", "corpus.jsonl.gz", "corpus.parquet"])
def test_output_that_cannot_be_appended_to_is_refused(
    upstream: Path, source: Path, tmp_path: Path, name: str
) -> None:
    with install(), pytest.raises(UsageError, match=r"\.jsonl"):
        sweep(job_of(source), tmp_path / name)
    assert module("corpus").ENCODED == []
    assert not (tmp_path / name).exists()


def test_corpus_in_use_is_refused_before_anything_is_encoded(upstream: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus.jsonl"
    with output.open("a") as other, install():
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="another sweep"):
            sweep(job_of(source), output)
    assert module("corpus").ENCODED == []


def test_rows_so_far_are_kept_when_upstream_raises(upstream: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus.jsonl"
    with install(), pytest.raises(ValueError, match="crf 99"):
        sweep(job_of(source, ("medium", 20), ("medium", 99)), output)
    assert [row["crf"] for row in read_rows(output)] == [20]


def test_rows_of_upstreams_cache_have_no_frames_and_say_so(
    upstream: Path, source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vmaftune_frv2")
    cache = {"cache_enabled": True, "cache_dir": tmp_path}
    with install():
        sweep(job_of(source, ("medium", 20)), tmp_path / "one.jsonl", **cache)
        sweep(job_of(source, ("medium", 20), ("fast", 30)), tmp_path / "two.jsonl", **cache)
        windowed = {"sample_clip_seconds": 4 / RATE}
        sweep(job_of(source, ("medium", 20)), tmp_path / "three.jsonl", **cache, **windowed)
    hit, measured = read_rows(tmp_path / "two.jsonl")
    assert "per_frame_vmaf" not in hit
    assert (hit["adm2_mean"], hit["shot_avg_duration_sec"], check_row(hit)) == (None, None, [])
    assert len(measured["per_frame_vmaf"]) == FRAMES
    assert "two.jsonl: 1 rows came without libvmaf's log" in caplog.text
    (refused,) = read_rows(tmp_path / "three.jsonl.vetoed")
    assert refused["reasons"] == ["frv2: it is from vmaftune's cache, which does not know of a clip window"]


def test_windows_have_the_frames_of_the_window(upstream: Path, tmp_path: Path) -> None:
    source, output = raw_video(tmp_path / "long.yuv", 96), tmp_path / "corpus.jsonl"
    with install():
        assert sweep(job_of(source, ("medium", 20), duration=4.0), output, sample_clip_seconds=1.0) == 1
    (row,) = read_rows(output)
    assert (row["clip_mode"], len(row["per_frame_vmaf"]), check_row(row)) == ("sample_1s", 24, [])


@pytest.mark.parametrize(
    ("rate", "seconds"), [(24.0, 0.3), (25.0, 0.5), (25.0, 1.5), (29.97, 0.5), (23.976, 2.5), (59.94, 0.5)]
)
def test_windows_that_are_no_whole_number_of_frames_are_kept(
    upstream: Path, tmp_path: Path, rate: float, seconds: float
) -> None:
    source, output = raw_video(tmp_path / "long.yuv", 240), tmp_path / "corpus.jsonl"
    job = job_of(source, ("medium", 20), framerate=rate, duration=240 / rate)
    with install():
        assert sweep(job, output, sample_clip_seconds=seconds) == 1
    (row,) = read_rows(output)
    lasts = len(row["per_frame_vmaf"]) / rate
    assert abs(lasts - seconds) <= 1 / rate
    assert (row["bitrate_kbps"], check_row(row)) == (pytest.approx(row["encode_size_bytes"] / 125 / lasts), [])


def test_rows_and_logs_of_many_threads_are_paired(upstream: Path, tmp_path: Path) -> None:
    corpus, score = module("corpus"), module("score")
    sources = [raw_video(tmp_path / f"{number}.yuv", frames=4 + number, seed=number) for number in range(6)]
    cells = [("medium", crf) for crf in range(14, 40, 3)]

    def one(number: int) -> list[dict[str, Any]]:
        job = job_of(sources[number], *cells, duration=(4 + number) / RATE)
        output = tmp_path / f"{number}.jsonl"
        corpus.write_jsonl(corpus.iter_rows(job, corpus.CorpusOptions(output=output)), output)
        return read_rows(output)

    def compared(number: int) -> None:  # scores without rows, as compare makes them
        encode = tmp_path / f"bisected{number}"
        encode.write_text(f"{14 + 3 * (number % 9)} {4 + number % 6}")
        score.run_score(score.ScoreRequest(sources[0], encode))

    with install() as installed, ThreadPoolExecutor(8) as pool:
        found = [pool.submit(one, number) for number in range(6)]
        list(pool.map(compared, range(60)))
        corpora = [each.result() for each in found]
        assert installed.summary.measured == 6 * len(cells)
    for number, rows in enumerate(corpora):
        for row in rows:
            expected = score.log_of(row["crf"], 4 + number)
            assert row["per_frame_vmaf"] == [frame["metrics"]["vmaf"] for frame in expected["frames"]]
            assert row["per_frame_features"]["motion2"] == [f["metrics"]["motion2"] for f in expected["frames"]]


def test_cells_scored_in_a_pool_and_given_in_another_order_are_paired(upstream: Path, source: Path) -> None:
    """A later upstream may score ahead; order and thread tell nothing then."""
    score, corpus = module("score"), module("corpus")
    original = corpus.iter_rows

    def ahead(job: Any, opts: Any, **runners: Any) -> Iterator[Any]:
        with ThreadPoolExecutor(3) as pool:
            jobs = [type(job)(**{**vars(job), "cells": (cell,)}) for cell in job.cells]
            done = list(pool.map(lambda each: list(original(each, opts, **runners)), jobs))
        for rows in reversed(done):
            yield from rows

    corpus.iter_rows = ahead
    with install():
        rows = list(
            corpus.iter_rows(job_of(source, *(("medium", crf) for crf in range(20, 32))), corpus.CorpusOptions())
        )
    assert [row["crf"] for row in rows] == list(range(31, 19, -1))
    for row in rows:
        assert row["per_frame_vmaf"] == [f["metrics"]["vmaf"] for f in score.log_of(row["crf"], FRAMES)["frames"]]


@pytest.mark.parametrize("spelled", ["integer_{}", "float_{}", "{}"])
def test_every_spelling_of_a_feature_is_read(upstream: Path, source: Path, tmp_path: Path, spelled: str) -> None:
    log_of = module("score").log_of
    with install():
        sweep(job_of(source, ("medium", 20)), tmp_path / "c.jsonl", lambda crf, n: log_of(crf, n, spelled))
    (row,) = read_rows(tmp_path / "c.jsonl")
    assert row["adm2_mean"] == pytest.approx(sum(row["per_frame_features"]["adm2"]) / FRAMES)


def test_variant_of_a_feature_is_not_taken_for_the_feature(upstream: Path, source: Path, tmp_path: Path) -> None:
    """The successor files ``integer_motion2_mmxv_18`` under ``motion2``."""
    score = module("score")

    def log_of(crf: int, frames: int) -> dict[str, Any]:
        log = copy.deepcopy(score.log_of(crf, frames, "integer_{}"))
        for metrics in (*(frame["metrics"] for frame in log["frames"]), log["pooled_metrics"]):
            metrics["integer_motion2_mmxv_18"] = metrics.pop("integer_motion2")
        log["pooled_metrics"]["motion2"] = log["pooled_metrics"]["integer_motion2_mmxv_18"]
        return log

    with install():
        sweep(job_of(source, ("medium", 20)), tmp_path / "c.jsonl", log_of)
    (row,) = read_rows(tmp_path / "c.jsonl")
    assert (row["motion2_mean"], row["motion2_std"], check_row(row)) == (None, None, [])
    assert row["adm2_mean"] is not None
    assert len(row["per_frame_vmaf"]) == FRAMES
    assert "per_frame_features" not in row


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.mp4", b"\0\0\0\x20ftypisom" + bytes(5000), "is an MP4 or QuickTime file"),
        ("a.mkv", b"\x1aE\xdf\xa3" + bytes(5000), "is a Matroska or WebM file"),
        ("renamed.yuv", b"YUV4MPEG2 W16 H16" + bytes(5000), "is a Y4M file"),
        ("a.ts", (b"\x47" + bytes(187)) * 30, "is an MPEG transport stream"),
        ("cut.yuv", bytes(1000), "its 1000 bytes are 2.60 frames"),
    ],
)
def test_container_read_as_raw_video_is_refused_before_it_is_encoded(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with importable(write_standin(tmp_path / "site")), install() as installed:
        assert sweep(job_of(tmp_path / name), tmp_path / "c.jsonl") == 0
        assert module("corpus").ENCODED == []
    assert (tmp_path / "c.jsonl").read_text() == ""
    vetoed = read_rows(tmp_path / "c.jsonl.vetoed")
    assert [(each["row"]["preset"], each["row"]["crf"]) for each in vetoed] == list(CELLS)
    assert all(told in each["reasons"][0] for each in vetoed)
    assert installed.summary.vetoed == 3


def test_successor_reads_containers(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(WIDTH * HEIGHT * 3 // 2 * FRAMES - 12))
    with importable(write_standin(tmp_path / "site", successor=True)), install():
        assert sweep(job_of(tmp_path / "a.mp4", ("medium", 20)), tmp_path / "c.jsonl") == 1


@pytest.mark.parametrize("duration", [0.0, 1.0, 0.2, math.nan, math.inf])
def test_wrong_duration_is_refused(upstream: Path, source: Path, tmp_path: Path, duration: float) -> None:
    with install():
        assert sweep(job_of(source, ("medium", 20), duration=duration), tmp_path / "c.jsonl") == 0
    (vetoed,) = read_rows(tmp_path / "c.jsonl.vetoed")
    (reason,) = vetoed["reasons"]
    assert "0.333333" in reason
    assert str(FRAMES) in reason


def test_rows_of_other_makers_are_checked_too(upstream: Path, tmp_path: Path, good_row: dict[str, Any]) -> None:
    with install():
        bad = good_row | {"vmaf_score": float("nan")}
        assert module("corpus").write_jsonl([good_row, bad], tmp_path / "c.jsonl") == 1
    assert len(read_rows(tmp_path / "c.jsonl")) == 1
    (vetoed,) = read_rows(tmp_path / "c.jsonl.vetoed")
    assert "vmaf_score" in vetoed["reasons"][0]


def test_names_imported_elsewhere_are_replaced_and_put_back(upstream: Path, source: Path, tmp_path: Path) -> None:
    corpus, cli, score = module("corpus"), module("cli"), module("score")
    before = {m: dict(vars(m)) for m in (corpus, cli, score)}
    held = None
    with install():
        assert cli.iter_rows is corpus.iter_rows is not before[corpus]["iter_rows"]
        assert cli.write_jsonl is corpus.write_jsonl is not before[corpus]["write_jsonl"]
        late = module("fr_from_nr_adapter")
        assert late.iter_rows is corpus.iter_rows
        held = corpus.iter_rows
        with pytest.raises(UsageError):
            install()
    assert all(dict(vars(m)) == names for m, names in before.items())
    assert late.iter_rows is corpus.iter_rows
    assert math.isnan(next(held(job_of(source, ("medium", 13)), corpus.CorpusOptions()))["vmaf_score"])
    uninstall()
    with install():
        sweep(job_of(source, ("medium", 20)), tmp_path / "c.jsonl")
    assert len(read_rows(tmp_path / "c.jsonl")) == 1


def test_what_others_put_in_the_place_of_ours_stays(upstream: Path) -> None:
    corpus, cli = module("corpus"), module("cli")
    own = cli.write_jsonl
    installed: Installation = install()
    corpus.write_jsonl = theirs = lambda rows, path: 0
    installed.uninstall()
    assert corpus.write_jsonl is theirs
    assert cli.write_jsonl is own


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"corpus": ("def iter_rows(job, opts,", "def iter_rows(job, options,")},
            "corpus.iter_rows is iter_rows(job",
        ),
        ({"corpus": ("def iter_rows(job, opts, *,", "def iter_rows(job, opts, plan, *,")}, "(job, opts, plan"),
        (
            {"corpus": ("def write_jsonl(rows, path)", "def write_rows(rows, path)")},
            "it has no corpus.write_jsonl",
        ),
        ({"score": ("(payload, feature_names):", "(payload):")}, "score.parse_feature_aggregates is"),
        ({"corpus": ("    duration_s: float\n", "")}, "CorpusJob has no duration_s"),
        ({"corpus": ("import datetime,", "import no_such_module,")}, "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_unknown_upstream_is_refused_and_left_alone(
    tmp_path: Path, changes: dict[str, tuple[str, str]], told: str
) -> None:
    if "write_rows" in str(changes) or "no_such_module" in str(changes):
        changes = {**changes, "cli": ("from .corpus", "# from .corpus")}
    with importable(write_standin(tmp_path / "site", changes=changes)):
        with pytest.raises(ToolError, match="vmaftune") as refused:
            install()
        assert told in str(refused.value)
        if "no_such_module" not in told and "cannot" not in told:
            assert not hasattr(module("corpus").iter_rows, "__wrapped__")


def test_no_upstream_is_refused() -> None:
    with pytest.raises(ToolError, match="is not installed"):
        install()


def test_versions_of_the_programs_are_filled_in(upstream: Path, source: Path, tmp_path: Path, ffmpeg: Any) -> None:
    with install():
        assert sweep(job_of(source, ("medium", 20)), tmp_path / "c.jsonl", ffmpeg_bin=ffmpeg.path) == 1
        assert sweep(job_of(source, ("medium", 20)), tmp_path / "c.jsonl", ffmpeg_bin=ffmpeg.path) == 0
        (row,) = read_rows(tmp_path / "c.jsonl")
        assert row["ffmpeg_version"] == ffmpeg.version
        assert row["encoder_version"].startswith("libx264-1")
        older = json.dumps(row | {"ffmpeg_version": "n4.0"})
        (tmp_path / "old.jsonl").write_text(older + "\n")
        assert sweep(job_of(source, ("medium", 20)), tmp_path / "old.jsonl", ffmpeg_bin=ffmpeg.path) == 1


def test_importing_patches_nothing(upstream: Path) -> None:
    import vmaftune_frv2.upstream.calling
    import vmaftune_frv2.upstream.emission  # noqa: F401

    corpus = module("corpus")
    assert not hasattr(corpus.iter_rows, "__wrapped__")
    assert not hasattr(corpus.write_jsonl, "__wrapped__")
