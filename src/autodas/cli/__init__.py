"""Command line. Commands have no logic of their own: they read their configuration and call the library."""
