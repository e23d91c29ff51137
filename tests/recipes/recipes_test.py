#!/usr/bin/python3
"""Follows each recipe of CONTRIBUTING.md by its own commands, in a copy of the tree, and looks at what came of it."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # pylint: disable=wrong-import-position

# Section of CONTRIBUTING.md: what its commands must leave behind.
RECIPES = {
    "Add a log format": [
        "src/intake/acme.c", "src/intake/acme_test.c", "tests/fuzz/acme_fuzz.c", "tests/fuzz/corpus/acme/plain"],
    "Add a command": ["src/cmd/census.c", "man/khien-census.1", "tests/cli/census_test.py"],
    "Add an HTTP route": ["src/api/ward_count.c", "src/api/ward_count_test.c"],
    "Add a rule": ["rules/admin_probe.yml", "rules/hit/admin_probe.log", "rules/miss/mass_export.log"],
    "Add a scene": ["tests/scene/night_login.scene"],
    "Add a fuzz target": ["tests/fuzz/quoting_fuzz.c"],
}


def recipes():
    """{section: commands} of CONTRIBUTING.md."""
    with open(os.path.join(harness.ROOT, "CONTRIBUTING.md"), encoding="utf-8") as file:
        sections = re.split(r"^## ", file.read(), flags=re.M)[1:]
    found = {}
    for section in sections:
        blocks = re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)
        if blocks:
            found[section.partition("\n")[0].strip()] = "".join(blocks)
    return found


def copy_tree(to):
    """The project's files, committed or not, without what git ignores."""
    git = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=harness.ROOT, capture_output=True,
                         check=False)
    if git.returncode:
        shutil.copytree(harness.ROOT, to, ignore=shutil.ignore_patterns("build", "build-*", ".git", "__pycache__"))
        return
    for name in git.stdout.decode().split("\0")[:-1]:
        source = os.path.join(harness.ROOT, name)
        if os.path.isfile(source):
            os.makedirs(os.path.dirname(os.path.join(to, name)), exist_ok=True)
            shutil.copy2(source, os.path.join(to, name))


class RecipesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = harness.Scratch()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.tree = cls.scratch.path("tree")
        copy_tree(cls.tree)
        # Quick to compile is what counts here; a recipe builds what it needs, and no more.
        cls.run_in_tree("meson setup build -Doptimization=0 -Ddebug=false && ninja -C build khien")

        cls.before = cls.findings()

    @classmethod
    def findings(cls):
        """What tools/check has to say, without line numbers, which move."""
        said = cls.run_in_tree("tools/check format rooms lengths calls words tests man || true")
        return set(re.sub(r":\d+: ", ": ", said).splitlines())

    @classmethod
    def run_in_tree(cls, script):
        done = subprocess.run(["sh", "-euc", script], cwd=cls.tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, text=True, errors="replace", check=False,
                              env=cls.scratch.env(PYTHONDONTWRITEBYTECODE="1"))
        if done.returncode:
            raise AssertionError(f"status {done.returncode}: {script}\n{done.stdout}")
        return done.stdout

    def test_each_is_followed(self):
        found = recipes()
        self.assertEqual(set(found), set(RECIPES), "sections of CONTRIBUTING.md with commands")
        for section, made in RECIPES.items():
            with self.subTest(section):
                for path in made:
                    self.assertFalse(os.path.exists(os.path.join(self.tree, path)), path)
                said = self.run_in_tree(found[section])
                self.assertNotIn("warning:", said)
                self.assertNotRegex(said, r"No suitable tests|Ok: +0\b")
                for path in made:
                    self.assertTrue(os.path.exists(os.path.join(self.tree, path)), path)
        # All that was made stands by the rules of the house, and fits together.
        self.assertEqual(self.findings() - self.before, set())
        self.assertIn("Ok:                 1", self.run_in_tree("meson test -C build intake/formats"))

    def test_each_test_can_fail(self):
        """What the templates make is tested: a fault in it is found."""
        self.run_in_tree("tools/new format faulty; tools/new scene faulty; tools/new fuzz faulty_too; tools/new route faulty")
        for path, right, wrong, test in [
                ("src/intake/faulty.c", "text_put(ev, STR(\"host.name\"), l.host);", "", "intake/faulty"),
                ("src/intake/faulty.c", "l->host = text_word(&rest);", "l->host = STR(\"h\");", "faulty_fuzz"),
                ("src/api/faulty.c", "counts.requests", "counts.busy", "api/faulty"),
                ("src/api/routes.c", "\"/v1/faulty\", SCOPE_INGEST", "\"/v1/faulty\", 0", "api/faulty"),
                ("tests/scene/faulty.scene", "gte: 3", "gte: 4", "scene_faulty"),
                ("tests/fuzz/faulty_too_fuzz.c", "assert(i == out.n - 1)", "assert(i == out.n)", "faulty_too_fuzz")]:
            with self.subTest(test):
                path = os.path.join(self.tree, path)
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                self.assertIn(right, text)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text.replace(right, wrong))
                with self.assertRaisesRegex(AssertionError, "Fail: +1"):
                    self.run_in_tree(f"meson test -C build {test}")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)

    def test_nothing_is_overwritten(self):
        for words, hint in [
                ("format json", "src/intake/json.c is there already"), ("command match", "match.c is there already"),
                ("route bulk", "src/api/bulk.c is there already"),
                ("scene late", "late.scene is there already"), ("fuzz utf8", "utf8_fuzz.c is there already"),
                ("format Two-Words", "is no name"), ("format ../x", "is no name"), ("command x_test", "is no name"),
                ("dish soup", "tools/new KIND NAME"), ("format", "tools/new KIND NAME")]:
            with self.subTest(words):
                before = self.run_in_tree("find src tests man tools -type f -newer build/build.ninja | sort | xargs -r cksum")
                with self.assertRaisesRegex(AssertionError, hint):
                    self.run_in_tree(f"tools/new {words}")
                after = self.run_in_tree("find src tests man tools -type f -newer build/build.ninja | sort | xargs -r cksum")
                self.assertEqual(before, after)


if __name__ == "__main__":
    harness.need_program()
    for tool in ("meson", "ninja"):
        if not shutil.which(tool):
            harness.skip(f"no {tool}")
    if harness.sanitized():
        harness.skip("the recipes are followed in the build without sanitizers")
    unittest.main(verbosity=2)
