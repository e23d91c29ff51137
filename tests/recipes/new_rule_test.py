#!/usr/bin/python3
"""khien rules new: what it writes passes at once, and it never writes over anything."""
import datetime
import os
import sys
import unittest
import uuid

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # pylint: disable=wrong-import-position

LOGSOURCES = ["webserver", "sshd", "sudo", "auditd", "app"]


class NewRuleTest(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch()
        self.addCleanup(self.scratch.cleanup)

    def new(self, *words, status=0):
        result = self.scratch.khien("rules", "new", *words)
        self.assertEqual(result.status, status, result.out.decode() + result.err)
        return result.out.decode() if status == 0 else result.err

    def read(self, path):
        with open(self.scratch.path(path), encoding="utf-8") as file:
            return file.read()

    def test_passes_at_once(self):
        for logsource in LOGSOURCES:
            self.new(f"one_{logsource}", "--logsource", logsource)
            self.new(f"many_{logsource}", "-l", logsource, "--correlation")
        check = self.scratch.khien("rules", "check", "rules")
        self.assertEqual(check.status, 0, check.out)
        self.assertIn(b"10 rules and 5 correlations run, 0 refused", check.out)
        test = self.scratch.khien("rules", "test", "rules")
        self.assertEqual((test.status, test.out), (0, b"10 rules, 20 logs of evidence: all hold\n"))

    def test_evidence_can_fail(self):
        """Hit and miss change places: nothing holds."""
        for logsource in LOGSOURCES:
            for words in ([], ["--correlation"]):
                name = f"{logsource}{len(words)}"
                self.new(name, "-l", logsource, *words)
                hit, miss = self.read(f"rules/hit/{name}.log"), self.read(f"rules/miss/{name}.log")
                self.scratch.write(f"rules/hit/{name}.log", miss)
                self.scratch.write(f"rules/miss/{name}.log", hit)
        test = self.scratch.khien("rules", "test", "rules")
        self.assertTrue(test.out.endswith(b"10 rules, 20 logs of evidence: 20 failed\n"), test.out)

    def test_content(self):
        before = datetime.date.today()
        said = self.new("web_probe", "--dir", "own", "--correlation")
        for path in ("own/web_probe.yml", "own/hit/web_probe.log", "own/miss/web_probe.log"):
            self.assertIn(path, said)
        documents = list(yaml.safe_load_all(self.read("own/web_probe.yml")))
        self.assertEqual([d["name"] for d in documents], ["web_probe_event", "web_probe"])
        self.assertEqual(len({uuid.UUID(d["id"]) for d in documents}), 2)
        self.assertTrue(all(uuid.UUID(d["id"]).version == 4 for d in documents))
        rule = documents[1]
        self.assertEqual(rule["title"], "Web probe")
        self.assertIn(rule["date"], (before, datetime.date.today()))
        self.assertEqual(set(rule["advice"]), {"vi", "en", "zh"})
        self.assertTrue(rule["falsepositives"] and rule["description"] and rule["level"])
        self.assertTrue(all(tag.startswith("attack.") for tag in rule["tags"]))
        self.assertNotRegex(self.read("own/web_probe.yml"), r"\{\w+\}")

    def test_ids_differ(self):
        for name in ("a", "b"):
            self.new(name)
        self.assertNotEqual(*(yaml.safe_load(self.read(f"rules/{name}.yml"))["id"] for name in ("a", "b")))

    def test_nothing_is_overwritten(self):
        for kept in ("rules/web_probe.yml", "rules/hit/web_probe.log", "rules/miss/web_probe.log"):
            with self.subTest(kept):
                self.scratch.write(kept, "# mine\n")
                self.assertIn(f"'{kept}' is there already", self.new("web_probe", status=2))
                self.assertEqual(self.read(kept), "# mine\n")
                os.remove(self.scratch.path(kept))
                self.assertEqual([f for _, _, found in os.walk(self.scratch.path("rules")) for f in found], [])

    def test_name_of_another_rule(self):
        self.new("web_probe", "--correlation")
        os.rename(self.scratch.path("rules/web_probe.yml"), self.scratch.path("rules/web.yml"))
        self.assertIn("rules/web.yml:", self.new("web_probe", status=2))
        self.assertIn("web_probe_event", self.new("web_probe_event", status=2))

    def test_bad_words(self):
        for words, hint in [
                (["Web"], "no name"), (["../x"], "no name"), (["a b"], "no name"), ([""], "no name"), (["9a"], "no name"),
                (["x" * 65], "no name"), (["a", "b"], "'b' is one too many"), ([], "a word is missing"),
                (["a", "--logsource", "windows"], "webserver sshd sudo auditd app"),
                (["a", "--dir", "no/where"], "no/where")]:
            with self.subTest(words):
                self.assertIn(hint, self.new(*words, status=2))
        self.assertFalse(os.path.exists(self.scratch.path("rules")))


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
