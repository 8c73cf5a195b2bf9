"""Zones: runs of frames of one stream that an encoder gives a crf of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmaftune_frv2.contract.crf import Crf
from vmaftune_frv2.contract.encoder import Encoder

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
    crf: Crf


def zone_text(encoder: Encoder, zone: Zone, base: Crf) -> str:
    """A zone as an encoder reads it.

    Args:
        encoder: one that has zones.
        zone: frames and crf.
        base: crf of the encode.
    """
    assert encoder.zones is not None
    return encoder.zones[1].format(
        first=zone.first,
        last=zone.end - 1,
        after_first=zone.first + 1,
        end=zone.end,
        crf=zone.crf,
        factor=2.0 ** ((base - zone.crf) / SCALE_DOUBLES),
    )


def zone_argv(encoder: Encoder, codec_argv: Sequence[str], zones: Sequence[Zone], base: Crf) -> list[str]:
    """Codec arguments of one encode in which every zone has its crf.

    Args:
        encoder: one that has zones.
        codec_argv: ffmpeg codec arguments for ``base``.
        zones: covering all frames.
        base: crf of the encode.
    """
    assert encoder.zones is not None
    option, value = encoder.zones[0], "/".join(zone_text(encoder, zone, base) for zone in merged(zones))
    argv = list(codec_argv)
    if option not in argv:
        return [*argv, option, f"zones={value}"]
    place = argv.index(option) + 1
    return [*argv[:place], f"{argv[place]}:zones={value}", *argv[place + 1 :]]


def merged(zones: Sequence[Zone]) -> list[Zone]:
    """Neighbours of one crf as one zone."""
    found: list[Zone] = []
    for zone in zones:
        if found and found[-1].crf == zone.crf and found[-1].end == zone.first:
            found[-1] = Zone(found[-1].first, zone.end, zone.crf)
        else:
            found.append(zone)
    return found


def base_crf(zones: Sequence[Zone]) -> Crf:
    """The crf that an encode with zones names, their median; zones that cover all frames make any do."""
    crfs = sorted(zone.crf for zone in zones)
    return crfs[(len(crfs) - 1) // 2]
