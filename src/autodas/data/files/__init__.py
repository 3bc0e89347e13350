"""Files as they lie on disk: walking folders, endings, contents, damage, stores of decoded data."""
