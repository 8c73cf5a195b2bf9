"""The shell commands that encode a source shot by shot, each at its own crf."""

from __future__ import annotations

import shlex
from pathlib import Path

from vmaftune_frv2.api.shell import QUIET, Gathered
from vmaftune_frv2.api.shot_answers import ShotAnswers, ShotLine
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.crf import Crf
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.zones import base_crf, zone_argv
from vmaftune_frv2.media.encode import keeps_times, work_argv
from vmaftune_frv2.media.shot_parts import Shot
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.media.whole_encode import final_argv, join_argv


def shot_commands(found: ShotAnswers, line: ShotLine, segments: bool = False) -> list[str]:
    """What makes the encode of one encoder and preset, after a comment that says how.

    Args:
        found: the shots.
        line: which encoder and preset.
        segments: encode each shot to a file of its own even where the encoder can change its crf on the way.
    """
    encoder = ENCODERS.get(line.line.encoder)
    return (_segments if encoder.zones is None or segments else _zoned)(found, line, encoder)


def _zoned(found: ShotAnswers, line: ShotLine, encoder: Encoder) -> list[str]:
    """One encode that changes its crf at every cut, where a keyframe is forced."""
    zones = line.zones(found.shots)
    base = base_crf(zones)
    whole = Gathered(found.setup, found.source).for_encoder(encoder.name)
    output = Path(f"{_stem(found, line)}.{whole.carried.container.name}")
    extra, cell = found.setup.arguments(found.source, encoder), Cell(*line.line, base)
    *argv, url = final_argv(whole, encoder, cell, output, threads=usable_cpus(), extra=extra)
    # Windows begin halfway to the frame before: however the encoder's clock rounds, a shot's first frame is next.
    keys = ",".join(f"{shot.whole.window.start if shot.whole.window else 0.0:.6f}" for shot in found.shots)
    argv = [*zone_argv(encoder, argv, zones, base), "-force_key_frames", keys, url]
    return [f"# {':'.join(line.line)}, one encode", shlex.join([found.setup.ffmpeg.path, *QUIET, *argv])]


def _segments(found: ShotAnswers, line: ShotLine, encoder: Encoder) -> list[str]:
    """An encode per shot, and what joins them."""
    stem = _stem(found, line)
    names = [f"{stem}.{number:04d}.mkv" for number in range(1, len(found.shots) + 1)]
    commands = [f"# {':'.join(line.line)}, a segment per shot, and how to join them"]
    for shot, chosen, name in zip(found.shots, line.chosen, names, strict=True):
        commands.append(shlex.join(_command(found, line, shot.whole, chosen.cell.crf, name)))
    files = " ".join(
        shlex.quote(entry)
        for shot, name in zip(found.shots, names, strict=True)
        # A file's own duration is rounded; over a film of many shots that adds up.
        for entry in (f"file {_listed(name)}", f"duration {_lasts(shot, encoder):.6f}")
    )
    commands.append(f"printf '%s\\n' {files} > {shlex.quote(stem + '.txt')}")
    whole = Gathered(found.setup, found.source).for_encoder(encoder.name)
    join = join_argv(whole, Path(f"{stem}.txt"), Path(f"{stem}.{whole.carried.container.name}"))
    return [*commands, shlex.join([found.setup.ffmpeg.path, *QUIET, *join])]


def _command(found: ShotAnswers, line: ShotLine, part: Source, crf: Crf, name: str) -> list[str]:
    cell, encoder = Cell(*line.line, crf), ENCODERS.get(line.line.encoder)
    extra = found.setup.arguments(found.source, encoder)
    argv = work_argv(part, encoder, cell, Path(name), threads=usable_cpus(), extra=extra)
    return [found.setup.ffmpeg.path, *QUIET, *argv]


def _lasts(shot: Shot, encoder: Encoder) -> float:
    """Seconds of a shot's segment, as encoded."""
    return shot.end_s - shot.start_s if keeps_times(shot.whole, encoder) else shot.whole.encoded_seconds


def _stem(found: ShotAnswers, line: ShotLine) -> str:
    return str(Path(f"{found.source.path.stem}.{line.line.encoder}.{line.line.preset}.shots").absolute())


def _listed(name: str) -> str:
    """A file name as ffmpeg's concat list reads it."""
    return "'" + name.replace("'", "'\\''") + "'"
