#!/usr/bin/python3
"""All published rules: they compile, and on recorded attacks the engine agrees with the reference."""
import glob
import os
import random
import re
import sys
import unittest
import zipfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness
import published
import reference
from regression_test import rule_folders
from reference_events import event_from_json

SEED = 20260301
EVENTS, RULES = 400, 350  # what the reference looks at: every rule on every event

# Refused, and why that is right. Rule id -> what the reason says.
REFUSED = {
    "c4a1f389-2e6b-4d9a-8f0c-b73e5a12d947": "known_cdcs",  # |expand: the values are the reader's own
    "8b7e2c54-1f93-4a6d-b8e0-3c9d7f25a168": "known_cdcs",
}


def recorded_events(rng, n):
    """n lines out of all recordings, spread evenly."""
    lines = []
    for path in sorted(glob.glob(os.path.join(harness.data("otrf"), "**", "*.zip"), recursive=True)):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".json"):
                    some = archive.read(name).splitlines()
                    lines += rng.sample(some, min(len(some), n // 20))
    return rng.sample(lines, min(len(lines), n))


class CompileTest(unittest.TestCase):
    def refused(self, result):
        """Lines `file:line: reason: what to write` -> {rule id: line}"""
        found = {}
        for line in (result.out.decode() + result.err).splitlines():
            m = re.match(r"(.+\.ya?ml):\d+: .+", line)
            if m and "warning" not in line:
                with open(m[1], encoding="utf-8") as file:
                    found[re.search(r"^id: *(\S+)", file.read(), re.M)[1]] = line
        return found

    def test_all_compile(self):
        with harness.Scratch() as scratch:
            result = scratch.khien("rules", "check", *rule_folders())
        found = self.refused(result)
        self.assertEqual(sorted(found), sorted(REFUSED), result.err[-2000:])
        self.assertEqual(result.status, 1 if REFUSED else 0)
        for rule, reason in REFUSED.items():
            self.assertIn(reason, found[rule])

    def test_placeholders(self):
        """Refused without values, each for that reason; fine with them."""
        folder = harness.data("sigma", "rules-placeholder")
        files = glob.glob(os.path.join(folder, "**", "*.yml"), recursive=True)
        with harness.Scratch() as scratch:
            result = scratch.khien("rules", "check", folder)
            self.assertEqual(result.status, 1)
            found = self.refused(result)
            self.assertEqual(len(found), len(files))
            for path in files:
                with open(path, encoding="utf-8") as file:
                    for name in re.findall(r"%([\w-]+)%", file.read()):
                        scratch.write(f"values/{name}.txt", "one\ntwo*\n")
            for line in found.values():
                self.assertRegex(line, r"%[\w-]+%")
            result = scratch.khien("rules", "check", "--placeholders", scratch.path("values"), folder)
            self.assertEqual(result.status, 0, result.err[-2000:])


class RecordedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rng = random.Random(SEED)
        cls.mapping = reference.Mapping(published.mapping_text())
        cls.records = recorded_events(rng, 6000)
        texts = [t for t in reference.files_under(*rule_folders()) if "|expand" not in t]
        with harness.Scratch() as scratch:
            events = scratch.write("events.ndjson", b"".join(r + b"\n" for r in cls.records))
            words = ["--json", "--rules", *rule_folders(), "--", events]
            cls.routed = harness.hits(scratch.match(*words))
            cls.everywhere = harness.hits(scratch.match("--all-rules", *words))
        # Rules that hit something, and some that don't; events that are hit, and some that are not.
        hit = {rule for rule, _ in cls.everywhere}
        chosen = [t for t in texts if re.search(r"^id: *(\S+)", t, re.M)[1] in hit]
        chosen = rng.sample(chosen, min(len(chosen), RULES // 2))
        chosen += rng.sample(texts, RULES - len(chosen))
        cls.rules = reference.rules_from(chosen, cls.mapping)[0]
        lines = sorted({line for _, line in cls.routed})
        lines = rng.sample(lines, min(len(lines), EVENTS // 2)) + rng.sample(
            range(1, len(cls.records) + 1), EVENTS // 2
        )
        cls.events = [(line, event_from_json(cls.records[line - 1])) for line in lines]

    def test_agrees(self):
        expected = {(rule.id, line) for rule in self.rules for line, event in self.events if rule(event)}
        looked_at = {(rule.id, line) for rule in self.rules for line, _ in self.events}
        print(f"{len(looked_at)} pairs, {len(expected)} hits")
        self.assertGreater(len(expected), 100)
        self.assertEqual(sorted(self.everywhere & looked_at), sorted(expected))

    def test_routes(self):
        """What hits with log sources told apart: what hits without, where the mapping says so."""
        self.assertLessEqual(self.routed, self.everywhere)
        expected, found, known = set(), set(), {}
        for rule in self.rules:
            for line, event in self.events:
                if (rule.id, line) in self.everywhere:
                    key = (tuple(sorted(rule.source.items())), line)
                    if key not in known:
                        known[key] = self.mapping.routed(rule.source, event)
                    if known[key]:
                        expected.add((rule.id, line))
                    if (rule.id, line) in self.routed:
                        found.add((rule.id, line))
        self.assertGreater(len(expected), 50)
        self.assertEqual(sorted(found), sorted(expected))


if __name__ == "__main__":
    harness.need_program()
    for folder in ("sigma", "otrf"):
        if not harness.data(folder):
            harness.skip(f"KHIEN_DATA has no {folder}")
    unittest.main(verbosity=2)
