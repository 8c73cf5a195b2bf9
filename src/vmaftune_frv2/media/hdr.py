"""How an encode says that it is HDR, or that it is not.

A source's own labels need no help: ffmpeg hands transfer, primaries, matrix, mastering display and light
levels from the decoded frames to every encoder of the table. Only what is forced is written here, and as
filters: the encoder options ``-color_trc`` and ``-color_primaries`` give way to what the frames say, and
``-colorspace`` converts the samples instead of labelling them.
"""

from __future__ import annotations

from dataclasses import dataclass

from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.media.source import Source

MODES = ("auto", "force-sdr", "force-hdr-pq", "force-hdr-hlg")
"""As the source says; SDR whatever it says; PQ; HLG."""

_FORCED = {"force-sdr": "", "force-hdr-pq": "pq", "force-hdr-hlg": "hlg"}
_FFMPEG_TRANSFER = {"pq": "smpte2084", "hlg": "arib-std-b67"}
_HDR_SIDE_DATA = (
    "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL", "DYNAMIC_HDR_PLUS", "DOVI_RPU_BUFFER", "DOVI_METADATA",
)  # fmt: skip


@dataclass(frozen=True)
class Hdr:
    """What the encodes of a source are labelled as.

    Args:
        transfer: ``pq``, ``hlg`` or ``""`` (SDR).
        primaries: ffmpeg's name of the colour primaries of an HDR encode, else ``""``.
        matrix: ffmpeg's name of the matrix, ``""`` for the source's own.
        forced: whether a mode decided it, and not the source.
    """

    transfer: str
    primaries: str
    matrix: str
    forced: bool

    def row_values(self) -> dict[str, str | bool]:
        """The row's HDR keys."""
        return {"hdr_transfer": self.transfer, "hdr_primaries": self.primaries, "hdr_forced": self.forced}


def resolve(source: Source, mode: str) -> Hdr:
    """Decides what the encodes of a source are labelled as.

    Raises:
        UsageError: there is no such mode.
    """
    if mode == "auto":
        return Hdr(source.hdr_transfer, source.hdr_primaries, "", forced=False)
    if mode not in _FORCED:
        raise UsageError(f"unknown HDR mode {mode!r}; it is one of {', '.join(MODES)}")
    transfer = _FORCED[mode]
    return Hdr(transfer, "bt2020", "bt2020nc", forced=True) if transfer else Hdr("", "", "", forced=True)


def signalling_filters(source: Source, hdr: Hdr) -> str:
    """Filters that label the frames before they are encoded, ending in a comma; empty where nothing is forced.

    They change labels only, never samples. An SDR label keeps the source's primaries and matrix, which say
    what its samples mean, and drops the HDR transfer and all HDR metadata.
    """
    if not hdr.forced:
        return ""
    if hdr.transfer:
        return (
            f"setparams=color_primaries={hdr.primaries}:color_trc={_FFMPEG_TRANSFER[hdr.transfer]}"
            f":colorspace={hdr.matrix},"
        )
    if not source.hdr_transfer:
        return ""
    dropped = "".join(f"sidedata=mode=delete:type={kind}," for kind in _HDR_SIDE_DATA)
    return f"setparams=color_trc=bt709,{dropped}"
