/*
 * khien: a subcommand per post. This file holds the dispatch table; here is where the rest lives.
 *
 *   base/    views of bytes, arenas, buffers, blocks, errors, clock, log lines, JSON, YAML, UTF-8
 *   os/      event loop, child processes, messages between processes, the opener and the sandbox, files written atomically
 *   event/   struct event: one log record as the rules see it; the table of fields asked for; times; who did it
 *   intake/  raw bytes -> events: framer, one file per log format, reading of plain, gzip and zstd files
 *   rule/    Sigma text -> struct ruleset: parser, modifiers, conditions, mapping, filters, correlations
 *   match/   events x rules -> matches: prefilter, exact check, correlation windows; the cache of compiled rules
 *   intel/   known-bad values: lists, STIX and MISP -> feeds -> one set; events looked up in it
 *   alert/   matches -> alerts: those of one rule, host, user and address count as one
 *   collect/ logs as they are written, for whoever takes them:
 *     sources.c      which there are
 *     follow.c       files and the journal, side by side in the order of time
 *       tail.c                   one of them, through its rotations
 *       log_file.c               one file, from bytes to batches
 *       place.c                  how far they were read, on the disk
 *     net.c          the syslog listeners: UDP
 *       net_stream.c             TCP and TLS: connections and their bounds
 *       tls.c                    one TLS session
 *     inlet.c        batches to their taker; what waits for room
 *   post/    from this machine to its hub:
 *     post.c         what is put: bundled, compressed, into the spool (os/spool.c)
 *     uplink.c       from the spool to a hub; hubs.c: to which, and when
 *     orders.c       orders fetched, done, reported; the certificate renewed
 *     identity.c     its key, its certificate, whom it trusts; enrol.c: how it comes by them
 *     client.c       one request at a time: dial.c connects, http.c speaks, answer.c reads
 *   hunt/    the language of hunts
 *     lex.c, parse.c, stage.c  text -> struct hunt
 *     print.c        and back
 *     fields.c       short names of fields
 *     bound.c        numbers, times, addresses
 *     where.c        what the store is asked
 *       test.c                   what one value is asked
 *     flow.c         from commands to steps; rows.c, group.c: the steps
 *     run.c          a store's events through them; pluck.c: fields of an event
 *     sigma.c        a hunt as a Sigma rule
 *   kiosk/   booking, queue, payment: the desk over a database, pages, the pass to a standby; see kiosk/desk.h
 *   drill/   floods that are rehearsed: run.c, a process each for
 *     bots.c         bots: due, asked, counted; slow.c, h2.c: some of their kinds
 *     patient.c      patients, and mimic.c: browsers (visit.c), pages (page.c, kiosk_page.c)
 *     http.c, line.c what both speak, and over what; measure.c: what is told
 *     namespace.c    the network of their own; address.c: who comes from where
 *   pki/     certificates
 *     ca.c           the CA: made, signs
 *     request.c      what it signs at all
 *     signer.c       the process that holds its key
 *     hub.c          the hub's own certificate
 *     key.c, read.c  keys and certificates, as text and in files
 *   cmd/     wiring, a file per subcommand:
 *     match.c        match     files of events against rules
 *       pipeline.c               batches to matches on several threads, in order
 *     rules.c        rules     which of these jobs
 *       rules_check.c            what can't run, and what to write instead
 *       rules_try.c              rules against their evidence (rules test)
 *       rules_why.c              what lacks for a rule to match
 *       rules_new.c              a rule to start from
 *     watch.c        watch     this machine's logs, as they are written
 *       watch_play.c             recordings
 *       watch_pipe.c             batches to alerts
 *       watch_order.c            alerts of several logs in the order of time
 *       watch_show.c             alerts, the live line, summaries
 *       watch_reload.c           rules loaded anew
 *     hub.c          hub       the centre; its processes and jobs
 *       hub_front.c              the process that listens: up to its sandbox
 *       hub_serve.c              and from then on
 *       hub_desk.c               offers to rows, verdicts, matches
 *       hub_sources.c            what is collected becomes offers
 *       hub_play.c               recordings, kept too
 *       hub_metrics.c            what it says of itself
 *       hub_keeper.c             the process that stores
 *       hub_link.c               between the two
 *       hub_token.c              hub token
 *       hub_backup.c             hub backup, restore; hub_files.c, hub_manifest.c: their files
 *       hub_export.c             hub export; hub_import.c: hub import
 *       hub_status.c             hub status
 *       hub_invite.c             hub token --post
 *       hub_posts_job.c          hub posts
 *       hub_posts.c              posts in the keeper: enrolment, reports; hub_orders.c: orders
 *       hub_posts_front.c        posts in the front
 *       hub_admin.c              whose data, and where
 *     live.c         what watch and hub have in common before they run
 *     find.c         find      events of the hub's store, found again
 *       find_query.c             what people write: words, fields, times
 *       find_print.c             an event for eyes
 *     intel.c        intel     feeds of known-bad values
 *       intel_read.c             their files, parsed in a process of its own
 *       intel_search.c           the store searched back; intel_back.c: how
 *     known.c        what match, watch and hub look up in them
 *     order.c        order     orders for posts; order_key.c: approvers and their keys
 *     post.c         post      the forwarder; its worker
 *       post_run.c               the worker: logs into the spool
 *       post_take.c              batches to bundles
 *       post_followed.c          logs that orders had followed
 *       post_jobs.c              post enrol, status, approver
 *     hunt.c         hunt      questions over the hub's store
 *       hunt_print.c             rows as a table, JSON, CSV
 *       hunt_rule.c              Sigma rules over what is stored
 *       hunt_saved.c             hunts that are kept
 *     kiosk.c        kiosk     a hospital's booking portal; its processes
 *       kiosk_front.c            the process that serves pages
 *       kiosk_keeper.c           the process with the database; kiosk_keeper_admin.c: what its owner asks
 *       kiosk_keeper_follow.c    and its end of the link
 *       kiosk_link.c             the process with lines to the other kiosk and to the register
 *       kiosk_register.c         kiosk register: who of two may write
 *       kiosk_jobs.c             kiosk first, status, promote, alone, rejoin; kiosk_ask.c: how they ask
 *       kiosk_certificate.c      its certificate
 *       kiosk_backup.c           kiosk backup, restore
 *       kiosk_courier.c          bookings to the hospital's FHIR server
 *       kiosk_demo.c             a hospital that doesn't exist; kiosk_demo_people.c, kiosk_demo_bank.c
 *     gate.c         gate      nginx in front of a site
 *       gate_run.c               the process that watches nginx and the agent
 *       gate_site.c              what nginx is told; gate_nginx.c: what it says to that
 *       gate_files.c             its folder; gate_certificate.c: its certificate
 *       gate_install.c           gate install, uninstall
 *       gate_ask.c               gate status; gate_why.c: why; gate_lists.c: allow, block, unblock, lists
 *       gate_whom.c              whom a block may not hit by mistake
 *       gate_agent.c             the process beside nginx; gate_events.c, gate_operators.c: what it tells
 *     drill.c        drill     floods that are rehearsed
 *       drill_flood.c            before and after; drill_table.c: side by side
 *       drill_site.c             the site: kiosk, nginx, gate; drill_kiosk.c: its hospital
 *       drill_load.c             bots and patients alone; drill_json.c: what came of it
 *     interrupt.c    Ctrl-C during long work
 *     ca.c           ca        the hub's certificates
 *     check.c        check     is this khien.yaml right?
 *       config.c                 khien.yaml: read, completed
 *       config_keys.c            every key of it; the example file
 *       config_value.c           kinds of values
 *     opt.c          options: parser and --help from one table
 *     term.c         the terminal: colour, width, safe text, progress
 *     print.c        one match as text and as JSON
 *     words.c        what people read, in three languages
 *     paths.c        where khien keeps its own files
 *
 * src/ROOMS says who may include whom; ARCHITECTURE.md follows a log line through the house.
 */
