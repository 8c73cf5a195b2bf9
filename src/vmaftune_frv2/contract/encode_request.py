"""What a whole encode is asked for."""

from __future__ import annotations

import hashlib
import itertools
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.containers import CONTAINERS
from vmaftune_frv2.contract.encoding_options import EncodingOptions
from vmaftune_frv2.contract.files import sha256_bytes
from vmaftune_frv2.contract.grid import build_grid
from vmaftune_frv2.contract.option_groups import (
    SAMPLE_SECONDS,
    CurveModelOptions,
    GridOptions,
    JobOptions,
    TargetOptions,
)
from vmaftune_frv2.contract.options import option, options_of
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.contract.quality_options import AlsoOptions
from vmaftune_frv2.errors import UsageError

DEFAULT_ENCODER = "libsvtav1"
DEFAULT_PRESET = "medium"
DEFAULT_TARGET = 95.0
LONG_SECONDS = 60.0
"""A source that lasts longer is searched by windows, unless the user says otherwise."""
LEAST_WINDOWS, MOST_WINDOWS = 10, 30
"""Windows of a long source; in between, one per minute."""
COPY, NONE = "copy", "none"
_SOUND_ALONE = re.compile(r"-(acodec|ab|aq|af)|-(c|codec|b|q|filter|profile):a(:\d+)?")
"""Options of ffmpeg that are about sound and nothing else as they stand."""
_OF_SOUND = re.compile(
    r"-(ac|ar|vbr|compression_level|application|frame_duration|cutoff|sample_fmt|channel_layout|ch_layout|strict)"
    r"(:a(:\d+)?)?"
)
"""Options that an encoder of video may have as well."""
_AN_OPTION = re.compile(r"-[A-Za-z]")
_NO_PART = (
    "sources", "output", "container", "overwrite", "jobs", "record", "cache_dir", "cache_size", "no_cache",
    "ffmpeg_bin",
)  # fmt: skip
"""Fields that change nothing of the file that is made, nor of the verdict on it."""


