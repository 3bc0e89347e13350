"""The command line as typed settings: flags, YAML, presets, help. It knows no command."""