#include "base/str.h"
#include "cmd/cmd.h"
#include "cmd/opt.h"

#include <stdio.h>

static const struct command {
	const char *name, *what;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "ca", "the hub's certificates", cmd_ca },
	{ "check", "check khien.yaml", cmd_check },
	{ "drill", "rehearse a flood, against this machine alone", cmd_drill },
	{ "find", "find events again that the hub has kept", cmd_find },
	{ "gate", "let people through a flood, in front of a site", cmd_gate },
	{ "hub", "take every log, keep it, match rules over it", cmd_hub },
	{ "intel", "known-bad addresses, names, URLs and hashes", cmd_intel },
	{ "hunt", "ask what the hub has kept, in a small language", cmd_hunt },
	{ "kiosk", "booking, queue numbers and payment of a hospital", cmd_kiosk },
	{ "match", "match Sigma rules over log files", cmd_match },
	{ "order", "have a post do one of a few things", cmd_order },
	{ "post", "send this machine's logs to a hub", cmd_post },
	{ "rules", "check, test and write Sigma rules", cmd_rules },
	{ "watch", "watch this machine's logs and print alerts", cmd_watch },
};

static int usage(FILE *to)
{
	fprintf(to, "Usage: khien COMMAND [OPTION]... [ARGUMENT]...\n\n"
	            "khien reads logs, matches Sigma rules over them and prints alerts.\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].what);
	fprintf(to, "  %-10s %s\n  %-10s %s\n\n", "version", "print the version", "help", "this text");
	fprintf(to, "'khien COMMAND --help' tells more about one.\n");
	return fflush(to) ? EXIT_TROUBLE : EXIT_NOTHING;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	const char *names[ARRAY_LEN(commands) + 2] = { "help", "version" };
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[i + 2] = commands[i].name;
	const char *nearest = opt_nearest(name, names, ARRAY_LEN(names));
	fprintf(stderr, "khien: unknown command '%s'%s%s%s\nTry 'khien help'.\n", name,
	        nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	return EXIT_TROUBLE;
}

static int help(int argc, char **argv)
{
	if (argc < 2)
		return usage(stdout);
	const struct command *c = find(argv[1]);
	return c ? c->run(2, (char *[]){ argv[1], (char[]){ "--help" }, NULL }) : unknown(argv[1]);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return EXIT_TROUBLE;
	}
	const char *name = argv[1];
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return help(argc - 1, argv + 1);
	if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0)
		return puts("khien " KHIEN_VERSION) < 0 || fflush(stdout) ? EXIT_TROUBLE : EXIT_NOTHING;
	const struct command *c = find(name);
	return c ? c->run(argc - 1, argv + 1) : unknown(name);
}
