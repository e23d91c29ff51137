#!/usr/bin/python3
"""Is the reference right? Verdicts worked out by hand from docs/sigma.md and the examples of the specification."""
import glob
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import reference
from harness import data
from reference_events import documents, event_from_json


def verdict(detection, event, **more):
    """detection: YAML of what stands under `detection:`; event: JSON text, or something to make it of."""
    text = "id: r\ntitle: t\nlogsource: {product: p}\ndetection:\n"
    text += "".join("  " + line + "\n" for line in detection.splitlines())
    rules, refused = reference.rules_from([text], **more)
    if refused:
        raise reference.Refused(refused[0][1])
    record = event if isinstance(event, bytes) else (event if isinstance(event, str) else json.dumps(event)).encode()
    return rules[0](event_from_json(record))


def field(line, event, **more):
    return verdict(f"sel:\n  {line}\ncondition: sel", event, **more)


# (a line of a selection, an event, whether it holds)
FIELDS = [
    # numbers, texts, booleans
    ("f: 1013", {"f": 1013}, True),
    ("f: 1013", {"f": "1013"}, True),
    ("f: '1013'", {"f": 1013}, True),
    ("f: 1013", '{"f": 1013.0}', False),
    ("f: 1e3", '{"f": 1e3}', True),
    ("f: 1E3", '{"f": 1e3}', True),
    ("f: 0x10", {"f": 16}, False),
    ("f: true", {"f": True}, True),
    ("f: True", {"f": "TRUE"}, True),
    ("f: 'true'", {"f": True}, True),
    ("f: false", {"f": 0}, False),
    # case
    ("f: ABC", {"f": "abc"}, True),
    ("f: 'Ä'", {"f": "ä"}, True),
    ("f: '\u212a'", {"f": "k"}, True),
    ("f: s", {"f": "\u017f"}, True),
    ("f: 'ß'", {"f": "ss"}, False),
    ("f: 'ß'", {"f": "\u1e9e"}, True),
    ("f: 'σ'", {"f": "ς"}, True),
    ("f: 'İ'", {"f": "i"}, False),
    ("f: 'İ'", {"f": "İ"}, True),
    ("f|cased: ABC", {"f": "abc"}, False),
    ("f|cased|contains: BC", {"f": "ABCD"}, True),
    # wildcards
    ("f: prog?.exe", {"f": "progA.exe"}, True),
    ("f: prog?.exe", {"f": "prog.exe"}, False),
    ("f: prog?.exe", {"f": "progÄ.exe"}, True),
    ("f: antivirus_V*.exe", {"f": "antivirus_V21.2.1.exe"}, True),
    ("f: 'a*c'", {"f": "a\n\nc"}, True),
    ("f: 'a?c'", {"f": "a\nc"}, True),
    ("f: '*'", {"f": ""}, True),
    ("f: '*'", {"f": None}, False),
    ("f: '*'", {}, False),
    ("f: 'a?c'", b'{"f": "a\xffc"}', True),
    ("f: 'a?c'", b'{"f": "a\xc3\xff"}', False),
    # escapes
    (r"f: 'a\b'", {"f": "a\\b"}, True),
    (r"f: 'a\\b'", {"f": "a\\b"}, True),
    (r"f: 'a\*'", {"f": "a*"}, True),
    (r"f: 'a\*'", {"f": "ab"}, False),
    (r"f: 'a\\*'", {"f": "a\\bcd"}, True),
    (r"f: 'a\\*'", {"f": "a*"}, False),
    (r"f: 'a\\\*'", {"f": "a\\*"}, True),
    (r"f: 'a\\\*'", {"f": "a\\b"}, False),
    (r"f: 'a\\\'", {"f": "a\\\\"}, True),
    (r"f: 'a\\\\'", {"f": "a\\\\"}, True),
    (r"f|contains: 'a\'", {"f": "xa\\x"}, True),
    (r"f|startswith: 'a\'", {"f": "a*"}, False),
    (r"f|startswith: 'a\'", {"f": "a\\x"}, True),
    (r"f|endswith: '\cmd.exe'", {"f": "C:\\CMD.EXE"}, True),
    # empty and null
    ("f: ''", {"f": ""}, True),
    ("f: ''", {}, False),
    ("f: ''", {"f": None}, False),
    ("f: null", {"f": None}, True),
    ("f: null", {}, True),
    ("f:", {}, True),
    ("f: ~", {"f": ""}, False),
    ("f: 'null'", {"f": None}, False),
    ("f: null", {"f": []}, True),
    ("f: null", {"f": [None, "a"]}, False),
    ("f: [null, a]", {"f": "a"}, True),
    ("f: [null, a]", {}, True),
    ("f: [null, a]", {"f": "b"}, False),
    # arrays, nesting, names
    ("f: b", {"f": ["a", "b"]}, True),
    ("f: b", {"f": ["a", ["c", "b"]]}, True),
    ("f|contains|all: [a, b]", {"f": ["xax", "xbx"]}, True),
    ("f|contains|all: [a, b]", {"f": ["xax", "x"]}, False),
    ("f.g: 1", {"f": {"g": 1}}, True),
    ("f.g: 1", {"f.g": 1}, True),
    ("f.g: 1", {"f": [{"g": 0}, {"g": 1}]}, True),
    ("f: 1", {"f": {"g": 1}}, False),
    ("f|exists: true", {"f": {"g": 1}}, False),
    ("f: b", '{"f": "a", "f": "b"}', True),
    ("f: a", '{"f": "a", "f": "b"}', True),
    ("ThreatName: x", {"Threat Name": "x"}, True),
    ("f: x", '{"\\u0066": "\\u0078"}', True),
    # modifiers
    ("f|contains: b", {"f": "abc"}, True),
    ("f|startswith: adm", {"f": "ADMIN"}, True),
    ("f|endswith: adm", {"f": "ADMIN"}, False),
    ("f|contains: ''", {"f": ""}, True),
    ("f|exists: true", {"f": None}, True),
    ("f|exists: false", {}, True),
    ("f|exists: true", {"f": []}, False),
    ("f|exists: false", {"f": ""}, False),
    ("f|re: a.c", {"f": "xabcx"}, True),
    ("f|re: A.c", {"f": "abc"}, False),
    ("f|re|i: A.c", {"f": "abc"}, True),
    ("f|re: a.c", {"f": "a\nc"}, False),
    ("f|re|s: a.c", {"f": "a\nc"}, True),
    ("f|re: ^b", {"f": "a\nb"}, False),
    ("f|re|m: ^b", {"f": "a\nb"}, True),
    ("f|re: '^$'", {"f": ""}, True),
    ("f|re: '4'", {"f": 345}, True),
    ("f|cidr: 10.0.0.0/8", {"f": "10.1.2.3"}, True),
    ("f|cidr: 10.0.0.0/8", {"f": "11.1.2.3"}, False),
    ("f|cidr: 10.0.0.0/8", {"f": "::ffff:10.1.2.3"}, True),
    ("f|cidr: 10.0.0.0/8", {"f": "x"}, False),
    ("f|cidr: 10.0.0.0/8", {"f": " 10.1.2.3"}, False),
    ("f|cidr: 10.0.0.1", {"f": "10.0.0.1"}, True),
    ("f|cidr: fe80::/10", {"f": "[fe80::1]"}, True),
    ("f|cidr: fe80::/10", {"f": "fe80::1%eth0"}, True),
    ("f|cidr: '::/0'", {"f": "::ffff:10.1.2.3"}, False),
    ("f|cidr: fe80::/10", {"f": "FEBF::1"}, True),
    ("f|cidr: fe80::/10", {"f": "10.0.0.1"}, False),
    ("f|base64: foo", {"f": "Zm9v"}, True),
    ("f|base64|contains: foo", {"f": "xxZm9wxx"}, False),
    ("f|base64|contains: foo", {"f": "xxzm9Vxx"}, True),
    ("f|base64offset|contains: foobar", {"f": "eGZvb2Jhcg=="}, True),  # xfoobar
    ("f|base64offset|contains: foobar", {"f": "eHhmb29iYXI="}, True),  # xxfoobar
    ("f|base64offset|contains: foobar", {"f": "eHh4Zm9vYmFy"}, True),  # xxxfoobar
    ("f|base64offset|contains: foobar", {"f": "Zm9vYmF6"}, False),  # foobaz
    ("f|wide|base64offset|contains: ab", {"f": "YQBiAA=="}, True),
    ("f|wide: ab", {"f": "a\0b\0"}, True),
    ("f|utf16le: ab", {"f": "a\0b\0"}, True),
    ("f|utf16be: ab", {"f": "\0a\0b"}, True),
    ("f|utf16: ab", b'{"f": "\xff\xfea\\u0000b\\u0000"}', True),
    ("f|windash: -x", {"f": "/x"}, True),
    ("f|windash: a-x", {"f": "a/x"}, False),
    ("f|windash|contains: ' -x -y'", {"f": "p \u2014x \u2014y"}, True),
    ("f|windash|contains: ' -x -y'", {"f": "p -x /y"}, False),
    ("f|windash|contains: ' -x /y'", {"f": "p -x /y"}, True),
    ("f|contains|windash: -x", {"f": "p \u2015X"}, True),
    ("f|contains|all|windash: [-x, -y]", {"f": "/x /y"}, True),
    ("f|contains|all|windash: [-x, -y]", {"f": "/x /z"}, False),
    ("f|fieldref: g", {"f": "a", "g": "A"}, True),
    ("f|fieldref: g", {"f": 1, "g": "1"}, True),
    ("f|fieldref: g", {"f": "a"}, False),
    ("f|fieldref: g", {"f": None, "g": None}, False),
    ("f|fieldref|startswith: g", {"f": "ab", "g": "A"}, True),
    ("f|fieldref|endswith: g", {"f": "ab", "g": "A"}, False),
    ("f|fieldref|neq: g", {"f": "a", "g": "A"}, False),
    ("f|fieldref|neq: g", {"f": "a"}, True),
    ("f|gt: 4", {"f": 4.5}, True),
    ("f|gt: 4", {"f": "10"}, True),
    ("f|gt: 4", {"f": "ten"}, False),
    ("f|gt: 4", {"f": " 5"}, False),
    ("f|lte: -1.5", {"f": -1.5}, True),
    ("f|lt: -1.5", {"f": -1.5}, False),
    ("f|gte: 1", {"f": True}, False),
    ("f|neq: a", {"f": "A"}, False),
    ("f|neq: a", {"f": "b"}, True),
    ("f|neq: a", {}, True),
    ("f|neq: [a, b]", {"f": "b"}, False),
    ("f|neq: a", {"f": ["a", "b"]}, False),
    ("f|minute: 7", {"f": "2026-03-01T23:07:00Z"}, True),
    ("f|hour|gte: 22", {"f": "2026-03-01 23:07:00"}, True),
    ("f|hour: 22", {"f": "2026-03-01T23:07:00+01:00"}, True),
    ("f|day: 2", {"f": "2026-03-01T23:07:00.25-01:00"}, True),
    ("f|week: 53", {"f": "2027-01-01T00:00:00Z"}, True),
    ("f|month: 3", {"f": 1772323200}, True),
    ("f|year: 2026", {"f": 1772323200123}, True),
    ("f|year: 2026", {"f": "tomorrow"}, False),
]

