#!/usr/bin/python3
"""The gate's figures, in one run, beside what people put before a portal otherwise. Called by `make bench-gate`.

    run.py KHIEN [SECONDS] [NAME...]       names: of contenders, and: deny overhead nat portal memory

Whoever is measured, and the kiosk behind it, have one core; bots and patients another. All of it is on loopback, as root in a network
namespace of its own (fail2ban's bans need that), and every bot and patient has an address of his own there. The kiosk is made anew for each,
and its own bounds for an address are off, so that what is measured is what stands before it. Patients come, book and pay; who is a patient is
known to the drill alone.
"""
import contextlib, json, os, pathlib, signal, statistics, subprocess, sys, time

HERE = pathlib.Path(__file__).resolve().parent
KHIEN = os.path.abspath(sys.argv[1])
WORDS = sys.argv[2:]
SECONDS = int(WORDS.pop(0)) if WORDS and WORDS[0].isdigit() else 15
os.environ["KHIEN"] = KHIEN
sys.argv = sys.argv[:1]
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "kiosk")]
import contenders  # noqa: E402
from running import Kiosk, Program, free_ports, harness, processes  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))
RATES = (2083, 20830, 0)  # a second; 0: what a core can send
BOTS, SOURCES, PATIENTS = 4000, 5000, 120
TICKS = os.sysconf("SC_CLK_TCK")


def figure(name, value, unit):
    print(f"figure {name} {value:.{0 if value >= 1000 else 3}f} {unit}", flush=True)


def on(core):
    return lambda: os.sched_setaffinity(0, {core})


def seconds_of(pids):
    """CPU time that processes have had, in seconds."""
    had = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                words = file.read().rpartition(")")[2].split()
            had += int(words[11]) + int(words[12])
    return had / TICKS


def memory_of(pids):
    """PSS in MB."""
    got = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                got += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return got / 1024


class Portal(Kiosk):
    """A kiosk with places enough for everybody, on the site's core and in its network."""

    def __init__(self, scratch, name):
        self.data, self.port = scratch.path(name), free_ports()[0]
        os.makedirs(self.data)
        self._secret("hook-sepay", b"a secret of a bank that there is not")
        text = f"kiosk:\n  data: {self.data}\n  listen: {{ http: '127.0.0.1:{self.port}' }}\n  proxies: [127.0.0.1]\n"
        self.config = scratch.write(f"{name}.yaml", text)
        self.scratch = scratch
        Program.__init__(self, scratch, [KHIEN, "kiosk", "--config", self.config], preexec_fn=on(CORES[0]))
        self.ask("set", values={"lead_minutes": "0", "per_phone": "100", "per_address": "0", "open_days": "7",
                                "bank_bin": "999999", "bank_account": "TEST0000", "bank_name": "PHONG KHAM THU"})
        specialty = self.ask("specialty-put", place=0, name={"vi": "Nhi", "en": "Children", "zh": "儿科"}, fee=150000, active=True)["id"]
        for i in range(8):
            room = self.ask("room-put", specialty=specialty, place=i, name=f"Phòng {i + 1}", letter="ABCDEFGH"[i], active=True)["id"]
            for weekday in range(1, 8):
                self.ask("hours-put", room=room, weekday=weekday, begins=420, ends=1020, minutes=30, places=1000)
        self.ask("upkeep")


@contextlib.contextmanager
def standing(contender, scratch, name):
    """A kiosk, and the contender before it. Yields (place, kiosk, who says the contender's pids)."""
    folder = pathlib.Path(scratch.path(f"{name}-before"))
    with Portal(scratch, name) as kiosk:
        place = contenders.Place(folder, "127.0.0.1", free_ports(2), kiosk.port)
        programs = [subprocess.Popen(words, preexec_fn=on(CORES[0]), stdout=subprocess.DEVNULL,
                                     stderr=open(folder / "said", "ab")) for words in contender.programs(place)]
        try:
            until_it_answers(place)
            yield place, kiosk, lambda: [pid for p in programs for pid in processes(p.pid)]
        finally:
            for program in programs:
                program.send_signal(signal.SIGTERM)
            for program in programs:
                try:
                    program.wait(20)
                except subprocess.TimeoutExpired:
                    program.kill()


