"""Events as the reference evaluator sees them: tables from dotted names to values, and what a value can be read as.

Texts are Python strings; a byte that is not UTF-8 is one lone surrogate (surrogateescape), so that it counts as one
character.
"""
import collections
import datetime
import ipaddress
import json
import re

Value = collections.namedtuple("Value", "kind text")  # kind: text, number, bool, null


class Event:
    """One record: every scalar in it under its dotted name, in the order in which it stands."""

    def __init__(self, pairs):
        self.pairs = pairs
        self.known = {}
        self.table = collections.defaultdict(list)
        for name, value in pairs:
            self.table[name].append(value)
            without_blanks = name.replace(" ", "")
            if without_blanks != name:
                self.table[without_blanks].append(value)

    def values(self, names):
        if names not in self.known:
            self.known[names] = self.look_up(names)
        return self.known[names]

    def look_up(self, names):
        found = []
        for name in names:
            if "*" in name:  # one key of any name, in a path of the mapping
                spelling = re.compile("[^.]+".join(map(re.escape, name.split("*"))))
                for have in self.table:
                    if spelling.fullmatch(have):
                        found += self.table[have]
            else:
                found += self.table.get(name, [])
        return found


class Number(str):
    """A JSON number as it is written."""


def mend(text):
    """A lone surrogate escape becomes U+FFFD; \\udc80-\\udcff stand for raw bytes (see above) and stay."""
    return re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", text)


def flatten(prefix, node, out):
    if isinstance(node, Members):
        for key, inner in node.pairs:
            flatten(prefix + [mend(key)], inner, out)
    elif isinstance(node, list):
        for inner in node:
            flatten(prefix, inner, out)
    elif node is None:
        out.append((".".join(prefix), Value("null", "")))
    elif node is True or node is False:
        out.append((".".join(prefix), Value("bool", "true" if node else "false")))
    elif isinstance(node, Number):
        out.append((".".join(prefix), Value("number", str(node))))
    else:
        out.append((".".join(prefix), Value("text", mend(node))))


class Members:
    """A JSON object; a key may stand in it twice."""

    def __init__(self, pairs):
        self.pairs = pairs


JSON = json.JSONDecoder(object_pairs_hook=Members, parse_int=Number, parse_float=Number, parse_constant=None)


def event_from_json(record):
    """One JSON object, as bytes -> Event."""
    out = []
    flatten([], JSON.decode(record.decode("utf-8", "surrogateescape")), out)
    return Event(out)


def documents(content):
    """JSON documents in a row, pretty-printed or not -> Events."""
    text = content.decode("utf-8", "surrogateescape")
    at = 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        document, at = JSON.raw_decode(text, at)
        out = []
        flatten([], document, out)
        yield Event(out)


# values of events as numbers, times, addresses


def as_number(value):
    decimal = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
    if value.kind in ("number", "text") and re.fullmatch(decimal, value.text, re.ASCII):
        return float(value.text)
    return None


def as_time(value):
    """-> UTC, or None."""
    if value.kind == "null" or value.kind == "bool":
        return None
    if re.fullmatch(r"\d{10}|\d{13}|\d{16}|\d{19}", value.text, re.ASCII):
        seconds = int(value.text[:10])
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    m = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?", value.text, re.ASCII)
    if not m:
        return None
    try:
        time = datetime.datetime.fromisoformat(m[1] + "T" + m[2])
    except ValueError:
        return None
    if m[4] and m[4] != "Z":
        offset = datetime.timedelta(hours=int(m[4][1:3]), minutes=int(m[4][4:]))
        time += offset if m[4][0] == "-" else -offset
    return time


def time_part(value, part):
    time = as_time(value)
    if time is None:
        return None
    number = time.isocalendar()[1] if part == "week" else getattr(time, part)
    return Value("number", str(number))


def as_address(text):
    """An address, perhaps in brackets, perhaps with a zone."""
    text = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    text = text.split("%")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
