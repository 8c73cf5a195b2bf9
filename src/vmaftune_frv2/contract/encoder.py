"""What there is to know of one encoder: presets, quality axis, argv, pixel formats.

Preset names run fast to slow, whatever the encoder's own numbering does, so that a preset's position
gives its ordinal. Upstream's shared preset names are read for every encoder and resolved to the native
preset that really runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmaftune_frv2.contract.crf import Crf, on_steps, tidy
from vmaftune_frv2.contract.gop import Gop
from vmaftune_frv2.errors import UsageError

SHARED_PRESETS = (
    "placebo", "slowest", "slower", "slow", "medium", "fast", "faster", "veryfast", "superfast", "ultrafast",
)  # fmt: skip
"""Preset names that the upstream tool uses for every encoder, slow to fast."""

SLOWEST_ORDINAL = 9.0
"""Ordinal of an encoder's slowest preset; the fastest has 0."""


@dataclass(frozen=True, eq=False)
class Encoder:
    """What there is to know of one ffmpeg encoder.

    Args:
        name: ffmpeg's ``-c:v`` name, which is also the row's ``encoder``.
        presets: native preset names, fast to slow.
        crf_min: lowest value of the constant-quality axis (crf, or what the encoder has in its place).
        crf_max: highest value of that axis.
        argv: codec arguments with the fields ``{preset}``, ``{crf}`` and ``{threads}``.
        pix_fmts: pixel formats the encoder takes, preferred first.
        container: default file extension of an encode.
        version_pattern: finds the library's version in ffmpeg's verbose stderr.
        preset_aliases: other spellings of a preset, resolved to the native one.
        cost: CPU seconds per megapixel of the fastest preset, and the factor from one ordinal to the next;
            rough, for ordering work and for time limits.
        default_presets: presets of a sweep that names none, fast to slow.
        default_crfs: crfs of a sweep that names none.
        gop: how it groups frames by default.
        uneven_times: whether it keeps the times of frames that are shown unevenly.
        zones: how it takes a crf per run of frames: ffmpeg's option that holds ``zones=`` among others, and one
            zone with the fields ``{first}``, ``{last}`` (its frames, last one included), ``{after_first}``,
            ``{end}`` (the frames after these), ``{crf}`` and ``{factor}`` (of the quantiser's scale, doubling
            every 6 crf: the encode's crf over the zone's). None where it has one crf for all of a stream.
        keyint: codec arguments of the longest distance of keyframes, with the field ``{keyint}``, frames.
        tunes: what it can be tuned for, and the codec arguments of each.
        film_grain: highest level of its film grain synthesis, and codec arguments with the field ``{level}``; None
            where it has none.
        pass_log: whether the log of its first pass has statistics that ``--encoder-stats`` reads.
        remap_pattern: finds, in stderr, the preset that the library ran instead of the one asked for.
        crf_step: the finest step that a search makes on the constant-quality axis: 1, or a decimal that divides 1.
        crf_grid: as ``crf_step``, the step of crfs that a user may name, where that is finer.
        fraction_argv: as ``argv``, for a crf between whole ones; empty where ``argv`` takes these, too.
        hardware: whether a device encodes; tried with larger pictures than software, as devices refuse small ones.
        optional: whether it is used only where it is named: many builds or machines lack it.
        rising: whether quality rises with the number on the constant-quality axis; a crf's falls.
        input_formats: {pixel format of the encode: what ffmpeg hands to the encoder for it}, where they differ.
        device: ffmpeg arguments, before the input, that open the device to which frames are uploaded; none where
            the encoder takes them from memory.
    """

    name: str
    presets: tuple[str, ...]
    crf_min: int
    crf_max: int
    argv: tuple[str, ...]
    pix_fmts: tuple[str, ...]
    container: str
    version_pattern: str
    cost: tuple[float, float] = (0.5, 1.3)
    preset_aliases: Mapping[str, str] = field(default_factory=dict)
    default_presets: tuple[str, ...] = ()
    default_crfs: tuple[int, ...] = ()
    gop: Gop = field(default_factory=Gop)
    uneven_times: bool = True
    zones: tuple[str, str] | None = None
    keyint: tuple[str, ...] = ("-g", "{keyint}")
    tunes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    film_grain: tuple[int, tuple[str, ...]] | None = None
    pass_log: bool = False
    remap_pattern: str | None = None
    crf_step: float = 1
    crf_grid: float | None = None
    fraction_argv: tuple[str, ...] = ()
    hardware: bool = False
    optional: bool = False
    rising: bool = False
    input_formats: Mapping[str, str] = field(default_factory=dict)
    device: tuple[str, ...] = ()

    def resolve_preset(self, preset: str) -> str:
        """The native preset that ``preset`` (native, alias or shared name) runs as.

        Raises:
            UsageError: nobody knows the name.
        """
        if preset in self.presets:
            return preset
        native = self.preset_aliases.get(preset)
        if native is None:
            raise UsageError(
                f"{self.name} has no preset {preset!r}; its presets are {', '.join(self.presets)}"
                f" (fast to slow), or a shared name: {', '.join(SHARED_PRESETS)}"
            )
        return native

    def preset_ordinal(self, preset: str) -> float:
        """Ordinal of a preset, 0 (fastest) to 9 (slowest), equal steps between native presets."""
        steps = len(self.presets) - 1
        return SLOWEST_ORDINAL * self.presets.index(self.resolve_preset(preset)) / max(steps, 1)

    def seconds_per_megapixel(self, preset: str) -> float:
        """Rough CPU seconds of encoding a million pixels with a preset."""
        fastest, factor = self.cost
        return float(fastest * factor ** self.preset_ordinal(preset))

    def check_crf(self, crf: Crf) -> Crf:
        """``crf`` if the encoder takes it.

        Raises:
            UsageError: outside ``crf_min..crf_max`` or between the encoder's steps, or these cannot be, as of a
                plugin's broken entry.
        """
        if not all(isinstance(end, int) for end in (self.crf_min, self.crf_max)):
            raise UsageError(
                f"{self.name} cannot be used: crf_min is {self.crf_min!r}, crf_max {self.crf_max!r}, and both must"
                " be integers; the plugin that registers it has to be mended"
            )
        if not self.crf_min <= crf <= self.crf_max:
            raise UsageError(f"crf {crf} is outside {self.name}'s range {self.crf_min}..{self.crf_max}")
        if not self.is_on_grid(crf):
            raise UsageError(f"crf {crf}: {self.name} takes crfs in steps of {self.finest_step:g}")
        return tidy(crf)

    @property
    def finest_step(self) -> float:
        """The step of crfs that may be named."""
        return self.crf_step if self.crf_grid is None else self.crf_grid

    def is_on_grid(self, crf: Crf) -> bool:
        """Whether a crf may be named, as far as steps are concerned.

        Raises:
            UsageError: the steps cannot be, as of a plugin's broken entry.
        """
        return on_steps(crf, self.crf_step) or on_steps(crf, self.finest_step)

    def codec_argv(self, preset: str, crf: Crf, threads: int) -> list[str]:
        """Codec arguments of one cell."""
        crf = tidy(crf)
        parts = self.fraction_argv if self.fraction_argv and not isinstance(crf, int) else self.argv
        return [part.format(preset=preset, crf=crf, threads=threads) for part in parts]

    def handed_over(self, pix_fmt: str) -> tuple[str, tuple[str, ...]]:
        """How frames come to the encoder: filters behind all others, with a leading comma, and ffmpeg arguments.

        Args:
            pix_fmt: of the encode.
        """
        handed = self.input_formats.get(pix_fmt, pix_fmt)
        return (f",format={handed},hwupload", ()) if self.device else ("", ("-pix_fmt", handed))

    def loss(self, crf: float) -> float:
        """Where a value lies on the axis, from the best quality: of two, the larger has the worse one."""
        return self.crf_max - crf if self.rising else crf

    def find_version(self, stderr: str) -> str | None:
        """The library version that an encode's verbose stderr names."""
        found = re.search(self.version_pattern, stderr)
        return found.group(1) if found else None

    def find_remap(self, stderr: str) -> str | None:
        """The preset the library says it ran instead, if it says so."""
        found = re.search(self.remap_pattern, stderr) if self.remap_pattern else None
        return found.group(1) if found else None
