"""Features from a file: means, a corpus row, or a libvmaf log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.features import CANONICAL6, mean_key, read_metric
from vmaftune_frv2.contract.files import read_json
from vmaftune_frv2.contract.full_features import pool_full
from vmaftune_frv2.contract.rows import FULL_FEATURES
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.predict.columns import Columns


def read_features(path: Path, columns: Columns) -> list[float]:
    """The features of a model from a JSON file.

    The file holds {feature: value}, a corpus row (``<f>_mean``, ``full_features``), or a libvmaf log, whose frames
    are pooled.

    Raises:
        InputError: unreadable, not JSON, a feature missing, NaN or infinite.
    """
    document = read_json(path, InputError, finite=False)
    if "frames" in document:
        document = _pool_log(document, path, columns.full)
    return columns.read(document, str(path))


def _pool_log(log: Mapping[str, Any], path: Path, full: bool) -> dict[str, Any]:
    frames = log["frames"]
    if not isinstance(frames, list) or not frames:
        raise InputError(f"{path}: the libvmaf log has no frames")
    try:
        pooled: dict[str, Any] = {
            mean_key(feature): sum(read_metric(frame["metrics"], feature) for frame in frames) / len(frames)
            for feature in CANONICAL6
        }
        if full:
            further = pool_full(frame["metrics"] for frame in frames)
            logged = set().union(*(frame["metrics"] for frame in frames))
            # A column that no frame names was not asked of libvmaf; others had no finite value.
            pooled[FULL_FEATURES] = {
                name: mean for name, mean in further.items() if mean is not None or name in logged
            }
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: the libvmaf log lacks {error}") from error
    except ValueError as error:
        raise InputError(f"{path}: the libvmaf log holds what is no number: {error}") from error
    return pooled
