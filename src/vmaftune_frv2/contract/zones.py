"""Zones: runs of frames of one stream that an encoder gives a crf of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class ZoneSyntax:
    """How an encoder takes zones.

    Args:
        option: ffmpeg's option that holds ``zones=``, among others.
        zone: one zone, with the fields ``{first}``, ``{last}`` (its frames, last one included), ``{after_first}``,
            ``{end}`` (the frames after these), ``{crf}`` and ``{factor}`` (of the bitrate that its crf stands for,
            over that of the encode's crf, where the quantiser's scale doubles every 6 crf).
    """

    option: str
    zone: str

    def text(self, zone: Zone, base: int) -> str:
        """A zone as the encoder reads it.

        Args:
            zone: frames and crf.
            base: crf of the encode.
        """
        return self.zone.format(
            first=zone.first,
            last=zone.end - 1,
            after_first=zone.first + 1,
            end=zone.end,
            crf=zone.crf,
            factor=2.0 ** ((base - zone.crf) / SCALE_DOUBLES),
        )

    def argv(self, codec_argv: Sequence[str], zones: Sequence[Zone], base: int) -> list[str]:
        """Codec arguments of one encode in which every zone has its crf.

        Args:
            codec_argv: ffmpeg codec arguments for ``base``.
            zones: covering all frames.
            base: crf of the encode.
        """
        value = "zones=" + "/".join(self.text(zone, base) for zone in merged(zones))
        argv = list(codec_argv)
        if self.option not in argv:
            return [*argv, self.option, value]
        place = argv.index(self.option) + 1
        return [*argv[:place], f"{argv[place]}:{value}", *argv[place + 1 :]]


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
    """The crf that an encode with zones names, their median; zones that cover all frames make any do."""
    crfs = sorted(zone.crf for zone in zones)
    return crfs[(len(crfs) - 1) // 2]
