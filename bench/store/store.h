/* What store.c calls. */
#ifndef KHIEN_BENCH_STORE_H
#define KHIEN_BENCH_STORE_H

struct feed;

/* Rows with indexes, in FOLDER/rows.db. */
void rows_write(const char *dir, const char *prefix, struct feed *feed);
void rows_ask(const char *dir);
/* What memory, zstd and the disk do with the same bytes. */
void limits(const char *dir, struct feed *feed);

struct events;
/* Hunts over a store that is open. */
void ask_hunts(struct events *s);

void forget_files(const char *dir);

#endif
