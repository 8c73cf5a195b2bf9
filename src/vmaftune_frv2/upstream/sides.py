"""The two videos of a score: headerless YUV or what ffmpeg decodes, and which of their frames are paired."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vmaftune_frv2.contract.raw import RAW_SUFFIXES, RawFormat
from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.look import look_at
from vmaftune_frv2.media.opening import LEAST_SIDE, open_source, stat_video
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import together

CHROMA = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}
"""{--pixel_format: by how many halvings chroma has fewer columns and rows}."""
DEPTHS = {8: "", 10: "10le", 12: "12le", 16: "16le"}
"""{bits per sample: how ffmpeg's name of a pixel format ends}; libvmaf takes these."""
_RAW_NAMES = (*RAW_SUFFIXES, "")
_MAGIC = (
    (0, b"YUV4MPEG2 "), (0, b"\x1aE\xdf\xa3"), (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (8, b"AVI "),
    (0, b"DKIF"), (0, b"FLV\x01"), (0, b"OggS"), (0, b"\x30\x26\xb2\x75"),
)  # fmt: skip
"""Where a container shows what it is, whatever it is called; no picture begins so."""
_ANY_RATE = Fraction(25)


@dataclass(frozen=True)
class Shape:
    """What the command line says of headerless YUV.

    Args:
        width: luma columns.
        height: luma rows.
        chroma: a key of ``CHROMA``.
        depth: bits per sample.
    """

    width: int
    height: int
    chroma: str
    depth: int

    @property
    def pix_fmt(self) -> str:
        """ffmpeg's name of the pixel format."""
        return f"yuv{self.chroma}p{DEPTHS[self.depth]}"

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        across, down = CHROMA[self.chroma]
        chroma = -(-self.width // (1 << across)) * -(-self.height // (1 << down))
        return (self.width * self.height + 2 * chroma) * (1 if self.depth == 8 else 2)

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.chroma} {self.depth}-bit"


@dataclass(frozen=True)
class Frames:
    """Which frames are asked for.

    Args:
        skip_reference: frames left out at the start of the reference.
        skip_distorted: likewise, of the other.
        count: at most so many are compared, 0 for all.
    """

    skip_reference: int = 0
    skip_distorted: int = 0
    count: int = 0


@dataclass(frozen=True)
class Pair:
    """Two videos of one size.

    Args:
        reference: what is judged against.
        distorted: what is judged.
        asked: where each begins.
        frames: how many of each are compared.
        pix_fmt: format that they are compared in.
    """

    reference: Source
    distorted: Source
    asked: Frames
    frames: int
    pix_fmt: str


def open_pair(ffmpeg: FFmpeg, reference: str, distorted: str, shape: Shape | None, asked: Frames) -> Pair:
    """Opens both videos and finds out which frames are compared.

    Args:
        ffmpeg: decodes.
        reference: path.
        distorted: path.
        shape: of headerless YUV among them; a container has to have the same size.
        asked: which frames.

    Raises:
        InputError: one cannot be read, or they do not belong together.
        UsageError: the shape does not fit a file.
    """
    ref, dis = together(lambda label: _open(ffmpeg, label, shape), (reference, distorted), 2)
    if (ref.width, ref.height) != (dis.width, dis.height):
        raise InputError(
            f"{ref.label} is {ref.width}x{ref.height}, {dis.label} {dis.width}x{dis.height};"
            " videos of one size can be compared, scale one first"
        )
    frames = _paired(ref, dis, asked)
    # As they are, samples are what is compared: none may be stretched because one file has lost its label.
    full_range = ref.full_range or dis.full_range
    ref, dis = (dataclasses.replace(side, full_range=full_range) for side in (ref, dis))
    return Pair(ref, dis, asked, frames, _compared(ref, dis))


def _open(ffmpeg: FFmpeg, label: str, shape: Shape | None) -> Source:
    path = Path(label)
    size = stat_video(path, label).st_size
    if _is_headerless(ffmpeg, path, label, shape, size):
        if shape is None:
            raise UsageError(
                f"{label} has no header; --width, --height, --pixel_format and --bitdepth say what it is"
            )
        return _headerless(path, label, shape, size)
    source = open_source(ffmpeg, label, hash_file=False)
    if shape is not None and (source.width, source.height) != (shape.width, shape.height):
        raise UsageError(
            f"{label} is {source.width}x{source.height}; --width and --height say {shape.width}x{shape.height}"
        )
    return source


def _is_headerless(ffmpeg: FFmpeg, path: Path, label: str, shape: Shape | None, size: int) -> bool:
    with path.open("rb") as stream:
        head = stream.read(16)
    if any(head[at:].startswith(word) for at, word in _MAGIC):
        return False
    if path.suffix.lower() in _RAW_NAMES:
        return True
    if shape is None or size % shape.frame_bytes:
        return False
    try:  # a name that says nothing, and a size that would fit
        look_at(ffmpeg, label)
    except InputError:
        return True
    return False


def _headerless(path: Path, label: str, shape: Shape, size: int) -> Source:
    if min(shape.width, shape.height) < LEAST_SIDE:
        raise InputError(f"{label}: {shape} is too small; libvmaf needs {LEAST_SIDE}x{LEAST_SIDE}")
    frames, rest = divmod(size, shape.frame_bytes)
    if rest:
        raise UsageError(
            f"{label}: {size} bytes are not a whole number of {shape} frames; check --width, --height,"
            " --pixel_format and --bitdepth, or the file was cut short"
        )
    return Source(
        path=path.absolute(),
        label=label,
        sha256=None,
        width=shape.width,
        height=shape.height,
        pix_fmt=shape.pix_fmt,
        depth=shape.depth,
        full_range=False,
        framerate=_ANY_RATE,
        frames=frames,
        duration_s=None,
        raw=RawFormat(shape.width, shape.height, shape.pix_fmt, _ANY_RATE),
    )


def _paired(ref: Source, dis: Source, asked: Frames) -> int:
    """Frames that are compared."""
    left = []
    for side, skip, option in (
        (ref, asked.skip_reference, "--frame_skip_ref"),
        (dis, asked.skip_distorted, "--frame_skip_dist"),
    ):
        if skip >= side.frames:
            raise InputError(f"{side.label} has {side.frames} frames; {option} {skip} leaves none of them")
        rest = side.frames - skip
        left.append(min(rest, asked.count) if asked.count else rest)
    if left[0] != left[1]:
        raise InputError(
            f"{ref.label} has {left[0]} frames to compare, {dis.label} {left[1]};"
            f" if the first {min(left)} of each belong together, say --frame_cnt {min(left)}"
        )
    return left[0]


def _compared(ref: Source, dis: Source) -> str:
    """The chroma of the distorted video, as in a sweep, at the depth of the deeper one."""
    name = dis.pix_fmt
    chroma = next((each for each in CHROMA if each in name), "444" if "gbr" in name or "rgb" in name else "420")
    deeper = min(max(ref.depth, dis.depth), max(DEPTHS))
    return f"yuv{chroma}p{next(end for depth, end in DEPTHS.items() if depth >= deeper)}"
