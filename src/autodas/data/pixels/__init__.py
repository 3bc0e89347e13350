"""Images: from bytes on disk to arrays, for any format, bit depth and number of channels."""
