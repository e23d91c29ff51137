# make run and make test are the two commands to know; the others are for work on khien itself.
# Each installs what is missing first (tools/deps), so a fresh Debian needs nothing but make.
.POSIX:
.PHONY: all run build test check fuzz bench-intel bench-match bench-store bench-hub bench-post bench-kiosk bench-gate soak deb test-deb clean help

all: build

# Plays the recorded attack into a hub, which then takes this machine's logs and whoever sends, until Ctrl-C.
run: build
	@tools/deps run
	@exec tools/story

build:
	@tools/deps build
	@TARGETS=program tools/build

test:
	@tools/deps build
	@tools/deps test
	@tools/test

# The static checks of the suite alone: format, rooms, lengths, forbidden calls, clang-tidy.
check: build
	@tools/check

# Every fuzz target for FUZZ_SECONDS each.
fuzz:
	@tools/deps build
	@tools/deps test
	@tools/fuzz $${FUZZ_SECONDS:-300}

# Events a second, over the rules and events in KHIEN_DATA.
bench-intel: build
	@ninja -C build --quiet bench/intel/bench-intel
	@/usr/bin/python3 bench/intel/run.py build/bench/intel/bench-intel build/khien

bench-match: build
	@ninja -C build --quiet bench/match/bench-match
	@/usr/bin/python3 bench/match/run.py build/bench/match/bench-match build/khien

# The store beside rows in SQLite, on EVENTS made-up events (10000000, some minutes and 3 GB in TMPDIR).
bench-store: build
	@ninja -C build --quiet bench/store/bench-store
	@/usr/bin/python3 bench/store/run.py build/bench/store/bench-store $(EVENTS)

# The whole hub on one core, over the rules in KHIEN_DATA.
bench-post: build
	@/usr/bin/python3 bench/post/run.py build/khien

bench-kiosk: build
	@ninja -C build --quiet bench/kiosk/bench-visitors
	@/usr/bin/python3 bench/kiosk/run.py build/khien build/bench/kiosk/bench-visitors

# khien before the kiosk, and what people put there otherwise, in floods: root for addresses of its own, half an hour.
bench-gate: build
	@tools/deps bench
	@/usr/bin/python3 bench/gate/run.py build/khien

bench-hub: build
	@ninja -C build --quiet bench/store/bench-events
	@/usr/bin/python3 bench/hub/run.py build/khien build/bench/store/bench-events

# 200 kills under load, 12 power cuts of a guest, 200 kills of a kiosk and what it rests on: an hour and a half.
soak: build
	@tools/deps test
	@tools/deps soak
	@tools/soak

# build/khien_VERSION_ARCH.deb, without network.
deb:
	@tools/deps build
	@tools/deps deb
	@packaging/deb

# Installs, runs, upgrades and purges it in a Debian of its own: root, some minutes, apt's mirror.
test-deb:
	@tools/deps build
	@tools/deps deb
	@/usr/bin/python3 tests/packaging/deb_test.py --chroot

clean:
	rm -rf build build-asan build-fuzz

help:
	@echo 'make run          play a recorded attack into a hub, which then runs; a kiosk with invented people'
	@echo 'make test         the whole suite'
	@echo 'make build        leaves the program at build/khien'
	@echo 'make check        format, rooms, lengths, clang-tidy'
	@echo 'make fuzz         every fuzz target, FUZZ_SECONDS each (300)'
	@echo 'make bench-intel  what looking up known-bad values costs'
	@echo 'make bench-match  how fast, on the data in KHIEN_DATA'
	@echo 'make bench-store  how small and fast events are kept, EVENTS of them'
	@echo 'make bench-post   what a post costs, beside rsyslog'
	@echo 'make bench-kiosk  bookings and page views, beside nginx'
	@echo 'make bench-gate   patients through floods, beside nginx, HAProxy, CRS, fail2ban'
	@echo 'make bench-hub    how many events a second the hub takes'
	@echo 'make soak         kills and power cuts: is everything acknowledged still there?'
	@echo 'make deb          build/khien_VERSION_ARCH.deb'
	@echo 'make test-deb     installs, upgrades and purges it in a Debian of its own'
	@echo 'make clean        remove the build folders'
