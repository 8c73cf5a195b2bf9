"""Names of VMAF models: libvmaf's own, and the short ones that people type."""

from __future__ import annotations

import re

from vmaftune_frv2.errors import UsageError

DEFAULT_MODEL = "vmaf_v0.6.1"
UHD_MODEL = "vmaf_4k_v0.6.1"
PHONE = ":enable_transform=true"
"""What makes a phone model of a model that has a transform, as libvmaf spells it."""
TRANSFORMED = ("vmaf_v0.6.1", "vmaf_v0.6.1neg", "vmaf_float_v0.6.1", "vmaf_float_v0.6.1neg")
"""Models with a transform. libvmaf takes the option with any other too, and scores as if it were not there."""
SHORT_NAMES = {
    "hd": DEFAULT_MODEL,
    "4k": UHD_MODEL,
    "neg": "vmaf_v0.6.1neg",
    "4k-neg": "vmaf_4k_v0.6.1neg",
    "phone": DEFAULT_MODEL + PHONE,
    "v1": "vmaf_v1.0.16_3d0h",
}
"""What may be typed for a model, in any case."""
_NAME = re.compile(r"[A-Za-z0-9_.]+")


def vmaf_model_named(text: str) -> str:
    """A VMAF model by libvmaf's name.

    Args:
        text: that name, with ``PHONE`` behind it for the variant for phones, or a short name.

    Raises:
        UsageError: it cannot be a model's name, or is the phone model of a model that has none.
    """
    model = SHORT_NAMES.get(text.lower(), text)
    name, transform = model.removesuffix(PHONE), model.endswith(PHONE)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{model!r} is no VMAF model; write a name, as vmaf_v1.0.16_3d0h, or vmaf_v0.6.1{PHONE} for phones;"
            f" or for short {', '.join(SHORT_NAMES)}"
        )
    if transform and name not in TRANSFORMED:
        raise UsageError(f"VMAF model {name} has no variant for phones; {', '.join(TRANSFORMED)} have")
    return model


def short_name(model: str) -> str:
    """The short name of a model; its own where it has none."""
    return next((short for short, name in SHORT_NAMES.items() if name == model), model)
