"""The contracts: encoders, cells, features, rows, sidecars, the registry. numpy at most."""
