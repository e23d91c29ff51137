"""What the runs of judges share: tests that nobody here wrote, against nginx as it is and with the gate's module on.

A judge is a function (names, gated) -> {test: outcome}: it runs the named tests, or all it has where names is None. A test's name
begins with its file's, then ": ". Outcomes are words; "ok" is the best. One that differs is tried again, alone and both ways:
a difference stands where the best outcomes differ.
"""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness

AGAIN = 3
BEST_FIRST = ("ok", "todo", "skipped", "not ok")


def module():
    """The module that is judged: $KHIEN_MODULE, else beside the program."""
    return os.path.abspath(os.environ.get("KHIEN_MODULE") or
                           os.path.join(os.path.dirname(harness.KHIEN), "gate", "ngx_http_khien_module.so"))


def need_folder(variable, what):
    folder = os.environ.get(variable)
    if not folder or not os.path.isdir(folder):
        harness.skip(f"{variable} names no folder: write where {what} is")
    if not os.access(module(), os.R_OK):
        harness.skip(f"no module at {module()}: build it, or name it in KHIEN_MODULE")
    return os.path.abspath(folder)


def file_of(name):
    return name.split(": ", 1)[0]


def better(one, other):
    """The best of two outcomes; None is that there was none."""
    rank = {word: i for i, word in enumerate(BEST_FIRST)}
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda outcome: rank.get(outcome.split(":", 1)[0], len(rank)))


def merge(best, more):
    for name, outcome in more.items():
        best[name] = better(best.get(name), outcome)


def differing(plain, gated):
    return sorted(name for name in set(plain) | set(gated) if plain.get(name) != gated.get(name))


def say(title, outcomes):
    counts = collections.Counter(outcome.split(":", 1)[0] for outcome in outcomes.values())
    text = ", ".join(f"{counts[word]} {word}" for word in sorted(counts))
    files = len({file_of(name) for name in outcomes})
    print(f"{title}: {len(outcomes)} results of {files} files: {text}", flush=True)


def judge(title, run, names=None):
    """Exit code 0: nothing differs."""
    plain = run(names, False)
    say(f"{title}, nginx as it is", plain)
    gated = run(names, True)
    say(f"{title}, with the module", gated)
    suspects = sorted({file_of(name) for name in differing(plain, gated)})
    for _ in range(AGAIN if suspects else 0):
        merge(plain, run(suspects, False))
        merge(gated, run(suspects, True))
        standing = {file_of(name) for name in differing(plain, gated)}
        if not standing:
            break
    left = differing(plain, gated)
    for name in suspects:
        if not any(file_of(one) == name for one in left):
            print(f"unsteady, the same when tried again: {name}")
    for name in left:
        print(f"DIFFERS {name}: {plain.get(name, 'not run')} as it is, {gated.get(name, 'not run')} with the module")
    failing = sum(outcome.startswith("not ok") for outcome in plain.values())
    print(f"{title}: {len(left)} differences; {failing} fail without the module too")
    if not any(outcome.split(":", 1)[0] == "ok" for outcome in plain.values()):
        print(f"{title}: nothing passes: that is no judgement")
        return 1
    return 1 if left else 0
