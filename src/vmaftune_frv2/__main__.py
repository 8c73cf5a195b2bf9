"""``python -m vmaftune_frv2`` is ``vmaf-tune``."""

from vmaftune_frv2.host.cli import main

main()
