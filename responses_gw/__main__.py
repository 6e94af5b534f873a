"""``python -m responses_gw`` is the command ``responses-gw``."""

import sys

from .cli import main

sys.exit(main())
