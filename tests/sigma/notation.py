"""Trees of tokens, and how rules and events made of them are written down as YAML and JSON."""


def yaml_token(rng, text):
    """One of the ways to write a text in YAML."""
    simple = all(c.isalnum() and c.isascii() for c in text) and text.lower() not in (
        "",
        "null",
        "true",
        "false",
        "y",
        "n",
    )
    if simple and rng.random() < 0.5:
        return text
    if text.isprintable() and rng.random() < 0.7:
        return "'" + text.replace("'", "''") + "'"
    out = ""
    for c in text:
        if c in '\\"':
            out += "\\" + c
        elif ord(c) < 32 or 127 <= ord(c) < 160 or ord(c) in (0x2028, 0x2029, 0xFEFF):
            out += f"\\u{ord(c):04x}"
        else:
            out += c
    return f'"{out}"'


def json_token(rng, text):
    """One of the ways to write a text in JSON. A surrogate \\udc80-\\udcff is a raw byte and stays so."""
    eager = rng.choice([0, 0, 0, 0.1, 1])
    out = ""
    for c in text:
        if c in '\\"':
            out += "\\" + c
        elif 0xDC80 <= ord(c) <= 0xDCFF:
            out += c
        elif ord(c) < 32 or rng.random() < eager:
            units = c.encode("utf-16-be").hex(" ", 2).split()
            out += "\\/" if c == "/" else "".join("\\u" + rng.choice([u, u.upper()]) for u in units)
        else:
            out += c
    return f'"{out}"'


class Pairs(list):
    """The members of a JSON object."""


def rule_text(rule_id, spec):
    def flow(node):
        if isinstance(node, dict):
            return "{" + ", ".join(f"'{k}': {flow(v)}" for k, v in node.items()) + "}"
        if isinstance(node, list):
            return "[" + ", ".join(map(flow, node)) + "]"
        return node

    source = "logsource: {product: made, category: up}\n"
    text = f"title: Rule {rule_id}\nid: {rule_id}\n{source}detection: {flow(spec['detection'])}\n"
    if spec["filter"]:
        text += f"---\ntitle: Filter {rule_id}\n{source}filter: {flow(dict(spec['filter'], rules=[rule_id]))}\n"
    return text


def event_text(node):
    if isinstance(node, list) and node and isinstance(node[0], tuple) or isinstance(node, Pairs):
        return "{" + ", ".join(f"{k}: {event_text(v)}" for k, v in node) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(map(event_text, node)) + "]"
    return node


def event_bytes(pairs):
    return event_text(Pairs(pairs)).encode("utf-8", "surrogateescape")
