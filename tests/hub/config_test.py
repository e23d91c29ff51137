#!/usr/bin/python3
"""khien check: says of a khien.yaml what is wrong, where, and what to write instead."""
import os
import sys
import unittest

import yaml

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness  # noqa: E402


class ConfigTest(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch()
        self.addCleanup(self.scratch.cleanup)

    def check(self, *words, status=0, **env):
        env.setdefault("XDG_CONFIG_HOME", self.scratch.path("config"))
        result = self.scratch.khien("check", *words, env=self.scratch.env(**env))
        self.assertEqual(result.status, status, result.out.decode() + result.err)
        return result.out.decode() if status < 2 else result.out.decode() + result.err

    def test_example(self):
        text = self.check("--example")
        path = self.scratch.write("khien.yaml", text)
        self.assertTrue(self.check(path).startswith(f"{path}: can be used\n"))
        self.assertEqual(self.check("--quiet", path), "")
        # another reader takes it for YAML too, with the keys uncommented as well
        self.assertEqual(yaml.safe_load(text), {"hub": {"listen": None, "store": None}, "post": {"spool": None}, "kiosk": {
            "listen": None, "tls": None, "standby": None, "register": None, "hospital": None}, "gate": {
                "listen": None, "tls": None, "waf": None}})
        lines = [line.replace("#", "", 1) if line.lstrip().startswith("#") and not line.lstrip().startswith("# ") else line
                 for line in text.splitlines()]
        parts = yaml.safe_load("\n".join(lines))
        keys = {line.split("\t")[0] for line in self.check("--keys").splitlines()}
        found = {f"{p}.{a}" for p, part in parts.items() for a in part if not isinstance(part[a], dict)}
        found |= {f"{p}.{a}.{b}" for p, part in parts.items() for a in part if isinstance(part[a], dict) for b in part[a]}
        self.assertEqual(keys, found)

    def test_wrong(self):
        path = self.scratch.write("k.yaml", "hub:\n  lisen:\n    https: 1\n  listen:\n    syslog: 0.0.0.0:514\n  unit: \"\\e[2J\"\n")
        out = self.check(path, status=1)
        self.assertIn(f"{path}:2:3: unknown key 'lisen'; did you mean 'listen'?\n", out)
        self.assertIn(f"{path}:5:13: syslog would listen on 0.0.0.0:514", out)
        self.assertIn(f"{path}:6:9: ", out)
        self.assertNotIn("\x1b", out)

    def test_where_it_is(self):
        self.assertIn(": No such file", self.check("/nonexistent.yaml", status=2))
        if os.geteuid() != 0:
            path = self.scratch.write("config/khien/khien.yaml", "hub: {unit: here}\n")
            self.assertIn(f"{path}: can be used\n  unit        here\n", self.check())
            os.chmod(path, 0)
            self.assertIn("Permission denied", self.check(status=2))
        elif os.path.exists("/etc/khien/khien.yaml"):
            self.skipTest("this machine has a khien.yaml")
        else:
            self.assertIn("no khien.yaml, all defaults: can be used", self.check())

    def test_words(self):
        self.assertIn("one file at a time", self.check("a", "b", status=2))
        self.assertIn("did you mean '--example'", self.check("--exmple", status=2))


if __name__ == "__main__":
    harness.need_program()
    unittest.main()
