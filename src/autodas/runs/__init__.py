"""Run folders, the only channel between commands. No torch; each file here is a public page of its own."""
