"""What a video says of its light and colours beside the samples, and what an encode has lost of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmaftune_frv2.media.ffmpeg import TRIAL_TIMEOUT_S, FFmpeg
from vmaftune_frv2.media.look import LOG_ARGV, colour_of

KINDS = {
    "Mastering display metadata": "mastering display (HDR10)",
    "Content light level metadata": "content light level (HDR10)",
    "HDR Dynamic Metadata SMPTE2094-40 (HDR10+)": "dynamic metadata (HDR10+)",
    "Dolby Vision RPU Data": "Dolby Vision",
}
"""Side data of a frame, as showinfo names it, and what people call it."""
_SIDE_DATA = re.compile(r"side data - ([^:\n]+)(?:: *([^\n]*))?")
_UNKNOWN = ("unknown", "unspecified", "reserved")


@dataclass(frozen=True)
class Signalling:
    """What the first frame of a video says.

    Args:
        side_data: {name in KINDS: what showinfo says of it}.
        colour: {color_range, color_space, color_primaries, color_trc: ffmpeg's names}; without unknown ones.
    """

    side_data: Mapping[str, str]
    colour: Mapping[str, str]

    def lost_in(self, other: Signalling) -> list[str]:
        """What another one lacks of this, a line each."""
        lines = [f"{KINDS[name]} is lost" for name in self.side_data if name not in other.side_data]
        for key, value in self.colour.items():
            now = other.colour.get(key)
            # Limited range is what no label means.
            if now != value and not (key == "color_range" and value == "tv" and now is None):
                lines.append(f"{key} is {now or 'unknown'}, and {value} in the source")
        return lines


def read_signalling(ffmpeg: FFmpeg, inputs: Sequence[str], stream: str, filters: str = "") -> Signalling:
    """Decodes the first frame of a video and reads what it says; nothing where it cannot be decoded.

    Args:
        ffmpeg: decodes.
        inputs: arguments that open the file.
        stream: the video track within it.
        filters: that its frames go through, each ending in a comma.
    """
    argv = [*LOG_ARGV, *inputs, "-map", f"0:{stream}", "-frames:v", "1", "-vf"]
    argv += [f"{filters}showinfo=checksum=0", "-f", "null", "-"]
    log = ffmpeg.run(argv, timeout=TRIAL_TIMEOUT_S).stderr
    first = log.split(" n:   1 ")[0]
    found = {name.strip(): text.strip() for name, text in _SIDE_DATA.findall(first)}
    colour = {key: value for key, value in colour_of(first).items() if value not in _UNKNOWN}
    return Signalling({name: text for name, text in found.items() if name in KINDS}, colour)
