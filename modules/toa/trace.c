// SPDX-License-Identifier: GPL-2.0
/* Fires the tracepoint for handshakes.rs. */
#define CREATE_TRACE_POINTS
#include "trace.h"

void toa_trace_client(u64 cookie, const u8 *peer, u16 pport, const u8 *client, u16 cport);
void toa_trace_client(u64 cookie, const u8 *peer, u16 pport, const u8 *client, u16 cport) { trace_toa_client(cookie, peer, pport, client, cport); }
