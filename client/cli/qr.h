/* SPDX-License-Identifier: Apache-2.0 */
/* A QR code for the telephone of the person who logs in. */
#ifndef CLI_QR_H
#define CLI_QR_H

/* Prints text as a QR code on standard output; nothing where it cannot be seen: no terminal, no UTF-8, no colours, too small, or no libqrencode4 on the machine. */
void qr_print(const char *text);

#endif
