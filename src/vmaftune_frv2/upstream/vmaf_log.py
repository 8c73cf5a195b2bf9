"""libvmaf's log as the upstream tool reads it: features under their bare names too, and deviations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from vmaftune_frv2.upstream.vmaf_options import DEFAULT_NAME, ModelChoice

V = TypeVar("V")
_FIXED = ("integer_motion", "VMAF_integer_feature_motion_sad_score")
_PLAIN = (
    "adm2", "aim", "adm3", *(f"adm_scale{n}" for n in range(4)), *(f"vif_scale{n}" for n in range(4)),
    "motion2", "motion3",
)  # fmt: skip
PLAIN = {**{name: (f"integer_{name}",) for name in _PLAIN}, "motion": _FIXED}
"""{bare name: libvmaf's names of the fixed-point feature without options}. A name with a suffix, as
``integer_motion2_mmxv_18``, is that of a variant and stays the only one it has."""
FLOAT = "float_"
"""What precedes the name of a floating-point extractor's feature, which libvmaf logs bare, where that is taken."""


def readable_log(
    payload: Mapping[str, Any], models: Sequence[ModelChoice], predict: bool = True
) -> dict[str, Any]:
    """A log for the upstream tool.

    Args:
        payload: libvmaf's log of N frames.
        models: whose scores are in it.
        predict: whether these are wanted; otherwise features alone.

    Returns:
        The same frames and pooled values with bare names besides; each pooled one with ``stddev``, the population
        standard deviation over the N frames, null where a frame has no value.
    """
    names = [model.name for model in models]
    frames = [
        {**frame, "metrics": _scores(_with_bare_names(frame["metrics"]), names, predict)}
        for frame in payload["frames"]
    ]
    pooled = _scores(_with_bare_names(payload.get("pooled_metrics") or {}), names, predict)
    for name, block in pooled.items():
        pooled[name] = {**block, "stddev": _deviation([frame["metrics"].get(name) for frame in frames])}
    return {
        **{key: value for key, value in payload.items() if key != "aggregate_metrics"},
        "frames": frames,
        "pooled_metrics": pooled,
        "aggregate_metrics": payload.get("aggregate_metrics") or {},
    }


def _with_bare_names(values: Mapping[str, V]) -> dict[str, V]:
    """The same, and each plain feature under its bare name."""
    bare = {}
    for name, own in PLAIN.items():
        value = next((values[each] for each in own if each in values), None)
        if value is not None:
            bare[name] = value
    return {**{FLOAT + name if name in bare else name: value for name, value in values.items()}, **bare}


def _scores(values: dict[str, V], names: Sequence[str], predict: bool) -> dict[str, V]:
    """With the first model's score under ``vmaf`` too, unless another has that name; or without any score."""
    if not predict:
        return {name: value for name, value in values.items() if name not in names}
    if DEFAULT_NAME not in names and names[0] in values:
        values[DEFAULT_NAME] = values[names[0]]
    return values


def _deviation(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    mean = math.fsum(known) / len(known)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in known) / len(known))
