"""What of a file is encoded and scored: which part of it, and at what size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A part of a source: frames whose time lies in it.

    Args:
        start: seconds from the first frame shown.
        seconds: duration.
        middle: whether it lies round the middle of the file, where its length alone tells which frames it has.
    """

    start: float
    seconds: float
    middle: bool = False


@dataclass(frozen=True)
class Margins:
    """Frames that are encoded round a window and not counted: encoders warm up before it and look ahead beyond it.

    Args:
        before: frames.
        after: frames.
        stretch: where all of them lie, those of the window among them.
    """

    before: int
    after: int
    stretch: Window


@dataclass(frozen=True)
class View:
    """What of a file is used. Its ``identity`` stands in the row of every cell that was measured through it.

    Args:
        window: the part that is used, None for all of it.
        margins: frames round it that are encoded with it, None for none.
        scaled_from: (columns, rows) before its frames are scaled to another size; None where they are not.
        filters: a chain of ffmpeg filters that its frames go through before anything else; empty for none.
        filter_files: digest of the files that filters name, such as a LUT; empty for none.
        reference_filters: another chain, for the frames that encodes are compared with; None for the same.
    """

    window: Window | None = None
    margins: Margins | None = None
    scaled_from: tuple[int, int] | None = None
    filters: str = ""
    reference_filters: str | None = None
    filter_files: str = ""

    @property
    def clip_mode(self) -> str:
        """``full`` or ``sample_<N>s``, as the contract has it."""
        return "full" if self.window is None else f"sample_{self.window.seconds:g}s"

    @property
    def identity(self) -> dict[str, float | str]:
        """What ``clip_mode`` and the row's size leave open: the ``view`` of a row; empty where they say it all."""
        found: dict[str, float | str] = {}
        if self.window is not None and not self.window.middle:
            found |= {"start_s": round(self.window.start, 6), "seconds": round(self.window.seconds, 6)}
        if self.margins is not None:
            found |= {"frames_before": self.margins.before, "frames_after": self.margins.after}
        if self.scaled_from is not None:
            found |= {"source_width": self.scaled_from[0], "source_height": self.scaled_from[1]}
        if self.filters:
            found["filters"] = self.filters
        if self.reference_filters is not None:
            found["reference_filters"] = self.reference_filters
        if self.filter_files:
            found["filter_files"] = self.filter_files
        return found
