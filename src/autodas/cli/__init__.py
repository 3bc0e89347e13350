"""The command line. A command has no logic of its own: it reads its configuration and calls the library."""
