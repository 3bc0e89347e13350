"""Steps of ``gpu_check.py``."""
