# make run and make test are the two commands to know; the others are for work on khien itself.
# Each installs what is missing first (tools/deps), so a fresh Debian needs nothing but make.
.POSIX:
.PHONY: all run build test check fuzz bench-match clean help

all: build

# Plays the recorded attack, then watches this machine's logs until Ctrl-C.
run: build
	@set --; for f in demo/attack-*.log; do [ ! -f "$$f" ] || set -- "$$@" --play "$$f"; done; \
	exec build/khien watch --rules rules "$$@"

build:
	@tools/deps build
	@tools/build

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
bench-match: build
	@/usr/bin/python3 bench/match/run.py build/bench/match/bench-match build/khien

clean:
	rm -rf build build-asan build-fuzz

help:
	@echo 'make run          play a recorded attack, then watch this machine'
	@echo 'make test         the whole suite'
	@echo 'make build        leaves the program at build/khien'
	@echo 'make check        format, rooms, lengths, clang-tidy'
	@echo 'make fuzz         every fuzz target, FUZZ_SECONDS each (300)'
	@echo 'make bench-match  how fast, on the data in KHIEN_DATA'
	@echo 'make clean        remove the build folders'
