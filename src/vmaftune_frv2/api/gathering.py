"""From what was measured of a source to the encode of all of it."""

from __future__ import annotations

from pathlib import Path

from vmaftune_frv2.contract.containers import MATROSKA, Container, container_of
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.media.carrying import Wanted, carry
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.listing import list_frames
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.streams import Streams, list_streams
from vmaftune_frv2.media.whole_encode import Whole


def all_of(ffmpeg: FFmpeg, source: Source) -> Source:
    """All of a source, its frames listed; decodes it once if only a part of it was in use.

    Raises:
        InputError: it cannot be decoded to its end.
    """
    if source.listed and source.window is None:
        return source
    return list_frames(ffmpeg, source.whole()).source


def gather(
    ffmpeg: FFmpeg, source: Source, container: Container, wanted: Wanted, found: Streams | None = None
) -> Whole:
    """All of a source, and what goes along into a container.

    Args:
        ffmpeg: opens it.
        source: whatever part of it is in use.
        container: of the new file.
        wanted: what is to go along.
        found: its streams, if they are known.

    Raises:
        InputError: it cannot be decoded to its end.
        UsageError: the container cannot hold what is to go along.
    """
    found = found or list_streams(ffmpeg, source.path, source.raw)
    video = found.film(source.track)
    carried = carry(ffmpeg, source.label, found, video, container, wanted)
    return Whole(all_of(ffmpeg, source), video, carried)


def roomy_container(ffmpeg: FFmpeg, source: Source, found: Streams, encoder: Encoder) -> Container:
    """The usual container of an encoder where it holds all that goes along as it is, else Matroska.

    Args:
        ffmpeg: tries it.
        source: what goes along.
        found: its streams.
        encoder: of the video.
    """
    usual = container_of(Path(f"x.{encoder.container}")) or MATROSKA
    try:
        carried = carry(ffmpeg, source.label, found, found.film(source.track), usual, Wanted())
    except UsageError:
        return MATROSKA
    return MATROSKA if carried.converted else usual
