"""Where the features come from: a file, a libvmaf log, or a probe encode."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmaftune_frv2.contract.features import CANONICAL6, feature_vector, mean_key, read_metric
from vmaftune_frv2.contract.files import read_json
from vmaftune_frv2.errors import InputError, ToolError

if TYPE_CHECKING:
    from vmaftune_frv2.contract.cells import Cell
    from vmaftune_frv2.contract.rows import Row
    from vmaftune_frv2.media.ffmpeg import FFmpeg
    from vmaftune_frv2.media.source import Source


def read_features(path: Path) -> list[float]:
    """[6] canonical-6 means from a JSON file.

    The file holds {feature: value}, a corpus row (``<f>_mean``), or a libvmaf log, whose frames are pooled.

    Raises:
        InputError: unreadable, not JSON, a feature missing, NaN or infinite.
    """
    document = read_json(path, InputError)
    if "frames" in document:
        document = _pool_log(document, path)
    return feature_vector(document, str(path))


def _pool_log(log: Mapping[str, Any], path: Path) -> dict[str, float]:
    frames = log["frames"]
    if not isinstance(frames, list) or not frames:
        raise InputError(f"{path}: the libvmaf log has no frames")
    try:
        return {
            mean_key(feature): sum(read_metric(frame["metrics"], feature) for frame in frames) / len(frames)
            for feature in CANONICAL6
        }
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: the libvmaf log lacks {error}") from error


def measure_cell(ffmpeg: FFmpeg, source: Source, cell: Cell, vmaf_model: str) -> Row:
    """Encodes and scores one cell of a source; the row that a sweep would have written.

    Raises:
        ToolError: it failed.
    """
    from vmaftune_frv2.contract.encoders import ENCODERS
    from vmaftune_frv2.contract.rows import FAILURE_REASON
    from vmaftune_frv2.corpus.measure import MeasureOptions, measure
    from vmaftune_frv2.corpus.plan import make_plan

    plan, _ = make_plan(ffmpeg, [source], [cell], vmaf_model=vmaf_model)
    (request,) = plan
    row = measure(request, ENCODERS.get(cell.encoder), ffmpeg, MeasureOptions()).row
    if row["exit_status"] != 0:
        raise ToolError(row[FAILURE_REASON], row["exit_status"])
    return row
