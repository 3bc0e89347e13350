"""Run folders, the only channel between commands. No torch; each module is a public page of its own."""
