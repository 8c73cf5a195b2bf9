"""What tells the encoder of rows that do not name it as the contract does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vmaftune_frv2.contract.old_rows import Told
from vmaftune_frv2.contract.option_groups import CodecOptions
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.errors import InputError

FILES = ("encode_path", "dis_path", "dis_basename", "src", "source")
"""Keys that may name the file a row is about, the encode first."""


def told_of(
    corpora: Iterable[Path], options: CodecOptions, ffmpeg_bin: str | None = None, vmaf_model: str | None = None
) -> Told:
    """What is said of the rows of corpora beside what they say.

    Args:
        corpora: files and folders; files that rows name are looked for there, too.
        options: which column or file names the encoder.
        ffmpeg_bin: as ``locate`` takes it.
        vmaf_model: of the rows that do not name one.

    Raises:
        ToolError: files are to be looked into, and there is no ffmpeg.
    """
    if not options.codec_from_source:
        return Told(options.codec, None, vmaf_model)
    folders = [path if path.is_dir() else path.parent for path in corpora]
    return Told(None, _Looks(ffmpeg_bin, list(dict.fromkeys(folders))), vmaf_model)


class _Looks:
    """Names the format of the file that a row is about, each file looked into once.

    Args:
        program: ffmpeg, as ``locate`` takes it.
        folders: where files are that are not where the row says.
    """

    def __init__(self, program: str | None, folders: Sequence[Path]) -> None:
        from vmaftune_frv2.media.ffmpeg import locate

        self._ffmpeg, self._folders = locate(program), folders
        self._known: dict[Path, str | None] = {}

    def __call__(self, row: Row) -> str | None:
        names = [row[key] for key in FILES if isinstance(row.get(key), str) and "\0" not in row[key]]
        for path in self._places(names):
            if path not in self._known:
                self._known[path] = self._look(path)
            if self._known[path] is not None:
                return self._known[path]
        return None

    def _places(self, names: Iterable[str]) -> Iterator[Path]:
        for name in names:
            yield Path(name)
            yield from (folder / name for folder in self._folders)

    def _look(self, path: Path) -> str | None:
        from vmaftune_frv2.media.look import look_at

        if not path.is_file():
            return None
        try:
            return look_at(self._ffmpeg, str(path)).track.codec
        except InputError:
            return None
