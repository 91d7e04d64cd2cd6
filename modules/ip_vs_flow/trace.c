// SPDX-License-Identifier: GPL-2.0
/* Fires the tracepoint for namespace.rs. */
#define CREATE_TRACE_POINTS
#include "trace.h"

void ip_vs_flow_trace_drop(const struct sk_buff *skb, const char *reason);
void ip_vs_flow_trace_drop(const struct sk_buff *skb, const char *reason) { trace_ip_vs_flow_drop(skb, reason); }
