"""Finds ``schemas/`` and ``model/tiny/`` in a wheel and in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def data_dir() -> Path:
    """The folder that holds ``schemas/`` and ``model/tiny/``.

    A wheel carries them under ``vmaftune_frv2/_data``. An editable install resolves the package to
    ``src/``, where they lie two levels up.
    """
    here = Path(__file__).resolve().parent
    packaged = here / "_data"
    return packaged if packaged.is_dir() else here.parents[1]


def schema_path(name: str) -> Path:
    """Path of ``schemas/<name>.json``."""
    return data_dir() / "schemas" / f"{name}.json"


def shipped_models_dir() -> Path:
    """The ``model/tiny`` folder that came with the package."""
    return data_dir() / "model" / "tiny"
