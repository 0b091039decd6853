"""``python -m tests``: runs all tests. The counts go to the file ``WEFT_TEST_RESULTS`` as well, if it is set."""

from __future__ import annotations

import json
import os
import sys
import unittest
from pathlib import Path

suite = unittest.defaultTestLoader.discover(str(Path(__file__).parent), top_level_dir=str(Path(__file__).parents[1]))
result = unittest.TextTestRunner(verbosity=2).run(suite)
# A test counts once, however many of its cases fail.
failed = {getattr(test, "test_case", test).id() for test, _ in [*result.failures, *result.errors]}
if name := os.environ.get("WEFT_TEST_RESULTS"):
    counts = {"numPassedTests": result.testsRun - len(failed), "numFailedTests": len(failed)}
    Path(name).write_text(json.dumps(counts), "utf-8")
sys.exit(not result.wasSuccessful())
