#!/usr/bin/python3
"""Every regression case that SigmaHQ publishes hits its rule, all rules loaded and log sources told apart."""
import glob
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness


def rule_folders():
    """All published rules but those that wait for placeholder values."""
    names = sorted(n for n in os.listdir(harness.data("sigma")) if n.startswith("rules") and n != "rules-placeholder")
    return [harness.data("sigma", n) for n in names]


class RegressionTest(unittest.TestCase):
    def test_cases(self):
        cases = sorted(glob.glob(os.path.join(harness.data("sigma", "regression"), "**", "*.json"), recursive=True))
        self.assertGreaterEqual(len(cases), 98)
        with harness.Scratch() as scratch:
            result = scratch.match("--json", "--rules", *rule_folders(), "--", *cases)
        self.assertEqual(result.status, 1, result.err)
        found = {}
        for line in result.out.splitlines():
            match = json.loads(line)
            found.setdefault(match["at"]["file"], set()).add(match["rule"]["id"])
        for case in cases:
            with self.subTest(case=os.path.basename(case)):
                self.assertIn(os.path.basename(case)[:-5], found.get(case, set()))


if __name__ == "__main__":
    harness.need_program()
    if not harness.data("sigma", "regression"):
        harness.skip("KHIEN_DATA has no sigma/regression")
    unittest.main(verbosity=2)
