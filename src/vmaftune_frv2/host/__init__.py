"""The embedded ``vmaf-tune``: hooks, plugin loading, the command group."""
