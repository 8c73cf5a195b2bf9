"""Which frames of two videos show the same: found on small grey pictures of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.errors import InputError, ToolError
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.process import scratch_dir
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import together

Pictures = NDArray[np.float32]
COLUMNS, ROWS = 160, 90
HEAD_FRAMES = 240
"""Frames at the start that an offset is found by, beyond those that it may be off by."""
CHECKED_FRAMES = 24
"""Frames at each of some places that are held against it."""
LEAST_CHECKED = 8
"""Fewer frames are not checked: videos below 24 frames."""
PLACES = 8
"""Steps from the first frame that is checked to the last."""
STRAY = 12
"""How far off these are looked for."""
LEAST_SIMILARITY = 0.8
"""Mean correlation of small pictures below which two videos do not show the same: encodes of VMAF 20 have 0.95."""
ALIKE = 1.005
"""Factor of the least difference within which an offset nearer to 0 may be the right one, as in a still scene."""
PREFERRED = 0.7
"""Share of frames that have to be liker at the least difference than at that one."""
CLEARLY = 1.12
"""Factor of the least difference above which a place lies at another offset: coarse
encodes of slow scenes resemble the frames before by up to 1.11."""
_GREY_LEVELS = 4.0
"""Variance of a picture that is flat: two of them are alike."""


@dataclass(frozen=True)
class Match:
    """How the frames of two videos belong together.

    Args:
        offset: number of the reference's frame that the other's first frame shows.
        similarity: mean correlation of small pictures of both at that offset, 1 for the same.
    """

    offset: int
    similarity: float


def match_frames(ffmpeg: FFmpeg, distorted: Source, reference: Source, reach: int, told: int | None) -> Match:
    """Finds the offset of two videos, and checks that it is right from the first frame to the last.

    Args:
        ffmpeg: decodes both.
        distorted: one video.
        reference: the other, cropped as that one is.
        reach: frames that it may be off by, to either side.
        told: the offset, where it is known.

    Raises:
        InputError: they do not show the same, or not at the same distance all along.
    """
    shorter = min(distorted.frames, reference.frames)
    reach = abs(told) if told is not None else min(reach, shorter // 2)
    spans = _spread(distorted.frames, reference.frames, reach)
    head = [(0, HEAD_FRAMES + reach)]
    shown = _shown(ffmpeg, (distorted, reference), head, spans)
    match = _best(shown[0][0], shown[1][0], range(-reach, reach + 1) if told is None else (told,))
    name = f"{distorted.label} and {reference.label}"
    if match.similarity < LEAST_SIMILARITY:
        at = f"at --offset {told}" if told is not None else f"at any offset up to {reach} frames"
        raise InputError(
            f"{name} do not show the same {at} (similarity {max(match.similarity, 0.0):.2f} of 1); is it the"
            " right reference, or is its picture cropped (--crop) or its start further off (--max-offset)?"
        )
    checked = [each[1:] for each in shown]
    if not spans:  # too short for places that serve every offset
        spans = _along(distorted.frames, reference.frames, match.offset)
        checked = _shown(ffmpeg, (distorted, reference), [], spans)
    for span, mine, theirs in zip(spans, *checked, strict=True):
        _check_place(name, match, span, mine, theirs, reference.frames)
    return match


@dataclass(frozen=True)
class _Place:
    """Frames at which an offset is checked, and those of the reference among which they are looked for."""

    frames: tuple[int, int]
    among: tuple[int, int]


def _spread(distorted: int, reference: int, reach: int) -> list[_Place]:
    """Places over what both have, whatever the offset is; the first and the last serve small ones."""
    shorter = min(distorted, reference)
    last = shorter - reach - STRAY - CHECKED_FRAMES
    if last < reach:
        return []
    spread = (reach + (last - reach) * step // PLACES for step in range(PLACES + 1))
    starts = dict.fromkeys((0, *spread, shorter - CHECKED_FRAMES))
    return [_place(start, CHECKED_FRAMES, start - reach, start + reach) for start in starts]


def _along(distorted: int, reference: int, offset: int) -> list[_Place]:
    """Places from the first frame that both have at an offset to the last."""
    first = max(0, -offset)
    both = min(distorted - first, reference - first - offset)
    count = min(CHECKED_FRAMES, both // 3)
    if count < LEAST_CHECKED:
        return []
    starts = dict.fromkeys(first + (both - count) * step // PLACES for step in range(PLACES + 1))
    return [_place(start, count, start + offset, start + offset) for start in starts]


def _place(start: int, count: int, earliest: int, latest: int) -> _Place:
    return _Place((start, start + count), (max(earliest - STRAY, 0), latest + count + STRAY))


def _shown(
    ffmpeg: FFmpeg, videos: tuple[Source, Source], head: list[tuple[int, int]], places: Sequence[_Place]
) -> list[list[Pictures]]:
    """Small pictures of the start and of some places, of both videos."""
    if not (head or places):
        return [[], []]
    spans = [p.frames for p in places], [p.among for p in places]
    jobs = [(video, [*head, *own]) for video, own in zip(videos, spans, strict=True)]
    return list(together(lambda job: _small_pictures(ffmpeg, *job), jobs, 2))


def _check_place(name: str, match: Match, place: _Place, mine: Pictures, theirs: Pictures, frames: int) -> None:
    """Raises InputError where frames do not lie at the offset of the start."""
    (start, end), expected = place.frames, place.frames[0] + match.offset - place.among[0]
    if expected < 0 or end + match.offset > frames:
        return
    strays = [stray for stray in range(-STRAY, STRAY + 1) if expected + stray >= 0]
    local = _best(mine, theirs, [expected + stray for stray in strays], expected)
    if local.similarity < LEAST_SIMILARITY:
        raise InputError(
            f"{name} do not show the same at frame {start} (similarity {max(local.similarity, 0.0):.2f} of"
            f" 1), and do elsewhere, with offset {match.offset}: one of them was cut"
        )
    here = _best(mine, theirs, [expected], expected)
    if local.offset != expected and 1.0 - here.similarity > CLEARLY * (1.0 - local.similarity) + 1e-6:
        raise InputError(
            f"{name}: the offset is {match.offset} for most of the start, {match.offset + local.offset - expected}"
            f" at frame {start}; frames were dropped or repeated on the way, and frames are paired by number"
        )


def _small_pictures(ffmpeg: FFmpeg, source: Source, spans: Sequence[tuple[int, int]]) -> list[Pictures]:
    """Small grey pictures of some runs of frames, [T, ROWS * COLUMNS] of each run, as far as they are there."""
    merged = [(first, min(end, source.frames)) for first, end in spans]
    wanted = "+".join(rf"between(n\,{first}\,{end - 1})" for first, end in merged)
    chain = f"{source.reference_filters}select={wanted},scale={COLUMNS}:{ROWS}:flags=area,format=gray"
    with scratch_dir(None, "match-") as folder:
        argv = ["-hide_banner", "-nostdin", "-v", "error", *source.input_argv(), "-map", f"0:{source.stream}"]
        argv += ["-vf", chain, "-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "rawvideo", "grey"]
        done = ffmpeg.run(argv, cwd=folder)
        if not done.ok:
            raise ToolError(done.describe(f"looking at frames of {source.label} failed"), done.returncode)
        every = np.fromfile(folder / "grey", dtype=np.uint8).reshape(-1, COLUMNS * ROWS)
    numbers = np.flatnonzero(_within(merged, source.frames))[: len(every)]
    return [every[(numbers >= first) & (numbers < end)].astype(np.float32) for first, end in merged]


def _within(spans: Sequence[tuple[int, int]], frames: int) -> NDArray[np.bool_]:
    wanted = np.zeros(frames, dtype=bool)
    for first, end in spans:
        wanted[first:end] = True
    return wanted


def _best(distorted: Pictures, reference: Pictures, offsets: Sequence[int], middle: int = 0) -> Match:
    """The offset at which frames are likest; of those that differ by chance alone the nearest to ``middle``."""
    found: dict[int, tuple[int, NDArray[np.float64]]] = {}
    longest = max((_overlap(distorted, reference, offset) for offset in offsets), default=0)
    for offset in offsets:
        count = _overlap(distorted, reference, offset)
        if count > 0 and count >= longest // 2:
            first = max(0, -offset)
            mine = distorted[first : first + count]
            theirs = reference[first + offset : first + offset + count]
            found[offset] = first, 1.0 - _correlation(mine, theirs)
    if not found:
        return Match(middle, -1.0)
    best = min(found, key=lambda offset: (float(found[offset][1].mean()), abs(offset - middle)))
    least = float(found[best][1].mean())
    for offset in sorted(found, key=lambda offset: abs(offset - middle)):
        if abs(offset - middle) >= abs(best - middle):
            break
        if float(found[offset][1].mean()) <= least * ALIKE + 1e-6 and not _preferred(found[best], found[offset]):
            best = offset
            break
    return Match(best, 1.0 - float(found[best][1].mean()))


def _overlap(distorted: Pictures, reference: Pictures, offset: int) -> int:
    return min(len(distorted) - max(0, -offset), len(reference) - max(0, offset))


def _preferred(best: tuple[int, NDArray[np.float64]], other: tuple[int, NDArray[np.float64]]) -> bool:
    """Whether most frames are liker at the best offset than at another one."""
    begins = max(best[0], other[0])
    ends = min(best[0] + len(best[1]), other[0] + len(other[1]))
    mine, theirs = (errors[begins - first : ends - first] for first, errors in (best, other))
    return bool(np.mean(mine < theirs) >= PREFERRED) if ends > begins else True


def _correlation(one: Pictures, other: Pictures) -> NDArray[np.float64]:
    """[T] correlation of each two pictures; 1 for two flat ones."""
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (one, other))
    together_, alone = (a * b).mean(axis=1), np.sqrt((a * a).mean(axis=1) * (b * b).mean(axis=1))
    found: NDArray[np.float64] = (together_ + _GREY_LEVELS) / (alone + _GREY_LEVELS)
    return found
