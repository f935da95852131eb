/* SPDX-License-Identifier: MIT */
/* msg.c - messages for people, and allocation that cannot fail. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/msg.h"

#define LINE_MAX_LEN 1024

static const char *const level_word[] = {
	[MSG_ERR] = "error: ",
	[MSG_WARN] = "warning: ",
	[MSG_INFO] = "",
	[MSG_DEBUG] = "debug: ",
};
static const int level_syslog[] = {
	[MSG_ERR] = LOG_ERR,
	[MSG_WARN] = LOG_WARNING,
	[MSG_INFO] = LOG_INFO,
	[MSG_DEBUG] = LOG_DEBUG,
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards these two */
static const char *prog = "varvefs";
static enum msg_sink to;
static _Atomic(enum msg_level) most_level = MSG_INFO;
static _Atomic(void (*)(enum msg_level, const char *)) hook_fn;

void msg_init(const char *name, enum msg_sink sink, enum msg_level most)
{
	pthread_mutex_lock(&mutex);
	prog = name;
	to = sink;
	if (sink == MSG_SYSLOG)
		openlog(name, LOG_PID, LOG_DAEMON);
	atomic_store(&most_level, most);
	pthread_mutex_unlock(&mutex);
}

void msg_set_hook(void (*hook)(enum msg_level level, const char *line))
{
	atomic_store(&hook_fn, hook);
}

/* One write(2) per line, so that lines of several programs do not mix. */
static void emit_stderr(enum msg_level level, const char *line)
{
	char out[LINE_MAX_LEN + 128];
	const char *p = out;
	int n = snprintf(out, sizeof(out) - 1, "%s: %s%s", prog,
			 level_word[level], line);

	if (n < 0)
		return;
	if (n > (int)sizeof(out) - 2)
		n = sizeof(out) - 2;
	out[n++] = '\n';
	while (n > 0) {
		ssize_t w = write(STDERR_FILENO, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;
		p += w;
		n -= w;
	}
}

static void emit(enum msg_level level, const char *fmt, va_list ap)
{
	void (*hook)(enum msg_level, const char *) = atomic_load(&hook_fn);
	char line[LINE_MAX_LEN];
	int saved = errno;

	vsnprintf(line, sizeof(line), fmt, ap);
	if (hook) {
		hook(level, line);
	} else {
		pthread_mutex_lock(&mutex);
		if (to == MSG_SYSLOG)
			syslog(level_syslog[level], "%s", line);
		else
			emit_stderr(level, line);
		pthread_mutex_unlock(&mutex);
	}
	errno = saved;
}

void msg_at(enum msg_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > atomic_load_explicit(&most_level, memory_order_relaxed))
		return;
	va_start(ap, fmt);
	emit(level, fmt, ap);
	va_end(ap);
}

void msg_panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(MSG_ERR, fmt, ap);
	va_end(ap);
	abort();
}

static void *checked(void *p, size_t n)
{
	if (!p && n)
		msg_panic("out of memory (%zu bytes)", n);
	return p;
}

void *xmalloc(size_t n)
{
	return checked(malloc(n), n);
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n, size), n && size ? n : 0);
}

void *xrealloc(void *p, size_t n)
{
	return checked(realloc(p, n), n);
}
