"""How far predicted ladders are from measured ones: every rung of every ladder is encoded and scored.

python bench/quality/ladder.py CLIP... [--cell libx264:medium]

Needs vmaf_curve_v2 and bitrate_curve_v2 in ./model/tiny or among the shipped models. Heights are the clip's own,
two thirds and four ninths of it.
"""

from __future__ import annotations

import argparse
import statistics

from vmaftune_frv2 import LadderRequest
from vmaftune_frv2.contract.vmaf_names import DEFAULT_MODEL
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.media.ffmpeg import FFmpeg, locate
from vmaftune_frv2.media.opening import LEAST_SIDE, open_source
from vmaftune_frv2.predict.ladder import make_ladder
from vmaftune_frv2.predict.predictor import Predictor
from vmaftune_frv2.predict.rendition import Rendition, Rung

Pair = tuple[Rung, Rung]
"""A rung as predicted and as measured."""


def pairs_of(ffmpeg: FFmpeg, predictor: Predictor, clip: str, cell: str) -> list[Pair]:
    """The rungs of a clip's ladder that were not measured by its probes."""
    encoder, preset = cell.split(":")
    source = open_source(ffmpeg, clip, hash_file=False)
    heights = sorted({source.height, *(2 * round(source.height * share / 2) for share in (2 / 3, 4 / 9))})
    setup = Setup(ffmpeg, predictor.vmaf_model or DEFAULT_MODEL)
    renditions = {
        height: Rendition(setup, source, height)
        for height in reversed(heights)
        if min(height, source.at_height(height).width) >= LEAST_SIDE
    }
    heights = ",".join(map(str, renditions))
    asked = LadderRequest(source=clip, encoders=encoder, presets=preset, heights=heights, min_step=1)
    ladder = make_ladder(predictor, list(renditions.values()), predictor.cells(asked), asked)
    pairs = []
    for rung in ladder.rungs:
        if rung.measured:
            continue
        rendition = renditions[rung.height]
        rendition.measure(rung.cell)
        (measured,) = rendition.predict(predictor, [rung.cell])
        pairs.append((rung, measured))
    return pairs


def report(name: str, pairs: list[Pair]) -> None:
    """One line of errors and coverage of the 90% intervals."""
    if not pairs:
        return
    vmaf = statistics.fmean(abs(p.vmaf - m.vmaf) for p, m in pairs)
    rate = statistics.fmean(abs(p.kbps / m.kbps - 1.0) for p, m in pairs)
    in_vmaf = statistics.fmean(p.vmaf_low <= m.vmaf <= p.vmaf_high for p, m in pairs)
    in_rate = statistics.fmean(p.kbps_low <= m.kbps <= p.kbps_high for p, m in pairs)
    print(f"{name:24} {len(pairs):5} {vmaf:9.2f} {in_vmaf:8.0%} {rate:9.1%} {in_rate:8.0%}", flush=True)


def main() -> None:
    """Prints a table of clips, then of scaled and unscaled rungs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--cell", default="libx264:medium", metavar="ENCODER:PRESET")
    options = parser.parse_args()
    ffmpeg, predictor = locate(), Predictor.open()
    print(f"{'clip':24} {'rungs':>5} {'VMAF off':>9} {'covered':>8} {'kbps off':>9} {'covered':>8}")
    every: list[Pair] = []
    for clip in options.clips:
        pairs = pairs_of(ffmpeg, predictor, clip, options.cell)
        report(clip.rsplit("/", 1)[-1], pairs)
        every += pairs
    report("all, scaled", [pair for pair in every if pair[0].extrapolated])
    report("all, not scaled", [pair for pair in every if not pair[0].extrapolated])


if __name__ == "__main__":
    main()
