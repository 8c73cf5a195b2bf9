"""Where what is measured is kept for the next question."""

from __future__ import annotations

import os
from pathlib import Path

from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.contract.sizes import parse_size

CACHE_VARIABLE = "VMAFTUNE_CACHE_DIR"
"""Environment variable that names another folder than the one in the user's cache folder; empty for none."""
APPLICATION = "vmaftune-frv2"
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

    def cache_folder(self) -> Path | None:
        """The folder, None where nothing is kept."""
        if self.no_cache:
            return None
        return default_folder() if self.cache_dir is None else self.cache_dir.absolute()


def default_folder() -> Path | None:
    """The folder of who names none: that of ``CACHE_VARIABLE``, else ours in the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named is not None:
        return Path(named).absolute() if named else None
    from platformdirs import user_cache_path

    return user_cache_path(APPLICATION, appauthor=False)
