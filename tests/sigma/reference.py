"""A slow, obvious evaluator of Sigma rules: what docs/sigma.md says, written down a second time.

It exists to be compared with the fast engine and shares nothing with it. Nothing here is clever: an event is a table
from names to values, a test is a function of that table, a condition is a function of named tests. Texts are Python
strings; a byte that is not UTF-8 is one lone surrogate (surrogateescape), so that it counts as one character.
"""
import base64
import collections
import functools
import glob
import ipaddress
import itertools
import os
import re

import yaml

from reference_events import as_address, as_number, time_part

Scalar = collections.namedtuple("Scalar", "kind text")  # of YAML; kind: text, bool, null

ANY, ONE = object(), object()  # the wildcards * and ? in a list of characters


class Refused(Exception):
    """The rule can't be used."""


# ---------------------------------------------------------------- texts


def fold_character(c):
    """Unicode simple case folding: casefold() is the full one, which may give several characters."""
    if len(c.casefold()) == 1:
        return c.casefold()
    return c.lower() if len(c.lower()) == 1 else c


@functools.lru_cache(maxsize=100000)
def fold(text):
    return "".join(map(fold_character, text))


def parse_pattern(text):
    """The value of a rule -> a list of characters, ANY and ONE."""
    out = []
    i = 0
    while i < len(text):
        if text[i] == "\\" and text[i + 1 : i + 2] in ("*", "?", "\\"):
            out.append(text[i + 1])
            i += 2
            continue
        out.append({"*": ANY, "?": ONE}.get(text[i], text[i]))
        i += 1
    return out


def plain(pattern, modifier):
    if ANY in pattern or ONE in pattern:
        raise Refused(f"a wildcard in a value for {modifier}")
    return "".join(pattern)


class Shape:
    """What a whole text has to look like: pieces of fixed length, with anything between them."""

    def __init__(self, pattern, cased):
        self.cased = cased
        self.pieces = [[]]
        for c in pattern:
            if c is ANY:
                self.pieces.append([])
            else:
                self.pieces[-1].append("." if c is ONE else re.escape(c if cased else fold_character(c)))
        self.found = [re.compile("".join(piece), re.DOTALL) for piece in self.pieces]

    def fits(self, text):
        text = text if self.cased else fold(text)
        if len(self.found) == 1:
            return self.found[0].fullmatch(text) is not None
        m = self.found[0].match(text)
        for piece in self.found[1:-1]:  # the first place where it stands leaves the most room for the next
            m = m and piece.search(text, m.end())
        start = len(text) - len(self.pieces[-1])
        return m is not None and m.end() <= start and self.found[-1].match(text, start) is not None


# ---------------------------------------------------------------- modifiers: a pattern -> the patterns it stands for


def to_bytes(pattern, modifier):
    return plain(pattern, modifier).encode("utf-8", "surrogateescape")


def from_bytes(data):
    return list(data.decode("utf-8", "surrogateescape"))


def utf16(pattern, modifier):
    codec, mark = {
        "wide": ("utf-16-le", b""),
        "utf16le": ("utf-16-le", b""),
        "utf16be": ("utf-16-be", b""),
        "utf16": ("utf-16-le", b"\xff\xfe"),
    }[modifier]
    return [from_bytes(mark + plain(pattern, modifier).encode(codec))]


def base64_whole(pattern, modifier):
    return [from_bytes(base64.b64encode(to_bytes(pattern, modifier)))]


def base64_offset(pattern, modifier):
    """The part of the encoding that does not depend on what stands before and behind the value."""
    value = to_bytes(pattern, modifier)
    forms = []
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + value)
        start = (0, 2, 3)[shift]
        end = (None, -3, -2)[(len(value) + shift) % 3]
        forms.append(from_bytes(encoded[start:end]))
    return forms


DASHES = "-/\u2013\u2014\u2015"


def windash(pattern, modifier):
    def is_flag(i):
        before = [c for c in pattern[:i] if c is not ANY]  # contains and endswith put a * in front of the value
        return pattern[i] in DASHES and (not before or pattern[i - 1] == " ")

    places = [i for i, c in enumerate(pattern) if c not in (ANY, ONE) and is_flag(i)]
    forms = [pattern]
    for dash in DASHES if places else "":
        forms.append([dash if i in places else c for i, c in enumerate(pattern)])
    return forms


