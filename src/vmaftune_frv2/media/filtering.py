"""What filters make of a source: the frames that come out, and where its black bars are."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.contract.files import sha256_bytes
from vmaftune_frv2.contract.filters import AUTO, Filters
from vmaftune_frv2.contract.raw import RawFormat
from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.media.ffmpeg import COUNT_FRAMES, TRIAL_TIMEOUT_S, FFmpeg
from vmaftune_frv2.media.look import LOG_ARGV, FirstLook, colour_of, shown_frame
from vmaftune_frv2.media.process import scratch_dir
from vmaftune_frv2.media.source import input_argv
from vmaftune_frv2.media.trouble import first_error
from vmaftune_frv2.progress import step

_DETECT = "cropdetect=limit=24/255:round=2:reset=0:skip=0"
"""Finds the largest picture of all frames, to the pixel pair; black is darker than 24 of 255."""
_FOUND = re.compile(r" crop=(-?\d+):(-?\d+):(-?\d+):(-?\d+)")
ALL_FRAMES_S = 120.0
"""Of longer sources black bars are looked for in keyframes only."""
LEAST_SHARE = 0.25
"""A picture that is a smaller share of the frame is no letterbox: the source is black but for something small."""


@dataclass(frozen=True)
class Filtered:
    """A first look at what filters make of a file.

    Args:
        look: at the first frame that comes out.
        chain: filters of encodes, empty for none.
        reference: those of the reference, None where they are the same.
        remarks: notes for the user.
        files: digest of the files that the filters name, empty where they name none.
    """

    look: FirstLook
    chain: str
    reference: str | None
    remarks: tuple[str, ...] = ()
    files: str = ""


def filtered(ffmpeg: FFmpeg, label: str, raw: RawFormat | None, look: FirstLook, filters: Filters) -> Filtered:
    """Tries the filters of a source on its first frames, and finds its black bars where they are to be cropped.

    Args:
        ffmpeg: filters.
        label: path as given.
        raw: format of a headerless file.
        look: at the file as it is.
        filters: what is asked for.

    Raises:
        UsageError: ffmpeg does not take the filters, or reference and encodes come out at different sizes.
        InputError: ffmpeg cannot read the file.
    """
    if not filters:
        return Filtered(look, "", None)
    remarks: tuple[str, ...] = ()
    crop = filters.crop
    if crop == AUTO:
        before = _through(ffmpeg, label, raw, look, filters.chain(), "--vfilter")
        crop = find_bars(ffmpeg, label, raw, look, filters.chain())
        crop = "" if crop == f"{before.width}:{before.height}:0:0" else crop
        remarks = (f"{label}: cropped to {crop}" if crop else f"{label}: no black bars to crop",)
    chain, reference = filters.chain(crop), filters.reference_chain(crop)
    seen = _through(ffmpeg, label, raw, look, chain, "--vfilter" if filters.vfilter else "--crop and --scale")
    if reference is not None:
        other = _through(ffmpeg, label, raw, look, reference, "--reference-vfilter")
        if (other.width, other.height) != (seen.width, seen.height):
            raise UsageError(
                f"{label}: --reference-vfilter gives {other.width}x{other.height}, the encode is"
                f" {seen.width}x{seen.height}; scale or crop both alike (--scale, --crop)"
            )
        if other.interlaced:
            raise InputError(f"{label}: the reference is interlaced; deinterlace in --reference-vfilter too")
    digest = "".join(sha256_bytes(path.read_bytes()) for path in filters.files())
    return Filtered(seen, chain, reference, remarks, digest and sha256_bytes(digest.encode())[:16])


def _through(
    ffmpeg: FFmpeg, label: str, raw: RawFormat | None, look: FirstLook, chain: str, spelled: str
) -> FirstLook:
    """A first look at the frames that a chain of filters gives."""
    argv = [*LOG_ARGV, *input_argv(Path(label).absolute(), raw), "-map", f"0:V:{look.track.number}"]
    argv += ["-frames:v", "1", "-vf", f"{chain},showinfo=checksum=0" if chain else "showinfo=checksum=0"]
    # Scoring runs in folders of its own: a file that a filter names is to be found from there, too.
    with scratch_dir(None, "filters-") as folder:
        done = ffmpeg.run([*argv, "-f", "null", "-"], cwd=folder, timeout=TRIAL_TIMEOUT_S)
    frame = shown_frame(done.stderr)
    if not done.ok or frame is None:
        files = "; files that filters name need absolute paths" if "No such file" in done.stderr else ""
        raise UsageError(f"{label}: {spelled} {chain!r} cannot be used ({first_error(done.stderr)}){files}")
    return dataclasses.replace(
        look,
        pix_fmt=frame[2],
        width=int(frame[3]),
        height=int(frame[4]),
        interlaced=frame[5] in "TB",
        colour=colour_of(done.stderr),
    )


def find_bars(ffmpeg: FFmpeg, label: str, raw: RawFormat | None, look: FirstLook, chain: str) -> str:
    """The part of the frames that is not black anywhere in the source, as ``WIDTH:HEIGHT:X:Y``.

    Args:
        ffmpeg: decodes all of a source, or the keyframes of one that is longer than ``ALL_FRAMES_S``.
        label: path as given.
        raw: format of a headerless file.
        look: at the file as it is.
        chain: filters that come before, empty for none.

    Returns:
        Even numbers; empty where there is nothing to go by, as in a source that is black throughout.

    Raises:
        InputError: the file cannot be decoded.
    """
    keyframes = ("-skip_frame", "nokey") if look.lasts_s is None or look.lasts_s > ALL_FRAMES_S else ()
    argv = [*LOG_ARGV, *COUNT_FRAMES, *keyframes, *input_argv(Path(label).absolute(), raw)]
    argv += ["-map", f"0:V:{look.track.number}", "-vf", f"{chain},{_DETECT}" if chain else _DETECT]
    frames = None if keyframes else round((look.lasts_s or 0.0) * float(look.stated_rate or 0)) or None
    with step("crop", frames):
        done = ffmpeg.run([*argv, "-fps_mode", "passthrough", "-f", "null", "-"])
    if not done.ok:
        raise InputError(f"{label}: cannot be decoded to its end ({first_error(done.stderr)})")
    found = _FOUND.findall(done.stderr)
    if not found:
        return ""
    width, height, x, y = map(int, found[-1])
    if width <= 0 or height <= 0 or width * height < LEAST_SHARE * look.width * look.height:
        return ""
    # Chroma has half the rows and columns: a picture that begins on an odd one keeps the one before it.
    width, height = width + x % 2, height + y % 2
    return f"{width + width % 2}:{height + height % 2}:{x - x % 2}:{y - y % 2}"
