"""Which ffmpeg is used, what it can do, and which versions of everything run."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.errors import ToolError, UsageError
from vmaftune_frv2.media import process
from vmaftune_frv2.media.process import Completed, Runner
from vmaftune_frv2.media.trouble import no_device

QUIET = ("-hide_banner", "-nostdin", "-y", "-v", "error")
COUNT_FRAMES = ("-progress", "pipe:1")
"""Has frames counted on stdout twice a second, and once more at the end."""
TRIAL_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class FFmpeg:
    """One ffmpeg binary and what it has.

    Args:
        path: the executable.
        origin: how it was found: ``--ffmpeg-bin``, ``PATH`` or ``imageio-ffmpeg``.
        version: as ``ffmpeg -version`` names it.
        encoders: names of its video encoders.
        has_libvmaf: whether the libvmaf filter is compiled in.
        runner: runs its commands.
    """

    path: str
    origin: str
    version: str
    encoders: frozenset[str]
    has_libvmaf: bool
    runner: Runner = field(default=process.run, compare=False, repr=False)

    def run(self, args: Iterable[str], *, cwd: Path | None = None, timeout: float | None = None) -> Completed:
        """Runs ffmpeg with these arguments."""
        return self.runner([self.path, *args], cwd=cwd, timeout=timeout)


def inspect(path: str, origin: str, runner: Runner = process.run) -> FFmpeg:
    """Asks a binary for its version, encoders and filters.

    Raises:
        ToolError: it does not start or is no ffmpeg.
    """
    banner = runner([path, "-version"], timeout=TRIAL_TIMEOUT_S)
    version = re.match(r"ffmpeg version (\S+)", banner.stdout)
    if not banner.ok or version is None:
        raise ToolError(banner.describe(f"{path} is not a working ffmpeg"))
    encoders = runner([path, "-hide_banner", "-encoders"], timeout=TRIAL_TIMEOUT_S).stdout
    filters = runner([path, "-hide_banner", "-filters"], timeout=TRIAL_TIMEOUT_S).stdout
    return FFmpeg(
        path=path,
        origin=origin,
        version=version.group(1),
        encoders=frozenset(re.findall(r"^ V\S{5} (\S+)", encoders, re.MULTILINE)),
        has_libvmaf=re.search(r"^ \S+ libvmaf ", filters, re.MULTILINE) is not None,
        runner=runner,
    )


def bundled_path() -> str:
    """The static binary that imageio-ffmpeg carries.

    Raises:
        ToolError: the package has none for this platform.
    """
    from imageio_ffmpeg import get_ffmpeg_exe

    previous = os.environ.pop("IMAGEIO_FFMPEG_EXE", None)  # would turn "bundled" into something else
    try:
        return str(get_ffmpeg_exe())
    except RuntimeError as error:
        raise ToolError(f"imageio-ffmpeg has no ffmpeg for this platform: {error}") from error
    finally:
        if previous is not None:
            os.environ["IMAGEIO_FFMPEG_EXE"] = previous


def locate(explicit: str | None = None, runner: Runner = process.run) -> FFmpeg:
    """The ffmpeg to use: the named one, else PATH's if it has libvmaf, else imageio-ffmpeg's.

    Raises:
        ToolError: the named one does not work or lacks libvmaf, or there is none.
    """
    if explicit is not None:
        path = shutil.which(explicit) or (explicit if os.path.sep in explicit else None)
        if path is None:
            raise ToolError(f"--ffmpeg-bin {explicit}: no such program on PATH")
        found = inspect(os.path.abspath(path), "--ffmpeg-bin", runner)
        if not found.has_libvmaf:
            raise ToolError(
                f"--ffmpeg-bin {explicit} has no libvmaf filter; build it with --enable-libvmaf,"
                " or leave the option out to use the bundled ffmpeg"
            )
        return found
    on_path = shutil.which("ffmpeg")
    if on_path is not None:
        try:
            found = inspect(on_path, "PATH", runner)
        except ToolError:
            pass
        else:
            if found.has_libvmaf:
                return found
    return inspect(bundled_path(), "imageio-ffmpeg", runner)


@dataclass(frozen=True)
class PixelFormat:
    """What ffmpeg says of a pixel format.

    Args:
        bits_per_pixel: of all components together, subsampling counted.
        depth: bits of its deepest component.
    """

    bits_per_pixel: int
    depth: int


@cache
def pixel_formats(ffmpeg: FFmpeg) -> dict[str, PixelFormat]:
    """{name: pixel format}, as this ffmpeg lists them."""
    listing = ffmpeg.run(("-hide_banner", "-pix_fmts"), timeout=TRIAL_TIMEOUT_S).stdout
    formats = re.findall(r"^\S{5} (\S+) +\d+ +(\d+) +(\d[\d-]*)$", listing, re.MULTILINE)
    return {name: PixelFormat(int(bits), max(map(int, depths.split("-")))) for name, bits, depths in formats}


@dataclass(frozen=True)
class EncoderTrial:
    """What a tiny encode revealed: the library's version and the preset that really ran."""

    version: str | None
    preset: str


def try_encoder(ffmpeg: FFmpeg, encoder: Encoder, preset: str, timeout: float = TRIAL_TIMEOUT_S) -> EncoderTrial:
    """Encodes three small frames with a preset.

    Raises:
        UsageError: this ffmpeg lacks the encoder.
        ToolError: the encoder does not work.
    """
    if encoder.name not in ffmpeg.encoders:
        raise UsageError(f"{ffmpeg.path} has no encoder {encoder.name}; `vmaf-tune doctor` lists what it has")
    filters, handed = encoder.handed_over(encoder.pix_fmts[0])
    size = "640x360" if encoder.hardware else "128x128"
    argv = (
        *encoder.device, "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration=0.12",
        "-vf", f"null{filters}", *handed, *encoder.codec_argv(preset, encoder.crf_max, 1),
        "-flags", "+global_header", "-f", "null", "-",
    )  # fmt: skip
    done = ffmpeg.run(("-hide_banner", "-nostdin", "-v", "verbose", *argv), timeout=timeout)
    if not done.ok and encoder.hardware:
        log = ffmpeg.run(("-hide_banner", "-nostdin", "-v", "level+verbose", *argv), timeout=timeout).stderr
        raise ToolError(f"{encoder.name} does not work on this machine: {no_device(log)}")
    if not done.ok:
        raise ToolError(done.describe(f"{encoder.name} with preset {preset} does not work here"))
    return EncoderTrial(encoder.find_version(done.stderr), encoder.find_remap(done.stderr) or preset)


def file_url(path: Path) -> str:
    """A path as ffmpeg takes it literally, whatever characters it holds."""
    return f"file:{path.absolute()}"
