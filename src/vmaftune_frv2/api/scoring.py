"""Scoring a video that somebody encoded against what it was made from."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmaftune_frv2.api.questions import recorded
from vmaftune_frv2.api.sources import warn_of_hdr
from vmaftune_frv2.contract.filters import Filters
from vmaftune_frv2.contract.frame_pools import summary_of
from vmaftune_frv2.contract.output_names import refuse_output
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.contract.score_request import AUTO, ScoreRequest
from vmaftune_frv2.corpus.scored_pair import Made, PairFigures, how_made, pair_row
from vmaftune_frv2.corpus.setup import Outcome
from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.media.aligned import Aligned, score_aligned
from vmaftune_frv2.media.encoded_by import encoded_by, packet_sizes
from vmaftune_frv2.media.ffmpeg import FFmpeg, locate
from vmaftune_frv2.media.filtering import filtered
from vmaftune_frv2.media.frame_match import Match, match_frames
from vmaftune_frv2.media.hdr import resolve
from vmaftune_frv2.media.look import look_at
from vmaftune_frv2.media.opening import open_source, stat_video
from vmaftune_frv2.media.picture_fit import Fit, Seen, fit
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import together, usable_cpus
from vmaftune_frv2.media.vmaf import Scored, takes_pictures
from vmaftune_frv2.media.vmaf_models import default_vmaf_model

if TYPE_CHECKING:
    from vmaftune_frv2.host.plugins import Plugins

log = get_logger(__name__)
SAME_RATE = 0.02
"""Relative difference of two frame rates below which they are one."""


@dataclass(frozen=True)
class PairScore:
    """The score of a pair of videos.

    Args:
        pair: the videos, and which of their frames belong together.
        crop: what of either picture does.
        similarity: mean correlation of small pictures of both, at the start; 1 for the same.
        model: VMAF model.
        vmaf: of each compared frame, at the size of the reference.
        also: {further VMAF model: its score of each frame}.
        size_bytes: of the encode's frames that were compared.
        made: how it was made, as far as that is known.
        row: all of it as a row of a corpus; None where none was asked for.
    """

    pair: Aligned
    crop: Fit
    similarity: float
    model: str
    vmaf: list[float]
    size_bytes: int
    made: Made
    also: dict[str, list[float]] = field(default_factory=dict)
    row: Row | None = None

    @property
    def kbps(self) -> float:
        """Bitrate of the compared frames."""
        return self.size_bytes * 8 / 1000 * float(self.pair.reference.framerate) / self.pair.frames

    def as_json(self) -> dict[str, Any]:
        """For programs, as ``schemas/pair_score.json``."""
        pair = self.pair
        return {
            "distorted": pair.distorted.label,
            "reference": pair.reference.label,
            "frames": pair.frames,
            **_found(pair, self.crop, self.similarity),
            "kbps": self.kbps,
            "vmaf_model": self.model,
            "vmaf": summary_of(self.vmaf),
            "vmaf_also": {name: summary_of(frames) for name, frames in self.also.items()},
            "row": self.row,
        }


def score_pair(request: ScoreRequest, plugins: Plugins | None = None, *, with_row: bool = True) -> PairScore:
    """Finds which frames and which part of the picture of two videos belong together, and scores them.

    Args:
        request: which videos, and what is known of them.
        plugins: see the row that is recorded; None loads those that are installed.
        with_row: whether to make a row, too; of a scaled encode it takes a second score, at the encode's size.

    Raises:
        UsageError: what is said of the encode is not what it says itself, or not enough for ``record``.
        InputError: a video cannot be used, or the two do not show the same.
        ToolError: ffmpeg or libvmaf failed.
        OutputError: the corpus cannot be written.
    """
    if request.record is not None:
        refuse_output(request.record, "--record", [Path(request.distorted), Path(request.reference)])
    ffmpeg = locate(request.ffmpeg_bin)
    with recorded(request, plugins) as ledger:
        crop, (distorted, reference) = _opened(ffmpeg, request)
        made = _made(ffmpeg, request, distorted)
        match = _matched(ffmpeg, request, distorted, reference)
        pair = Aligned(distorted, reference, match.offset)
        _say_what_is_left_out(pair)
        found = _scored(ffmpeg, request, pair, crop, match, made, with_row)
        if ledger is not None and found.row is not None:
            ledger.take(Outcome(found.row, None))
        return found


def _opened(ffmpeg: FFmpeg, request: ScoreRequest) -> tuple[Fit, tuple[Source, Source]]:
    """Both videos, cropped alike."""
    labels, tracks = (request.distorted, request.reference), (None, request.video_track)

    def seen(which: int) -> Seen:
        label = labels[which]
        stat_video(Path(label), label)
        raw = request.raw_format(label)
        made = filtered(ffmpeg, label, raw, look_at(ffmpeg, label, raw, tracks[which]), before[which])
        return Seen(label, raw, made.look, made.chain)

    before = Filters(), Filters(vfilter=request.vfilter or "")
    looks = list(together(seen, (0, 1), 2))
    if looks[0].look.interlaced:
        raise InputError(
            f"{request.distorted}: interlaced, and VMAF compares progressive frames; deinterlace it into a file of"
            " its own first (ffmpeg -vf yadif)"
        )
    crop = fit(ffmpeg, looks[0], looks[1], request.crop)
    chains: Sequence[Filters] = [
        dataclasses.replace(own, vfilter=first.vfilter) for own, first in zip(crop.filters(), before, strict=True)
    ]

    def opened(which: int) -> Source:
        look, filters = looks[which], chains[which]
        return open_source(
            ffmpeg, look.label, raw=look.raw, hash_file=which == 1, track=tracks[which], filters=filters
        )

    distorted, reference = together(opened, (0, 1), 2)
    hdr = resolve(reference, "auto")
    return crop, (distorted, dataclasses.replace(reference, row_values=dict(hdr.row_values())))


def _made(ffmpeg: FFmpeg, request: ScoreRequest, distorted: Source) -> Made:
    from vmaftune_frv2.contract.crf import parse_crf

    crf = None if request.crf is None else parse_crf(request.crf)
    extra = tuple(shlex.split(request.extra_params))
    made = how_made(encoded_by(ffmpeg, distorted), request.encoder, request.preset, crf, extra)
    if request.record is not None and made.lacking:
        known = f" ({distorted.label} says {made.text})" if made.text else ""
        raise UsageError(f"--record needs to know how the encode was made: give {', '.join(made.lacking)}{known}")
    return made


def _matched(ffmpeg: FFmpeg, request: ScoreRequest, distorted: Source, reference: Source) -> Match:
    rates = float(distorted.framerate / reference.framerate)
    counts = distorted.frames / reference.frames
    if abs(rates - 1) > SAME_RATE and abs(rates / counts - 1) < abs(counts - 1):
        raise InputError(
            f"{distorted.label} shows {float(distorted.framerate):.3f} frames a second, {reference.label}"
            f" {float(reference.framerate):.3f}, for the same time: frames cannot be paired by number; bring one"
            " to the rate of the other first"
        )
    told = None if request.offset == AUTO else int(request.offset)
    if told is not None and not -distorted.frames < told < reference.frames:
        raise InputError(
            f"--offset {told}: {distorted.label} has {distorted.frames} frames,"
            f" {reference.label} {reference.frames}"
        )
    return match_frames(ffmpeg, distorted, reference, request.max_offset, told)


def _say_what_is_left_out(pair: Aligned) -> None:
    """Warns where not every frame of both is compared."""
    counts, (mine, theirs) = (pair.distorted.frames, pair.reference.frames), pair.first
    if counts != (pair.frames, pair.frames):
        log.warning(
            "%s has %d frames, %s %d: %d are compared, from frame %d and frame %d on",
            pair.distorted.label, counts[0], pair.reference.label, counts[1], pair.frames, mine, theirs,
        )  # fmt: skip


def _scored(
    ffmpeg: FFmpeg, request: ScoreRequest, pair: Aligned, crop: Fit, match: Match, made: Made, with_row: bool
) -> PairScore:
    reference = pair.reference
    model = request.scored_with() or default_vmaf_model(reference.height)
    warn_of_hdr(reference, model)
    full, also = request.feature_set == "full", request.also_scored_with()

    def scored(of: Aligned, features: bool) -> Scored:
        size = of.reference.width, of.reference.height
        if not takes_pictures(ffmpeg, model, *size):
            raise InputError(f"{of.reference.label}: {size[0]}x{size[1]} is too small for VMAF model {model}")
        threads = request.threads or usable_cpus()
        return score_aligned(ffmpeg, of, model, full_features=features, also=also, threads=threads)

    row = None
    seen = scored(pair, full and not pair.scaled)
    size_bytes = _bytes(ffmpeg, pair)
    if with_row or request.record is not None:
        own = dataclasses.replace(pair, reference=_at_size_of(pair)) if pair.scaled else pair
        here = scored(own, full) if pair.scaled else seen
        found = _found(pair, crop, match.similarity)
        at_source_size = seen.vmaf if pair.scaled else None
        figures = PairFigures(own, here, at_source_size, size_bytes, found)
        row = pair_row(figures, made, model, ffmpeg.version, full)
    return PairScore(pair, crop, match.similarity, model, seen.vmaf, size_bytes, made, dict(seen.also), row)


def _at_size_of(pair: Aligned) -> Source:
    """The reference, scaled to the size of the encode."""
    reference, distorted = pair.reference, pair.distorted
    view = dataclasses.replace(reference.view, scaled_from=(reference.width, reference.height))
    return dataclasses.replace(reference, width=distorted.width, height=distorted.height, view=view)


def _found(pair: Aligned, crop: Fit, similarity: float) -> dict[str, Any]:
    """What of the videos was compared, as a row's ``scored_pair`` has it."""
    mine, theirs = pair.first
    return {
        "offset": pair.offset,
        "first_distorted": mine,
        "first_reference": theirs,
        "similarity": round(similarity, 4),
        "crop_distorted": crop.distorted or None,
        "crop_reference": crop.reference or None,
        "width": pair.distorted.width,
        "height": pair.distorted.height,
        "reference_width": pair.reference.width,
        "reference_height": pair.reference.height,
        "frames_distorted": pair.distorted.frames,
        "frames_reference": pair.reference.frames,
    }


def _bytes(ffmpeg: FFmpeg, pair: Aligned) -> int:
    """What the compared frames of an encode take: their packets, or their share where packets are no frames."""
    sizes, mine = packet_sizes(ffmpeg, pair.distorted), pair.first[0]
    if len(sizes) == pair.distorted.frames:
        return sum(sizes[mine : mine + pair.frames])
    whole = sum(sizes) or pair.distorted.size_bytes
    return round(whole * pair.frames / pair.distorted.frames)
