"""Whether an encoder of this build tells a crf between whole ones from its neighbours."""

from __future__ import annotations

from vmaftune_frv2.contract.crf import crf_range
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.media.ffmpeg import QUIET, TRIAL_TIMEOUT_S, FFmpeg
from vmaftune_frv2.media.process import scratch_dir

_PICTURE = "testsrc2=size=128x128:rate=25:duration=0.2,noise=alls=20:all_seed=1"


def takes_fractions(ffmpeg: FFmpeg, encoder: Encoder) -> bool:
    """Whether neighbouring steps of a crf give different frames: a few small ones are encoded at three.

    A version of SVT-AV1 that knows whole crfs only encodes at its default where it is told another.

    Args:
        ffmpeg: encodes and decodes.
        encoder: one whose ``crf_step`` is below 1.
    """
    middle, preset = (encoder.crf_min + encoder.crf_max) // 2, encoder.presets[len(encoder.presets) // 2]
    crfs = crf_range(middle, middle + 2 * encoder.crf_step, encoder.crf_step)
    files = [f"{crf}.nut" for crf in crfs]
    outputs, inputs, digests = [], [], []
    for number, (crf, file) in enumerate(zip(crfs, files, strict=True)):
        outputs += ["-pix_fmt", encoder.pix_fmts[0], *encoder.codec_argv(preset, crf, 1), file]
        inputs += ["-i", file]
        digests += ["-map", f"{number}:v", "-f", "md5", "-"]
    with scratch_dir(None, "fractions-") as folder:
        made = ffmpeg.run([*QUIET, "-f", "lavfi", "-i", _PICTURE, *outputs], cwd=folder, timeout=TRIAL_TIMEOUT_S)
        # Of the frames: some encoders write the crf that they were given into the stream.
        read = ffmpeg.run([*QUIET, *inputs, *digests], cwd=folder, timeout=TRIAL_TIMEOUT_S)
    return made.ok and read.ok and len(set(read.stdout.split())) == len(crfs)
