/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file of sealed records, as it lies on disk: STATE/store and RUNTIME/store.keep are both of this kind. Knows headers, records, the chain and what a torn tail is;
 * knows nothing of credentials.
 *
 * The file, version 1; numbers are little-endian, everything is aligned to blocks of 512 bytes:
 *
 *	block 0, and the same again in block 1 (one damaged block must not cost the store):
 *	  0 magic "sftstore"   8 version u32   12 kind u32 (1 store, 2 keep)   16 id of the store [16]   32 machine id [40]   72 boot id [40]
 *	112 inode number u64  120 birth of the file i64 (ns, 0: not known)     128 salt of the file [16]  144 first number u64
 *	152 synced u64        160 made at i64 (ms since 1970)                  168 SHA-256 of 0..167 [32] 200 HMAC of 0..199 [32]
 *	from block 2, one after the other, each padded with zeros to whole blocks:
 *	  0 magic "SFTR"       4 length u32    8 number u64                    16 synced u64              24 salt [16]
 *	 40 tag of the record before [16] (of the first: the first half of the header's HMAC)             56 tag [16]     72 the payload, sealed
 *	then zeros to the end of what was allocated.
 *
 * Authenticated are bytes 0..167 of the header (by its HMAC and with each record), bytes 0..55 of each record, and the payload, which alone is secret. So a record proves by itself
 * that it belongs to this file and has this number, and the chain is checked by comparing tags. Numbers rise from record to record and over new
 * files; some may be missing, because store.keep has had them.
 * synced is the highest number that was known to be on disk when this was written; in a header, the highest of the records that were written before the file got its name.
 */
#ifndef MINT_STORE_JOURNAL_H
#define MINT_STORE_JOURNAL_H

#include <sys/types.h>

#include "base/buf.h"
#include "daemon/mint/store_io.h"
#include "daemon/mint/store_seal.h"

enum {
	STORE_BLOCK = 512,
	STORE_VERSION = 1,
	STORE_HEADER_FIXED = 168,
	STORE_RECORD_HEAD = 72,
	STORE_RECORD_AAD = 56,
	STORE_RECORDS_AT = 2 * STORE_BLOCK,
};

enum store_file { STORE_FILE_MAIN = 1, STORE_FILE_KEEP = 2 };

struct store_header {
	enum store_file kind;
	unsigned char id[STORE_SEAL_ID];
	struct store_identity identity; /* where it was made */
	uint64_t inode;
	int64_t birth_ns;
	uint64_t first, synced;
	int64_t made_real_ms;
};

struct store_journal {
	int fd; /* -1: no file */
	bool read_only;
	struct store_header header;
	unsigned char fixed[STORE_HEADER_FIXED]; /* as it is on disk */
	unsigned char last_tag[STORE_SEAL_TAG];
	off_t end;       /* where the next record goes */
	off_t size;      /* of the file: room that is certain */
	uint64_t number; /* of the last record, or first - 1 */
};

/* Bytes of the file that a record with this much payload takes. */
off_t store_journal_room(size_t payload);

/*
 * Makes the file name below dir (it must not exist), locked, with its headers and size bytes of room (0: it grows). header: without inode and birth. Nothing is synced.
 * 0, -ERR_RETRY with the errno's text (nothing is open; the file may be there), -ERR_INTERNAL.
 */
int store_journal_create(struct store_journal *j, struct store_seal *seal, int dir,
			 const char *name, const struct store_header *header, off_t size,
			 struct err *err);
void store_journal_close(struct store_journal *j);

/* Appends a record; number is greater than that of the last. 0, or -ERR_RETRY with the errno's text (what lies behind end is not known then), -ERR_INTERNAL (nothing was written). */
int store_journal_append(struct store_journal *j, struct store_seal *seal, uint64_t number,
			 uint64_t synced, const struct buf *payload, struct err *err);

/* --- reading (store_load.c) --- */

struct store_scan {
	bool damaged;    /* something that was on disk is not there any more */
	bool garbage;    /* behind the end lies what is not zero: nothing may be appended */
	uint64_t top;    /* the highest number that must not be given again */
	uint64_t synced; /* known to be on disk */
	/* Called for each record in the order of their numbers; text may be changed. Negative ends the scan, but for -ERR_PROTOCOL: the record says nothing that we know, which is damage. */
	int (*record)(void *arg, uint64_t number, char *text, size_t size, struct err *err);
	void *arg;
};

/* Reads the headers of the open file j->fd. 0, -ERR_ADMIN with what to do, -ERR_INTERNAL. path: for people. */
int store_journal_read_header(struct store_journal *j, struct store_seal *seal,
			      enum store_file kind, const char *path, struct err *err);
/* Reads all records after the header. 0, -ERR_ADMIN (cannot be read), what record() returned. */
int store_journal_read(struct store_journal *j, struct store_seal *seal, struct store_scan *scan,
		       const char *path, struct err *err);

/* --- layout, for both --- */

void store_journal_lay_header(const struct store_header *h, const unsigned char *salt,
			      unsigned char fixed[STORE_HEADER_FIXED]);
void store_journal_parse_header(const unsigned char fixed[STORE_HEADER_FIXED],
				struct store_header *h);
uint32_t store_journal_u32(const unsigned char *at);
uint64_t store_journal_u64(const unsigned char *at);

extern const char store_journal_magic[8], store_record_magic[4];

#endif
