"""How an encoder groups frames: what windows of a source need to know to stand for all of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gop:
    """How an encoder groups frames, by default.

    Args:
        lead: frames after a keyframe that it takes to reach its stride.
        lookahead: frames beyond a frame that its quality depends on.
        mini: frames that are coded together: their bits fall unevenly on them.
        keyframe_every: longest distance of keyframes in frames, None where there is none.
        keyframe_seconds: the same in seconds.
        keyframe_step: of seconds, frames that a second is rounded to a multiple of.
        container_bytes: what the container notes of each frame.
        header_bytes: what it notes once, what the encoder says of itself included.
    """

    lead: int = 17
    lookahead: int = 16
    mini: int = 16
    keyframe_every: int | None = None
    keyframe_seconds: int | None = None
    keyframe_step: int = 1
    container_bytes: float = 8.0
    header_bytes: float = 900.0

    @property
    def reach(self) -> int:
        """Most frames on either side of a window that are encoded with it."""
        return max(self.lead, self.lookahead + self.mini) if self.lead or self.lookahead else 0

    def keyframe_interval(self, framerate: float) -> int | None:
        """Longest distance of keyframes, in frames."""
        if self.keyframe_seconds is None:
            return self.keyframe_every
        step = self.keyframe_step
        return self.keyframe_seconds * max(step * round(framerate / step), step)
