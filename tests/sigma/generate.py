"""Rules and events made up to collide: the same few characters, field names and traps on both sides.

A rule is a tree of dicts, lists and YAML tokens (text as it goes into the file), an event a tree of pairs, lists and
JSON tokens, so that both can be cut down piece by piece when something is found.
"""
import base64
import collections
import datetime
import ipaddress
import random

from notation import Pairs, json_token, yaml_token

PLAIN = list("aAbBkKsS019.")
ODD = list("\\\\\\*?-/ %_'\"#:{}[],|&\n\t\x7f") + ["e\u0301"]
ODD += list("\u2013\u2014\u2015\u212a\u017fß\u1e9eİıiIσςΣéÉ日😀ǄǅǆᾳᾼµμΩω\u2126\u0451\u0401\U00010400\U00010428")
# Characters that are equal without regard to case, and some that look as if they were.
ALIKE = "aA bB kK\u212a sS\u017f ß\u1e9e iI İi ıi σςΣ éÉ ǄǅǆD ᾳᾼ µμ Ωω\u2126 \u0451\u0401 \U00010400\U00010428".split()
ALIKE += "-/\u2013\u2014\u2015 \\/ 日目 01".split()
SPECIAL = r"C:\Windows\System32\cmd.exe \\srv\c$\ /etc/passwd a\*b --flag %TEMP%\x".split() + [
    "powershell -enc ",
    "-a -b",
    "",
]
SPECIAL += r"null true False 1013 0 -1 1.0 * ? \ \\".split()
FIELDS = ["f", "g", "h", "F", "n.a", "n.b", "deep.x.y", "ThreatName"]
EDGES = [7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256]


class Item(collections.namedtuple("Item", "key values sample")):
    """One line of a selection; sample() gives [(field, JSON token)] that should hit it or come near."""


