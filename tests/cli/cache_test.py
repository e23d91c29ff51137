#!/usr/bin/python3
"""The cache of compiled rules: used, checked against the rules, and never trusted."""
import os
import re

import cli
import harness
from cli import EVENTS, FAILED, LOGIN_ID, ROOT_ID


class CacheTest(cli.CliTest):
    def run_once(self, *words, **more):
        """-> came from the cache?, what was found, standard error"""
        result = self.match("--json", "--stats", *words, "--", "-", stdin=EVENTS.encode(), **more)
        found = harness.hits(result)
        return re.search(r"cached=(yes|no)", result.err)[1] == "yes", found, result.err

    def files(self):
        return [os.path.join(at, f) for at, _, files in os.walk(self.scratch.path("cache")) for f in files]

    def fill(self):
        cached, self.found_first, err = self.run_once()
        self.assertFalse(cached, err)
        self.assertEqual(len(self.found_first), 4)
        self.assertTrue(self.files())

    def test_second_run_is_cached(self):
        self.fill()
        self.assertEqual(self.run_once()[:2], (True, self.found_first))

    def test_files_are_private(self):
        self.fill()
        for path in self.files():
            self.assertEqual(os.stat(path).st_mode & 0o022, 0, path)

    def test_no_cache(self):
        self.assertFalse(self.run_once("--no-cache")[0])
        self.assertEqual(self.files(), [])

    def test_other_folder(self):
        place = self.scratch.path("elsewhere")
        self.assertFalse(self.run_once("--cache", place)[0])
        self.assertTrue(self.run_once("--cache", place)[0])
        self.assertEqual(self.files(), [])
        self.assertTrue(os.listdir(place))

    def test_changes_are_seen(self):
        """Same size, same time of change: the content counts."""
        self.fill()
        path = self.scratch.path("rules", "login.yml")
        stat = os.stat(path)
        self.scratch.write("rules/login.yml", cli.LOGIN.replace("action: login", "action: logon"))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        cached, found, _ = self.run_once()
        self.assertEqual((cached, {r for r, _ in found}), (False, {ROOT_ID}))
        os.remove(self.scratch.path("rules", "root.yml"))
        self.assertEqual(self.run_once()[:2], (False, set()))
        self.scratch.write("rules/login.yml", cli.LOGIN)
        self.assertEqual({r for r, _ in self.run_once()[1]}, {LOGIN_ID})
        self.scratch.write("rules/new.yml", cli.ROOT.replace(ROOT_ID, "new"))
        self.assertIn("new", {r for r, _ in self.run_once()[1]})

    def test_options_are_part_of_it(self):
        """--all-rules, --mapping and placeholders decide as well."""
        self.fill()
        other = FAILED.replace('"portal"', '"elsewhere"').encode()
        run = lambda *words: harness.hits(self.match("--json", *words, "--", "-", stdin=other))
        self.assertEqual(run(), set())
        self.assertEqual(run("--all-rules"), {(LOGIN_ID, 1)})
        self.assertEqual(run(), set())
        mapping = self.scratch.write("m.yaml", "sources:\n  - logsource: {product: portal}\n    when: {user: bob}\n")
        self.assertEqual(run("--mapping", mapping), {(LOGIN_ID, 1)})
        self.scratch.write("m.yaml", "sources:\n  - logsource: {product: portal}\n    when: {user: eve}\n")
        self.assertEqual(run("--mapping", mapping), set())

    def test_placeholders_are_part_of_it(self):
        self.scratch.write("rules/login.yml", cli.LOGIN.replace("action: login", "user|expand: '%who%'"))
        for who, expected in [("bob", {2}), ("root", {4}), ("eve", set()), ("bob", {2})]:
            self.scratch.write("values/who.txt", who + "\n")
            _, found, _ = self.run_once("--placeholders", self.scratch.path("values"))
            self.assertEqual({line for rule, line in found if rule == LOGIN_ID}, expected)

    def test_damage(self):
        """A damaged file is passed over, does no harm, and is written anew."""
        self.fill()
        whole = {}
        for path in self.files():
            with open(path, "rb") as file:
                whole[path] = file.read()
        damages = [
            lambda b: b"",
            lambda b: b[: len(b) // 2],
            lambda b: b[:-1],
            lambda b: b"\0" * len(b),
            lambda b: b + b"x",
            lambda b: b"\xff" * 100 + b[100:],
        ]
        flips = [
            lambda b, at=at: b[: int(len(b) * at)] + bytes([b[int(len(b) * at)] ^ 0x41]) + b[int(len(b) * at) + 1 :]
            for at in (0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999)
        ]
        for i, damage in enumerate(damages + flips):
            with self.subTest(damage=i):
                for path, content in whole.items():
                    with open(path, "wb") as file:
                        file.write(damage(content))
                cached, found, err = self.run_once()
                self.assertEqual(found, self.found_first, err)
                if i < len(damages):  # one byte may have been padding
                    self.assertFalse(cached, err)
                self.assertEqual(self.run_once()[:2], (True, self.found_first))

    def test_folder_that_cannot_be(self):
        """No folder: it works without, and says so."""
        self.scratch.write("cache", "a file stands where the folder should be")
        for env in (
            self.scratch.env(),
            self.scratch.env(XDG_CACHE_HOME="/proc/nowhere"),
            self.scratch.env(XDG_CACHE_HOME="/dev/null"),
        ):
            result = self.match("--json", "--stats", "--", "-", stdin=EVENTS.encode(), env=env)
            self.assertEqual(len(harness.hits(result)), 4, result.err)
            self.assertRegex(result.err, r"not kept|cached=no")

    def test_home(self):
        """Without XDG_CACHE_HOME: ~/.cache/khien."""
        env = self.scratch.env(HOME=self.scratch.path("home"))
        del env["XDG_CACHE_HOME"]
        os.makedirs(self.scratch.path("home"))
        self.assertFalse(self.run_once(env=env)[0])
        self.assertTrue(os.listdir(self.scratch.path("home", ".cache", "khien")))
        self.assertTrue(self.run_once(env=env)[0])


if __name__ == "__main__":
    cli.main()
