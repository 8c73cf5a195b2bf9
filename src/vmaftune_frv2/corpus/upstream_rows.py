"""A corpus as upstream's trainer of ``fr_regressor_v2`` takes one: each row of it scored, and with features.

That trainer turns a score that is null into a crash, features that are null into zeros, and a preset that it does
not know into its default, all without a word about which row it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from vmaftune_frv2.contract.codec import VOCABULARIES
from vmaftune_frv2.contract.encoder import SHARED_PRESETS
from vmaftune_frv2.contract.encoder_names import canonical_name
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import CANONICAL6, MEAN_KEYS, STD_KEYS, feature_vector, mean_key, pool
from vmaftune_frv2.contract.files import atomic_file
from vmaftune_frv2.contract.output_names import refuse_output
from vmaftune_frv2.contract.rows import (
    CORPUS_ROW_KEYS,
    PER_FRAME_FEATURES,
    SCHEMA_VERSION,
    VARIABLE_FRAME_RATE,
    VIDEO_TRACK,
    VIEW,
    Row,
    clip_of,
    dumps,
)
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_rows
from vmaftune_frv2.errors import InputError, NegativeError, OutputError

TRAINER_SLOTS = VOCABULARIES[2]
"""The encoders that the trainer tells apart; any other takes its slot ``unknown``."""
_X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
_NVENC = tuple(f"p{number}" for number in range(1, 8))
TRAINER_PRESETS: dict[str, tuple[str, ...]] = {
    "libx264": _X26X,
    "libx265": _X26X,
    "libsvtav1": tuple(map(str, range(14))),
    "libvvenc": ("faster", "fast", "medium", "slow", "slower"),
    **dict.fromkeys(("h264_nvenc", "hevc_nvenc", "av1_nvenc"), _NVENC),
    **dict.fromkeys(("h264_qsv", "hevc_qsv", "av1_qsv"), _X26X[2:9]),
}
"""The presets that the trainer knows; of libvpx-vp9 it knows none that rows have."""
KEPT_KEYS = (VIEW, VIDEO_TRACK, VARIABLE_FRAME_RATE)
"""What is kept beside the contract's keys, because it tells rows apart."""


@dataclass
class Exported:
    """What became of the rows.

    Attributes:
        out: the corpus that was written.
        rows: in it.
        left_out: {reason: rows}.
        encoders: {encoder: rows}.
        unknown_slot: {encoder: rows} whose encoder the trainer does not tell apart.
        default_preset: {encoder: rows} whose preset it takes for its default.
    """

    out: str
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    encoders: Counter[str] = field(default_factory=Counter)
    unknown_slot: Counter[str] = field(default_factory=Counter)
    default_preset: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """The object that ``export-rows --json`` prints."""
        counts = ("left_out", "encoders", "unknown_slot", "default_preset")
        return {"out": self.out, "rows": self.rows, **{name: dict(getattr(self, name)) for name in counts}}


class _Line(NamedTuple):
    """A row to write; ``key`` is shared by rows of one cell."""

    text: str
    encoder: str
    preset: str
    vmaf_model: str
    key: tuple[Any, ...]


def export_rows(
    paths: Sequence[Path], out: Path, vmaf_model: str | None = None, overwrite: bool = False
) -> Exported:
    """Writes the rows of corpora that upstream's trainer can learn from, all of them or no file.

    Args:
        paths: corpus files, or folders of such files.
        out: plain JSON lines.
        vmaf_model: take only rows scored with this VMAF model.
        overwrite: replace ``out`` where it exists.

    Raises:
        UsageError: ``out`` is one of the corpora, or compressed by its name.
        InputError: a corpus cannot be read, or scores of several VMAF models would be mixed.
        NegativeError: no row can be learnt from.
        OutputError: ``out`` exists, or cannot be written.
    """
    corpora = list(paths)
    files = corpus_files(corpora)
    refuse_output(out, "OUT", [*corpora, *files])
    _refuse_existing(out, overwrite)
    done, models = Exported(str(out)), Counter[str]()
    with atomic_file(out) as stream:
        for line in _usable(files, vmaf_model, done.left_out):
            stream.write(line.text.encode() + b"\n")
            done.rows += 1
            models[line.vmaf_model] += 1
            done.encoders[line.encoder] += 1
            done.unknown_slot[line.encoder] += line.encoder not in TRAINER_SLOTS
            done.default_preset[line.encoder] += line.preset not in TRAINER_PRESETS.get(line.encoder, ())
        if len(models) > 1:
            counts = ", ".join(f"{model} ({count} rows)" for model, count in models.most_common())
            raise InputError(f"the trainer would mix VMAF models: {counts}; choose one with --vmaf-model")
        if not done.rows:
            reasons = "; ".join(f"{count}: {reason}" for reason, count in done.left_out.items())
            raise NegativeError(f"no row to export ({reasons or 'no rows at all'}); wrote nothing")
        _refuse_existing(out, overwrite)
    done.unknown_slot, done.default_preset = +done.unknown_slot, +done.default_preset
    return done


