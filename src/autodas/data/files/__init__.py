"""Files on disk: walking folders, file name endings, contents, damage, stores of decoded data."""
