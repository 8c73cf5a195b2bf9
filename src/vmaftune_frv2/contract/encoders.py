"""The encoder table: one entry per encoder, all of it data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmaftune_frv2.contract.encoder import SHARED_PRESETS, Encoder
from vmaftune_frv2.contract.encoder_names import APIS, canonical_name, condensed
from vmaftune_frv2.contract.gop import Gop
from vmaftune_frv2.contract.hardware_encoders import HARDWARE
from vmaftune_frv2.errors import UsageError


def _shared(*native: str) -> dict[str, str]:
    return dict(zip(SHARED_PRESETS, native, strict=False))


def _tunes(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: ("-tune", name) for name in names}


_X26X_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip
_YUV_8_10 = ("yuv420p", "yuv420p10le", "yuv422p", "yuv422p10le", "yuv444p", "yuv444p10le")
_YUV_12 = ("yuv420p12le", "yuv422p12le", "yuv444p12le")

SOFTWARE = (
    Encoder(
        name="libx264",
        presets=_X26X_PRESETS,
        preset_aliases={"slowest": "veryslow"},
        crf_min=0,
        crf_max=51,
        crf_step=0.1,
        crf_grid=0.05,
        argv=("-c:v", "libx264", "-preset", "{preset}", "-crf", "{crf}", "-threads", "{threads}"),
        pix_fmts=_YUV_8_10,
        container="mp4",
        cost=(0.022, 1.29),
        version_pattern=r"264 - core (\S+(?: r\d+)?(?: [0-9a-f]{7})?)",
        default_presets=("veryfast", "medium"),
        default_crfs=(18, 23, 28, 33, 38, 43),
        gop=Gop(lead=8, mini=1, keyframe_every=250, container_bytes=11.7),
        tunes=_tunes(
            "film", "animation", "grain", "stillimage", "psnr", "ssim", "fastdecode", "zerolatency"
        ),
        zones=("-x264-params", "{first},{last},crf={crf}"),
        pass_log=True,
    ),
    Encoder(
        name="libx265",
        presets=_X26X_PRESETS,
        preset_aliases={"slowest": "veryslow"},
        crf_min=0,
        crf_max=51,
        crf_step=0.1,
        crf_grid=0.05,
        argv=(
            "-c:v", "libx265", "-preset", "{preset}", "-crf", "{crf}",
            "-x265-params", "pools={threads}:frame-threads=1",
        ),
        pix_fmts=_YUV_8_10 + _YUV_12,
        container="mp4",
        cost=(0.053, 1.24),
        version_pattern=r"HEVC encoder version (\S+)",
        default_presets=("ultrafast", "medium"),
        default_crfs=(18, 23, 28, 33, 38, 43),
        gop=Gop(lead=8, mini=1, keyframe_every=250, container_bytes=12.2, header_bytes=3400),
        tunes=_tunes("psnr", "ssim", "grain", "fastdecode", "zerolatency", "animation"),
        # A crf makes it ignore the zone. It holds the frames that it has done, this one not among them, against
        # first - 1 and end.
        zones=("-x265-params", "{after_first},{end},b={factor:.6g}"),
    ),
    Encoder(
        name="libsvtav1",
        presets=tuple(str(p) for p in range(13, -1, -1)),
        preset_aliases=_shared("0", "1", "3", "5", "7", "9", "11", "13"),
        crf_min=1,
        crf_max=63,
        crf_step=0.25,
        argv=(
            "-c:v", "libsvtav1", "-preset", "{preset}", "-crf", "{crf}",
            "-svtav1-params", "lp={threads}",
        ),
        # ffmpeg's -crf is a whole number to it: 30.25 there is 30.
        fraction_argv=(
            "-c:v", "libsvtav1", "-preset", "{preset}", "-svtav1-params", "lp={threads}:crf={crf}",
        ),
        pix_fmts=("yuv420p", "yuv420p10le"),
        container="mp4",
        cost=(0.02, 1.76),
        version_pattern=r"SVT-AV1 Encoder Lib (\S+)",
        default_presets=("10", "7"),
        default_crfs=(23, 30, 37, 44, 51, 58),
        gop=Gop(mini=32, keyframe_seconds=5, keyframe_step=16, container_bytes=5.0),
        tunes={n: ("-svtav1-params", f"tune={i}") for i, n in enumerate(("vq", "psnr", "ssim"))},
        film_grain=(50, ("-svtav1-params", "film-grain={level}")),
        remap_pattern=r"Preset M-?\d+ is mapped to M(\d+)",
    ),
    Encoder(
        name="libvvenc",
        presets=("faster", "fast", "medium", "slow", "slower"),
        preset_aliases=_shared(
            "slower", "slower", "slower", "slow", "medium", "fast", "faster", "faster", "faster", "faster"
        ),
        crf_min=0,
        crf_max=63,
        argv=("-c:v", "libvvenc", "-preset", "{preset}", "-qp", "{crf}", "-threads", "{threads}"),
        pix_fmts=("yuv420p10le",),
        container="mp4",
        cost=(0.36, 1.41),
        version_pattern=r"libvvenc version: (\S+)",
        default_presets=("faster", "fast"),
        default_crfs=(18, 24, 30, 36, 42, 48),
        # A keyframe every second anyway: frames round a window change nothing, bench/quality/windows.py.
        gop=Gop(lead=0, lookahead=0, mini=1, keyframe_seconds=1, container_bytes=13.2),
        keyint=("-vvenc-params", "IntraPeriod={keyint}"),  # -g is not heard
        # Its decoding times follow its frame rate, and uneven frames are then shown before they are decoded.
        uneven_times=False,
    ),
    Encoder(
        name="libvpx-vp9",
        presets=("5", "4", "3", "2", "1", "0"),
        # -deadline good tops out at 5: higher numbers give the same stream.
        preset_aliases=_shared("0", "0", "1", "2", "3", "4", "5", "5", "5", "5")
        | {"6": "5", "7": "5", "8": "5"},
        crf_min=0,
        crf_max=63,
        argv=(
            "-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "{preset}", "-crf", "{crf}", "-b:v", "0",
            "-threads", "{threads}",
        ),
        pix_fmts=_YUV_8_10 + _YUV_12,
        container="webm",
        cost=(0.23, 1.2),
        version_pattern=r"\[libvpx-vp9 @ [^\]]+\] (v\d\S*)",
        default_presets=("5", "3"),
        default_crfs=(20, 28, 36, 44, 52, 60),
        gop=Gop(keyframe_every=128, container_bytes=7.3),
        tunes=_tunes("psnr", "ssim") | {n: ("-tune-content", n) for n in ("screen", "film")},
    ),
    Encoder(
        name="libaom-av1",
        presets=("6", "5", "4", "3", "2", "1", "0"),
        # good-quality usage tops out at 6: higher numbers give the same stream.
        preset_aliases=_shared("0", "1", "2", "3", "4", "5", "6", "6", "6", "6")
        | {"7": "6", "8": "6", "9": "6"},
        crf_min=0,
        crf_max=63,
        argv=(
            "-c:v", "libaom-av1", "-cpu-used", "{preset}", "-crf", "{crf}", "-b:v", "0",
            "-threads", "{threads}",
        ),
        pix_fmts=_YUV_8_10 + _YUV_12,
        container="mkv",
        cost=(0.54, 1.35),
        version_pattern=r"\[libaom-av1 @ [^\]]+\] (v?\d\S*)",
        default_presets=("6", "4"),
        default_crfs=(20, 28, 36, 44, 52, 60),
        gop=Gop(mini=32, container_bytes=4.4),
        tunes=_tunes("psnr", "ssim"),
        film_grain=(50, ("-denoise-noise-level", "{level}")),
    ),
    Encoder(
        name="librav1e",
        presets=tuple(str(p) for p in range(10, -1, -1)),
        preset_aliases=_shared("0", "1", "2", "4", "6", "7", "8", "9", "10", "10"),
        crf_min=0,
        crf_max=255,
        argv=("-c:v", "librav1e", "-speed", "{preset}", "-qp", "{crf}", "-threads", "{threads}"),
        pix_fmts=_YUV_8_10 + _YUV_12,
        container="mp4",
        cost=(0.2, 1.4),
        version_pattern=r"librav1e (\d\S*)",
        default_presets=("10", "6"),
        default_crfs=(60, 90, 120, 150, 180, 210),
        gop=Gop(lookahead=40, mini=8, keyframe_every=240, container_bytes=5.0),
        optional=True,
    ),
)  # fmt: skip

BUILTIN = (*SOFTWARE, *HARDWARE)


class EncoderTable:
    """The encoders a process knows: the built-in ones and those that plugins register."""

    def __init__(self, encoders: tuple[Encoder, ...] = BUILTIN) -> None:
        self._by_name = {encoder.name: encoder for encoder in encoders}

    def register(self, encoder: Encoder) -> None:
        """Adds one encoder; a name that is taken is refused, unless by a built-in entry that is optional."""
        taken = self._by_name.get(encoder.name)
        if taken is not None and not (taken.optional and taken in BUILTIN):
            raise UsageError(f"encoder {encoder.name!r} is registered twice")
        self._by_name[encoder.name] = encoder

    def replace(self, encoders: Iterable[Encoder]) -> None:
        """Takes the entries of another process in place of its own."""
        self._by_name = {encoder.name: encoder for encoder in encoders}

    def find(self, name: str) -> Encoder | None:
        """The entry of ``name`` or of an alias, or None."""
        return self._by_name.get(canonical_name(name))

    def get(self, name: str) -> Encoder:
        """The entry of ``name`` or of an alias.

        Raises:
            UsageError: nobody knows it.
        """
        encoder = self.find(name)
        if encoder is None:
            api = APIS.get(name.lower())
            if api is not None:
                of_api = [each for each in self._by_name if each.endswith(f"_{api}")]
                raise UsageError(f"{name} encodes several formats; name one of them: {', '.join(of_api)}")
            raise UsageError(f"unknown encoder {name!r}; known: {self.described()}")
        return encoder

    def crf_step(self, name: str) -> float:
        """The step of an encoder's crfs that may be named; 1 where nobody knows it."""
        encoder = self.find(name)
        return 1 if encoder is None else encoder.finest_step

    def __iter__(self) -> Iterator[Encoder]:
        return iter(self._by_name.values())

    def names(self) -> tuple[str, ...]:
        """Names in table order."""
        return tuple(self._by_name)

    def usual(self) -> tuple[str, ...]:
        """Names of those that are not optional, in table order."""
        return tuple(name for name, encoder in self._by_name.items() if not encoder.optional)

    def described(self) -> str:
        """Every name, for help texts and errors, those that differ in the format alone put together."""
        return condensed(self._by_name)


ENCODERS = EncoderTable()
"""The process-wide table. Plugins extend it once, at start-up."""
