#!/usr/bin/python3
"""The figures of the whole hub, in one run, beside rsyslog. Called by `make bench-hub`.

    run.py KHIEN BENCH-EVENTS [SECONDS]

The hub has one core, the sender another. Made-up events (bench/store/generate.h) go to POST /v1/events over TLS in
bodies of 1,000, some at a time, for SECONDS (60); the hub matches all rules of KHIEN_DATA/sigma over them and answers
when they are durable. Counted are answered events over the time from the first byte to the last answer; afterwards
khien find has to find as many. Idle is a hub with khien's own rules that nobody sends to. The peer is rsyslog: the same
events as syslog lines over TCP into a file, synced a megabyte at a time; it parses, matches, packs and indexes nothing.
OSSEC is measured as in bench-match, where KHIEN_PEER_OSSEC names it. Takes some 3 GB below TMPDIR, which go in the end.
"""
import contextlib, http.client, json, os, pathlib, shutil, socket, ssl, subprocess, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DATA = pathlib.Path(os.environ.get("KHIEN_DATA", HERE.parents[2] / "shared" / "data"))
BODY, SENDERS, AT_MOST = 1000, 8, 50000  # events a body; bodies under way; events a second that are made ready
CORES = sorted(os.sched_getaffinity(0))
TICK = os.sysconf("SC_CLK_TCK")


def figure(name, value, unit):
    print(f"figure {name} {value:.{0 if value >= 100 else 3}f} {unit}")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def on_core(core):
    return lambda: os.sched_setaffinity(0, {core})


def family(pid):
    """A process and all below it."""
    found = [pid]
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += family(int(child))
    return found


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def resident_mb(pids):
    """(what all of them take together, the sum of what each shows): pages that they share count once in the first."""
    pss = rss = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            pss += int(rest.split()[0]) if name == "Pss" else 0
            rss += int(rest.split()[0]) if name == "Rss" else 0
    return pss / 1024, rss / 1024


class Bodies:
    """The events, a body at a time, to whoever asks first."""

    def __init__(self, path):
        self.lock, self.file, self.stopped = threading.Lock(), open(path, "rb"), False

    def next(self):
        with self.lock:
            lines = [] if self.stopped else [line for _, line in zip(range(BODY), self.file)]
        return lines


class Hub:
    """`with Hub(...) as hub:`; it doesn't outlive the block."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def __init__(self, khien, work, name, *words, core=None):
        self.khien, self.data, self.log = khien, work / name, work / (name + ".log")
        self.data.mkdir()
        self.secret = subprocess.run([khien, "hub", "token", "add", "--quiet", "--scope", "ingest,read", "--data", self.data,
                                      "bench"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        self.port = free_port()
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(work / (name + ".notify")))
        notify.settimeout(300)
        begin = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [khien, "hub", "--data", self.data, "--no-journal", "--no-listen", "--https", f"127.0.0.1:{self.port}", *words],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=on_core(core) if core is not None else None,
                env={**os.environ, "NOTIFY_SOCKET": str(work / (name + ".notify"))})
        try:
            while b"READY=1" not in notify.recv(4096):
                pass
        except TimeoutError:
            self.__exit__()
            sys.exit("bench-hub: the hub is not ready: " + self.last_words())
        self.start_s = time.monotonic() - begin
        notify.close()

    def send(self, bodies, count):
        """One sender: until there is nothing more. Adds to count[0] what was answered."""
        context = ssl.create_default_context(cafile=str(self.data / "pki" / "ca.crt"))
        to = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=120)
        while lines := bodies.next():
            while True:
                to.request("POST", "/v1/events", b"".join(lines), {"Authorization": "Bearer " + self.secret,
                                                                   "Content-Type": "application/x-ndjson"})
                answer = to.getresponse()
                text = answer.read()
                if answer.status != 429:
                    break
                time.sleep(0.2)
            if answer.status != 200:
                bodies.stopped = True
                sys.exit(f"bench-hub: status {answer.status}: {text[:300]!r}")
            with bodies.lock:
                count[0] += len(lines)

    def stored_events(self):
        """How many events are found, by what khien itself counts."""
        done = subprocess.run([self.khien, "find", "--data", self.data, "--count-by", "event.dataset", "--limit", "0", "--json"],
                              check=False, stdout=subprocess.PIPE, text=True)
        return sum(json.loads(line)["count"] for line in done.stdout.splitlines())

    def last_words(self):
        lines = [s for s in self.log.read_text(errors="replace").splitlines() if "level=" in s and "rule-refused" not in s]
        return "\n".join(lines[-10:])

    def stop(self):
        self.process.terminate()
        if self.process.wait(120):
            sys.exit("bench-hub: the hub failed: " + self.last_words())


def measure_intake(khien, work, events, seconds):
    rules = sorted((DATA / "sigma").glob("rules*"))
    with Hub(khien, work, "hub", "--rules", *rules, "--", core=CORES[0]) as hub:
        figure("hub_start_s", hub.start_s, "s")
        bodies, count = Bodies(events), [0]
        senders = [threading.Thread(target=hub.send, args=(bodies, count)) for _ in range(SENDERS)]
        pids = family(hub.process.pid)
        before, begin = cpu_seconds(pids), time.monotonic()
        for s in senders:
            s.start()
        while any(s.is_alive() for s in senders):
            time.sleep(0.1)
            bodies.stopped = bodies.stopped or time.monotonic() - begin > seconds
        if family(hub.process.pid) != pids or not count[0]:
            sys.exit("bench-hub: the hub, or a part of it, ended meanwhile: " + hub.last_words())
        took, used = time.monotonic() - begin, cpu_seconds(pids) - before
        figure("hub_events_per_s", count[0] / took, "events/s")
        figure("hub_seconds", took, "s")
        figure("hub_core_percent", used / took * 100, "%")
        figure("hub_us_per_event", used / count[0] * 1e6, "us")
        figure("hub_rss_mb", resident_mb(pids)[0], "MB")
        found = hub.stored_events()
        if found != count[0]:
            sys.exit(f"bench-hub: {count[0]} events were answered and {found} are found")
        stored = sum(p.stat().st_blocks for p in hub.data.rglob("*") if p.is_file()) * 512
        figure("hub_stored_bytes_per_event", stored / count[0], "bytes")
        hub.stop()
    return count[0] / took


def measure_idle(khien, work, seconds):
    with Hub(khien, work, "idle", "--rules", ROOT / "rules", "--") as hub:
        time.sleep(5)
        pids = family(hub.process.pid)
        before = cpu_seconds(pids)
        time.sleep(seconds)
        together, each = resident_mb(pids)
        figure("idle_rss_mb", together, "MB")
        figure("idle_rss_each_mb", each, "MB")
        figure("idle_cpu_percent", (cpu_seconds(pids) - before) / seconds * 100, "%")
        hub.stop()


def rsyslog_config(work, port):
    config = work / "rsyslog.conf"
    config.write_text(f"""global(workDirectory="{work}" maxMessageSize="64k")
