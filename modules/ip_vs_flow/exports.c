// SPDX-License-Identifier: GPL-2.0
/* What the engine offers the modules of the forwarding methods; defined in registry.rs. */
#include <linux/export.h>
#include <linux/module.h>

struct net;
struct flow_method;

int ip_vs_flow_register_method(const struct flow_method *method);
void ip_vs_flow_unregister_method(const struct flow_method *method);
void ip_vs_flow_end_connections(struct net *net, const struct flow_method *method);

EXPORT_SYMBOL_GPL(ip_vs_flow_register_method);
EXPORT_SYMBOL_GPL(ip_vs_flow_unregister_method);
EXPORT_SYMBOL_GPL(ip_vs_flow_end_connections);
