"""One click command per file: options in, call, print."""
