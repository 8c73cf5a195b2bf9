"""The cache that a request names."""

from __future__ import annotations

from vmaftune_frv2.contract.cache_options import CacheOptions
from vmaftune_frv2.corpus.cache import ResultCache


def cache_of(request: CacheOptions) -> ResultCache | None:
    """Where what is measured for a request is kept, and looked up; None where it is not. Nothing is made yet."""
    folder = request.cache_folder()
    return None if folder is None else ResultCache(folder, request.cache_limit())
