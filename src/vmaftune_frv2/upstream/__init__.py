"""Beside the upstream tool: what of ours speaks its languages, so that it can be used with ours."""
