"""When the frames of a source are shown: their number, span and rate, from the timestamps that decoding gives.

Headers lie (a default duration that nobody kept, a rate of fields), so they are asked only which of several rates
that fit the timestamps was meant. ffmpeg's ``framecrc`` muxer lists the timestamps.
"""

from __future__ import annotations

import itertools
import statistics
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

LIST_FRAMES = ("-fps_mode", "passthrough", "-enc_time_base", "demux", "-c:v", "wrapped_avframe", "-f", "framecrc")
"""Output arguments that list decoded frames, whose samples are left alone."""
LIST_PACKETS = ("-c", "copy", "-f", "framecrc")
"""The same for packets, without decoding."""
_DISCARD = 0x4
"""Flag of a packet that is decoded and not shown, as those before the start of an edit list."""

_NO_STAMP = -(1 << 63)
"""What stands for an unknown timestamp; AVI knows only when packets are decoded."""

_CONTAINER_TICK = Fraction(1, 1000)
"""Matroska, FLV and phones count milliseconds, and so their times stay rounded in any other container."""
_SLACK = Fraction(11, 10)
_OFF_GRID_SHARE = Fraction(3, 10)
"""Times that lie further off an even grid than this share of a frame are not rounded, they are meant."""
_PULLDOWN_SHARE = Fraction(1, 4)
"""3:2 pulldown shows film frames for two and three fields in turn: up to a fifth of a film frame off the grid."""
_PULLDOWN = Fraction(3, 2)
_FILM = (23, 26)
"""Frame rates that pulldown brings to those of television."""
_SPAN_SLACK = Fraction(1, 2000)
"""Share of the span by which the last frame's duration may take it off frames / rate."""
_AGREEING_SHARE = 0.9
"""Share of the frames whose stated duration leads to the next one, for stated durations to be believed."""
_NEAR = Fraction(1, 1000)
"""Relative difference between a rate that was meant and one that was fitted."""
_TICK_SHARE = Fraction(1, 4)
"""How far off a tick a frame may lie, as a share of the tick."""
_STANDARD_RATES = tuple(
    sorted(
        {Fraction(rate) for rate in (*range(1, 31), 48, 50, 60, 72, 90, 100, 120, 144, 240)}
        | {Fraction(rate * 1000, 1001) for rate in (12, 15, 24, 30, 48, 60, 120, 240)}
    )
)


@dataclass(frozen=True)
class Stamps:
    """Timestamps of N frames in order of presentation.

    Args:
        tick: seconds.
        pts: [N] ticks; 0 is where ffmpeg's clock of the file begins.
        durations: [N] ticks as stated, 0 where nothing is.
    """

    tick: Fraction
    pts: Sequence[int]
    durations: Sequence[int]


@dataclass(frozen=True)
class Timing:
    """What the timestamps of the frames in use say.

    Args:
        frames: how many.
        first: seconds of the first frame on ffmpeg's clock of the file.
        rate: average frames per second.
        variable: whether the frames are shown at uneven times.
        on_ticks: of uneven times, whether the clock that ffmpeg encodes with by default, one tick per frame of the
            stated rate, can say them.
    """

    frames: int
    first: Fraction
    rate: Fraction
    variable: bool = False
    on_ticks: bool = True

    @property
    def span(self) -> Fraction:
        """Seconds from the first frame to the end of the last."""
        return self.frames / self.rate


def read_stamps(lines: Iterable[str], *, decoded: bool = True) -> Stamps | None:
    """The timestamps in what ``framecrc`` wrote; None where nothing is shown.

    Args:
        lines: of the listing.
        decoded: whether it lists frames; packets come in the order of decoding.
    """
    tick, pts, durations = Fraction(0), array("q"), array("q")
    for line in lines:
        if line.startswith("#tb 0:"):
            tick = Fraction(line.removeprefix("#tb 0:").strip())
        if line.startswith("#"):
            continue
        fields = line.split(",")
        if len(fields) < 6 or _is_hidden(fields[6:]):
            continue
        stamp = int(fields[2])
        pts.append(stamp if stamp != _NO_STAMP else int(fields[1]))
        durations.append(int(fields[3]))
    if not pts:
        return None
    if not decoded:
        order = sorted(range(len(pts)), key=pts.__getitem__)
        pts, durations = array("q", (pts[n] for n in order)), array("q", (durations[n] for n in order))
    return Stamps(tick, pts, durations)


def _is_hidden(further: Sequence[str]) -> bool:
    """Whether the further fields of a packet's line say that it is not shown."""
    flags = [field.strip().removeprefix("F=0x") for field in further if field.strip().startswith("F=0x")]
    return bool(flags) and bool(int(flags[0], 16) & _DISCARD)


