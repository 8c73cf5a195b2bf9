"""What an encoder is told so that each shot gets its own crf.

libx264 takes a crf per zone. libx265 takes none (its zones know ``q`` and ``b``; a crf makes it ignore them), but
``b`` divides the quantiser's scale, which doubles every 6 crf. Other encoders get one segment per shot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

X264, X265 = "libx264", "libx265"
ZONED = (X264, X265)
"""Encoders that change their crf within a stream."""
SCALE_DOUBLES = 6.0
"""Crf steps that double the quantiser's scale in H.264 and HEVC."""


@dataclass(frozen=True)
class Zone:
    """A run of frames and its crf.

    Args:
        first: number of the first frame.
        end: number of the frame after the last.
        crf: for these frames.
    """

    first: int
    end: int
    crf: int


def merged(zones: Sequence[Zone]) -> list[Zone]:
    """Neighbours of one crf as one zone."""
    found: list[Zone] = []
    for zone in zones:
        if found and found[-1].crf == zone.crf and found[-1].end == zone.first:
            found[-1] = Zone(found[-1].first, zone.end, zone.crf)
        else:
            found.append(zone)
    return found


def base_crf(zones: Sequence[Zone]) -> int:
    """The crf that an encode with zones names; zones that cover all frames make any do."""
    return median_low([zone.crf for zone in zones])


def zone_text(encoder: str, zone: Zone, base: int) -> str:
    """A zone as the encoder reads it, first and last frame included.

    Args:
        encoder: one of ZONED.
        zone: frames and crf.
        base: crf of the encode, which libx265's factor refers to.
    """
    if encoder == X264:
        return f"{zone.first},{zone.end - 1},crf={zone.crf}"
    # libx265 holds the frames that it has done, this one not among them, against first - 1 and end.
    return f"{zone.first + 1},{zone.end},b={2.0 ** ((base - zone.crf) / SCALE_DOUBLES):.6g}"


def zone_argv(encoder: str, codec_argv: Sequence[str], zones: Sequence[Zone], base: int) -> list[str]:
    """Codec arguments of one encode in which every zone has its crf.

    Args:
        encoder: one of ZONED.
        codec_argv: ffmpeg codec arguments for ``base``.
        zones: covering all frames.
        base: crf of the encode.
    """
    option = f"-{encoder.removeprefix('lib')}-params"
    value = "zones=" + "/".join(zone_text(encoder, zone, base) for zone in merged(zones))
    argv = list(codec_argv)
    if option not in argv:
        return [*argv, option, value]
    place = argv.index(option) + 1
    return [*argv[:place], f"{argv[place]}:{value}", *argv[place + 1 :]]