# (selections and a condition, an event, whether it holds)
CONDITIONS = [
    ("a: {x: 1}\nb: {y: 2}\ncondition: a and b", {"x": 1, "y": 2}, True),
    ("a: {x: 1}\nb: {y: 2}\ncondition: a and not b", {"x": 1}, True),
    ("a: {x: 1}\nb: {y: 2}\nc: {z: 3}\ncondition: a or b and c", {"x": 1}, True),
    ("a: {x: 1}\nb: {y: 2}\nc: {z: 3}\ncondition: (a or b) and c", {"x": 1}, False),
    ("a: {x: 1}\nb: {y: 2}\ncondition: not a and b", {"y": 2}, True),
    ("a: {x: 1}\nb: {y: 2}\ncondition: not a or b", {"x": 1, "y": 2}, True),
    ("a: {x: 1}\nb: {y: 2}\ncondition: not (a or b)", {"y": 2}, False),
    ("a: {x: 1}\nb: {y: 2}\ncondition: not not a", {"x": 1}, True),
    ("s1: {x: 1}\ns2: {y: 2}\n_s3: {z: 3}\ncondition: 1 of them", {"z": 3}, False),
    ("s1: {x: 1}\ns2: {y: 2}\n_s3: {z: 3}\ncondition: all of them", {"x": 1, "y": 2}, True),
    ("s1: {x: 1}\ns2: {y: 2}\ns3: {z: 3}\ncondition: 2 of s*", {"x": 1, "z": 3}, True),
    ("s1: {x: 1}\ns2: {y: 2}\ns3: {z: 3}\ncondition: 2 of s*", {"x": 1}, False),
    ("s1: {x: 1}\nt2: {y: 2}\ncondition: any of s* and not 1 of t*", {"x": 1}, True),
    ("s1: {x: 1}\ns2: {y: 2}\ncondition: [s1, s2]", {"y": 2}, True),
    ("s:\n  - x: 1\n    y: 2\n  - x: 3\ncondition: s", {"x": 3}, True),
    ("s:\n  - x: 1\n    y: 2\n  - x: 3\ncondition: s", {"x": 1}, False),
    ("s:\n  x: [1, 2]\n  y|startswith: [a, b]\ncondition: s", {"x": 2, "y": "bc"}, True),
    ("keywords: [EVILSERVICE, 'svchost.exe -n evil']\ncondition: keywords", {"q": "run evilservice now"}, True),
    ("keywords: [EVILSERVICE]\ncondition: keywords", {"evilservice": 1}, False),
    ("keywords: [13]\ncondition: keywords", {"q": [1, 5137]}, True),
    ("k:\n  '|all': [a b, ' -c ']\ncondition: k", {"q": "xa bx", "r": "  -C "}, True),
    ("k:\n  '|all': [a b, ' -c ']\ncondition: k", {"q": "xa bx"}, False),
    ("k: ['a*d']\ncondition: k", {"q": "xabcdx"}, True),
]