def read_timing(stamps: Stamps, stated_rate: Fraction | None) -> Timing:
    """What timestamps say.

    Args:
        stamps: of the frames in use, at least one.
        stated_rate: what ffmpeg makes of the header, None where it makes nothing of it.
    """
    frames, first = len(stamps.pts), stamps.pts[0] * stamps.tick
    deltas = [after - before for before, after in itertools.pairwise(stamps.pts)]
    if not deltas:
        lasts = stamps.durations[0] * stamps.tick
        return Timing(frames, first, 1 / lasts if lasts > 0 else stated_rate or Fraction(25))
    believed = _stated_durations_hold(stamps, deltas)
    if min(deltas) > 0:
        rate = _even_rate(stamps, deltas, stated_rate, believed)
        if rate is not None:
            return Timing(frames, first, rate)
    last = stamps.durations[-1] if stamps.durations[-1] > 0 else max(round(statistics.median(deltas)), 1)
    lowest = min(stamps.pts)
    span = (max(stamps.pts) - lowest + last) * stamps.tick
    # Times that stand still or run back say nothing of single frames; those are shown evenly.
    variable = min(deltas) > 0
    return Timing(frames, lowest * stamps.tick, frames / span, variable, _on_ticks(stamps, stated_rate))


def _stated_durations_hold(stamps: Stamps, deltas: Sequence[int]) -> bool:
    """Whether stated durations lead from frame to frame, so that the last one can be believed.

    Where a clock counts frames, as that of AVI, each is stated to last one tick and does, whatever is left out.
    """
    if stamps.tick > 2 * _CONTAINER_TICK and min(stamps.durations) == max(stamps.durations) == 1:
        return True
    slack = _SLACK * max(stamps.tick, _CONTAINER_TICK) / stamps.tick
    agreeing = sum(abs(stated - delta) <= slack for stated, delta in zip(stamps.durations, deltas, strict=False))
    return stamps.durations[-1] > 0 and agreeing >= _AGREEING_SHARE * len(deltas)


def _even_rate(stamps: Stamps, deltas: Sequence[int], stated: Fraction | None, believed: bool) -> Fraction | None:
    """The rate on whose grid the timestamps lie but for rounding, None where there is none.

    The stated one goes before a standard one, which goes before any other. Where stated durations are believed,
    the last frame must end on the grid too.
    """
    fitted = len(deltas) / ((stamps.pts[-1] - stamps.pts[0]) * stamps.tick)
    near = max(_NEAR, Fraction(1, 4 * len(deltas)))
    standard = sorted(_STANDARD_RATES, key=lambda rate: abs(rate - fitted))[:2]
    meant = [rate for rate in (stated, *standard) if rate and abs(rate / fitted - 1) < near]
    for rate in (*meant, fitted):
        if _off_grid(stamps, rate) > _allowed(stamps, deltas, rate):
            continue
        if not believed or _ends_evenly(stamps, rate):
            return rate
    return None


def _off_grid(stamps: Stamps, rate: Fraction) -> Fraction:
    """Seconds between the earliest and the latest frame, each against its place on an even grid."""
    # Whole numbers of 1 / (tick's denominator x rate's numerator) seconds: films have many frames.
    per_tick, per_frame = stamps.tick.numerator * rate.numerator, stamps.tick.denominator * rate.denominator
    early = late = stamps.pts[0] * per_tick
    for place, pts in enumerate(stamps.pts):
        off = pts * per_tick - place * per_frame
        early, late = min(early, off), max(late, off)
    return Fraction(late - early, stamps.tick.denominator * rate.numerator)


def _allowed(stamps: Stamps, deltas: Sequence[int], rate: Fraction) -> Fraction:
    """How far off the grid of a rate rounding, or pulldown, takes timestamps."""
    if _FILM[0] < rate < _FILM[1] and _is_pulldown(deltas):
        return _PULLDOWN_SHARE / rate
    return min(_SLACK * max(stamps.tick, _CONTAINER_TICK), _OFF_GRID_SHARE / rate)


def _is_pulldown(deltas: Sequence[int]) -> bool:
    """Whether frames are shown for two fields or for three, and for nothing else."""
    short, long = min(deltas), max(deltas)
    slack = max(1.0, short / 100)
    return abs(long / short - _PULLDOWN) < 0.02 and all(
        min(delta - short, long - delta) <= slack for delta in deltas
    )


def _ends_evenly(stamps: Stamps, rate: Fraction) -> bool:
    """Whether the last frame is shown about as long as the others."""
    span = (stamps.pts[-1] - stamps.pts[0] + stamps.durations[-1]) * stamps.tick
    even = len(stamps.pts) / rate
    return abs(span - even) <= max(_SPAN_SLACK * even, min(_SLACK * _CONTAINER_TICK, _OFF_GRID_SHARE / rate))


def _on_ticks(stamps: Stamps, rate: Fraction | None) -> bool:
    """Whether every frame has a tick of its own, near enough, on a clock that ticks once per frame of a rate."""
    if not rate:
        return False
    per_tick, whole = stamps.tick.numerator * rate.numerator, stamps.tick.denominator * rate.denominator
    previous = -1
    for pts in stamps.pts:
        place, off = divmod((pts - stamps.pts[0]) * per_tick + whole // 2, whole)
        if place <= previous or abs(off - whole // 2) > _TICK_SHARE * whole:
            return False
        previous = place
    return True
