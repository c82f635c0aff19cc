/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server.py, started before main() and ended after it. The environment then holds proxies and certificates that libcurl must not listen to.
 */
#ifndef TESTS_UNIT_HTTP_SERVER_H
#define TESTS_UNIT_HTTP_SERVER_H

/* Of the server called name, on 127.0.0.1. */
unsigned http_server_port(const char *name);

/* The file of the authority that has signed their certificates. */
char *http_server_ca(void);

#endif
