"""The tables of kinds of model, descriptor blocks and parts of the codec block hold together."""

from __future__ import annotations

import pytest

from vmaftune_frv2.contract.codec import CURVE_VOCABULARY, VOCABULARIES, CodecBlock, CodecParts
from vmaftune_frv2.contract.descriptor import BLOCKS, DESCRIPTOR, block_of
from vmaftune_frv2.contract.kinds import BITRATE_CURVE, KINDS, PER_FRAME, REGRESSOR, VMAF_CURVE, kind_of
from vmaftune_frv2.contract.registry import Registry
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.resources import shipped_models_dir

WIDTH = CodecBlock.of_version(CURVE_VOCABULARY).width
WIDTHS = {
    REGRESSOR: {"features": 6, "codec": 8},
    PER_FRAME: {"features": 6},
    VMAF_CURVE: {"features": len(DESCRIPTOR), "probe_codec": WIDTH, "codec": WIDTH, "anchor": None},
    BITRATE_CURVE: {"features": len(DESCRIPTOR), "probe_codec": WIDTH, "codec": WIDTH, "anchor": None},
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_shipped_model_is_of_its_kind(kind):
    registry = Registry(shipped_models_dir())
    sidecar, entry = registry.load(kind.model_id).sidecar, registry.find(kind.model_id)
    assert sidecar.kind is kind
    assert sidecar.input_widths == WIDTHS[kind]
    assert (sidecar.input_names, sidecar.output_names) == (tuple(kind.inputs), kind.outputs)
    assert entry is not None
    assert entry["description"] == kind.description


@pytest.mark.parametrize(("codec_aware", "curve_of"), [(False, "score"), (True, "size")])
def test_what_is_of_no_kind_is_refused(codec_aware, curve_of):
    with pytest.raises(ModelError, match="no kind of model"):
        kind_of(codec_aware, curve_of)


def test_blocks_cover_a_descriptor_without_gaps():
    assert [name for block in BLOCKS for name in DESCRIPTOR[block_of(block)]] == list(DESCRIPTOR)
    assert all(DESCRIPTOR[block_of(block)] == names for block, names in BLOCKS.items())


@pytest.mark.parametrize("version", VOCABULARIES)
def test_parts_of_a_codec_block_lie_where_its_layout_says(version):
    block = CodecBlock.of_version(version)
    parts, layout = CodecParts.of_width(block.width), block.layout
    assert [f"encoder_onehot[{name}]" for name in block.vocab] == layout[parts.encoder]
    assert (layout[parts.preset], layout[parts.crf]) == ("preset_norm", "crf_norm")
    assert layout[parts.line] == [name for name in layout if name != "crf_norm"]
