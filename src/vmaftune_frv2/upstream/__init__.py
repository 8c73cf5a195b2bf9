"""Beside lusoris/vmaf's ``vmaf-tune`` (package ``vmaftune``): its programs, its rows, its subcommands."""
