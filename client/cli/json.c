/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/json.h"

#include <dlfcn.h>
#include <string.h>

#include "client/cli/cli.h"

#define JSON_LIBRARY "libjson-c.so.5"

struct json_functions json;

/* ISO C has no conversion from an object to a function pointer; POSIX wants dlsym() to be used so. */
static bool find(void *library, const char *name, void *function)
{
	void *symbol = dlsym(library, name);

	memcpy(function, &symbol, sizeof symbol);
	return symbol != NULL;
}

bool json_find(void)
{
	void *library = dlopen(JSON_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	bool found = library != NULL;

#define JSON_FIND(name) found = found && find(library, "json_" #name, &json.name);
	JSON_FUNCTIONS(JSON_FIND)
#undef JSON_FIND
	return found;
}

int json_open(void)
{
	return json_find()
		       ? 0
		       : complain(EXIT_STATUS_INTERNAL,
				  "this command needs %s: apt install libjson-c5", JSON_LIBRARY);
}
