"""The cache that a request names."""

from __future__ import annotations

import os
from pathlib import Path

from vmaftune_frv2.contract.cache_options import CacheOptions
from vmaftune_frv2.corpus.cache import ResultCache

CACHE_VARIABLE = "VMAFTUNE_CACHE_DIR"
"""Environment variable that names another folder than the one in the user's cache folder; empty for none."""
APPLICATION = "vmaftune-frv2"


def cache_of(request: CacheOptions) -> ResultCache | None:
    """Where what is measured for a request is kept, and looked up; None where it is not. Nothing is made yet."""
    if request.no_cache:
        return None
    folder = default_folder() if request.cache_dir is None else request.cache_dir.absolute()
    return None if folder is None else ResultCache(folder, request.cache_limit())


def default_folder() -> Path | None:
    """The folder of who names none: that of ``CACHE_VARIABLE``, else ours in the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named is not None:
        return Path(named).absolute() if named else None
    from platformdirs import user_cache_path

    return user_cache_path(APPLICATION, appauthor=False)
