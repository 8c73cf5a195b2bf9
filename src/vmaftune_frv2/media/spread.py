"""Windows spread over a source: a few short parts that stand for all of it, opened without reading the rest."""

from __future__ import annotations

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.listing import NoFramesError, open_surrounded, open_window
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import together
from vmaftune_frv2.media.view import Window
from vmaftune_frv2.progress import step

USUAL_MARGINS = 24
"""Frames that most encoders encode with a window; where all of them together are the whole, it is cheaper."""


def spread_windows(ffmpeg: FFmpeg, source: Source, count: int, seconds: float, jobs: int = 1) -> list[Source]:
    """Windows, one in the middle of each of ``count`` equal stretches of a source.

    They lie where they lie, whatever is cut there: the whole has as many cuts as its windows tell.

    Args:
        ffmpeg: decodes the windows and the frames round them, nothing else.
        source: opened at its middle (``open_source`` with ``trust_header``), which tells how long it is.
        count: windows.
        seconds: of each.
        jobs: windows that are looked at at once.

    Returns:
        Sources that differ in window and frames, in order, with their surroundings; all of the source as the only
        one where it is no longer than the windows and what is encoded round them.

    Raises:
        InputError: a window cannot be decoded, or none of them holds frames.
        ToolError: ffmpeg failed.
    """
    if source.window is None or source.duration_s is None:
        return [source]
    duration = source.duration_s
    if count * (seconds + float(USUAL_MARGINS / source.framerate)) >= duration:
        return [open_window(ffmpeg, source, None)]
    stretch = duration / count
    margin_s = max(encoder.gop.reach for encoder in ENCODERS) / float(source.framerate)

    def place(index: int) -> Source | None:
        window = Window((index + 0.5) * stretch - seconds / 2, seconds)
        try:
            return open_surrounded(ffmpeg, source, window, margin_s)
        except NoFramesError:
            return None  # the container says that it lasts longer than its video does

    frames = count * (seconds + 2 * margin_s) * float(source.framerate)
    with step("reading", round(frames)):
        found = [part for part in together(place, range(count), jobs) if part is not None]
    if not found:
        raise NoFramesError(f"{source.label}: no window holds frames; the file is shorter than it says")
    return found