TRANSFORMS = {
    "contains": lambda p, m: [[ANY] + p + [ANY]],
    "startswith": lambda p, m: [p + [ANY]],
    "endswith": lambda p, m: [[ANY] + p],
    "wide": utf16,
    "utf16le": utf16,
    "utf16be": utf16,
    "utf16": utf16,
    "base64": base64_whole,
    "base64offset": base64_offset,
    "windash": windash,
}
TIMES = ("minute", "hour", "day", "week", "month", "year")
NUMBERS = {"gt": lambda a, b: a > b, "gte": lambda a, b: a >= b, "lt": lambda a, b: a < b, "lte": lambda a, b: a <= b}
KINDS = ("re", "cidr", "fieldref", "exists") + tuple(NUMBERS)
FLAGS = ("all", "cased", "neq", "expand", "i", "m", "s") + TIMES


def expand(text, placeholders):
    """%name% -> every line of its file; every combination if there are several; \\% is a percent sign."""
    parts = re.split(r"(\\%|%[\w-]+%)", text)
    choices = []
    for part in parts:
        if part == "\\%":
            choices.append(["%"])
        elif re.fullmatch(r"%[\w-]+%", part):
            if part.strip("%") not in placeholders:
                raise Refused(f"no values for {part}")
            choices.append(placeholders[part.strip("%")])
        else:
            choices.append([part])
    return ["".join(choice) for choice in itertools.product(*choices)]


# ---------------------------------------------------------------- one line of a selection


class Test:
    """FIELD|modifiers: values. Without a field: keywords."""

    def __init__(self, key, scalars, names, placeholders):
        self.field, *modifiers = key.split("|")
        self.names = names
        self.places = names(self.field)
        self.all = "all" in modifiers
        self.neq = "neq" in modifiers
        self.cased = "cased" in modifiers
        self.part = next((m for m in modifiers if m in TIMES), None)
        self.kind = next((m for m in modifiers if m in KINDS), None)
        self.re_flags = sum({"i": re.I, "m": re.M, "s": re.S}[m] for m in modifiers if m in "ims")
        for m in modifiers:
            if m not in KINDS + FLAGS and m not in TRANSFORMS:
                raise Refused(f"modifier {m}")
        # For each value as written its alternatives, each a function: values of the field -> bool.
        self.wanted = [self.alternatives(s, modifiers, placeholders) for s in scalars]

    def alternatives(self, scalar, modifiers, placeholders):
        if scalar.kind == "null":
            return [lambda event, values: all(v is not None and v.kind == "null" for v in values)]
        texts = expand(scalar.text, placeholders) if "expand" in modifiers else [scalar.text]
        if self.kind == "fieldref":
            return [self.same_as(self.names(scalar.text), modifiers)]
        if self.kind == "exists":
            there = scalar.text.lower() == "true"
            return [lambda event, values: bool(values) == there]
        if self.kind:
            return [self.any_of(self.typed(text)) for text in texts]
        patterns = [parse_pattern(text) for text in texts]
        if not self.field:
            patterns = [[ANY] + p + [ANY] for p in patterns]
        for m in modifiers:
            if m in TRANSFORMS:
                patterns = [new for p in patterns for new in TRANSFORMS[m](p, m)]
        shapes = [Shape(p, self.cased) for p in patterns]
        return [self.any_of(lambda v, s=s: s.fits(v.text)) for s in shapes]

    def any_of(self, check):
        return lambda event, values: any(v is not None and v.kind != "null" and check(v) for v in values)

    def typed(self, text):
        if self.kind == "re":
            try:
                wanted = re.compile(text, self.re_flags)
            except re.error as e:
                raise Refused(f"expression: {e}") from e
            return lambda v: wanted.search(v.text) is not None
        if self.kind == "cidr":
            try:
                network = ipaddress.ip_network(text)
            except ValueError as e:
                raise Refused(str(e)) from e

            def inside(v):
                address = as_address(v.text)
                return address is not None and address.version == network.version and address in network

            return inside
        limit, compare = float(text), NUMBERS[self.kind]
        return lambda v: as_number(v) is not None and compare(as_number(v), limit)

    def same_as(self, others, modifiers):
        def check(event, values):
            for mine in values:
                for theirs in event.values(others):
                    if mine.kind == "null" or theirs.kind == "null":
                        continue
                    both = (mine.text, theirs.text) if self.cased else (fold(mine.text), fold(theirs.text))
                    a, b = (text.encode("utf-8", "surrogateescape") for text in both)
                    if ("startswith" in modifiers and a.startswith(b)) or ("endswith" in modifiers and a.endswith(b)):
                        return True
                    if ("contains" in modifiers and b in a) or a == b:
                        return True
            return False

        return check

    def __call__(self, event):
        values = event.values(self.places) if self.field else [v for _, v in event.pairs]
        if self.part:
            values = [time_part(v, self.part) for v in values]
        met = [any(alternative(event, values) for alternative in alternatives) for alternatives in self.wanted]
        return (all(met) if self.all else any(met)) != self.neq


