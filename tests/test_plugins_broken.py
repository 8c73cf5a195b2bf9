"""A plugin that is broken or oversteps costs a warning: the host goes on and rows stay true."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin_kit import FRAMES, Ended, listed, plugin_in, read_jsonl, sweep, tune

GOOD = """
    @hookimpl
    def vmaftune_register_commands(cli):
        cli.command(name="fine")(lambda: print("fine"))
"""


@pytest.fixture(scope="session")
def video(clip: Callable[..., Path]) -> Path:
    """A source that is measured in no time."""
    return clip(size="128x96", frames=FRAMES)


def refused(folder: Path, name: str) -> tuple[str, str]:
    """The one warning about a plugin that was not loaded, and the reason that ``plugins`` gives."""
    ended, plugins = listed(folder)
    assert ended.code == 0
    assert "vmaftune_register_commands" in plugins["frv2"]["hooks"]
    (warning,) = ended.err.splitlines()
    assert warning.startswith(f"Warning: plugin {name} ({name} 0.1) was not loaded: ")
    return warning, plugins[name]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import a_module_nobody_has", "ModuleNotFoundError: No module named 'a_module_nobody_has'"),
        ("def half(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
    ids=["raises", "import", "syntax", "exits"],
)
def test_plugin_that_cannot_be_imported(tmp_path: Path, statement: str, reason: str) -> None:
    plugin_in(tmp_path, "a_broken", statement)
    plugin_in(tmp_path, "z_good", GOOD)
    warning, listed_reason = refused(tmp_path, "a_broken")
    assert reason in warning
    assert listed_reason.startswith(reason)
    worked = tune("fine", path=tmp_path)
    assert (worked.code, worked.out) == (0, "fine\n")
    assert f"a_broken: not loaded: {reason}" in tune("plugins", path=tmp_path).out


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("@hookimpl\ndef vmaftune_enrich_rows(row): pass", "vmaftune_enrich_rows"),
        ("@hookimpl\ndef vmaftune_check_row(rows): pass", "rows"),
        ("@hookimpl(hookwrapper=True)\ndef vmaftune_check_row(row): yield", "cannot be a wrapper"),
        ("@hookimpl(wrapper=True)\ndef vmaftune_check_row(row): return (yield)", "cannot be a wrapper"),
    ],
    ids=["mistyped hook", "mistyped argument", "hookwrapper", "wrapper"],
)
def test_implementation_that_fits_no_hook_is_refused(tmp_path: Path, source: str, reason: str) -> None:
    plugin_in(tmp_path, "a_misfit", source)
    plugin_in(tmp_path, "z_good", GOOD)
    warning, _ = refused(tmp_path, "a_misfit")
    assert reason in warning
    assert tune("fine", path=tmp_path).out == "fine\n"


def test_two_plugins_of_one_name_leave_the_first_in_place(tmp_path: Path) -> None:
    plugin_in(tmp_path, "one", GOOD, entry="same")
    plugin_in(tmp_path, "two", GOOD.replace("fine", "other"), entry="same")
    ended, plugins = listed(tmp_path)
    assert ended.code == 0
    assert len(ended.warnings) == 1
    assert "was not loaded" in ended.warnings[0]
    assert "same" in plugins
    codes = {command: tune(command, path=tmp_path).code for command in ("fine", "other")}
    assert sorted(codes.values()) == [0, 2]


def test_plugin_that_takes_our_name_does_not_unload_ours(tmp_path: Path) -> None:
    plugin_in(tmp_path, "imposter", GOOD, entry="frv2")
    ended = tune("plugins", path=tmp_path)
    assert ended.code == 0
    assert "frv2 (built in): vmaftune_check_row, vmaftune_register_commands" in ended.out
    assert "imposter 0.1" in ended.warnings[0]


ALL_RAISE = """
    def fails(*_):
        raise OSError("disk on fire")
    @hookimpl
    def vmaftune_register_commands(cli): fails()
    @hookimpl
    def vmaftune_register_encoders(register): fails()
    @hookimpl
    def vmaftune_sweep_started(planned, todo): fails()
    @hookimpl
    def vmaftune_scored(row, payload): fails()
    @hookimpl
    def vmaftune_enrich_row(row, payload): fails()
    @hookimpl
    def vmaftune_check_row(row): fails()
    @hookimpl
    def vmaftune_sweep_finished(summary): fails()
