"""Filters of a source: what is done to its frames before they are encoded, and before encodes are scored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.errors import UsageError

AUTO = "auto"
_CROP = re.compile(r"(\d+):(\d+):(\d+):(\d+)")
_SCALE = re.compile(r"(?:(-?\d+)[:x])?(-?\d+)")


@dataclass(frozen=True)
class Filters:
    """What is done to the frames, in this order: filters, crop, scale.

    Args:
        vfilter: a chain of ffmpeg filters.
        reference: the same for the reference, None where it is ``vfilter`` too.
        crop: ``WIDTH:HEIGHT:X:Y``, ``auto`` for what cropdetect finds, or empty.
        scale: ``WIDTH:HEIGHT``, ``HEIGHT``, or empty.
    """

    vfilter: str = ""
    reference: str | None = None
    crop: str = ""
    scale: str = ""

    def __bool__(self) -> bool:
        return self != Filters()

    def check(self) -> None:
        """Checks what can be checked without the source.

        Raises:
            UsageError: more than a chain of filters, or a crop or a size that is none.
        """
        for spelled, chain in (("--vfilter", self.vfilter), ("--reference-vfilter", self.reference or "")):
            if ";" in chain or "[" in chain:
                raise UsageError(
                    f"{spelled} {chain!r}: write one chain, filters between commas, without ; and [ ]"
                )
        if self.crop and self.crop != AUTO:
            found = _CROP.fullmatch(self.crop)
            if found is None or "0" in found.groups()[:2]:
                raise UsageError(f"--crop {self.crop!r}: write WIDTH:HEIGHT:X:Y, as in 1920:800:0:140, or auto")
            if any(int(number) % 2 for number in found.groups()):
                raise UsageError(f"--crop {self.crop}: 4:2:0 video can be cropped by even numbers only")
        if self.scale:
            self._scale_filter()

    def files(self) -> list[Path]:
        """The files that filters name, such as a LUT, in order."""
        words = re.findall(r"/[^:,;'\[\]]+", f"{self.vfilter},{self.reference or ''}")
        return [path for path in map(Path, dict.fromkeys(words)) if path.is_file()]

    def chain(self, crop: str | None = None) -> str:
        """The filters of encodes as ffmpeg takes them, without a comma at the end; empty for none.

        Args:
            crop: what ``auto`` comes to; None leaves crop and scale out, as for finding it.
        """
        return self._complete(self.vfilter, crop)

    def reference_chain(self, crop: str | None = None) -> str | None:
        """Those of the reference, None where they are those of encodes; as ``chain``."""
        return None if self.reference is None else self._complete(self.reference, crop)

    def _complete(self, first: str, crop: str | None) -> str:
        parts = [first.strip().strip(",")]
        if crop is not None:
            parts += [f"crop={crop}" if crop else "", self._scale_filter() if self.scale else ""]
        return ",".join(filter(None, parts))

    def _scale_filter(self) -> str:
        found = _SCALE.fullmatch(self.scale)
        width, height = (found[1] or "-2", found[2]) if found else ("0", "0")
        sides = int(width), int(height)
        if min(sides) < -2 or 0 in sides or max(sides) < 0:
            raise UsageError(f"--scale {self.scale!r}: write WIDTH:HEIGHT, as in 1280:720 or 1280:-2, or HEIGHT")
        return f"scale={width}:{height}:flags=bicubic"


NO_FILTERS = Filters()
