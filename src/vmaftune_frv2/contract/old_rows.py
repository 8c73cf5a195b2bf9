"""Rows of older shapes as rows of version 3. Nothing else knows that there are other shapes.

What a shape does not tell is null, and stays so: no size, time or preset is guessed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from vmaftune_frv2.contract.codec import VOCABULARIES
from vmaftune_frv2.contract.crf import Crf, on_steps, tidy
from vmaftune_frv2.contract.encoder_names import canonical_name
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import CANONICAL6, MEAN_KEYS, STD_KEYS, mean_key, pool, read_metric
from vmaftune_frv2.contract.rows import (
    CORPUS_ROW_KEYS,
    PER_FRAME_FEATURES,
    READABLE_VERSIONS,
    SCHEMA_VERSION,
    UPGRADED_FROM,
    Row,
    empty_row,
)

TRAINER, FLAT = "trainer", "flat"
CLIP_SWEEP, FRAME_SWEEP = "hardware-clip", "hardware-frame"
CLIP_TABLE, FRAME_TABLE = "table-clip", "table-frame"
OF_FRAMES = (FRAME_SWEEP, FRAME_TABLE)
"""Shapes whose rows are frames; all frames of an encode make one row."""
FRAME_INDEX = "frame_index"
VERSIONED = "v"
"""What the name of a shape begins with whose rows have a version."""

_SOURCE = ("src", "source", "key")
_ENCODER = ("encoder", "codec", "encoder_upstream")
_QUALITY = ("crf", "cq", "q")
_SCORE = ("vmaf_score", "vmaf")
_SCORE_KEYS = frozenset(_SCORE)
_ENCODE = ("encode_path", "dis_path", "dis_basename")
_OTHER_NAMES = {
    "bitrate_kbps": ("bitrate_kbps", "actual_kbps"),
    "encode_size_bytes": ("encode_size_bytes", "enc_bytes"),
    "encode_time_ms": ("encode_time_ms", "enc_time_ms", "encode_wall_ms", "enc_ms"),
    "score_time_ms": ("score_time_ms", "score_wall_ms"),
}
"""{key of a row: what older shapes call it}."""
_MEASURED = frozenset((
    "run_id", "timestamp", "src_sha256", "width", "height", "pix_fmt", "duration_s", "encode_size_bytes",
    "exit_status",
))  # fmt: skip
"""Keys of every version, none of which a row of the trainer's has."""
_ITSELF = (UPGRADED_FROM, PER_FRAME_FEATURES)
_ON_THE_CRF_AXIS = ("_nvenc", "_qsv", "_vaapi", "_amf")
"""Encoders whose constant quality (cq, global_quality, qp) falls as the number grows, as a crf's does."""
_AXIS, _WIDEST_AXIS = 63, 255
"""The largest crf, cq or qp of any encoder, and of the hardware encoders of AV1."""
_TOLERANCE = 1e-4
"""Between a mean that is given twice."""


class OldRowError(Exception):
    """A row of a known shape that cannot become one of version 3; the message is the same for all of a kind."""


class Origin(NamedTuple):
    """Where a row comes from: its shape, its encoder's name where that was another one, how many lines it was."""

    shape: str
    encoder: str = ""
    lines: int = 1


OURS = Origin(f"v{SCHEMA_VERSION}")


@dataclass(frozen=True)
class Told:
    """What is said of rows beside what they say.

    Args:
        codec: the key that names the encoder, or its name where no row has such a key.
        codec_of: names what a file of a row was encoded with; None where it cannot.
        vmaf_model: of the rows that do not name one.
    """

    codec: str | None = None
    codec_of: Callable[[Row], str | None] | None = None
    vmaf_model: str | None = None


NOTHING = Told()


def is_ours(row: Row) -> bool:
    """Whether a valid row is as we write them."""
    if row["schema_version"] != SCHEMA_VERSION:
        return False
    features = row.get(PER_FRAME_FEATURES)
    return not features or isinstance(features.get("adm2"), list)


