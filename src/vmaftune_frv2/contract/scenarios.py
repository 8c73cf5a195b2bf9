"""The ways in which a curve model's probe is chosen, apart from each other in its figures.

The keys stand in sidecars and ``--metrics-out``; WORDS is what people are shown.
"""

from __future__ import annotations

NEAR = 8
"""Crf steps within which a probe is near."""
ALIKE = 5.0
"""VMAF points within which a probe of another encoder scores like the cell: one made near the target."""

OF_ENCODER, OF_ENCODER_NEAR = "pinned probe in the encoder", f"pinned, within {NEAR} crf"
OF_PRESET, OF_PRESET_NEAR = "pinned probe in the encoder and preset", f"pinned in the preset, within {NEAR} crf"
ANY_OWN, ANY_OWN_NEAR = "any cell of the encoder", f"any cell, within {NEAR} crf"
UNIVERSAL, UNIVERSAL_OTHERS = "universal probe", "universal probe, other encoders"
ANY_OTHER = "any cell of another encoder"
ANY_OTHER_ALIKE = f"{ANY_OTHER}, within {ALIKE:g} VMAF"
NO_COMPLEXITY = "pinned, complexity not known"

WORDS = {
    OF_ENCODER: "the encoder's standard probe",
    OF_ENCODER_NEAR: f"the encoder's standard probe, cells within {NEAR} crf of it",
    OF_PRESET: "the preset's standard probe",
    OF_PRESET_NEAR: f"the preset's standard probe, cells within {NEAR} crf of it",
    ANY_OWN: "any cell of the encoder",
    ANY_OWN_NEAR: f"any cell of the encoder, cells within {NEAR} crf of it",
    UNIVERSAL: "libx264's standard probe",
    UNIVERSAL_OTHERS: "libx264's standard probe, cells of other encoders",
    ANY_OTHER: "any cell of another encoder",
    ANY_OTHER_ALIKE: f"any cell of another encoder, cells within {ALIKE:g} VMAF of it",
    NO_COMPLEXITY: "the encoder's standard probe, complexity of the source not known",
}
