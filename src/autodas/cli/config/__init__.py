"""Command line as typed settings: flags, YAML, presets, help. Independent of the commands."""
