"""What encodes are made with beside encoder, preset and crf, and what is done to the frames before."""

from __future__ import annotations

from collections.abc import Sequence

from vmaftune_frv2.contract.encoder_settings import EncoderSettings
from vmaftune_frv2.contract.filters import Filters
from vmaftune_frv2.contract.grid import parse_setting
from vmaftune_frv2.contract.option_groups import SourceOptions
from vmaftune_frv2.contract.options import option


class FilterOptions(SourceOptions):
    """What is done to the frames of a source, before they are encoded and before encodes are scored."""

    vfilter: str | None = option(
        None,
        "ffmpeg filters for encodes and reference alike: yadif, hqdn3d, scale=1280:-2.",
        metavar="FILTERS",
    )
    reference_vfilter: str | None = option(
        None, "Filters of the reference instead of --vfilter, as to score against frames that keep their grain.",
        metavar="FILTERS",
    )  # fmt: skip
    crop: str | None = option(
        None,
        "Crop encodes and reference: WIDTH:HEIGHT:X:Y, or auto for the black bars that all of the source has.",
        metavar="auto|W:H:X:Y",
    )
    scale: str | None = option(
        None,
        "Scale encodes and reference, bicubic: WIDTH:HEIGHT, one of them -2 to keep the proportion, or HEIGHT.",
        metavar="W:H|HEIGHT",
    )

    def check(self) -> None:
        """Refuses filters that cannot be."""
        super().check()
        self.filters().check()

    def filters(self) -> Filters:
        """The filters as one value."""
        return Filters(self.vfilter or "", self.reference_vfilter, self.crop or "", self.scale or "")


class EncodingOptions(FilterOptions):
    """Encoder settings; ``SourceOptions`` and ``FilterOptions`` among them."""

    pix_fmt: str | None = option(
        None,
        "Pixel format of the encodes, as yuv420p10le for 10 bit; of raw YUV, its own.",
        shown="the nearest to the source's; of raw YUV yuv420p",
    )
    extra_params: Sequence[str] = option(
        (),
        "Further ffmpeg arguments for the encoder, quoted as one ('-bf 8 -aq-mode 3'); repeatable. ENCODER=ARGS is"
        " for that encoder alone.",
        flag="enc",
        also="extra-params",
        metavar="ARGS",
    )
    keyint: str | None = option(
        None,
        "Longest distance of keyframes, in frames (48) or seconds (2s).",
        metavar="FRAMES|SECONDSs",
        shown="the encoder's own",
    )
    tunes: Sequence[str] = option(
        (),
        "What the encoder is tuned for, as film or grain; repeatable. ENCODER=TUNE is for that encoder alone.",
        flag="tune",
        metavar="TUNE",
    )
    film_grain: Sequence[str] = option(
        (),
        "Level of film grain synthesis, where the encoder has it; repeatable. ENCODER=LEVEL is for that encoder"
        " alone.",
        metavar="LEVEL",
    )
    threads: int | None = option(None, "Threads of each encode and scoring.", low=1, shown="CPUs / jobs")

    def check(self) -> None:
        """Refuses settings that no encoder has."""
        super().check()
        self.settings().check()

    def settings(self) -> EncoderSettings:
        """The encoder settings as one value."""
        return EncoderSettings(
            tuple(map(parse_setting, self.extra_params)),
            self.pix_fmt,
            self.keyint,
            tuple(map(parse_setting, self.tunes)),
            tuple(map(parse_setting, self.film_grain)),
        )