def shape_of(row: Mapping[str, Any], told: Told = NOTHING) -> str:
    """The shape of a row by its keys; empty where it is none that is known."""
    if "schema_version" in row:
        version = row["schema_version"]
        if type(version) is not int or version not in READABLE_VERSIONS:
            return ""
        if version == SCHEMA_VERSION and _MEASURED.isdisjoint(row) and {"encoder", "vmaf_score"} <= row.keys():
            return TRAINER
        return f"v{version}-{FLAT}" if _is_flat(row) else f"v{version}"
    swept = _first(row, _QUALITY[1:]) is not None
    if FRAME_INDEX in row:  # also one without a score: the frames of its encode are not all of them without it
        return FRAME_SWEEP if swept else FRAME_TABLE
    if _SCORE_KEYS.isdisjoint(row):
        return ""
    named = told.codec is not None or told.codec_of is not None or _first(row, _ENCODER) is not None
    if not named:
        return ""
    if swept:
        return CLIP_SWEEP
    return CLIP_TABLE if any(f in row or mean_key(f) in row for f in CANONICAL6) else ""


def version_of(shape: str) -> int | None:
    """The schema version that rows of a shape have, None where they have none."""
    if shape == TRAINER:
        return SCHEMA_VERSION
    return int(shape[1]) if shape.startswith(VERSIONED) else None


def upgraded(row: Row, shape: str, told: Told = NOTHING) -> tuple[Row, Origin]:
    """A row of version 3 that says what a row says; whether that is true is still to be checked.

    Args:
        row: of a shape that is no frame's.
        shape: as ``shape_of`` gives it.
        told: what else is known.

    Raises:
        OldRowError: it lacks something that no row can be without, or its values have another meaning.
    """
    if shape.startswith(VERSIONED):
        new = empty_row() | {key: value for key, value in row.items() if key not in _ITSELF}
        new |= {"schema_version": SCHEMA_VERSION, "clip_mode": row.get("clip_mode", "full")}
        if not shape.endswith(FLAT):
            new |= {key: row[key] for key in _ITSELF if key in row}
    else:
        new = _of_clip(row)
    new |= _means(row)
    spelled = _spelled_encoder(row, NOTHING if shape.startswith(VERSIONED) else told)
    new["encoder"] = encoder = canonical_name(spelled)
    if not shape.startswith(VERSIONED):
        new["crf"] = _quality(row, encoder)
        new["run_id"] = row.get("run_id") or _digest(row)
    if new["vmaf_model"] is None:
        new["vmaf_model"] = told.vmaf_model
    if shape != OURS.shape:
        new[UPGRADED_FROM] = shape
    return new, Origin(shape, spelled if spelled != encoder else "")


def _is_flat(row: Mapping[str, Any]) -> bool:
    features = row.get(PER_FRAME_FEATURES)
    if not isinstance(features, dict) or not features:
        return False
    return not any(isinstance(value, (list, dict)) for value in features.values())


def _of_clip(row: Row) -> Row:
    """What a row without a version says, under the keys of ours."""
    new = empty_row()
    new.update({key: row[key] for key in CORPUS_ROW_KEYS if row.get(key) is not None})
    new.update({key: _first(row, names) for key, names in _OTHER_NAMES.items()})
    for names in (_SCORE, _QUALITY, _OTHER_NAMES["bitrate_kbps"]):
        _refuse_two(row, names)
    score, source = _number(_first(row, _SCORE)), _first(row, _SOURCE)
    failed = row.get("exit_status") or 0
    if not isinstance(source, (str, int)) or source == "":
        raise OldRowError("it names no source (src)")
    if score is None and not failed:
        raise OldRowError("its VMAF is no number")
    if row.get("recipe"):
        raise OldRowError("its recipe stands for encoder parameters that it does not name")
    if _number(new["bitrate_kbps"]) == 0 and not failed:
        raise OldRowError("its bitrate is 0, so that nothing was encoded")
    preset = row.get("preset")
    new |= {
        "schema_version": SCHEMA_VERSION,
        "src": str(source),
        "preset": None if preset is None or isinstance(preset, bool) else str(preset),
        "extra_params": row.get("extra_params") or [],
        "encode_path": _first(row, _ENCODE),
        "vmaf_score": None if failed else score,
        "exit_status": failed,
        "clip_mode": row.get("clip_mode") or "full",
    }
    # What only we write beside the contract's keys, as the arrays of frames.
    further = {key: value for key, value in row.items() if key.startswith("per_frame_vmaf")}
    arrays = row.get(PER_FRAME_FEATURES)
    if isinstance(arrays, dict) and not _is_flat(row):
        further[PER_FRAME_FEATURES] = arrays
    return new | further


