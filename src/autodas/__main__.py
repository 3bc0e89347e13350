"""Command line as ``python -m autodas``."""

import sys

from autodas.cli.main import main

sys.exit(main())
