"""Deterministic made-up rows for ``--smoke``: they exercise the whole path and mean nothing."""

from __future__ import annotations

import numpy as np

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import CRF_SCALE, CodecBlock
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.training.learnable import Corpus, Measured

ROWS = 100
SOURCES = 5
VMAF_MODEL = "synthetic"


def synthetic_corpus(block: CodecBlock) -> Corpus:
    """100 rows of 5 sources over the usual encoders that the vocabulary knows."""
    generator = np.random.default_rng(20)
    encoders = [ENCODERS.get(name) for name in block.vocab if name in ENCODERS.usual()]
    per_source = ROWS // SOURCES
    rows = []
    for source in range(SOURCES):
        complexity = generator.uniform(0.2, 1.0)
        for index in range(per_source):
            encoder = encoders[index % len(encoders)]
            crf = encoder.crf_min + (encoder.crf_max - encoder.crf_min) * (index // len(encoders) + 2) // 8
            loss = complexity * crf / CRF_SCALE
            quality = float(np.clip(1.0 - 0.8 * loss, 0.0, 1.0))
            features = (
                0.6 + 0.4 * quality,
                *(quality ** (4 - scale) for scale in range(4)),
                10.0 * complexity,
            )
            name = f"synthetic{source}"
            preset = encoder.default_presets[index % len(encoder.default_presets)]
            rows.append(
                Measured(
                    source=name,
                    label=name,
                    clip=(name, "full"),
                    cell=Cell(encoder.name, preset, crf),
                    features=features,
                    score=100.0 * quality,
                    vmaf_model=VMAF_MODEL,
                )
            )
    return Corpus(rows=rows, sha256="", files=())