def _means(row: Row) -> Row:
    """``<f>_mean`` of the features that a row has as means, under whatever name; null for those that it lacks."""
    flat = row.get(PER_FRAME_FEATURES) if _is_flat(row) else {}
    found: Row = {}
    for feature, key in zip(CANONICAL6, MEAN_KEYS, strict=True):
        given = [_number(row.get(key)), _metric(flat, feature)]
        if "schema_version" not in row:
            given.append(_metric(row, feature))
        values = [value for value in given if value is not None]
        if values and max(values) - min(values) > _TOLERANCE:
            raise OldRowError(f"it gives two means of {feature}")
        found[key] = values[0] if values else row.get(key)
    arrays = _arrays(row)
    if arrays is not None and not any(row.get(key) is not None for key in (*MEAN_KEYS, *STD_KEYS)):
        found |= pool(arrays)
    return found


def _arrays(row: Row) -> dict[str, list[float]] | None:
    """The features of each frame, if a row has numbers for all of them."""
    arrays = row.get(PER_FRAME_FEATURES)
    if not isinstance(arrays, dict):
        return None
    found: dict[str, Any] = {name: arrays.get(name) for name in CANONICAL6}
    numbers = (isinstance(each, list) and each and None not in map(_number, each) for each in found.values())
    return found if all(numbers) else None


def _spelled_encoder(row: Row, told: Told) -> str:
    """The name of the encoder as the row, or whoever upgrades it, spells it."""
    name: Any = None
    if told.codec_of is not None:
        name = told.codec_of(row)
        if name is None:
            raise OldRowError("no file that it names is there to look at (--codec-from-source)")
    elif told.codec is not None:
        name = row.get(told.codec)
        if told.codec not in row:
            name = told.codec
            if not _is_an_encoder(name):
                raise OldRowError(f"it has no {name}, which is no encoder's name either (--codec)")
    else:
        name = _first(row, _ENCODER)
    if not isinstance(name, str) or not name:
        raise OldRowError("it names no encoder (--codec says which)")
    return name


def _is_an_encoder(name: str) -> bool:
    named = canonical_name(name)
    return ENCODERS.find(named) is not None or any(named in vocabulary for vocabulary in VOCABULARIES.values())


def _quality(row: Row, encoder: str) -> Crf | None:
    """The crf, or what means the same to the encoder; None where the row has none.

    Raises:
        OldRowError: it means something else, or lies between the encoder's steps; of an unknown one, these are 1.
    """
    key = next((key for key in _QUALITY if row.get(key) is not None), None)
    if key is None:
        return None
    value, step = _number(row[key]), ENCODERS.crf_step(encoder)
    if value is None or not on_steps(value, step):
        raise OldRowError(f"its {key} is no {'whole number' if step == 1 else f'multiple of {step:g}'}")
    entry = ENCODERS.find(encoder)
    longest = max(entry.crf_max if entry else 0, _WIDEST_AXIS if "av1" in encoder else _AXIS)
    if not 0 <= value <= longest:
        raise OldRowError(f"its {key} is none that an encoder takes")
    if key != "crf" and entry is None and not encoder.endswith(_ON_THE_CRF_AXIS):
        raise OldRowError(f"{key} of {encoder} need not mean what crf means")
    return tidy(value)


def _refuse_two(row: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    """Refuses a row that gives a value twice, differently, under two names."""
    given = [key for key in keys if row.get(key) is not None]
    if any(row[key] != row[given[0]] for key in given[1:]):
        raise OldRowError(f"{' and '.join(given)} are one value, and differ")


def _first(row: Mapping[str, Any], keys: Iterable[str]) -> Any:
    return next((row[key] for key in keys if row.get(key) is not None), None)


def _number(value: Any) -> float | None:
    """A finite number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if -1e15 < value < 1e15 and not math.isnan(value) else None


def _metric(values: Any, feature: str) -> float | None:
    try:
        return _number(read_metric(values, feature))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _digest(row: Row) -> str:
    """An id that is the same whenever the same row is upgraded."""
    try:
        text = repr(sorted(row.items())).encode("utf-8", "surrogatepass")
    except RecursionError as error:
        raise OldRowError("it is nested too deeply") from error
    return hashlib.blake2b(text, digest_size=16).hexdigest()
