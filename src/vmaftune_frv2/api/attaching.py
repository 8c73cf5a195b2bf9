"""Frames for the rows of a corpus that lack them."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from vmaftune_frv2.api.sources import open_for
from vmaftune_frv2.contract.attach_request import AttachRequest
from vmaftune_frv2.contract.encoder_settings import EncoderSettings
from vmaftune_frv2.contract.option_groups import SourceOptions
from vmaftune_frv2.contract.output_names import refuse_output
from vmaftune_frv2.contract.raw import is_raw
from vmaftune_frv2.contract.rows import ATTACHED, VIDEO_TRACK, VIEW, Row
from vmaftune_frv2.corpus.attach_frames import (
    ENCODED,
    RefusedRowError,
    has_frames,
    key_if_whole,
    key_of,
    with_frames,
)
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_rows
from vmaftune_frv2.corpus.setup import MeasureOptions, Setup
from vmaftune_frv2.corpus.store import CorpusStore
from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.media.ffmpeg import FFmpeg, locate
from vmaftune_frv2.media.opening import sha256_file
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import together, usable_cpus
from vmaftune_frv2.progress import count

log = get_logger(__name__)


@dataclass
class Attached:
    """What became of the rows of a corpus.

    Attributes:
        output: the corpus that holds them.
        made: {how: rows that got frames now}.
        copied: rows that had frames, and went to the output now.
        there: rows that the output had before, with frames.
        again: rows of a cell that an earlier row of the corpus is of; the first one that is not left out counts.
        left_out: {reason: rows that it does not have}.
    """

    output: Path
    made: Counter[str] = field(default_factory=Counter)
    copied: int = 0
    there: int = 0
    again: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def attach(
    request: AttachRequest,
    on_start: Callable[[int], None] = lambda todo: None,
    on_row: Callable[[], None] = lambda: None,
) -> Attached:
    """Appends every row of a corpus to another one, with features and VMAF of each frame.

    What the output has is not measured again, so that the same request goes on where it stopped.

    Args:
        request: which corpus, and where its files are.
        on_start: given the number of cells whose rows need frames.
        on_row: called when one of them is done.

    Raises:
        UsageError: no corpus was named, or the output is one of its files.
        InputError: it cannot be read to its end, or the output is no corpus.
        OutputError: the output cannot be written, or another command is writing to it.
        ToolError: there is no ffmpeg that can do it.
    """
    if request.corpus is None:
        raise UsageError("give CORPUS")
    files, found = corpus_files([request.corpus]), Attached(request.appended_to)
    refuse_output(found.output, "--output", files)
    with CorpusStore(found.output) as store:
        done = {each for each in read_rows([found.output], key_if_whole) if isinstance(each, str)}
        todo = _to_do(files, done, store, found)
        on_start(len(todo))
        if not todo:
            return found
        jobs = min(request.jobs or usable_cpus(), len(todo))
        files_of = _Files(request, locate(request.ffmpeg_bin), max(1, usable_cpus() // jobs))
        with count("attach", "rows", len(todo)) as attached:
            for rows, tried in zip(todo, together(files_of.attempt, todo, jobs), strict=False):
                _take(rows, tried, store, found)
                on_row()
                attached.add()
    return found


def _take(rows: list[Row], tried: list[_Made | RefusedRowError], store: CorpusStore, found: Attached) -> None:
    """Appends what became of the rows of a cell, and counts each of them."""
    for row, each in zip(rows, tried, strict=False):
        where = f"{row['src']} {row['encoder']}:{row['preset']}:{row['crf']}"
        if isinstance(each, RefusedRowError):
            found.left_out[each.reason] += 1
            log.info("%s: left out, %s", where, each)
            continue
        store.append(each.row)
        if each.row is row:
            found.copied += 1
        else:
            found.made[each.row[ATTACHED]["how"]] += 1
        log.info("%s: %s", where, each.done)
    found.again += len(rows) - len(tried)


def _to_do(files: list[Path], done: set[str], store: CorpusStore, found: Attached) -> list[list[Row]]:
    """The rows of each cell that needs frames; a row that has them and is its cell's first is appended at once."""
    met: set[str] = set()
    todo: dict[str, list[Row]] = {}
    for each in read_rows(files, _itself):
        if isinstance(each, Fault):
            found.left_out[each.summary] += 1
            continue
        if each["exit_status"] != 0:
            found.left_out["the cell failed"] += 1
            continue
        key = key_of(each)
        if key in todo:
            todo[key].append(each)
            continue
        if key in met or key in done:
            found.again += key in met
            found.there += key not in met
            met.add(key)
            continue
        if has_frames(each):
            met.add(key)
            store.append(each)
            found.copied += 1
        else:
            todo[key] = [each]
    return list(todo.values())


def _itself(row: Row) -> Row:
    return row