"""
TWO_CELLS = ("--preset", "ultrafast", "--crf", "23", "--crf", "30")


@pytest.mark.parametrize("error", ["OSError: disk on fire", "SystemExit: disk on fire"])
def test_plugin_that_raises_in_a_hook_is_named_once(tmp_path: Path, video: Path, error: str) -> None:
    kind, message = error.split(": ")
    source = f"@hookimpl\ndef vmaftune_enrich_row(row, payload): raise {kind}('{message}')"
    site = plugin_in(tmp_path / "site", "fragile", source)
    ended = sweep(video, tmp_path / "corpus.jsonl", *TWO_CELLS, path=site)
    assert ended.code == 0
    assert ended.warnings == [f"Warning: plugin fragile failed in vmaftune_enrich_row: {error}"]
    assert sorted(row["crf"] for row in read_jsonl(tmp_path / "corpus.jsonl")) == [23, 30]


def test_every_hook_may_raise(tmp_path: Path, video: Path) -> None:
    site = plugin_in(tmp_path / "site", "fragile", ALL_RAISE)
    ended = sweep(video, tmp_path / "corpus.jsonl", *TWO_CELLS, path=site)
    assert ended.code == 0
    hooks = [
        "register_encoders", "register_commands", "sweep_started", "scored", "enrich_row", "check_row",
        "sweep_finished",
    ]  # fmt: skip
    assert ended.warnings == [
        f"Warning: plugin fragile failed in vmaftune_{hook}: OSError: disk on fire" for hook in hooks
    ]
    assert len(read_jsonl(tmp_path / "corpus.jsonl")) == 2


def one_row(tmp_path: Path, video: Path, source: str, *more: str) -> tuple[Ended, dict[str, Any]]:
    """Sweeps one cell with a plugin; how that ended, and the row."""
    site = plugin_in(tmp_path / "site", "meddler", source)
    ended = sweep(video, tmp_path / "corpus.jsonl", "--preset", "ultrafast", "--crf", "23", *more, path=site)
    (row,) = read_jsonl(tmp_path / "corpus.jsonl")
    return ended, row


def test_measured_values_and_strict_json_stay(tmp_path: Path, video: Path) -> None:
    source = """
    @hookimpl
    def vmaftune_enrich_row(row, payload):
        return {
            "vmaf_score": 100.0, "crf": 1, "per_frame_vmaf": [1.0], "shot_count": 4, "fresh": [1, 2],
            "not_a_number": float("nan"), "endless": {"deep": [float("inf")]}, "object": object(),
        }
    """
    ended, row = one_row(tmp_path, video, source)
    assert ended.code == 0
    for key in ("vmaf_score", "crf", "per_frame_vmaf"):
        assert f"Warning: plugin meddler would change {key} of a row" in ended.err
    for key in ("not_a_number", "endless", "object"):
        assert f"Warning: plugin meddler would add {key}, which is not strict JSON" in ended.err
        assert key not in row
    assert row["crf"] == 23
    assert row["vmaf_score"] == pytest.approx(sum(row["per_frame_vmaf"]) / len(row["per_frame_vmaf"]))
    assert row["vmaf_score"] < 100
    assert (row["shot_count"], row["fresh"]) == (4, [1, 2])


def test_full_features_of_a_row_are_measured_or_missing(tmp_path: Path, video: Path) -> None:
    source = "@hookimpl\ndef vmaftune_enrich_row(row, payload): return {'full_features': None, 'fresh': 1}"
    ended, row = one_row(tmp_path, video, source)
    assert ended.code == 0
    assert "Warning: plugin meddler would change full_features of a row" in ended.err
    assert ("full_features" in row, row["fresh"]) == (False, 1)


def test_refused_change_is_warned_of_once_per_sweep(tmp_path: Path, video: Path) -> None:
    source = "@hookimpl\ndef vmaftune_enrich_row(row, payload): return {'crf': 1, 'x': float('nan')}"
    site = plugin_in(tmp_path / "site", "meddler", source)
    ended = sweep(video, tmp_path / "corpus.jsonl", *TWO_CELLS, path=site)
    assert [line.split(" of a row")[0].split(", which")[0] for line in ended.warnings] == [
        "Warning: plugin meddler would change crf", "Warning: plugin meddler would add x",
    ]  # fmt: skip


@pytest.mark.parametrize("hook", ["scored", "enrich_row", "check_row"])
def test_row_cannot_be_changed_in_place(tmp_path: Path, video: Path, hook: str) -> None:
    arguments = "row" if hook == "check_row" else "row, payload"
    source = f"""
    @hookimpl
    def vmaftune_{hook}({arguments}):
        row["per_frame_vmaf"].append(0.5)
        row["crf"] = 1
        row["sneaked"] = float("nan")
    """
    ended, row = one_row(tmp_path, video, source)
    assert ended.code == 0
    assert (row["crf"], len(row["per_frame_vmaf"])) == (23, FRAMES)
    assert "sneaked" not in row


@pytest.mark.parametrize(
    ("signature", "answer"),
    [
        ("enrich_row(row, payload)", "['shot_count']"),
        ("enrich_row(row, payload)", "{('a', 'b'): 1}"),
        ("check_row(row)", "17"),
        ("check_row(row)", "(1 / 0 for _ in range(1))"),
    ],
)
def test_answer_of_the_wrong_kind_is_a_warning(tmp_path: Path, video: Path, signature: str, answer: str) -> None:
    source = f"@hookimpl\ndef vmaftune_{signature}: return {answer}"
    ended, row = one_row(tmp_path, video, source)
    assert ended.code == 0
    assert len(ended.warnings) == 1
    assert "plugin meddler" in ended.warnings[0]
    assert row["crf"] == 23


def test_veto_given_as_text_is_one_reason(tmp_path: Path, video: Path) -> None:
    site = plugin_in(tmp_path / "site", "strict", "@hookimpl\ndef vmaftune_check_row(row): return 'too dark'")
    ended = sweep(video, tmp_path / "corpus.jsonl", path=site)
    assert ended.code == 1
    (vetoed,) = read_jsonl(tmp_path / "corpus.jsonl.vetoed")
    assert vetoed["reasons"] == ["strict: too dark"]


def test_enrichment_does_not_change_what_the_cell_is(tmp_path: Path, video: Path) -> None:
    source = "@hookimpl\ndef vmaftune_enrich_row(row, payload): return {'src_sha256': '0' * 64}"
    ended, first = one_row(tmp_path, video, source, "--no-source-hash")
    assert ended.code == 0
    again = sweep(
        video, tmp_path / "corpus.jsonl", "--preset", "ultrafast", "--crf", "23", "--no-source-hash",
        path=tmp_path / "site",
    )  # fmt: skip
    assert "1 already there" in again.err
    assert read_jsonl(tmp_path / "corpus.jsonl") == [first]


REGISTERS = """
    import dataclasses
    from vmaftune_frv2.contract.encoders import BUILTIN
    @hookimpl
    def vmaftune_register_encoders(register): register(dataclasses.replace(BUILTIN[0], {changes}))
