"""Which VMAF model a source is scored with."""

from __future__ import annotations

from vmaftune_frv2.contract.vmaf_names import DEFAULT_MODEL, PHONE, UHD_MODEL

UHD_HEIGHT = 2160
MODELS = {
    DEFAULT_MODEL: "HD television",
    UHD_MODEL: "4K television",
    "vmaf_v0.6.1neg": "NEG: no gain from enhancement",
    "vmaf_4k_v0.6.1neg": "4K, NEG",
    DEFAULT_MODEL + PHONE: "phones",
}
"""What libvmaf has had since version 2, by the name that ``--vmaf-model`` takes."""
V1_MODELS = {
    "vmaf_v1.0.16_3d0h": "v1, from 3 heights away",
    "vmaf_v1.0.16_5d0h": "v1, from 5 heights away",
    "vmaf_v1.0.16_1d5h_2160": "v1, 2160 rows, from 1.5 heights away",
    "vmaf_v1.0.16_3d0h_2160": "v1, 2160 rows, from 3 heights away",
    "vmaf_v1.0.16_hfr_3d0h": "v1, high frame rates, from 3 heights away",
    "vmaf_v1.0.16_hfr_5d0h": "v1, high frame rates, from 5 heights away",
    "vmaf_v1.0.16_hfr_1d5h_2160": "v1, high frame rates, 2160 rows, from 1.5 heights away",
    "vmaf_v1.0.16_hfr_3d0h_2160": "v1, high frame rates, 2160 rows, from 3 heights away",
}
"""VMAF v1, which not every build has."""


def default_vmaf_model(height: int) -> str:
    """The model for a source of ``height`` luma rows: the 4K one from 2160 rows on, else the HD one.

    Both are SDR models, and libvmaf has no other: an HDR source is scored with them too, see
    ``model_warning``.
    """
    return UHD_MODEL if height >= UHD_HEIGHT else DEFAULT_MODEL


def model_warning(transfer: str, model: str) -> str | None:
    """What to tell, once per run, of an HDR source that is scored with a model of libvmaf; None for SDR."""
    if not transfer:
        return None
    return f"HDR source ({transfer.upper()}): libvmaf has no HDR model, {model} judges it as if it were SDR"