class _Made(NamedTuple):
    row: Row
    done: str


class _Files:
    """Finds the files of rows, opens each source once, and measures."""

    def __init__(self, request: AttachRequest, ffmpeg: FFmpeg, threads: int) -> None:
        corpus = request.corpus or Path()
        self._request, self._ffmpeg = request, ffmpeg
        self._options = MeasureOptions(threads=threads)
        self._beside = corpus if corpus.is_dir() else corpus.parent
        self._lock = threading.Lock()
        self._hashes: dict[Path, str] = {}
        self._sources: dict[tuple[object, ...], Source | Exception] = {}

    def attempt(self, rows: list[Row]) -> list[_Made | RefusedRowError]:
        """What becomes of the rows of a cell, in order, up to the first one that is not left out."""
        tried: list[_Made | RefusedRowError] = []
        for row in rows:
            tried.append(self._attempt(row))
            if isinstance(tried[-1], _Made):
                break
        return tried

    def _attempt(self, row: Row) -> _Made | RefusedRowError:
        """A row with its frames, and how they came to it; or why it has none."""
        if has_frames(row):
            return _Made(row, "had frames")
        try:
            if row.get(VIEW):
                raise RefusedRowError("it is of a window or size that only a new sweep can give")
            source = self._source(row)
            kept = self._kept(row)
            if kept is None and self._request.no_encode:
                raise RefusedRowError("its encode is not there (--no-encode)")
            setup = Setup(
                self._ffmpeg,
                row["vmaf_model"],
                EncoderSettings.of_arguments(row["extra_params"]),
                options=self._options,
            )
            new = with_frames(row, source, setup, kept, self._request.tolerance)
        except RefusedRowError as error:
            return error
        return _Made(new, "encoded again" if new[ATTACHED]["how"] == ENCODED else f"scored {kept}")

    def _kept(self, row: Row) -> Path | None:
        """The encode of a row, if it is there; a file of another size is none."""
        size = row["encode_size_bytes"]
        for path in self._places(row["encode_path"], self._request.encode_dirs):
            if size is None or path.stat().st_size == size:
                return path
        return None

    def _source(self, row: Row) -> Source:
        """The source of a row, opened as the row says.

        Raises:
            RefusedRowError: it is not there, is another file, or cannot be used.
        """
        if not row["src_sha256"]:
            raise RefusedRowError("its source was not hashed, so that nothing tells which file it is")
        places = list(self._places(row["src"], self._request.source_dirs))
        if not places:
            raise RefusedRowError("its source is not there (--source-dir says where)")
        with self._lock:
            path = next((path for path in places if self._hash(path) == row["src_sha256"]), None)
            if path is None:
                raise RefusedRowError("the file of its source's name is another one (src_sha256)")
            forced = _hdr_mode(row)
            key = (path, row["clip_mode"], row.get(VIDEO_TRACK), forced, *_raw_options(path, row).values())
            if key not in self._sources:
                self._sources[key] = self._opened(path, row, forced)
            source = self._sources[key]
        if isinstance(source, Exception):
            raise RefusedRowError("its source cannot be used", str(source).splitlines()[0])
        return source

    def _opened(self, path: Path, row: Row, hdr_mode: str) -> Source | Exception:
        mode, track = row["clip_mode"], row.get(VIDEO_TRACK) or None
        seconds = 0.0 if mode == "full" else float(mode.removeprefix("sample_").removesuffix("s"))
        try:
            options = SourceOptions(**_raw_options(path, row), video_track=track)
            return open_for(self._ffmpeg, str(path), options, seconds=seconds, hashed=True, hdr_mode=hdr_mode)
        except (InputError, UsageError) as error:
            return error

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            try:
                self._hashes[path] = sha256_file(path)
            except InputError:
                self._hashes[path] = ""
        return self._hashes[path]

    def _places(self, name: str | None, folders: Sequence[Path]) -> Iterator[Path]:
        """The files that a row may mean by a name: as it says, beside the corpus, in a folder by its last part."""
        if not name or "\0" in name:
            return
        among = [folder / Path(name).name for folder in folders]
        yield from (path for path in (Path(name), self._beside / name, *among) if os.path.isfile(path))


def _hdr_mode(row: Row) -> str:
    """The mode that labelled a row's encode, as ``corpus`` spells it."""
    if not row.get("hdr_forced"):
        return "auto"
    return f"force-hdr-{row['hdr_transfer']}" if row["hdr_transfer"] else "force-sdr"


def _raw_options(path: Path, row: Row) -> dict[str, Any]:
    """How a headerless source is read, as the row has it; empty for one with a header."""
    if not is_raw(str(path)):
        return {}
    rate = row["framerate"]
    return {
        "width": row["width"],
        "height": row["height"],
        "pix_fmt": row["pix_fmt"],
        "framerate": None if rate is None else str(rate),
    }
