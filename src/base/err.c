/* SPDX-License-Identifier: MIT */
/* err.c - private error codes: their errno and their text. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/defs.h"
#include "base/err.h"

static const struct {
	int eno;
	const char *text;
} table[] = {
#define X(name, err, text_) [VE_##name - VE_FIRST] = { err, text_ },
	VARVE_ERRORS(X)
#undef X
};

static bool is_private(int code)
{
	return code < -VE_FIRST && code > -VE_END;
}

int err_errno(int code)
{
	if (code == 0)
		return 0;
	if (code < 0 && code > -VE_FIRST)
		return -code;
	if (is_private(code))
		return table[-code - VE_FIRST].eno;
	return EIO;
}

const char *err_str(int code)
{
	const char *text = NULL;

	if (code == 0)
		return "success";
	if (is_private(code))
		return table[-code - VE_FIRST].text;
	if (code < 0 && code > -VE_FIRST)
		text = strerrordesc_np(-code);
	return text ? text : "unknown error";
}
