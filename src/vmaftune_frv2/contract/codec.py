"""The codec block: encoder one-hot, preset_norm and crf_norm, in the slots of a vocabulary.

Vocabularies are versioned and append-only in spirit; a sidecar names the version and the list it was
trained with, and nothing else decides a slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.crf import Crf
from vmaftune_frv2.contract.encoder import SLOWEST_ORDINAL, Encoder
from vmaftune_frv2.contract.encoder_names import canonical_name
from vmaftune_frv2.contract.encoders import ENCODERS, SOFTWARE, EncoderTable
from vmaftune_frv2.errors import ModelError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CRF_SCALE = 63.0
UNKNOWN = "unknown"
BLIND = 0.5
"""preset_norm and crf_norm of an encoder in the unknown slot."""

DEFAULT_VOCABULARY = 1
CURVE_VOCABULARY = 4
"""The curve models' own, no unknown: the encoders of the table, optional ones where a corpus has rows of them."""
SCALARS = ("preset_norm", "crf_norm")
"""What follows the encoder's one-hot in a block."""

VOCABULARIES: dict[int, tuple[str, ...]] = {
    1: ("libx264", "libx265", "libsvtav1", "libvvenc", "libvpx-vp9", UNKNOWN),
    2: (
        "libx264", "libx265", "libsvtav1", "libvvenc", "libvpx-vp9", "h264_nvenc", "hevc_nvenc", "av1_nvenc",
        "h264_qsv", "hevc_qsv", "av1_qsv", UNKNOWN,
    ),
    3: (
        "libx264", "libaom-av1", "libx265", "h264_nvenc", "hevc_nvenc", "av1_nvenc", "h264_amf", "hevc_amf",
        "av1_amf", "h264_qsv", "hevc_qsv", "av1_qsv", "libvvenc", "libsvtav1", "h264_videotoolbox",
        "hevc_videotoolbox",
    ),
    4: tuple(encoder.name for encoder in SOFTWARE if not encoder.optional),
}  # fmt: skip


def axis_length(encoder: Encoder | None) -> int:
    """What a crf is divided by: 63, or the highest value of an axis that is longer."""
    last = encoder.crf_max if encoder is not None else CRF_SCALE
    return max(last, int(CRF_SCALE)) if isinstance(last, int) else int(CRF_SCALE)


def crf_norm(encoder: Encoder, crf: float) -> float:
    """Where a crf lies on its encoder's axis: 0 at the best quality, at most 1 at the worst."""
    return min(max(encoder.loss(crf) / axis_length(encoder), 0.0), 1.0)


class CodecParts(NamedTuple):
    """Where the parts of a codec vector lie: ``line`` is encoder and preset, all that is equal along a curve."""

    encoder: slice
    preset: int
    crf: int
    line: slice

    @classmethod
    def of_width(cls, width: int) -> CodecParts:
        """Of a block with preset and crf, as wide as ``CodecBlock.width``."""
        slots = width - len(SCALARS)
        preset, crf = (slots + SCALARS.index(name) for name in ("preset_norm", "crf_norm"))
        return cls(slice(0, slots), preset, crf, slice(0, crf))