class Generator:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.items = []
        self.placeholders = {"Users": ["bob", "adm*", "a?b"], "Hosts": ["srv1", "\\\\k", "S S"]}

    # ------------------------------------------------ texts

    def chance(self, p):
        return self.rng.random() < p

    def text(self, most=6):
        if self.chance(0.12):
            return self.rng.choice(SPECIAL)
        n = self.rng.randint(0, most)
        return "".join(self.rng.choice(PLAIN if self.chance(0.7) else ODD) for _ in range(n))

    def padded(self, text):
        """text within a value whose length, or the place of text in it, is around a multiple of a vector's size."""
        n = self.rng.choice(EDGES + [5000] if self.chance(0.1) else EDGES) + self.rng.randint(-1, 1)
        fill = self.rng.choice(["x", "a", "\\", "aB", "é", " "])
        pad = (fill * n)[: max(0, n - self.rng.choice([0, len(text)]))]
        return self.rng.choice([pad + text, text + pad, pad + text + pad])

    def alike(self, text):
        """The same text in other case, or nearly."""
        out = ""
        for c in text:
            group = next((g for g in ALIKE if c in g), None)
            out += self.rng.choice(group) if group and self.chance(0.3) else c.swapcase() if c.isascii() else c
        return out

    def near(self, text):
        way = self.rng.randrange(8)
        at = self.rng.randint(0, len(text))
        if way == 0:
            return text[:at] + text[at + 1 :]
        if way == 1:
            return text[:at] + self.rng.choice(PLAIN + ODD) + text[at:]
        if way == 2:
            return self.text(3) + text
        if way == 3:
            return text + self.text(3)
        if way == 4:
            return text[:at] + self.rng.choice(PLAIN + ODD) + text[at + 1 :]
        if way == 5:
            return text.replace("\\", self.rng.choice(["\\\\", "/", ""]))
        return self.alike(text)

    def value(self, text):
        """-> a JSON token for an event: text, or something like it."""
        if self.chance(0.25):
            text = self.near(text)
        elif self.chance(0.3):
            text = self.alike(text)
        if self.chance(0.12):
            text = self.padded(text)
        if self.chance(0.02):
            text = text[:1] + self.rng.choice(["\udcff", "\udce2\udc82", "\udcc3", "\udcfe\udcff"]) + text[1:]
        if text.isascii() and text.isdigit() and (text == "0" or text[0] != "0") and self.chance(0.5):
            return text
        if text.lower() in ("true", "false", "null") and self.chance(0.5):
            return text.lower()
        return json_token(self.rng, text)

    def pattern(self, wild=0.35):
        """-> the text as it stands in a rule, a text that should fit it."""
        source, hit = "", ""
        for i in range(self.rng.randint(1, 3)):
            if i and self.chance(0.5) or self.chance(wild / 3):
                if self.chance(wild * 2):
                    wildcard = self.rng.choice("**?")
                    source += wildcard
                    hit += self.text(3) if wildcard == "*" else self.rng.choice(PLAIN + ODD)
            literal = self.text(5)
            hit += literal
            for c in literal:
                escape = c in "*?" and not self.chance(0.05) or c == "\\" and self.chance(0.5)
                source += "\\" + c if escape else c
        if self.chance(wild / 2):
            source, hit = source + "*", hit + self.text(3)
        return source, hit

    # ------------------------------------------------ one line of a selection

    def item(self):
        makers = [
            (self.texts, 40),
            (self.numbers, 6),
            (self.regexes, 7),
            (self.cidrs, 5),
            (self.encoded, 7),
            (self.dashes, 6),
            (self.refs, 6),
            (self.existing, 3),
            (self.times, 5),
            (self.nothing, 6),
            (self.expands, 3),
            (self.words, 4),
        ]
        maker = self.rng.choices([m for m, _ in makers], [w for _, w in makers])[0]
        item = maker()
        self.items.append(item)
        return item

    def list_of(self, values):
        return values if len(values) > 1 or self.chance(0.2) else values[0]

    def texts(self, extra=()):
        field = self.rng.choice(FIELDS)
        mode = self.rng.choice(["", "", "contains", "contains", "startswith", "endswith"])
        n = self.rng.choice([1, 1, 1, 2, 3, 5])
        patterns = [self.pattern() for _ in range(n)]
        mods = [mode] if mode else []
        if n > 1 and self.chance(0.4):
            mods.append("all")
        if self.chance(0.1):
            mods.append("cased")
        if self.chance(0.08):
            mods.append("neq")
        self.rng.shuffle(mods)

        def sample():
            chosen = patterns if "all" in mods and self.chance(0.8) else [self.rng.choice(patterns)]
            texts = [hit for _, hit in chosen]
            if "all" in mods and mode == "contains" and self.chance(0.6):
                texts = ["".join(self.rng.sample(texts, len(texts)))]
            if mode in ("contains", "endswith") and self.chance(0.7):
                texts = [self.text(4) + t for t in texts]
            if mode in ("contains", "startswith") and self.chance(0.7):
                texts = [t + self.text(4) for t in texts]
            return [(field, self.value(t)) for t in texts]

        return Item("|".join([field] + mods), self.list_of([yaml_token(self.rng, s) for s, _ in patterns]), sample)

    def numbers(self):
        field = self.rng.choice(["f", "g", "num"])
        if self.chance(0.4):
            number = self.rng.choice(["0", "1013", "7", "-1", "1.5", "4688", "18446744073709551616"])
            return Item(
                field,
                number if self.chance(0.5) else f"'{number}'",
                lambda: [
                    (
                        field,
                        self.rng.choice(
                            [
                                number,
                                f'"{number}"',
                                number + ".0" if "." not in number else number,
                                "7",
                                '"x"',
                                f'" {number}"',
                            ]
                        ),
                    )
                ],
            )
        limit = self.rng.choice([0, 5, -3, 1.5, 1000000])
        mods = [self.rng.choice(["gt", "gte", "lt", "lte"])] + (["neq"] if self.chance(0.1) else [])
        near = [str(limit), str(limit + 1), str(limit - 1), f'"{limit}"', f'"{limit + 0.5}"', f"{limit}e0"]
        near += r'''"x" "" "5\u0000" "5\u00009" "." "-" "5." ".5" "+5" "1e1" "--5" "5-" "1,5" "0x10"'''.split()
        near += "true 1e30 -1E+30 -0 123456789012345678901234567890".split()
        return Item("|".join([field] + mods), str(limit), lambda: [(field, self.rng.choice(near))])

    def regexes(self):
        """Only what PCRE and Python's re read alike, on a field of its own without letters that fold oddly."""
        mods = ["re"] + self.rng.choice([[], [], ["i"], ["m"], ["s"], ["i", "s"]])
        source, hit = "", ""
        for _ in range(self.rng.randint(1, 4)):
            c = self.rng.choice("abcxyz019é日")
            kind = self.rng.randrange(9)
            piece, text = [
                (c, c),
                (".", self.rng.choice("a\n0é")),
                ("[a-c]", self.rng.choice("abcA")),
                ("[^ab]", self.rng.choice("cd\nB")),
                (c + "*", c * self.rng.randint(0, 3)),
                (c + "+", c * self.rng.randint(0, 3)),
                (c + "{1,2}", c * 2),
                (f"(?:{c}|yy)", self.rng.choice([c, "yy", "y"])),
                (self.rng.choice(["\\.", "\\\\", "\\*", "\\("]), None),
            ][kind]
            source, hit = source + piece, hit + (piece[1:] if text is None else text)
        if self.chance(0.3):
            source = "^" + ("" if source[0].isalnum() else "a") + source
        if self.chance(0.3):
            source += "$"

        def sample():
            text = hit if self.chance(0.7) else hit.replace(self.rng.choice("abc\n") or "a", self.rng.choice("aAB\n"))
            text = self.rng.choice(["", "", "q", "q\n", "x" * 40]) + text + self.rng.choice(["", "", "q", "\n", "\nq"])
            return [("r", json_token(self.rng, text.swapcase() if "i" in mods and self.chance(0.5) else text))]

        return Item("|".join(["r"] + mods), yaml_token(self.rng, source), sample)

    def cidrs(self):
        nets = "10.0.0.0/8 10.128.0.0/9 192.168.16.0/20 203.0.113.7/32 0.0.0.0/0".split()
        nets += "fe80::/10 2001:db8::/33 ::1/128 ::/0".split()
        mine = self.rng.sample(nets, self.rng.choice([1, 1, 2, 3]))

        def sample():
            net = ipaddress.ip_network(self.rng.choice(mine))
            at = int(net.network_address) + self.rng.choice([0, -1, net.num_addresses - 1, net.num_addresses, 1])
            top = 2**net.max_prefixlen
            address = ipaddress.ip_address((at % top).to_bytes(net.max_prefixlen // 8, "big"))
            text = str(address) if self.chance(0.7) else address.exploded.upper()
            if address.version == 4 and self.chance(0.2):
                text = "::ffff:" + text
            odd = [text + "/8", " " + text, "10.1", "1.2.3.4.5", "::g", "", "10.1.2.300", text + "\0", text + "\0x"]
            odd += ["[" + text, "[" + text + "]", text + "%eth0", "[" + text + "%1]"]
            text = text if self.chance(0.85) else self.rng.choice(odd)
            return [("ip", json_token(self.rng, text))]

        return Item(
            "ip|cidr" + ("|neq" if self.chance(0.1) else ""), self.list_of([f"'{net}'" for net in mine]), sample
        )

    def encoded(self):
        field = self.rng.choice(["e", "f"])
        value = "".join(self.rng.choice("abcABC019-+/ xyz") for _ in range(self.rng.randint(3, 12)))
        mods, encode = self.rng.choice(
            [
                (["base64"], [base64.b64encode]),
                (["base64offset", "contains"], ["offset"]),
                (["wide", "base64offset", "contains"], ["utf-16-le", "offset"]),
                (["utf16le", "base64", "contains"], ["utf-16-le", base64.b64encode]),
                (["wide"], ["utf-16-le"]),
                (["wide", "contains"], ["utf-16-le"]),
                (["utf16be", "endswith"], ["utf-16-be"]),
                (["utf16"], [b"\xff\xfe", "utf-16-le"]),
                (["utf16", "contains"], [b"\xff\xfe", "utf-16-le"]),
            ]
        )

        def sample():
            text = self.near(value) if self.chance(0.3) else value
            text = "".join(c for c in text if c.isascii() and c.isprintable())
            data, mark = text.encode(), b""
            for step in encode:
                if isinstance(step, bytes):
                    mark = step
                elif step == "offset":
                    data = base64.b64encode(b"?xy"[: self.rng.randrange(4)] + data + b"zz"[: self.rng.randrange(3)])
                elif isinstance(step, str):
                    data = data.decode().encode(step)
                else:
                    data = step(data)
            text = (mark + data).decode("utf-8", "surrogateescape")
            if "contains" in mods and self.chance(0.5):
                text = "pre " + text + " post"
            return [(field, json_token(self.rng, text.swapcase() if self.chance(0.1) else text))]

        return Item("|".join([field] + mods), yaml_token(self.rng, value), sample)

    def dashes(self):
        forms = "windash windash|contains contains|windash contains|all|windash windash|startswith endswith|windash"
        mods = self.rng.choice(forms.split()).split("|")
        values = []
        for _ in range(2 if "all" in mods else self.rng.choice([1, 2])):
            values.append(
                self.rng.choice(["", " ", "a ", "a"])
                + self.rng.choice("--/\u2013\u2014\u2015")
                + self.rng.choice(["a", "enc", "k", "-x", "a -b", "a-b /c", "A/b"])
                + self.rng.choice(["", " ", " x"])
            )

        def sample():
            chosen = values if "all" in mods else [self.rng.choice(values)]
            one = self.rng.choice("-/\u2013\u2014\u2015")
            text = ""
            for value in chosen:
                for c in value:
                    text += one if c in "-/\u2013\u2014\u2015" and self.chance(0.85) else c
            text = self.rng.choice(["", "a", "cmd "]) + text + self.rng.choice(["", "b", " x"])
            return [("cmd", json_token(self.rng, self.alike(text) if self.chance(0.2) else text))]

        return Item("|".join(["cmd"] + mods), self.list_of([yaml_token(self.rng, v) for v in values]), sample)

    def refs(self):
        field, other = self.rng.sample(["f", "g", "h", "n.a"], 2)
        mods = ["fieldref"] + self.rng.choice([[], [], ["startswith"], ["endswith"], ["contains"], ["neq"]])

        def sample():
            text = self.text()
            mine = self.rng.choice([text, text + self.text(2), self.text(2) + text, self.alike(text)])
            return [(field, self.value(mine)), (other, self.value(text))]

        return Item("|".join([field] + mods), yaml_token(self.rng, other) if "." not in other else other, sample)

    def existing(self):
        field = self.rng.choice(FIELDS)
        return Item(
            field + "|exists",
            self.rng.choice(["true", "false", "True"]),
            lambda: self.rng.choice([[], [(field, "null")], [(field, '""')], [(field, '"a"')], [(field, "0")]]),
        )

    def times(self):
        part = self.rng.choice(["minute", "hour", "day", "week", "month", "year"])
        base = datetime.datetime(2024, 12, 28) + datetime.timedelta(minutes=self.rng.randrange(600000))
        number = base.isocalendar()[1] if part == "week" else getattr(base, part)
        mods = [part] + self.rng.choice([[], [], ["gt"], ["gte"], ["lt"], ["lte"], ["neq"]])

        def sample():
            time = base + datetime.timedelta(minutes=self.rng.choice([0, 0, 1, 60, -60, 1440, -10080, 525600]))
            epoch = int((time - datetime.datetime(1970, 1, 1)).total_seconds())
            token = self.rng.choice(
                [
                    f'"{time:%Y-%m-%dT%H:%M:%S}Z"',
                    f'"{time:%Y-%m-%dT%H:%M:%S}.123456Z"',
                    f'"{time:%Y-%m-%dT%H:%M:%S}+02:30"',
                    f'"{time:%Y-%m-%d %H:%M:%S}"',
                    f'"{time:%Y-%m-%d %H:%M:%S}.5"',
                    f"{epoch}",
                    f"{epoch}000",
                    f"{epoch}000000",
                    f'"{epoch}"',
                    '"yesterday"',
                    '""',
                    "true",
                ]
            )
            return [("when", token)]

        return Item("|".join(["when"] + mods), str(number), sample)

    def nothing(self):
        field = self.rng.choice(FIELDS)
        value, hit = self.rng.choice(
            [
                ("null", "null"),
                ("~", "null"),
                ("''", '""'),
                ('""', '""'),
                ("'*'", '"a"'),
                ("'?'", '"\\u212a"'),
                ("''", "null"),
                (["null", "''"], '""'),
                (["'a'", "null"], '"A"'),
                ("'null'", '"NULL"'),
                ("true", "true"),
                ("False", '"false"'),
                ("'true'", "true"),
            ]
        )
        neq = "|neq" if self.chance(0.15) else ""
        return Item(
            field + neq,
            value,
            lambda: self.rng.choice([[], [(field, hit)], [(field, hit)], [(field, "null")], [(field, '""')]]),
        )

    def expands(self):
        value = self.rng.choice(["%Users%", "%Hosts%", "x%Users%", "%Hosts%-%Users%", "\\\\%%Users%", "\\%%Hosts%"])
        mode = self.rng.choice(["", "contains", "endswith"])

        def sample():
            text = value.replace("\\%", "%") if self.chance(0.1) else value.replace("\\\\%", "\\%").replace("\\%", "%")
            for name, lines in self.placeholders.items():
                text = text.replace(f"%{name}%", self.rng.choice(lines).replace("*", self.text(2)))
            return [("f", self.value(text))]

        value = value.replace("\\\\%%Users%", "%Users%\\%")  # an escaped backslash before a placeholder is left open
        return Item("|".join(filter(None, ["f", mode, "expand"])), yaml_token(self.rng, value), sample)

    def words(self):
        patterns = [self.pattern(0.1) for _ in range(self.rng.choice([1, 2, 3]))]
        patterns = [(s, h) for s, h in patterns if s.strip("*")] or [("a k", "a k")]
        field = self.rng.choice(["q", "f", "n.b"])

        def sample():
            return [
                (self.rng.choice([field, "other"]), self.value(self.text(3) + h + self.text(3))) for _, h in patterns
            ]

        return Item("", [yaml_token(self.rng, s) for s, _ in patterns], sample)

    # ------------------------------------------------ rules

    def selection(self):
        """-> a tree, the items in it."""
        if self.chance(0.08):
            maps = [self.selection_map() for _ in range(self.rng.randint(2, 3))]
            return [tree for tree, _ in maps], [i for _, items in maps for i in items]
        return self.selection_map()

    def selection_map(self):
        tree, items = {}, []
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            item = self.item()
            if item.key == "":
                if items:
                    continue
                return ({"|all": item.values}, [item]) if self.chance(0.4) else ({"": item.values}, [item])
            if item.key not in tree:
                tree[item.key] = item.values
                items.append(item)
        return tree, items

    def rule(self):
        """-> {"detection": ..., "filter": ... or None}, the items in it."""
        names = ["sel", "sel_b", "filter_x", "other"][: self.rng.choice([1, 1, 1, 2, 2, 3, 4])]
        if len(names) > 1 and self.chance(0.1):
            names[-1] = "_hidden"
        detection, items = {}, []
        for name in names:
            tree, more = self.selection()
            if isinstance(tree, dict) and "" in tree:
                tree = tree[""]
            elif isinstance(tree, list):  # keywords stand in a list of their own here
                tree = [t for t in tree if "" not in t and "|all" not in t] or [{"f": "a"}]
            detection[name] = tree
            items += more
        detection["condition"] = self.condition(names)
        spec = {"detection": detection, "filter": None}
        if self.chance(0.08):
            item = self.texts()
            items.append(item)
            spec["filter"] = {
                "selection": {item.key: item.values},
                "condition": self.rng.choice(["selection", "not selection"]),
            }
        return spec, items

    def condition(self, names):
        a, b = names[0], names[-1]
        if len(names) == 1:
            return self.rng.choice(
                [a] * 8 + [f"not {a}", "1 of them", "all of sel*", f"not not {a}", f"({a})"]
                if not a.startswith("_")
                else [a]
            )
        shapes = [
            f"{a} and {b}",
            f"{a} and not {b}",
            f"{a} or {b}",
            f"not ({a} or {b})",
            f"not {a} and {b}",
            f"not {a} or not {b}",
            "1 of them",
            "all of them",
            "any of them",
            "1 of sel*",
            "all of sel*",
            f"{a} and not 1 of {b[:3]}*",
            f"not all of {b[:2]}* or {a}",
            f"[{a}, {b}]",
        ]
        if len(names) > 2:
            m = names[1]
            shapes += [
                f"{a} or {m} and {b}",
                f"({a} or {m}) and {b}",
                f"{a} and {m} or {b}",
                f"{a} and ({m} or not {b})",
                "2 of sel*",
                f"not ({a} and {m}) and not {b}",
                f"1 of sel* and not {b}",
            ]
        return self.rng.choice(shapes)

    # ------------------------------------------------ events

    def event(self, items):
        """Mostly what the items ask for, some of it spoilt, and things that other rules ask for."""
        fields = []
        for item in items:
            if not self.chance(0.08):
                fields += item.sample()
        for item in self.rng.sample(self.items, min(len(self.items), self.rng.choice([0, 1, 2, 4]))):
            fields += item.sample()
        if self.chance(0.1):
            fields.append(
                (self.rng.choice(FIELDS), self.rng.choice(["null", "[]", "{}", '{"z": 1}', '"\\ud800a"', "1e5"]))
            )
        return self.assemble(fields)

    def assemble(self, fields):
        """[(dotted name, token)] -> [(key token, node)]: names nested or dotted, what stands twice in an array or so."""
        by_name = collections.OrderedDict()
        for name, token in fields:
            by_name.setdefault(name, []).append(token)
        pairs = []
        for name, tokens in by_name.items():
            if len(tokens) > 1 and not self.chance(0.3):
                nodes = [tokens if self.chance(0.8) else [tokens[:1], tokens[1:]]]
            elif len(tokens) > 1 and self.chance(0.4):
                nodes = tokens  # the key twice
            else:
                nodes = [[tokens[0]] if self.chance(0.04) else tokens[0]]
            for node in nodes:
                pairs.append(self.place(name, node))
        self.rng.shuffle(pairs)
        return pairs

    def place(self, name, node):
        if name == "ThreatName" and self.chance(0.5):
            name = self.rng.choice(["Threat Name", "Threat  Name", " ThreatName"])
        keys = name.split(".") if self.chance(0.7) else [name]
        for key in reversed(keys[1:]):
            node = [(json_token(self.rng, key), node)]
            if self.chance(0.1):
                node = [node]
        return (
            json_token(self.rng, keys[0]),
            Pairs(node) if isinstance(node, list) and node and isinstance(node[0], tuple) else node,
        )
