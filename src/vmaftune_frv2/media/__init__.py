"""Everything that talks to ffmpeg: build an argv, run it, parse what it printed."""