def _refuse_existing(out: Path, overwrite: bool) -> None:
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists; --overwrite replaces it")


def _usable(files: Iterable[Path], vmaf_model: str | None, left_out: Counter[str]) -> Iterator[_Line]:
    seen: set[tuple[Any, ...]] = set()
    for found in read_rows(files, partial(_line, vmaf_model)):
        if not isinstance(found, _Line):
            left_out[found.summary if isinstance(found, Fault) else found] += 1
        elif found.key in seen:
            left_out["a cell that was measured before"] += 1
        else:
            seen.add(found.key)
            yield found


def _line(vmaf_model: str | None, row: Row) -> _Line | str:
    """The line of a valid row; else why it has none."""
    if row["exit_status"] != 0:
        return "the cell failed"
    if vmaf_model is not None and row["vmaf_model"] != vmaf_model:
        return f"scored with {row['vmaf_model']}"
    if row["crf"] is None or row["preset"] is None:
        return "the crf or the preset is not known"
    features = _features(row)
    if any(features.get(key) is None for key in MEAN_KEYS):
        return "features are null"
    try:
        feature_vector(features, "row")
    except InputError:  # before version 3 the contract says nothing of features
        return "a feature is not a number that libvmaf can give"
    encoder = canonical_name(row["encoder"])
    preset = trainer_preset(encoder, row["preset"])
    plain = {key: row.get(key) for key in CORPUS_ROW_KEYS} | features
    plain |= {"schema_version": SCHEMA_VERSION, "encoder": encoder, "preset": preset}
    plain |= {"clip_mode": row.get("clip_mode", "full")} | {key: row[key] for key in KEPT_KEYS if key in row}
    key = (clip_of(row), encoder, preset, row["crf"], row["vmaf_model"], tuple(row["extra_params"]))
    return _Line(dumps(plain), encoder, preset, str(row["vmaf_model"]), key)


def _features(row: Row) -> dict[str, Any]:
    """Means and deviations of a row, from its values per frame where older versions have no columns of them."""
    per_frame = row.get(PER_FRAME_FEATURES) or {}
    given = [per_frame.get(feature) for feature in CANONICAL6]
    further: dict[str, Any] = {}
    if all(isinstance(values, list) and values for values in given):
        further = dict(pool(per_frame))
    elif not any(isinstance(values, list) for values in given):
        further = {mean_key(feature): value for feature, value in zip(CANONICAL6, given, strict=True)}
    columns = (*MEAN_KEYS, *STD_KEYS)
    return {key: further.get(key) if row.get(key) is None else row[key] for key in columns}


def trainer_preset(encoder: str, preset: str) -> str:
    """A preset as upstream writes it: the encoder's own name where the trainer knows that, else the shared one.

    Of several shared names that run as one preset, it is the one nearest to medium; one without any stays.
    """
    entry = ENCODERS.find(encoder)
    native = entry.resolve_preset(preset) if entry else preset
    if entry is None or native in TRAINER_PRESETS.get(encoder, ()):
        return native
    alike = [name for name in SHARED_PRESETS if entry.preset_aliases.get(name, name) == native]
    medium = SHARED_PRESETS.index("medium")
    return min(alike, key=lambda name: abs(SHARED_PRESETS.index(name) - medium), default=native)
