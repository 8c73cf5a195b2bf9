"""Where what is measured is kept for the next question."""

from __future__ import annotations

from pathlib import Path

from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.contract.sizes import parse_size

DEFAULT_LIMIT = 10**9


class CacheOptions(Request):
    """Which folder keeps what is measured, so that the same is not measured again."""

    cache_dir: Path | None = option(
        None,
        "Folder that keeps what is measured; encodes that it has are not made again.",
        shown="vmaftune-frv2 in the user's cache folder",
        names="folder",
    )
    cache_size: str | None = option(
        None,
        "Most that the folder may take; what was not used for longest is deleted.",
        metavar="SIZE",
        shown="1GB; unlimited for --cache-dir",
    )
    no_cache: bool = option(False, "Measure everything anew, and keep nothing for later.")

    def check(self) -> None:
        """Refuses a cache that is none."""
        super().check()
        if self.no_cache:
            self.refuse(("cache_dir", "cache_size"), "and --no-cache exclude each other")
        self.cache_limit()

    def cache_limit(self) -> int | None:
        """Bytes that the folder may take; None for any number.

        Raises:
            UsageError: that is no size.
        """
        if self.cache_size is not None:
            return parse_size(self.cache_size, "--cache-size")
        return DEFAULT_LIMIT if self.cache_dir is None else None