"""


def test_encoder_of_a_taken_name_is_refused(tmp_path: Path) -> None:
    ended, _ = listed(plugin_in(tmp_path, "double", REGISTERS.format(changes="crf_max=9")))
    assert ended.code == 0
    (warning,) = ended.warnings
    assert "plugin double failed in vmaftune_register_encoders" in warning
    assert "'libx264' is registered twice" in warning


def test_encoder_without_default_presets_asks_for_one(tmp_path: Path, video: Path) -> None:
    site = plugin_in(tmp_path / "site", "bare", REGISTERS.format(changes="name='mpeg4', default_presets=()"))
    ended = sweep(video, tmp_path / "corpus.jsonl", "--encoder", "mpeg4", "--crf", "5", path=site)
    assert ended.code == 2
    assert "preset" in ended.err


def test_plugin_cannot_replace_our_commands(tmp_path: Path) -> None:
    ended = tune("doctor", "--help", path=plugin_in(tmp_path, "greedy", GOOD.replace('"fine"', '"doctor"', 1)))
    assert ended.code == 0
    assert "ffmpeg" in ended.out


DEEP = """
    @hookimpl
    def vmaftune_enrich_row(row, payload):
        value = []
        for _ in range({levels}):
            value = [value]
        return {{"mine": value, "fresh": 1}}
