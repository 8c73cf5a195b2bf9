"""From ``--encoder --preset --crf`` to cells, everything checked before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.crf import Crf, parse_crfs
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.contract.encoders import ENCODERS, EncoderTable
from vmaftune_frv2.errors import UsageError


@dataclass(frozen=True)
class Choice:
    """One value of an option; ``ENCODER=VALUE`` binds it to one encoder, None to none."""

    encoder: str | None
    value: str


def parse_choice(text: str, table: EncoderTable = ENCODERS) -> Choice:
    """Splits ``ENCODER=VALUE``; a bare value belongs to every encoder."""
    name, found, value = text.partition("=")
    return Choice(table.get(name).name, value) if found else Choice(None, text)


def parse_setting(text: str, table: EncoderTable = ENCODERS) -> Choice:
    """As ``parse_choice`` where an encoder's name stands before the first ``=``; else all of it is the value."""
    return parse_choice(text, table) if table.find(text.partition("=")[0]) else Choice(None, text)


def build_grid(
    encoders: Sequence[str], presets: Sequence[str], crfs: Sequence[str], table: EncoderTable = ENCODERS
) -> tuple[Cell, ...]:
    """Cells of every encoder, its presets and its crfs, in table order of presets and rising crf.

    Args:
        encoders: names or aliases.
        presets: preset names, or ``ENCODER=PRESET``; empty takes each encoder's defaults. An unbound
            preset goes to every encoder that knows it.
        crfs: numbers or ranges, or ``ENCODER=RANGE``; empty takes each encoder's defaults.
        table: known encoders.

    Raises:
        UsageError: an unknown encoder, a preset no encoder knows, an encoder left without presets, a
            crf outside an encoder's range or between its steps.
    """
    entries = list(dict.fromkeys(table.get(name) for name in encoders))
    preset_choices = [parse_choice(text, table) for text in presets]
    crf_choices = [parse_choice(text, table) for text in crfs]
    names = {entry.name for entry in entries}
    for choice in (*preset_choices, *crf_choices):
        if choice.encoder is not None and choice.encoder not in names:
            raise UsageError(f"{choice.encoder}={choice.value} is bound to an encoder that is not in --encoder")
    _all_known(entries, preset_choices)
    return tuple(
        Cell(entry.name, preset, crf)
        for entry in entries
        for preset in _presets_of(entry, preset_choices)
        for crf in _crfs_of(entry, crf_choices)
    )


def _all_known(entries: Sequence[Encoder], choices: Sequence[Choice]) -> None:
    for choice in choices:
        takers = [entry for entry in entries if choice.encoder in (None, entry.name)]
        if not any(_knows(entry, choice.value) for entry in takers):
            takers[0].resolve_preset(choice.value)


def _knows(entry: Encoder, preset: str) -> bool:
    return preset in entry.presets or preset in entry.preset_aliases


def _presets_of(entry: Encoder, choices: Sequence[Choice]) -> list[str]:
    bound = [c.value for c in choices if c.encoder == entry.name]
    values = bound or [c.value for c in choices if c.encoder is None and _knows(entry, c.value)]
    if choices and not values:
        raise UsageError(f"no --preset is one of {entry.name}'s: {', '.join(entry.presets)} (fast to slow)")
    if not (values or entry.default_presets):
        raise UsageError(f"{entry.name} has no default presets; give --preset: {', '.join(entry.presets)}")
    return list(dict.fromkeys(entry.resolve_preset(value) for value in values or entry.default_presets))


def _crfs_of(entry: Encoder, choices: Sequence[Choice]) -> tuple[Crf, ...]:
    bound = [c.value for c in choices if c.encoder == entry.name]
    values = bound or [c.value for c in choices if c.encoder is None]
    if not (values or entry.default_crfs):
        raise UsageError(f"{entry.name} has no default crfs; give --crf {entry.crf_min}..{entry.crf_max}")
    if not values:
        return entry.default_crfs
    return tuple(entry.check_crf(crf) for crf in parse_crfs(values))


def without_crfs(encoders: Iterable[str], crfs: Sequence[str], table: EncoderTable = ENCODERS) -> tuple[str, ...]:
    """Those of some encoders for which no crf was asked.

    Args:
        encoders: their ffmpeg names.
        crfs: as ``build_grid``.
        table: known encoders.
    """
    bound = {choice.encoder for choice in (parse_choice(text, table) for text in crfs)}
    return () if None in bound else tuple(name for name in dict.fromkeys(encoders) if name not in bound)


def learnt_crfs(cells: Iterable[Cell], crfs: Sequence[str]) -> tuple[Crf, Crf] | None:
    """First and last crf of a line's candidates, where these end at what a model learnt.

    Args:
        cells: candidates of one encoder.
        crfs: as ``build_grid``.

    Returns:
        None where they were named, or are all that the encoder takes.
    """
    found = sorted({(cell.crf, cell.encoder) for cell in cells})
    if not found or not without_crfs([found[0][1]], crfs):
        return None
    encoder, ends = ENCODERS.get(found[0][1]), (found[0][0], found[-1][0])
    return None if ends == (encoder.crf_min, encoder.crf_max) else ends


def candidate_grid(
    seen: Mapping[str, Mapping[str, Any]], encoders: Sequence[str], presets: Sequence[str], crfs: Sequence[str]
) -> tuple[Cell, ...]:
    """The cells to predict; what is not named comes from what a model was trained on.

    Args:
        seen: {encoder: presets, crf_min, crf_max}, as a sidecar's ``cells``.
        encoders: as ``build_grid``; none takes all that were seen.
        presets: likewise.
        crfs: likewise.

    Raises:
        UsageError: a cell that cannot be.
    """
    encoders = encoders or tuple(seen)
    if not encoders:
        raise UsageError("the model does not say what it was trained on; give --encoder")
    names = [ENCODERS.get(name).name for name in encoders]
    if not presets:
        presets = tuple(f"{name}={preset}" for name in names for preset in _seen_presets(seen, name))
    if not crfs:
        crfs = tuple(f"{name}={_seen_crfs(seen, name)}" for name in names)
    return build_grid(names, presets, crfs)


def was_seen(seen: Mapping[str, Mapping[str, Any]], cell: Cell) -> bool:
    """Whether training saw the cell's encoder and preset, and a range of crf that holds its own.

    Args:
        seen: as ``candidate_grid``.
        cell: any.
    """
    of_encoder = seen.get(cell.encoder)
    return (
        of_encoder is not None
        and cell.preset in of_encoder["presets"]
        and of_encoder["crf_min"] <= cell.crf <= of_encoder["crf_max"]
    )


def _seen_presets(seen: Mapping[str, Mapping[str, Any]], encoder: str) -> tuple[str, ...]:
    return tuple(seen[encoder]["presets"]) if encoder in seen else ENCODERS.get(encoder).default_presets


def _seen_crfs(seen: Mapping[str, Mapping[str, Any]], encoder: str) -> str:
    entry = ENCODERS.get(encoder)
    if encoder not in seen:
        return f"{entry.crf_min}:{entry.crf_max}"
    low, high = max(seen[encoder]["crf_min"], entry.crf_min), min(seen[encoder]["crf_max"], entry.crf_max)
    first, last = math.ceil(low), math.floor(high)
    return f"{first}:{last}" if first <= last else f"{low}"
