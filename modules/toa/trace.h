/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoint of clients. TRACE_EVENT() is C's, so this is: a socket, which ss -e shows by the same
 * number, its peer on the wire, and its client. IPv4 addresses are in their mapped form.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM toa

#if !defined(TOA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define TOA_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(toa_client,

	TP_PROTO(u64 cookie, const u8 *peer, u16 pport, const u8 *client, u16 cport),

	TP_ARGS(cookie, peer, pport, client, cport),

	TP_STRUCT__entry(
		__field(u64, cookie)
		__array(u8, peer, 16)
		__array(u8, client, 16)
		__field(u16, pport)
		__field(u16, cport)
	),

	TP_fast_assign(
		__entry->cookie = cookie;
		memcpy(__entry->peer, peer, 16);
		memcpy(__entry->client, client, 16);
		__entry->pport = pport;
		__entry->cport = cport;
	),

	TP_printk("sk=%llx peer=[%pI6c]:%u client=[%pI6c]:%u",
		  __entry->cookie, __entry->peer, __entry->pport, __entry->client, __entry->cport)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
