"""Events for published rules, made from the rules' own values: some hit, some just miss."""
import ipaddress
import json
import os

import harness
import reference


def mapping_text():
    with open(os.path.join(harness.ROOT, "rules", "mapping.yaml"), encoding="utf-8") as file:
        return file.read()


def sample(rng, key, scalar):
    """-> a value for the field that should meet this test, or None for no value."""
    modifiers = key.split("|")[1:]
    if scalar.kind == "null" or ("exists" in modifiers and scalar.text != "true"):
        return None
    if "cidr" in modifiers:
        network = ipaddress.ip_network(scalar.text)
        return str(network[rng.choice([0, -1])])
    if set(modifiers) & {"re", "fieldref", "exists"}:
        return "x"
    if set(modifiers) & {"gt", "gte", "lt", "lte"}:
        return rng.choice([scalar.text, str(int(scalar.text) + 1), str(int(scalar.text) - 1)])
    patterns = [reference.parse_pattern(scalar.text)]
    for m in modifiers:
        if m in reference.TRANSFORMS:
            patterns = [new for p in patterns for new in reference.TRANSFORMS[m](p, m)]
    out = ""
    for c in rng.choice(patterns):
        out += rng.choice(["", "x", " y "]) if c is reference.ANY else "z" if c is reference.ONE else c
    return out


def spoil(rng, text):
    way = rng.randrange(6)
    at = rng.randrange(len(text) + 1)
    return [
        text.upper(),
        text.swapcase(),
        text + "x",
        "x" + text,
        text[:at] + text[at + 1 :],
        text[:at] + "?" + text[at:],
    ][way]


def fill(rng, node, event):
    """Values for all lines of a selection."""
    if isinstance(node, reference.Scalar):
        event.setdefault("message", []).append("a " + (sample(rng, "", node) or "") + " b")
    elif isinstance(node, list):
        fill(rng, rng.choice(node), event)
    else:
        for key, value in node.items():
            scalars = value if isinstance(value, list) else [value]
            chosen = scalars if "|all" in key else [rng.choice(scalars)]
            texts = [t for t in (sample(rng, key, s) for s in chosen) if t is not None]
            if texts and "contains|all" in key:
                texts = ["".join(texts)]
            event.setdefault(key.split("|")[0] or "message", []).extend(texts)


def events(rng, rule, n):
    """-> n records, as bytes."""
    selections = {k: v for k, v in rule["detection"].items() if k not in ("condition", "timeframe")}
    wanted = [k for k in selections if not k.startswith("filter")] or list(selections)
    for i in range(n):
        event = {}
        for name in wanted + [k for k in selections if k not in wanted and rng.random() < 0.15]:
            if i < n // 2 or rng.random() < 0.9:
                fill(rng, selections[name], event)
        if i >= n // 2 and event:
            field = rng.choice(list(event))
            event[field] = [spoil(rng, t) for t in event[field]] if rng.random() < 0.7 else []
        whole = {k: v[0] if len(v) == 1 else v for k, v in event.items() if v}
        yield json.dumps(whole, ensure_ascii=rng.random() < 0.3).encode("utf-8", "surrogatepass")