FILTER = """
title: f
logsource: {product: p}
filter:
  rules: %s
  selection: {User|startswith: adm_}
  condition: %s
"""
RULE = """
id: i1
name: n1
logsource: {product: p, category: c}
detection: {sel: {x: 1}, condition: sel}
"""


class ReferenceTest(unittest.TestCase):
    def test_fields(self):
        for line, event, expected in FIELDS:
            with self.subTest(line=line, event=event):
                self.assertEqual(field(line, event), expected)

    def test_conditions(self):
        for text, event, expected in CONDITIONS:
            with self.subTest(text=text, event=event):
                self.assertEqual(verdict(text, event), expected)

    def test_expand(self):
        more = {"placeholders": {"DC-NAME": ["dc1"], "Admins": ["bob", "adm*"], "Hosts": ["h1", "h2"]}}
        for line, event, expected in [
            ("f|expand: '%Admins%'", {"f": "ADMIN"}, True),
            ("f|expand: '%DC-NAME%'", {"f": "dc1"}, True),
            ("f|expand: '%Admins%'", {"f": "Bobby"}, False),
            ("f|contains|expand: '%Admins%'", {"f": "Bobby"}, True),
            ("f|expand: '%Hosts%-%Admins%'", {"f": "h2-bob"}, True),
            ("f|expand: '%Hosts%-%Admins%'", {"f": "h3-bob"}, False),
            (r"f|expand: '\%plain%Admins%'", {"f": "%plainbob"}, True),
            ("f: '%Admins%'", {"f": "bob"}, False),
            ("f: '%Admins%'", {"f": "%admins%"}, True),
        ]:
            with self.subTest(line=line, event=event):
                self.assertEqual(field(line, event, **more), expected)

    def test_refused(self):
        for detection in [
            "sel: {f|base64: 'a*'}\ncondition: sel",
            "sel: {f|expand: '%no%'}\ncondition: sel",
            "sel: {f|nonsense: a}\ncondition: sel",
            "sel: {f: a}\ncondition: other",
            "sel: {f: a}\ncondition: 1 of other*",
            "sel: {f: a}\ncondition: sel sel",
            "sel: {f|re: '('}\ncondition: sel",
            "sel: {f|cidr: 10.0.0.1/8}\ncondition: sel",
        ]:
            with self.subTest(detection=detection), self.assertRaises(reference.Refused):
                verdict(detection, {})

    def test_filters(self):
        for ids, condition, user, expected in [
            ("any", "selection", "adm_bob", False),
            ("any", "selection", "bob", True),
            ("any", "not selection", "adm_bob", False),
            ("any", "not selection", "bob", True),
            ("[i1]", "selection", "adm_bob", False),
            ("[n1]", "selection", "adm_bob", False),
            ("[other]", "selection", "adm_bob", True),
        ]:
            with self.subTest(ids=ids, condition=condition, user=user):
                rules, _ = reference.rules_from([RULE, FILTER % (ids, condition)])
                event = event_from_json(json.dumps({"x": 1, "User": user}).encode())
                self.assertEqual(rules[0](event), expected)

    def test_mapping(self):
        mapping = reference.Mapping(
            """
every_field: [Event.EventData.%, Event.UserData.*.%]
fields: {CommandLine: [process.command_line]}
sources:
  - logsource: {product: windows, category: process_creation}
    when: {EventID: 4688}
    fields: {Image: [NewProcessName]}
"""
        )
        rule = "detection: {s: {Image: a, CommandLine: b}, condition: s}\nlogsource: {product: %s}"
        event = event_from_json(b'{"NewProcessName": "a", "process": {"command_line": "b"}}')
        for product, expected in [("windows", True), ("linux", False)]:
            self.assertEqual(reference.rules_from([rule % product], mapping)[0][0](event), expected)
        event = event_from_json(b'{"Event": {"EventData": {"Image": "a"}, "UserData": {"X": {"CommandLine": "b"}}}}')
        self.assertTrue(reference.rules_from([rule % "linux"], mapping)[0][0](event))
        self.assertTrue(mapping.routed({"product": "windows"}, event_from_json(b'{"EventID": "4688"}')))
        self.assertFalse(mapping.routed({"product": "linux"}, event_from_json(b'{"EventID": "4688"}')))
        self.assertTrue(mapping.routed({"product": "a", "service": "b"}, event_from_json(b'{"event.dataset": "a.b"}')))

    @unittest.skipUnless(data("sigma"), "KHIEN_DATA has no sigma folder")
    def test_published_cases(self):
        """The regression cases of SigmaHQ hit their rules."""
        mapping = reference.Mapping(
            """
every_field: [Event.EventData.%, Event.System.%, Event.UserData.*.%]
fields: {Provider_Name: [Event.System.Provider.#attributes.Name]}
"""
        )
        folders = [data("sigma", name) for name in sorted(os.listdir(data("sigma"))) if name.startswith("rules")]
        rules = {rule.id: rule for rule in reference.rules_from(reference.files_under(*folders), mapping)[0]}
        cases = glob.glob(os.path.join(data("sigma", "regression"), "**", "*.json"), recursive=True)
        self.assertGreaterEqual(len(cases), 98)
        for path in cases:
            with self.subTest(path=path), open(path, "rb") as file:
                rule = rules[os.path.basename(path)[:-5]]
                self.assertTrue(any([rule(event) for event in documents(file.read())]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