def until_it_answers(place):
    end = time.monotonic() + 60
    ask = f"import urllib.request as u; u.urlopen('http://{place.address}:{place.port}/', timeout=2)"
    while subprocess.run(["/usr/bin/python3", "-c", ask], check=False, stderr=subprocess.DEVNULL).returncode:
        if time.monotonic() > end:
            sys.exit(f"bench-gate: nobody answers:\n{(place.folder / 'said').read_text(errors='replace')[-2000:]}")
        time.sleep(0.3)


def load(place, kiosk, *words):
    """What `khien drill load` says of it."""
    done = subprocess.run([KHIEN, "drill", "load", "--json", "--to", f"{place.address}:{place.port}", "--core", str(CORES[-1]),
                           "--seconds", str(SECONDS), "--bank", f"127.0.0.1:{kiosk.port}", "--bank-secret", f"{kiosk.data}/hook-sepay",
                           "--bank-account", "TEST0000", "--think", "500", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode > 1:
        sys.exit(f"bench-gate: {done.stderr}")
    return json.loads(done.stdout)


# --- patients through floods ---

def served(got):
    return got["served"] / got["patients"] if got["patients"] else 0


def floods(contender):
    """At each rate anew. Figures of the highest; those of the others as text."""
    for rate in RATES:
        with harness.Scratch() as scratch:
            os.chmod(scratch.name, 0o755)
            with standing(contender, scratch, contender.name) as (place, kiosk, pids):
                before = seconds_of(pids())
                got = load(place, kiosk, "--rate", rate, "--connections", BOTS, "--sources", SOURCES, "--kinds", "kept", "--path", "/",
                           "--patients", PATIENTS)
                used = seconds_of(pids()) - before
                print(f"{contender.name:10} at {rate or 'most':>5}/s: {got['sent'] / got['seconds']:.0f}/s sent, {got['served']} of {got['patients']} patients "
                      f"served, p50 {got['requests']['p50_ms']:.1f} ms, p99 {got['requests']['p99_ms']:.1f} ms; of bots' requests {got['status_2xx']} "
                      f"answered, {got['denied']} told to wait, {got['status_5xx']} failed, {got['cut']} cut; {used:.1f} s CPU", flush=True)
    prefix = "" if contender.name == "khien" else f"{contender.name}_"
    figure(f"{prefix}patients_served", served(got), "x")
    figure(f"{prefix}patients_p99_ms", got["requests"]["p99_ms"], "ms")


def denied(khien):
    """How many requests the gate turns away in a second of its CPU time, with the WAF on, as it does in a flood: what passes is in that time too."""
    for kind, name in (("kept", "deny_per_cpu_s"), ("new", "deny_new_per_cpu_s"), ("tls", "deny_tls_per_cpu_s")):
        with harness.Scratch() as scratch:
            os.chmod(scratch.name, 0o755)
            with standing(khien, scratch, "deny") as (place, kiosk, pids):
                def stands():
                    said = json.loads(subprocess.run([KHIEN, "gate", "status", "--json", "--data", str(place.folder / "gate")],
                                                     stdout=subprocess.PIPE, check=False).stdout)
                    return sum(said["verdicts"][verdict] for verdict in ("deny", "drop")), seconds_of(pids())
                words = ["--rate", 0, "--connections", 1000, "--sources", SOURCES, "--kinds", kind, "--to-tls", f"{place.address}:{place.tls_port}"]
                load(place, kiosk, *words, "--seconds", "3")
                before = stands()
                load(place, kiosk, *words)
                after = stands()
                figure(name, (after[0] - before[0]) / (after[1] - before[1]), "1/s")


def behind_one(khien):
    """A thousand patients behind one address, from which ten thousand bots come too."""
    with harness.Scratch() as scratch:
        os.chmod(scratch.name, 0o755)
        with standing(khien, scratch, "nat") as (place, kiosk, _):
            got = load(place, kiosk, "--rate", 20830, "--connections", 9000, "--kinds", "kept", "--sources", 1, "--from", "127.64.0.0",
                       "--patients", 1000, "--patients-sources", 1, "--patients-from", "127.64.0.0", "--seconds", "60")
            print(f"nat: {got['served']} of {got['patients']} patients served, p99 {got['requests']['p99_ms']:.1f} ms; of bots' requests "
                  f"{got['status_2xx']} answered, {got['denied']} told to wait, {got['cut']} cut", flush=True)
            figure("nat_patients_served", served(got), "x")


def memory(khien):
    """Of all the gate's processes after a flood; without CRS, whose rules are libmodsecurity's and the same for everybody."""
    for one, name in ((contenders.Khien(KHIEN, waf=False), "gate_rss_mb"), (khien, "gate_with_waf_rss_mb")):
        with harness.Scratch() as scratch:
            os.chmod(scratch.name, 0o755)
            with standing(one, scratch, "memory") as (place, kiosk, pids):
                load(place, kiosk, "--rate", 0, "--connections", BOTS, "--sources", 1 << 20, "--kinds", "new")
                figure(name, memory_of(pids()), "MB")


# --- what the module costs who passes ---

def overhead():
    """CPU for a request that passes, with the module's verdict and without, in the same nginx, in turns."""
    module = pathlib.Path(KHIEN).parent / "gate" / "ngx_http_khien_module.so"
    turns = {"on": [], "off": []}
    with harness.Scratch() as scratch:
        os.chmod(scratch.name, 0o755)
        with Portal(scratch, "overhead") as kiosk:
            key = scratch.write("pass.key", "0123456789abcdef" * 4 + "\n")
            for _ in range(5):
                for mode in turns:
                    place = contenders.Place(scratch.path(mode), "127.0.0.1", free_ports(2), kiosk.port)
                    words = contenders.nginx(place, f"khien_zone 32m; khien_key {key}; khien {mode};", main=f"load_module {module};")
                    with subprocess.Popen(words, preexec_fn=on(CORES[0])) as program:
                        until_it_answers(place)
                        before = seconds_of(processes(program.pid))
                        done = subprocess.run(["wrk", "-t1", "-c32", "-d4", f"http://127.0.0.1:{place.port}/healthz"], check=True, text=True,
                                              stdout=subprocess.PIPE, preexec_fn=on(CORES[-1]))
                        n = int(next(line.split()[0] for line in done.stdout.splitlines() if "requests in" in line))
                        turns[mode].append((seconds_of(processes(program.pid)) - before) / n)
                        program.terminate()
    figure("pass_overhead", statistics.median(turns["on"]) / statistics.median(turns["off"]), "x")


def main():
    if len(CORES) < 2:
        sys.exit("bench-gate needs two cores")
    if os.geteuid() == 0 and "KHIEN_BENCH_APART" not in os.environ:
        os.environ["KHIEN_BENCH_APART"] = "1"
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", sys.executable, __file__, KHIEN, str(SECONDS),
                              *WORDS])
    khien = contenders.Khien(KHIEN)
    wanted = lambda name: not WORDS or name in WORDS  # noqa: E731
    for one in (contenders.Plain(), contenders.LimitReq(), contenders.Crs(), contenders.Haproxy(), contenders.Fail2ban(), khien):
        if not wanted(one.name):
            continue
        if one.missing():
            print(f"{one.name}: not measured: {', '.join(one.missing())} isn't there")
        else:
            floods(one)
    for name, part in (("deny", lambda: denied(khien)), ("overhead", overhead), ("nat", lambda: behind_one(khien)), ("memory", lambda: memory(khien))):
        if wanted(name):
            part()


if __name__ == "__main__":
    main()