# ---------------------------------------------------------------- selections and conditions


def selection(node, names, placeholders):
    """A map: all its lines. A list: any of its maps, or of its keywords. -> function of an event."""
    if isinstance(node, Scalar):
        node = [node]
    if isinstance(node, list):
        maps = [selection(n, names, placeholders) for n in node if isinstance(n, dict)]
        keywords = [n for n in node if isinstance(n, Scalar)]
        if keywords:
            maps.append(Test("", keywords, names, placeholders))
        return lambda event: any(m(event) for m in maps)
    tests = []
    for key, value in node.items():
        tests.append(Test(key, value if isinstance(value, list) else [value], names, placeholders))
    return lambda event: all(t(event) for t in tests)


class Condition:
    """or < and < not < `N of ...` and brackets. Evaluated with a function: name of a selection -> bool."""

    def __init__(self, text, names):
        self.names = names
        self.words = re.findall(r"[()]|[^\s()]+", text)
        self.tree = self.either()
        if self.words:
            raise Refused(f"condition ends with '{' '.join(self.words)}'")

    def next_is(self, word):
        if self.words[:1] == [word]:
            return self.words.pop(0)
        return None

    def either(self):
        parts = [self.both()]
        while self.next_is("or"):
            parts.append(self.both())
        return lambda truth: any([p(truth) for p in parts])

    def both(self):
        parts = [self.one()]
        while self.next_is("and"):
            parts.append(self.one())
        return lambda truth: all([p(truth) for p in parts])

    def one(self):
        if self.next_is("not"):
            inner = self.one()
            return lambda truth: not inner(truth)
        if self.next_is("("):
            inner = self.either()
            if not self.next_is(")"):
                raise Refused("condition without )")
            return inner
        if not self.words:
            raise Refused("condition is cut off")
        word = self.words.pop(0)
        if self.next_is("of"):
            return self.some_of(word, self.words.pop(0))
        if word not in self.names:
            raise Refused(f"condition names {word}")
        return lambda truth: truth(word)

    def some_of(self, count, pattern):
        if pattern == "them":
            chosen = [n for n in self.names if not n.startswith("_")]
        else:
            spelling = ".*".join(map(re.escape, pattern.split("*")))
            chosen = [n for n in self.names if re.fullmatch(spelling, n)]
        if not chosen:
            raise Refused(f"'of {pattern}' names nothing")
        need = len(chosen) if count == "all" else 1 if count == "any" else int(count)
        return lambda truth: sum(truth(n) for n in chosen) >= need


class Detection:
    """The detection of a rule or the filter of a filter: selections and a condition."""

    def __init__(self, node, names, placeholders):
        node = dict(node)
        condition = node.pop("condition")
        for other in ("timeframe", "rules"):
            node.pop(other, None)
        self.selections = {name: selection(n, names, placeholders) for name, n in node.items()}
        self.conditions = [
            Condition(c.text, list(self.selections))
            for c in (condition if isinstance(condition, list) else [condition])
        ]

    def truth(self, select):
        return any([c.tree(select) for c in self.conditions])

    def __call__(self, event):
        return self.truth(lambda name: self.selections[name](event))


# ---------------------------------------------------------------- rules


