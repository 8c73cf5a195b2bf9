"""What can be asked for of the rows of a corpus: rows of version 3, and the frames that they lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.contract.option_groups import POSITIVE
from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.errors import UsageError

COMPRESSED = (".gz", ".zst")
TABLES = (".csv", ".parquet")
AGREES = 0.1
"""VMAF points that two scores of the same encode may differ by: libvmaf versions do by less."""


@dataclass(frozen=True, kw_only=True)
class UpgradeRequest(Request):
    """Rows of any known shape as rows of version 3."""

    corpus: Path | None = option(None, "Corpus or table.", flag="in", argument=True)
    output: Path | None = option(None, "Corpus to write.", flag="out", argument=True, names="file")
    codec: str | None = option(
        None,
        "Column that names the encoder, or the encoder of all rows without a schema version.",
        metavar="COLUMN|NAME",
        shown="encoder, else codec",
    )
    codec_from_source: bool = option(
        False,
        "Look into the file of each row without a schema version: its encode if it is there, else its source.",
    )
    vmaf_model: str | None = option(None, "VMAF model of the rows that do not name one.")
    ffmpeg_bin: str | None = option(
        None,
        "ffmpeg that looks into files; else PATH's if it has libvmaf, else the bundled one.",
        metavar="PROGRAM",
    )

    def check(self) -> None:
        """Refuses half a request, two ways to name encoders, and an output that is no plain corpus."""
        super().check()
        if self.corpus is None or self.output is None:
            raise UsageError("give IN and OUT: a corpus or table, and the corpus to write")
        if self.codec is not None and self.codec_from_source:
            raise UsageError("--codec and --codec-from-source both say what an encode was made with; give one")
        if not self.codec_from_source:
            self.refuse(("ffmpeg_bin",), "needs --codec-from-source; nothing else looks into files")
        _refuse_output(self.output, "OUT")
        if self.corpus in (self.output, *self.output.parents):
            raise UsageError(f"OUT {self.output} is, or lies in, IN; an old corpus stays as it is")


@dataclass(frozen=True, kw_only=True)
class AttachRequest(Request):
    """Features and VMAF of each frame, for rows that lack them."""

    corpus: Path | None = option(None, "Corpus or table, which stays as it is.", flag="corpus", argument=True)
    output: Path | None = option(
        None,
        "Corpus to append to. Rows that it has are not measured again.",
        names="file",
        shown="CORPUS.attached.jsonl",
    )
    source_dirs: Sequence[Path] = option(
        (), "Folder with sources, for rows whose src is not there; repeatable.", flag="source-dir"
    )
    encode_dirs: Sequence[Path] = option(
        (), "Folder with encodes, for rows whose encode_path is not there; repeatable.", flag="encode-dir"
    )
    no_encode: bool = option(False, "Score kept encodes only; encode nothing again.")
    tolerance: float = option(AGREES, "How far the score may lie off the row's, VMAF points.", **POSITIVE)
    jobs: int | None = option(None, "Rows at work at once; each gets its share of the CPUs.", low=1, shown="CPUs")
    ffmpeg_bin: str | None = option(
        None, "ffmpeg to use; else PATH's if it has libvmaf, else the bundled one.", metavar="PROGRAM"
    )

    def check(self) -> None:
        """Refuses a request without a corpus, and an output that cannot be appended to."""
        super().check()
        if self.corpus is None:
            raise UsageError("give CORPUS")
        _refuse_output(self.appended_to, "--output")
        if self.corpus in (self.appended_to, *self.appended_to.parents):
            raise UsageError(f"--output {self.appended_to} is, or lies in, CORPUS; an old corpus stays as it is")

    @property
    def appended_to(self) -> Path:
        """The corpus that the rows go to."""
        if self.output is not None or self.corpus is None:
            return self.output or Path()
        name = self.corpus.name
        for suffix in (*COMPRESSED, *TABLES, ".jsonl"):
            name = name.removesuffix(suffix)
        return self.corpus.with_name(f"{name}.attached.jsonl")


def _refuse_output(path: Path, spelled: str) -> None:
    if path.suffix in COMPRESSED:
        raise UsageError(f"{spelled} {path}: write a .jsonl file and compress it afterwards")
    if path.suffix in TABLES:
        raise UsageError(f"{spelled} {path}: rows are written as .jsonl")
