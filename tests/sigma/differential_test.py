#!/usr/bin/python3
"""The engine against the reference, on rules and events made up to collide and on spoilt events for published rules.

usage: differential_test.py [KHIEN] [--seed N] [--rules N] [--rounds N]
"""
import argparse
import copy
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import generate
import harness
import notation
import published
import reference
from reference_events import event_from_json

OPTIONS = argparse.Namespace(seed=20260301, rules=500, rounds=1)
EVENTS_PER_RULE, OTHERS_PER_EVENT = 6, 8
SHOWN = 5  # mismatches that are cut down and printed


class Pair:
    """A rule and an event on which the two disagree, and how to cut it down."""

    def __init__(self, scratch, placeholders):
        self.scratch, self.placeholders = scratch, placeholders

    def verdicts(self, spec, pairs):
        text = notation.rule_text("r", spec)
        rules, refused = reference.rules_from([text], placeholders=self.placeholders)
        if refused:
            return None
        record = notation.event_bytes(pairs)
        expected = rules[0](event_from_json(record))
        result = engine(self.scratch, "one", [text], [record], self.placeholders)
        return expected, bool(result)

    def differs(self, spec, pairs):
        try:
            both = self.verdicts(spec, pairs)
        except (AssertionError, KeyError, IndexError, TypeError, AttributeError, ValueError):
            return False  # cut too far: no rule any more
        return both is not None and both[0] != both[1]

    def shrink(self, spec, pairs):
        """Drops pieces as long as the two still disagree."""
        again = True
        while again:
            again = False
            for smaller in smaller_specs(spec):
                if self.differs(smaller, pairs):
                    spec, again = smaller, True
                    break
            for smaller in smaller_events(pairs):
                if self.differs(spec, smaller):
                    pairs, again = smaller, True
                    break
        return spec, pairs


def without_one(node):
    """Every tree that lacks one member of `node`, at any depth."""
    if isinstance(node, dict):
        for key in node:
            if key != "condition":
                yield {k: v for k, v in node.items() if k != key}
                for smaller in without_one(node[key]):
                    yield {k: smaller if k == key else v for k, v in node.items()}
    elif isinstance(node, list):
        for i in range(len(node)):
            if len(node) > 1:
                yield node[:i] + node[i + 1 :]
            for smaller in without_one(node[i]):
                yield node[:i] + [smaller] + node[i + 1 :]
        if len(node) == 1:
            yield node[0]


def smaller_specs(spec):
    if spec["filter"]:
        yield {"detection": spec["detection"], "filter": None}
    names = [n for n in spec["detection"] if n != "condition"]
    for condition in names + [f"not {n}" for n in names]:
        if len(condition) < len(spec["detection"]["condition"]):
            yield dict(spec, detection=dict(spec["detection"], condition=condition))
    for smaller in without_one(spec["detection"]):
        yield dict(spec, detection=smaller)


