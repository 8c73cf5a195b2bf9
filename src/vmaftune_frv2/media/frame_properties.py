"""What a file changes on the way: size, pixel format, range, orientation, colour labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vmaftune_frv2.errors import InputError
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.look import LOG_ARGV, colour_of
from vmaftune_frv2.media.source import Source

CHANGED = "Reconfiguring filter graph because"
"""How ffmpeg tells, at the level of info, that a frame is unlike those before."""
_FRAME = re.compile(r" n: *\d+ .*? pts_time:(\S+) .*? fmt:(\S+) .*? s:(\d+x\d+) ")
_TURNED = "matri"
_LABELS = {"color_space": "colorspace", "color_primaries": "color_primaries", "color_trc": "color_trc"}


@dataclass(frozen=True)
class _Look:
    """What filters see of a frame."""

    size: str
    pix_fmt: str
    colour: dict[str, str]

    @property
    def full_range(self) -> bool:
        return self.pix_fmt.startswith("yuvj") or self.colour.get("color_range") == "pc"

    @property
    def format(self) -> str:
        return self.pix_fmt.replace("yuvj", "yuv")


def find_change(ffmpeg: FFmpeg, source: Source) -> str | None:
    """What changes among the frames in use; decodes them.

    Args:
        ffmpeg: decodes.
        source: whose frames ffmpeg found unlike each other.

    Returns:
        A remark where only colour labels change; None where nothing does that counts.

    Raises:
        InputError: size, pixel format, range or orientation change, which no score survives.
    """
    argv = [*LOG_ARGV, *source.input_argv(), "-map", f"0:{source.stream}"]
    done = ffmpeg.run([*argv, "-vf", f"{source.filters}showinfo=checksum=0", "-f", "null", "-"])
    return _first_change(source.label, done.stderr.splitlines())


def _first_change(label: str, lines: Iterable[str]) -> str | None:
    first: _Look | None = None
    number, time, turned, frame, remark = -1, "", False, ("", ""), None
    for line in lines:
        if CHANGED in line:
            turned = turned or _TURNED in line
        elif found := _FRAME.search(line):
            number, time, frame = number + 1, found[1], (found[3], found[2])
        elif "color_range:" in line:
            look = _Look(*frame, colour_of(line))
            first = first or look
            change = _change(first, look, turned)
            if change is not None:
                raise InputError(
                    f"{label}: {change} at frame {number} ({float(time):.3f} s); cut it there and use one part"
                )
            if remark is None and look.colour != first.colour:
                remark = f"{label}: colour labels change near frame {number}; those of the first frame are kept"
    return remark


def _change(first: _Look, look: _Look, turned: bool) -> str | None:
    """What is different and counts."""
    if turned:
        return "the orientation changes"
    if look.size != first.size:
        return f"the size changes from {first.size} to {look.size}"
    if look.format != first.format:
        return f"the pixel format changes from {first.pix_fmt} to {look.pix_fmt}"
    if look.full_range != first.full_range:
        names = {False: "limited", True: "full"}
        return f"the range changes from {names[first.full_range]} to {names[look.full_range]}"
    return None


def steady_filter(colour: Mapping[str, str]) -> str:
    """The filter that gives every frame these colour labels, ending in a comma."""
    names = {name: colour.get(key, "unknown") for key, name in _LABELS.items()}
    labels = {"range": "tv" if colour.get("color_range") in (None, "unknown") else colour["color_range"], **names}
    return "setparams=" + ":".join(f"{name}={value}" for name, value in labels.items()) + ","
