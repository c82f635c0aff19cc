/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/store_journal.h"

#include <errno.h>
#include <string.h>

#include "daemon/mint/store_record.h"

const char store_journal_magic[8] = { 's', 'f', 't', 's', 't', 'o', 'r', 'e' };
const char store_record_magic[4] = { 'S', 'F', 'T', 'R' };

/* --- layout --- */

static void put_u32(unsigned char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

static void put_u64(unsigned char *at, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

uint32_t store_journal_u32(const unsigned char *at)
{
	uint32_t value = 0;

	for (int i = 3; i >= 0; i--)
		value = value << 8 | at[i];
	return value;
}

uint64_t store_journal_u64(const unsigned char *at)
{
	return (uint64_t)store_journal_u32(at + 4) << 32 | store_journal_u32(at);
}

void store_journal_lay_header(const struct store_header *h, const unsigned char *salt,
			      unsigned char fixed[STORE_HEADER_FIXED])
{
	memset(fixed, 0, STORE_HEADER_FIXED);
	memcpy(fixed, store_journal_magic, 8);
	put_u32(fixed + 8, STORE_VERSION);
	put_u32(fixed + 12, (uint32_t)h->kind);
	memcpy(fixed + 16, h->id, STORE_SEAL_ID);
	memcpy(fixed + 32, h->identity.machine_id, 40);
	memcpy(fixed + 72, h->identity.boot_id, 40);
	put_u64(fixed + 112, h->inode);
	put_u64(fixed + 120, (uint64_t)h->birth_ns);
	memcpy(fixed + 128, salt, STORE_SEAL_SALT);
	put_u64(fixed + 144, h->first);
	put_u64(fixed + 152, h->synced);
	put_u64(fixed + 160, (uint64_t)h->made_real_ms);
}

void store_journal_parse_header(const unsigned char fixed[STORE_HEADER_FIXED],
				struct store_header *h)
{
	memset(h, 0, sizeof(*h));
	h->kind = (enum store_file)store_journal_u32(fixed + 12);
	memcpy(h->id, fixed + 16, STORE_SEAL_ID);
	memcpy(h->identity.machine_id, fixed + 32, 39);
	memcpy(h->identity.boot_id, fixed + 72, 39);
	h->inode = store_journal_u64(fixed + 112);
	h->birth_ns = (int64_t)store_journal_u64(fixed + 120);
	h->first = store_journal_u64(fixed + 144);
	h->synced = store_journal_u64(fixed + 152);
	h->made_real_ms = (int64_t)store_journal_u64(fixed + 160);
}

off_t store_journal_room(size_t payload)
{
	return (off_t)((payload + STORE_RECORD_HEAD + STORE_BLOCK - 1) / STORE_BLOCK * STORE_BLOCK);
}

/* --- writing --- */

/* All of it or an error; a disk that takes a part and no more is full. */
static int write_all(int fd, const void *bytes, size_t size, off_t at, struct err *err)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = store_io_write(fd, (const char *)bytes + done, size - done,
					   at + (off_t)done);

		if (n <= 0)
			return err_errno(err, ERR_RETRY, n < 0 ? errno : ENOSPC, "write");
		done += (size_t)n;
	}
	return 0;
}

static int write_headers(struct store_journal *j, struct store_seal *seal, struct err *err)
{
	unsigned char blocks[STORE_RECORDS_AT] = { 0 }, *sum = blocks + STORE_HEADER_FIXED;
	unsigned char salt[STORE_SEAL_SALT];
	int r = store_seal_random(salt, sizeof(salt), err);

	if (r < 0)
		return r;
	store_journal_lay_header(&j->header, salt, j->fixed);
	memcpy(blocks, j->fixed, STORE_HEADER_FIXED);
	r = store_seal_sum(blocks, STORE_HEADER_FIXED, sum, err);
	if (r == 0)
		r = store_seal_mac(seal, blocks, STORE_HEADER_FIXED + STORE_SEAL_SUM,
				   sum + STORE_SEAL_SUM, err);
	if (r < 0)
		return r;
	memcpy(j->last_tag, sum + STORE_SEAL_SUM, STORE_SEAL_TAG);
	memcpy(blocks + STORE_BLOCK, blocks, STORE_BLOCK);
	j->end = STORE_RECORDS_AT;
	return write_all(j->fd, blocks, sizeof(blocks), 0, err);
}

/* Names the file itself in its header, so that a copy is known as one. */
static int found(struct store_journal *j, off_t size, struct err *err)
{
	struct stat st;

	if (store_io_lock(j->fd) < 0)
		return err_errno(err, ERR_RETRY, errno, "lock");
	if (size > 0 && store_io_allocate(j->fd, size) < 0)
		return err_errno(err, ERR_RETRY, errno, "room for %lld bytes", (long long)size);
	if (store_io_stat(j->fd, &st) < 0)
		return err_errno(err, ERR_RETRY, errno, "stat");
	j->size = size;
	j->header.inode = (uint64_t)st.st_ino;
	j->header.birth_ns = store_io_birth(j->fd);
	return 0;
}

int store_journal_create(struct store_journal *j, struct store_seal *seal, int dir,
			 const char *name, const struct store_header *header, off_t size,
			 struct err *err)
{
	int r;

	*j = (struct store_journal){ .fd = -1, .header = *header, .number = header->first - 1 };
	j->fd = store_io_open(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (j->fd < 0)
		return err_errno(err, ERR_RETRY, errno, "create");
	r = found(j, size, err);
	if (r == 0)
		r = write_headers(j, seal, err);
	if (r < 0)
		store_journal_close(j);
	return r;
}

void store_journal_close(struct store_journal *j)
{
	if (j->fd >= 0)
		store_io_close(j->fd);
	j->fd = -1;
}

static int seal_record(struct store_journal *j, struct store_seal *seal, uint64_t number,
		       uint64_t synced, const struct buf *payload, struct buf *record,
		       struct err *err)
{
	size_t room = (size_t)store_journal_room(payload->len);
	unsigned char *at;
	int r;

	if (buf_reserve(record, room) < 0)
		return err_oom(err);
	at = (unsigned char *)record->data;
	memset(at, 0, room);
	record->len = room;
	memcpy(at, store_record_magic, 4);
	put_u32(at + 4, (uint32_t)payload->len);
	put_u64(at + 8, number);
	put_u64(at + 16, synced);
	r = store_seal_salt(seal, at + 24, err);
	if (r < 0)
		return r;
	memcpy(at + 40, j->last_tag, STORE_SEAL_TAG);
	return store_seal_close(
		seal,
		&(struct store_seal_place){
			.id = j->header.id,
			.salt = at + 24,
			.number = number,
			.aad = { { j->fixed, STORE_HEADER_FIXED }, { at, STORE_RECORD_AAD } },
		},
		payload->data, payload->len, at + STORE_RECORD_HEAD, at + STORE_RECORD_AAD, err);
}

int store_journal_append(struct store_journal *j, struct store_seal *seal, uint64_t number,
			 uint64_t synced, const struct buf *payload, struct err *err)
{
	CLEANUP(buf_finip) struct buf record;
	int r;

	buf_init(&record, (size_t)store_journal_room(STORE_PAYLOAD_MAX) + 1);
	r = seal_record(j, seal, number, synced, payload, &record, err);
	if (r == 0)
		r = write_all(j->fd, record.data, record.len, j->end, err);
	if (r < 0)
		return r;
	memcpy(j->last_tag, record.data + STORE_RECORD_AAD, STORE_SEAL_TAG);
	j->end += (off_t)record.len;
	j->number = number;
	return 0;
}
