"""The row contract: its keys, its JSON, and every rule that keeps a row true."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from vmaftune_frv2.contract import rows
from vmaftune_frv2.contract.rowcheck import check_row
from vmaftune_frv2.contract.schema import breaches
from vmaftune_frv2.resources import schema_path

V1_KEYS = [
    "schema_version",
    "run_id",
    "timestamp",
    "src",
    "src_sha256",
    "width",
    "height",
    "pix_fmt",
    "framerate",
    "duration_s",
    "encoder",
    "encoder_version",
    "preset",
    "crf",
    "extra_params",
    "encode_path",
    "encode_size_bytes",
    "bitrate_kbps",
    "encode_time_ms",
    "vmaf_score",
    "vmaf_model",
    "score_time_ms",
    "ffmpeg_version",
    "vmaf_binary_version",
    "exit_status",
]
V2_KEYS = [*V1_KEYS, "clip_mode"]
V3_KEYS = [
    *V2_KEYS,
    *[
        "hdr_transfer",
        "hdr_primaries",
        "hdr_forced",
        "shot_count",
        "shot_avg_duration_sec",
        "shot_duration_std_sec",
    ],
    *["adm2_mean", "vif_scale0_mean", "vif_scale1_mean", "vif_scale2_mean", "vif_scale3_mean", "motion2_mean"],
    *["adm2_std", "vif_scale0_std", "vif_scale1_std", "vif_scale2_std", "vif_scale3_std", "motion2_std"],
    *["enc_internal_qp_mean", "enc_internal_qp_std", "enc_internal_bits_mean", "enc_internal_bits_std"],
    *["enc_internal_mv_mean", "enc_internal_mv_std", "enc_internal_itex_mean", "enc_internal_ptex_mean"],
    *["enc_internal_intra_ratio", "enc_internal_skip_ratio"],
]
KEYS = {1: V1_KEYS, 2: V2_KEYS, 3: V3_KEYS}

UPSTREAM_LINES = (
    '{"adm2_mean": NaN, "adm2_std": NaN, "bitrate_kbps": 155.984, "clip_mode": "full", "crf": 28, '
    '"duration_s": 1.0, '
    '"enc_internal_bits_mean": 6818.3, "enc_internal_bits_std": 5202.5, "enc_internal_intra_ratio": 0.09, '
    '"enc_internal_itex_mean": 19900.0, "enc_internal_mv_mean": 691.4, "enc_internal_mv_std": 408.2, '
    '"enc_internal_ptex_mean": 5034.2, "enc_internal_qp_mean": 33.26, "enc_internal_qp_std": 0.0, '
    '"enc_internal_skip_ratio": 0.66, "encode_path": "enc/ref__libx264__medium__crf28.mp4", '
    '"encode_size_bytes": 19498, "encode_time_ms": 56.5, "encoder": "libx264", "encoder_version": "unknown", '
    '"exit_status": %d, "extra_params": [], "ffmpeg_version": "unknown", "framerate": 24.0, "hdr_forced": false, '
    '"hdr_primaries": "", "hdr_transfer": "", "height": 180, "motion2_mean": NaN, "motion2_std": NaN, '
    '"pix_fmt": "yuv420p", "preset": "medium", "run_id": "63adba61ddfd4c9a", "schema_version": 3, '
    '"score_time_ms": 108.0, "shot_avg_duration_sec": 0.0, "shot_count": 0, "shot_duration_std_sec": 0.0, '
    '"src": "clip/ref.yuv", "src_sha256": "%s", "timestamp": "2026-01-02T03:04:05+00:00", "vif_scale0_mean": NaN, '
    '"vif_scale0_std": NaN, "vif_scale1_mean": NaN, "vif_scale1_std": NaN, "vif_scale2_mean": NaN, '
    '"vif_scale2_std": NaN, "vif_scale3_mean": NaN, "vif_scale3_std": NaN, "vmaf_binary_version": "unknown", '
    '"vmaf_model": "vmaf_v0.6.1", "vmaf_score": %s, "width": 320}'
)
UPSTREAM_SCORED = UPSTREAM_LINES % (0, "6b" * 32, "93.449292")
UPSTREAM_FAILED = UPSTREAM_LINES % (-15, "6b" * 32, "NaN")


def downgraded(row, version):
    """The row as a writer of an older version would have it."""
    return {**{key: row[key] for key in KEYS[version]}, "schema_version": version}


@pytest.mark.parametrize("version", KEYS)
def test_keys_and_order_are_the_contract(version):
    assert list(rows.ROW_KEYS_BY_VERSION[version]) == KEYS[version]


def test_written_row_starts_with_the_contract_keys_in_order(corpus_path, rows_of):
    for row in rows_of(corpus_path):
        assert list(row)[: len(V3_KEYS)] == V3_KEYS
        assert set(row) - set(V3_KEYS) == {"per_frame_features", "per_frame_vmaf", "variable_frame_rate"}


@pytest.mark.parametrize("version", KEYS)
def test_schema_file_is_valid_and_requires_the_keys(version):
    schema = json.loads(schema_path(f"corpus_row.v{version}").read_text(encoding="utf-8"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    assert schema["required"] == KEYS[version]
    assert set(KEYS[version]) <= set(schema["properties"])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [lambda v: {"a": v}, lambda v: {"a": [1.0, v]}, lambda v: {"a": {"b": v}}])
def test_dumps_refuses_what_json_has_no_word_for(value, place):
    with pytest.raises(ValueError, match="JSON"):
        rows.dumps(place(value))


def test_loads_reads_bare_nan_as_null():
    assert rows.loads('{"a": NaN, "b": [NaN, 1.5]}') == {"a": None, "b": [None, 1.5]}


@pytest.mark.parametrize(
    "text", ['{"a": Infinity}', '{"a": -Infinity}', "[1]", "3", "null", "{", "", '{"a": nan}']
)
def test_loads_refuses_what_is_no_row(text):
    with pytest.raises(ValueError):
        rows.loads(text)


def test_loads_refuses_a_line_that_is_not_utf_8():
    with pytest.raises(ValueError):
        rows.loads(b'{"src": "caf\xe9.mkv"}')


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), JSON_VALUES, max_size=4))
def test_what_is_written_is_read_back_from_one_line(row):
    line = rows.dumps(row)
    assert "\n" not in line
    assert rows.loads(line) == row
    assert rows.loads(line.encode("utf-8")) == row


@pytest.mark.parametrize("version", KEYS)
def test_every_readable_version_validates(version, good_row):
    assert check_row(downgraded(good_row, version)) == []


@pytest.mark.parametrize("line", [UPSTREAM_SCORED, UPSTREAM_FAILED], ids=["scored", "failed"])
def test_rows_of_the_upstream_tool_validate(line):
    assert check_row(rows.loads(line)) == []


def test_older_flat_per_frame_features_validate(good_row):
    good_row["per_frame_features"] = dict.fromkeys(good_row["per_frame_features"], 0.5)
    assert check_row(good_row) == []


def test_row_of_an_encoder_nobody_knows_validates(good_row):
    good_row.update(encoder="prores_ks", preset="hq", crf=99)
    assert check_row(good_row) == []


FAILED = dict.fromkeys(
    [k for k in V3_KEYS if k.endswith(("_mean", "_std"))] + ["vmaf_score", "per_frame_features", "per_frame_vmaf"]
)

BROKEN = {
    "newer schema": ({"schema_version": 4}, "schema_version"),
    "schema as text": ({"schema_version": "3"}, "schema_version"),
    "schema as boolean": ({"schema_version": True}, "schema_version"),
    "crf missing": ({"crf": ...}, "crf"),
    "v3 key missing": ({"motion2_std": ...}, "motion2_std"),
    "width as text": ({"width": "320"}, "width"),
    "width of nothing": ({"width": 0}, "width"),
    "crf between steps": ({"crf": 28.53}, "crf"),
    "framerate 0": ({"framerate": 0}, "framerate"),
    "negative size": ({"encode_size_bytes": -1}, "encode_size_bytes"),
    "hash of another length": ({"src_sha256": "abc"}, "src_sha256"),
    "clip mode unheard of": ({"clip_mode": "half"}, "clip_mode"),
    "extra params as text": ({"extra_params": "-tune film"}, "extra_params"),
    "score not finite": ({"vmaf_score": math.inf, "per_frame_vmaf": None}, "vmaf_score"),
    "feature not finite": ({"adm2_mean": math.nan, "per_frame_features": None}, "adm2_mean"),
    "crf outside the encoder's range": ({"crf": 52}, "crf"),
    "preset the encoder lacks": ({"preset": "turbo"}, "preset"),
    "preset of another encoder": ({"encoder": "libvvenc", "preset": "13", "crf": 30}, "preset"),
    "scored row without a score": ({"vmaf_score": None, "per_frame_vmaf": None}, "vmaf_score"),
    "failed row with a score": ({**FAILED, "exit_status": 1, "vmaf_score": 50.0}, "vmaf_score"),
    "failed row with features": ({**FAILED, "exit_status": 1, "adm2_mean": 0.5}, "adm2_mean"),
    "score above 100": ({"vmaf_score": 100.5, "per_frame_vmaf": None}, "vmaf_score"),
    "score below 0": ({"vmaf_score": -0.5, "per_frame_vmaf": None}, "vmaf_score"),
    "bitrate of another size": ({"bitrate_kbps": 250.0}, "bitrate_kbps"),
    "bitrate without frames": (
        {"bitrate_kbps": 250.0, "per_frame_vmaf": None, "per_frame_features": None}, "bitrate_kbps",
    ),
    "mean of other frames": ({"adm2_mean": 0.94}, "adm2_mean"),
    "std of other frames": ({"motion2_std": 0.0}, "motion2_std"),
    "mean unknown beside its frames": ({"vif_scale3_mean": None}, "vif_scale3_mean"),
    "score of other frames": ({"vmaf_score": 91.1}, "vmaf_score"),
    "arrays of two lengths": ({"per_frame_vmaf": [91.0] * 3, "bitrate_kbps": 320.0}, "per_frame_features"),
    "frames as text": ({"per_frame_vmaf": ["91"]}, "per_frame_vmaf[0]"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_broken_row_is_told_by_its_key(what, good_row):
    changes, key = BROKEN[what]
    for name, value in changes.items():
        if value is ...:
            del good_row[name]
        else:
            good_row[name] = value
    violations = check_row(good_row)
    assert {violation.key for violation in violations} == {key}
    assert all(violation.message for violation in violations)
    assert str(violations[0]).startswith(f"{key} = ")


@pytest.mark.parametrize("key", ["per_frame_vmaf", "per_frame_features"])
def test_failed_row_with_frames_is_told(key, good_row):
    good_row.update({**FAILED, "exit_status": 1, key: good_row[key]})
    assert key in [violation.key for violation in check_row(good_row)]


def test_frames_of_one_feature_missing_is_told(good_row):
    del good_row["per_frame_features"]["vif_scale2"]
    assert [v.key for v in check_row(good_row)] == ["per_frame_features.vif_scale2"]


def test_frames_of_one_feature_too_few_is_told(good_row):
    good_row["per_frame_features"]["motion2"].pop()
    (violation,) = check_row(good_row)
    assert violation.key == "per_frame_features"
    assert "length" in violation.message


@pytest.mark.parametrize(
    ("seconds", "kbps", "valid"), [("10", 32.0, True), ("10", 40.0, False), ("0.5", 700.0, True)]
)
def test_bitrate_of_a_sample_refers_to_the_sample(seconds, kbps, valid, good_row):
    row = downgraded(good_row, 2)
    row.update(clip_mode=f"sample_{seconds}s", duration_s=60.0, encode_size_bytes=40_000, bitrate_kbps=kbps)
    assert [v.key for v in check_row(row)] == ([] if valid else ["bitrate_kbps"])


def test_unhashed_source_and_unknown_times_validate(good_row):
    good_row.update(
        src_sha256=None,
        framerate=None,
        duration_s=None,
        encoder_version=None,
        encode_time_ms=None,
        score_time_ms=None,
    )
    assert check_row(good_row) == []


def test_long_value_is_shortened_in_the_message(good_row):
    good_row["pix_fmt"] = 5
    good_row["extra_params"] = ["x" * 500, 7]
    assert all(len(str(v)) < 200 for v in check_row(good_row))


WILD = {
    "framerate too large for a float": {"framerate": math.inf},
    "score too large for a float": {"vmaf_score": 10**400},
    "size too large for a float": {"encode_size_bytes": 10**400},
    "frames whose sum is too large for a float": {"per_frame_vmaf": [1e308] * 4},
    "feature of an older version as text": {"schema_version": 1, "adm2_mean": "0.93"},
    "features of an older version as lists": {"schema_version": 2, "motion2_std": [2.0]},
}


@pytest.mark.parametrize("what", WILD)
def test_wild_value_is_a_violation_and_no_crash(what, good_row):
    good_row.update(WILD[what])
    assert set(WILD[what]) & {violation.key for violation in check_row(good_row)}


SAID = {
    "crf as text": ({"crf": "23"}, 'crf = "23": must be number or null'),
    "score as text": ({"vmaf_score": "91"}, 'vmaf_score = "91": must be number or null'),
    "width of nothing": ({"width": 0}, "width = 0: must be >= 1"),
    "no frames a second": ({"framerate": 0}, "framerate = 0: must be > 0"),
    "no name": ({"src": ""}, 'src = "": must not be empty'),
    "clip mode unheard of": ({"clip_mode": "half"}, 'clip_mode = "half": must match ^(full|'),
    "keys missing": ({"crf": ..., "width": ...}, "width, crf = null: required key is missing"),
    "NaN": ({"vmaf_score": math.nan}, "vmaf_score = NaN: numbers must be finite and below 1e+15; unknown is null"),
    "NaN where null cannot be": ({"crf": math.nan}, "crf = NaN: numbers must be finite and below 1e+15"),
    "NaN in a frame": ({"per_frame_vmaf": [math.nan, 1.0]}, "per_frame_vmaf = [NaN, 1.0]: numbers must be finite"),
    "text in a frame": (
        {"per_frame_features": {"adm2": ["x", 1.0]}},
        'per_frame_features.adm2 = ["x", 1.0]: must be an array of numbers, one per frame, or one number',
    ),
    "more than JSON": ({"preset": b"medium"}, "the row cannot be checked: Unsupported type: 'bytes'"),
    "unknown feature": ({"full_features": {"adm9": 1.0}}, "full_features.adm9 = 1.0: unknown key"),
}  # fmt: skip


@pytest.mark.parametrize("what", SAID)
def test_words_say_what_should_stand_there(what, good_row):
    changes, words = SAID[what]
    row = {key: value for key, value in {**good_row, **changes}.items() if value is not ...}
    assert any(str(violation).startswith(words) for violation in check_row(row)), check_row(row)


def test_everything_that_is_wrong_is_told_at_once(good_row):
    good_row.update(crf="23", width=0, adm2_mean=math.inf, mine=math.nan)
    del good_row["preset"]
    assert {violation.key for violation in check_row(good_row)} == {"crf", "width", "adm2_mean", "mine", "preset"}


SCHEMAS = ["corpus_row.v1", "corpus_row.v2", "corpus_row.v3", "model_sidecar", "model_registry", "model_ensemble"]
VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1,
        2.5,
        1.0,
        10**30,
        "",
        "x",
        "full",
        "6b" * 32,
        [],
        [1],
        ["a"],
        [[1.0]],
        {},
        {"adm2": [1.0]},
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(SCHEMAS))
def test_another_library_finds_the_same(data, name):
    schema = json.loads(schema_path(name).read_text(encoding="utf-8"))
    keys = st.sampled_from([*schema["properties"], "something_else"])
    document = data.draw(st.dictionaries(keys, VALUES | JSON_VALUES, max_size=12))
    there, here = set(), set()
    for error in Draft202012Validator(schema).iter_errors(document):
        at = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
        if error.validator == "required":
            there |= {f"{at}.{key}".lstrip(".") for key in error.validator_value if key not in error.instance}
        elif error.validator == "additionalProperties":
            there |= {
                f"{at}.{key}".lstrip(".") for key in error.instance.keys() - error.schema["properties"].keys()
            }
        else:
            there.add(at.lstrip("."))
    for violation in breaches(document, name):
        here |= set(violation.key.split(", ")) if "missing" in violation.message else {violation.key}
    assert here == there
