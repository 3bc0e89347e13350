"""``python -m autodas``: the command line."""

import sys

from autodas.cli.main import main

sys.exit(main())
