"""Finds ``schemas/`` and ``model/tiny/`` in a wheel and in a checkout."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path


@cache
def data_dir() -> Path:
    """The folder that holds ``schemas/`` and ``model/tiny/``.

    A wheel carries them under ``vmaftune_frv2/_data``. An editable install resolves the package to
    ``src/``, where they lie two levels up.
    """
    packaged = Path(str(resources.files("vmaftune_frv2") / "_data"))
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[2]


def schema_path(name: str) -> Path:
    """Path of ``schemas/<name>.json``."""
    return data_dir() / "schemas" / f"{name}.json"


def shipped_models_dir() -> Path:
    """The ``model/tiny`` folder that came with the package."""
    return data_dir() / "model" / "tiny"
