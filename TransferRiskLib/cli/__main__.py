"""`python -m TransferRiskLib.cli` is the same as `transferrisk`."""

from __future__ import annotations

import sys

from TransferRiskLib.cli.main import main

sys.exit(main())
