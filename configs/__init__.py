"""Presets: TOML files found by name (`--preset NAME`)."""
