"""Results that several corpora share: one file per request, found by its identity."""

from __future__ import annotations

import uuid
from pathlib import Path

from vmaftune_frv2.contract.files import write_atomic
from vmaftune_frv2.contract.rows import Row, dumps, loads
from vmaftune_frv2.corpus.measure import is_complete
from vmaftune_frv2.corpus.request import CellRequest, identity
from vmaftune_frv2.corpus.setup import MeasureOptions


class ResultCache:
    """A folder of measured rows.

    Only sources that were hashed are cached: a path says nothing about another corpus.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, request: CellRequest, options: MeasureOptions) -> Row | None:
        """The row of an equal request, under this source's name and a run of its own.

        None if there is none, or it lacks what is asked for: the encoder's statistics, or an encode to keep.
        """
        if request.source.sha256 is None or options.keep_dir is not None:
            return None
        try:
            row = loads(self._path(request).read_bytes())
            if identity(row) != request.identity:
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not is_complete(False, False, options.encoder_stats, row):
            return None
        mine = {"src": request.source.label, "run_id": uuid.uuid4().hex, "encode_path": None}
        return {**row, **request.source.row_values, **mine}

    def put(self, request: CellRequest, row: Row) -> None:
        """Keeps a measured row.

        Raises:
            OutputError: the folder cannot be written.
        """
        if request.source.sha256 is not None and row["exit_status"] == 0:
            write_atomic(self._path(request), dumps(row).encode())

    def _path(self, request: CellRequest) -> Path:
        name = request.identity.hex()
        return self._folder / name[:2] / f"{name}.json"
