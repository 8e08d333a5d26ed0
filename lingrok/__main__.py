"""The command line: python -m lingrok."""

import sys

from .runs.command import main

sys.exit(main())
