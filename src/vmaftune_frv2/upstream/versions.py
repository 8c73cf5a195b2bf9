"""Versions that upstream's rows do not tell, asked of the programs while the first encode runs."""

from __future__ import annotations

import concurrent.futures as cf
import re
import shutil
import threading
from dataclasses import dataclass

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.errors import TuneError
from vmaftune_frv2.media import process
from vmaftune_frv2.media.ffmpeg import TRIAL_TIMEOUT_S, FFmpeg, try_encoder


@dataclass(frozen=True)
class Versions:
    """What an ffmpeg is.

    Args:
        ffmpeg: its version, None where it does not say.
        encoder: of one of its encoders as upstream spells it, ``libx264-165``.
    """

    ffmpeg: str | None = None
    encoder: str | None = None


class Asked:
    """Asks each ffmpeg once for each encoder, in a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str], cf.Future[Versions]] = {}

    def start(self, ffmpeg_bin: str, encoder: str) -> cf.Future[Versions]:
        """Begins to ask, if nobody has."""
        with self._lock:
            key = (ffmpeg_bin, encoder)
            if key not in self._answers:
                executor = cf.ThreadPoolExecutor(1)
                self._answers[key] = executor.submit(_ask, ffmpeg_bin, encoder)
                executor.shutdown(wait=False)
            return self._answers[key]


def _ask(ffmpeg_bin: str, encoder: str) -> Versions:
    path = shutil.which(ffmpeg_bin)
    if path is None:
        return Versions()
    try:
        banner = process.run([path, "-version"], timeout=TRIAL_TIMEOUT_S).stdout
    except TuneError:
        return Versions()
    found = re.match(r"ffmpeg version (\S+)", banner)
    known = ENCODERS.find(encoder)
    if found is None or known is None:
        return Versions(found and found[1])
    ffmpeg = FFmpeg(path, "upstream", found[1], frozenset({encoder}), False)
    try:
        version = try_encoder(ffmpeg, known, known.presets[0]).version
    except TuneError:
        version = None
    return Versions(found[1], version and f"{encoder}-{version.removeprefix('v')}")
