/* SPDX-License-Identifier: MIT */
/* msg.h - messages for people: stderr or syslog.
 *
 * Thread-safe.  One message is one line, without a trailing newline in fmt. */
#ifndef VARVE_BASE_MSG_H
#define VARVE_BASE_MSG_H

#include "base/defs.h"

enum msg_level { MSG_ERR, MSG_WARN, MSG_INFO, MSG_DEBUG };
enum msg_sink { MSG_STDERR, MSG_SYSLOG };

/* name is shown before each message; it must stay valid. */
void msg_init(const char *name, enum msg_sink sink, enum msg_level most);
void msg_at(enum msg_level level, const char *fmt, ...) VARVE_PRINTF(2, 3);
#define msg_err(...) msg_at(MSG_ERR, __VA_ARGS__)
#define msg_warn(...) msg_at(MSG_WARN, __VA_ARGS__)
#define msg_info(...) msg_at(MSG_INFO, __VA_ARGS__)
#define msg_debug(...) msg_at(MSG_DEBUG, __VA_ARGS__)

/* Tests install a hook to see (and swallow) messages; NULL removes it. */
void msg_set_hook(void (*hook)(enum msg_level level, const char *line));

/* A broken promise of our own code or no memory for a few bytes: print and
 * abort().  Replay then restores everything that was acknowledged as synced. */
VARVE_NORETURN void msg_panic(const char *fmt, ...) VARVE_PRINTF(1, 2);

/* malloc that cannot fail (panics); for small bookkeeping only. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);

#endif