module(load="imtcp")
template(name="raw" type="string" string="%msg%\\n")
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="keep")
ruleset(name="keep" queue.type="LinkedList" queue.size="100000" queue.dequeueBatchSize="1000") {{
  action(type="omfile" file="{work}/rsyslog.out" template="raw" sync="on" ioBufferSize="1m")
}}
""")
    return config


def measure_rsyslog(work, events, n):
    """The same events as lines over one connection, until all stand in the file."""
    if not shutil.which("rsyslogd"):
        return print("peer_rsyslog: not measured: no rsyslogd")
    port, out = free_port(), work / "rsyslog.out"
    peer = subprocess.Popen(["rsyslogd", "-n", "-C", "-f", rsyslog_config(work, port), "-i", work / "rsyslog.pid"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=on_core(CORES[0]))
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                to = socket.create_connection(("127.0.0.1", port))
                break
            time.sleep(0.1)
        else:
            return print("peer_rsyslog: not measured: it doesn't listen")
        sent, lines, begin = 0, 0, time.monotonic()
        with open(events, "rb") as file:
            for line in file:
                message = b"<134>1 2026-11-22T10:00:00Z gate khien - - - " + line
                to.sendall(message)
                sent += len(line)
                lines += 1
                if lines == n:
                    break
        to.close()
        waited = time.monotonic()
        while (out.stat().st_size if out.exists() else 0) < sent:
            if time.monotonic() - waited > 120:
                return print(f"peer_rsyslog: not measured: {out.stat().st_size} of {sent} bytes arrived")
            time.sleep(0.02)
        rate = lines / (time.monotonic() - begin)
        figure("peer_rsyslog_events_per_s", rate, "events/s")
        figure("peer_rsyslog_stored_bytes_per_event", out.stat().st_blocks * 512 / lines, "bytes")
        return rate
    finally:
        peer.terminate()
        peer.wait()


def measure_ossec():
    home, log = os.environ.get("KHIEN_PEER_OSSEC"), DATA / "logs" / "elastic_auth.log"
    if not home or os.geteuid() != 0:
        return print("peer_ossec: not measured: KHIEN_PEER_OSSEC names no folder with it, or this is not root")
    home = pathlib.Path(home)
    program = next((p for p in (home / "ossec-analysisd", home / "bin/ossec-analysisd", home / "src/ossec-analysisd")
                    if p.exists()), None)
    if not program:
        return print(f"peer_ossec: not measured: no ossec-analysisd in {home}")
    return print(subprocess.run([sys.executable, HERE.parent / "match" / "peer_ossec.py", program, home / "etc", log],
                                check=True, stdout=subprocess.PIPE, text=True).stdout, end="")


def main():
    khien, maker = (os.path.abspath(p) for p in sys.argv[1:3])
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 60
    if not (DATA / "sigma").is_dir():
        sys.exit(f"bench-hub needs the data folder: KHIEN_DATA (looked in {DATA})")
    sys.stdout.reconfigure(line_buffering=True)
    if len(CORES) < 2:
        print("bench-hub: one core only: the sender takes its share of the hub's")
    work = pathlib.Path(tempfile.mkdtemp(prefix="khien-bench-"))
    try:
        events = work / "events.ndjson"
        with open(events, "wb") as out:
            subprocess.run([maker, str(int(AT_MOST * seconds)), "bare"], check=True, stdout=out)
        measure_idle(khien, work, min(30, seconds))
        os.sched_setaffinity(0, {CORES[-1]})
        ours = measure_intake(khien, work, events, seconds)
        theirs = measure_rsyslog(work, events, int(AT_MOST * seconds / 4))
        if theirs:
            print(f"figure hub_events_per_s_to_rsyslog {ours / theirs:.2f} x")
        os.sched_setaffinity(0, set(CORES))
        measure_ossec()
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