@dataclass(frozen=True)
class CodecBlock:
    """Turns cells into codec vectors.

    Args:
        vocab: encoder names in slot order, as a sidecar names them.
        version: vocabulary version that ``vocab`` is.
    """

    vocab: tuple[str, ...]
    version: int

    @classmethod
    def of_version(cls, version: int) -> CodecBlock:
        """The block of a known vocabulary version.

        Raises:
            UsageError: no such version.
        """
        if version not in VOCABULARIES:
            raise UsageError(f"unknown encoder vocabulary {version}; known: {', '.join(map(str, VOCABULARIES))}")
        return cls(VOCABULARIES[version], version)

    @property
    def width(self) -> int:
        """Length of a codec vector."""
        return len(self.layout)

    @property
    def layout(self) -> list[str]:
        """Meaning of each element, as the sidecar's ``codec_block_layout``."""
        return [f"encoder_onehot[{name}]" for name in self.vocab] + list(SCALARS)

    def slot(self, encoder: str) -> int | None:
        """The one-hot slot of an encoder: its own, else ``unknown``'s, else None."""
        name = canonical_name(encoder)
        if name in self.vocab:
            return self.vocab.index(name)
        return self.vocab.index(UNKNOWN) if UNKNOWN in self.vocab else None

    def knows(self, encoder: str) -> bool:
        """Whether the encoder has a slot of its own."""
        return canonical_name(encoder) in self.vocab

    def vector(self, cell: Cell, table: EncoderTable = ENCODERS) -> list[float]:
        """Codec vector of one cell: one-hot, preset_norm, crf_norm, all in [0, 1].

        Raises:
            UsageError: no slot for the encoder, or a preset nobody knows.
        """
        slot = self.slot(cell.encoder)
        if slot is None:
            raise UsageError(f"no slot for encoder {cell.encoder!r} in vocabulary {self.version}")
        onehot = [0.0] * len(self.vocab)
        onehot[slot] = 1.0
        if not self.knows(cell.encoder) or cell.encoder == UNKNOWN:
            return [*onehot, BLIND, BLIND]
        ordinal = table.get(cell.encoder).preset_ordinal(cell.preset)
        return [*onehot, ordinal / SLOWEST_ORDINAL, crf_norm(table.get(cell.encoder), cell.crf)]

    def matrix(self, cells: Iterable[Cell], table: EncoderTable = ENCODERS) -> NDArray[np.float32]:
        """[N, width] codec vectors, those of one (encoder, preset) looked up once.

        Raises:
            UsageError: no slot for an encoder, or a preset nobody knows.
        """
        import numpy as np

        # Making a Line of each of a million cells would take most of the time.
        lines: dict[tuple[str, str], int] = {}
        crfs: list[Crf] = []
        numbered = []
        for cell in cells:
            numbered.append(lines.setdefault((cell.encoder, cell.preset), len(lines)))
            crfs.append(cell.crf)
        line = np.asarray(numbered, dtype=np.intp)
        scales = [axis_length(table.find(encoder)) for encoder, _ in lines]
        ends = [
            [self.vector(Cell(*name, crf), table) for name, crf in zip(lines, crfs_of_end, strict=True)]
            for crfs_of_end in ([0] * len(lines), scales)
        ]
        low, high = (np.asarray(end, dtype=np.float64).reshape(len(lines), self.width) for end in ends)
        matrix: NDArray[np.float32] = low.astype(np.float32)[line]
        lengths = np.asarray(scales, dtype=np.float64)[line]
        share = np.clip(np.asarray(crfs, dtype=np.float64) / lengths, 0.0, 1.0)
        for column in np.flatnonzero((low != high).any(axis=0)):
            matrix[:, column] = low[line, column] + (high - low)[line, column] * share
        return matrix


class OneHotBlock(CodecBlock):
    """The superseded block: the encoder alone, without preset and crf."""

    @property
    def layout(self) -> list[str]:
        """Meaning of each element."""
        return super().layout[: len(self.vocab)]

    def vector(self, cell: Cell, table: EncoderTable = ENCODERS) -> list[float]:
        """One-hot of the encoder.

        Raises:
            UsageError: no slot for the encoder.
        """
        return super().vector(cell, table)[: len(self.vocab)]


def block_of_layout(vocab: tuple[str, ...], version: int, layout: Sequence[str]) -> CodecBlock:
    """The block that has this layout.

    Raises:
        ModelError: none has.
    """
    for kind in (CodecBlock, OneHotBlock):
        block = kind(vocab, version)
        if block.layout == list(layout):
            return block
    raise ModelError("codec_block_layout does not follow from encoder_vocab")
