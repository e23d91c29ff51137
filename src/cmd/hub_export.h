/* Events out of the store and into one: `khien hub export` and `khien hub import`. */
#ifndef KHIEN_CMD_HUB_EXPORT_H
#define KHIEN_CMD_HUB_EXPORT_H

/* As commands: argv[0] is "export" or "import"; the exit status. */
int hub_export(int argc, char **argv);
int hub_import(int argc, char **argv);

#endif
