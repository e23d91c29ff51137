#!/usr/bin/python3
"""Options, help, versions, manual pages."""
import os
import re

import cli
import harness


class OptionsTest(cli.CliTest):
    def test_wrong_option(self):
        for words, hint in [
            (["match", "--jsn"], "--json"),
            (["match", "--thread", "2"], "--threads"),
            (["match", "--rulse", "x"], "--rules"),
            (["match", "--zzzz"], "--help"),
            (["rules", "check", "--maping", "x"], "--mapping"),
            (["match", "-Z"], "--help"),
            (["mtch"], "match"),
            (["rules", "chek"], "check"),
            (["match", "--json=yes"], "--help"),
            (["match", "--threads", "many"], "--help"),
            (["match", "--threads", "0"], "--help"),
            (["match", "--threads"], "--help"),
            (["match", "--color", "blue"], "never"),
            (["match"], "--rules"),
            (["match", "--rules", "x"], "--help"),
            (["nonsense"], "help"),
        ]:
            with self.subTest(words=words):
                result = self.scratch.khien(*words)
                self.assertEqual((result.status, result.out), (2, b""), result.err)
                self.assertIn(hint, result.err)

    def test_help(self):
        for words in (["--help"], ["help"], ["match", "--help"], ["rules", "--help"], ["watch", "--help"]):
            with self.subTest(words=words):
                result = self.scratch.khien(*words)
                self.assertEqual((result.status, result.err), (0, ""))
                text = result.out.decode()
                self.assertIn("khien", text)
                self.assertTrue(text.endswith("\n"))
                for line in text.splitlines():
                    self.assertLessEqual(len(line), 120)
                    self.assertEqual(line, line.rstrip())

    def test_no_words(self):
        result = self.scratch.khien()
        self.assertEqual(result.status, 2)
        self.assertIn("match", result.err)

    def test_version(self):
        for words in (["--version"], ["match", "--version"], ["version"]):
            result = self.scratch.khien(*words)
            self.assertEqual(result.status, 0)
            self.assertRegex(result.out.decode(), r"^khien \d+\.\d+\.\d+\n$")

    def test_forms(self):
        """--name=value, --name value, -n value; -- ends the options."""
        self.scratch.write("--json", cli.FAILED)
        for words in (["--threads=2"], ["--threads", "2"], ["-t", "2"], ["-t2"]):
            self.assertEqual(self.match(*words, "--", "--json").status, 1)

    def test_manual_pages(self):
        """There is one for each command, and it tells of each option."""
        for command in ("match", "rules", "watch"):
            path = os.path.join(harness.ROOT, "man", f"khien-{command}.1")
            with self.subTest(command=command):
                with open(path, encoding="utf-8") as file:
                    page = file.read().replace("\\-", "-")
                text = self.scratch.khien(command, "--help").out.decode()
                for option in set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", text, re.M)) - {"version"}:  # in khien(1)
                    self.assertRegex(page, r"(?m)^\.It .*\bFl (Fl |-)" + option + r"\b", f"{path} lacks --{option}")


if __name__ == "__main__":
    cli.main()
