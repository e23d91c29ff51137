#!/usr/bin/python3
"""khien gate patches, and docs/gate-waf.md's recipe followed to its end: patches_test.py KHIEN WAF_WRITE"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from waf_running import Nginx, harness, multipart, need, rules_of  # noqa: E402

WRITE = os.path.abspath(sys.argv[1])


def check(right, what):
    if not right:
        raise AssertionError(what)


def day(days):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * 86400))


def blocks(kind, folder):
    """The recipe's blocks of one kind, about another folder than /etc/khien/patches."""
    with open(os.path.join(harness.ROOT, "docs", "gate-waf.md"), encoding="utf-8") as file:
        text = file.read().split("## How to close a hole")[1].split("\n## ")[0]
    found = re.findall(rf"^ *```{kind}\n(.*?)^ *```", text, re.M | re.S)
    return [re.sub(r"^   ", "", block, flags=re.M).replace("/etc/khien/patches", folder).replace("LAST-DAY", day(60)) for block in found]


def words_of(line):
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', line)][1:]


def recipe(scratch):
    """Written, narrowed down, checked; it watches, and then it denies: the hole, and nothing beside it."""
    folder = scratch.path("patches")
    new, checked = blocks("sh", folder)
    (narrow,) = blocks("yaml", folder)
    done = scratch.khien(*words_of(new))
    check((done.status, done.out.decode()) == (0, f"{folder}/his-upload.yaml\n"), done)
    hole, beside = multipart({}, [("file", "a.php", "image/png", b"x")]), multipart({}, [("file", "a.png", "image/png", b"x")])

    def statuses(name):
        done = scratch.khien(*words_of(checked))
        check(done.status == 0 and b"patches that hold: 1, expired: 0" in done.out, done)
        with Nginx(scratch, rules_of(WRITE, scratch, patches=folder, own=harness.ROOT + "/gate/waf"), name=name) as nginx:
            found = [nginx.send("POST", "/profile/avatar", *sent) for sent in (hole, beside)]
            return found, "Patch his-upload" in nginx.log()

    check(statuses("as-new")[0] == [403, 403], "as it is written it refuses the path")
    scratch.write("patches/his-upload.yaml", narrow)
    watched, told = statuses("watching")
    check(watched[1] == 200 and told, f"watching: {watched}")
    scratch.write("patches/his-upload.yaml", narrow.replace("do: watch", "do: deny"))
    check(statuses("denying") == ([403, 200], True), "denying")


def jobs(scratch):
    """What is shown, in three languages and as JSON; what is wrong, and where; nothing is written over."""
    folder = scratch.path("gate", "patches")
    given = ("--path", "/a \"b\"", "--owner", "Ân <an@benhvien.example>", "--expires", day(9))
    os.makedirs(folder)
    check(scratch.khien("gate", "patches", "new", "one", *given, "--dir", folder).status == 0, "none is written")
    done = scratch.khien("gate", "patches", "new", "one", *given, "--dir", folder)
    check(done.status == 2 and "is there already" in done.err, done)
    for words, says in ((("two",), "--path is missing: write --path"), (("Two", *given), "is no id"), ((), "one id"),
                        (("two", *given[:-1], "soon"), "expires is a day"), (("two", *given[:-1], day(-2)), "over already"),
                        (("two", *given[:-1], day(500)), "more than a year"), (("two", *given[2:], "--path", "a"), "path is a path")):
        done = scratch.khien("gate", "patches", "new", *words, "--dir", folder)
        check(done.status == 2 and says in done.err and os.listdir(folder) == ["one.yaml"], f"{words}: {done}")
    data = ("--data", scratch.path("gate"))
    shown = json.loads(scratch.khien("gate", "patches", "--json", *data).out)
    check((shown["id"], shown["state"], shown["until"], shown["hits"]) == ("one", "denies", day(9), 0), shown)
    line = json.dumps({"event.action": "waf-refused", "rule.id": str(shown["rule"])}, separators=(",", ":")) + "\n"
    scratch.write("gate/state/events.jsonl", line * 3)
    scratch.write("gate/state/events.jsonl.1", line + line.replace(str(shown["rule"]), "942100"))
    check(json.loads(scratch.khien("gate", "patches", "list", "-j", *data).out)["hits"] == 4, "hits")
    for lang, says in (("vi", "chặn    "), ("en", "denies  "), ("zh", "拦截    ")):
        out = scratch.khien("gate", "patches", "--lang", lang, *data).out.decode()
        check(out.startswith(says) and "one  4 " in out and "Ân <an@benhvien.example>" in out, out)

    scratch.write("gate/patches/late.yaml", f"id: late\nowner: a\nexpires: {day(-1)}\nwhy: b\nwhen: {{ path: /a }}\ndo: deny\n")
    done = scratch.khien("gate", "patches", "check", folder)
    check(done.status == 1 and b"late.yaml:3:10: late has expired" in done.out and b"hold: 1, expired: 1" in done.out, done)
    check(scratch.khien("gate", "patches", *data).status == 1, "one has expired")
    path = scratch.write("gate/patches/wrong.yaml", f"id: wrong\nowner: a\nexpires: {day(9)}\nwhy: b\nwhen: {{ path_regex: '(a+)+$' }}\ndo: \"\\e[2J\"\n")
    done = scratch.khien("gate", "patches", "check", path)
    check(done.status == 1 and b"wrong.yaml:5:21: path_regex: it takes far too long" in done.out and b"\x1b" not in done.out, done)
    check(scratch.khien("gate", "patches", *data).status == 2, "one is wrong")
    done = scratch.khien("gate", "patches", "check", scratch.path("nowhere"))
    check(done.status == 2 and "No such file" in done.err, done)


def main():
    for act in (jobs, recipe):
        if act is recipe:
            need()
        with harness.Scratch() as scratch:
            act(scratch)
        print(f"ok {act.__name__}", flush=True)


if __name__ == "__main__":
    main()
