#!/usr/bin/python3
"""khien rules check: names each refused rule by file and line, with what to write instead."""
import random
import re

import cli

HEAD = "title: T\nid: %s\nlogsource: {product: p}\n"  # three lines

# What stands behind the head; the line of the fault; what the message has to name.
REFUSED = [
    ("detection:\n  s:\n    f|contians: a\n  condition: s\n", 6, ["contians", "contains"]),
    ("detection:\n  s: {f: a}\n  condition: s and t\n", 6, ["'?t'?"]),
    ("detection:\n  s: {f: a}\n  condition: 1 of other*\n", 6, [r"other\*"]),
    ("detection:\n  s: {f: a}\n  condition: (s\n", 6, [r"\)"]),
    ("detection:\n  s: {f: a}\n  condition: s | count() > 5\n", 6, ["correlation"]),
    ("detection:\n  s:\n    f|re: '('\n  condition: s\n", 6, [r"\("]),
    ("detection:\n  s:\n    f|cidr: 10.0.0.0/33\n  condition: s\n", 6, ["10.0.0.0/33"]),
    ("detection:\n  s:\n    f|expand: '%who%'\n  condition: s\n", 6, ["who"]),
    ("detection:\n  s:\n    f|base64: 'a*'\n  condition: s\n", 6, ["base64"]),
    ("detection:\n  s:\n    f|gt: many\n  condition: s\n", 6, ["many"]),
    ("detection:\n  s: {f: a}\n", None, ["condition"]),
    ("detection:\n  s:\n    f: a\n    f: b\n  condition: s\n", 7, ["f"]),
    ("detection:\n  s: {f: [a\n  condition: s\n", None, []),
    ("level: high\n", None, ["detection"]),
]


class RulesTest(cli.CliTest):
    def check(self, *words):
        return self.scratch.khien("rules", "check", *words)

    def test_good(self):
        result = self.check(self.rules)
        self.assertEqual(result.status, 0, result.err)

    def test_refused(self):
        for i, (body, line, names) in enumerate(REFUSED):
            with self.subTest(body=body):
                path = self.scratch.write(f"bad{i}/rule.yml", HEAD % i + body)
                result = self.check(self.scratch.path(f"bad{i}"))
                text = result.out.decode() + result.err
                self.assertEqual(result.status, 1, text)
                m = re.search(re.escape(path) + r":(\d+): ([^:]+.*): (.+)", text)
                self.assertTrue(m, text)
                if line:
                    self.assertEqual(int(m[1]), line, text)
                for name in names:
                    self.assertRegex(m[0][len(path) :], name)

    def test_rest_is_looked_at(self):
        """One bad rule hides no other, not even in its own file."""
        self.scratch.write("rules/bad.yml", HEAD % "a" + REFUSED[0][0] + "---\n" + HEAD % "b" + REFUSED[5][0])
        result = self.check(self.rules)
        text = result.out.decode() + result.err
        self.assertEqual(result.status, 1)
        self.assertEqual(len(re.findall(r"bad\.yml:\d+: ", text)), 2, text)

    def test_twice_the_same_id(self):
        self.scratch.write("rules/z.yml", cli.LOGIN)
        result = self.check(self.rules)
        self.assertEqual(result.status, 1)
        self.assertRegex(result.out.decode() + result.err, r"z\.yml:\d+: .*" + cli.LOGIN_ID)

    def test_missing(self):
        result = self.check(self.scratch.path("nowhere"))
        self.assertEqual(result.status, 2)
        self.assertRegex(result.err, r"nowhere.*No such file")
        self.assertEqual(self.check().status, 2)

    def test_billion_laughs(self):
        laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for i in range(1, 12):
            laughs += f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]\n"
        self.scratch.write("rules/laughs.yml", HEAD % "l" + laughs + "detection: {s: {f: *a11}, condition: s}\n")
        result = self.scratch.khien("rules", "check", self.rules, timeout=20)
        self.assertEqual(result.status, 1)
        self.assertIn("laughs.yml", result.out.decode() + result.err)

    def test_deep_yaml(self):
        self.scratch.write(
            "rules/deep.yml", HEAD % "d" + "detection: {s: " + "[" * 20000 + "]" * 20000 + ", condition: s}\n"
        )
        result = self.scratch.khien("rules", "check", self.rules, timeout=20)
        self.assertEqual(result.status, 1)
        self.assertIn("deep.yml", result.out.decode() + result.err)

    def test_huge_file(self):
        self.scratch.write("rules/huge.yml", HEAD % "h" + "#" * (2 << 20))
        result = self.check(self.rules)
        self.assertEqual(result.status, 1)
        self.assertIn("huge.yml", result.out.decode() + result.err)

    def test_not_yaml(self):
        for i, content in enumerate(
            [
                random.Random(1).randbytes(200),
                b"\xff\xfe" + "title: x".encode("utf-16-le"),
                b"title: \xff\n",
                b"\0" * 100,
                b"- a\n- b\n",
                b"just words\n",
            ]
        ):
            with self.subTest(i=i):
                self.scratch.write("odd/odd.yml", content)
                result = self.check(self.scratch.path("odd"))
                self.assertIn(result.status, (1, 2), result.err)
                self.assertIn("odd.yml", result.out.decode() + result.err)


if __name__ == "__main__":
    cli.main()
