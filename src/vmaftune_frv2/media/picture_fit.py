"""Which parts of two pictures belong together: black bars that one of them has, and another size."""

from __future__ import annotations

from dataclasses import dataclass

from vmaftune_frv2.contract.filters import Filters
from vmaftune_frv2.contract.raw import RawFormat
from vmaftune_frv2.contract.score_request import AUTO, NONE
from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.filtering import find_bars
from vmaftune_frv2.media.look import FirstLook

SAME_SHAPE = 0.01
"""Relative difference of width over height that rounding to whole pixels may make."""
ROUNDED = 8
"""Columns or rows by which black bars may be found too narrow or too wide: dark edges, and blocks of encoders."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Fit:
    """What is cropped of either picture, as ``WIDTH:HEIGHT:X:Y``; empty for nothing."""

    distorted: str = ""
    reference: str = ""

    def filters(self) -> tuple[Filters, Filters]:
        """Of the distorted video and of the reference."""
        return Filters(crop=self.distorted), Filters(crop=self.reference)


@dataclass(frozen=True)
class Seen:
    """A first look at one of the two.

    Args:
        label: path as given.
        raw: how a headerless file is read.
        look: at its first frame, as filters make it.
        chain: these filters, empty for none.
    """

    label: str
    raw: RawFormat | None
    look: FirstLook
    chain: str = ""

    @property
    def size(self) -> Size:
        """Columns and rows."""
        return self.look.width, self.look.height


def fit(ffmpeg: FFmpeg, distorted: Seen, reference: Seen, crop: str) -> Fit:
    """Finds what of the pictures belongs together.

    Args:
        ffmpeg: looks for black bars.
        distorted: one video.
        reference: the other.
        crop: of the reference, as the user has it; or ``auto``, or ``none``.

    Raises:
        UsageError: the crop lies outside of the reference.
        InputError: the shapes do not fit, with or without black bars.
    """
    if crop == NONE:
        return Fit()
    if crop != AUTO:
        width, height, x, y = map(int, crop.split(":"))
        if x + width > reference.size[0] or y + height > reference.size[1]:
            raise UsageError(f"--crop {crop}: {reference.label} is {_text(reference.size)}")
        return Fit(reference=crop)
    if _fits(distorted.size, reference.size):
        return Fit()
    bars = find_bars(ffmpeg, reference.label, reference.raw, reference.look, reference.chain)
    cropped = _rounded(bars, distorted.size, reference.size)
    if cropped and _fits(distorted.size, _size(cropped)):
        return Fit(reference=cropped)
    others = find_bars(ffmpeg, distorted.label, distorted.raw, distorted.look, distorted.chain)
    inner = _rounded(others, reference.size, distorted.size)
    if inner and _fits(_size(inner), reference.size):
        return Fit(distorted=inner)
    if inner and cropped and _fits(_size(inner), _size(cropped)):
        return Fit(inner, cropped)
    within = f" ({_text(_size(cropped))} within black bars)" if cropped else ""
    raise InputError(
        f"{distorted.label} is {_text(distorted.size)}, {reference.label} {_text(reference.size)}{within}: not the"
        " same shape; say which part of the reference it shows (--crop WIDTH:HEIGHT:X:Y), or --crop none if it is"
        " stretched"
    )


def _fits(one: Size, other: Size) -> bool:
    """Whether two sizes are the same, or one is the other scaled.

    A picture that has lost rows and no columns, or columns and no rows, was cropped.
    """
    if one == other:
        return True
    if one[0] == other[0] or one[1] == other[1]:
        return False
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= max(SAME_SHAPE, 1.5 / min(*one, *other))


def _rounded(found: str, wanted: Size, whole: Size) -> str:
    """What was found within black bars, at the size that is wanted where it is that nearly; empty for no bars."""
    if not found:
        return ""
    width, height, x, y = map(int, found.split(":"))
    if (width, height) == whole:
        return ""
    if max(abs(width - wanted[0]), abs(height - wanted[1])) <= ROUNDED:
        x = min(max(x + (width - wanted[0]) // 2, 0), whole[0] - wanted[0])
        y = min(max(y + (height - wanted[1]) // 2, 0), whole[1] - wanted[1])
        width, height = wanted
    if min(x, y) < 0:
        return ""
    return f"{width}:{height}:{x - x % 2}:{y - y % 2}"


def _size(crop: str) -> Size:
    width, height = crop.split(":")[:2]
    return int(width), int(height)


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
