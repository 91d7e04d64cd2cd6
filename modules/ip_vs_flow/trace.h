/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoint of dropped packets. TRACE_EVENT() is C's, so this is: one event, with the reason by
 * the name its counter has.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ip_vs_flow

#if !defined(IP_VS_FLOW_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define IP_VS_FLOW_TRACE_H

#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/tracepoint.h>
#include <linux/udp.h>
#include <net/ipv6.h>
#include <trace/events/net_probe_common.h>

TRACE_EVENT(ip_vs_flow_drop,

	TP_PROTO(const struct sk_buff *skb, const char *reason),

	TP_ARGS(skb, reason),

	TP_STRUCT__entry(
		__field(const void *, skbaddr)
		__field(unsigned int, len)
		__field(u8, protocol)
		__array(u8, saddr, sizeof(struct sockaddr_in6))
		__array(u8, daddr, sizeof(struct sockaddr_in6))
		__string(reason, reason)
	),

	TP_fast_assign(
		static const struct udphdr none;
		bool ports = skb_transport_header_was_set(skb) && skb_transport_offset(skb) >= 0 &&
			     skb_transport_offset(skb) + sizeof(none) <= skb_headlen(skb);
		const struct udphdr *transport = ports ? udp_hdr(skb) : &none;

		__entry->skbaddr = skb;
		__entry->len = skb->len;
		__entry->protocol = ip_hdr(skb)->version == 6 ? ipv6_hdr(skb)->nexthdr : ip_hdr(skb)->protocol;
		memset(__entry->saddr, 0, sizeof(struct sockaddr_in6));
		memset(__entry->daddr, 0, sizeof(struct sockaddr_in6));
		TP_STORE_ADDR_PORTS_SKB(skb, transport, __entry->saddr, __entry->daddr);
		__assign_str(reason);
	),

	TP_printk("skbaddr=%p reason=%s protocol=%u src=%pISpc dest=%pISpc len=%u",
		  __entry->skbaddr, __get_str(reason), __entry->protocol,
		  __entry->saddr, __entry->daddr, __entry->len)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
