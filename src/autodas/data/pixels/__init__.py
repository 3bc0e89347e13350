"""Images: from bytes on disk to arrays, whatever the format, the depth and the channels."""