"""
TEXT_FOR_A_CRF = """
    from vmaftune_frv2.contract.encoder import Encoder
    @hookimpl
    def vmaftune_register_encoders(register):
        register(
            Encoder(
                name="mpeg4", presets=("default",), crf_min="1", crf_max=31, pix_fmts=("yuv420p",),
                container="mp4", argv=("-c:v", "mpeg4", "-q:v", "{crf}"), version_pattern="(Lavc)",
                default_presets=("default",), default_crfs=(2, 5),
            )
        )
"""
CANNOT_IMPORT = """
    import sys
    sys.modules["jsonschema_rs"] = None
"""
UNCHECKABLE = {
    "nested deeply": (DEEP.format(levels=900), TWO_CELLS, "frv2: mine = null: nested too deeply"),
    "text as crf_min": (TEXT_FOR_A_CRF, ("--encoder", "mpeg4"), "frv2: the row cannot be checked: TypeError: "),
    "no validator": (CANNOT_IMPORT, TWO_CELLS, "frv2: the row cannot be checked: ModuleNotFoundError: "),
}


@pytest.mark.parametrize("what", UNCHECKABLE)
def test_row_that_our_check_cannot_check_is_refused(what: str, tmp_path: Path, video: Path) -> None:
    source, grid, reason = UNCHECKABLE[what]
    site = plugin_in(tmp_path / "site", "meddler", source)
    ended = sweep(video, tmp_path / "corpus.jsonl", *grid, path=site)
    assert ended.code == 1, ended.err
    assert ended.warnings == []
    assert read_jsonl(tmp_path / "corpus.jsonl") == []
    vetoed = read_jsonl(tmp_path / "corpus.jsonl.vetoed")
    assert len(vetoed) == 2  # the sweep goes on after the first
    for refusal in vetoed:
        (said,) = refusal["reasons"]
        assert said.startswith(reason)
    assert "2 refused" in ended.err


@pytest.mark.parametrize("levels", [965, 5000])
def test_value_too_deep_to_be_written_is_left_out(levels: int, tmp_path: Path, video: Path) -> None:
    ended, row = one_row(tmp_path, video, DEEP.format(levels=levels))
    assert ended.code == 0
    (warning,) = ended.warnings
    assert "plugin meddler would add mine, which is not strict JSON" in warning
    assert ("mine" in row, row["fresh"]) == (False, 1)


def test_value_that_a_plugin_keeps_is_not_changed_afterwards(tmp_path: Path, video: Path) -> None:
    source = """
    kept = [1.0]
    @hookimpl
    def vmaftune_enrich_row(row, payload): return {"mine": kept}
    @hookimpl(trylast=True)
    def vmaftune_check_row(row): kept.append(float("nan"))
    """
    ended, row = one_row(tmp_path, video, source)
    assert (ended.code, row["mine"]) == (0, [1.0])


def test_encoder_whose_crfs_are_no_integers_is_refused_where_a_crf_is_named(tmp_path: Path, video: Path) -> None:
    site = plugin_in(tmp_path / "site", "meddler", TEXT_FOR_A_CRF)
    ended = sweep(video, tmp_path / "corpus.jsonl", "--encoder", "mpeg4", "--crf", "3", path=site)
    assert ended.code == 2
    assert "mpeg4 cannot be used: crf_min is '1', crf_max 31" in ended.err


def test_validate_tells_of_rows_that_cannot_be_checked(tmp_path: Path, video: Path) -> None:
    site = plugin_in(tmp_path / "site", "meddler", TEXT_FOR_A_CRF)
    sweep(video, tmp_path / "corpus.jsonl", "--encoder", "mpeg4", path=site)
    rows = [refusal["row"] for refusal in read_jsonl(tmp_path / "corpus.jsonl.vetoed")]
    corpus = tmp_path / "rows.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = tune("validate", corpus, path=site)
    assert ended.code == 1
    assert f"{corpus}:1: the row cannot be checked: TypeError" in ended.out
    assert tune("validate", corpus).code == 0
