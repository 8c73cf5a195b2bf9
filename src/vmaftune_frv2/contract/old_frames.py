"""Rows of older shapes that are one frame each: all frames of an encode make one row."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from typing import Any

from vmaftune_frv2.contract.features import CANONICAL6, pool, read_metric
from vmaftune_frv2.contract.old_rows import FRAME_INDEX, NOTHING, OldRowError, Origin, Told, upgraded
from vmaftune_frv2.contract.rows import PER_FRAME_FEATURES, PER_FRAME_VMAF, Row

_TELLING = (
    "src", "source", "key", "dis_path", "dis_basename", "encode_path", "encoder", "codec", "encoder_upstream",
    "cq", "q", "crf", "preset", "recipe",
)  # fmt: skip
"""Keys that tell the frames of an encode from those of others."""
_OF_ENCODE = (
    "bitrate_kbps", "actual_kbps", "encode_size_bytes", "duration_s", "width", "height", "vmaf_model",
)  # fmt: skip
"""What all frames of an encode say alike."""
_WIDTH = 2 + len(CANONICAL6)


class Frames:
    """The frames of a file, gathered by encode; some 64 bytes of each are held."""

    def __init__(self) -> None:
        self._encodes: dict[str, _Encode] = {}

    def add(self, line: int, row: Row, shape: str) -> None:
        """Takes the frame of a line."""
        key = repr([value for value in map(row.get, _TELLING) if not isinstance(value, (dict, list))])
        encode = self._encodes.get(key)
        if encode is None:
            encode = self._encodes[key] = _Encode(line, row, shape)
        encode.add(row)

    def rows(self, told: Told = NOTHING) -> Iterator[tuple[int, str, tuple[Row, Origin] | OldRowError]]:
        """Of every encode, in order: the line of its first frame, its shape, its row or why there is none."""
        for encode in self._encodes.values():
            try:
                row, origin = upgraded(encode.joined(), encode.shape, told)
                yield encode.line, encode.shape, (row, origin._replace(lines=encode.lines))
            except OldRowError as error:
                yield encode.line, encode.shape, error


class _Encode:
    """The frames of one encode.

    Args:
        line: of its first frame.
        first: that frame's row, for what all of them say.
        shape: of the rows.
    """

    def __init__(self, line: int, first: Row, shape: str) -> None:
        self.line, self.shape, self._first = line, shape, first
        self.lines = 0
        self._values = array("d")
        self._broken = ""

    def add(self, row: Mapping[str, Any]) -> None:
        """Takes a frame; one that lacks a number breaks the encode."""
        self.lines += 1
        if any(row.get(key) != self._first.get(key) for key in _OF_ENCODE):
            self._broken = "its frames are of several encodes that nothing tells apart"
        try:
            index = row[FRAME_INDEX]
            metrics = [_number(row.get("vmaf", row.get("vmaf_score")))]
            metrics += [_number(read_metric(row, feature)) for feature in CANONICAL6]
            self._values.extend((_number(index), *metrics))
        except (KeyError, TypeError, ValueError, OverflowError):
            self._broken = "a frame lacks its number, its VMAF or a feature"

    def joined(self) -> Row:
        """One row, with arrays of the frames in order.

        Raises:
            OldRowError: a frame is missing, or there twice with other values.
        """
        import numpy as np

        if self._broken:
            raise OldRowError(self._broken)
        frames = np.unique(np.frombuffer(self._values, dtype=np.float64).reshape(-1, _WIDTH), axis=0)
        numbers = frames[:, 0]
        if len(np.unique(numbers)) < len(numbers):
            raise OldRowError("a frame is there twice, with different values")
        if numbers[0] != 0 or numbers[-1] != len(numbers) - 1:
            raise OldRowError("frames are missing: their numbers do not run from 0 on")
        vmaf, *features = frames[:, 1:].T.tolist()
        per_frame = dict(zip(CANONICAL6, features, strict=True))
        # The features of the first frame must not pass for those of all.
        spelled = {prefix + name for name in CANONICAL6 for prefix in ("", "integer_", "float_")}
        common = {key: value for key, value in self._first.items() if key not in (*spelled, "vmaf")}
        common |= {PER_FRAME_FEATURES: per_frame, PER_FRAME_VMAF: vmaf, "vmaf_score": float(np.mean(vmaf))}
        return common | pool(per_frame)


def _number(value: Any) -> float:
    """A finite number.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e15 < value < 1e15:
        raise ValueError
    return float(value)
