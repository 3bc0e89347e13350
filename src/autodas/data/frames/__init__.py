"""Videos: exact frames of files and folders, their times, optical flow, decoded frames on disk."""