class EncodeRequest(GridOptions, TargetOptions, CurveModelOptions, AlsoOptions, EncodingOptions, JobOptions):
    """A source as a smaller file of a certain VMAF, with all that belongs to it."""

    sources: Sequence[str] = option(
        (), "Videos, or folders of them; encoded one by one.", flag="source", argument=True
    )
    output: Path | None = option(
        None,
        "The file to write; its name says the container. With several sources or a folder of them: a folder.",
        short="o",
        metavar="OUT",
    )
    encoders: Sequence[str] = option((), "Encoder, one.", flag="encoder", metavar="NAME", shown=DEFAULT_ENCODER)
    presets: Sequence[str] = option(
        (),
        "Its own preset, or a name that all encoders share, one.",
        flag="preset",
        metavar="PRESET",
        shown=DEFAULT_PRESET,
    )
    crfs: Sequence[str] = option(
        (),
        "Crfs to choose from, a range as 18:40; one alone, without --target-vmaf, is encoded as it is.",
        flag="crf",
        metavar="CRF|FIRST:LAST[:STEP]",
    )
    target_vmaf: float = option(
        DEFAULT_TARGET, "Encode at the highest crf that still reaches this VMAF.", low=0, high=100
    )
    no_verify: bool = option(False, "Trust the prediction from one probe: no further encodes before the last.")
    samples: int | None = option(
        None,
        "Search on this many short windows spread over SOURCE; 0 searches on all of it.",
        low=0,
        shown=f"over {LONG_SECONDS:g} s one per minute, {LEAST_WINDOWS} to {MOST_WINDOWS}; else 0",
    )
    sample_seconds: float = option(SAMPLE_SECONDS, "Length of each window, seconds.", low=0, above=True)
    audio: str = option(
        COPY,
        "Sound: copy, none, or how ffmpeg is to encode it, as in '-c:a libopus -b:a 96k'.",
        metavar="copy|none|ARGS",
    )
    no_subs: bool = option(False, "Leave out subtitles.")
    no_attachments: bool = option(False, "Leave out attached files, such as fonts.")
    container: str | None = option(
        None,
        "Container of each output, where OUT is a folder.",
        choices=tuple(each.name for each in CONTAINERS),
        shown="the source's, if it can hold the video, else mkv",
    )
    max_percent: float | None = option(
        None, "Refuse a file of more than this share of the source's size.", low=0, above=True
    )
    min_vmaf: float | None = option(None, "Refuse a file whose measured mean VMAF is below this.", low=0, high=100)
    retry: bool = option(
        False, "Where the whole file misses the target, encode it once more, at a crf corrected by how far."
    )
    overwrite: bool = option(False, "Replace outputs that exist.")

    @property  # type: ignore[misc]
    def verify(self) -> bool:
        """Whether the crf is confirmed by further encodes before the whole one."""
        return not (self.no_verify or self.is_fixed)

    @property
    def is_fixed(self) -> bool:
        """Whether one crf was asked for, and no target."""
        aimed = "target_vmaf" in self._given or bool(self.target_percentiles)
        return len(self.crfs) == 1 and ":" not in self.crfs[0] and not aimed

    @property
    def has_mean_target(self) -> bool:
        """Whether ``target_vmaf`` counts, given or by default; percentiles or a limit alone take its place."""
        others = self.target_percentiles or self.max_size is not None or self.max_bitrate is not None
        return not self.is_fixed and ("target_vmaf" in self._given or not others)

    def targets(self) -> dict[str, float]:
        """As of other questions; empty for one crf."""
        found = {} if self.is_fixed else super().targets()
        return {pool: v for pool, v in found.items() if pool != self.pool or self.has_mean_target}

    def check(self) -> None:
        """Refuses what makes no file, or more than one."""
        if not self.sources:
            raise UsageError("give one SOURCE or several")
        if self.output is None:
            raise UsageError("give -o OUT, the file to write (of several sources: a folder)")
        for name in ("encoders", "presets"):
            if len(getattr(self, name)) > 1:
                spelled = getattr(type(self), name).spelled
                raise UsageError(f"one file is made of each source; give one {spelled}")
        search = ("tolerance", "max_encodes", "retry")
        if self.is_fixed:
            about = ("confidence", "min_vmaf_frame", "max_bitrate", "max_size", "probes", "no_verify")
            self.refuse((*search, *about), "needs --target-vmaf, or a range of --crf")
        if self.no_verify:
            self.refuse(search[:2], "is about a search; leave out --no-verify")
        elif self.confidence is not None:
            raise UsageError("--confidence needs --no-verify; otherwise the crf is chosen by what was measured")
        super().check()
        build_grid((self.encoder,), self.presets or (DEFAULT_PRESET,), self.crfs)
        if self.samples == 0:
            self.refuse(("sample_seconds",), "needs windows; leave out --samples 0")
        self.audio_arguments()

    def audio_arguments(self) -> tuple[str, ...]:
        """How sound is encoded, as ffmpeg takes it; empty where it is copied or left out.

        Raises:
            UsageError: no arguments of an audio encoder.
        """
        if self.audio in (COPY, NONE):
            return ()
        try:
            words = tuple(shlex.split(self.audio))
        except ValueError as error:
            raise UsageError(f"--audio {self.audio!r}: {error}") from error
        advice = "write copy, none, or ffmpeg's arguments, as in '-c:a libopus -b:a 96k'"
        if not any(re.match(r"-(c|codec):a|-acodec", word) for word in words):
            raise UsageError(f"--audio {self.audio!r} names no encoder; {advice}")
        found: list[str] = []
        for name, value in itertools.zip_longest(words[::2], words[1::2]):
            shared = _OF_SOUND.fullmatch(name)
            if not shared and not _SOUND_ALONE.fullmatch(name):
                raise UsageError(f"--audio: {name} is not about the encoder of sound; {advice}")
            if value is None or _AN_OPTION.match(value):
                raise UsageError(f"--audio: {name} has no value; {advice}")
            found += [f"{name}:a" if shared and not shared[2] else name, value]
        return tuple(found)

    def windows(self, seconds: float | None) -> int:
        """How many windows a source is searched on, 0 for all of it.

        Args:
            seconds: that it lasts, None where nobody knows.
        """
        if self.samples is not None:
            return self.samples
        if seconds is None or seconds <= LONG_SECONDS:
            return 0
        return min(max(round(seconds / 60), LEAST_WINDOWS), MOST_WINDOWS)

    def question(self, label: str, windows: int) -> PredictRequest:
        """What is asked about one source before it is encoded.

        Args:
            label: of the source.
            windows: that it is searched on, 0 for all of it.

        Raises:
            UsageError: of the crf that is asked for.
        """
        known = {each.name for each in options_of(PredictRequest)}
        own = ("sources", "samples", "sample_seconds", "target_vmaf")
        values: dict[str, Any] = {n: getattr(self, n) for n in self._given if n in known and n not in own}
        values |= {"sources": label, "encoders": self.encoder, "presets": self.preset}
        if windows:
            values |= {"samples": windows, "sample_seconds": self.sample_seconds}
        if self.is_fixed:
            crf = self.crfs[0].rpartition("=")[2]
            return PredictRequest(**values, probes=f"{self.encoder}:{self.preset}:{crf}")
        if self.has_mean_target:
            values["target_vmaf"] = self.target_vmaf
        return PredictRequest(**values, verify=self.verify)

    @property
    def encoder(self) -> str:
        """The encoder, by any of its names."""
        return self.encoders[0] if self.encoders else DEFAULT_ENCODER

    @property
    def preset(self) -> str:
        """Its preset."""
        return self.presets[0].rpartition("=")[2] if self.presets else DEFAULT_PRESET

    @property
    def digest(self) -> str:
        """What tells this request from others as far as they make other files."""
        fields = (each for each in options_of(type(self)) if each.name not in _NO_PART)
        changed = {e.name: getattr(self, e.name) for e in fields if getattr(self, e.name) != e.default}
        changed |= {"encoders": self.encoder, "presets": self.preset}
        # The default of a target is one only where it counts.
        # A LUT may be another one under the same name.
        changed["files"] = [(str(path), sha256_bytes(path.read_bytes())) for path in self.filters().files()]
        changed |= {"aims": sorted(self.targets().items()), "fixed": self.is_fixed}
        return hashlib.sha256(repr(sorted(changed.items())).encode("utf-8", "surrogatepass")).hexdigest()[:32]