def smaller_events(pairs):
    for i, (key, node) in enumerate(pairs):
        yield pairs[:i] + pairs[i + 1 :]
        if isinstance(node, list) and not isinstance(node, notation.Pairs) and node and not isinstance(node[0], tuple):
            for smaller in node + [node[:j] + node[j + 1 :] for j in range(len(node)) if len(node) > 1]:
                yield pairs[:i] + [(key, smaller)] + pairs[i + 1 :]
        elif isinstance(node, str) and len(node) > 40:  # a long text: half of it, cut at no escape
            for cut in (node[: len(node) // 2] + '"', '"' + node[len(node) // 2 :]):
                if "\\" not in node and node[0] == '"':
                    yield pairs[:i] + [(key, cut)] + pairs[i + 1 :]


def engine(scratch, name, rule_texts, records, placeholders, *options):
    for i, text in enumerate(rule_texts):
        scratch.write(f"{name}/rules/{i:05}.yml", text)
    for placeholder, lines in placeholders.items():
        scratch.write(f"{name}/placeholders/{placeholder}.txt", "".join(line + "\n" for line in lines))
    events = scratch.write(f"{name}/events.ndjson", b"".join(record + b"\n" for record in records))
    more = ["--placeholders", scratch.path(name, "placeholders")] if placeholders else []
    return harness.hits(
        scratch.match(
            "--json",
            "--all-rules",
            "--format",
            "json",
            *more,
            *options,
            "--rules",
            scratch.path(name, "rules"),
            "--",
            events,
        )
    )


class DifferentialTest(unittest.TestCase):
    def compare(self, scratch, texts, records, wanted, placeholders, **more):
        """wanted: for each record the numbers of the rules to look at. -> [(rule, record, expected)] that differ."""
        rules = [reference.rules_from([text], placeholders=placeholders, **more)[0] for text in texts]
        found = engine(scratch, "all", texts, records, placeholders)
        differ, n, n_hits = [], 0, 0
        for i, record in enumerate(records):
            event = event_from_json(record)
            for r in wanted[i]:
                for rule in rules[r]:
                    expected = rule(event)
                    n, n_hits = n + 1, n_hits + expected
                    if expected != ((rule.id, i + 1) in found):
                        differ.append((r, i, expected))
        print(f"{n} pairs of {len(texts)} rules and {len(records)} events, {n_hits} hits, {len(differ)} differ")
        return differ, n, n_hits

    def test_generated(self):
        for turn in range(OPTIONS.rounds):
            seed = OPTIONS.seed + turn
            made = generate.Generator(seed)
            rng = random.Random(seed)
            rules = [made.rule() for _ in range(OPTIONS.rules)]
            texts = [notation.rule_text(f"r{i}", spec) for i, (spec, _) in enumerate(rules)]
            events = [made.event(items) for _, items in rules for _ in range(EVENTS_PER_RULE)]
            wanted = [
                [i // EVENTS_PER_RULE] + rng.sample(range(len(rules)), OTHERS_PER_EVENT) for i in range(len(events))
            ]
            with self.subTest(seed=seed):
                self.one_round(made, rules, texts, events, wanted)

    def one_round(self, made, rules, texts, events, wanted):
        with harness.Scratch() as scratch:
            differ, n, n_hits = self.compare(
                scratch, texts, [notation.event_bytes(e) for e in events], wanted, made.placeholders
            )
            pair = Pair(scratch, made.placeholders)
            shown = set()
            for r, i, expected in differ:
                if len(shown) < SHOWN and r not in shown:
                    shown.add(r)
                    self.show(pair, copy.deepcopy(rules[r][0]), events[i], expected)
        self.assertEqual(len(differ), 0)
        self.assertGreaterEqual(n, 5000)
        self.assertGreaterEqual(n_hits, n // 50)

    def show(self, pair, spec, event, expected):
        alone = pair.differs(spec, event)
        if alone:
            spec, event = pair.shrink(spec, event)
            expected = pair.verdicts(spec, event)[0]
        note = "" if alone else " (only with the other rules and events around it)"
        record = notation.event_bytes(event)
        print(
            f"--- reference says {expected}, khien says {not expected}{note}\n{notation.rule_text('r', spec)}{record!r}"
        )

    def test_every_letter(self):
        """Each character whose case can change against each that is equal to it, and none else."""
        changing = [chr(c) for c in range(sys.maxunicode + 1) if reference.fold_character(chr(c)) != chr(c)]
        letters = sorted(set(changing) | set(map(reference.fold_character, changing)))
        texts = [
            notation.rule_text(
                f"u{ord(c):x}", {"detection": {"s": {"f": f"'<{c}>'"}, "condition": "s"}, "filter": None}
            )
            for c in letters
        ]
        records = [f'{{"f": "<{c}>"}}'.encode() for c in letters]
        equal = {}
        for line, c in enumerate(letters, 1):
            equal.setdefault(reference.fold(c), []).append((ord(c), line))
        expected = {(f"u{c:x}", line) for group in equal.values() for c, _ in group for _, line in group}
        with harness.Scratch() as scratch:
            found = engine(scratch, "letters", texts, records, {})
        self.assertGreater(len(letters), 2000)
        self.assertEqual(sorted(found - expected), [])
        self.assertEqual(sorted(expected - found), [])

    def test_every_place(self):
        """A text at each offset of longer and longer values, plain and with escapes in front; and nearly that text."""
        lines = [
            "f|contains: needle",
            "f|endswith: needle",
            "f|startswith: needle",
            "f: '*ne?dle*'",
            "f: '*need*le'",
            "f|contains|cased: needle",
            "f|re: ne+dle",
            "f|contains|all: [need, dle]",
            "f|contains: '\\needle'",
        ]
        texts = [
            f"title: t\nid: p{i}\nlogsource: {{product: p}}\ndetection: {{s: {{{line}}}, condition: s}}\n"
            for i, line in enumerate(lines)
        ]
        records = []
        for n in range(132):
            for needle in ("needle", "NEEDLE", "neadle", "needl"):
                for front, back in (
                    ("x" * n, ""),
                    ("x" * n, "y" * 31),
                    ("\\\\" * n, "y"),
                    ("\u212a" * (n // 3), "z" * (n % 3)),
                ):
                    records.append(f'{{"f": "{front}{needle}{back}"}}'.encode())
        with harness.Scratch() as scratch:
            differ, _, n_hits = self.compare(scratch, texts, records, [range(len(texts))] * len(records), {})
        for r, i, expected in differ[:SHOWN]:
            print(f"--- reference says {expected}, khien says {not expected}\n{lines[r]}\n{records[i]!r}")
        self.assertEqual(len(differ), 0)
        self.assertGreater(n_hits, 1000)

    def test_few_literals(self):
        """Fields that only a few rules name, and what they look for near the end of a value: small sets of literals
        are searched in another way than large ones."""
        rng = random.Random(OPTIONS.seed)
        texts, records, wanted = [], [], []
        for n in (1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8, 12):
            for shortest in (1, 2, 3, 5):
                field, mine = f"s{len(texts)}", range(len(texts), len(texts) + n)
                literals = ["".join(rng.choices("abcdefghijklmnopq", k=shortest + rng.randrange(9))) for _ in mine]
                texts += [
                    notation.rule_text(
                        f"r{i}", {"detection": {"s": {f"{field}|contains": text}, "condition": "s"}, "filter": None}
                    )
                    for i, text in zip(mine, literals)
                ]
                for length in range(48, 144):
                    back = rng.randrange(48)
                    text = "z" * max(0, length - back) + literals[0] + "z" * back
                    records.append(f'{{"{field}": "{text}"}}'.encode())
                    wanted.append(mine)
        with harness.Scratch() as scratch:
            differ, _, n_hits = self.compare(scratch, texts, records, wanted, {})
        for r, i, expected in differ[:SHOWN]:
            print(f"--- reference says {expected}, khien says {not expected}\n{texts[r]}{records[i]!r}")
        self.assertEqual(len(differ), 0)
        self.assertGreaterEqual(n_hits, len(records))

    def test_published(self):
        """Events made from the values of published rules, whole and spoilt."""
        if not harness.data("sigma", "rules"):
            self.skipTest("KHIEN_DATA has no sigma/rules")
        rng = random.Random(OPTIONS.seed)
        every = [t for t in reference.files_under(harness.data("sigma", "rules")) if "|expand" not in t]
        texts = rng.sample(every, min(len(every), 400))
        records, wanted = [], []
        for i, text in enumerate(texts):
            for record in published.events(rng, reference.load(text)[0], 8):
                records.append(record)
                wanted.append([i] + rng.sample(range(len(texts)), 2))
        mapping = reference.Mapping(published.mapping_text())
        with harness.Scratch() as scratch:
            differ, n, n_hits = self.compare(scratch, texts, records, wanted, {}, mapping=mapping)
        for r, i, expected in differ[:SHOWN]:
            print(f"--- reference says {expected}, khien says {not expected}\n{texts[r]}{records[i]!r}")
        self.assertEqual(len(differ), 0)
        self.assertGreaterEqual(n, 5000)
        self.assertGreaterEqual(n_hits, n // 10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int)
    parser.add_argument("--rules", type=int)
    parser.add_argument("--rounds", type=int)
    given, rest = parser.parse_known_args()
    vars(OPTIONS).update({k: v for k, v in vars(given).items() if v is not None})
    harness.need_program()
    unittest.main(argv=sys.argv[:1] + rest)
