/*
 * The commands. Each gets its own words (argv[0] is the command's name) and returns the exit status of the program:
 * 0 done, 1 found something (matches, refused rules), 2 could not do it.
 */
#ifndef KHIEN_CMD_CMD_H
#define KHIEN_CMD_CMD_H

int cmd_ca(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_drill(int argc, char **argv);
int cmd_find(int argc, char **argv);
int cmd_gate(int argc, char **argv);
int cmd_hub(int argc, char **argv);
int cmd_hunt(int argc, char **argv);
int cmd_intel(int argc, char **argv);
int cmd_kiosk(int argc, char **argv);
int cmd_match(int argc, char **argv);
int cmd_order(int argc, char **argv);
int cmd_post(int argc, char **argv);
int cmd_rules(int argc, char **argv);
int cmd_watch(int argc, char **argv);

enum { EXIT_NOTHING = 0, EXIT_FOUND = 1, EXIT_TROUBLE = 2 };

#endif
