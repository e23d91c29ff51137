#!/usr/bin/python3
"""Completion for bash names every command, job, option and value that the program has."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # pylint: disable=wrong-import-position

HUB_JOBS = ["token", "posts", "backup", "restore", "export", "import", "status"]
SCRIPT = os.path.join(harness.ROOT, "completions", "khien.bash")


class CompletionTest(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch()
        self.addCleanup(self.scratch.cleanup)

    def complete(self, *words):
        """What <Tab> offers behind "khien WORDS"; the last word is the one begun."""
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _khien; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", script, "-", SCRIPT, harness.KHIEN, *words], capture_output=True, text=True,
                              cwd=self.scratch.name, env=self.scratch.env(), check=False, timeout=harness.TIMEOUT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def help(self, *words):
        return self.scratch.khien(*words).out.decode()

    def commands(self):
        return re.findall(r"^  ([a-z]\w*) ", self.help("help"), re.M)

    def test_commands(self):
        self.assertEqual(self.complete(""), self.commands())
        self.assertLessEqual({"match", "rules", "watch", "help", "version"}, set(self.complete("")))
        self.assertEqual(self.complete("ma"), ["match"])
        self.assertEqual(self.complete("help", "ru"), ["rules"])

    def test_every_option(self):
        jobs = [("rules", job) for job in ("check", "test", "new")] + [("hub", job) for job in HUB_JOBS] + [
            ("hub", "token", "add"), ("ca", "issue")]
        for words in [(c,) for c in self.commands() if c not in ("help", "version")] + jobs:
            with self.subTest(words):
                told = re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", self.help(*words, "--help"), re.M)
                self.assertIn("--help", told)
                self.assertEqual(self.complete(*words, "--"), told)
        self.assertIn("--expires", self.complete("hub", "token", "add", "--scope", "ingest", "--"))
        self.assertNotIn("--expires", self.complete("hub", "token", "list", "--"))
        self.assertIn("--verbose", self.complete("rules", "test", "--v"))
        self.assertNotIn("--verbose", self.complete("rules", "check", "--v"))

    def test_jobs(self):
        self.assertEqual(self.complete("rules", ""), ["check", "test", "new"])
        self.assertEqual(self.complete("rules", "t"), ["test"])
        self.assertEqual(self.complete("hub", ""), HUB_JOBS)
        self.assertEqual(self.complete("hub", "token", ""), ["add", "list", "remove"])
        self.assertEqual(self.complete("ca", ""), ["init", "show", "issue", "renew"])
        self.scratch.write("a.log", "")
        self.assertEqual(self.complete("hub", "a"), ["a.log"])  # a file to follow
        self.assertEqual(self.complete("hub", "backup", ""), ["a.log"])

    def test_values(self):
        self.assertEqual(self.complete("match", "--color", "a"), ["auto", "always"])
        self.assertEqual(self.complete("match", "--color", "=", "n"), ["never"])
        self.assertEqual(self.complete("match", "--color", "="), ["auto", "always", "never"])
        self.assertIn("combined", self.complete("match", "--format", ""))
        self.assertEqual(self.complete("watch", "--lang", ""), ["vi", "en", "zh"])
        self.assertEqual(self.complete("hub", "status", "--lang", "v"), ["vi"])
        self.assertEqual(self.complete("rules", "new", "x", "--logsource", "s"), ["sshd", "sudo"])

    def test_files(self):
        self.scratch.write("rules.d/a.yml", "")
        self.assertEqual(self.complete("match", "--rules", "ru"), ["rules.d"])
        self.assertEqual(self.complete("rules", "check", "ru"), ["rules.d"])
        self.assertEqual(self.complete("match", "--mapping", "rules.d/"), ["rules.d/a.yml"])

    def test_nothing_is_run(self):
        """Asking for the values of an option never starts the command."""
        self.assertEqual(self.complete("rules", "new", "x", "--dir", ""), [])
        self.assertEqual(self.complete("watch", "--mapping", ""), [])
        self.assertEqual(self.complete("hub", "--data", ""), [])
        self.assertEqual(self.complete("hub", "restore", "--data", ""), [])
        self.assertEqual(os.listdir(self.scratch.name), [])


if __name__ == "__main__":
    harness.need_program()
    if not shutil.which("bash"):
        harness.skip("no bash")
    unittest.main(verbosity=2)
