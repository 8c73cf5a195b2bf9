"""Why a file cannot be read, from ffmpeg's log: the cause, which is seldom its last line."""

from __future__ import annotations

import re
from pathlib import Path

_LEVEL = re.compile(r"^(?:\[[^\]]+ @ 0x[0-9a-f]+\] )*\[(?:error|fatal)\] (.*)$", re.MULTILINE)
_DEVICE = re.compile(r"^\[AVHWDeviceContext @ 0x[0-9a-f]+\] \[\w+\] (.*)$", re.MULTILINE)
_UNLEVELLED = re.compile(r"^(?!\[|ffmpeg version|libva info)\s*(\S.*)$", re.MULTILINE)
_AFTERMATH = (
    "Task finished with error", "Terminating thread", "Nothing was written", "Could not open encoder",
    "Error opening", "Conversion failed", "Error while opening", "Error submitting", "Decode error rate",
    "Decoding error",
)  # fmt: skip
"""Messages of ffmpeg that only follow from earlier ones."""
_SEARCHED = 1 << 22
_ENCRYPTION_BOXES = (b"encv", b"sinf", b"tenc")


def cause(log: str, path: Path) -> str:
    """One line of why ffmpeg could not read a file.

    Args:
        log: its stderr, each line with its level.
        path: the file.
    """
    if _is_encrypted(log, path):
        return "encrypted; decrypt it first"
    no_decoder = re.search(r"no decoder found for: (\S+)|Decoder \(codec (\S+)\) not found", log)
    if no_decoder:
        return f"this ffmpeg has no decoder for its codec ({_codec(log) or no_decoder[1] or no_decoder[2]})"
    if "moov atom not found" in log:
        return "the file was cut short or its recording never finished: the index (moov) is missing"
    if not _said(log, skipped=("Cannot determine format",)):
        return "a header without media: no frames follow it, as in an initialization segment"
    if "no tfhd was found" in log:
        return "a media segment without the initialization segment that describes it"
    return f"ffmpeg finds no video in it ({first_error(log)})"


def first_error(log: str) -> str:
    """The first thing that went wrong, by ffmpeg's words."""
    words = _said(log)
    return words[0] if words else "no message"


def no_device(log: str) -> str:
    """Why an encoder has no device to work on, in one line.

    Args:
        log: ffmpeg's stderr, each line with its level, down to ``verbose``.
    """
    words = _said(log, skipped=("Device creation failed", "Failed to set value", "Error parsing global options"))
    if words:
        return words[0]
    # What opened the device says more than ffmpeg; a library that is missing ends ffmpeg with words of its own.
    found = _DEVICE.search(log) or _UNLEVELLED.search(log)
    return found[1] if found else first_error(log)


def _said(log: str, skipped: tuple[str, ...] = ()) -> list[str]:
    found = (line.strip() for line in _LEVEL.findall(log))
    return [line for line in found if line and not line.startswith((*_AFTERMATH, *skipped))]


def _codec(log: str) -> str | None:
    """The codec's own four letters, where ffmpeg knows no name for it."""
    found = re.search(r"Stream #0:\d+\S*: Video: (\w+) (?:\([^)]*\) )*\((\S+) / 0x", log)
    if found is None:
        return None
    return found[2] if found[1] == "none" else found[1]


def _is_encrypted(log: str, path: Path) -> bool:
    """Whether an MP4 file has the boxes of Common Encryption (ISO/IEC 23001-7), or Matroska says so."""
    if re.search(r"encrypt|decryption", log, re.IGNORECASE):
        return True
    if "Input #0, mov" not in log:
        return False
    with path.open("rb") as stream:
        head = stream.read(_SEARCHED)
        stream.seek(max(path.stat().st_size - _SEARCHED, 0))
        tail = stream.read(_SEARCHED)
    return any(all(box in part for box in _ENCRYPTION_BOXES) for part in (head, tail))