def construct(node):
    """A YAML node -> dict, list, Scalar. What is plain and what is quoted matters only here."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: construct(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [construct(n) for n in node.value]
    if not node.style and node.value in ("", "~", "null"):
        return Scalar("null", "")
    if not node.style and node.value.lower() in ("true", "false"):
        return Scalar("bool", node.value.lower())
    return Scalar("text", node.value)


def load(text):
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    return [construct(node) for node in yaml.compose_all(text, loader) if node]


def texts(node):
    return [s.text for s in node] if isinstance(node, list) else [node.text] if node else []


def parts(node):
    source = node.get("logsource", {})
    return {k: source[k].text for k in ("product", "category", "service") if k in source}


class Mapping:
    """rules/mapping.yaml: names of fields, and which events a logsource has."""

    def __init__(self, text=""):
        node = load(text)[0] if text else {}
        self.every = texts(node.get("every_field"))
        self.fields = {name: texts(paths) for name, paths in node.get("fields", {}).items()}
        self.entries = []
        for entry in node.get("sources", []):
            when = selection(entry["when"], self.names({}), {}) if "when" in entry else None
            fields = {name: texts(paths) for name, paths in entry.get("fields", {}).items()}
            self.entries.append((parts(entry), when, fields))

    def applies(self, rule, entry):
        return all(entry.get(k) == v for k, v in rule.items())

    def names(self, source):
        """-> function: a field that a rule for this logsource names -> the names under which events carry it."""

        def names(field):
            found = [field] + [path.replace("%", field) for path in self.every]
            found += self.fields.get(field, []) if self.fields else []
            for entry, _, fields in getattr(self, "entries", []):
                if source and self.applies(source, entry):
                    found += fields.get(field, [])
            return tuple(dict.fromkeys(found))

        return names

    def routed(self, source, event):
        """Does a rule for this logsource see this event?"""
        if any(self.applies(source, entry) and when and when(event) for entry, when, _ in self.entries):
            return True
        datasets = [v.text for v in event.values(("event.dataset",))]
        product, category, service = (source.get(k) for k in ("product", "category", "service"))
        wanted = [
            f"{product}.{service}" if product and service else None,
            f"{product}.{category}" if product and category else None,
            next(iter(source.values())) if len(source) == 1 else None,
        ]
        return any(d in wanted for d in datasets)


class Rule:
    def __init__(self, node, mapping, placeholders):
        self.id = node["id"].text if "id" in node else ""
        self.name = node["name"].text if "name" in node else ""
        self.title = node["title"].text if "title" in node else ""
        self.source = parts(node)
        self.detection = Detection(node["detection"], mapping.names(self.source), placeholders)
        self.filters = []

    def __call__(self, event):
        return self.detection(event) and not any(f.takes_away(event) for f in self.filters)


class Filter:
    def __init__(self, node, mapping, placeholders):
        rules = node["filter"].get("rules", Scalar("text", "any"))
        self.rules = None if isinstance(rules, Scalar) and rules.text == "any" else texts(rules)
        self.source = parts(node)
        self.detection = Detection(node["filter"], mapping.names(self.source), placeholders)
        # `not selection` says what stays, `selection` says what goes.
        self.says_what_stays = self.detection.truth(lambda name: False)

    def is_for(self, rule):
        if self.rules is not None and rule.id not in self.rules and rule.name not in self.rules:
            return False
        return all(rule.source.get(k) == v for k, v in self.source.items())

    def takes_away(self, event):
        return self.detection(event) != self.says_what_stays


def rules_from(texts_of_files, mapping=None, placeholders=None):
    """-> the rules, filters applied, and [(id or title, why)] of those refused. Correlations are passed over."""
    mapping, placeholders = mapping or Mapping(), placeholders or {}
    rules, filters, refused = [], [], []
    for text in texts_of_files:
        for node in load(text):
            try:
                if "detection" in node:
                    rules.append(Rule(node, mapping, placeholders))
                elif "filter" in node:
                    filters.append(Filter(node, mapping, placeholders))
            except Refused as e:
                refused.append((texts(node.get("id") or node.get("title"))[0], str(e)))
    for rule in rules:
        rule.filters = [f for f in filters if f.is_for(rule)]
    return rules, refused


def files_under(*folders):
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(folder, "**", "*.yml"), recursive=True)):
            with open(path, encoding="utf-8") as file:
                yield file.read()
